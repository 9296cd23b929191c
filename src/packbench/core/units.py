"""Quantities as people write them (`3.65 V`, `10 min`, `1 I3`), read into SI numbers.

Owns the table of units and the grammar of a quantity. Must not know files or lines (that is
`config`), nor what a value is for. It exists so that no number enters the program without its
unit, and no unit that could mean two things (`m`, `C`) is ever guessed.

Results are SI with this project's suffixes: V, A, W, s, Ah, Wh, degC, K, K/min, V/s, ohm, fractions.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

Dimension = Literal[
    "voltage",
    "current",
    "power",
    "time",
    "charge",
    "energy",
    "temperature",
    "temperature_difference",
    "temperature_rate",
    "voltage_rate",
    "resistance",
    "ratio",
]

UNITS: dict[str, tuple[Dimension, float]] = {
    "V": ("voltage", 1.0),
    "mV": ("voltage", 1e-3),
    "kV": ("voltage", 1e3),
    "A": ("current", 1.0),
    "mA": ("current", 1e-3),
    "kA": ("current", 1e3),
    "W": ("power", 1.0),
    "mW": ("power", 1e-3),
    "kW": ("power", 1e3),
    "MW": ("power", 1e6),
    "ns": ("time", 1e-9),
    "us": ("time", 1e-6),
    "ms": ("time", 1e-3),
    "s": ("time", 1.0),
    "min": ("time", 60.0),
    "h": ("time", 3600.0),
    "d": ("time", 86400.0),
    "Ah": ("charge", 1.0),
    "mAh": ("charge", 1e-3),
    "Wh": ("energy", 1.0),
    "kWh": ("energy", 1e3),
    "degC": ("temperature", 1.0),
    "°C": ("temperature", 1.0),
    "℃": ("temperature", 1.0),
    "K": ("temperature_difference", 1.0),
    "mK": ("temperature_difference", 1e-3),
    "K/min": ("temperature_rate", 1.0),
    "K/s": ("temperature_rate", 60.0),
    "K/h": ("temperature_rate", 1.0 / 60.0),
    "V/s": ("voltage_rate", 1.0),
    "mV/s": ("voltage_rate", 1e-3),
    "V/min": ("voltage_rate", 1.0 / 60.0),
    "mV/min": ("voltage_rate", 1e-3 / 60.0),
    "V/h": ("voltage_rate", 1.0 / 3600.0),
    "mV/h": ("voltage_rate", 1e-3 / 3600.0),
    "mV/d": ("voltage_rate", 1e-3 / 86400.0),
    "ohm": ("resistance", 1.0),
    "mohm": ("resistance", 1e-3),
    "uohm": ("resistance", 1e-6),
    "kohm": ("resistance", 1e3),
    "Mohm": ("resistance", 1e6),
    "%": ("ratio", 0.01),
    "ppm": ("ratio", 1e-6),
}
"""Unit to (dimension, factor to the project's SI)."""

EXPECTED: dict[Dimension, str] = {
    "voltage": "a voltage with its unit, such as 3.65 V or 20 mV",
    "current": "a current with its unit, such as 30 A, or a rate, such as 1 I3 or C/3",
    "power": "a power with its unit, such as 30 kW",
    "time": "a time with its unit, such as 500 ms, 30 s, 10 min or 1 h",
    "charge": "a charge with its unit, such as 150 Ah",
    "energy": "an energy with its unit, such as 52.6 kWh",
    "temperature": "a temperature with its unit, such as 25 degC",
    "temperature_difference": "a temperature difference with its unit, such as 2 K",
    "temperature_rate": "a rate of temperature with its unit, such as 0.1 K/min",
    "voltage_rate": "a rate of voltage with its unit, such as 0.1 mV/min",
    "resistance": "a resistance with its unit, such as 2 mohm",
    "ratio": "a ratio with its sign, such as 3 % or 50 ppm",
}

_AMBIGUOUS: dict[str, str] = {
    "m": "'m' is metre, minute or milli: write min, or ms",
    "M": "'M' is mega or minute: write min",
    "C": "'C' is coulomb, Celsius or a C-rate: write degC for a temperature, 0.5C or C/3 for a rate",
    "F": "'F' is farad or Fahrenheit: write degC",
    "S": "'S' is siemens: write s for seconds",
    "H": "'H' is henry: write h for hours",
    "D": "'D' is no unit: write d for days",
}

_SYNONYMS: dict[str, str] = {
    "sec": "s",
    "secs": "s",
    "second": "s",
    "seconds": "s",
    "mins": "min",
    "minute": "min",
    "minutes": "min",
    "hr": "h",
    "hrs": "h",
    "hour": "h",
    "hours": "h",
    "day": "d",
    "days": "d",
    "volt": "V",
    "volts": "V",
    "amp": "A",
    "amps": "A",
    "celsius": "degC",
    "percent": "%",
    "ω": "ohm",
    "mω": "mohm",
}

TIME_MAX_S = 100 * 366 * 86400.0
"""Nothing lasts longer; nanoseconds then fit into 64 bits."""

_NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_QUANTITY = re.compile(rf"({_NUMBER})\s*(.*)", re.DOTALL)
_TIME_PARTS = re.compile(rf"({_NUMBER})\s*([a-z]+)(?:\s+|$)")
_RATE_OVER = re.compile(r"C\s*/\s*([0-9]+(?:\.[0-9]+)?)")
_RATE_TIMES = re.compile(rf"({_NUMBER})\s*C")
_RATE_I = re.compile(rf"(?:({_NUMBER})\s*)?I(1|3|5|t)")


class UnitError(ValueError):
    """A text that is no quantity of the dimension asked for: what was found, what was expected.

    `path` leads to the part that is meant, where what was read had parts.
    """

    def __init__(self, found: str, expected: str, path: tuple[str | int, ...] = ()) -> None:
        self.found = found
        self.expected = expected
        self.path = path
        super().__init__(f"found {found}, expected {expected}")


@dataclass(frozen=True, slots=True)
class Rate:
    """A current relative to the rated capacity: amperes = per_hour * rated Ah.

    `C/3`, `0.5C` and `1 It` are per rated capacity and hour. I1 = rated Ah / 1 h, I3 = I1 / 3,
    I5 = I1 / 5 (I1, I3: GB 38031-2025 4.1 [S]; I5: GB/T 34015-2017 [C]).
    """

    per_hour: float

    def amperes(self, rated_capacity_ah: float) -> float:
        """The current in A for a rated capacity in Ah."""
        return self.per_hour * rated_capacity_ah


def parse_quantity(value: object, dimension: Dimension) -> float:
    """Read `value` as a quantity of one dimension, in SI. Raises UnitError; never guesses."""
    expected = EXPECTED[dimension]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise UnitError(_describe(value), expected)
    if not isinstance(value, str):
        raise UnitError(f"{value!r} without a unit", expected)
    text = value.strip()
    if dimension == "time" and len(text.split()) > 2:
        return _compound_time(text)
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnitError(repr(text), expected)
    if re.match(r",[0-9]", match[2]):
        raise UnitError(f"{text!r} with a decimal comma", f"{expected} (with a decimal point)")
    number, unit = float(match[1]), match[2].strip()
    if not math.isfinite(number):
        raise UnitError(f"{text!r}, which is not finite", expected)
    quantity = number * _factor(text, unit, dimension)
    if not math.isfinite(quantity):
        raise UnitError(f"{text!r}, which is not finite", expected)
    return quantity


def parse_time_ns(value: object) -> int:
    """Read a time (`500 ms`, `1 h 30 min`) as whole nanoseconds. Raises UnitError."""
    seconds = parse_quantity(value, "time")
    if abs(seconds) > TIME_MAX_S:
        raise UnitError(repr(value), "a time of less than 100 years")
    return round(seconds * 1e9)


def parse_current(value: object) -> float | Rate:
    """Read a current in A, or a rate that needs a pack to become one. Raises UnitError."""
    if isinstance(value, str):
        rate = parse_rate(value)
        if rate is not None:
            return rate
    return parse_quantity(value, "current")


def parse_rate(text: str) -> Rate | None:
    """Read `C/3`, `0.5C`, `1 I1`, `1 I3`, `0.05 I1`, `1 It`; None when it is not of that form.

    Raises UnitError for a bare `C`, which says neither how much nor of what.
    """
    text = text.strip()
    if text == "C":
        raise UnitError("'C' alone", "a rate with its number, such as 1C, 0.5C or C/3")
    if match := _RATE_OVER.fullmatch(text):
        hours = float(match[1])
        if hours == 0.0:
            raise UnitError(repr(text), EXPECTED["current"])
        return Rate(1.0 / hours)
    if match := _RATE_TIMES.fullmatch(text):
        return Rate(float(match[1]))
    if match := _RATE_I.fullmatch(text):
        times = float(match[1]) if match[1] is not None else 1.0
        hours = 1.0 if match[2] == "t" else float(match[2])
        return Rate(times / hours)
    if re.fullmatch(rf"(?:{_NUMBER})?\s*(?:c|i[0-9t]|I[0-9]+|c\s*/\s*[0-9.]+)", text):
        raise UnitError(repr(text), "a rate of C, I1, I3, I5 or It (capital letter), such as 0.5C, C/3 or 1 I3")
    return None


def _factor(text: str, unit: str, dimension: Dimension) -> float:
    expected = EXPECTED[dimension]
    if not unit:
        raise UnitError(f"{text!r} without a unit", expected)
    known = UNITS.get(unit)
    if known is not None:
        if known[0] != dimension:
            kind = known[0].replace("_", " ")
            raise UnitError(f"{text!r}, {'an' if kind == 'energy' else 'a'} {kind}", expected)
        return known[1]
    if unit in _AMBIGUOUS:
        raise UnitError(repr(text), f"{expected} ({_AMBIGUOUS[unit]})")
    hint = _SYNONYMS.get(unit.lower()) or _same_but_case(unit, dimension)
    suffix = f" (write {hint})" if hint else ""
    raise UnitError(f"{text!r}, whose unit {unit!r} is not known", expected + suffix)


def advice_for(unit: str) -> str | None:
    """What to write instead of a unit that is none; None when nothing comes near it."""
    if unit in _AMBIGUOUS:
        return _AMBIGUOUS[unit]
    hint = _SYNONYMS.get(unit.lower())
    return None if hint is None else f"write {hint}"


def _same_but_case(unit: str, dimension: Dimension) -> str | None:
    alike = [known for known, (kind, _) in UNITS.items() if kind == dimension and known.lower() == unit.lower()]
    return alike[0] if len(alike) == 1 else None


def _compound_time(text: str) -> float:
    """`1 h 30 min`: descending units, each once."""
    total, end, last = 0.0, 0, math.inf
    for match in _TIME_PARTS.finditer(text):
        if match.start() != end:
            break
        factor = _factor(text, match[2], "time")
        number = float(match[1])
        if factor >= last or number < 0.0:
            raise UnitError(repr(text), "units from large to small, each once, such as 1 h 30 min")
        total, end, last = total + number * factor, match.end(), factor
    if end != len(text):
        raise UnitError(repr(text), EXPECTED["time"])
    if not math.isfinite(total):
        raise UnitError(f"{text!r}, which is not finite", EXPECTED["time"])
    return total


def _describe(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)
