"""The step program of a run whose cycler runs programs by itself.

Owns its export from the plan, before any device is touched, and the place where it is handed over. What such a
cycler cannot carry is refused with its line of the profile, in `check` as in a run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from packbench.app.devices import load_types
from packbench.app.job import Job
from packbench.core.errors import InputError, Problem
from packbench.core.limits import Limits
from packbench.core.specs import BenchSpec
from packbench.core.step_program import StepProgram
from packbench.drivers.factory import PROGRAMMED
from packbench.profile.amounts import constant
from packbench.profile.checking.pen import Pen
from packbench.profile.exchange.neware import to_step_program
from packbench.profile.plan import Plan
from packbench.run.driving import program_lag_ns

STEPPED_POLL_NS = 500_000_000
"""As the benches whose cyclers are told every set-point have it."""


def export(plan: Plan, limits: Limits, bench: BenchSpec) -> StepProgram | None:
    """The plan as the program of the bench's cycler; None for one that is told every set-point.

    Raises InputError with everything that the cycler cannot carry, or nobody could follow.
    """
    if load_types(bench).cycler.driver not in PROGRAMMED:
        return None
    unseen = _unseen(plan, bench)
    cable_ohm = bench.cable_resistance_ohm if bench.sense_point == "cycler" else 0.0
    try:
        program = to_step_program(plan, limits, cable_ohm=cable_ohm, current_tolerance_a=bench.setpoint_tolerance_a)
    except InputError as error:
        raise InputError([*error.problems, *unseen]) from None
    if unseen:
        raise InputError(unseen)
    return program


def _unseen(plan: Plan, bench: BenchSpec) -> list[Problem]:
    """Steps that may be over before a reading shows them: what nobody has seen, nobody has watched."""
    least_s = program_lag_ns(bench) / 1e9
    problems: list[Problem] = []
    for index, step in enumerate(plan.steps):
        pen = Pen(index, plan.source_file, plan.places)
        for position, condition in enumerate(step.until):
            test = condition.alone
            value_s = None if test is None or test.variable != "step_time" else constant(test.value)
            if value_s is not None and value_s < least_s:
                found = f"a step of {value_s:g} s"
                expected = f"at least {least_s:g} s: {bench.name}'s poll of the cycler and its set-point delay"
                problems.append(pen.write(f"until.{position}", "over before a reading shows it", found, expected))
    return problems


def stepped(job: Job) -> Job:
    """The job where nobody runs its program, as at object level: the cycler is told every set-point.

    It is then looked at as often as that takes: its own controller would.
    """
    if job.program is None:
        return job
    cycler = replace(job.bench.cycler, poll_period_ns=STEPPED_POLL_NS)
    return replace(job, bench=replace(job.bench, cycler=cycler), program=None)


def handed_over_in(folder: Path, job: Job) -> Job:
    """The job with the run's own folder for its program, unless the bench names one that both machines see."""
    cycler = job.bench.cycler
    if job.program is None or cycler.settings.get("program_directory"):
        return job
    settings = MappingProxyType({**cycler.settings, "program_directory": str(folder.resolve())})
    return replace(job, bench=replace(job.bench, cycler=replace(cycler, settings=settings)))
