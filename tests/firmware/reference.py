"""Frames made the slow and obvious way, from the text of docs/link.md alone: what both codecs are compared with."""

from __future__ import annotations


def crc16(data: bytes) -> int:
    """CRC-16/CCITT-FALSE, bit by bit."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
            crc &= 0xFFFF
    return crc


def stuff(data: bytes) -> bytes:
    """COBS for less than 254 bytes, with its delimiter."""
    return b"".join(bytes([len(run) + 1]) + run for run in data.split(b"\0")) + b"\0"


def unstuff(block: bytes) -> bytes:
    """Undo COBS; the block comes without its delimiter."""
    data = b""
    while block:
        data += block[1 : block[0]] + b"\0"
        block = block[block[0] :]
    return data[:-1]


def frame(number: int, sequence: int, payload: bytes, version: int = 2) -> bytes:
    """One whole frame."""
    body = bytes([version, number, sequence]) + payload
    return stuff(body + crc16(body).to_bytes(2, "big"))
