"""An external monitor on the pack's cells, read together with (or instead of) the pack's own BMS.

Owns the rules by which two readings become one: whose cells count, how far the two may differ, and whether a BMS that
is dead or locked may be done without. It exists because retired packs come with BMSs that say nothing any more, and
because a cell voltage that two instruments agree on is worth more. Must not know which devices the two are.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, TypeVar

import numpy as np

from packbench.core.errors import DeviceError
from packbench.core.samples import BmsSample, Quality, bms_sample
from packbench.core.specs import Precedence
from packbench.drivers.protocols import Bms, Identity

ValueT = TypeVar("ValueT")

ASKED_AGAIN: Final = 10
"""A BMS that did not answer is asked again at every so many-th reading: each time the cells wait for its time-outs."""


@dataclass(frozen=True, slots=True)
class TapRules:
    """How the readings of a cell tap and of the pack's BMS become one."""

    precedence: Precedence
    """Whose cell voltages (and temperatures, where it has any) are the sample's. What else there is to say is the
    BMS's. The other fills in what is missing."""
    cross_check_v: float | None
    """Beyond this difference of any cell the sample is IMPLAUSIBLE; None: they are not compared."""
    bms_required: bool
    """False: a BMS that does not answer is done without, and so are its alarms and limits."""


class CellTap:
    """`protocols.Bms` of a pack whose cells are watched by a monitor of the bench.

    Args:
        bms: The pack's own BMS.
        tap: The monitor: any device of the kind "bms".
        rules: How the two become one. Only a tap that has precedence can do without the BMS.
    """

    def __init__(self, bms: Bms, tap: Bms, rules: TapRules) -> None:
        self._bms = bms
        self._tap = tap
        self._rules = rules
        self._alone_allowed = rules.precedence == "tap" and not rules.bms_required
        self._left_out = 0
        """Readings still to be made without asking the BMS, which did not answer."""

    async def identify(self) -> Identity:
        """Who both are. Raises DeviceError when one does not answer that has to."""
        tap = await self._tap.identify()
        try:
            bms = await self._bms.identify()
        except DeviceError:
            if not self._alone_allowed:
                raise
            return Identity(f"cell tap {tap.model}, without the pack's BMS", tap.serial, tap.firmware)
        return Identity(f"{bms.model}, with cell tap {tap.model}", bms.serial, bms.firmware)

    async def read(self) -> BmsSample:
        """One sample; both are asked at once. Raises DeviceError when one does not answer that has to."""
        if self._left_out:
            self._left_out -= 1
            return await self._tap.read()
        tap, bms = await asyncio.gather(self._tap.read(), self._bms.read(), return_exceptions=True)
        if isinstance(tap, BaseException):
            raise tap
        if isinstance(bms, DeviceError) and self._alone_allowed:
            self._left_out = ASKED_AGAIN - 1
            return tap
        if isinstance(bms, BaseException):
            raise bms
        return combined(tap, bms, self._rules)


def combined(tap: BmsSample, bms: BmsSample, rules: TapRules) -> BmsSample:
    """One sample of two: as old as the older, and plausible when both are and they agree."""
    first, second = (tap, bms) if rules.precedence == "tap" else (bms, tap)
    plausible = tap.quality is bms.quality is Quality.GOOD and _agree(tap, bms, rules.cross_check_v)
    return bms_sample(
        min(tap.t_ns, bms.t_ns),
        first.cell_voltages_v if first.cell_voltages_v.size else second.cell_voltages_v,
        first.temperatures_c or second.temperatures_c,
        voltage_v=_either(bms.voltage_v, tap.voltage_v),
        current_a=_either(bms.current_a, tap.current_a),
        soc=_either(bms.soc, tap.soc),
        soh=_either(bms.soh, tap.soh),
        cycles=_either(bms.cycles, tap.cycles),
        alarms=_both(bms.alarms, tap.alarms),
        charge_limit_a=_either(bms.charge_limit_a, tap.charge_limit_a),
        discharge_limit_a=_either(bms.discharge_limit_a, tap.discharge_limit_a),
        balancing=_either(bms.balancing, tap.balancing),
        quality=Quality.GOOD if plausible else Quality.IMPLAUSIBLE,
    )


def _both(first: tuple[str, ...] | None, second: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """The alarms of both; None where neither says anything of alarms."""
    if first is None or second is None:
        return first if second is None else second
    return tuple(dict.fromkeys((*first, *second)))


def _either(first: ValueT | None, second: ValueT | None) -> ValueT | None:
    """What the first says, or else the second."""
    return second if first is None else first


def _agree(tap: BmsSample, bms: BmsSample, within_v: float | None) -> bool:
    """Whether no cell differs by more than that; one that has no cells disagrees with nobody."""
    ours, theirs = tap.cell_voltages_v, bms.cell_voltages_v
    if within_v is None or not ours.size or not theirs.size:
        return True
    return ours.size == theirs.size and bool(np.max(np.abs(ours - theirs)) <= within_v)
