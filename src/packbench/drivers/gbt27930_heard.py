"""What the charger has heard from a BMS, and the sample that it amounts to.

Owns the newest message of each kind with its instant, and the step from them to one `BmsSample`. It must not hold a
value longer than its message does: a sample is as old as the oldest message in it. Absent is None: this protocol
knows no discharge limit and no state of health, and the lowest cell only from BMV (optional, every 10 s).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar, cast

import numpy as np

from packbench.core.samples import BmsSample, FloatArray, Quality, bms_sample
from packbench.wire.gbt27930.messages import SECOND, SET, Bcl, Bcp, Bcs, Bmt, Bmv, Bsm

MessageT = TypeVar("MessageT")

CURRENT_MAX_A: Final = 400.0
CELL_MAX_V: Final = 24.0
TEMPERATURE_MAX_C: Final = 200.0
"""Ends of the ranges in chapter 10; a value beyond is no measurement."""

_FAULTS: Final = {
    "cell_voltage": {SET: "cell_over_voltage", SECOND: "cell_under_voltage"},
    "soc": {SET: "soc_high", SECOND: "soc_low"},
    "over_current": {SET: "charge_over_current"},
    "over_temperature": {SET: "over_temperature"},
    "insulation": {SET: "insulation_low"},
    "connector": {SET: "connector_fault"},
}
"""States of BSM as alarms. "Not to be trusted" is none: appendix C.3 has the receiver keep what it knew before, and
BMSs that measure no insulation say it all the time."""
_NO_CELLS: Final[FloatArray] = np.empty(0)


@dataclass(frozen=True, slots=True)
class Stamped(Generic[MessageT]):
    """A message and the instant of its last frame."""

    t_ns: int
    message: MessageT


@dataclass(frozen=True, slots=True)
class Heard:
    """The newest message of each kind."""

    items: tuple[Stamped[Any], ...] = ()

    def get(self, kind: type[MessageT]) -> Stamped[MessageT] | None:
        """The newest of a kind; None: none has come."""
        for item in self.items:
            if type(item.message) is kind:
                return cast("Stamped[MessageT]", item)
        return None

    def message(self, kind: type[MessageT]) -> MessageT | None:
        """The same without its instant."""
        item = self.get(kind)
        return None if item is None else item.message

    def having(self, t_ns: int, message: object) -> Heard:
        """With one more."""
        others = (item for item in self.items if type(item.message) is not type(message))
        return Heard((*others, Stamped(t_ns, message)))


def faults(bsm: Bsm) -> tuple[str, ...]:
    """The alarms in a BSM; with any of them the charger shall stop (table 20)."""
    found = (names.get(getattr(bsm, name)) for name, names in _FAULTS.items())
    return tuple(name for name in found if name is not None)


def charging_allowed(bsm: Bsm) -> bool:
    """Whether the BMS permits charging at this moment."""
    return bsm.permit == SET and not faults(bsm)


def sample_of(heard: Heard, *, use_cells: bool) -> BmsSample | None:
    """The newest sample; None until BCL, BCS and BSM have come once.

    Args:
        heard: What has come since charging began.
        use_cells: Put BMV and BMT in; the sample is as old as they are.
    """
    bcl, bcs, bsm = heard.get(Bcl), heard.get(Bcs), heard.get(Bsm)
    if bcl is None or bcs is None or bsm is None:
        return None
    bmv, bmt = (heard.get(Bmv), heard.get(Bmt)) if use_cells else (None, None)
    t_ns = min(item.t_ns for item in (bcl, bcs, bsm, bmv, bmt) if item is not None)
    cells = _NO_CELLS if bmv is None else _cells(bmv.message)
    extremes = (bsm.message.temperature_min_c, bsm.message.temperature_max_c)
    listed = extremes if bmt is None else bmt.message.temperatures_c
    temperatures_c = tuple(value for value in listed if value is not None)
    plausible = _plausible(bcs.message, cells, (*temperatures_c, *(value for value in extremes if value is not None)))
    sample = bms_sample(
        t_ns,
        cells,
        temperatures_c,
        voltage_v=bcs.message.voltage_v,
        current_a=bcs.message.current_a,
        soc=bcs.message.soc,
        alarms=faults(bsm.message),
        charge_limit_a=_charge_limit_a(heard.message(Bcp), bcl.message, bsm.message),
        quality=Quality.GOOD if plausible else Quality.IMPLAUSIBLE,
    )
    return _with_newer_extremes(sample, bcs.message, bsm.message)


def _with_newer_extremes(sample: BmsSample, bcs: Bcs, bsm: Bsm) -> BmsSample:
    """The highest cell and the temperatures' extremes come four times a second, the lists every 10 s."""
    highest_v, number = bcs.cell_voltage_max_v, bsm.cell_max_number
    if highest_v is not None and not highest_v <= sample.cell_max_v:
        sample = sample._replace(cell_max_v=highest_v, cell_max_index=0 if number is None else number)
    low_c, high_c = bsm.temperature_min_c, bsm.temperature_max_c
    if low_c is not None and not low_c >= sample.temperature_min_c:
        sample = sample._replace(temperature_min_c=low_c)
    if high_c is not None and not high_c <= sample.temperature_max_c:
        sample = sample._replace(temperature_max_c=high_c)
    return sample


def _cells(bmv: Bmv) -> FloatArray:
    cells = np.array([float("nan") if value is None else value for value in bmv.cell_voltages_v])
    cells.setflags(write=False)
    return cells


def _plausible(bcs: Bcs, cells: FloatArray, temperatures_c: tuple[float, ...]) -> bool:
    current_a, cell_v, soc = bcs.current_a, bcs.cell_voltage_max_v, bcs.soc
    return (
        (current_a is None or abs(current_a) <= CURRENT_MAX_A)
        and (cell_v is None or cell_v <= CELL_MAX_V)
        and (soc is None or soc <= 1.0)
        and bool(np.all(cells <= CELL_MAX_V))
        and all(value <= TEMPERATURE_MAX_C for value in temperatures_c)
    )


def _charge_limit_a(bcp: Bcp | None, bcl: Bcl, bsm: Bsm) -> float | None:
    """What the BMS demands now, never more than what it allows at all; 0 while it forbids charging."""
    if not charging_allowed(bsm):
        return 0.0
    stated = (bcl.current_demand_a, None if bcp is None else bcp.charge_current_max_a)
    limits = [max(value, 0.0) for value in stated if value is not None]
    return min(limits, default=None)
