"""Values as our language writes them: the shortest text that reads back as the same number.

Owns units and forms of a written profile. Must not know where a value comes from.
"""

from __future__ import annotations

import re

from packbench.config.fields import limit_unit
from packbench.profile.exchange.outline import Level, Recording, tidy

_LINE_MAX = 96
_UNPRINTED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]+")
_TIMES = (
    (3_600_000_000_000, "h"),
    (60_000_000_000, "min"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
)


def one_line(text: str, most: int) -> str:
    """A text of somebody else's, fit for a comment or a title of ours."""
    line = " ".join(_UNPRINTED.sub(" ", text).split())
    return line if len(line) <= most else f"{line[: most - 3]}..."


def number(value: float) -> str:
    """A number without what a factor leaves behind."""
    return f"{tidy(value) + 0.0:.12g}"


def _small(value: float, unit: str) -> str:
    """With the unit, or its thousandth where that is easier read."""
    if 0.0 < abs(value) < 0.1:
        return f"{number(value * 1000.0)} m{unit}"
    return f"{number(value)} {unit}"


def volts(value_v: float) -> str:
    """A voltage."""
    return _small(value_v, "V")


def watts(value_w: float) -> str:
    """A power."""
    return _small(value_w, "W")


def ohms(value_ohm: float) -> str:
    """A resistance."""
    return _small(value_ohm, "ohm")


def celsius(value_c: float) -> str:
    """A temperature."""
    return f"{number(value_c)} degC"


def current(level: Level) -> str:
    """A current: as a rate, where it is one."""
    if level.per_hour is None:
        return _small(level.current_a, "A")
    hours = round(1 / level.per_hour) if level.per_hour > 0.0 else 0
    if hours > 1 and 1 / hours == level.per_hour:
        return f"C/{hours}"
    short = f"{level.per_hour:.12g}"
    return f"{short if float(short) == level.per_hour else repr(level.per_hour)}C"


def time(time_ns: int) -> str:
    """A time, in the largest unit that it is a whole number of."""
    factor, unit = next(pair for pair in _TIMES if time_ns % pair[0] == 0)
    return f"{time_ns // factor} {unit}"


def recording(rule: Recording) -> str:
    """`record`."""
    parts: list[str] = []
    if rule.period_ns is not None:
        parts.append(f"dt: {time(rule.period_ns)}")
    if rule.change_v is not None:
        parts.append(f"dV: {volts(rule.change_v)}")
    if rule.change_a is not None:
        parts.append(f"dI: {_small(rule.change_a, 'A')}")
    return f"{{{', '.join(parts)}}}"


def limit(name: str, value: float) -> str:
    """A limit's value."""
    return f"{number(value)} {limit_unit(name)}"


def one_or_list(items: list[str]) -> str:
    """One item as it is, several as a list."""
    return items[0] if len(items) == 1 else f"[{', '.join(items)}]"


def points(table: tuple[tuple[int, float], ...], unit: str) -> str:
    """`points`, over as many lines as they need."""
    lines = ["["]
    for at, (point_ns, value) in enumerate(table):
        last = at == len(table) - 1
        text = f"[{time(point_ns)}, {number(value)} {unit}]{']' if last else ','}"
        if len(lines[-1]) + len(text) > _LINE_MAX:
            lines.append("")
        lines[-1] += text if lines[-1] in ("", "[") else f" {text}"
    return "\n".join(lines)
