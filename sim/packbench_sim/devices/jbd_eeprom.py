"""What a JBD board's EEPROM holds when it leaves the maker, for the pack behind the emulator.

Owns those defaults alone. Registers and units: bmstools 1.2.0 and dbus-serialbattery (lltjbd); the numbers
are ordinary ones, not any board's.
"""

from __future__ import annotations

from typing import Final

from packbench.wire.jbd import frames as jbd
from packbench_sim.parts import BmsReading

CAPACITY_MAX_AH: Final = 655.35
"""Sixteen bits of 10 mAh."""
_ZERO_CELSIUS: Final = 2731

_WORDS: Final = {
    0x12: 3600,  # mV at 100 %
    0x13: 2700,  # mV at 0 %
    0x14: 2,  # self-discharge, 0.1 %
    0x16: 1,  # serial number
    0x24: 3750,  # cell over-voltage, release, under-voltage, release: mV
    0x25: 3550,
    0x26: 2200,
    0x27: 2700,
    0x2A: 3400,  # balancing from this voltage on, and from this difference on: mV
    0x2B: 15,
    0x2C: 10,  # shunt, 0.1 mOhm
    0x2D: 0x000E,  # load detection, balancing, and only while charging
    0x2E: 0x0007,  # sensors fitted
    0x32: 3350,  # mV at 80, 60, 40, 20 %
    0x33: 3320,
    0x34: 3280,
    0x35: 3200,
    0x36: 3850,  # hardware over- and under-voltage: mV
    0x37: 2000,
    0x38: 0x0000,
    0x39: 0x0020,
    0x3A: 0x0202,  # delays, s: low byte over, high byte under
    0x3B: 0x0202,
    0x3C: 0x0202,
    0x3D: 0x0202,
    0x3E: 0x0520,
    0x3F: 0x0520,
}
_CELSIUS: Final = {0x18: 65, 0x19: 55, 0x1A: -5, 0x1B: 0, 0x1C: 75, 0x1D: 65, 0x1E: -20, 0x1F: -10}
"""Charge over, release, under, release; discharge the same."""
_PACK_FROM_CELL: Final = {0x20: 0x24, 0x21: 0x25, 0x22: 0x26, 0x23: 0x27}


def storable_ah(rated_ah: float) -> float:
    """A capacity that a register can hold."""
    return min(round(rated_ah, 2), CAPACITY_MAX_AH)


def factory_settings(
    reading: BmsReading, model: str, made: tuple[int, int, int], nominal_ah: float, cells: int
) -> dict[int, bytes]:
    """Every EEPROM register; those that nobody names are 0."""
    year, month, day = made
    words = dict.fromkeys(range(0x10, 0x47), 0) | _WORDS
    words |= {register: 10 * celsius + _ZERO_CELSIUS for register, celsius in _CELSIUS.items()}
    words |= {register: words[cell] * cells // 10 for register, cell in _PACK_FROM_CELL.items()}
    words |= {
        jbd.DESIGN_CAPACITY: round(nominal_ah * 100),
        0x11: round(nominal_ah * 80),
        0x15: year - 2000 << 9 | month << 5 | day,
        0x17: reading.cycles,
        jbd.CHARGE_OVER_CURRENT: _centi(reading.charge_limit_a),
        # A discharge is negative on this board, its limit too.
        jbd.DISCHARGE_OVER_CURRENT: -_centi(reading.discharge_limit_a) & 0xFFFF,
        0x2F: cells,
    }
    texts = dict(zip(jbd.TEXTS, ("DGJBD", model, "0000000000"), strict=True))
    return {
        **{register: word.to_bytes(2, "big") for register, word in words.items()},
        **{register: bytes((len(text),)) + text.encode("ascii") for register, text in texts.items()},
    }


def _centi(amperes: float) -> int:
    return min(round(amperes * 100), 0x7FFF)
