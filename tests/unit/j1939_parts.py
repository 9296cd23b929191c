"""A charger and a BMS on a J1939 line: addresses, a long message and its packets, frames of either side."""

from __future__ import annotations

from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_CM, PGN_TP_DT, data_packets, pack_id

CHARGER, BMS = 0x56, 0xF4
MS = 1_000_000
BRM = bytes.fromhex("01010003 3c004c1d".replace(" ", "")) + b"\xff" * 41


def from_bms(data: bytes, pgn: int = PGN_TP_CM) -> CanFrame:
    return CanFrame(pack_id(7, pgn, CHARGER, BMS), data)


def to_bms(data: bytes, pgn: int = PGN_TP_CM) -> CanFrame:
    return CanFrame(pack_id(7, pgn, BMS, CHARGER), data)


def packets(payload: bytes) -> list[CanFrame]:
    return [from_bms(data, PGN_TP_DT) for data in data_packets(payload)]
