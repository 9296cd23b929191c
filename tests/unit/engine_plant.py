"""The engine on a simulated pack without the rest of the bench: polls, commands after a latency, and what the pack saw.

Owns a loop of its own instead of the run's, so that one step is a tenth of a second of work: the cycler is read every
`poll_s`, the BMS every second, the engine's timers are kept, and a command takes force `latency_s` after it was given.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packbench.app.job import effective_limits, most_of
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.records import StepRecord
from packbench.core.samples import BmsSample, CyclerSample, Snapshot, bms_sample
from packbench.core.specs import BenchSpec, PackSpec
from packbench.engine.advance import advance, start
from packbench.engine.due import due_ns
from packbench.engine.effects import Drive, Effect, Finish, OutputOff, StepEnded
from packbench.engine.state import EngineState
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import Plan
from packbench_sim.errors import InstrumentErrors
from packbench_sim.plant import Plant

S = 1_000_000_000
CONFIGS = Path(__file__).parents[2] / "configs"
PACKS = tuple(sorted(path.stem for path in (CONFIGS / "packs").glob("*.yaml")))


@dataclass(frozen=True, slots=True)
class Seen:
    """The pack and the engine at one reading."""

    t_s: float
    """Since the profile began."""
    step: int
    """Execution order, from 1."""
    voltage_v: float
    """True, at the pack's terminals."""
    current_a: float
    """True."""
    cell_max_v: float
    cell_min_v: float


@dataclass(slots=True)
class Course:
    """What came of it."""

    pack: PackSpec
    plan: Plan
    plant: Plant
    seen: list[Seen] = field(default_factory=list[Seen])
    drives: list[tuple[float, Drive]] = field(default_factory=list[tuple[float, Drive]])
    """(s since the profile began, command)."""
    records: list[StepRecord] = field(default_factory=list[StepRecord])
    finish: Finish | None = None

    def of(self, number: int) -> list[Seen]:
        """The readings of one executed step."""
        return [seen for seen in self.seen if seen.step == number]


def bench_of(pack: PackSpec, **changes: Any) -> BenchSpec:
    """The simulated bench that a pack names."""
    path = CONFIGS / f"benches/{pack.default_bench}.yaml"
    return replace(load_bench(path.read_text(encoding="utf-8"), str(path)), **changes)


def pack_of(name: str, **plant: Any) -> PackSpec:
    """A pack of the library, with another state of its simulated one."""
    path = CONFIGS / f"packs/{name}.yaml"
    pack = load_pack(path.read_text(encoding="utf-8"), str(path))
    return replace(pack, plant=MappingProxyType({**pack.plant, **plant}))


def run(
    steps: str,
    pack: PackSpec,
    *,
    poll_s: float = 0.5,
    latency_s: float = 0.02,
    ambient_c: float = 25.0,
    seed: int = 1,
    perfect: bool = False,
    holds_voltage: bool = True,
    most_s: float = 24 * 3600.0,
    current_max_a: float | None = None,
) -> Course:
    """Run a profile's steps.

    `holds_voltage` False: the engine holds a constant voltage. `current_max_a`: what no set-point may go beyond, where
    it is not what the pack's and the bench's limits come to.
    """
    bench = bench_of(pack, ambient_c=ambient_c)
    text = f"profile: p\ntitle: {{en: p, zh: p}}\nsteps:\n{steps}"
    plan = compile_profile(text, "p.yaml", pack)
    limits = effective_limits(plan, pack, bench)
    most = most_of(limits, pack, bench)
    if current_max_a is not None:
        most = replace(most, charge_current_a=current_max_a, discharge_current_a=current_max_a)
    plan = replace(plan, most=most, holds_voltage="cycler" if holds_voltage else "engine")
    errors = InstrumentErrors.none(pack.series) if perfect else InstrumentErrors.draw(bench, pack.series, seed)
    plant = Plant(pack, bench, errors, seed=seed)
    plant.contactor.drive(0, closed=True)
    course = Course(pack, plan, plant)
    return _Loop(course, bench, round(poll_s * S), round(latency_s * S)).run(round(most_s * S))


class _Loop:
    def __init__(self, course: Course, bench: BenchSpec, poll_ns: int, latency_ns: int) -> None:
        self.course, self.plant, self.plan = course, course.plant, course.plan
        self.poll_ns, self.latency_ns = poll_ns, latency_ns
        self.cable_ohm = bench.cable_resistance_ohm if bench.sense_point == "cycler" else 0.0
        self.cycler: CyclerSample | None = None
        self.bms: BmsSample | None = None
        self.waiting: list[tuple[int, Effect]] = []
        self.state: EngineState | None = None

    def run(self, most_ns: int) -> Course:
        begin_ns = S
        polls, bms_polls = begin_ns, begin_ns
        while self.course.finish is None:
            due = None if self.state is None else due_ns(self.plan, self.state, self.plant.now_ns)
            t_ns = min(polls, bms_polls, *(at_ns for at_ns, _ in self.waiting), *([] if due is None else [due]))
            assert t_ns - begin_ns < most_ns, "it does not end"
            self.plant.advance_to(t_ns)
            while self.waiting and self.waiting[0][0] <= t_ns:
                self.carry_out(self.waiting.pop(0)[1], t_ns)
            if bms_polls <= t_ns:
                self.read_bms(t_ns)
                bms_polls += S
            polled = polls <= t_ns
            if polled:
                self.read_cycler(t_ns)
                polls += self.poll_ns
            if self.bms is not None and self.cycler is not None:
                self.decide(t_ns)
            if polled:
                self.look(t_ns, begin_ns)
        return self.course

    def decide(self, t_ns: int) -> None:
        assert self.cycler is not None
        voltage_v = self.cycler.voltage_v - self.cycler.current_a * self.cable_ohm
        view = Snapshot(t_ns, self.cycler, self.bms, None, voltage_v)
        if self.state is None:
            self.state, effects = start(self.plan, view, t_ns)
        else:
            self.state, effects = advance(self.plan, self.state, view, t_ns)
        for effect in effects:
            if isinstance(effect, Drive):
                self.course.drives.append((t_ns / S - 1.0, effect))
            if isinstance(effect, StepEnded):
                self.course.records.append(effect.record)
            if isinstance(effect, Finish):
                self.course.finish = effect
            if isinstance(effect, Drive | OutputOff):
                self.waiting.append((t_ns + self.latency_ns, effect))

    def carry_out(self, effect: Effect, t_ns: int) -> None:
        on = isinstance(effect, Drive)
        current_a = effect.current_a if isinstance(effect, Drive) else 0.0
        clamp_v = effect.voltage_v + current_a * self.cable_ohm if isinstance(effect, Drive) else 0.0
        self.plant.cycler.command(
            t_ns,
            output_on=on,
            voltage_v=clamp_v,
            source_current_a=max(current_a, 0.0),
            sink_current_a=max(-current_a, 0.0),
        )

    def read_cycler(self, t_ns: int) -> None:
        cycler = self.plant.cycler
        voltage_v, current_a = cycler.meters(t_ns)
        self.cycler = CyclerSample(t_ns, voltage_v, current_a, cycler.output_on, cycler.regulation())

    def read_bms(self, t_ns: int) -> None:
        cells, _, _, temperatures, soc, *_ = self.plant.bms.measurement(t_ns)
        self.bms = bms_sample(t_ns, cells, tuple(temperatures.tolist()), soc=soc)

    def look(self, t_ns: int, begin_ns: int) -> None:
        if self.state is None:
            return
        cells = self.plant.true_cell_voltages_v
        self.course.seen.append(
            Seen(
                (t_ns - begin_ns) / S,
                self.state.step.number,
                self.plant.true_voltage_v,
                self.plant.true_current_a,
                float(cells.max()),
                float(cells.min()),
            )
        )
