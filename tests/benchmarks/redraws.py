"""One charge and discharge of a simulated pack, cheap enough to be done for thousands of draws of instrument errors.

Owns a short loop instead of the bench's: the simulator's own pack and instrument errors, the engine's own taper, the
profile `single-discharge`, and the analysis that every run gets. Left out beside a whole run: devices, safety, the
recorder, and the delay between a reading and the command that follows it. Each draw is charged and discharged anew,
because an error moves the ends and with them the truth that the bench works towards.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from packbench.analysis.capacity import analyse_run
from packbench.analysis.run_inputs import RunInputs
from packbench.analysis.table import SampleTable, energy_wh
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.limits import merge_limits
from packbench.core.records import StepRecord
from packbench.core.result import Result
from packbench.core.specs import BenchSpec, PackSpec
from packbench.engine.control.taper import Taper, next_current
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import Plan
from packbench_sim.errors import InstrumentErrors
from packbench_sim.pack import PackModel

CONFIGS = Path(__file__).parents[2] / "configs"
ROW_S = 5
"""Rows are this far apart, as the profile records; and a second where an end is near."""
NEAR_V = 0.01
"""A reading this near its limit is taken every second. Readings' noise is a twentieth of it."""
REST_S = 1800
PACKS = {"lfp": ("lfp-16s", 16), "nmc": ("nmc-96s", 96), "lmo": ("lmo-25ah", 14)}
"""Chemistry to its pack file, and how many cells in series the campaign's packs have."""


@dataclass(frozen=True, slots=True)
class Case:
    """One simulated pack on its bench."""

    pack: PackSpec
    bench: BenchSpec
    plan: Plan


@dataclass(frozen=True, slots=True)
class TrueEnd:
    """What the pack gives with perfect instruments."""

    capacity_ah: float
    cell: int
    margin_ah: float
    """What the next cell would still give, by letting it."""


def case(chemistry: str, seed: int) -> Case:
    """A retired pack with weak cells and imbalance, all drawn from `seed`."""
    rng = np.random.default_rng([seed, len(chemistry), ord(chemistry[1])])
    name, series = PACKS[chemistry]
    spec = load_pack((CONFIGS / f"packs/{name}.yaml").read_text(encoding="utf-8"), name)
    weak = rng.choice(series, 2, replace=False) + 1
    plant = {
        "soh": rng.uniform(0.7, 0.95),
        "capacity_spread": rng.uniform(0.004, 0.012),
        "resistance_factor": rng.uniform(1.1, 1.8),
        "resistance_spread": rng.uniform(0.02, 0.06),
        "imbalance_sd": rng.uniform(0.002, 0.008),
        "weak_cells": [
            {"cell": int(cell), "capacity_factor": rng.uniform(0.93, 1.0), "resistance_factor": rng.uniform(1.0, 1.4)}
            for cell in weak
        ],
        "initial_soc": 0.5,
        "self_discharge_per_day": 0.0002,
        "seed": int(rng.integers(1 << 30)),
    }
    bench_name = str(spec.default_bench) if series > 14 else "sim-lv"
    if series != spec.series:
        spec = _in_series(spec, series)
    spec = replace(spec, plant=MappingProxyType(plant))
    bench = load_bench((CONFIGS / f"benches/{bench_name}.yaml").read_text(encoding="utf-8"), bench_name)
    profile = (CONFIGS / "profiles/single-discharge.yaml").read_text(encoding="utf-8")
    return Case(spec, bench, compile_profile(profile, "single-discharge.yaml", spec))


def _in_series(cell: PackSpec, series: int) -> PackSpec:
    """So many of a cell as one pack."""
    limits = cell.limits
    assert limits.pack_voltage_max_v is not None
    assert limits.pack_voltage_min_v is not None
    limits = replace(
        limits,
        pack_voltage_max_v=limits.pack_voltage_max_v * series,
        pack_voltage_min_v=limits.pack_voltage_min_v * series,
        cell_spread_max_v=0.9,
    )
    return replace(
        cell,
        series=series,
        rated_energy_wh=cell.rated_energy_wh * series,
        max_power_w=cell.max_power_w * series,
        limits=limits,
    )


class Course:
    """The pack under one draw of errors, with the rows that the bench would have recorded."""

    def __init__(self, case: Case, errors: InstrumentErrors, seed: int) -> None:
        self.case, self.errors = case, errors
        self.pack = PackModel(case.pack, case.bench.ambient_c)
        self.t_s = 0.0
        self._rng = np.random.default_rng([seed, 77])
        self._noise = np.empty((0, case.pack.series + 2))
        self._row: list[tuple[float, float, float, int]] = []
        self._cells: list[np.ndarray] = []
        self._warm: list[float] = []

    def read(self, current_a: float) -> np.ndarray:
        """The cells' readings at this instant, V."""
        self._true = self.pack.cell_voltages_v(current_a)
        if self.errors.perfect:
            return self._true
        if not self._noise.size:
            self._noise = self._rng.standard_normal((512, self.case.pack.series + 2))
        self._drawn, self._noise = self._noise[0], self._noise[1:]
        cell = self.errors.bms_cell
        read_v = self._true * (1.0 + cell.gain) + self.errors.bms_cell_offset_v + cell.noise * self._drawn[2:]
        return np.rint(read_v / cell.resolution) * cell.resolution

    def keep(self, read_v: np.ndarray, current_a: float, step: int) -> None:
        """Record a row."""
        noise = (0.0, 0.0) if self.errors.perfect else (float(self._drawn[0]), float(self._drawn[1]))
        cable_v = current_a * self.errors.cable_resistance_error_ohm
        voltage_v = self.errors.cycler_voltage.shown(float(self._true.sum()) + cable_v, noise[0])
        shown_a = self.errors.cycler_current.shown(current_a, noise[1])
        self._row.append((self.t_s * (1.0 + self.errors.time_gain), voltage_v, shown_a, step))
        self._cells.append(read_v)
        self._warm.append(float(self.pack.temperature_c.max()))

    def on(self, seconds: int, current_a: float) -> None:
        """Let the current flow; the pack's parameters are made anew every five seconds."""
        self.pack.advance(float(seconds), current_a)
        self.t_s += seconds
        if self.t_s % ROW_S == 0.0 or self.pack.needs_refresh(current_a):
            self.pack.refresh(current_a)

    def charge(self) -> StepRecord:
        """At I3 until a cell reads full, then the staircase down to 0.05 I1."""
        spec = self.case.pack
        set_a, end_a = spec.rated_capacity_ah / 3.0, 0.05 * spec.rated_capacity_ah
        taper: Taper | None = Taper(float("inf"), -(10**18))
        began_s, true_as, steps = self.t_s, self.pack.charge_ah, 0
        while True:
            current_a = self.errors.cycler_current.true_for(set_a)
            read_v = self.read(current_a)
            highest_v = float(read_v.max())
            if self.t_s % ROW_S == 0.0 or highest_v >= spec.cell_full_v - NEAR_V:
                self.keep(read_v, current_a, 1)
            taper = next_current(taper, set_a, highest_v, spec.cell_full_v, end_a, int(self.t_s * 1e9))
            if taper is None:
                break
            steps += taper.current_a < set_a
            set_a = min(set_a, taper.current_a)
            near = set_a < spec.rated_capacity_ah / 3.0 or highest_v > spec.cell_full_v - NEAR_V
            self.on(1 if near or self.t_s % ROW_S else ROW_S, self.errors.cycler_current.true_for(set_a))
        moved_ah = self.pack.charge_ah - true_as
        return self._record(
            1, "cccv_charge", began_s, moved_ah, int(read_v.argmax()) + 1, f"cell at {spec.cell_full_v}"
        )

    def rest(self) -> StepRecord:
        """Half an hour without current."""
        began_s = self.t_s
        self.on(int(-self.t_s % ROW_S), 0.0)
        for _ in range(REST_S // ROW_S):
            self.keep(self.read(0.0), 0.0, 2)
            self.on(ROW_S, 0.0)
        self.keep(self.read(0.0), 0.0, 2)
        return self._record(2, "rest", began_s, 0.0, None, "step_time >= 30 min")

    def discharge(self) -> StepRecord:
        """At I5 until a cell reads empty."""
        spec = self.case.pack
        current_a = self.errors.cycler_current.true_for(-spec.rated_capacity_ah / 5.0)
        began_s, before_ah = self.t_s, self.pack.discharge_ah
        while True:
            read_v = self.read(current_a)
            lowest_v = float(read_v.min())
            near = lowest_v <= spec.cell_cutoff_v + 3.0 * NEAR_V
            if self.t_s % ROW_S == 0.0 or near:
                self.keep(read_v, current_a, 3)
            if lowest_v <= spec.cell_cutoff_v:
                break
            self.on(1 if near or self.t_s % ROW_S else ROW_S, current_a)
        moved_ah = before_ah - self.pack.discharge_ah
        return self._record(3, "cc_discharge", began_s, moved_ah, int(read_v.argmin()) + 1, "cell_min <= cell_cutoff")

    def to_next(self, cell: int) -> float:
        """Ah that the pack still gives until another than `cell` is empty, at the discharge's true current."""
        current_a, before_ah = -self.case.pack.rated_capacity_ah / 5.0, self.pack.discharge_ah
        others = np.arange(self.case.pack.series) != cell - 1
        while float(self.pack.cell_voltages_v(current_a)[others].min()) > self.case.pack.cell_cutoff_v:
            self.on(1, current_a)
        return self.pack.discharge_ah - before_ah

    def _record(
        self, step: int, kind: str, began_s: float, moved_ah: float, cell: int | None, reason: str
    ) -> StepRecord:
        """The step as the engine's meter counts it: every reading of the cycler, not the recorded rows alone."""
        hours = (self.t_s - began_s) / 3600.0
        current, clock = self.errors.cycler_current, 1.0 + self.errors.time_gain
        noise_ah = 0.0
        if not self.errors.perfect:
            poll_s = self.case.bench.cycler.poll_period_ns / 1e9
            noise_ah = current.noise * (hours * 3600.0 * poll_s) ** 0.5 / 3600.0 * float(self._rng.standard_normal())
        counted_ah = (moved_ah * (1.0 + current.gain) + current.offset * hours + noise_ah) * clock
        rows = self.rows()
        began_ns, ended_ns = round(began_s * clock * 1e9), round(self.t_s * clock * 1e9)
        part = rows.of_step(step, began_ns / 1e9, ended_ns / 1e9)
        last_v = part.cell_voltages_v[-1]
        return StepRecord(
            number=step, step=step, label=kind, kind=kind, cycle=1, started_ns=began_ns, ended_ns=ended_ns,
            charge_ah=counted_ah, energy_wh=energy_wh(part, began_ns / 1e9, ended_ns / 1e9), tail_ah=0.0,
            end_reason=reason, end_cell=cell, voltage_end_v=float(part.voltage_v[-1]),
            current_end_a=float(part.current_a[-1]), cell_min_end_v=float(last_v.min()),
            cell_max_end_v=float(last_v.max()), temperature_min_c=float(part.temperatures_c.min()),
            temperature_max_c=float(part.temperatures_c.max()), imbalance_limited=False,
        )  # fmt: skip

    def rows(self) -> SampleTable:
        """What was recorded so far."""
        t_s, voltage_v, current_a, step = (np.array(column) for column in zip(*self._row, strict=True))
        ones = np.ones(t_s.size, dtype=np.int64)
        warm = np.array(self._warm)[:, None]
        return SampleTable(t_s, voltage_v, current_a, np.array(self._cells), warm, step.astype(np.int64), ones)


def true_end(case: Case) -> TrueEnd:
    """Capacity, weakest cell and margin with perfect instruments."""
    course = Course(case, InstrumentErrors.none(case.pack.series), 0)
    course.charge()
    course.rest()
    record = course.discharge()
    assert record.end_cell is not None
    return TrueEnd(-record.charge_ah, record.end_cell, course.to_next(record.end_cell))


def drawn_result(case: Case, seed: int, *, perfect: bool = False) -> Result:
    """What the analysis says of this pack with the instrument errors of `seed`, or with none."""
    series = case.pack.series
    errors = InstrumentErrors.none(series) if perfect else InstrumentErrors.draw(case.bench, series, seed)
    course = Course(case, errors, seed)
    steps = [course.charge(), course.rest(), course.discharge()]
    limits = merge_limits({"profile": case.plan.limits, "pack": case.pack.limits, **case.bench.limits})
    return analyse_run(
        RunInputs(
            run_id=f"draw-{seed}", serial="", provenance="simulated", seed=seed, started_at="2026-11-23T08:00:00+00:00",
            ended_at="2026-11-23T20:00:00+00:00", end_reason="the profile's end", completed=True, plan=case.plan,
            pack=case.pack, bench=case.bench, limits=limits, steps=tuple(steps), rows=course.rows(), balancing=False,
        )
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Drawn:
    """One draw beside the truth."""

    chemistry: str
    seed: int
    error_ah: float
    expanded_ah: float
    cell_right: bool
    decided: bool
    margin_of_rated: float
    """True margin of the weakest cell over rated capacity."""


def of_pack(chemistry: str, pack_seed: int, draws: range) -> list[Drawn]:
    """Every draw of one pack. A result without a capacity or an uncertainty counts as an infinite error."""
    made = case(chemistry, pack_seed)
    truth = true_end(made)
    found: list[Drawn] = []
    for seed in draws:
        result = drawn_result(made, seed)
        figure, weakest = result.capacity_ah, result.weakest_cell
        error_ah, expanded_ah = float("inf"), 1.0
        if figure is not None and figure.U is not None:
            error_ah, expanded_ah = figure.value - truth.capacity_ah, figure.U
        found.append(
            Drawn(
                chemistry,
                pack_seed,
                error_ah,
                expanded_ah,
                weakest is not None and weakest.index == truth.cell,
                weakest is not None and weakest.decided is True,
                truth.margin_ah / made.pack.rated_capacity_ah,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Tally:
    """What many draws say of the stated uncertainty."""

    draws: int
    covered: float
    """Share of truths within U."""
    ratio: float
    """Median U over the half-width that holds 95 % of the errors that occurred. Packs differ in size, so both are
    taken as multiples of each draw's own U."""
    clear: int
    """Draws of packs whose true margin is 1 % of rated or more."""
    clear_right: float
    """Share of those in which the weakest cell was named rightly."""
    wrongly_decided: int
    """Draws that named the wrong cell and called it decided, whatever the margin."""


CLEAR = 0.01


def tally(found: list[Drawn]) -> Tally:
    """Sum up."""
    errors = np.abs([each.error_ah for each in found])
    widths = np.array([each.expanded_ah for each in found])
    clear = [each for each in found if each.margin_of_rated >= CLEAR]
    return Tally(
        len(found),
        float(np.mean(errors <= widths)),
        float(1.0 / np.quantile(errors / widths, 0.95)),
        len(clear),
        float(np.mean([each.cell_right for each in clear])) if clear else float("nan"),
        sum(each.decided and not each.cell_right for each in found),
    )
