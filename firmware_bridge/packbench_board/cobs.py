"""Consistent Overhead Byte Stuffing (Cheshire and Baker, IEEE/ACM Trans. Networking 7(2), 1999), for short frames.

Owns the encoding of one block and its reversal. Must not know what the bytes mean. It exists beside PyPI's `cobs`
because a heartbeat pays for it twice: one split encodes, and decoding jumps from zero to zero in place.
"""

from __future__ import annotations

BLOCK_MAX = 253
"""Most data bytes: up to here no run without a zero needs a code of its own (0xFF)."""
_CODES = tuple((length + 1).to_bytes(1, "big") for length in range(BLOCK_MAX + 1))
"""The code byte in front of a run of so many bytes without a zero."""


def encode(data: bytes) -> bytes:
    """The encoded block with its delimiter 0x00. At most BLOCK_MAX bytes; ValueError for more."""
    size = len(data)
    if size > BLOCK_MAX:
        raise ValueError(f"{size} bytes do not fit one block of {BLOCK_MAX}")
    return b"".join([_CODES[len(run)] + run for run in data.split(b"\0")]) + b"\0"


def decode(block: bytearray) -> bool:
    """Undo the encoding in place: the data are block[1:]. `block` was cut at delimiters, so it holds no zero.

    False when it is no encoded block: its codes do not end where it ends.
    """
    size = len(block)
    code_at = 0
    while code_at < size:
        code = block[code_at]
        if code == 0:
            return False
        block[code_at] = 0
        code_at += code
    return code_at == size
