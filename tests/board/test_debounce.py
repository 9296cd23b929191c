"""The inputs' debounce, run on a PC."""

from __future__ import annotations

import ctypes
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

COMMON = Path(__file__).resolve().parents[2] / "firmware_bridge" / "firmware" / "boards" / "common"
BITS, CYCLE_US, HOLD_US = 16, 1_000, 4_000
CYCLES = HOLD_US // CYCLE_US + 1
"""How many readings that is."""

Step = Callable[..., int]


class State(ctypes.Structure):
    _fields_ = [
        ("state", ctypes.c_uint32),
        ("differs", ctypes.c_uint32),
        ("looked_us", ctypes.c_uint32),
        ("evidence", ctypes.c_uint32 * BITS),
    ]


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """One cycle with a reading, a millisecond after the last; the tick wraps on the way."""
    built = tmp_path / "debounce.so"
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(built)]
    subprocess.run([*command, str(COMMON / "pb_debounce.c")], check=True, timeout=60)
    function = ctypes.CDLL(str(built)).pb_debounce_step
    function.restype = ctypes.c_uint32
    state = State()
    now_us = 0xFFFFFFFF - 2_500

    def one(raw: int, later_us: int = CYCLE_US) -> int:
        nonlocal now_us
        now_us += later_us
        return function(ctypes.byref(state), ctypes.c_uint32(now_us & 0xFFFFFFFF), ctypes.c_uint32(raw))

    return one


def test_it_begins_unsafe_and_takes_a_change_that_lasts(step: Step) -> None:
    assert [step(0x8001) for _ in range(CYCLES)] == [0, 0, 0, 0, 0x8001]
    assert [step(0x8000) for _ in range(CYCLES)] == [0x8001, 0x8001, 0x8001, 0x8001, 0x8000]


def test_a_short_opening_now_and_then_is_not_taken(step: Step) -> None:
    for _ in range(CYCLES):
        step(0xFFFF)
    for _ in range(100):
        assert [step(0) for _ in range(3)] == [0xFFFF] * 3
        assert [step(0xFFFF) for _ in range(12)] == [0xFFFF] * 12


@pytest.mark.parametrize(("open_cycles", "whole_cycles", "within"), [(4, 1, 7), (2, 2, 13), (1, 2, 27), (1, 3, 65)])
def test_a_loop_that_is_open_on_and_off_is_taken_for_open_and_stays_so(
    step: Step, open_cycles: int, whole_cycles: int, within: int
) -> None:
    for _ in range(CYCLES):
        step(0xFFFF)
    said = [step(0 if cycle % (open_cycles + whole_cycles) < open_cycles else 0xFFFF) for cycle in range(200)]
    fell = said.index(0)
    assert fell < within
    assert not any(said[fell:]), "only an unbroken loop is whole again"


def test_a_loop_is_whole_when_it_has_been_so_without_a_break(step: Step) -> None:
    for _ in range(100):
        assert [step(0xFFFF) for _ in range(CYCLES - 1)] == [0] * (CYCLES - 1)
        assert step(0) == 0
    assert [step(0xFFFF) for _ in range(CYCLES)][-1] == 0xFFFF


def test_a_cycle_that_comes_late_does_not_make_it_later_still(step: Step) -> None:
    assert step(1) == 0
    assert step(1, later_us=15_000) == 1


def test_each_bit_is_on_its_own(step: Step) -> None:
    """Against a model that remembers everything since a bit changed last."""
    dice = random.Random(3)
    past: list[list[bool]] = [[] for _ in range(BITS)]
    state = raw = 0
    changes = 0
    for _ in range(2_000):
        raw ^= dice.getrandbits(20) & dice.getrandbits(20) & dice.getrandbits(20)
        for number, read in enumerate(past):
            bit = 1 << number
            read.append(bool(raw & bit))
            if falls(read) if state & bit else rises(read):
                state ^= bit
                changes += 1
                read[:-1] = []
        assert step(raw) == state
    assert changes > 400


def rises(read: list[bool]) -> bool:
    return len(read) >= CYCLES and all(read[-CYCLES:])


def falls(read: list[bool]) -> bool:
    """In quarters of a millisecond: what a reading said holds until the next."""
    quarters = 0
    for whole in read[:-1]:
        quarters = max(quarters - 1, 0) if whole else min(quarters + 4, 32)
    return not read[-1] and quarters >= 4 * HOLD_US // CYCLE_US
