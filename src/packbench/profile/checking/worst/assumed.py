"""What is taken for granted of the pack and the bench: the cases that the analysis goes through.

Owns every assumption of the worst case, here and in config/cell_bounds.py; nothing else in this folder holds a
number of the physics. Tags as there: [S] secondary source, [A] ours.

- The pack's cells hold 50 to 110 % of the rated capacity in the mean, in several cases: a run happens to one
  pack, so what a discharge gave says what a later charge takes [A]. Expected: 80 %.
- Before the first step the mean cell is anywhere between `cell_cutoff` and `cell_full` at rest. Expected: half.
- Single cells lie within 10 % of state of charge of the mean; for the pack's voltage, which is the mean of the
  cells, that counts as 3 % where it is met early and 1 % where it is met late: the curve bends [A].
- Open-circuit voltage, resistance, heat capacity, cooling, entropy, self-discharge: config/cell_bounds.py.
- The surroundings are the bench's ambient +-2 K (GB 38031-2025 6.3 [S]); once the chamber has been told something,
  anything between that and its set-point +-0.5 K; the pack comes within 3 K of the ambient [A].
- Set-points are held, and read, within the accuracies that the bench states; where it states none: current 0.5 %,
  voltage 0.2 %, cells 10 mV, temperature 2 K [A].
- A condition that is met is seen no later than a source may be silent (`stale_after`; longer stops the run), and in a
  step's first 2 s perhaps not at all, while the current settles (engine/entering.py); a BMS measures once a second
  [A]; a command acts within two reply time-outs and 1 s, the disk's [A].
- A pause lasts from no time to its max_time, 60 s expected [A]; those that open a profile are asked before the pack
  is connected (engine/prelude.py), and take none of the run's time.
- Nothing fails. A run that safety, an operator or max_time stops is over earlier than the least that is stated here,
  and never later than the most.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, inf

from packbench.config import cell_bounds as cells
from packbench.core.limits import LimitSet
from packbench.core.specs import Accuracy, BenchSpec, PackSpec
from packbench.profile.checking.bounds import tightest
from packbench.profile.checking.worst.asked import Asked, asked_in
from packbench.profile.checking.worst.curve import Curves, curves_of
from packbench.profile.checking.worst.interval import Interval, cut
from packbench.profile.plan import Plan

CAPACITY_LEAST, CAPACITY_USUAL, CAPACITY_MOST = 0.5, 0.8, 1.1
CASES, CASES_OF_LONG_PLANS, LONG_PLAN = 4, 2, 150
"""Of how many cases the capacities are; a plan of many steps gets fewer."""
CELL_SPREAD, PACK_SPREAD, PACK_CERTAIN = 0.10, 0.03, 0.01
AMBIENT_K, START_K, CHAMBER_K, AMBIENT_DEFAULT_C = 2.0, 3.0, 0.5, 25.0
DISK_S, BMS_PERIOD_S = 1.0, 1.0
NOISE_SDS = 4.0
KELVIN = 273.15
REFERENCE_K = 298.15

_CURRENT = Accuracy(gain=0.005, offset=0.1)
_VOLTAGE = Accuracy(gain=0.002, offset=0.0)
_CELL = Accuracy(gain=0.0, offset=0.010)
_TEMPERATURE = Accuracy(gain=0.0, offset=2.0)


@dataclass(frozen=True, slots=True)
class World:
    """One case. Resistances are per cell; those of config/cell_bounds over the rated capacity."""

    expected: bool
    """The usual pack, and the way that a run is expected to take."""
    series: int
    rated_ah: float
    capacity_ah: Interval
    soc: Interval
    """Of the mean cell, before the first step."""
    curves: Curves
    least_ohm: float
    most_ohm: float
    worn_ohm: float
    """The most at 25 degC and half charge."""
    cell_spread: float
    pack_spread: float
    pack_certain: float
    relaxing_s: Interval
    heat_j_k: Interval
    """Of one cell."""
    cooling_s: Interval
    ambient_c: Interval
    start_c: Interval
    leak_per_s: float
    cycler_s: float
    """The longest that a met condition goes unseen, where the cycler reads it."""
    bms_s: float
    latency_s: float
    current_error: Accuracy
    voltage_error: Accuracy
    cell_error: Accuracy
    temperature_error: Accuracy
    limits: LimitSet
    """The tightest of profile, pack and bench."""
    cable_ohm: float
    """Between where the cycler holds a voltage and the pack: it is told the drop of the full current once, so that
    the pack comes beyond the voltage by what of it is gone when the current has fallen (run/actor.py)."""
    power_w: float
    """The most that cycler and pack take."""
    chamber_k: float
    """How far the chamber is from its set-point at most."""
    asked: Asked
    """What of a run is asked for later in it."""

    def most_ohm_at(self, t_c: float) -> float:
        """The most of a cell's resistance when it is this cold."""
        if self.expected:
            return self.most_ohm
        least_k, cold_k, _ = cells.ACTIVATION_K
        return self.most_ohm * _arrhenius(cold_k if t_c < 25.0 else least_k, t_c)

    def least_ohm_at(self, t_c: float) -> float:
        """The least, when it is this hot."""
        if self.expected:
            return self.least_ohm
        least_k, _, hot_k = cells.ACTIVATION_K
        return self.least_ohm * _arrhenius(hot_k if t_c > 25.0 else least_k, t_c)

    def entropic_k(self, swing: float) -> float:
        """How far reversible heat moves a cell's temperature at most, after so many capacities went in and out.

        Cooling only forgets, so it cannot add up beyond the range of the entropy itself.
        """
        if self.expected:
            return 0.0
        slope_v_k, range_v_k = cells.ENTROPY_V_K
        volts_k = min(range_v_k, slope_v_k * swing)
        return (self.start_c.hi + 40.0 + KELVIN) * volts_k * self.capacity_ah.hi * 3600.0 / self.heat_j_k.lo

    def within_limits(self, pack_v: Interval) -> Interval:
        """A voltage of the pack with current: beyond the limits safety ends the run."""
        low_v, high_v = self.limits.pack_voltage_min_v, self.limits.pack_voltage_max_v
        return cut(pack_v, low_v or 0.0, inf if high_v is None else high_v)

    def temperature_error_k(self, t_c: float) -> float:
        """Of a sensor's reading."""
        return bound_of(self.temperature_error, t_c)

    def cell_error_v(self, voltage_v: float) -> float:
        """Of a cell's reading."""
        return bound_of(self.cell_error, voltage_v)

    def pack_error_v(self, cell_v: float) -> float:
        """Of the pack's voltage as it is read, per cell."""
        return bound_of(self.voltage_error, cell_v * self.series) / self.series

    def current_error_a(self, current_a: float) -> float:
        """Of a current, as it is held or read."""
        return bound_of(self.current_error, current_a)


def worlds(plan: Plan, pack: PackSpec, bench: BenchSpec | None) -> tuple[World, tuple[World, ...]]:
    """The expected case, and the cases of the worst one."""
    count = CASES if len(plan.steps) < LONG_PLAN else CASES_OF_LONG_PLANS
    width = (CAPACITY_MOST - CAPACITY_LEAST) / count
    whole = _world(plan, pack, bench)
    cases = tuple(
        replace(
            whole,
            capacity_ah=Interval(
                (CAPACITY_LEAST + case * width) * pack.rated_capacity_ah,
                (CAPACITY_LEAST + (case + 1) * width) * pack.rated_capacity_ah,
            ),
        )
        for case in range(count)
    )
    return _expected(whole, pack), cases


def _world(plan: Plan, pack: PackSpec, bench: BenchSpec | None) -> World:
    band = cells.ocv_band(pack.chemistry, pack.cell_cutoff_v, pack.cell_full_v)
    least, _, most = cells.CELL_BOUNDS[pack.chemistry].ohm_ah
    rated_ah, alone = pack.rated_capacity_ah, pack.series == 1
    ambient_c = AMBIENT_DEFAULT_C if bench is None else bench.ambient_c
    layers = {"profile": plan.limits, "pack": pack.limits, **({} if bench is None else bench.limits)}
    rated_w = inf if bench is None else float(bench.cycler.settings.get("rated_power_w", inf))
    heat, cooling = cells.HEAT_J_K_AH, cells.COOLING_S
    return World(
        expected=False,
        series=pack.series,
        rated_ah=rated_ah,
        capacity_ah=Interval(CAPACITY_LEAST * rated_ah, CAPACITY_MOST * rated_ah),
        soc=Interval(0.0, 1.0),
        curves=curves_of(band, middle=False),
        least_ohm=least / rated_ah,
        most_ohm=most / rated_ah,
        worn_ohm=most / rated_ah,
        cell_spread=0.0 if alone else CELL_SPREAD,
        pack_spread=0.0 if alone else PACK_SPREAD,
        pack_certain=0.0 if alone else PACK_CERTAIN,
        relaxing_s=Interval(*cells.POLARISATION_S),
        heat_j_k=Interval(heat[0] * rated_ah, heat[2] * rated_ah),
        cooling_s=Interval(cooling[0], cooling[2]),
        ambient_c=Interval(ambient_c - AMBIENT_K, ambient_c + AMBIENT_K),
        start_c=Interval(ambient_c - START_K, ambient_c + START_K),
        leak_per_s=cells.SELF_DISCHARGE_PER_DAY / 86_400.0,
        cycler_s=2.0 if bench is None else bench.cycler.stale_after_ns / 1e9,
        bms_s=BMS_PERIOD_S + (2.0 if bench is None else bench.bms.stale_after_ns / 1e9),
        latency_s=DISK_S + (0.5 if bench is None else 2 * bench.cycler.reply_timeout_ns / 1e9),
        current_error=_stated(bench, "cycler", "current_a", _CURRENT),
        voltage_error=_stated(bench, "cycler", "voltage_v", _VOLTAGE),
        cell_error=_stated(bench, "bms", "cell_voltage_v", _CELL),
        temperature_error=_stated(bench, "bms", "temperature_c", _TEMPERATURE),
        limits=tightest(layers).limits,
        cable_ohm=_cable_ohm(bench),
        power_w=pack.max_power_w if bench is None else min(pack.max_power_w, rated_w),
        chamber_k=CHAMBER_K,
        asked=asked_in(plan),
    )


def _expected(world: World, pack: PackSpec) -> World:
    """The usual retired pack on a bench without errors."""
    band = cells.ocv_band(pack.chemistry, pack.cell_cutoff_v, pack.cell_full_v)
    ohm = cells.CELL_BOUNDS[pack.chemistry].ohm_ah[1] / pack.rated_capacity_ah
    capacity_ah, ambient_c = CAPACITY_USUAL * pack.rated_capacity_ah, world.ambient_c.middle
    heat_j_k, cooling_s = cells.HEAT_J_K_AH[1] * pack.rated_capacity_ah, cells.COOLING_S[1]
    exact = Accuracy(gain=0.0, offset=0.0)
    return replace(
        world,
        expected=True,
        capacity_ah=Interval(capacity_ah, capacity_ah),
        soc=Interval(0.5, 0.5),
        curves=curves_of(band, middle=True),
        least_ohm=ohm,
        most_ohm=ohm,
        cell_spread=0.0,
        pack_spread=0.0,
        pack_certain=0.0,
        relaxing_s=Interval(120.0, 120.0),
        heat_j_k=Interval(heat_j_k, heat_j_k),
        cooling_s=Interval(cooling_s, cooling_s),
        ambient_c=Interval(ambient_c, ambient_c),
        start_c=Interval(ambient_c, ambient_c),
        leak_per_s=0.0,
        cable_ohm=0.0,
        cycler_s=0.0,
        bms_s=0.0,
        latency_s=0.0,
        current_error=exact,
        voltage_error=exact,
        cell_error=exact,
        temperature_error=exact,
        chamber_k=0.0,
    )


def worn(usual: World) -> World:
    """The expected case in a pack whose cells resist as much as any that are still tested (config/cell_bounds.py).

    An author is warned of heat by it: what only the least heat capacity, the worst cooling, the greatest capacity and
    the coldest cell at once could heat so far is a bound, and no forecast.
    """
    ohm = usual.worn_ohm
    start_c = usual.start_c.middle + START_K
    return replace(
        usual,
        most_ohm=ohm,
        least_ohm=ohm,
        start_c=Interval(start_c, start_c),
        ambient_c=Interval(usual.ambient_c.middle + AMBIENT_K, usual.ambient_c.middle + AMBIENT_K),
    )


def bound_of(accuracy: Accuracy, value: float) -> float:
    """The most by which a reading of `value` may be wrong."""
    return accuracy.gain * abs(value) + accuracy.offset + accuracy.resolution + NOISE_SDS * accuracy.noise


def _stated(bench: BenchSpec | None, instrument: str, quantity: str, otherwise: Accuracy) -> Accuracy:
    if bench is None:
        return otherwise
    try:
        return bench.accuracy(instrument, quantity)
    except KeyError:
        return otherwise


def _cable_ohm(bench: BenchSpec | None) -> float:
    if bench is None or bench.sense_point == "pack":
        return 0.0
    return bench.cable_resistance_ohm + NOISE_SDS * bench.cable_resistance_u_ohm


def _arrhenius(activation_k: float, t_c: float) -> float:
    return exp(activation_k * (1.0 / (t_c + KELVIN) - 1.0 / REFERENCE_K))
