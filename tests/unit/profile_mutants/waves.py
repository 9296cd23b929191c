"""What is wrong with a waveform: pulses and their read-outs, tables in place and in files."""

from __future__ import annotations

from tests.unit.profile_mutants.bases import DRIVE, HIT, RICH, Broken


def rich(name: str, old: str, new: str, field: str, found: str, expected: str, **place: object) -> Broken:
    """A mutation of RICH."""
    return Broken(name, old, new, field, found, expected, RICH, **place)  # type: ignore[arg-type]


def table(name: str, file: str, line: int, column: int, found: str, expected: str) -> Broken:
    """A table with a mistake of its own."""
    old = "points: [[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]"
    return Broken(name, old, f"file: {file}", "(table)", found, expected, RICH, file, (line, column))


WAVES = [
    # Pulses.
    rich(
        "a piece that is two",
        "{discharge: $hit_rate, for",
        "{discharge: $hit_rate, §charge: 1 A, for",
        f"{HIT}.train[1].charge",
        "both discharge and charge",
        "one of charge, discharge, rest",
    ),
    rich(
        "a piece that is none",
        "{rest: 40 s}",
        "§{for: 40 s}",
        f"{HIT}.train[2]",
        "none of them",
        "one of charge, discharge, rest",
    ),
    rich(
        "a piece without its time",
        "{discharge: $hit_rate, for: 10 s}",
        "§{discharge: $hit_rate}",
        f"{HIT}.train[1].for",
        "nothing",
        "how long",
    ),
    rich(
        "a rest with for", "{rest: 40 s}", "{rest: 40 s, §for: 3 s}", f"{HIT}.train[2].for", "'3 s'", "rest: its time"
    ),
    rich(
        "a pulse of rests",
        RICH[RICH.index("train:") : RICH.index("        - set:\n            used")],
        "train: §[{rest: 40 s}]\n",
        f"{HIT}.train",
        "rests alone",
        "a charge or a discharge",
    ),
    rich(
        "a read-out beyond every piece",
        "read_outs: [2 s, 10 s]",
        "read_outs: [2 s, §20 s]",
        f"{HIT}.read_outs[2]",
        "20 s",
        "at most 10 s, the longest piece",
    ),
    rich(
        "a read-out beyond the train",
        "read_outs: [1 s, 10 s]",
        "read_outs: [1 s, 10 s, §30 s]",
        f"{HIT}.train[3].read_outs[3]",
        "30 s",
        "at most 10 s: the train is over",
    ),
    rich(
        "a read-out twice",
        "read_outs: [2 s, 10 s]",
        "read_outs: [2 s, 10 s, §2 s]",
        f"{HIT}.read_outs[3]",
        "'2 s'",
        "each read-out once",
    ),
    rich(
        "a read-out at the edge",
        "read_outs: [2 s, 10 s]",
        "read_outs: [§0 s, 10 s]",
        f"{HIT}.read_outs[1]",
        "'0 s'",
        "more than 0",
    ),
    rich(
        "a read-out without a unit",
        "read_outs: [2 s, 10 s]",
        "read_outs: [§2, 10 s]",
        f"{HIT}.read_outs[1]",
        "2 without a unit",
        "a time with its unit",
    ),
    rich(
        "clamps crossed",
        "read_outs: [2 s, 10 s]\n",
        "read_outs: [2 s, 10 s]\n            clamp_high: 350 V\n            clamp_low: §360 V\n",
        f"{HIT}.clamp_low",
        "360 V",
        "less than clamp_high, 350 V",
    ),
    rich(
        "a clamp beyond the pack",
        "read_outs: [2 s, 10 s]\n",
        "read_outs: [2 s, 10 s]\n            clamp_high: §410 V\n",
        f"{HIT}.clamp_high",
        "410 V",
        "at most 406 V, the pack's pack_voltage_max",
    ),
    rich(
        "a limit to do what",
        "read_outs: [2 s, 10 s]\n",
        "read_outs: [2 s, 10 s]\n            on_limit: §stop\n",
        f"{HIT}.on_limit",
        "'stop'",
        "'hold' or 'end'",
    ),
    rich(
        "a pulse beyond the pack",
        "{rest: 40 s}",
        "§{discharge: 2C, for: 1 s}",
        f"{HIT}.train[2]",
        "300 A",
        "at most 150 A, the pack's discharge_current_max",
    ),
    rich(
        "a pulse without end", "{rest: 40 s}", "{rest: §4000 d}", f"{HIT}.train[2].rest", "'4000 d'", "at most 3650 d"
    ),
    # Tables.
    rich(
        "points and a file",
        "      peak: 20 %Pmax",
        "      §file: bom.csv\n      peak: 20 %Pmax",
        f"{DRIVE}.file",
        "both points and file",
        "one of file, points",
    ),
    rich(
        "no table at all",
        "      points: [[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]\n",
        "",
        DRIVE,
        "none of them",
        "one of file, points",
    ),
    rich(
        "scale and peak",
        "      peak: 20 %Pmax",
        "      scale: 50 %\n      §peak: 20 %Pmax",
        f"{DRIVE}.peak",
        "both scale and peak",
        "one of scale, peak",
    ),
    rich(
        "a table from 1 s",
        "[[0 s, -5 kW]",
        "[[§1 s, -5 kW]",
        f"{DRIVE}.points[1][1]",
        "1 s",
        "0 s: where the table begins",
    ),
    rich("a table back in time", "[90 s, 0 W]", "[§30 s, 0 W]", f"{DRIVE}.points[3][1]", "30 s", "later than 60 s"),
    rich(
        "amperes for watts",
        "[60 s, 2 kW]",
        "[60 s, §2 A]",
        f"{DRIVE}.points[2][2]",
        "'2 A', a current",
        "a power with its unit",
    ),
    rich("a point of three", "[60 s, 2 kW]", "§[60 s, 2 kW, 1]", f"{DRIVE}.points[2]", "a list", "[time, value]"),
    rich(
        "a point that is read",
        "[60 s, 2 kW]",
        "[60 s, §0.5 * power]",
        f"{DRIVE}.points[2][2]",
        "'0.5 * power'",
        "known before the run",
    ),
    rich(
        "one point",
        "[[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]",
        "§[[0 s, -5 kW]]",
        f"{DRIVE}.points",
        "1 point(s)",
        "at least two",
    ),
    rich(
        "nothing but 0",
        "[[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]",
        "§[[0 s, 0 W], [9 s, 0 W]]",
        f"{DRIVE}.points",
        "nothing but 0",
        "or a rest",
    ),
    rich(
        "a peak of amperes",
        "peak: 20 %Pmax",
        "peak: §0.5C",
        f"{DRIVE}.peak",
        "'0.5C', a current",
        "a power with its unit",
    ),
    rich(
        "a peak beyond the pack",
        "peak: 20 %Pmax",
        "peak: §120 %Pmax",
        f"{DRIVE}.peak",
        "-72000 W",
        "at most 60000 W, the pack's max_power",
    ),
    rich(
        "a scale below 0", "peak: 20 %Pmax", "scale: §-50 %", f"{DRIVE}.scale", "'-50 %', which is -0.5", "more than 0"
    ),
    rich("a scale of eleven", "peak: 20 %Pmax", "scale: §1100 %", f"{DRIVE}.scale", "11", "at most 1000 %"),
    rich(
        "no such file",
        "points: [[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]",
        "file: §none.csv",
        f"{DRIVE}.file",
        "'none.csv'",
        "one of the test's files",
    ),
    table("another header", "no-table.csv", 1, 1, "'t,p'", "a first row time_s,power_w"),
    table("semicolons", "semicolons.csv", 1, 1, "'time_s;power_w'", "commas between the columns"),
    table("a file back in time", "backwards.csv", 4, 1, "1 s", "later than 2 s"),
    table("a file from 1 s", "late.csv", 2, 1, "1 s", "0 s: where the table begins"),
    table("a word in a file", "text.csv", 3, 3, "'much'", "a number"),
    table("a decimal comma in a file", "comma.csv", 3, 1, "'1,5,0', 3 column(s)", "a decimal point"),
    table("a file of one row", "short.csv", 3, 1, "1 row(s)", "at least two rows"),
    rich(
        "a file of zeros",
        "points: [[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]",
        "file: §zeros.csv",
        f"{DRIVE}.file",
        "nothing but 0",
        "or a rest",
    ),
    rich(
        "a file beyond the pack",
        "points: [[0 s, -5 kW], [60 s, 2 kW], [90 s, 0 W]]\n      peak: 20 %Pmax",
        "file: §huge.csv",
        f"{DRIVE}.file",
        "-90000 W",
        "at most 60000 W, the pack's max_power",
    ),
]
