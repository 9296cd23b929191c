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
    _fields_ = [("state", ctypes.c_uint32), ("differs", ctypes.c_uint32), ("since_us", ctypes.c_uint32 * BITS)]


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


def test_a_glitch_is_not_taken_however_often(step: Step) -> None:
    for _ in range(CYCLES):
        step(0xFFFF)
    for _ in range(100):
        assert [step(0) for _ in range(CYCLES - 1)] == [0xFFFF] * (CYCLES - 1)
        assert step(0xFFFF) == 0xFFFF


def test_a_cycle_that_comes_late_does_not_make_it_later_still(step: Step) -> None:
    assert step(1) == 0
    assert step(1, later_us=15_000) == 1


def test_each_bit_is_on_its_own(step: Step) -> None:
    """Against a model that remembers everything."""
    dice = random.Random(3)
    past: list[int] = []
    state = raw = 0
    for _ in range(5_000):
        raw ^= dice.getrandbits(20) & dice.getrandbits(20) & dice.getrandbits(20)
        past.append(raw)
        for bit in (1 << i for i in range(BITS)):
            recent = past[-CYCLES:]
            if len(recent) == CYCLES and all((value ^ state) & bit for value in recent):
                state ^= bit
        assert step(raw) == state
