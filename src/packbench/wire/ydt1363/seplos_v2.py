"""Seplos BMS protocol V2.0: commands, and what their answers say.

Owns the dialect (`ydt1363.Dialect`), the requests and the messages, both directions. Alarm names are in
`seplos_v2_alarms`. What all packs at once (COMMAND_GROUP FF, RS-232 alone) are answered with is in no source
and not spoken here.

Addresses are 0 to 15 by DIP switches. On RS-485 COMMAND_GROUP repeats the address; on RS-232 it chooses the
pack. The group in a reply has been seen to count from 1 where 0 was asked, so it is not compared.

Sources: SEPLOS BMS communication protocol V2.0 (2019-10-15), tables 8 to 13; captures in syssi/esphome-seplos-bms
(README, issue 8).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.wire.explained import Direction, Explained
from packbench.wire.ydt1363 import frames as ydt1363
from packbench.wire.ydt1363.frames import Command, Dialect, YdtRequest
from packbench.wire.ydt1363.info import (
    MAX_CELLS,
    MAX_SENSORS,
    Cursor,
    decode_nothing,
    kelvin,
    scaled,
    signed,
    text,
)
from packbench.wire.ydt1363.seplos_v2_alarms import decode_alarms

VERSION: Final = 0x20

TELEMETRY: Final = 0x42
ALARMS: Final = 0x44
PROTOCOL_VERSION: Final = 0x4F
VENDOR: Final = 0x51

_ITEMS_USED: Final = 6
ITEMS: Final = 10
"""Custom items in every capture: six that are used, and four in reserve."""


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Answer to 42."""

    flag: int
    group: int
    cell_voltages_v: tuple[float, ...]
    temperatures_c: tuple[float, ...]
    """Four of cells, then the surroundings and the power stage."""
    current_a: float
    """Positive charges."""
    voltage_v: float
    remaining_ah: float
    full_ah: float
    soc: float
    rated_ah: float
    cycles: int
    soh: float
    port_voltage_v: float
    reserved: tuple[int, ...] = (0, 0, 0, 0)

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {
            "cell_voltages_v": self.cell_voltages_v,
            "temperatures_c": self.temperatures_c,
            "current_a": self.current_a,
            "voltage_v": self.voltage_v,
            "remaining_ah": self.remaining_ah,
            "full_ah": self.full_ah,
            "soc": self.soc,
            "rated_ah": self.rated_ah,
            "cycles": self.cycles,
            "soh": self.soh,
            "port_voltage_v": self.port_voltage_v,
        }

    def encode(self) -> bytes:
        """See `Message`."""
        return b"".join(
            (
                bytes((self.flag, self.group, len(self.cell_voltages_v))),
                *(scaled(cell, 1000) for cell in self.cell_voltages_v),
                bytes((len(self.temperatures_c),)),
                *(kelvin(sensor) for sensor in self.temperatures_c),
                signed(self.current_a, 100),
                scaled(self.voltage_v, 100),
                scaled(self.remaining_ah, 100),
                bytes((_ITEMS_USED + len(self.reserved),)),
                scaled(self.full_ah, 100),
                scaled(self.soc, 1000),
                scaled(self.rated_ah, 100),
                scaled(self.cycles, 1),
                scaled(self.soh, 1000),
                scaled(self.port_voltage_v, 100),
                *(scaled(item, 1) for item in self.reserved),
            )
        )


def decode_telemetry(info: bytes) -> Telemetry:
    """INFO of an answer to 42. Raises BadReply.

    Fewer than six custom items are none of its answers: an alarm reply with both switches on and nothing in its
    reserve would otherwise pass for three temperatures and no items.
    """
    cursor = Cursor(info, "telemetry")
    flag, group = cursor.unsigned(1), cursor.unsigned(1)
    cells = tuple(cursor.scaled(1000) for _ in range(cursor.count(MAX_CELLS)))
    sensors = tuple(cursor.celsius() for _ in range(cursor.count(MAX_SENSORS)))
    current_a, voltage_v, remaining_ah = cursor.signed(100), cursor.scaled(100), cursor.scaled(100)
    items = cursor.unsigned(1)
    if items < _ITEMS_USED:
        raise BadReply(f"telemetry: {items} custom items, at least {_ITEMS_USED} are known")
    found = Telemetry(
        flag,
        group,
        cells,
        sensors,
        current_a,
        voltage_v,
        remaining_ah,
        full_ah=cursor.scaled(100),
        soc=cursor.scaled(1000),
        rated_ah=cursor.scaled(100),
        cycles=cursor.unsigned(),
        soh=cursor.scaled(1000),
        port_voltage_v=cursor.scaled(100),
        reserved=tuple(cursor.unsigned() for _ in range(items - _ITEMS_USED)),
    )
    cursor.end()
    return found


@dataclass(frozen=True, slots=True)
class Vendor:
    """Answer to 51."""

    name_raw: bytes
    """10 characters."""
    version: tuple[int, int]
    vendor_raw: bytes
    """20 characters; firmware puts the inverter protocol it speaks on CAN here."""

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {
            "model": text(self.name_raw),
            "firmware": ".".join(map(str, self.version)),
            "manufacturer": text(self.vendor_raw),
        }

    def encode(self) -> bytes:
        """See `Message`."""
        return self.name_raw + bytes(self.version) + self.vendor_raw


def decode_vendor(info: bytes) -> Vendor:
    """INFO of an answer to 51. Raises BadReply."""
    cursor = Cursor(info, "vendor")
    found = Vendor(cursor.take(10), (cursor.unsigned(1), cursor.unsigned(1)), cursor.take(20))
    cursor.end()
    return found


DIALECT: Final = Dialect(
    "Seplos V2",
    VERSION,
    MappingProxyType(
        {
            TELEMETRY: Command("telemetry", decode_telemetry),
            ALARMS: Command("alarms", decode_alarms),
            VENDOR: Command("vendor", decode_vendor),
            PROTOCOL_VERSION: Command("protocol version", decode_nothing),
        }
    ),
)


def _read(address: int, command: int, info: bytes = b"") -> YdtRequest:
    return YdtRequest(VERSION, address, command, info, dialect=DIALECT)


def read_telemetry(address: int, group: int | None = None) -> YdtRequest:
    """42: measured values; `group` is the address where none is given."""
    return _read(address, TELEMETRY, bytes((address if group is None else group,)))


def read_alarms(address: int, group: int | None = None) -> YdtRequest:
    """44: alarms and states; `group` is the address where none is given."""
    return _read(address, ALARMS, bytes((address if group is None else group,)))


def read_protocol_version(address: int) -> YdtRequest:
    """4F: an empty answer whose VER is the version spoken."""
    return _read(address, PROTOCOL_VERSION)


def read_vendor(address: int) -> YdtRequest:
    """51: name, version and vendor."""
    return _read(address, VENDOR)


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a frame says, and the frame again. Raises BadReply for bytes that are none."""
    return ydt1363.explain(DIALECT, direction, frame)
