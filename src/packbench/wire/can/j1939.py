"""J1939: 29-bit identifiers, and the frames of its transport protocol (TP.CM, TP.DT).

Owns bytes alone: `pack_id`/`unpack_id`, and the control and data frames of a message longer than one frame
(SAE J1939-21:2006, 5.4.7). When which of them is sent is `j1939_transport`'s.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from packbench.wire.can.frame import CanFrame

PGN_TP_CM: Final = 0xEC00
PGN_TP_DT: Final = 0xEB00
GLOBAL_ADDRESS: Final = 0xFF
TP_PRIORITY: Final = 7
PACKET_BYTES: Final = 7
MESSAGE_MAX: Final = 1785
"""255 packets of 7 bytes."""

RTS: Final = 0x10
CTS: Final = 0x11
END_ACK: Final = 0x13
ABORT: Final = 0xFF


class J1939Id(NamedTuple):
    """A 29-bit identifier, taken apart."""

    priority: int
    pgn: int
    """Parameter group number; its low byte is 0 where the identifier carries a destination (PDU1)."""
    destination: int
    """0xFF (everybody) for the groups that have none (PDU2)."""
    source: int


def pack_id(priority: int, pgn: int, destination: int, source: int) -> int:
    """The 29-bit identifier. `destination` is not used by a PDU2 group (PF of 240 and more)."""
    if not (0 <= priority <= 7 and 0 <= pgn <= 0x3FFFF and 0 <= destination <= 0xFF and 0 <= source <= 0xFF):
        raise ValueError(f"no J1939 identifier: {priority}, {pgn:#x}, {destination:#x}, {source:#x}")
    addressed = pgn >> 8 & 0xFF < 0xF0
    if addressed and pgn & 0xFF:
        raise ValueError(f"group {pgn:#x} carries a destination, its low byte must be 0")
    return priority << 26 | (pgn | destination if addressed else pgn) << 8 | source


def unpack_id(can_id: int) -> J1939Id:
    """The inverse of `pack_id`."""
    pgn = can_id >> 8 & 0x3FFFF
    destination = GLOBAL_ADDRESS
    if pgn >> 8 & 0xFF < 0xF0:
        destination = pgn & 0xFF
        pgn &= 0x3FF00
    return J1939Id(can_id >> 26 & 7, pgn, destination, can_id & 0xFF)


def control_frame(source: int, destination: int, data: bytes) -> CanFrame:
    """A TP.CM frame."""
    return CanFrame(pack_id(TP_PRIORITY, PGN_TP_CM, destination, source), data)


def rts_data(size: int, pgn: int, limit: int = 0xFF) -> bytes:
    """Bytes of a request to send."""
    packets = -(-size // PACKET_BYTES)
    return bytes((RTS, size & 0xFF, size >> 8, packets, limit)) + pgn.to_bytes(3, "little")


def cts_data(count: int, first: int, pgn: int) -> bytes:
    """Bytes of a clear to send: `count` packets from `first` on."""
    return bytes((CTS, count, first, 0xFF, 0xFF)) + pgn.to_bytes(3, "little")


def end_ack_data(size: int, pgn: int) -> bytes:
    """Bytes of an end of message acknowledgement."""
    return bytes((END_ACK, size & 0xFF, size >> 8, -(-size // PACKET_BYTES), 0xFF)) + pgn.to_bytes(3, "little")


def abort_data(reason: int, pgn: int) -> bytes:
    """Bytes of a connection abort."""
    return bytes((ABORT, reason, 0xFF, 0xFF, 0xFF)) + pgn.to_bytes(3, "little")


def data_packets(payload: bytes) -> list[bytes]:
    """The data of all TP.DT frames of a message, numbered from 1, the last one filled with ones."""
    return [
        bytes((number,)) + payload[at : at + PACKET_BYTES].ljust(PACKET_BYTES, b"\xff")
        for number, at in enumerate(range(0, len(payload), PACKET_BYTES), start=1)
    ]
