"""Whether a recorded run is whole: its hash chain, its samples' continuity, and whether its energy closes.

Owns the composition: what the record holds goes to the pure checks of `analysis`, with the recording rules of the very
profile, and the sources' timing of the very bench, that are kept in the record.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packbench.analysis.closure import Closure, Command, RowValues, check_closure
from packbench.analysis.continuity import Began, Continuity, Finding, Pace, RowTimes, check_continuity
from packbench.analysis.verdict import Signature
from packbench.app.conclude import job_of
from packbench.app.job import Job
from packbench.app.places import DATA_NAME
from packbench.app.records import read_result
from packbench.app.signing import judge_signature
from packbench.core.errors import InputError
from packbench.core.result import Result
from packbench.profile.plan import End, InstantStep
from packbench.store.reader import LoggedEvent, RunReader, Verified
from packbench.trace.signatures import SIGNATURE_NAME

_NO_PACE = Pace(0, 0)


@dataclass(frozen=True, slots=True)
class Whole:
    """What verifying a run came to, when its chain holds."""

    chain: Verified
    continuity: Continuity
    closure: Closure
    signature: Signature
    """What the signature over the record is worth; a problem of it is a finding."""
    unchecked: str | None
    """Why the rows' spacing could not be judged; None: it was."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that does not hold."""
        problem = self.signature.problem_en
        signed = () if problem is None else (Finding("signature", SIGNATURE_NAME, problem),)
        return (*signed, *self.continuity.findings, *self.closure.findings)


def verify_run(folder: Path) -> Whole:
    """Verify one run.

    Raises VerificationFailed when a hash does not match; what else does not hold is in the findings. InputError when
    there is no run.
    """
    result = read_result(folder)
    with RunReader.open(folder / DATA_NAME) as reader:
        chain = reader.verify(None if result is None else result.hashes.get("log_sha256"))
        signature = _signature(folder, reader, chain)
        return _judged(reader, chain, signature, result)


def _signature(folder: Path, reader: RunReader, chain: Verified) -> Signature:
    """What the signature is worth. A run is signed when it is over: one that was cut short has nothing to show yet."""
    if not chain.sealed and not (folder / SIGNATURE_NAME).exists():
        return Signature()
    return judge_signature(folder, reader.meta, chain.log_sha256)


def _judged(reader: RunReader, chain: Verified, signature: Signature, result: Result | None) -> Whole:
    table, steps, gaps, events = reader.rows(), reader.steps(), reader.gaps(), reader.events()
    job, unchecked = _job(reader)
    times = RowTimes(table.seq, table.t_ns, table.step)
    pace = _NO_PACE
    if job is not None:
        pace = Pace(job.bench.cycler.poll_period_ns, job.bench.cycler.stale_after_ns)
    began = [Began(event.seq, int(event.data["number"])) for event in events if event.kind == "step_began"]
    continuity = check_continuity(times, began, steps, gaps, _rule(job, events), pace)
    if np.any(np.diff(table.t_ns) <= 0):
        # Nothing can be added up over rows that are in no order.
        return Whole(chain, continuity, Closure((), ()), signature, unchecked)
    counted = None if job is None or job.plan.result is None else job.plan.result.capacity_step + 1
    values = RowValues(times, table.voltage_v, table.current_a, table.step_ah, table.step_wh)
    if job is None:
        result = None
    closure = check_closure(values, steps, gaps, _commands(events), result, counted)
    return Whole(chain, continuity, closure, signature, unchecked)


def _job(reader: RunReader) -> tuple[Job | None, str | None]:
    try:
        return job_of(reader), None
    except InputError as error:
        return None, f"the recorded profile, pack or bench cannot be read by this version: {error.problems[0]}"


def _rule(job: Job | None, _events: list[LoggedEvent]) -> Callable[[int], int | None]:
    """The recording rule of each step of the plan."""

    def dt_ns(step: int) -> int | None:
        if job is None or not 1 <= step <= len(job.plan.steps):
            return None
        planned = job.plan.steps[step - 1]
        return None if isinstance(planned, InstantStep | End) else planned.record.dt_ns

    return dt_ns


def _commands(events: list[LoggedEvent]) -> list[Command]:
    found: list[Command] = []
    for event in events:
        if event.kind == "set_output":
            found.append(Command(event.t_ns, float(event.data["current_a"])))
        elif event.kind in ("output_off", "stopped", "trip"):
            found.append(Command(event.t_ns, 0.0))
    return found


def whole_to_dict(whole: Whole) -> dict[str, Any]:
    """The JSON of a verification: signature, figures of every step, and what does not hold."""
    spacing = {one.number: one for one in whole.continuity.spacing}
    return {
        "signature": {
            "kid": whole.signature.key_id,
            "by_bench": whole.signature.by_bench,
            "problem": whole.signature.problem_en,
        },
        "continuity": {
            "steps": [
                {
                    "number": one.number,
                    "rows": one.rows,
                    "longest_s": one.longest_ns / 1e9,
                    "allowed_s": None if one.allowed_ns is None else one.allowed_ns / 1e9,
                }
                for one in spacing.values()
            ],
            "unchecked": whole.unchecked,
        },
        "closure": {
            "steps": [
                {
                    "number": step.number,
                    "label": step.label,
                    "rows": step.rows,
                    **{
                        name: {
                            "stored": closed.stored,
                            "by_rows": closed.by_rows,
                            "difference": closed.difference,
                            "unrecorded": closed.unrecorded,
                            "allowed": closed.allowed,
                        }
                        for name, closed in (("charge_ah", step.charge_ah), ("energy_wh", step.energy_wh))
                    },
                }
                for step in whole.closure.steps
            ],
        },
        "findings": [finding._asdict() for finding in whole.findings],
    }
