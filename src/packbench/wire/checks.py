"""Sums that guard the frames of serial battery management systems.

Owns the arithmetic alone: which bytes a sum covers, and where it stands in a frame, is the protocol's.
They are weak (two swapped bytes pass), so a protocol that uses one also checks lengths and tails.
"""

from __future__ import annotations


def sum8(data: bytes | bytearray) -> int:
    """Sum of all bytes modulo 256."""
    return sum(data) & 0xFF


def sum16(data: bytes | bytearray) -> int:
    """Sum of all bytes modulo 65536."""
    return sum(data) & 0xFFFF


def negated_sum16(data: bytes | bytearray) -> int:
    """What is missing from the sum of all bytes to 65536; 0 for a sum of 0."""
    return -sum(data) & 0xFFFF
