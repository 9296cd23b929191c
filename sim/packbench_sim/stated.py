"""A BMS whose readings a person has stated, over one that the plant has measured.

Owns the rule of which wins: a stated value stands, everything else goes on coming from the plant. It exists so that an
emulator can be given the very state that somebody's client is to be held against.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench_sim.parts import BmsPart, BmsReading

NUMBERS = ("voltage_v", "current_a", "soc", "soh", "charge_limit_a", "discharge_limit_a")
LISTS = ("cell_voltages_v", "temperatures_c")
STATED = (*NUMBERS, *LISTS, "cycles", "alarms", "balancing")
"""What can be stated: the vocabulary of `devices probe`."""


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

    Raises InputError naming `where`.
    """
    try:
        match name:
            case "cell_voltages_v" | "temperatures_c":
                items = value.split(",") if isinstance(value, str) else list(value)
                array = np.array([float(item) for item in items])
                array.setflags(write=False)
                return array
            case "alarms":
                items = value.split(",") if isinstance(value, str) else list(value)
                return tuple(str(item).strip() for item in items if str(item).strip())
            case "balancing":
                return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
            case "cycles":
                return int(value)
            case _:
                return float(value)
    except (TypeError, ValueError, KeyError):
        expected = {"balancing": "true or false", "cycles": "a whole number", "alarms": "names"}.get(name)
        expected = expected or ("numbers" if name in LISTS else "a number")
        raise InputError(Problem("", field=f"{where} {name}", found=repr(value), expected=expected)) from None
