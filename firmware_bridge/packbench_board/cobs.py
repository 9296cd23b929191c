"""Consistent Overhead Byte Stuffing (Cheshire and Baker, IEEE/ACM Trans. Networking 7(2), 1999), for short frames.

Owns the encoding of one block and its reversal. Must not know what the bytes mean. It exists beside PyPI's `cobs`
because a heartbeat pays for it twice: both directions jump from zero to zero in place instead of copying.
"""

from __future__ import annotations

BLOCK_MAX = 253
"""Most data bytes: up to here no run without a zero needs a code of its own (0xFF)."""


def encode(data: bytes) -> bytes:
    """The encoded block with its delimiter 0x00. At most BLOCK_MAX bytes; ValueError for more."""
    size = len(data)
    if size > BLOCK_MAX:
        raise ValueError(f"{size} bytes do not fit one block of {BLOCK_MAX}")
    block = bytearray(b"\0" + data + b"\0")
    last = size + 1
    code_at = 0
    find = block.find
    while code_at < last:
        zero_at = find(0, code_at + 1)
        block[code_at] = zero_at - code_at
        code_at = zero_at
    return bytes(block)


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
