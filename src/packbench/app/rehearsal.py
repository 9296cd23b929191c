"""A rehearsal: the plan on the simulated bench with ideal instruments, before anybody's pack is touched.

Owns the simulated part of `check`: what the run is expected to do, step by step, and its curve. It must not
leave a record: nothing that was rehearsed is ever evidence. Memory stays the same for a run of days
(report/keeping.py); only the list of executed steps grows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf, isfinite, nan
from pathlib import Path
from typing import TYPE_CHECKING

from packbench import __version__
from packbench.app.job import Job
from packbench.app.operators import Answers
from packbench.app.virtual import NoJournal, Observer, Options, run_unrecorded
from packbench.clock import stopwatch_s
from packbench.core.errors import InputError, Problem
from packbench.core.records import StepRecord, Trip
from packbench.core.samples import Snapshot
from packbench.engine.state import EngineState
from packbench.report.build import require_extra
from packbench.report.keeping import CurveKeeper
from packbench.report.texts import Lang

if TYPE_CHECKING:
    from packbench_sim.plant import Plant

PLOT_SUFFIXES = (".svg", ".png")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the simulated run did."""

    duration_s: float
    temperature_max_c: float | None
    """The hottest sensor; None when the pack has none."""
    charged_ah: float
    """By the simulated pack's own count, as the other totals."""
    discharged_ah: float
    energy_wh: float
    """Throughput: in and out together, at the pack's terminals."""
    verdict: str
    reason: str
    """Why it ended."""
    trip: Trip | None
    """What stopped it before the profile's end."""
    steps: tuple[StepRecord, ...]
    curve: CurveKeeper = field(repr=False)
    """Its series are those of `report.course.SERIES`."""
    wall_seconds: float = 0.0

    @property
    def completed(self) -> bool:
        """Whether the profile came to its end."""
        return self.trip is None and self.verdict != "aborted"


def rehearse(job: Job, answers: Answers = (), observe: Observer | None = None) -> Rehearsal:
    """Run the job on the simulated bench, at object level and with ideal instruments.

    `answers`: what the simulated operator says; the first answer to every other question.
    """
    began_s = stopwatch_s()
    watching = _Watching(observe)
    options = Options(level="object", perfect=True, answers=answers)
    outcome = run_unrecorded(job, options, watching, watching.observe, watching.attach)
    plant = watching.plant
    return Rehearsal(
        duration_s=outcome.bench_ns / 1e9,
        temperature_max_c=watching.temperature_max_c if isfinite(watching.temperature_max_c) else None,
        charged_ah=plant.true_charge_ah,
        discharged_ah=plant.true_discharge_ah,
        energy_wh=watching.energy_wh,
        verdict=outcome.finish.verdict,
        reason=outcome.finish.reason,
        trip=outcome.trip,
        steps=tuple(watching.steps),
        curve=watching.curve,
        wall_seconds=stopwatch_s() - began_s,
    )


class _Watching(NoJournal):
    """Sees every reading and keeps what a person asks about."""

    def __init__(self, observe: Observer | None) -> None:
        self.steps: list[StepRecord] = []
        self.curve = CurveKeeper(6)
        self.temperature_max_c = -inf
        self.energy_wh = 0.0
        self._passed_on = observe
        self._plant: Plant | None = None
        self._before: tuple[int, float] | None = None
        """Instant and magnitude of the power at the reading before."""

    @property
    def plant(self) -> Plant:
        """Whose counters they are."""
        assert self._plant is not None
        return self._plant

    def attach(self, plant: Plant) -> None:
        """Say whose."""
        self._plant = plant

    def put_step(self, record: StepRecord) -> int:
        self.steps.append(record)
        return 0

    def observe(self, snapshot: Snapshot, state: EngineState) -> None:
        """Called with each reading of the cycler."""
        cycler, bms = snapshot.cycler, snapshot.bms
        if cycler is None:
            return
        voltage_v, current_a = snapshot.pack_voltage_v, cycler.current_a
        hottest_c = nan
        if bms is None:
            cells = (nan, nan, nan)
        else:
            hottest_c = bms.temperature_max_c
            cells = (bms.cell_min_v, bms.cell_max_v, hottest_c)
        air_c = nan if snapshot.chamber is None else snapshot.chamber.temperature_c
        self.curve.add(((cycler.t_ns - state.started_ns) / 1e9, voltage_v, current_a, *cells, air_c))
        self.temperature_max_c = max(self.temperature_max_c, hottest_c)
        power_w = abs(voltage_v * current_a)
        if self._before is not None:
            self.energy_wh += (cycler.t_ns - self._before[0]) / 3.6e12 * (power_w + self._before[1]) / 2
        self._before = (cycler.t_ns, power_w)
        if self._passed_on is not None:
            self._passed_on(snapshot, state)


def plot_path(job: Job, wanted: Path | None, lang: Lang) -> Path:
    """Where the picture goes: as wanted, or PROFILE-PACK.svg here.

    Asked before a long simulation, so that it is not in vain. Raises InputError for what cannot be drawn,
    ReportExtraMissing and FontMissing where it cannot be drawn here.
    """
    require_extra("matplotlib")
    from packbench.report.fonts import families

    families(lang)
    path = Path(f"{job.plan.name}-{job.pack.name}.svg") if wanted is None else wanted
    if path.suffix.lower() not in PLOT_SUFFIXES:
        expected = f"a file that ends in {' or '.join(PLOT_SUFFIXES)}"
        raise InputError(Problem("", field="--plot", found=str(path), expected=expected))
    if not path.absolute().parent.is_dir():
        raise InputError(Problem("no such folder", field="--plot", found=str(path), expected="a folder that exists"))
    return path


def write_plot(job: Job, rehearsal: Rehearsal, path: Path, lang: Lang) -> None:
    """Draw the expected course to a path from `plot_path`. Raises PackbenchError when it cannot be written."""
    from packbench.report.course import SERIES, Course, Phase, write_course

    pack = (lang == "zh" and job.pack.title_zh) or job.pack.title
    bench = (lang == "zh" and job.bench.title_zh) or job.bench.title
    trip = rehearsal.trip
    stopped = "" if trip is None else (trip.text_zh if lang == "zh" else trip.text_en)
    course = Course(
        title=job.plan.title_zh if lang == "zh" else job.plan.title_en,
        subtitle=f"{pack}  ·  {bench}",
        lines={name: rehearsal.curve.line(index) for index, name in enumerate(SERIES)},
        phases=tuple(
            Phase(step.label, step.kind, step.started_ns / 1e9, step.ended_ns / 1e9) for step in rehearsal.steps
        ),
        series=job.pack.series,
        cell_full_v=job.pack.cell_full_v,
        cell_cutoff_v=job.pack.cell_cutoff_v,
        duration_s=rehearsal.duration_s,
        made_with=f"Packbench {__version__}",
        stopped=stopped,
    )
    write_course(course, path, lang)
