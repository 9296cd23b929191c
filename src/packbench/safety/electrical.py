"""Rules on voltages, currents and insulation: of the pack, of its cells, and of the cycler against its orders.

Owns one function a rule. Values beyond a limit trip on the first good sample; those that a
transient can cause by itself carry a delay in the table (safety/rules.py).
"""

from __future__ import annotations

from packbench.safety.view import SETTLE_NS, UNDECIDED, Finding, View, Violation

CELL_SUM_TOLERANCE = 0.01
"""Cycler and sum of cells agree within 1 % (faults catalogue, sensor.scale)."""
MEAN_NS = 2_000_000_000
"""How much longer a mean over edges must stand apart: two readings of the slowest device."""
EDGE_NS = 200_000_000
"""A new current has settled in both readings this long after its command."""
OFF_A = 1.0
"""More than 1 A after 300 ms is an output that ignores "off" (faults catalogue, power.ignores_off)."""
FOLLOWS_NS = 2_000_000_000
"""A deviation lasts this long before it counts (faults catalogue, power.setpoint); after a step of the set-point as
long as the bench says, where that is longer."""
CLAMP_TOLERANCE = 0.005
"""Within 0.5 % of the clamp the cycler is in constant voltage, and less current is right."""


def pack_over_voltage(view: View) -> Violation | None:
    """Pack voltage above the effective limit."""
    value, limit = view.snapshot.pack_voltage_v, view.limits.pack_voltage_max_v
    if not view.expected.contactor_closed or value <= limit:
        return None
    return Violation(
        value,
        limit,
        "V",
        f"The pack's voltage rose to {value:.2f} V; it must stay below {limit:.2f} V.",
        f"电池包电压升至 {value:.2f} V，超过上限 {limit:.2f} V。",
    )


def pack_under_voltage(view: View) -> Violation | None:
    """Pack voltage below the effective limit. A reading that may be of open terminals says nothing of the pack."""
    value, limit = view.snapshot.pack_voltage_v, view.limits.pack_voltage_min_v
    expected = view.expected
    if not expected.contactor_closed or value >= limit:
        return None
    if view.cycler().t_ns < expected.closed_ns + expected.cycler_lag_ns:
        return None
    return Violation(
        value,
        limit,
        "V",
        f"The pack's voltage fell to {value:.2f} V; it must stay above {limit:.2f} V.",
        f"电池包电压降至 {value:.2f} V，低于下限 {limit:.2f} V。",
    )


def charge_over_current(view: View) -> Violation | None:
    """More charging current than the tightest layer or the BMS allows."""
    limit = view.limits.charge_current_max_a
    bms = view.snapshot.bms
    if bms is not None and bms.charge_limit_a is not None and bms.charge_limit_a < limit:
        limit = bms.charge_limit_a
    value = view.cycler().current_a
    if value <= limit + view.expected.setpoint_tolerance_a:
        return None
    return Violation(
        value,
        limit,
        "A",
        f"The charging current was {value:.1f} A; at most {limit:.1f} A is allowed.",
        f"充电电流为 {value:.1f} A，允许的最大值为 {limit:.1f} A。",
    )


def discharge_over_current(view: View) -> Violation | None:
    """More discharging current than the tightest layer or the BMS allows."""
    limit = view.limits.discharge_current_max_a
    bms = view.snapshot.bms
    if bms is not None and bms.discharge_limit_a is not None and bms.discharge_limit_a < limit:
        limit = bms.discharge_limit_a
    value = -view.cycler().current_a
    if value <= limit + view.expected.setpoint_tolerance_a:
        return None
    return Violation(
        value,
        limit,
        "A",
        f"The discharging current was {value:.1f} A; at most {limit:.1f} A is allowed.",
        f"放电电流为 {value:.1f} A，允许的最大值为 {limit:.1f} A。",
    )


def setpoint_not_followed(view: View) -> Finding:
    """The current is not what the cycler was told, and constant voltage does not explain it.

    Every reading is held against its own set-point, so that one which changes every second hides nothing. Right after
    a command the current may be on its way: such a reading says nothing, and a deviation from before goes on counting.
    """
    expected = view.expected
    sample = view.cycler()
    wanted_a, tolerance_a = expected.current_a or 0.0, expected.setpoint_tolerance_a
    if abs(sample.current_a - wanted_a) <= tolerance_a or _held_back(view, wanted_a):
        return None
    young = sample.t_ns < expected.stepped_ns + expected.setpoint_delay_ns
    in_force = expected.in_force(sample.t_ns)
    if len(in_force) > 1 and min(in_force) - tolerance_a <= sample.current_a <= max(in_force) + tolerance_a:
        return UNDECIDED
    return Violation(
        sample.current_a,
        wanted_a,
        "A",
        f"The cycler was told {wanted_a:.1f} A but delivered {sample.current_a:.1f} A.",
        f"充放电设备的设定电流为 {wanted_a:.1f} A，实际为 {sample.current_a:.1f} A。",
        patience_ns=max(expected.setpoint_delay_ns - FOLLOWS_NS, 0) if young else 0,
    )


def _held_back(view: View, wanted_a: float) -> bool:
    """Whether the cycler stands at its voltage clamp, where less current than its set-point is right."""
    current_a, clamp_v = view.cycler().current_a, view.expected.clamp_v
    other_way_a = -current_a if wanted_a > 0 else current_a
    if clamp_v is None or abs(current_a) >= abs(wanted_a) or other_way_a > view.expected.setpoint_tolerance_a:
        return False
    voltage_v = view.snapshot.pack_voltage_v
    if wanted_a > 0:
        return voltage_v >= clamp_v * (1 - CLAMP_TOLERANCE)
    return wanted_a < 0 and voltage_v <= clamp_v * (1 + CLAMP_TOLERANCE)


def clamp_not_kept(view: View) -> Finding:
    """The voltage is beyond what the cycler was told to hold, and current drives it on: somebody else has raised it.

    Within every limit of the pack no other rule would say so. A pack that stands beyond the clamp by itself takes no
    current, and is none of it.
    """
    expected, sample = view.expected, view.cycler()
    wanted_a, clamp_v = expected.current_a or 0.0, expected.clamp_v
    sign = 1.0 if wanted_a > 0.0 else -1.0
    if clamp_v is None or not wanted_a or sign * sample.current_a <= expected.setpoint_tolerance_a:
        return None
    # Told for the whole current: with less of it, the cable takes less and leaves more to the pack.
    held_v = clamp_v + (wanted_a - sample.current_a) * expected.cable_ohm
    voltage_v = view.snapshot.pack_voltage_v
    if sign * (voltage_v - held_v) <= CLAMP_TOLERANCE * clamp_v:
        return None
    young = sample.t_ns < expected.commanded_ns + expected.setpoint_delay_ns
    return Violation(
        voltage_v,
        held_v,
        "V",
        f"The cycler was told to keep the pack at {held_v:.2f} V, and drives it on at {voltage_v:.2f} V.",
        f"充放电设备的设定电压为 {held_v:.2f} V，电池包电压已达 {voltage_v:.2f} V，电流仍未停止。",
        patience_ns=max(expected.setpoint_delay_ns - FOLLOWS_NS, 0) if young else 0,
    )


def off_ignored(view: View) -> Violation | None:
    """Current that still flows although the output was told to be off."""
    expected = view.expected
    sample = view.cycler()
    if expected.current_a is not None or not expected.contactor_closed:
        return None
    if sample.t_ns < expected.switched_ns + SETTLE_NS or abs(sample.current_a) <= OFF_A:
        return None
    return Violation(
        sample.current_a,
        OFF_A,
        "A",
        f"The cycler was told to switch off but still delivers {sample.current_a:.1f} A.",
        f"已下达关断指令，充放电设备仍输出 {sample.current_a:.1f} A。",
    )


def output_lost(view: View) -> Violation | None:
    """The output switched itself off in the middle of a step: nobody may switch it on again but an operator."""
    expected = view.expected
    sample = view.cycler()
    if sample.output_on or expected.current_a is None or not expected.contactor_closed:
        return None
    if sample.t_ns < expected.switched_ns + SETTLE_NS:
        return None
    return Violation(
        None,
        None,
        "",
        "The cycler switched its output off by itself in the middle of a step.",
        "充放电设备在工步进行中自行关断了输出。",
    )


def cell_over_voltage(view: View) -> Violation | None:
    """Any cell above the effective limit."""
    bms, limit = view.bms(), view.limits.cell_voltage_max_v
    if bms.cell_max_v <= limit:
        return None
    return Violation(
        bms.cell_max_v,
        limit,
        "V",
        f"Cell {bms.cell_max_index} rose to {bms.cell_max_v:.3f} V; no cell may exceed {limit:.3f} V.",
        f"第 {bms.cell_max_index} 号单体电压升至 {bms.cell_max_v:.3f} V，超过单体上限 {limit:.3f} V。",
    )


def cell_under_voltage(view: View) -> Violation | None:
    """Any cell below the effective limit."""
    bms, limit = view.bms(), view.limits.cell_voltage_min_v
    if bms.cell_min_v >= limit:
        return None
    return Violation(
        bms.cell_min_v,
        limit,
        "V",
        f"Cell {bms.cell_min_index} fell to {bms.cell_min_v:.3f} V; no cell may go below {limit:.3f} V.",
        f"第 {bms.cell_min_index} 号单体电压降至 {bms.cell_min_v:.3f} V，低于单体下限 {limit:.3f} V。",
    )


def cell_spread(view: View) -> Violation | None:
    """Cells further apart than the effective limit."""
    bms, limit = view.bms(), view.limits.cell_spread_max_v
    value = bms.cell_max_v - bms.cell_min_v
    if value <= limit:
        return None
    return Violation(
        value,
        limit,
        "V",
        f"Cells {bms.cell_min_index} and {bms.cell_max_index} are {value:.3f} V apart; "
        f"at most {limit:.3f} V is allowed.",
        f"第 {bms.cell_min_index} 号与第 {bms.cell_max_index} 号单体压差为 {value:.3f} V，"
        f"允许的最大值为 {limit:.3f} V。",
    )


def cell_sum(view: View) -> Finding:
    """The sum of the cells against the pack voltage that the cycler measures, at one and the same current.

    Two readings with a step of the set-point between them show two currents, and decide nothing. Where every reading
    is such (a drive cycle), the mean of the last ten stands in for it: steps up and steps down take each other away.
    What the voltage moved between the two instants is no difference: at the knee of a worn cell it is more than 1 %.
    """
    voltage_v = view.snapshot.pack_voltage_v
    if not view.expected.contactor_closed or view.snapshot.bms is None or not voltage_v > 0:
        return None
    total_v = view.bms().cell_sum_v
    patience_ns = 0
    if _set_point_between(view):
        if not abs(view.cells_apart) > CELL_SUM_TOLERANCE:
            return UNDECIDED
        # A mean of readings on either side of edges may be one-sided by chance: later readings must say so as well.
        patience_ns = MEAN_NS
    elif abs(total_v - voltage_v) <= CELL_SUM_TOLERANCE * voltage_v + _moved_v(view):
        return None
    return Violation(
        total_v,
        voltage_v,
        "V",
        f"The cells add up to {total_v:.2f} V but the pack measures {voltage_v:.2f} V: one of the two is wrong.",
        f"单体电压之和为 {total_v:.2f} V，而电池包总电压为 {voltage_v:.2f} V，二者必有一错。",
        patience_ns=patience_ns,
    )


def _moved_v(view: View) -> float:
    """By how much the voltage may have moved from the one reading to the other."""
    cycler = view.snapshot.cycler
    return 0.0 if cycler is None else view.drift_v_s * abs(cycler.t_ns - view.bms().t_ns) / 1e9


def _set_point_between(view: View) -> bool:
    """Whether a step of the set-point lies between the two readings: they then show different currents."""
    cycler, bms, stepped_ns = view.snapshot.cycler, view.bms(), view.expected.stepped_ns
    if cycler is None:
        return True
    return min(cycler.t_ns, bms.t_ns) - EDGE_NS < stepped_ns < max(cycler.t_ns, bms.t_ns)


def insulation_low(view: View) -> Violation | None:
    """Less insulation between pack and case than the pack file asks for. A reading without it is none (run/channel)."""
    limit = view.expected.insulation_min_ohm
    value = view.meter().values.get("insulation_ohm")
    if limit is None or value is None or value >= limit:
        return None
    return Violation(
        value,
        limit,
        "ohm",
        f"The pack's insulation fell to {value / 1e3:.1f} kohm; at least {limit / 1e3:.1f} kohm is required. "
        "Do not touch the pack or its case.",
        f"电池包绝缘电阻降至 {value / 1e3:.1f} kΩ，低于下限 {limit / 1e3:.1f} kΩ。请勿触碰电池包及其外壳。",
    )
