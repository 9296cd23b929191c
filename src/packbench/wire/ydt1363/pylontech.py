"""Pylontech's low-voltage RS-485 protocol V3.3: commands, and what their answers look like.

Owns the dialect (`ydt1363.Dialect`) and the requests. The messages are in `pylontech_data` and `pylontech_facts`.

Addresses: the packs of group m are 0x10 * m + 2 (the master, which alone is on the bus and answers for the rest)
to 0x10 * m + 15; INFO repeats the address, or is FF at the master for all packs of its group.

Source: PYLON low voltage RS485 protocol V3.3 (2018-08-21) section 4.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from packbench.wire.explained import Direction, Explained
from packbench.wire.ydt1363 import frames as ydt1363
from packbench.wire.ydt1363.frames import Command, Dialect, YdtRequest
from packbench.wire.ydt1363.info import Message, Packs, decode_nothing
from packbench.wire.ydt1363.pylontech_data import decode_alarms, decode_analog
from packbench.wire.ydt1363.pylontech_facts import (
    Firmware,
    Management,
    Serial,
    decode_firmware,
    decode_management,
    decode_manufacturer,
    decode_serial,
    decode_system_parameters,
)

VERSION: Final = 0x20
FIRST_ADDRESS: Final = 0x02
"""The master of group 0."""
ALL: Final = 0xFF
"""INFO of a request for all packs of a group."""

ANALOG: Final = 0x42
ALARMS: Final = 0x44
SYSTEM_PARAMETERS: Final = 0x47
PROTOCOL_VERSION: Final = 0x4F
MANUFACTURER: Final = 0x51
MANAGEMENT: Final = 0x92
SERIAL: Final = 0x93
FIRMWARE: Final = 0x96


def _same_pack(request: YdtRequest, message: Message) -> bool:
    """The pack that was asked for, or as many as the reply says it holds."""
    if not request.info:
        return True
    asked = request.info[0]
    if isinstance(message, Packs):
        if asked == ALL:
            return message.command == message.count
        return message.count == 1 and message.command == asked
    return not isinstance(message, Management | Serial | Firmware) or message.command == asked


DIALECT: Final = Dialect(
    "Pylontech",
    VERSION,
    MappingProxyType(
        {
            ANALOG: Command("analog values", decode_analog, _same_pack),
            ALARMS: Command("alarms", decode_alarms, _same_pack),
            MANAGEMENT: Command("charge management", decode_management, _same_pack),
            SERIAL: Command("serial number", decode_serial, _same_pack),
            FIRMWARE: Command("firmware", decode_firmware, _same_pack),
            SYSTEM_PARAMETERS: Command("system parameters", decode_system_parameters),
            MANUFACTURER: Command("manufacturer", decode_manufacturer),
            PROTOCOL_VERSION: Command("protocol version", decode_nothing),
        }
    ),
)


def _read(address: int, command: int, info: bytes = b"") -> YdtRequest:
    return YdtRequest(VERSION, address, command, info, dialect=DIALECT)


def read_analog(address: int, pack: int | None = None) -> YdtRequest:
    """42: measured values of one pack (the one at `address`), or with pack=ALL of a master's whole group."""
    return _read(address, ANALOG, bytes((address if pack is None else pack,)))


def read_alarms(address: int, pack: int | None = None) -> YdtRequest:
    """44: alarms and states; see `read_analog`."""
    return _read(address, ALARMS, bytes((address if pack is None else pack,)))


def read_management(address: int) -> YdtRequest:
    """92: what the pack allows right now."""
    return _read(address, MANAGEMENT, bytes((address,)))


def read_serial(address: int) -> YdtRequest:
    """93: the pack's serial number."""
    return _read(address, SERIAL, bytes((address,)))


def read_firmware(address: int) -> YdtRequest:
    """96: versions of the pack's firmware."""
    return _read(address, FIRMWARE, bytes((address,)))


def read_system_parameters(address: int) -> YdtRequest:
    """47: where the pack warns and protects itself."""
    return _read(address, SYSTEM_PARAMETERS, bytes((address,)))


def read_manufacturer(address: int) -> YdtRequest:
    """51: name and maker. A master answers with its own at the addresses of its slaves too."""
    return _read(address, MANUFACTURER)


def read_protocol_version(address: int) -> YdtRequest:
    """4F: an empty answer whose VER is the version spoken."""
    return _read(address, PROTOCOL_VERSION)


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a frame says, and the frame again. Raises BadReply for bytes that are none."""
    return ydt1363.explain(DIALECT, direction, frame)
