"""A Seplos V2 board (EMU10xx, EMU11xx) as a BMS.

Owns which commands make a reading. The protocol states no current limits: a sample has none, until a switch is off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packbench.core.errors import InputError, Problem
from packbench.core.samples import BmsSample
from packbench.drivers.protocols import Identity
from packbench.drivers.ydt1363 import Heard, YdtLine
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.ydt1363 import seplos_v2 as wire
from packbench.wire.ydt1363.frames import YdtReply, YdtRequest
from packbench.wire.ydt1363.seplos_v2 import decode_telemetry, decode_vendor
from packbench.wire.ydt1363.seplos_v2_alarms import decode_alarms

_LAST_ADDRESS: Final = 15
_OTHER_SENSORS: Final = 2
"""Behind those of cells: the surroundings and the power stage."""


class SeplosV2Bms:
    """`protocols.Bms` of one board.

    Args:
        device: The device file `seplos-v2`.
        link: The bus.
        unit: Its address, 0 to 15.
        settings: The bench file's, by the options' names.
    """

    def __init__(
        self, device: DeviceType, link: Link[YdtRequest, YdtReply], unit: int, settings: Mapping[str, Any]
    ) -> None:
        if not 0 <= unit <= _LAST_ADDRESS:
            raise InputError(Problem(device.name, field="unit", found=str(unit), expected=f"0 to {_LAST_ADDRESS}"))
        self._line = YdtLine(device, link, settings)
        self._unit = unit
        self._group = self._line.number("group", unit)

    async def identify(self) -> Identity:
        """Model and firmware; the protocol has no serial number."""
        found = decode_vendor((await self._line.ask(wire.read_vendor(self._unit))).value.info).values()
        return Identity(found["model"], "", found["firmware"])

    async def read(self) -> BmsSample:
        """One reading: two exchanges; its instant is that of the measured values, which come first."""
        measured = await self._line.ask(wire.read_telemetry(self._unit, self._group))
        alarms = decode_alarms((await self._line.ask(wire.read_alarms(self._unit, self._group))).value.info)
        pack = decode_telemetry(measured.value.info)
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
