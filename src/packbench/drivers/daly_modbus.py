"""A Daly board that speaks Modbus (asked as 0xD2, or as 0x81 and answering as 0x51), as a BMS.

Owns what its map cannot say: which way the current flows (`drivers/daly_current.py`). Registers, units and the address
it answers under are the maps' (daly-d2.yaml, daly-p81.yaml).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packbench.core.samples import BmsSample
from packbench.drivers.daly_current import check_direction, higher_raw
from packbench.drivers.mapped import MappedBms
from packbench.maps.codec import Decoded
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.modbus import ModbusRequest


class DalyModbus(MappedBms):
    """`protocols.Bms` of a Daly board on Modbus.

    Args:
        device: The map `daly-d2` or `daly-p81`; its `current_a` counts up from 30000.
        link: The bus.
        unit: 0xD2 or 0x81.
        settings: The map's options by name, where a bench file states others.
    """

    def __init__(
        self, device: DeviceType, link: Link[ModbusRequest, bytes], unit: int, settings: Mapping[str, Any]
    ) -> None:
        super().__init__(device, link, unit)
        self._reversed = higher_raw({**device.options, **settings}) == "discharge"

    def _sample(self, t_ns: int, decoded: Decoded) -> BmsSample:
        values = decoded.values
        # 2991.1 - 3000 is not -8.9 to a computer; the register counts tenths.
        current_a = round(values["current_a"], 1)
        values["current_a"] = 0.0 - current_a if self._reversed else current_a
        check_direction(values["activity"], values["current_a"])
        return super()._sample(t_ns, decoded)
