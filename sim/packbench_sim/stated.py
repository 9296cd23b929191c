"""A BMS whose readings a person has stated, over one that the plant has measured.

Owns the rule of which wins: a stated value stands, everything else goes on coming from the plant. It exists so that an
emulator can be given the very state that somebody's client is to be held against.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench_sim.parts import BmsPart, BmsReading

NUMBERS = ("voltage_v", "current_a", "soc", "soh", "charge_limit_a", "discharge_limit_a")
LISTS = ("cell_voltages_v", "temperatures_c")
STATED = (*NUMBERS, *LISTS, "cycles", "alarms", "balancing")
"""What can be stated: the vocabulary of `devices probe`."""
RANGES: Final[dict[str, tuple[float, float]]] = {
    "voltage_v": (0.0, 10_000.0),
    "current_a": (-10_000.0, 10_000.0),
    "soc": (0.0, 1.0),
    "soh": (0.0, 1.0),
    "charge_limit_a": (0.0, 10_000.0),
    "discharge_limit_a": (0.0, 10_000.0),
    "cell_voltages_v": (-1.0, 10.0),
    "temperatures_c": (-60.0, 200.0),
    "cycles": (0, 65_535),
}
"""What a pack can have, defects included [A]. What a protocol has room for is another matter (`app.trial`)."""
_ALARM: Final = re.compile(r"[a-z][a-z0-9_]*")


class StatedBms:
    """`parts.BmsPart`: the plant's readings with some values replaced.

    Cell voltages that are stated without a pack voltage state that as well: their sum.
    """

    def __init__(self, part: BmsPart, values: Mapping[str, Any]) -> None:
        self._part = part
        self._values = dict(values)
        cells = self._values.get("cell_voltages_v")
        if cells is not None and "voltage_v" not in self._values:
            self._values["voltage_v"] = float(np.sum(cells))

    def reading(self, t_ns: int) -> BmsReading:
        """The plant's newest measurement, as stated."""
        return replace(self._part.reading(t_ns), **self._values)


def parse_stated(name: str, value: Any, where: str) -> Any:
    """One stated value in the shape of `BmsReading`; `value` is a text, or what JSON or YAML held.

    Raises InputError naming `where` for what is no such value, or one that no pack can have.
    """
    try:
        match name:
            case "cell_voltages_v" | "temperatures_c":
                array = np.array([_number(name, item) for item in _items(value)])
                array.setflags(write=False)
                return array
            case "alarms":
                return tuple(_alarm(item) for item in _items(value) if item != "")
            case "balancing":
                return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
            case "cycles":
                number = _number(name, value)
                return int(value) if number == int(number) else _refuse()
            case _:
                return _number(name, value)
    except (ArithmeticError, TypeError, ValueError, KeyError):
        raise InputError(Problem("", field=f"{where} {name}", found=repr(value), expected=_expected(name))) from None


def _items(value: Any) -> list[Any]:
    """The items of a list, or of a text with commas; at least one, which may be an empty text."""
    items = [item.strip() for item in value.split(",")] if isinstance(value, str) else list(value)
    return items or [""]


def _number(name: str, value: Any) -> float:
    """A number that the value of this name can have. Raises ValueError, TypeError or OverflowError."""
    low, high = RANGES[name]
    number = _refuse() if isinstance(value, bool) else float(value)
    # Not-a-number is in no range.
    return number if low <= number <= high else _refuse()


def _alarm(item: Any) -> str:
    return item if isinstance(item, str) and _ALARM.fullmatch(item) else _refuse()


def _refuse() -> NoReturn:
    raise ValueError


def _expected(name: str) -> str:
    match name:
        case "balancing":
            return "true or false"
        case "alarms":
            return "names"
        case _:
            kind = "numbers" if name in LISTS else "a whole number" if name == "cycles" else "a number"
            low, high = RANGES[name]
            return f"{kind} from {low:g} to {high:g}"
