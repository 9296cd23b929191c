"""What is written wrongly: YAML's traps, keys, units, numbers."""

from __future__ import annotations

from tests.unit.profile_mutants.bases import BASE, DISCHARGE, REST, Broken

WRITING = [
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
    Broken("no steps", BASE[BASE.index("steps:") :], "steps: §[]\n", "steps", "an empty list", "at least 1"),
]
