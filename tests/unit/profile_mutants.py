"""The mutation table of the profile language: data alone, judged by test_profile_mutations.

`§` in a replacement marks where the problem must point.
"""

from __future__ import annotations

from dataclasses import dataclass

BASE = """\
profile: base
title: {en: Base, zh: 基准}
limits: {temperature_max: 45 degC}
record: {dt: 5 s}
result:
  capacity_of: discharge
  temperature: [17 degC, 37 degC]
steps:
  - loop:
      repeat: 5
      until: capacity within 3 % of rated for 2 cycles
      steps:
        - cccv_charge:
            label: charge
            current: 1 I3
            voltage: pack_full
            end_current: 0.05 I1
            on_cell_limit: {at: cell_full, action: taper, end_current: 0.05 I1}
        - rest: {for: 30 min}
        - cc_discharge:
            label: discharge
            current: 1 I5
            until:
              - cell_min <= cell_cutoff
              - {when: voltage <= pack_cutoff, for: 1 s}
        - rest: {label: cool, for: 30 min}
  - end: {verdict: pass}
"""


@dataclass(frozen=True)
class Broken:
    """Replace `old` by `new` in BASE; the problem at `§` has this field, found and expected."""

    name: str
    old: str
    new: str
    field: str
    found: str
    expected: str


CHARGE = "steps[1].loop.steps[1].cccv_charge"
REST = "steps[1].loop.steps[2].rest"
DISCHARGE = "steps[1].loop.steps[3].cc_discharge"

TYPING = [
    Broken(
        "exponent", "for: 30 min}\n        - cc", "for: §1e-3}\n        - cc", f"{REST}.for", "1e-3", "0.001 or 1.0e-3"
    ),
    Broken("off", "verdict: pass", "verdict: §off", "steps[2].end.verdict", "off", "true or false"),
    Broken("sexagesimal", "for: 30 min}\n        - cc", "for: §1:30}\n        - cc", f"{REST}.for", "1:30", "90 min"),
    Broken("octal", "repeat: 5", "repeat: §005", "steps[1].loop.repeat", "005", "5 without the leading zero"),
    Broken(
        "duplicate key",
        "current: 1 I5",
        "current: 1 I5\n            §current: 2 A",
        f"{DISCHARGE}.current",
        "a second 'current' (the first is on line 22)",
        "each key once",
    ),
    Broken(
        "duplicate top key",
        "steps:\n  - loop",
        "§record: {dt: 1 s}\nsteps:\n  - loop",
        "record",
        "a second 'record'",
        "each key once",
    ),
    Broken("tab", "      repeat: 5", "§\t  repeat: 5", "(indent)", "a tab", "spaces"),
    Broken(
        "second document",
        "  - end: {verdict: pass}\n",
        "  - end\n§---\nprofile: b\n",
        "(file)",
        "a second document",
        "one document",
    ),
    Broken("alias", "current: 1 I5", "current: §*x", f"{DISCHARGE}.current", "the alias *x", "written out"),
    Broken("anchor", "current: 1 I5", "current: §&x 1 I5", f"{DISCHARGE}.current", "the anchor &x", "written out"),
    Broken(
        "unknown key", "current: 1 I5", "§curent: 1 I5", f"{DISCHARGE}.curent", "'curent'", "did you mean 'current'?"
    ),
    Broken(
        "unknown top key",
        "record: {dt: 5 s}",
        "§recording: {dt: 5 s}",
        "recording",
        "'recording'",
        "did you mean 'record'?",
    ),
    Broken("unknown record key", "record: {dt: 5 s}", "record: {dt: 5 s, §dv: 1 V}", "record.dv", "'dv'", "dV"),
    Broken("missing key", "            current: 1 I5\n", "", DISCHARGE, "nothing", "a current with its unit"),
    Broken(
        "missing unit",
        "current: 1 I5",
        "current: §30",
        f"{DISCHARGE}.current",
        "30 without a unit",
        "a current with its unit",
    ),
    Broken(
        "missing unit in text",
        "current: 1 I5",
        "current: §'30'",
        f"{DISCHARGE}.current",
        "'30' without a unit",
        "a current",
    ),
    Broken(
        "wrong dimension", "current: 1 I5", "current: §30 V", f"{DISCHARGE}.current", "'30 V', a voltage", "a current"
    ),
    Broken(
        "ambiguous minute",
        "for: 30 min}\n        - cc",
        "for: §30 m}\n        - cc",
        f"{REST}.for",
        "'30 m'",
        "write min, or ms",
    ),
    Broken("ambiguous C", "current: 1 I5", "current: §C", f"{DISCHARGE}.current", "'C' alone", "0.5C or C/3"),
    Broken(
        "celsius as C",
        "temperature_max: 45 degC",
        "temperature_max: §45 C",
        "limits.temperature_max",
        "'45 C'",
        "write degC",
    ),
    Broken("no such I rate", "current: 1 I5", "current: §1 I4", f"{DISCHARGE}.current", "'1 I4'", "I1, I3, I5 or It"),
    Broken(
        "decimal comma", "current: 1 I5", "current: §30,5 A", f"{DISCHARGE}.current", "decimal comma", "decimal point"
    ),
    Broken(
        "negative current", "current: 1 I5", "current: §-30 A", f"{DISCHARGE}.current", "'-30 A'", "which way it flows"
    ),
    Broken("zero current", "current: 1 I5", "current: §0 A", f"{DISCHARGE}.current", "'0 A'", "more than 0"),
    Broken(
        "zero time", "for: 30 min}\n        - cc", "for: §0 s}\n        - cc", f"{REST}.for", "'0 s'", "more than 0"
    ),
    Broken("text as number", "repeat: 5", "repeat: §five", "steps[1].loop.repeat", "'five'", "a whole number"),
    Broken("fraction of a repeat", "repeat: 5", "repeat: §2.5", "steps[1].loop.repeat", "'2.5'", "a whole number"),
    Broken("repeat zero", "repeat: 5", "repeat: §0", "steps[1].loop.repeat", "'0'", "1 or more"),
    Broken("verdict unknown", "verdict: pass", "verdict: §good", "steps[2].end.verdict", "'good'", "'pass' or 'fail'"),
    Broken("list for mapping", "record: {dt: 5 s}", "record: §[5 s]", "record", "a list", "a mapping {dt"),
    Broken(
        "title in one language",
        "title: {en: Base, zh: 基准}",
        "§title: {en: Base}",
        "title.zh",
        "nothing",
        "the title in Chinese",
    ),
    Broken("name with spaces", "profile: base", "profile: §My Test", "profile", "'My Test'", "lower-case letters"),
    Broken("no steps", BASE[BASE.index("steps:") :], "steps: §[]\n", "steps", "a list", "at least 1"),
]

LOGIC = [
    Broken(
        "goto nowhere",
        "for: 1 s}",
        "for: 1 s, goto: §col}",
        f"{DISCHARGE}.until[2].goto",
        "goto 'col'",
        "did you mean 'cool'?",
    ),
    Broken(
        "goto backwards",
        "for: 1 s}",
        "for: 1 s, goto: §charge}",
        f"{DISCHARGE}.until[2].goto",
        "goto 'charge'",
        "a later step",
    ),
    Broken(
        "goto itself",
        "for: 1 s}",
        "for: 1 s, goto: §discharge}",
        f"{DISCHARGE}.until[2].goto",
        "goto 'discharge'",
        "a later step",
    ),
    Broken(
        "goto into a loop",
        "  - loop:\n",
        "  - rest: {until: {when: cell_min <= 3 V, goto: §cool}, for: 1 s}\n  - loop:\n",
        "steps[1].rest.until.goto",
        "goto 'cool'",
        "a loop's first step",
    ),
    Broken(
        "label twice",
        "label: cool",
        "label: §charge",
        "steps[1].loop.steps[4].rest.label",
        "'charge' again (the first is on line 14)",
        "each label once",
    ),
    Broken(
        "rest without end",
        "- rest: {for: 30 min}",
        "- §rest: {}",
        REST,
        "a rest that never ends",
        "for: a time, or until",
    ),
    Broken(
        "rest without anything",
        "- rest: {for: 30 min}",
        "- §rest:",
        REST,
        "a rest that never ends",
        "for: a time, or until",
    ),
    Broken(
        "discharge without end",
        BASE[BASE.index("            until:\n              - cell_min") : BASE.index("        - rest: {label")],
        "",
        DISCHARGE,
        "a cc_discharge that never ends",
        "until",
    ),
    Broken(
        "step type unknown",
        "- rest: {for: 30 min}",
        "- §rset: {for: 30 min}",
        "steps[1].loop.steps[2].rset",
        "'rset'",
        "did you mean 'set' or 'rest'?",
    ),
    Broken(
        "pulse without a train",
        "- rest: {for: 30 min}",
        "- §pulse: {for: 30 min}",
        "steps[1].loop.steps[2].pulse.train",
        "nothing",
        "a list of {discharge: 1C, for: 18 s}",
    ),
    Broken(
        "step's keys not indented",
        "- rest: {for: 30 min}",
        "- rest:\n          §for: 30 min",
        "steps[1].loop.steps[2]",
        "the keys rest, for",
        "indented below it",
    ),
    Broken(
        "step as text",
        "- rest: {for: 30 min}",
        "- §rest 30 min",
        "steps[1].loop.steps[2]",
        "'rest 30 min'",
        "each with its keys",
    ),
    Broken(
        "unreachable",
        "  - end: {verdict: pass}\n",
        "  - end\n  - §rest: {for: 1 s}\n",
        "steps[3].rest",
        "step 'rest-7', which nothing leads to",
        "'end-6' before it ends the profile",
    ),
    Broken(
        "capacity of what",
        "capacity_of: discharge",
        "capacity_of: §charge",
        "result.capacity_of",
        "'charge'",
        "the label of a discharge step (discharge)",
    ),
    Broken(
        "agreement without result",
        BASE[BASE.index("result:") : BASE.index("steps:")],
        "",
        "steps[1].loop.until",
        "'capacity within 3 % of rated for 2 cycles'",
        "a result whose capacity_of",
    ),
    Broken(
        "agreement of more cycles than rounds",
        "for 2 cycles",
        "for 9 cycles",
        "steps[1].loop.until",
        "9 cycles, with repeat 5",
        "repeat at least as many",
    ),
    Broken(
        "agreement of nothing",
        "until: capacity within 3 % of rated for 2 cycles",
        "until: §capacity within 3 % for 2 cycles",
        "steps[1].loop.until",
        "'3 %'",
        "3 % of rated",
    ),
    Broken(
        "agreement misspelt",
        "until: capacity within 3 % of rated for 2 cycles",
        "until: §capacity in 3 % of rated",
        "steps[1].loop.until",
        "'capacity in 3 % of rated'",
        "capacity within",
    ),
    Broken(
        "agreement of one",
        "until: capacity within 3 % of rated for 2 cycles",
        "until: §capacity within 3 % of rated for 1 cycles",
        "steps[1].loop.until",
        "1 cycles",
        "at least 2",
    ),
    Broken(
        "unknown variable",
        "- cell_min <=",
        "- §cel_min <=",
        f"{DISCHARGE}.until[1]",
        "the variable 'cel_min'",
        "did you mean 'cell_min'?",
    ),
    Broken(
        "equality",
        "- cell_min <= cell",
        "- §cell_min == cell",
        f"{DISCHARGE}.until[1]",
        "the operator '=='",
        "one of >=, <=, >, <",
    ),
    Broken(
        "condition half written",
        "- cell_min <= cell_cutoff",
        "- §cell_min <=",
        f"{DISCHARGE}.until[1]",
        "'cell_min <='",
        "variable operator value",
    ),
    Broken(
        "condition without unit",
        "- cell_min <= cell_cutoff",
        "- §cell_min <= 2.8",
        f"{DISCHARGE}.until[1]",
        "'2.8' without a unit",
        "a voltage with its unit",
    ),
    Broken(
        "condition in the wrong unit",
        "- cell_min <= cell_cutoff",
        "- §cell_min <= 10 min",
        f"{DISCHARGE}.until[1]",
        "'10 min', a time",
        "a voltage with its unit",
    ),
    Broken(
        "cell against pack",
        "- cell_min <= cell_cutoff",
        "- §cell_min <= pack_cutoff",
        f"{DISCHARGE}.until[1]",
        "'pack_cutoff', the whole pack's voltage",
        "cell_full or cell_cutoff",
    ),
    Broken(
        "pack against cell",
        "voltage: pack_full",
        "voltage: §cell_full",
        f"{CHARGE}.voltage",
        "'cell_full', one cell's voltage",
        "pack_full or pack_cutoff",
    ),
    Broken(
        "word misspelt",
        "voltage: pack_full",
        "voltage: §pack_ful",
        f"{CHARGE}.voltage",
        "'pack_ful'",
        "did you mean 'pack_full'?",
    ),
    Broken(
        "taper without end",
        "action: taper, end_current: 0.05 I1",
        "action: taper",
        f"{CHARGE}.on_cell_limit.end_current",
        "nothing",
        "0.05 I1",
    ),
    Broken(
        "end with an end current",
        "action: taper, end_current: 0.05 I1",
        "action: end, §end_current: 0.05 I1",
        f"{CHARGE}.on_cell_limit.end_current",
        "'0.05 I1'",
        "ends at once",
    ),
    Broken(
        "max_time shorter than for",
        "rest: {for: 30 min}",
        "rest: {for: 30 min, max_time: §10 min}",
        f"{REST}.max_time",
        "'10 min'",
        "longer than `for`",
    ),
]

PHYSICS = [
    Broken(
        "limits crossed",
        "temperature_max: 45 degC",
        "temperature_max: 20 degC, temperature_min: §30 degC",
        "limits.temperature_min",
        "30 degC",
        "less than temperature_max, 20 degC",
    ),
    Broken(
        "cell limits crossed",
        "temperature_max: 45 degC",
        "cell_voltage_max: 3 V, cell_voltage_min: §3.2 V",
        "limits.cell_voltage_min",
        "3.2 V",
        "less than cell_voltage_max, 3 V",
    ),
    Broken(
        "limit outside the chemistry",
        "temperature_max: 45 degC",
        "cell_voltage_max: §42 V",
        "limits.cell_voltage_max",
        "42 V",
        "2.3 to 4.45 V",
    ),
    Broken(
        "limit wider than the pack's",
        "temperature_max: 45 degC",
        "temperature_max: §60 degC",
        "limits.temperature_max",
        "60 degC",
        "within the pack's own limit, 55 degC",
    ),
    Broken(
        "current beyond the pack", "current: 1 I5", "current: §2C", f"{DISCHARGE}.current", "300 A", "at most 150 A"
    ),
    Broken(
        "charge above full",
        "voltage: pack_full",
        "voltage: §405 V",
        f"{CHARGE}.voltage",
        "405 V",
        "at most pack_full, 403.2 V",
    ),
    Broken(
        "charge below cut-off",
        "voltage: pack_full",
        "voltage: §42 V",
        f"{CHARGE}.voltage",
        "42 V",
        "more than pack_cutoff",
    ),
    Broken(
        "end current above current",
        "end_current: 0.05 I1\n",
        "end_current: §1C\n",
        f"{CHARGE}.end_current",
        "150 A",
        "less than the charge's current, 50 A",
    ),
    Broken(
        "taper end above current",
        "action: taper, end_current: 0.05 I1",
        "action: taper, end_current: §1C",
        f"{CHARGE}.on_cell_limit.end_current",
        "150 A",
        "less than the charge's current",
    ),
    Broken(
        "cell limit above full",
        "at: cell_full",
        "at: §4.3 V",
        f"{CHARGE}.on_cell_limit.at",
        "4.3 V",
        "at most cell_full, 4.2 V",
    ),
    Broken(
        "cut-off above full",
        "- cell_min <= cell_cutoff",
        "- §cell_min <= 4.3 V",
        f"{DISCHARGE}.until[1]",
        "'cell_min <= 4.3 V'",
        "less than full, 4.2 V",
    ),
    Broken(
        "cut-off under the safety limit",
        "- cell_min <= cell_cutoff",
        "- §cell_min <= 2.4 V",
        f"{DISCHARGE}.until[1]",
        "(2.4 V)",
        "safety stops the run there",
    ),
    Broken(
        "pack cut-off as of one cell",
        "{when: voltage <= pack_cutoff",
        "{when: voltage <= 2.8 V",
        f"{DISCHARGE}.until[2]",
        "(2.8 V)",
        "more than 260 V, the pack's pack_voltage_min",
    ),
    Broken(
        "protect crossed",
        "rest: {for: 30 min}",
        "rest: {for: 30 min, protect: {temperature_max: 10 degC, temperature_min: §20 degC}}",
        f"{REST}.protect.temperature_min",
        "20 degC",
        "less than temperature_max",
    ),
    Broken(
        "protect wider than the pack",
        "rest: {for: 30 min}",
        "rest: {for: 30 min, protect: {temperature_max: §70 degC}}",
        f"{REST}.protect.temperature_max",
        "70 degC",
        "within the pack's own limit",
    ),
    Broken(
        "temperatures of the result crossed",
        "temperature: [17 degC, 37 degC]",
        "temperature: §[37 degC, 17 degC]",
        "result.temperature",
        "37 to 17 degC",
        "the lower one first",
    ),
    Broken(
        "clamp beyond the pack's limit",
        "current: 1 I5",
        "current: 1 I5\n            clamp: §200 V",
        f"{DISCHARGE}.clamp",
        "200 V",
        "at least 260 V, the pack's pack_voltage_min",
    ),
]

TABLE = [*TYPING, *LOGIC, *PHYSICS]

LEGAL = {
    "loop of one, without agreement": ("until: capacity within 3 % of rated for 2 cycles", "label: once"),
    "agreement in ampere hours": ("within 3 % of rated", "within 4.5 Ah"),
    "exponent inside a quantity": ("current: 1 I5", "current: 3e1 A"),
    "number with a signed exponent, quoted trap words": (
        "title: {en: Base, zh: 基准}",
        "title: {en: 'off', zh: \"1:30\"}",
    ),
    "until as one text": ("- rest: {for: 30 min}", "- rest: {until: step_time >= 30 min}"),
    "until as one mapping with debounce": (
        "- rest: {for: 30 min}",
        "- rest: {until: {when: temperature_max <= 30 degC, for: 10 s}}",
    ),
    "for and until together": ("- rest: {for: 30 min}", "- rest: {for: 2 h, until: temperature_max < 26 degC}"),
    "goto the next step": ("for: 1 s}", "for: 1 s, goto: cool}"),
    "goto out of the loop to the end": ("for: 1 s}", "for: 1 s, goto: end}"),
    "compound time": ("for: 30 min}\n        - cc", "for: 1 h 30 min}\n        - cc"),
    "end as a bare word": ("- end: {verdict: pass}", "- end"),
    "end left out": ("  - end: {verdict: pass}\n", ""),
    "unicode comparison": ("- cell_min <= cell_cutoff", "- cell_min ≤ cell_cutoff"),
    "cut-off exactly at the maker's": ("- cell_min <= cell_cutoff", "- cell_min <= 2.8 V"),
    "limits exactly at the pack's": ("temperature_max: 45 degC", "temperature_max: 55 degC, charge_current_max: 1 I1"),
    "nested loop": ("        - rest: {for: 30 min}\n", "        - loop: {repeat: 2, steps: [rest: {for: 15 min}]}\n"),
    "charge to less than full": ("voltage: pack_full", "voltage: 390 V"),
    "rate as a limit": ("temperature_max: 45 degC", "discharge_current_max: C/2"),
    "record by voltage": ("record: {dt: 5 s}", "record: {dt: 5 s, dV: 10 mV, dI: 1 A}"),
    "protect with a delay": (
        "current: 1 I5",
        "current: 1 I5\n            protect: {temperature_max: 40 degC, delay: 5 s}",
    ),
    "comment with a tab": ("current: 1 I5", "current: 1 I5  #\ta tab in a comment"),
    "block text for the title": ("title: {en: Base, zh: 基准}", "title:\n  en: >-\n    Base,\n    folded\n  zh: 基准"),
}
"""Replacements after which the profile still compiles and checks clean."""
