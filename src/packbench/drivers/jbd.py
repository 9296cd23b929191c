"""JBD (Jiabaida, Xiaoxiang, Overkill Solar): a BMS that is asked for three things.

Owns the device's behaviour: what it reports and what only its EEPROM knows, factory mode around every look
into that, and the MOSFETs' part in what the pack may do. Frames and payloads are `wire/jbd/frames.py`; what sources
leave open are the options of configs/devices/jbd.yaml.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import numpy as np

from packbench.core.errors import BadReply, DeviceRefused, ReplyTimeout
from packbench.core.samples import BmsSample, Quality, bms_sample
from packbench.drivers.options import one_of
from packbench.drivers.protocols import Identity
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.jbd import frames as jbd
from packbench.wire.jbd.data import Basic, decode_basic, decode_cells, decode_counts, decode_model
from packbench.wire.jbd.frames import REPLY_HEADERS, JbdRequest, ReplyHeader, read_register

_READ_BASIC: Final = read_register(jbd.BASIC)
_READ_CELLS: Final = read_register(jbd.CELLS)
CELL_MAX_V: Final = 5.5
TEMPERATURES_C: Final = (-50.0, 150.0)
"""What a pack's sensor can plausibly read."""


def reply_header_of(device: DeviceType, settings: Mapping[str, Any]) -> ReplyHeader:
    """The option of that name, for the codec. Raises InputError."""
    return one_of("reply_header", {**device.options, **settings}["reply_header"], REPLY_HEADERS)


class JbdBms:
    """`protocols.Bms` of a JBD board.

    Args:
        device: The device file `jbd`.
        link: The line; nobody else is on it.
        settings: The bench file's: the device file's options by name.
    """

    def __init__(
        self, device: DeviceType, link: Link[JbdRequest, bytes], settings: Mapping[str, Any] | None = None
    ) -> None:
        self._link = link
        limits_from = {**device.options, **(settings or {})}["limits_from"]
        self._reads_limits = one_of("limits_from", limits_from, ("eeprom", "nothing")) == "eeprom"
        self._charge_limit_a: float | None = None
        self._discharge_limit_a: float | None = None

    async def identify(self) -> Identity:
        """The model, the firmware, and (by option) the over-current limits that its EEPROM holds."""
        model = decode_model((await self._link.exchange(read_register(jbd.MODEL))).value).model
        basic = decode_basic((await self._link.exchange(_READ_BASIC)).value)
        if self._reads_limits:
            await self._read_limits()
        return Identity(model, "", str(basic.values()["firmware"]))

    async def read(self) -> BmsSample:
        """One sample; its instant is that of the first of its two answers.

        Raises BadReply for cells that are not as many as the board says it has: the register of a reply is
        outside its checksum.
        """
        reply = await self._link.exchange(_READ_BASIC)
        basic = decode_basic(reply.value)
        cells = decode_cells((await self._link.exchange(_READ_CELLS)).value).voltages_v
        if len(cells) != basic.cell_count:
            raise BadReply(f"JBD: {len(cells)} cell voltages of {basic.cell_count} cells")
        values = basic.values()
        return bms_sample(
            reply.t_ns,
            np.array(cells),
            basic.temperatures_c,
            voltage_v=basic.voltage_v,
            current_a=basic.current_a,
            soc=values["soc"],
            cycles=basic.cycles,
            alarms=values["alarms"],
            charge_limit_a=self._charge_limit_a if values["charging_allowed"] else 0.0,
            discharge_limit_a=self._discharge_limit_a if values["discharging_allowed"] else 0.0,
            balancing=values["balancing"],
            quality=_quality(basic, cells),
        )

    async def switch(self, *, charge: bool, discharge: bool) -> None:
        """Set both MOSFETs and read them back. Raises BadReply when one that was switched off is still on.

        One that was switched on may stay off: the board's protections come first.
        """
        await self._link.exchange(jbd.enter_factory())
        try:
            await self._link.exchange(jbd.set_fets(charge=charge, discharge=discharge))
        finally:
            await self._leave_factory()
        values = decode_basic((await self._link.exchange(_READ_BASIC)).value).values()
        for name, wanted in (("charging", charge), ("discharging", discharge)):
            if values[f"{name}_allowed"] and not wanted:
                raise BadReply(f"JBD: {name} was switched off, and the board says it is on")

    async def error_counts(self) -> dict[str, int]:
        """How often each protection has acted."""
        counts = decode_counts((await self._link.exchange(read_register(jbd.ERROR_COUNTS))).value)
        return dict(counts.values()["error_counts"])

    async def _read_limits(self) -> None:
        """Look into the EEPROM; a board that does not let anybody leaves the limits unknown."""
        try:
            await self._link.exchange(jbd.enter_factory())
            charge = (await self._link.exchange(read_register(jbd.CHARGE_OVER_CURRENT))).value
            discharge = (await self._link.exchange(read_register(jbd.DISCHARGE_OVER_CURRENT))).value
        except (DeviceRefused, ReplyTimeout):
            return
        finally:
            await self._leave_factory()
        if len(charge) != 2 or len(discharge) != 2:
            raise BadReply(f"JBD: over-current limits of {len(charge)} and {len(discharge)} bytes, expected 2")
        self._charge_limit_a = int.from_bytes(charge, "big") / 100
        # Signed: a discharge is negative on this board.
        self._discharge_limit_a = abs(int.from_bytes(discharge, "big", signed=True)) / 100

    async def _leave_factory(self) -> None:
        """Close the EEPROM, also when it is not known to have opened; nothing is saved."""
        with suppress(DeviceRefused, ReplyTimeout):
            await self._link.exchange(jbd.leave_factory(save=False))


def _quality(basic: Basic, cells: tuple[float, ...]) -> Quality:
    low_c, high_c = TEMPERATURES_C
    good = (
        max(cells) <= CELL_MAX_V
        and basic.soc_percent <= 100
        and all(low_c <= value <= high_c for value in basic.temperatures_c)
    )
    return Quality.GOOD if good else Quality.IMPLAUSIBLE
