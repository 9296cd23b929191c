"""PACE BMS on RS-232, version 25: commands, and who it is.

Owns the dialect (`ydt1363.Dialect`) and the requests. Measured values and alarms are `pace_data`'s.

ADR is the pack on the line, 0 or its DIP address; INFO is the pack asked about, which the first passes on to
those linked to it, or FF for all of them. A reply to one pack repeats the pack's number, a reply to all has their
count in the same place.

Sources: dbus-serialbattery `bms/pace.py` (mr-manuel), nkinnan/esphome-pace-bms `pace_bms_protocol_v25` with its
captures and issues 22, 30 and 57.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.wire.explained import Direction, Explained
from packbench.wire.ydt1363 import frames as ydt1363
from packbench.wire.ydt1363.frames import Command, Dialect, YdtRequest
from packbench.wire.ydt1363.info import Message, Packs, text
from packbench.wire.ydt1363.pace_data import decode_alarms, decode_analog

VERSION: Final = 0x25
ALL: Final = 0xFF
"""INFO of a request for all packs."""

ANALOG: Final = 0x42
ALARMS: Final = 0x44
PACK_COUNT: Final = 0x90
SOFTWARE: Final = 0xC1
SERIAL: Final = 0xC2


@dataclass(frozen=True, slots=True)
class PackCount:
    """Answer to 90."""

    packs: int

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {"pack_count": self.packs}

    def encode(self) -> bytes:
        """See `Message`."""
        return bytes((self.packs,))


def decode_pack_count(info: bytes) -> PackCount:
    """INFO of an answer to 90. Raises BadReply."""
    if len(info) != 1:
        raise BadReply(f"pack count: {len(info)} bytes, expected 1")
    return PackCount(info[0])


@dataclass(frozen=True, slots=True)
class Software:
    """Answer to C1: board and firmware, 20 characters."""

    raw: bytes

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {"firmware": text(self.raw)}

    def encode(self) -> bytes:
        """See `Message`."""
        return self.raw


def decode_software(info: bytes) -> Software:
    """INFO of an answer to C1. Raises BadReply."""
    if len(info) != 20:
        raise BadReply(f"software version: {len(info)} bytes, expected 20")
    return Software(info)


@dataclass(frozen=True, slots=True)
class Serial:
    """Answer to C2: the board's number and, where there are 40 characters, the pack's."""

    raw: bytes

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {"serial": text(self.raw[:20]), "pack_serial": text(self.raw[20:])}

    def encode(self) -> bytes:
        """See `Message`."""
        return self.raw


def decode_serial(info: bytes) -> Serial:
    """INFO of an answer to C2: 40 bytes, or 20 from some firmware. Raises BadReply."""
    if len(info) not in (20, 40):
        raise BadReply(f"serial number: {len(info)} bytes, expected 40 or 20")
    return Serial(info)


def _same_pack(request: YdtRequest, message: Message) -> bool:
    """The pack that was asked for, or as many as the reply says it holds."""
    if not isinstance(message, Packs) or not request.info:
        return True
    if request.info[0] == ALL:
        return message.command == message.count
    return message.count == 1 and message.command == request.info[0]


DIALECT: Final = Dialect(
    "PACE",
    VERSION,
    MappingProxyType(
        {
            ANALOG: Command("analog values", decode_analog, _same_pack),
            ALARMS: Command("alarms", decode_alarms, _same_pack),
            SOFTWARE: Command("software version", decode_software),
            SERIAL: Command("serial number", decode_serial),
            PACK_COUNT: Command("pack count", decode_pack_count),
        }
    ),
)


def _read(address: int, command: int, info: bytes = b"") -> YdtRequest:
    return YdtRequest(VERSION, address, command, info, dialect=DIALECT)


def read_analog(address: int, pack: int) -> YdtRequest:
    """42: measured values of a pack, or of ALL."""
    return _read(address, ANALOG, bytes((pack,)))


def read_alarms(address: int, pack: int) -> YdtRequest:
    """44: alarms and states of a pack, or of ALL."""
    return _read(address, ALARMS, bytes((pack,)))


def read_pack_count(address: int) -> YdtRequest:
    """90: how many packs are linked."""
    return _read(address, PACK_COUNT)


def read_software(address: int) -> YdtRequest:
    """C1: board and firmware."""
    return _read(address, SOFTWARE)


def read_serial(address: int) -> YdtRequest:
    """C2: serial numbers."""
    return _read(address, SERIAL)


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a frame says, and the frame again. Raises BadReply for bytes that are none."""
    return ydt1363.explain(DIALECT, direction, frame)
