"""A Pylontech low-voltage pack (US2000, US3000, US5000, UP2500 and relatives) as a BMS.

Owns which commands of V3.3 make a reading, and which of the two answers about switches counts: what the pack
allows (92) stands above the state of its FETs (44).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packbench.core.errors import InputError, Problem
from packbench.core.samples import BmsSample
from packbench.drivers.protocols import Identity
from packbench.drivers.ydt1363 import Heard, YdtLine
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.ydt1363 import pylontech as wire
from packbench.wire.ydt1363.frames import BAD_COMMAND, YdtRefused, YdtReply, YdtRequest
from packbench.wire.ydt1363.pylontech_data import CHARGE_FET, DISCHARGE_FET, decode_alarms, decode_analog
from packbench.wire.ydt1363.pylontech_facts import (
    Management,
    decode_firmware,
    decode_management,
    decode_manufacturer,
    decode_serial,
)


class PylontechBms:
    """`protocols.Bms` of one pack.

    Args:
        device: The device file `pylontech`.
        link: The bus.
        unit: The pack's address, 0x10 * group + 2 for a master.
        settings: The bench file's, by the options' names.
    """

    def __init__(
        self, device: DeviceType, link: Link[YdtRequest, YdtReply], unit: int, settings: Mapping[str, Any]
    ) -> None:
        if not 1 <= unit <= 0xFE:
            raise InputError(Problem(device.name, field="unit", found=str(unit), expected="1 to 254"))
        self._line = YdtLine(device, link, settings)
        self._unit = unit
        self._title = device.title
        self._reads_limits = self._line.choice("limits", ("read", "none")) == "read"

    async def identify(self) -> Identity:
        """Serial number, and model and firmware where the pack knows those commands."""
        serial = decode_serial((await self._line.ask(wire.read_serial(self._unit))).value.info).values()["serial"]
        model, firmware = self._title, ""
        info = await self._known(wire.read_manufacturer(self._unit))
        if info is not None:
            model = decode_manufacturer(info).values()["model"]
        info = await self._known(wire.read_firmware(self._unit))
        if info is not None:
            firmware = decode_firmware(info).values()["firmware"]
        return Identity(model, serial, firmware)

    async def read(self) -> BmsSample:
        """One reading: three exchanges; its instant is that of the measured values, which come first."""
        analog = await self._line.ask(wire.read_analog(self._unit))
        alarms = decode_alarms((await self._line.ask(wire.read_alarms(self._unit))).value.info).packs[0]
        limits: Management | None = None
        if self._reads_limits:
            limits = decode_management((await self._line.ask(wire.read_management(self._unit))).value.info)
        pack = decode_analog(analog.value.info).packs[0]
        fets = alarms.status[1]
        heard = Heard(
            pack.cell_voltages_v,
            self._line.counted(pack.temperatures_c, first=1),
            pack.voltage_v,
            pack.current_a,
            pack.soc,
            pack.cycles,
            alarms.names,
            charging_allowed=bool(fets & CHARGE_FET) if limits is None else limits.charging_allowed,
            discharging_allowed=bool(fets & DISCHARGE_FET) if limits is None else limits.discharging_allowed,
            charge_limit_a=None if limits is None else abs(limits.charge_current_a),
            discharge_limit_a=None if limits is None else abs(limits.discharge_current_a),
        )
        return heard.sample(analog.t_ns)

    async def _known(self, request: YdtRequest) -> bytes | None:
        """INFO of the answer; None from a pack whose firmware does not know the command."""
        try:
            return (await self._line.ask(request)).value.info
        except YdtRefused as exc:
            if exc.code != BAD_COMMAND:
                raise
            return None
