"""What Pylontech's low-voltage packs measure: INFO of the V3.3 replies to 42 and 44, both directions.

Owns a dataclass a message, in SI units, and the raw facts without which a captured reply would not come out
again. What a pack is and allows stands in `pylontech_facts`, framing and commands in `pylontech`.

Sources: PYLON low voltage RS485 protocol V3.3 (2018-08-21); captures of US2000C, US3000 and UP2500
(Frankkkkk/python-pylontech issue 2 and tests/test_basic.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.wire.ydt1363.info import (
    MAX_CELLS,
    MAX_SENSORS,
    Cursor,
    Packs,
    bit_names,
    decode_packs,
    kelvin,
    scaled,
    signed,
    state_names,
)

NARROW: Final = 2
WIDE: Final = 4
"""User defined items: total and cycles, or these and both capacities in 24 bits (packs above 65 Ah)."""
_ABSENT: Final = 0xFFFF
SWITCHES_CHANGED: Final = 0x10
ALARMS_CHANGED: Final = 0x01
"""INFOFLAG: changes that nobody has read yet."""


# ------------------------------------------------------------------------ 42 analog values


@dataclass(frozen=True, slots=True)
class PackAnalog:
    """Measured values of one pack."""

    cell_voltages_v: tuple[float, ...]
    temperatures_c: tuple[float, ...]
    """The board's average first, then one for each group of cells."""
    current_a: float
    """Positive charges."""
    voltage_v: float
    remaining_ah: float | None
    full_ah: float | None
    """None: beyond 65.534 Ah in a reply without the wide fields."""
    cycles: int
    user_items: int = NARROW
    short_mah: tuple[int, int] = (_ABSENT, _ABSENT)
    """What stands in the 16-bit capacities when the wide ones count; FFFF in every capture."""

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        found: dict[str, Any] = {
            "cell_voltages_v": self.cell_voltages_v,
            "temperatures_c": self.temperatures_c,
            "current_a": self.current_a,
            "voltage_v": self.voltage_v,
            "cycles": self.cycles,
        }
        if self.remaining_ah is not None:
            found["remaining_ah"] = self.remaining_ah
        if self.full_ah is not None:
            found["full_ah"] = self.full_ah
        if self.soc is not None:
            found["soc"] = self.soc
        return found

    @property
    def soc(self) -> float | None:
        """What remains of what the pack holds, 0..1; the protocol has no value of its own."""
        if self.remaining_ah is None or not self.full_ah:
            return None
        return self.remaining_ah / self.full_ah

    def encode(self) -> bytes:
        """As in INFO, without INFOFLAG and the byte after it."""
        wide = self.user_items == WIDE
        remaining, full = self.short_mah if wide else (_milli(self.remaining_ah), _milli(self.full_ah))
        return b"".join(
            (
                bytes((len(self.cell_voltages_v),)),
                *(scaled(cell, 1000) for cell in self.cell_voltages_v),
                bytes((len(self.temperatures_c),)),
                *(kelvin(sensor) for sensor in self.temperatures_c),
                signed(self.current_a, 10),
                scaled(self.voltage_v, 1000),
                scaled(remaining, 1),
                bytes((self.user_items,)),
                scaled(full, 1),
                scaled(self.cycles, 1),
                *(_milli(value).to_bytes(3, "big") for value in (self.remaining_ah, self.full_ah) if wide),
            )
        )


def _milli(amount_ah: float | None) -> int:
    return _ABSENT if amount_ah is None else round(1000 * amount_ah)


def _ampere_hours(raw_mah: int) -> float | None:
    return None if raw_mah == _ABSENT else raw_mah / 1000


def _read_analog(cursor: Cursor, _appended: int) -> PackAnalog:
    cells = tuple(cursor.scaled(1000) for _ in range(cursor.count(MAX_CELLS)))
    sensors = tuple(cursor.celsius() for _ in range(cursor.count(MAX_SENSORS)))
    current_a, voltage_v = cursor.signed(10), cursor.scaled(1000)
    remaining = cursor.unsigned()
    items = cursor.unsigned(1)
    full, cycles = cursor.unsigned(), cursor.unsigned()
    if items == NARROW:
        return PackAnalog(
            cells, sensors, current_a, voltage_v, _ampere_hours(remaining), _ampere_hours(full), cycles, items
        )
    if items != WIDE:
        raise BadReply(f"analog values with {items} user defined items: 2 or 4 are known")
    wide_ah = (cursor.scaled(1000, 3), cursor.scaled(1000, 3))
    return PackAnalog(cells, sensors, current_a, voltage_v, *wide_ah, cycles, items, (remaining, full))


def decode_analog(info: bytes) -> Packs[PackAnalog]:
    """INFO of an answer to 42. Raises BadReply."""
    return decode_packs(info, "analog values", _read_analog)


# --------------------------------------------------------------------------- 44 alarms

STATUS_1: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "pack_over_voltage",
        1: "cell_under_voltage",
        2: "charge_over_current",
        4: "discharge_over_current",
        5: "discharge_over_temperature",
        6: "charge_over_temperature",
        7: "pack_under_voltage",
    }
)
_STATE_NAMES: Final = (
    ("cell_under_voltage_warning", "cell_over_voltage_warning", "cell_warning"),
    ("under_temperature_warning", "over_temperature_warning", "temperature_warning"),
    ("charge_current_warning", "charge_over_current_warning", "charge_current_warning"),
    ("pack_under_voltage_warning", "pack_over_voltage_warning", "pack_voltage_warning"),
    ("discharge_current_warning", "discharge_over_current_warning", "discharge_current_warning"),
)
"""Below, above and other, of cells, temperatures, charge current, pack voltage and discharge current."""
CHARGE_FET: Final = 0x02
DISCHARGE_FET: Final = 0x04
_STATUS_BYTES: Final = 5


@dataclass(frozen=True, slots=True)
class PackAlarms:
    """Alarm bytes (see `ydt1363_info.Cursor.states`) and states of one pack."""

    cell_states: tuple[int, ...]
    temperature_states: tuple[int, ...]
    charge_current_state: int
    voltage_state: int
    discharge_current_state: int
    status: tuple[int, int, int, int, int]
    """Status 1 to 5: protections; power and FETs; charging, heater and full; cell errors, cell 1 in bit 0 of the
    fourth."""
    appended: bytes = b""
    """US2000C sends one byte more than V3.3 has."""

    @property
    def names(self) -> tuple[str, ...]:
        """What is wrong; alarm bytes warn, bits of status 1 are protections."""
        found = bit_names(self.status[0], STATUS_1, "status_1")
        if self.status[3] or self.status[4]:
            found.append("cell_fault")
        for state, (below, above, other) in zip(
            (
                self.cell_states,
                self.temperature_states,
                (self.charge_current_state,),
                (self.voltage_state,),
                (self.discharge_current_state,),
            ),
            _STATE_NAMES,
            strict=True,
        ):
            found += state_names(state, below, above, other)
        return tuple(found)

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        second, third = self.status[1], self.status[2]
        return {
            "alarms": self.names,
            "charge_fet": bool(second & CHARGE_FET),
            "discharge_fet": bool(second & DISCHARGE_FET),
            "module_power": bool(second & 0x08),
            "precharge_fet": bool(second & 0x01),
            "charging": bool(third & 0x80),
            "discharging": bool(third & 0x40),
            "heating": bool(third & 0x20),
            "fully_charged": bool(third & 0x08),
            "buzzer": bool(third & 0x01),
        }

    def encode(self) -> bytes:
        """As in INFO, without INFOFLAG and the byte after it."""
        return (
            bytes((len(self.cell_states), *self.cell_states, len(self.temperature_states), *self.temperature_states))
            + bytes((self.charge_current_state, self.voltage_state, self.discharge_current_state, *self.status))
            + self.appended
        )


def _read_alarms(cursor: Cursor, appended: int) -> PackAlarms:
    cells = cursor.states(cursor.count(MAX_CELLS))
    sensors = cursor.states(cursor.count(MAX_SENSORS))
    charge, voltage, discharge = cursor.states(3)
    one, two, three, four, five = cursor.take(_STATUS_BYTES)
    return PackAlarms(cells, sensors, charge, voltage, discharge, (one, two, three, four, five), cursor.take(appended))


def decode_alarms(info: bytes) -> Packs[PackAlarms]:
    """INFO of an answer to 44, as V3.3 has it or with US2000C's byte more. Raises BadReply."""
    return decode_packs(info, "alarms", _read_alarms, appended_most=1)
