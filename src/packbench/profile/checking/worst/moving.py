"""What a step with a current in one direction has moved when it ends: charge, energy, heat, and the worst on the way.

Owns the state behind each end. What an end proves about the pack (its voltage was reached, so much charge flowed)
narrows what the time alone allows.
"""

from __future__ import annotations

from math import inf

from packbench.core.limits import LimitSet
from packbench.profile.checking.worst import interval as i
from packbench.profile.checking.worst.driven import STEEPEST_V, Driven, signed
from packbench.profile.checking.worst.drives import FOLLOWS
from packbench.profile.checking.worst.ends import named, window_of
from packbench.profile.checking.worst.interval import Interval, hull
from packbench.profile.checking.worst.outcome import (
    Between,
    Moved,
    Outcome,
    WayOut,
    filtered,
    hottest,
    left,
    possible,
)
from packbench.profile.checking.worst.values import begun_with, temperatures, value_of, voltage
from packbench.profile.plan import ConstantPower

FAST_RISE = 0.2
"""How much of a resistance's rise comes within the time in which a cell goes unseen. [A]"""


def driven_outcome(course: Driven, index: int) -> Outcome | None:
    """One execution; None: it may not begin, which ends the run."""
    if not course.begins:
        return None
    step, world, state = course.step, course.world, course.state
    ways = [
        WayOut(condition.text, condition.goto, window_of(condition, course), at)
        for at, condition in enumerate(step.until)
    ]
    ways += course.own_ends()
    ways, horizon_s, overdue = possible(ways, world, course.max_s)
    found = left(world, state, index, ways, horizon_s, lambda way, between: _moved(course, way, between))
    lasting_s = Interval(min((way.window.soonest_s for way in ways), default=horizon_s), horizon_s)
    if overdue:
        lasting_s = Interval(min(lasting_s.lo, course.max_s), max(horizon_s, course.max_s))
    whole = _between(course, Between(lasting_s.lo, lasting_s.hi), None)
    warm = course.warmth(lasting_s)
    end_c = Interval(warm.end_c.lo, warm.peak_c)
    return Outcome(
        ends=tuple((way, after) for way, after, _ in found),
        duration_s=lasting_s,
        charge_ah=_over([gone.charge_ah for _, _, gone in found], whole.charge_ah if overdue or not found else None),
        energy_wh=_over([gone.energy_wh for _, _, gone in found], whole.energy_wh if overdue or not found else None),
        power_w=_power(course, lasting_s),
        hottest_c=hottest(world, state, end_c, course.swing()),
        overdue=overdue,
        warmth=warm,
        beyond=_beyond(course, end_c),
    )


def _over(values: list[Interval], more: Interval | None) -> Interval:
    values = values if more is None else [*values, more]
    found = values[0]
    for value in values[1:]:
        found = hull(found, value)
    return found


def _moved(course: Driven, way: WayOut, between: Between) -> Moved:
    return _between(course, between, way)


def _between(course: Driven, between: Between, way: WayOut | None) -> Moved:
    """What has flowed when the step ends within a time, and what its way out proves."""
    world, capacity_ah, start_u = course.world, course.world.capacity_ah, course.start_u
    flowed_ah = _flowed(course, between, way)
    end_u = Interval(
        start_u.lo + flowed_ah.lo / capacity_ah.hi, min(start_u.hi + flowed_ah.hi / capacity_ah.lo, course.last_u)
    )
    if way is not None:
        end_u = Interval(min(max(end_u.lo, _proven_u(course, way)), end_u.hi), end_u.hi)
    # And back: what the charge came to says how much flowed.
    flowed_ah = i.cut(
        flowed_ah, (end_u.lo - start_u.hi) * capacity_ah.lo, max((end_u.hi - start_u.lo) * capacity_ah.hi, 0.0)
    )
    lasting_s = Interval(between.soonest_s, between.latest_s)
    flowing_a = _flowing(course, between)
    filtered_a = filtered(world, course.filtered_a, flowing_a, lasting_s)
    measured_ah = i.cut(i.widened(flowed_ah, _error_ah(course, flowed_ah)), -inf, course.counted_ah)
    volts = _mean_volts(course, flowed_ah)
    energy_wh = i.times(measured_ah, volts)
    soc, warm = signed(end_u, course.sign), course.warmth(lasting_s)
    moved_ah = Interval(max(flowed_ah.lo, 0.0), flowed_ah.hi)
    return Moved(
        soc=soc,
        filtered_a=signed(filtered_a, course.sign),
        current_a=signed(flowing_a, course.sign),
        charge_ah=signed(measured_ah, course.sign),
        energy_wh=signed(energy_wh, course.sign),
        throughput_ah=moved_ah,
        throughput_wh=i.times(moved_ah, volts),
        temperature_c=warm.end_c,
        voltage_v=_end_voltage(course, soc, filtered_a, flowing_a),
    )


def _flowed(course: Driven, between: Between, way: WayOut | None) -> Interval:
    """The charge of a step that ends within a time."""
    most_ah = min(course.amps.hi * between.latest_s / 3600.0, course.most_ah)
    if course.world.expected:
        return Interval(most_ah, most_ah)
    flowed_ah = Interval(min(course.least_ah(between.soonest_s), most_ah), most_ah)
    if way is None or way.condition is None:
        return flowed_ah
    test = course.step.until[way.condition].alone
    if test is None or test.variable != "step_ah" or not test.rising or course.step.until[way.condition].for_ns:
        return flowed_ah
    bound_ah = value_of(test.value, course.state, course.reads)
    error_ah = _error_ah(course, bound_ah)
    over_ah = course.amps.hi * course.world.cycler_s / 3600.0
    return i.cut(flowed_ah, bound_ah.lo - error_ah, bound_ah.hi + error_ah + over_ah)


def _proven_u(course: Driven, way: WayOut) -> float:
    """The least state of charge at which this end may come."""
    world, drive = course.world, course.drive
    if way.condition is None:
        if drive.cell is not None and way.text == drive.cell.text:
            return _reached_u(course, drive.cell.least_v, world.cell_spread)
        return _reached_u(course, drive.held_least_v, world.pack_spread)
    test = course.step.until[way.condition].alone
    if test is None or test.left is not None or test.rising != (course.sign > 0):
        return -inf
    name = named(test)
    if name != "voltage" and (not name.startswith("cell_") or name == "cell_spread"):
        return -inf
    of_pack = name == "voltage"
    bound = signed(i.scaled(value_of(test.value, course.state, course.reads), 1.0 / _cells(course, name)), course.sign)
    error_v = world.pack_error_v(bound.lo) if of_pack else world.cell_error_v(bound.lo)
    return _reached_u(course, bound.lo - error_v, world.pack_spread if of_pack else world.cell_spread)


def _cells(course: Driven, name: str) -> int:
    return course.world.series if name == "voltage" else 1


def _reached_u(course: Driven, voltage_v: float, spread: float) -> float:
    return course.curve.reach(voltage_v, course.start_u.lo - spread, course.rise_v) - spread


def _flowing(course: Driven, between: Between) -> Interval:
    """The current at the step's end, in its direction."""
    soonest_ah = course.amps.hi * between.latest_s / 3600.0
    held = soonest_ah > min(course.clamped_ah, course.tapered_ah)
    flowing_a = Interval(course.floor_a if held else course.amps.lo, course.amps.hi)
    if between.soonest_s >= course.world.latency_s + course.world.cycler_s or course.world.expected:
        return flowing_a
    return hull(hull(flowing_a, signed(course.state.current_a, course.sign)), Interval(0.0, 0.0))


def _error_ah(course: Driven, charge_ah: Interval) -> float:
    """What the meter may count wrongly: its gain and offset are in the current's bounds already."""
    if course.world.expected:
        return 0.0
    before_a = max(abs(course.state.current_a.lo), abs(course.state.current_a.hi))
    edge_s = course.world.cycler_s + course.world.latency_s
    return (before_a + course.amps.hi) * edge_s / 3600.0 + 0.002 * abs(charge_ah.hi)


def _mean_volts(course: Driven, flowed_ah: Interval) -> Interval:
    """The pack's mean voltage over the charge that flowed."""
    world, curve, start_u = course.world, course.curve, course.start_u
    first_u, last_u = start_u.lo - world.pack_spread, start_u.hi + world.pack_spread
    low_v = curve.mean_low_v(first_u, first_u + flowed_ah.lo / world.capacity_ah.hi) - course.remnant_v
    high_u = last_u + flowed_ah.hi / world.capacity_ah.lo
    high_v = curve.mean_high_v(last_u, high_u) + course.rise_v * curve.most_shape(first_u, high_u)
    high_v = max(min(high_v, course.drive.held_most_v), low_v)
    if course.world.expected:
        low_v = high_v
    volts = world.within_limits(signed(Interval(low_v * world.series, high_v * world.series), course.sign))
    return i.widened(volts, world.pack_error_v(volts.hi / world.series) * world.series)


def _end_voltage(course: Driven, soc: Interval, filtered_a: Interval, flowing_a: Interval) -> Interval:
    signed_a = (signed(flowing_a, course.sign), signed(filtered_a, course.sign))
    return voltage(course.world, course.state, soc, signed_a[0], of_pack=True, filtered_a=signed_a[1])


def _power(course: Driven, lasting_s: Interval) -> Interval:
    """The largest magnitude of a step."""
    volts = course.volts()
    surely = lasting_s.lo > course.world.latency_s + course.world.cycler_s
    if isinstance(course.step, ConstantPower):
        power_w = begun_with(course.step.power_w, course.state, course.reads, 0.0, course.world.power_w)
        return Interval(power_w.lo * (1.0 - FOLLOWS) if surely else 0.0, power_w.hi * (1.0 + FOLLOWS))
    return Interval(course.amps.lo * volts.lo if surely else 0.0, course.amps.hi * volts.hi)


def _beyond(course: Driven, end_c: Interval) -> LimitSet:
    """The worst of the pack and of its cells in this step; a cell that ends it goes unseen for a while."""
    world, curve, drive = course.world, course.curve, course.drive
    volts = course.free_volts()
    top_u = course.last_u + world.cell_spread
    shape = curve.most_shape(course.start_u.lo - world.cell_spread, top_u)
    worst_v = curve.high_v(top_u) + course.rise_v * shape
    watched_v = [drive.cell.most_v] if drive.cell is not None else []
    for condition in course.step.until:
        test = condition.alone
        if test is not None and named(test) in ("cell_max", "cell_min") and test.rising == (course.sign > 0):
            bound = signed(value_of(test.value, course.state, course.reads), course.sign)
            watched_v.append(bound.hi + world.cell_error_v(bound.hi))
    if watched_v:
        unseen_u = course.amps.hi * (world.bms_s + 3.0) / 3600.0 / world.capacity_ah.lo
        begins_v = curve.high_v(course.start_u.hi + world.cell_spread) + course.rise_v * shape
        ends_v = min(watched_v) + STEEPEST_V * unseen_u + FAST_RISE * course.rise_v
        worst_v = min(worst_v, max(begins_v, ends_v))
    charging = course.sign > 0
    capacity_j_k = world.heat_j_k.lo
    rate_k_s = course.amps.hi**2 * course.ohm * shape / capacity_j_k
    warm = temperatures(world, Interval(min(end_c.lo, course.state.temperature_c.lo), end_c.hi), course.swing())
    return LimitSet(
        pack_voltage_max_v=volts.hi if charging else None,
        pack_voltage_min_v=None if charging else volts.lo,
        cell_voltage_max_v=worst_v if charging else None,
        cell_voltage_min_v=None if charging else -worst_v,
        temperature_max_c=warm.hi,
        temperature_min_c=warm.lo,
        temperature_rate_max_k_min=rate_k_s * 60.0,
        cell_spread_max_v=_spread_v(course),
    )


def _spread_v(course: Driven) -> float:
    """How far cells may stand apart."""
    spread = course.world.cell_spread
    if not spread:
        return 0.0
    curve = course.curve
    worst_v = max(
        curve.high_v(u + spread) - curve.low_v(u - spread)
        for u in (course.start_u.lo, course.start_u.hi, course.last_u)
    )
    return worst_v + course.rise_v
