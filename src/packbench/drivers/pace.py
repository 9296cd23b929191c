"""A PACE board (protocol version 25, RS-232) as a BMS.

Owns which commands make a reading, and which of several linked packs it is about. The protocol states no current
limits: a sample has none, until a FET is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packbench.core.errors import BadReply, InputError, Problem
from packbench.core.samples import BmsSample
from packbench.drivers.protocols import Identity
from packbench.drivers.ydt1363 import Heard, YdtLine
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.ydt1363 import pace as wire
from packbench.wire.ydt1363.frames import YdtReply, YdtRequest
from packbench.wire.ydt1363.pace import ALL, decode_serial, decode_software
from packbench.wire.ydt1363.pace_data import decode_alarms, decode_analog

_LAST_ADDRESS: Final = 15
_OTHER_SENSORS: Final = 2
"""Behind those of cells: the FETs and the surroundings."""


class PaceBms:
    """`protocols.Bms` of one pack.

    Args:
        device: The device file `pace`.
        link: The bus.
        unit: The address of the pack on the line, 0 to 15.
        settings: The bench file's, by the options' names.
    """

    def __init__(
        self, device: DeviceType, link: Link[YdtRequest, YdtReply], unit: int, settings: Mapping[str, Any]
    ) -> None:
        if not 0 <= unit <= _LAST_ADDRESS:
            raise InputError(Problem(device.name, field="unit", found=str(unit), expected=f"0 to {_LAST_ADDRESS}"))
        self._line = YdtLine(device, link, settings)
        self._unit = unit
        self._pack = self._line.number("pack", unit)
        self._asks_all = self._line.choice("analog_of", ("pack", "all")) == "all"

    async def identify(self) -> Identity:
        """The board's software version as the model (it begins with the board's name) and its serial number."""
        software = decode_software((await self._line.ask(wire.read_software(self._unit))).value.info).values()
        serial = decode_serial((await self._line.ask(wire.read_serial(self._unit))).value.info).values()
        model, _, firmware = str(software["firmware"]).partition("-")
        return Identity(model, serial["serial"], firmware)

    async def read(self) -> BmsSample:
        """One reading: two exchanges; its instant is that of the measured values, which come first.

        Raises BadReply when all packs were asked and the one wanted is not among them.
        """
        measured = await self._line.ask(wire.read_analog(self._unit, ALL if self._asks_all else self._pack))
        alarms = decode_alarms((await self._line.ask(wire.read_alarms(self._unit, self._pack))).value.info).packs[0]
        packs = decode_analog(measured.value.info).packs
        index = max(self._pack - 1, 0) if self._asks_all else 0
        if index >= len(packs):
            raise BadReply(f"PACE address {self._unit:02X}: {len(packs)} packs answered, number {self._pack} is wanted")
        pack = packs[index]
        heard = Heard(
            pack.cell_voltages_v,
            self._line.counted(pack.temperatures_c, last=_OTHER_SENSORS),
            pack.voltage_v,
            pack.current_a,
            pack.soc,
            pack.cycles,
            alarms.names,
            alarms.charging_allowed,
            alarms.discharging_allowed,
            soh=pack.soh,
            balancing=alarms.balancing,
        )
        return heard.sample(measured.t_ns)
