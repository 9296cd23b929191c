"""Steps with a current that flows one way: what holds it back, when they end, what they move.

Owns the course of constant current, voltage, power and resistance. Everything is worked out in the direction of the
current (`curve`): state of charge `u`, voltages and current rise along the step.
"""

from __future__ import annotations

from math import inf, log

from packbench.config.cell_bounds import CELL_BOUNDS, LOW_SOC, LOW_SOC_FACTOR, MIDDLE_SOC_FACTOR
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.assumed import World
from packbench.profile.checking.worst.drives import Drive, drive_of
from packbench.profile.checking.worst.ends import ANY_TIME, NEVER, SETTLES_S, Window, named
from packbench.profile.checking.worst.heat import Warmth, heated
from packbench.profile.checking.worst.interval import Interval
from packbench.profile.checking.worst.outcome import WayOut
from packbench.profile.checking.worst.state import State
from packbench.profile.checking.worst.values import (
    between_steps,
    elsewhere,
    error_a,
    moves,
    temperatures,
    value_of,
    voltage,
)
from packbench.profile.plan import Condition, DirectedStep, Test

SETTLE_S = 2.0
"""A constant voltage's end current is not looked at earlier (engine/steps/voltage.py)."""
TAPER_FACTOR, HOLD_FACTOR = 1.7, 1.3
"""How much longer a tail may take than a source behind a resistance: steps of a taper, polarisation. [A]"""
TAIL_PIECES = 8
STEEPEST_V = 25.0
"""The most by which a cell's voltage rises per unit of charge, at its ends. [A]"""
_VOLTAGES = ("voltage", "cell_max", "cell_min")


class Driven:
    """The course of one execution."""

    def __init__(self, world: World, state: State, step: DirectedStep, chemistry: str) -> None:
        self.world, self.state, self.step, self._chemistry = world, state, step, chemistry
        self.sign = step.sign
        self.curve = world.curves.towards(step.sign)
        self.start_u = signed(state.soc, step.sign)
        self.filtered_a = signed(state.filtered_a, step.sign)
        self.max_s = step.max_time_ns / 1e9
        self.ohm = world.most_ohm_at(min(state.temperature_c.lo, state.around_c.lo))
        turns = [turn for condition in step.until if (turn := self._turn(condition)) is not None]
        self._turn_v = min((turn for turn, _ in turns), default=inf)
        drive = drive_of(step, world, state, self._turn_v + (0.0 if world.expected else 0.1))
        self.begins = drive is not None
        if drive is not None:
            self._driven(drive)

    def _driven(self, drive: Drive) -> None:
        world, capacity_ah = self.world, self.world.capacity_ah
        self.drive, self.amps = drive, drive.amps
        self.rise_v = self.ohm * max(drive.amps.hi, self.filtered_a.hi)
        shape = self.curve.most_shape(self.start_u.lo - world.cell_spread, self.start_u.hi + world.cell_spread)
        self.remnant_v = self.ohm * shape * max(-self.filtered_a.lo, 0.0)
        """What polarisation of the other direction still takes off the voltage, at most."""
        self.certain_v = 0.0
        """What the current surely adds."""
        if world.expected:
            self.remnant_v, self.certain_v = 0.0, self.ohm * drive.amps.lo
        self.clamped_ah = self._distance_ah(drive.held_least_v, world.pack_spread)
        """From here on the held voltage may take current away."""
        cell = drive.cell
        self.tapered_ah = self._distance_ah(cell.least_v, world.cell_spread) if cell and cell.tapers else inf
        self.floor_a = self._floor_a()
        surely_v = [drive.held_most_v, self._turn_v]
        if cell is not None:
            surely_v.append(cell.most_v)
        overshoot = drive.amps.hi * (world.bms_s + 1.0) / 3600.0 / capacity_ah.lo + self._trickle_u()
        self.last_u = max(self.surely_u(min(surely_v)) + overshoot, self.start_u.hi)
        """No state of charge beyond this is come to."""
        self.last_u = min(self.last_u, self.start_u.hi + drive.amps.hi * self.max_s / 3600.0 / capacity_ah.lo)
        self.most_ah = max(min(self.last_u, self.curve.last_u) - self.start_u.lo, 0.0) * capacity_ah.hi
        counting = () if world.expected else self.step.until
        self.counted_ah = min((self._ends_by(condition) for condition in counting), default=inf)
        """What the meter reads at most: the charge at which the step ends, however slowly it comes to it."""
        flowing_s = self.max_s if self.clamped_ah < inf or self.tapered_ah < inf else 0.0
        gain = world.current_error.gain
        flowed_ah = self.counted_ah * (1.0 + gain) + world.current_error_a(0.0) * flowing_s / 3600.0
        if flowed_ah < self.most_ah:
            self.most_ah = flowed_ah
            self.last_u = min(self.last_u, self.start_u.hi + flowed_ah / capacity_ah.lo)

    def _ends_by(self, condition: Condition) -> float:
        """The most charge that is read before a condition on charge or energy has ended the step; inf: it is none."""
        test = condition.alone
        if test is None or not test.rising or test.left is not None or condition.for_ns or moves(test.value):
            return inf
        name = test.variable
        if not name.endswith(("_ah", "_wh")):
            return inf
        base = Interval(0.0, 0.0) if name.startswith("step_") else signed(getattr(self.state, name), self.sign)
        bound = value_of(test.value, self.state, between_steps(self.world, self.state))
        if bound.missing:
            return inf
        met_ah = max(bound.hi - base.lo, 0.0)
        if name.endswith("_wh"):
            volts = self.volts()
            least_v = volts.lo - self.world.pack_error_v(volts.hi / self.world.series) * self.world.series
            met_ah = met_ah / least_v if least_v > 0.0 else inf
        met_ah = max(met_ah + self._unmeasured_ah(), self.amps.hi * SETTLES_S / 3600.0)
        return met_ah + (self.amps.hi * self.world.cycler_s) / 3600.0

    def _trickle_u(self) -> float:
        """What a cycler's offset moves while it holds a voltage and thinks that nothing flows."""
        end_a, offset_a = self.drive.end_a, self.world.current_error_a(0.0)
        if self.clamped_ah == inf or (self.drive.regulates and end_a is not None and end_a.lo > offset_a):
            return 0.0
        return offset_a * self.max_s / 3600.0 / self.world.capacity_ah.lo

    # -- charge and time --------------------------------------------------------------------

    def soonest_s(self, charge_ah: float) -> float:
        """When so much may have flowed."""
        return charge_ah * 3600.0 / self.amps.hi

    def latest_s(self, charge_ah: float, free_ah: float | None = None) -> float:
        """When so much surely has. Up to `free_ah` nothing holds the current back."""
        free_ah = min(self.clamped_ah, self.tapered_ah) if free_ah is None else free_ah
        if charge_ah == inf:
            return inf
        freely_ah, rest_ah = min(charge_ah, free_ah), max(charge_ah - free_ah, 0.0)
        return self.world.latency_s + _seconds(freely_ah, self.amps.lo) + _seconds(rest_ah, self.floor_a)

    def least_ah(self, seconds: float) -> float:
        """What surely has flowed by then."""
        free_ah = min(self.clamped_ah, self.tapered_ah)
        seconds = max(seconds - self.world.latency_s, 0.0)
        freely_ah = min(self.amps.lo * seconds / 3600.0, free_ah)
        left_s = max(seconds - _seconds(freely_ah, self.amps.lo), 0.0)
        return freely_ah + (self.floor_a * left_s / 3600.0 if self.floor_a else 0.0)

    def surely_u(self, voltage_v: float) -> float:
        """From where on the pack's voltage surely is at least this, whatever flows in this direction."""
        return self.curve.surely(voltage_v) + self.world.pack_certain

    def _distance_ah(self, voltage_v: float, spread: float) -> float:
        """The least charge after which a voltage may be reached."""
        distance = self.curve.distance(voltage_v, i.widened(self.start_u, spread), self.rise_v)
        return distance * self.world.capacity_ah.lo

    def _floor_a(self) -> float:
        """What flows at least while the step goes on, once something holds the current back."""
        floors: list[float] = []
        if self.drive.end_a is not None and self.drive.regulates:
            floors.append(max(self.drive.end_a.lo - self.world.current_error_a(self.drive.end_a.lo), 0.0))
        elif self.clamped_ah < inf:
            floors.append(0.0)
        if self.tapered_ah < inf and self.drive.cell is not None:
            floors.append(self.drive.cell.end_a)
        return min([*floors, self.amps.lo])

    # -- its own ends -----------------------------------------------------------------------

    def own_ends(self) -> list[WayOut]:
        """Those that its kind brings with it."""
        found: list[WayOut] = []
        drive, world = self.drive, self.world
        if drive.regulates and drive.end_a is not None:
            soonest_s = max(self.soonest_s(self.clamped_ah), 0.0 if world.expected else SETTLE_S)
            window = Window(soonest_s, max(self._held_until_s(drive.end_a), soonest_s))
            found.append(WayOut(drive.end_text, None, window))
        cell = drive.cell
        if cell is not None:
            reached_ah = self._distance_ah(cell.least_v, world.cell_spread)
            surely_ah = self._surely_ah(cell.most_v)
            if not cell.tapers:
                latest_s = self.latest_s(surely_ah, inf if self._freely(cell.most_v) else None)
            else:
                tail_s = self.tail_s(cell.most_v, cell.end_a, TAPER_FACTOR)
                latest_s = self.latest_s(surely_ah, inf) + tail_s if self._freely(cell.most_v) else inf
            found.append(WayOut(cell.text, None, Window(self.soonest_s(reached_ah), latest_s + world.bms_s)))
        return found

    def _held_until_s(self, end_a: Interval) -> float:
        """When a constant voltage's current surely has fallen to its end."""
        world, held_v = self.world, self.drive.held_most_v
        error = world.current_error_a(end_a.lo)
        if end_a.lo <= error or end_a.missing:
            return inf
        if self.tapered_ah < inf and self.drive.cell is not None and self.drive.cell.end_a <= 0.0:
            return inf
        factor = HOLD_FACTOR if self.tapered_ah == inf else TAPER_FACTOR
        tail_s = self.tail_s(held_v, end_a.lo - error, factor)
        return world.latency_s + _seconds(self._surely_ah(held_v), self.amps.lo) + tail_s + world.cycler_s

    def tail_s(self, held_v: float, end_a: float, factor: float) -> float:
        """How long the current takes to fall to `end_a` at most, at a voltage that is held.

        Behind a resistance R a current I leaves I = (V - U) / R for the open-circuit voltage U, which rises by its
        slope s with I / Q: from I1 to I2 it takes Q R / s ln(I1 / I2), and never longer than the charge that is
        missing takes at I2.
        """
        if end_a <= 0.0:
            return inf
        if self.amps.hi <= end_a:
            return 0.0
        world, capacity_ah = self.world, self.world.capacity_ah.hi
        top_u = min(self.surely_u(held_v), self.curve.last_u)
        from_u = self.curve.reach(held_v, self.curve.last_u - 1.2, self.rise_v)
        ohm = self.ohm * self.curve.most_shape(min(from_u, top_u), top_u)
        ratio = (self.amps.hi / end_a) ** (1.0 / TAIL_PIECES)
        missing_ah = max(top_u - self.start_u.lo, 0.0) * capacity_ah
        hours, current_a = 0.0, self.amps.hi
        for _ in range(TAIL_PIECES):
            next_a = current_a / ratio
            open_v = held_v - ohm * current_a
            slope_v = _least_slope(self._chemistry, self.sign * open_v, self.sign * held_v)
            hours += min(factor * capacity_ah * ohm * log(ratio) / slope_v, missing_ah / next_a)
            current_a = next_a
        return hours * 3600.0 + (0.0 if world.expected else 3.0 * world.relaxing_s.hi)

    def _surely_ah(self, voltage_v: float, certain_v: float | None = None) -> float:
        """The most charge after which the pack's voltage surely is this."""
        certain_v = self.certain_v if certain_v is None else certain_v
        return max(self.surely_u(voltage_v - certain_v) - self.start_u.lo, 0.0) * self.world.capacity_ah.hi

    def _freely(self, voltage_v: float) -> bool:
        """Whether the held voltage surely takes nothing away before the pack has come to this one."""
        return voltage_v < self.drive.held_least_v

    # -- its conditions ---------------------------------------------------------------------

    def reaches(self, name: str, bound: Interval, *, rising: bool, over_s: float) -> Window | None:
        """See `ends.Course`."""
        if name in _VOLTAGES or (name.startswith("cell_") and name != "cell_spread"):
            return self._voltage_reaches(name, bound, rising=rising)
        if name.endswith("_ah"):
            return self._charge_reaches(name, bound, rising=rising)
        if name.endswith("_wh"):
            return self._energy_reaches(name, bound, rising=rising)
        if name == "current" and not rising and self.drive.regulates:
            return Window(0.0, self._held_until_s(bound))
        return None

    def _voltage_reaches(self, name: str, bound: Interval, *, rising: bool) -> Window:
        of_pack = name == "voltage"
        if rising != (self.sign > 0):
            return self._behind(name, bound, of_pack=of_pack)
        world, cells = self.world, world_cells(self.world, of_pack=of_pack)
        at = signed(i.scaled(bound, 1.0 / cells), self.sign)
        error_v = world.pack_error_v(at.hi) if of_pack else world.cell_error_v(at.hi)
        # The lowest cell of a charge (the highest of a discharge) is behind the mean, every other may be before it.
        trailing = name == ("cell_min" if self.sign > 0 else "cell_max")
        spread = world.pack_spread if of_pack or trailing else world.cell_spread
        soonest_s = self.soonest_s(self._distance_ah(at.lo - error_v, spread))
        surely_v = at.hi + error_v
        behind = world.cell_spread if trailing or name not in _VOLTAGES else 0.0
        free_ah = self.tapered_ah if self._freely(surely_v) else None
        return Window(soonest_s, self._surely_s(surely_v, behind, free_ah))

    def _surely_s(self, voltage_v: float, behind: float, free_ah: float | None) -> float:
        """When a voltage surely is reached; what the other direction left behind is gone after a while."""
        capacity_ah, slow_s = self.world.capacity_ah.hi, 3.0 * self.world.relaxing_s.hi
        latest_s = self.latest_s(self._surely_ah(voltage_v + self.remnant_v) + behind * capacity_ah, free_ah)
        if self.remnant_v:
            rested_ah = self._surely_ah(voltage_v + 0.05 * self.remnant_v) + behind * capacity_ah
            latest_s = min(latest_s, max(slow_s, self.latest_s(rested_ah, free_ah)))
        return latest_s

    def _behind(self, name: str, bound: Interval, *, of_pack: bool) -> Window:
        """A test against the direction: if ever, it is met from the beginning."""
        may_read = self.reads(name)
        rising = self.sign < 0
        met = may_read.hi >= bound.lo if rising else may_read.lo <= bound.hi
        return ANY_TIME if met else NEVER

    def _charge_reaches(self, name: str, bound: Interval, *, rising: bool) -> Window | None:
        """|base + x| of a signed base; x is what has flowed in the step's direction."""
        base = Interval(0.0, 0.0) if name == "step_ah" else signed(getattr(self.state, name), self.sign)
        if not rising:
            return None
        error_ah = self._unmeasured_ah()
        soonest_ah = max(bound.lo - base.hi - error_ah, 0.0)
        if -base.lo >= bound.lo:
            soonest_ah = 0.0
        latest_ah = max(bound.hi - base.lo + error_ah, 0.0)
        return Window(self.soonest_s(soonest_ah), self.latest_s(latest_ah))

    def _energy_reaches(self, name: str, bound: Interval, *, rising: bool) -> Window | None:
        base = Interval(0.0, 0.0) if name == "step_wh" else signed(getattr(self.state, name), self.sign)
        if not rising:
            return None
        volts = self.volts()
        error_ah = self._unmeasured_ah()
        soonest_wh = 0.0 if -base.lo >= bound.lo else max(bound.lo - base.hi, 0.0)
        latest_wh = max(bound.hi - base.lo, 0.0)
        latest_s = self.latest_s(latest_wh / volts.lo + error_ah) if volts.lo > 0.0 else inf
        return Window(self.soonest_s(max(soonest_wh / volts.hi - error_ah, 0.0)), latest_s)

    def _unmeasured_ah(self) -> float:
        """What the readings around an edge of current may count wrongly."""
        before_a = max(abs(self.state.current_a.lo), abs(self.state.current_a.hi))
        return (before_a + self.amps.hi) * (self.world.cycler_s + self.world.latency_s) / 3600.0

    def _turn(self, condition: Condition) -> tuple[float, Test] | None:
        """The mirrored voltage, per cell, beyond which the step surely does not go on by a condition."""
        test = condition.alone
        if test is None or test.left is not None or condition.for_ns or moves(test.value):
            return None
        name = named(test)
        if test.rising != (self.sign > 0) or name not in _VOLTAGES:
            return None
        if name == ("cell_min" if self.sign > 0 else "cell_max"):
            return None
        bound = value_of(test.value, self.state, between_steps(self.world, self.state))
        if bound.missing:
            return None
        of_pack = name == "voltage"
        at = signed(i.scaled(bound, 1.0 / world_cells(self.world, of_pack=of_pack)), self.sign)
        return at.hi + (self.world.pack_error_v(at.hi) if of_pack else self.world.cell_error_v(at.hi)), test

    # -- what it reads ----------------------------------------------------------------------

    def whole_soc(self) -> Interval:
        """Of the mean cell, from its beginning to any of its ends."""
        return signed(Interval(self.start_u.lo, self.last_u), self.sign)

    def volts(self) -> Interval:
        """The pack's voltage while the current flows, within the limits."""
        return self.world.within_limits(self.free_volts())

    def free_volts(self) -> Interval:
        """The pack's voltage, whatever safety thinks of it."""
        low_v = self.curve.low_v(self.start_u.lo - self.world.pack_spread) - self.remnant_v
        top_u = self.last_u + self.world.pack_spread
        shape = self.curve.most_shape(self.start_u.lo - self.world.pack_spread, top_u)
        held_v = self.drive.held_most_v + STEEPEST_V * self._trickle_u()
        high_v = max(min(held_v, self.curve.high_v(top_u) + self.rise_v * shape), low_v)
        ends = (self.sign * low_v * self.world.series, self.sign * high_v * self.world.series)
        return Interval(min(ends), max(ends))

    def reads(self, name: str) -> Interval:
        """See `ends.Course`."""
        world, state = self.world, self.state
        flowing_a = i.hull(state.current_a, self.flowing_a())
        if name in _VOLTAGES:
            return voltage(world, state, self.whole_soc(), flowing_a, of_pack=name == "voltage")
        match name:
            case "current":
                return Interval(0.0, i.magnitude(i.widened(flowing_a, error_a(world, flowing_a))).hi)
            case "power":
                return i.magnitude(i.times(flowing_a, self.reads("voltage")))
            case "step_ah":
                return Interval(0.0, min(self.most_ah + self._unmeasured_ah(), self.counted_ah))
            case "step_wh":
                return Interval(0.0, (self.most_ah + self._unmeasured_ah()) * self.volts().hi)
            case "cycle_ah" | "test_ah" | "cycle_wh" | "test_wh":
                base: Interval = getattr(state, name)
                step = signed(self.reads(f"step_{name[-2:]}"), self.sign)
                return i.magnitude(i.plus(base, i.hull(step, Interval(0.0, 0.0))))
            case "step_time":
                return Interval(0.0, self.max_s)
            case "cycle_time" | "test_time":
                base = state.cycle_s if name == "cycle_time" else state.test_s
                return Interval(base.lo, base.hi + self.max_s)
            case "cycle":
                return state.cycle
            case "temperature_max" | "temperature_min":
                return temperatures(world, self.whole_temperature(), self.swing())
            case _:
                return elsewhere(world, state, name)

    def flowing_a(self) -> Interval:
        """Signed, from nothing to the full current."""
        return signed(Interval(0.0, self.amps.hi), self.sign)

    def swing(self) -> float:
        """Charge moved so far, this step's with it, in capacities."""
        return self.state.totals.swing + self.most_ah / self.world.capacity_ah.lo

    def whole_temperature(self) -> Interval:
        """Of every cell, from beginning to end."""
        warm = self.warmth(Interval(0.0, self.max_s))
        return Interval(warm.end_c.lo, max(warm.peak_c, self.state.temperature_c.hi))

    def warmth(self, lasting_s: Interval) -> Warmth:
        """Of a step that lasts so long: what flows at all flows at the full current, at low charge last."""
        flowing_s = min(lasting_s.hi, self.soonest_s(self.most_ah))
        lowest_soc = self.start_u.lo if self.sign > 0 else -self.last_u
        low_s = 0.0
        if lowest_soc < LOW_SOC and not self.world.expected:
            low_s = min(flowing_s, self.soonest_s((LOW_SOC - lowest_soc) * self.world.capacity_ah.hi))
        square_a = self.amps.hi**2
        middle = 1.0 if self.world.expected else MIDDLE_SOC_FACTOR
        blocks = ((flowing_s - low_s, square_a, middle), (low_s, square_a, LOW_SOC_FACTOR))
        return heated(self.world, self.state.temperature_c, self.state.around_c, blocks, lasting_s)


def world_cells(world: World, *, of_pack: bool) -> int:
    """How many cells a voltage is the sum of."""
    return world.series if of_pack else 1


def _seconds(charge_ah: float, current_a: float) -> float:
    if charge_ah <= 0.0:
        return 0.0
    return charge_ah * 3600.0 / current_a if current_a > 0.0 else inf


def signed(value: Interval, sign: int) -> Interval:
    """Mirrored into the direction of a current, or back."""
    return value if sign > 0 else Interval(-value.hi, -value.lo, value.missing)


def _least_slope(chemistry: str, a_v: float, b_v: float) -> float:
    """The least rise of the open-circuit voltage with charge between two of its values."""
    low_v, high_v = min(a_v, b_v), max(a_v, b_v)
    table = CELL_BOUNDS[chemistry].slope_v
    starts = [*(start for start, _ in table[1:]), inf]
    return (
        min(slope for (start, slope), end in zip(table, starts, strict=True) if start < high_v and end > low_v)
        if low_v < high_v
        else table[-1][1]
    )
