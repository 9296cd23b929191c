"""Going on with a run that was cut short: what its record says, and whether the bench still agrees with it.

Owns both judgements, as functions of (record, readings, now). Must not decide that a run goes on: a person does, or the
bench's file (`resume:`). A run goes on in the step in which it stood. What flowed after the last word of the record is
not known, and never guessed: it is a gap, with the most that can have flowed in it (`unseen_ah`), from which the
analysis concludes what the result is still worth (`analysis/gaps.py`).

A pack that moved while nobody looked is another pack: its charge, the mean of its cells and their pattern are held
against what was read last. The bounds are house rules, wide enough for what a rest of a day does to a healthy pack.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from packbench.core.errors import InputError
from packbench.core.records import Gap, StepRecord
from packbench.core.samples import FloatArray, Snapshot
from packbench.core.specs import BenchSpec, PackSpec
from packbench.engine.checkpoint import Checkpoint, restored
from packbench.engine.effects import Ask
from packbench.engine.state import EngineState, Hold
from packbench.profile.plan import Answer, Plan
from packbench.run.checkpoints import CHECKPOINT, FLOWING_NS, from_data
from packbench.run.controls import EVENTS
from packbench.run.recorder import STALLED_S, BatchPolicy
from packbench.store.codec import TRIP
from packbench.store.edits import WITHDRAWN
from packbench.store.reader import LoggedEvent, RunReader, SampleTable
from packbench_board.codes import LOAD_BREAK_MAX_US

QUESTION = "resume"
GO_ON = "resume"
"""The question to whoever resumes a run, and the answer that does."""
GONE = "the controller was gone"
"""Why nobody saw what flowed (in Chinese: analysis/said)."""
CELLS_MEAN_V = 0.25
"""By how much the cells' mean may have moved: a load's drop and what a rest gives back."""
PATTERN_V = 0.15
"""By how much any cell may have moved against the others."""
SOC_OFF = 0.03
"""By how much the BMS's own count may have moved besides what can have flowed: its resolution and its corrections."""
TEMPERATURE_OFF_K = 20.0
UNWRITTEN_NS = round((BatchPolicy().max_delay_s + STALLED_S) * 1e9)
"""How long a run may have gone on after the last record that reached the disk: it stops by itself after that."""


@dataclass(frozen=True, slots=True)
class Stood:
    """Where a run stood, by the last words of its record."""

    checkpoint: Checkpoint
    written_ns: int
    """Of the checkpoint, from the run's beginning."""
    mono_ns: int
    """The same instant on the monotonic clock of the machine's boot `boot_id`."""
    wall: str
    """And on the wall clock, RFC 3339."""
    boot_id: str
    last_ns: int
    """Of the newest record."""
    most_a: float
    """The largest magnitude of current that may have flowed since the totals were counted."""
    steps: tuple[StepRecord, ...]
    identities: Mapping[str, Mapping[str, Any]]
    """By device: model, serial, firmware."""
    soc: float | None
    cells_v: FloatArray
    temperature_c: float
    """The hottest sensor; NaN: none was read."""
    unmet: str = ""
    """An operator's word that is in the record, and that the controller was killed before carrying out."""


class Found(NamedTuple):
    """One thing that was held against the record."""

    name: str
    was: str
    now: str
    ok: bool


def stood(reader: RunReader) -> Stood:
    """What the record says. Raises InputError, with the reason, for a run that cannot go on."""
    events = reader.events()
    kinds = {event.kind for event in events}
    if TRIP in kinds:
        raise InputError("the run was stopped by safety: such a run is never resumed")
    if reader.sealed or "finished" in kinds:
        raise InputError("the run has ended; `packbench report` makes its result")
    if EVENTS["abort"] in kinds:
        raise InputError("the run was aborted by an operator: it is never resumed; `packbench report` makes its result")
    written = [event for event in events if event.kind == CHECKPOINT]
    if not written:
        raise InputError("the run's profile had not begun: start it anew")
    newest = written[-1]
    try:
        checkpoint = from_data(newest.data["at"])
        mono_ns, wall, boot_id = int(newest.data["mono_ns"]), str(newest.data["wall"]), str(newest.data["boot_id"])
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(f"the run's last checkpoint cannot be read: {error}") from error
    rows = reader.rows()
    asked = [abs(event.data["current_a"]) for event in events if event.kind == "set_output" and event.seq > newest.seq]
    driven = [] if checkpoint.drive is None else [abs(checkpoint.drive[0])]
    word = _last_word(events, newest.seq)
    going_ns = word.t_ns if word is not None and word.kind == EVENTS["continue"] else None
    checkpoint = _with_rows(checkpoint, rows, newest.seq, going_ns)
    return Stood(
        checkpoint=checkpoint,
        written_ns=newest.t_ns,
        mono_ns=mono_ns,
        wall=wall,
        boot_id=boot_id,
        last_ns=max(newest.t_ns, events[-1].t_ns, int(rows.t_ns[-1]) if len(rows) else 0),
        most_a=max(*driven, *asked, abs(checkpoint.current_a), 0.0),
        steps=tuple(reader.steps()),
        identities={event.data["device"]: event.data for event in events if event.kind == "identified"},
        soc=_last(rows.soc),
        cells_v=rows.cell_voltages_v[-1] if len(rows) else np.empty(0),
        temperature_c=float(rows.temperatures_c[-1].max()) if rows.temperatures_c.size else float("nan"),
        unmet=f"jump to {word.data.get('to')}" if word is not None and word.kind == EVENTS["jump"] else "",
    )


@dataclass(frozen=True, slots=True)
class Resumption:
    """A run that is to go on."""

    stood: Stood
    bench: BenchSpec
    away_ns: int
    """From the checkpoint to `anchor_ns`."""
    anchor_ns: int
    """An instant of the resumed run's own monotonic clock."""
    operator: str
    """Whose word it is; empty: the bench's file allows it without one."""
    reason: str = GONE

    @property
    def taper_a(self) -> float | None:
        """The most that a cell's limit has left of the step's current."""
        return self.stood.checkpoint.taper_a

    @property
    def unseen_ah(self) -> float:
        """The most that may have flowed unseen: until the board's lease had run out and its contactor was open."""
        flowed_ns = FLOWING_NS + UNWRITTEN_NS + self.bench.lease_ns
        flowed_ns += LOAD_BREAK_MAX_US * 1000 + self.bench.contactor_release_ns
        return self.stood.most_a * flowed_ns / 3.6e12

    def run_ns(self, now_ns: int) -> int:
        """How long ago the run began; never before its last record."""
        elapsed_ns = self.stood.written_ns + self.away_ns + now_ns - self.anchor_ns
        return max(elapsed_ns, self.stood.last_ns + now_ns - self.anchor_ns)

    def state(self, plan: Plan, now_ns: int) -> EngineState:
        """The engine's state, its step yet to be entered; one that was held still is.

        Raises InputError when the record is of another plan.
        """
        try:
            state = restored(plan, self.stood.checkpoint, self.stood.steps, now_ns, self.run_ns(now_ns))
        except ValueError as error:
            raise InputError(str(error)) from error
        if not self.stood.checkpoint.held:
            return state
        return state._replace(step=replace(state.step, hold=Hold(now_ns, now_ns + self.bench.max_hold_ns)))

    def gap(self, now_ns: int) -> Gap:
        """What nobody saw."""
        return Gap(self.stood.checkpoint.metered_ns, self.run_ns(now_ns), self.reason, self.unseen_ah)

    def compare(self, snapshot: Snapshot, pack: PackSpec, identities: Mapping[str, Mapping[str, Any]]) -> list[Found]:
        """What matches the record, and what does not."""
        found = [
            Found(name, _named(was), _named(identities[name]), _same_device(was, identities[name]))
            for name, was in self.stood.identities.items()
            if name in identities
        ]
        bms = snapshot.bms
        if bms is None:
            return [*found, Found("bms", "a reading", "none", ok=False)]
        found.append(self._soc(bms.soc, pack))
        found += self._cells(bms.cell_voltages_v)
        was_c, now_c = self.stood.temperature_c, bms.temperature_max_c
        near = not np.isfinite(was_c) or abs(now_c - was_c) <= TEMPERATURE_OFF_K
        found.append(Found("temperature", f"{was_c:.1f} degC", f"{now_c:.1f} degC", near))
        away_s = self.run_ns(snapshot.t_ns) / 1e9 - self.stood.checkpoint.metered_ns / 1e9
        most_s = self.bench.resume_within_ns / 1e9
        found.append(Found("gap", f"at most {most_s:g} s", f"{away_s:.1f} s", away_s <= most_s))
        if self.stood.unmet:
            found.append(Found("word", self.stood.unmet, "not carried out: say it again", ok=True))
        return found

    def _soc(self, now: float | None, pack: PackSpec) -> Found:
        was = self.stood.soc
        if was is None or now is None:
            return Found("soc", "not said" if was is None else f"{was:.3f}", "not said", ok=True)
        bound = SOC_OFF + self.unseen_ah / pack.rated_capacity_ah
        return Found("soc", f"{was:.3f}", f"{now:.3f}", abs(now - was) <= bound)

    def _cells(self, now_v: FloatArray) -> list[Found]:
        was_v = self.stood.cells_v
        if was_v.size != now_v.size:
            return [Found("cells", str(was_v.size), str(now_v.size), ok=False)]
        moved_v = float(now_v.mean() - was_v.mean())
        pattern_v = float(np.abs(now_v - was_v - moved_v).max())
        return [
            Found("cells_mean", f"{was_v.mean():.3f} V", f"{now_v.mean():.3f} V", abs(moved_v) <= CELLS_MEAN_V),
            Found("cells_pattern", f"within {PATTERN_V:g} V", f"{pattern_v:.3f} V", pattern_v <= PATTERN_V),
        ]


def whether_to_go_on() -> Ask:
    """The question to whoever resumes a run, and has seen what was held against the record."""
    return Ask(
        QUESTION,
        "Everything matches the record. Go on with the run?",
        "台架与记录一致。是否继续试验？",
        (Answer(GO_ON, "go on", "继续", None), Answer("stop", "leave it as it is", "保持现状", None)),
    )


def _last_word(events: Sequence[LoggedEvent], seq: int) -> LoggedEvent | None:
    """The last that an operator said after a record, unless it was taken back; no later checkpoint reached the disk."""
    later = [event for event in events if event.seq > seq and event.kind in (*EVENTS.values(), WITHDRAWN)]
    return later[-1] if later and later[-1].kind != WITHDRAWN else None


def _with_rows(checkpoint: Checkpoint, rows: SampleTable, seq: int, going_ns: int | None) -> Checkpoint:
    """The checkpoint moved on by the rows of the same step that were recorded after it.

    `going_ns`: since when a step that was held has gone on; None: nobody said so.
    """
    held, from_ns = checkpoint.held and going_ns is None, max(checkpoint.metered_ns, going_ns or 0)
    checkpoint = replace(checkpoint, held=held)
    later = (rows.seq > seq) & (rows.step == checkpoint.step) & (rows.cycle == checkpoint.cycle)
    later &= (rows.t_ns > checkpoint.metered_ns) & np.isfinite(rows.step_ah)
    if not later.any():
        return checkpoint
    at = int(np.flatnonzero(later)[-1])
    t_ns = int(rows.t_ns[at])
    return replace(
        checkpoint,
        elapsed_ns=checkpoint.elapsed_ns + (0 if held else max(t_ns - from_ns, 0)),
        metered_ns=t_ns,
        ah=float(rows.step_ah[at]),
        wh=float(rows.step_wh[at]),
        current_a=float(rows.current_a[at]),
        voltage_v=float(rows.voltage_v[at]),
    )


def _last(values: FloatArray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known[-1]) if known.size else None


def _same_device(was: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    return all(was.get(name) == now.get(name) for name in ("model", "serial"))


def _named(device: Mapping[str, Any]) -> str:
    return " ".join(str(device[name]) for name in ("model", "serial") if device.get(name))
