"""What can never be met, holds from the start, or is no condition."""

from __future__ import annotations

from tests.unit.profile_mutants.bases import BASE, DISCHARGE, LEVELS, REST, RICH, Broken

SETTLE = f"{LEVELS}.steps[2].rest.until"
OLD = "until: {when: abs(dV/dt) <= 1 V/h, over: 10 min}"


def of_rest(name: str, condition: str, found: str, expected: str, more: str = "") -> Broken:
    """The rest after a discharge ends by this; `more` is how the field goes on."""
    return Broken(name, OLD, f"until: {condition}", f"{SETTLE}{more}", found, expected, RICH)


def of_loop(name: str, until: str, found: str, expected: str, more: str = "") -> Broken:
    """The capacity loop ends by this."""
    old = "until: capacity within 3 % of rated for 2 cycles"
    return Broken(name, old, f"until: {until}", f"steps[1].loop.until{more}", found, expected)


def of_goto(name: str, when: str, field: str, found: str, expected: str) -> Broken:
    """The jump is made when this holds."""
    return Broken(
        name, "when: temperature_max >= 40 degC", f"when: {when}", f"steps[6].goto.{field}", found, expected, RICH
    )


CONDITIONS = [
    # Their grammar.
    of_rest("a group of nothing", "{all: §[]}", "all of nothing", "a list of conditions", ".all"),
    of_rest("a group that is no list", "{any: §cell_min <= 3 V}", "any of no list", "a list of conditions", ".any"),
    of_rest("two groups", "§{all: [cell_min <= 3 V], any: [cell_max >= 4 V]}", "both all and any", "nested in it"),
    of_rest("neither all nor any", "{when: §{none: [cell_min <= 3 V]}}", "the keys none", "all or any", ".when"),
    of_rest(
        "for within a group",
        "{all: [§{when: cell_min <= 3 V, for: 1 s}]}",
        "when, for within a group",
        "belong to the whole",
        ".all[1]",
    ),
    of_rest(
        "a slip deep in a group",
        "{all: [step_time >= 1 min, {any: [cell_max >= 4 V, §cel_min <= 3 V]}]}",
        "'cel_min'",
        "did you mean 'cell_min'?",
        ".all[2].any[2]",
    ),
    of_rest(
        "a cell too many in a group",
        "{all: [step_time >= 1 min, §cell_97 <= 3 V]}",
        "'cell_97'",
        "cell_1 to cell_96",
        ".all[2]",
    ),
    of_rest(
        "too many combinations",
        "§{all: [" + ", ".join(["{any: [cell_min <= 3 V, cell_max >= 4 V]}"] * 7) + "]}",
        "128 combinations",
        "at most 64",
    ),
    of_rest("and", "§cell_min <= 3 V and cell_max >= 4 V", "and cell_max", "{all: [...]}"),
    of_rest("or", "§cell_min <= 3 V or cell_max >= 4 V", "or cell_max", "a list of conditions"),
    of_rest("the value on the left", "§3 V >= cell_min", "'3 V >= cell_min'", "the variable stands on the left"),
    of_rest("a formula on the left", "§2 * cell_min <= 6 V", "'2 * cell_min", "a formula may stand on the right"),
    of_rest("bars for a magnitude", "§'|dV/dt| <= 1 mV/h'", "|dV/dt|", "write abs(dV/dt)"),
    of_rest("the magnitude of dT/dt", "§abs(dT/dt) <= 1 K/h", "abs(dT/dt)", "with its sign"),
    of_rest("an operator turned round", "§cell_min =< 3 V", "'=<'", "one of >=, <=, >, <"),
    of_rest("not equal", "§cell_min != 3 V", "'!='", "samples never meet a value exactly"),
    of_rest("no condition at all", "§[]", "an empty list", "variable operator value"),
    of_rest("a number for a condition", "§5", "5", "variable operator value"),
    of_rest("a list in a list", "[§[cell_min <= 3 V]]", "a list", "variable operator value", "[1]"),
    of_rest(
        "an agreement in a rest", "§capacity within 1 Ah for 2 cycles", "'capacity within", "the only `until` of a loop"
    ),
    of_rest("a share of 1", "§soc <= 0.5", "'0.5' without a unit", "a ratio with its sign"),
    of_rest("a rate in volts", "§dV/dt <= 1 mV", "'1 mV', a voltage", "a rate of voltage"),
    of_rest("kelvin for a temperature", "§temperature_max <= 300 K", "'300 K'", "a temperature with its unit"),
    of_rest(
        "degrees for a spread", "§temperature_spread <= 3 degC", "'3 degC', a temperature", "a temperature difference"
    ),
    of_rest("half a round", "§cycle >= 1.5", "'1.5'", "a whole number from 1"),
    of_rest("cell 0", "§cell_0 <= 3 V", "'cell_0'", "one of"),
    of_rest("a charge below 0", "§step_ah <= -1 Ah", "'-1 Ah'", "a magnitude"),
    of_rest("a variable compared with another kind", "§$rate >= 3 V", "'3 V', a voltage", "a current, as $rate is"),
    of_rest("a variable that is none", "§$rat >= 3 A", "the variable $rat", "$rate"),
    of_rest(
        "over without a rate",
        "{when: cell_min <= 3 V, §over: 10 min}",
        "'10 min'",
        "the window of dV/dt and dT/dt",
        ".over",
    ),
    # Between steps.
    of_loop("a time between rounds", "§step_time >= 1 h", "step_time", "time(LABEL)"),
    of_loop("a charge between rounds", "[temperature_max >= 40 degC, §step_ah >= 1 Ah]", "step_ah", "ah(LABEL)", "[2]"),
    of_loop("a rate between rounds", "§dT/dt >= 1 K/min", "dT/dt", "no window"),
    of_loop(
        "for between rounds", "{when: cell_min <= 3 V, §for: 3 s}", "'3 s'", "looked at once, between steps", ".for"
    ),
    of_loop(
        "a jump out of a loop's until",
        "{when: cell_min <= 3 V, §goto: end}",
        "'end'",
        "looked at once, between steps",
        ".goto",
    ),
    of_loop("more rounds than there are", "§cycle >= 9", "'cycle >= 9' (9)", "at most 5"),
    of_loop(
        "an agreement beside another",
        "[§capacity within 3 % of rated for 2 cycles]",
        "'capacity within",
        "the only `until` of a loop",
        "[1]",
    ),
    of_loop(
        "an agreement of a rest",
        "§capacity of cool within 1 Ah for 2 cycles",
        "'capacity of cool",
        "a step with current",
    ),
    of_loop(
        "an agreement of nobody", "§capacity of dis within 1 Ah for 2 cycles", "'capacity of dis", "a step with current"
    ),
    of_loop(
        "an energy in Ah",
        "§energy of discharge within 1 Ah for 2 cycles",
        "'1 Ah', a charge",
        "an energy with its unit",
    ),
    of_loop(
        "an agreement within all of it",
        "§capacity within 100 % of rated for 2 cycles",
        "'100 % of rated'",
        "less than 100 %",
    ),
    Broken(
        "an agreement of an inner loop's step",
        "            label: discharge\n            current: 1 I5",
        "            label: other\n            current: 1 I5",
        "result.capacity_of",
        "'discharge'",
        "the label of a discharge step (other)",
    ),
    of_goto("a time at a jump", "§step_time >= 1 h", "when", "step_time", "time(LABEL)"),
    of_goto(
        "for at a jump", "{when: cell_min <= 3 V, §for: 3 s}", "when.for", "'3 s'", "looked at once, between steps"
    ),
    of_goto(
        "a jump that is never made", "§temperature_max >= 60 degC", "when", "(60 degC)", "safety stops the run there"
    ),
    # Never true.
    of_rest("more than full", "§soc >= 120 %", "'soc >= 120 %' (120 %)", "0 to 100 %"),
    of_rest("less than empty", "§soc < -1 %", "'-1 %'", "not below 0"),
    of_rest("more charge than a rest moves", "§step_ah >= 1 Ah", "'step_ah >= 1 Ah' (1 Ah)", "no current flows here"),
    of_rest("current in a rest", "§current >= 1 A", "(1 A)", "no current flows here"),
    of_rest(
        "later than the step lasts",
        "{when: cell_min <= 3 V, for: §2 h}",
        "2 h",
        "less than the step lasts, 1 h",
        ".for",
    ),
    of_rest(
        "a window longer than the step",
        "{when: dV/dt <= 1 mV/h, over: §1 h}",
        "1 h",
        "less than the step lasts, 1 h",
        ".over",
    ),
    of_rest("more rounds than all loops have", "§cycle >= 4", "'cycle >= 4' (4)", "at most 3"),
    of_rest(
        "hotter than safety lets it be",
        "§temperature_max >= 55 degC",
        "(55 degC)",
        "less than 55 degC, the pack's temperature_max",
    ),
    of_rest(
        "fuller than safety lets a cell be",
        "§cell_any >= 4.3 V",
        "(4.3 V)",
        "less than 4.25 V, the pack's cell_voltage_max",
    ),
    of_rest(
        "one cell fuller than safety lets it be",
        "§cell_7 >= 4.3 V",
        "(4.3 V)",
        "less than 4.25 V, the pack's cell_voltage_max",
    ),
    of_rest(
        "one cell above the least that it may have", "§cell_7 >= 2.4 V", "(2.4 V)", "2.5 V, the pack's cell_voltage_min"
    ),
    of_rest(
        "wider than safety lets it be",
        "§cell_spread >= 0.9 V",
        "(0.9 V)",
        "less than 0.8 V, the pack's cell_spread_max",
    ),
    of_rest("never, in a group", "{all: [step_time >= 1 min, §soc > 100 %]}", "soc > 100 %", "0 to 100 %", ".all[2]"),
    of_rest(
        "high and low at once",
        "§{all: [cell_min >= 4 V, cell_min <= 3 V]}",
        "cell_min >= 4 and cell_min <= 3",
        "at one moment",
    ),
    of_rest(
        "the lowest above the highest",
        "§{all: [cell_min >= 4 V, cell_max <= 3 V]}",
        "cell_min >= 4 and cell_max <= 3",
        "at one moment",
    ),
    of_rest(
        "hot and cold at once",
        "§{all: [temperature_min > 30 degC, temperature_max < 30 degC]}",
        "temperature_min > 30",
        "at one moment",
    ),
    Broken(
        "a time later than max_time",
        "- rest: {for: 30 min}",
        "- rest: {until: §step_time >= 25 h}",
        f"{REST}.until",
        "'step_time >= 25 h' (25 h)",
        "less than max_time, 24 h",
    ),
    Broken(
        "more current than is set",
        "- cell_min <= cell_cutoff",
        "- §current >= 60 A",
        f"{DISCHARGE}.until[1]",
        "(60 A)",
        "at most the step's current, 30 A",
    ),
    # True from the start.
    of_rest("as much as empty", "§soc >= 0 %", "(0 %)", "holds from the start"),
    of_rest("at most full", "§soc <= 100 %", "(100 %)", "holds from the start"),
    of_rest("the first round", "§cycle >= 1", "(1)", "2 or more: this holds from the start"),
    of_rest("no more than no current", "§current <= 1 A", "(1 A)", "holds from the start"),
    of_rest("cooler than safety lets it be", "§temperature_max <= 55 degC", "(55 degC)", "holds from the start"),
    of_rest(
        "above the least that a cell may have",
        "§cell_min >= 2.4 V",
        "(2.4 V)",
        "more than 2.5 V, the pack's cell_voltage_min",
    ),
    of_rest(
        "below the most that the pack may have",
        "§voltage <= 410 V",
        "(410 V)",
        "less than 406 V, the pack's pack_voltage_max",
    ),
]

JUMPS = [
    Broken(
        "a label named end",
        "label: settle",
        "label: §end",
        f"{LEVELS}.steps[2].rest.label",
        "'end'",
        "`goto: end`",
        RICH,
    ),
    Broken(
        "a jump to a number",
        "goto: {to: hot, when: temperature_max >= 40 degC}",
        "goto: §5",
        "steps[6].goto",
        "'5'",
        "goto: LABEL",
        RICH,
    ),
    Broken(
        "a jump to two",
        "goto: {to: hot, when: temperature_max >= 40 degC}",
        "goto: §[hot, empty]",
        "steps[6].goto",
        "a list",
        "goto: LABEL",
        RICH,
    ),
    Broken(
        "a jump that leaves steps alone",
        "goto: {to: hot, when: temperature_max >= 40 degC}",
        "goto: hot",
        "steps[7].power_profile",
        "step 'drive', which nothing leads to",
        "'goto-12' before it always goes elsewhere",
        RICH,
    ),
    Broken(
        "a jump back to a loop",
        "to: hot, when",
        "to: §levels, when",
        "steps[6].goto.to",
        "goto 'levels'",
        "a later step",
        RICH,
    ),
    Broken(
        "an end as text",
        "- end: {label: empty}",
        "- end: §pass",
        "steps[13].end",
        "'pass'",
        "end: {verdict: pass}",
        RICH.replace("goto: empty", "goto: rejected"),
    ),
    Broken(
        "a loop that never comes round",
        "            ohm: resistance(hit, 10 s)\n",
        "            ohm: resistance(hit, 10 s)\n        - goto: hot\n",
        "steps[5].loop",
        "loop 'levels'",
        "runs once",
        RICH.replace("  - goto: {to: hot, when: temperature_max >= 40 degC}\n", ""),
    ),
    Broken(
        "protects nothing",
        "label: settle,",
        "label: settle, §protect: {delay: 1 s},",
        f"{LEVELS}.steps[2].rest.protect",
        "no limit",
        "a limit",
        RICH,
    ),
    Broken(
        "protect wider than the profile",
        "- rest: {for: 30 min}",
        "- rest: {for: 30 min, protect: {temperature_max: §50 degC}}",
        f"{REST}.protect.temperature_max",
        "50 degC",
        "within the profile's own limit, 45 degC",
    ),
    Broken(
        "a window without a width",
        "around: {before: 1 s, after: 5 s, dt: 200 ms}",
        "§around: {dt: 200 ms}",
        "record.around",
        "neither before nor after",
        "before, after or both",
        RICH,
    ),
    Broken(
        "a window of a day before an edge",
        "around: {before: 1 s",
        "around: {before: §1 d",
        "record.around.before",
        "'1 d'",
        "at most 1 h",
        RICH,
    ),
    Broken(
        "a change below 0",
        "record: {dt: 5 s}",
        "record: {dt: 5 s, dV: §-10 mV}",
        "record.dV",
        "'-10 mV'",
        "more than 0",
        BASE,
    ),
    Broken(
        "a key without a value",
        "record: {dt: 5 s}",
        "record: {dt: 5 s, dI: §}",
        "record.dI",
        "nothing",
        "a current with its unit",
    ),
    Broken(
        "a limit without a value",
        "limits: {temperature_max: 45 degC}",
        "limits: {temperature_max: §}",
        "limits.temperature_max",
        "nothing",
        "a temperature with its unit",
    ),
    Broken(
        "a step's key without a value",
        "label: cool, for: 30 min",
        "label: cool, for: 30 min, max_time: §",
        "steps[1].loop.steps[4].rest.max_time",
        "nothing",
        "a time with its unit",
    ),
]
