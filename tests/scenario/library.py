"""Running a profile of the library on a simulated pack, and what the plant itself knows of it.

The figures to compare with are the plant's own: its coulombs, its cells' states of charge, its resistances at the
instant of a pulse, read in the loop turn in which the engine went on. They never pass through a meter of ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp

from packbench.app.job import Job, load_job
from packbench.app.virtual import NoJournal, Options, run_unrecorded
from packbench.core.records import StepRecord, Trip
from packbench.core.samples import Snapshot
from packbench.engine.state import EngineState
from packbench.run.bench import RunOutcome
from packbench_sim.faults import parse_injection
from packbench_sim.plant import Plant


@dataclass(frozen=True, slots=True)
class Moment:
    """The plant when a step began."""

    label: str
    cycle: int
    t_ns: int
    charge_as: float
    """Net, positive came in."""
    socs: tuple[float, ...]
    """Of each cell: charge over its actual capacity."""
    temperatures_c: tuple[float, ...]
    cells_v: tuple[float, ...]
    voltage_v: float
    ohms: tuple[float, float, float]
    """R1, R2, R0 of the whole pack."""
    volt_per_as: float
    taus_s: tuple[float, float]

    def resistance_ohm(self, at_s: float) -> float:
        """Voltage over current at `at_s` into a constant current that begins now, the pack at rest before."""
        r1, r2, r0 = self.ohms
        tau1, tau2 = self.taus_s
        return r0 + r1 * (1.0 - exp(-at_s / tau1)) + r2 * (1.0 - exp(-at_s / tau2)) + self.volt_per_as * at_s


@dataclass(slots=True)
class Played:
    """What a run left behind, and what the plant knew."""

    job: Job
    outcome: RunOutcome
    steps: list[StepRecord]
    moments: list[Moment]
    plant: Plant
    variables: dict[str, float]

    def record(self, label: str, nth: int = -1) -> StepRecord:
        """The nth execution of a step (the last one by default)."""
        return [record for record in self.steps if record.label == label][nth]

    def began(self, label: str, nth: int = -1) -> Moment:
        """The plant when that execution began."""
        return [moment for moment in self.moments if moment.label == label][nth]

    def ended(self, label: str, nth: int = -1) -> Moment:
        """The plant when that execution was over."""
        at = self.moments.index(self.began(label, nth))
        return self.moments[at + 1]

    def true_ah(self, label: str, nth: int = -1) -> float:
        """The plant's own charge of an execution, signed."""
        return (self.ended(label, nth).charge_as - self.began(label, nth).charge_as) / 3600.0


@dataclass(slots=True)
class _Watcher(NoJournal):
    """Notes the plant whenever the engine goes on."""

    job: Job
    steps: list[StepRecord] = field(default_factory=list[StepRecord])
    moments: list[Moment] = field(default_factory=list[Moment])
    plant: Plant | None = None
    number: int = 0

    def put_step(self, record: StepRecord) -> int:
        self.steps.append(record)
        return 0

    def attach(self, plant: Plant) -> None:
        self.plant = plant

    def observe(self, snapshot: Snapshot, state: EngineState) -> None:
        if state.step.number != self.number:
            self.number = state.step.number
            label = self.job.plan.steps[state.step.index].label
            self.moments.append(self.moment(label, state.step.cycle, snapshot.t_ns))

    def moment(self, label: str, cycle: int, t_ns: int) -> Moment:
        assert self.plant is not None
        pack = self.plant.pack
        _, per_as, r1, r2, r0 = pack.parameters.sum(axis=1).tolist()
        net_as = pack.throughput_charge_as - pack.throughput_discharge_as
        return Moment(
            label,
            cycle,
            t_ns,
            net_as,
            tuple(pack.soc.tolist()),
            tuple(pack.temperature_c.tolist()),
            tuple(self.plant.true_cell_voltages_v.tolist()),
            self.plant.true_voltage_v,
            (r1, r2, r0),
            per_as,
            (pack.tau1_s, pack.tau2_s),
        )


def play(
    profile: str,
    pack: str,
    bench: str | None = None,
    *,
    settings: tuple[str, ...] = (),
    parameters: tuple[tuple[str, str], ...] = (),
    perfect: bool = False,
) -> Played:
    """Run a profile at object level, with the instruments' errors unless they are to be `perfect`.

    It must come to its end without a trip.
    """
    job = load_job(profile, pack, bench, settings, parameters)
    watcher = _Watcher(job)
    outcome = run_unrecorded(
        job, Options(seed=3, level="object", perfect=perfect), watcher, watcher.observe, watcher.attach
    )
    assert outcome.trip is None, outcome.trip
    assert outcome.finish.verdict == "pass", outcome.finish
    assert watcher.plant is not None
    return Played(job, outcome, watcher.steps, watcher.moments, watcher.plant, dict(outcome.finish.variables))


def play_to_a_trip(profile: str, pack: str, fault: str) -> Trip:
    """Run a profile with a fault (`ID@TIME`) at object level; it must be stopped."""
    job = load_job(profile, pack, None)
    watcher = _Watcher(job)
    options = Options(seed=3, level="object", injections=(parse_injection(fault),))
    outcome = run_unrecorded(job, options, watcher, watcher.observe, watcher.attach)
    assert outcome.trip is not None, outcome.finish
    return outcome.trip
