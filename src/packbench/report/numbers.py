"""Numbers as people read them: rounded to their uncertainty, with units, a true minus, h:mm:ss.

Owns formatting alone. Must not convert a figure's meaning; the only changes of scale are those of
presentation (fraction to percent, Wh to kWh, V to mV). It exists so that a figure looks the same
in the terminal, the HTML and the PDF.

Rounding follows GUM 7.2.6: U to two significant digits, the value to the same decimal place.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from packbench.core.result import Measured
from packbench.report.texts import Lang, text

NBSP: Final = "\u00a0"
"""Keeps a value and its unit on one line."""

ABSENT: Final = "–"
"""What stands where there is no figure."""

DIGITS_WITHOUT_U: Final = 6
"""Significant digits of a figure that has no stated uncertainty."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A measured figure ready to show: value and U are already rounded to each other."""

    value: str
    unit: str
    expanded_u: str | None
    """None: no uncertainty is stated."""
    k: str | None
    p: str | None

    @property
    def with_unit(self) -> str:
        """Value and unit, e.g. "118.42 Ah"."""
        return f"{self.value}{NBSP}{self.unit}".rstrip()

    @property
    def full(self) -> str:
        """Value, uncertainty and unit, e.g. "(118.42 ± 0.35) Ah"."""
        if self.expanded_u is None:
            return self.with_unit
        return f"({self.value}{NBSP}±{NBSP}{self.expanded_u}){NBSP}{self.unit}".rstrip()

    def note(self, lang: Lang) -> str:
        """The uncertainty in words, or that there is none."""
        if self.expanded_u is None:
            return text("u_absent", lang)
        return text("u_note", lang, U=f"{self.expanded_u}{NBSP}{self.unit}".rstrip(), k=self.k, p=self.p)


def as_number(value: object) -> float | None:
    """A finite number out of a record's free field, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def number(value: float | None, decimals: int) -> str:
    """A number with fixed decimals and a true minus sign; a dash when absent or not finite."""
    if value is None or not math.isfinite(value):
        return ABSENT
    shown = f"{value:.{decimals}f}"
    if float(shown) == 0:
        shown = shown.lstrip("-")
    return shown.replace("-", "−")


def significant(value: float | None, digits: int) -> str:
    """A number with so many significant digits, never in scientific notation above 1e-6."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return number(value, _decimals(value, digits))


def milli(standard_u: float) -> str:
    """A small part as thousandths with three digits; what is below a millionth is only said to be."""
    return significant(1e3 * standard_u, 3) if standard_u >= 1e-6 else "< 0.001"


def percent(fraction: float | None, decimals: int = 1) -> str:
    """A fraction as percent."""
    if fraction is None or not math.isfinite(fraction):
        return ABSENT
    return f"{number(100 * fraction, decimals)}{NBSP}%"


def coverage(p: float) -> str:
    """A coverage probability as percent, without empty decimals."""
    return f"{100 * p:g}{NBSP}%"


def duration(seconds: float | None) -> str:
    """Seconds as h:mm:ss; a short time that is no whole second as seconds with two decimals."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    if abs(seconds) < 10 and abs(seconds - round(seconds)) >= 0.005:
        return f"{number(seconds, 2)}{NBSP}s"
    total = round(abs(seconds))
    sign = "−" if seconds < 0 and total else ""
    return f"{sign}{total // 3600}:{total // 60 % 60:02d}:{total % 60:02d}"


def measured(figure: Measured) -> Shown:
    """A measured figure for people: SOH and SOCE in percent, large energies in kWh, small volts in mV."""
    scale, unit = _presentation(figure.value, figure.unit)
    return rounded(figure.value * scale, _times(figure.U, scale), figure.k, figure.p, unit)


def rounded(value: float, expanded_u: float | None, k: float | None, p: float | None, unit: str) -> Shown:
    """Round a value to its expanded uncertainty; without one, to six significant digits."""
    if expanded_u is None or not math.isfinite(expanded_u):
        return Shown(with_unit(value, "", DIGITS_WITHOUT_U), unit, None, None, None)
    decimals = _decimals(expanded_u, 2) if expanded_u > 0 else _decimals(value, DIGITS_WITHOUT_U)
    return Shown(
        number(value, decimals),
        unit,
        number(expanded_u, decimals),
        ABSENT if k is None else f"{k:.2f}",
        ABSENT if p is None else coverage(p),
    )


def with_unit(value: float | None, unit: str, digits: int = 5) -> str:
    """A plain figure of a limit or a trip, with at most so many digits and no trailing zeros."""
    if value is None or not math.isfinite(value):
        return ABSENT
    shown = significant(value, digits)
    if "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return f"{shown}{NBSP}{unit}".rstrip()


_SCALES: Final[dict[str, tuple[tuple[float, float, str], ...]]] = {
    "ohm": ((1e6, 1e-6, "MΩ"), (1e3, 1e-3, "kΩ"), (1.0, 1.0, "Ω"), (0.0, 1e3, "mΩ")),
    "V": ((0.1, 1.0, "V"), (0.0, 1e3, "mV")),
    "V/s": ((1e-3, 1.0, "V/s"), (0.0, 3.6e6, "mV/h")),
    "Ah": ((0.1, 1.0, "Ah"), (0.0, 1e3, "mAh")),
    "Wh": ((1e3, 1e-3, "kWh"), (0.0, 1.0, "Wh")),
    "W": ((1e3, 1e-3, "kW"), (0.0, 1.0, "W")),
    "degC": ((0.0, 1.0, "°C"),),
    "1": ((0.0, 1.0, ""),),
}
"""Unit to (from this magnitude on, factor, unit shown)."""


def quantity(value: float, unit: str) -> str:
    """A profile's own figure in a unit of fitting size; a time as a clock shows it."""
    if unit == "s":
        return duration(value)
    for least, factor, shown in _SCALES.get(unit, ((0.0, 1.0, unit),)):
        if abs(value) >= least:
            return with_unit(value * factor, shown)
    return ABSENT


def unit_of_limit(name: str) -> str:
    """The unit that a suffixed name ends in; "" when it ends in none we know."""
    suffixes = {"_k_min": "K/min", "_v": "V", "_a": "A", "_c": "°C", "_s": "s", "_w": "W", "_ah": "Ah", "_wh": "Wh"}
    return next((unit for suffix, unit in suffixes.items() if name.endswith(suffix)), "")


def _presentation(value: float, unit: str) -> tuple[float, str]:
    if unit in {"", "1"}:
        return 100.0, "%"
    if unit == "Wh" and abs(value) >= 1000:
        return 1e-3, "kWh"
    if unit == "V" and abs(value) < 1:
        return 1e3, "mV"
    return 1.0, unit


def _times(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _decimals(value: float, digits: int) -> int:
    """Decimals that show `digits` significant digits of value; rounding up a decade counts (0.0996)."""
    if value == 0:
        return digits - 1
    decade = math.floor(math.log10(abs(value)))
    decimals = min(max(digits - 1 - decade, 0), 9)
    if round(abs(value), decimals) >= 10.0 ** (decade + 1):
        decimals = max(decimals - 1, 0)
    return decimals
