"""The table of rules: what is asked, when, and how fast it must act.

Owns the delays and the reactions. Adding a rule is one function, one line here, one fault
scenario. Delays are house rules within the budgets of the faults catalogue; a limit itself is
never here (it comes merged from profile, pack, BMS, cycler, cable and board).
"""

from __future__ import annotations

from packbench.safety import electrical, sources, thermal
from packbench.safety.view import Rule

S = 1_000_000_000

RULES: tuple[Rule, ...] = (
    Rule("cycler_stale", "comms.cycler_lost", "time", sources.cycler_stale, 0, "S0"),
    Rule("bms_stale", "comms.bms_lost", "time", sources.bms_stale, 0, "S1"),
    Rule("link_lost", "comms.link_lost", "time", sources.link_lost, 0, "S1"),
    Rule("board_stale", "comms.board_lost", "time", sources.board_stale, 0, "S0"),
    Rule("board_open", "power.board_tripped", "time", sources.board_open, 0, "S0"),
    Rule("pack_over_voltage", "power.load_dump", "cycler", electrical.pack_over_voltage, 0, "S1"),
    Rule("pack_under_voltage", "pack.deep_cell", "cycler", electrical.pack_under_voltage, 0, "S1"),
    Rule("charge_over_current", "power.overcurrent", "cycler", electrical.charge_over_current, 0, "S0"),
    Rule("discharge_over_current", "power.overcurrent", "cycler", electrical.discharge_over_current, 0, "S0"),
    Rule(
        "setpoint_not_followed",
        "power.setpoint",
        "cycler",
        electrical.setpoint_not_followed,
        electrical.FOLLOWS_NS,
        "S1",
    ),
    Rule("clamp_not_kept", "power.setpoint", "cycler", electrical.clamp_not_kept, electrical.FOLLOWS_NS, "S1"),
    Rule("off_ignored", "power.ignores_off", "cycler", electrical.off_ignored, 0, "S0"),
    # Nothing flows any more: the board, which may have taken the enable away, has the time to say why.
    Rule("output_lost", "power.output_lost", "cycler", electrical.output_lost, 3 * S // 10, "S1"),
    Rule("cycler_alarm", "power.cycler_alarm", "cycler", sources.cycler_alarm, 0, "S1"),
    Rule("cells_missing", "sensor.cells_missing", "bms", sources.cells_missing, 0, "S1"),
    Rule("temperatures_missing", "sensor.thermo_open", "bms", sources.temperatures_missing, 0, "S1"),
    Rule("cell_over_voltage", "sensor.weak_cell", "bms", electrical.cell_over_voltage, 0, "S1"),
    Rule("cell_under_voltage", "sensor.weak_cell", "bms", electrical.cell_under_voltage, 0, "S1"),
    Rule("cell_spread", "sensor.weak_cell", "bms", electrical.cell_spread, 1 * S, "S1"),
    # Within the catalogue's second, and late enough that a BMS which is read once a second may say what it was.
    Rule("cell_sum", "sensor.scale", "pair", electrical.cell_sum, 2 * S // 5, "S1", compares=True),
    Rule("temperature_high", "power.cooling", "bms", thermal.temperature_high, 0, "S1"),
    Rule("temperature_low", "power.cooling", "bms", thermal.temperature_low, 0, "S1"),
    Rule("temperature_rate", "pack.runaway", "bms", thermal.temperature_rate, 0, "S0"),
    Rule("bms_frozen", "sensor.frozen", "bms", sources.bms_frozen, 0, "S1"),
    Rule("bms_alarm", "pack.bms_alarm", "bms", sources.bms_alarm, 0, "S1"),
    Rule("chamber_stale", "comms.chamber_lost", "time", sources.chamber_stale, 0, "S1", fitted="chamber"),
    Rule("chamber_alarm", "power.chamber_alarm", "chamber", sources.chamber_alarm, 0, "S1", fitted="chamber"),
    Rule("meter_stale", "comms.meter_lost", "time", sources.meter_stale, 0, "S1", fitted="meter"),
    Rule("insulation_low", "pack.insulation", "meter", electrical.insulation_low, 0, "S1", fitted="meter"),
    Rule("meter_alarm", "sensor.meter_alarm", "meter", sources.meter_alarm, 0, "S1", fitted="meter"),
)
