"""The search for frames that begin with a known byte, on a protocol made for it: head H, length, data, sum."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.wire.checks import negated_sum16, sum8, sum16
from packbench.wire.counters import LineCounters
from packbench.wire.headed import FrameShape, cut_frame

SHAPE = FrameShape(
    starts=re.compile(b"[HI]"),
    header=2,
    size=lambda buffer, pos: 0 if buffer[pos + 1] > 20 else 3 + buffer[pos + 1],
    valid=lambda frame: frame[-1] == sum8(frame[:-1]),
)


def frame(data: bytes, head: bytes = b"H") -> bytes:
    body = head + bytes((len(data),)) + data
    return body + bytes((sum8(body),))


def cut(*parts: bytes) -> tuple[list[bytes], bytearray, LineCounters]:
    """Every frame found when the parts come one after the other."""
    buffer, counters, found = bytearray(), LineCounters(), list[bytes]()
    for part in parts:
        buffer += part
        while (one := cut_frame(buffer, SHAPE, counters)) is not None:
            found.append(one)
    return found, buffer, counters


def test_frames_of_either_head_are_cut_in_order() -> None:
    assert cut(frame(b"a") + frame(b"bc", b"I") + b"H")[:2] == ([frame(b"a"), frame(b"bc", b"I")], bytearray(b"H"))


@pytest.mark.parametrize("noise", [b"H", b"I", b"HH", b"H\x01", b"H\xff", b"H\x14", b"xyzH\x03"])
def test_a_false_beginning_does_not_hide_the_frame_behind_it(noise: bytes) -> None:
    found, buffer, counters = cut(noise, frame(b"data") + b"xx")
    assert found == [frame(b"data")]
    assert buffer == b""
    assert counters.noise_bytes == len(noise) + 2


def test_a_frame_that_holds_its_own_head_is_found_in_pieces() -> None:
    whole = frame(b"HHIH\x14H")
    for at in range(1, len(whole)):
        assert cut(whole[:at], whole[at:])[0] == [whole]
    assert cut(*(bytes((byte,)) for byte in whole))[0] == [whole]


def test_a_broken_frame_is_counted_once() -> None:
    broken = bytearray(frame(b"data"))
    broken[-1] ^= 1
    found, _, counters = cut(bytes(broken), frame(b"a")[:2], frame(b"a")[2:])
    assert found == [frame(b"a")]
    assert counters.crc_errors == 1


@pytest.mark.parametrize("pattern", [b"H", b"\x00", b"H\x14", b"H\x13\x00"])
def test_endless_bytes_leave_less_than_a_frame(pattern: bytes) -> None:
    found, buffer, counters = cut(*[pattern * 40] * 100)
    assert len(buffer) < 23
    assert counters.noise_bytes + sum(map(len, found)) + len(buffer) == 4000 * len(pattern)


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_no_byte_is_lost_or_kept_for_ever(parts: list[bytes]) -> None:
    found, buffer, counters = cut(*parts)
    assert counters.noise_bytes + sum(map(len, found)) + len(buffer) == sum(map(len, parts))
    assert len(buffer) < 23


def test_sums() -> None:
    assert (sum8(b"\xff\x02"), sum16(b"\xff" * 300), negated_sum16(b"\x03\x00")) == (1, 300 * 255 - 65536, 0xFFFD)
    assert negated_sum16(b"") == 0
