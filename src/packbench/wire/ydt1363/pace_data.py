"""What PACE packs measure and complain of: INFO of the replies to 42 and 44, both directions.

Owns a dataclass a message, in SI units, with the bytes that firmware appends to the documented ones kept as
they are: 10 or 14 have been seen behind the measured values, one behind the alarms.

Temperatures are read as the other documents of this line read them, minus 273.1 K. Other clients subtract 273.0
(pace_bms_protocol_v25) and make negative currents one count too positive (pace.py): not repeated here.

Sources: dbus-serialbattery `bms/pace.py` (mr-manuel), nkinnan/esphome-pace-bms `pace_bms_protocol_v25.h` (bits,
captures) and its issues 22 and 57 (appended bytes).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

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

MAX_APPENDED: Final = 16
"""Appended bytes that are taken at most; an alarm reply must not pass for measured values."""
MAX_ALARMS_APPENDED: Final = 2


# ------------------------------------------------------------------------ 42 analog values


@dataclass(frozen=True, slots=True)
class PackAnalog:
    """Measured values of one pack."""

    cell_voltages_v: tuple[float, ...]
    temperatures_c: tuple[float, ...]
    """Four of cells, then the FETs and the surroundings."""
    current_a: float
    """Positive charges."""
    voltage_v: float
    remaining_ah: float
    user_items: int
    full_ah: float
    cycles: int
    rated_ah: float
    appended: bytes = b""

    @property
    def soc(self) -> float | None:
        """What remains of what the pack holds, 0..1."""
        return self.remaining_ah / self.full_ah if self.full_ah else None

    @property
    def soh(self) -> float | None:
        """0..1, where firmware appends 10 bytes or more: the tenth (inferred from the captures of issues 22 and 57)."""
        return self.appended[9] / 100 if len(self.appended) >= 10 else None

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        found: dict[str, Any] = {
            "cell_voltages_v": self.cell_voltages_v,
            "temperatures_c": self.temperatures_c,
            "current_a": self.current_a,
            "voltage_v": self.voltage_v,
            "remaining_ah": self.remaining_ah,
            "full_ah": self.full_ah,
            "cycles": self.cycles,
            "rated_ah": self.rated_ah,
        }
        if self.soc is not None:
            found["soc"] = self.soc
        if self.soh is not None:
            found["soh"] = self.soh
        return found

    def encode(self) -> bytes:
        """As in INFO, without the two bytes before it."""
        return b"".join(
            (
                bytes((len(self.cell_voltages_v),)),
                *(scaled(cell, 1000) for cell in self.cell_voltages_v),
                bytes((len(self.temperatures_c),)),
                *(kelvin(sensor) for sensor in self.temperatures_c),
                signed(self.current_a, 100),
                scaled(self.voltage_v, 1000),
                scaled(self.remaining_ah, 100),
                bytes((self.user_items,)),
                scaled(self.full_ah, 100),
                scaled(self.cycles, 1),
                scaled(self.rated_ah, 100),
                self.appended,
            )
        )


def _read_analog(cursor: Cursor, appended: int) -> PackAnalog:
    return PackAnalog(
        tuple(cursor.scaled(1000) for _ in range(cursor.count(MAX_CELLS))),
        tuple(cursor.celsius() for _ in range(cursor.count(MAX_SENSORS))),
        current_a=cursor.signed(100),
        voltage_v=cursor.scaled(1000),
        remaining_ah=cursor.scaled(100),
        user_items=cursor.unsigned(1),
        full_ah=cursor.scaled(100),
        cycles=cursor.unsigned(),
        rated_ah=cursor.scaled(100),
        appended=cursor.take(appended),
    )


def decode_analog(info: bytes) -> Packs[PackAnalog]:
    """INFO of an answer to 42. Raises BadReply."""
    return decode_packs(info, "analog values", _read_analog, MAX_APPENDED)


# --------------------------------------------------------------------------- 44 alarms

PROTECTION_1: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "cell_over_voltage",
        1: "cell_under_voltage",
        2: "pack_over_voltage",
        3: "pack_under_voltage",
        4: "charge_over_current",
        5: "discharge_over_current",
        6: "short_circuit",
    }
)
PROTECTION_2: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "charge_over_temperature",
        1: "discharge_over_temperature",
        2: "charge_under_temperature",
        3: "discharge_under_temperature",
        4: "mos_over_temperature",
        5: "environment_over_temperature",
        6: "environment_under_temperature",
    }
)
_FULLY_CHARGED: Final = 0x80
"""Bit 7 of protection 2: a state, no protection."""
FAULTS: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "charge_fet_fault",
        1: "discharge_fet_fault",
        2: "temperature_sensor_fault",
        4: "cell_fault",
        5: "voltage_sensor_fault",
    }
)
WARNING_1: Final[Mapping[int, str]] = MappingProxyType(
    {bit: f"{name}_warning" for bit, name in PROTECTION_1.items() if bit < 6}
)
WARNING_2: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "charge_over_temperature_warning",
        1: "discharge_over_temperature_warning",
        2: "charge_under_temperature_warning",
        3: "discharge_under_temperature_warning",
        4: "environment_over_temperature_warning",
        5: "environment_under_temperature_warning",
        6: "mos_over_temperature_warning",
        7: "low_capacity_warning",
    }
)
CHARGE_FET: Final = 0x02
DISCHARGE_FET: Final = 0x04
_REVERSED: Final = 0x10


@dataclass(frozen=True, slots=True)
class PackAlarms:
    """Alarm bytes (see `ydt1363_info.Cursor.states`) and states of one pack."""

    cell_states: tuple[int, ...]
    temperature_states: tuple[int, ...]
    charge_current_state: int
    voltage_state: int
    discharge_current_state: int
    protections: tuple[int, int]
    instruction: int
    """FETs, charging, discharging, polarity."""
    control: int
    fault: int
    balance: tuple[int, int]
    """A bit a cell that is being balanced. The sources disagree which of both bytes has cells 1 to 8."""
    warnings: tuple[int, int]
    appended: bytes = b""

    @property
    def names(self) -> tuple[str, ...]:
        """What is wrong, each name once."""
        one, two = self.protections
        found = bit_names(one, PROTECTION_1, "protection_1")
        found += bit_names(two & ~_FULLY_CHARGED, PROTECTION_2, "protection_2")
        if self.instruction & _REVERSED:
            found.append("reverse_polarity")
        found += bit_names(self.fault, FAULTS, "fault")
        found += bit_names(self.warnings[0], WARNING_1, "warning_1") + bit_names(
            self.warnings[1], WARNING_2, "warning_2"
        )
        found += state_names(
            self.cell_states, "cell_under_voltage_warning", "cell_over_voltage_warning", "cell_warning"
        )
        found += state_names(
            self.temperature_states, "under_temperature_warning", "over_temperature_warning", "temperature_warning"
        )
        found += state_names(
            (self.voltage_state,), "pack_under_voltage_warning", "pack_over_voltage_warning", "pack_voltage_warning"
        )
        for state, way in ((self.charge_current_state, "charge"), (self.discharge_current_state, "discharge")):
            other = f"{way}_current_warning"
            found += state_names((state,), other, f"{way}_over_current_warning", other)
        return tuple(dict.fromkeys(found))

    @property
    def charging_allowed(self) -> bool:
        """The charge FETs are on."""
        return bool(self.instruction & CHARGE_FET)

    @property
    def discharging_allowed(self) -> bool:
        """The discharge FETs are on."""
        return bool(self.instruction & DISCHARGE_FET)

    @property
    def balancing(self) -> bool:
        """Any cell is being balanced."""
        return any(self.balance)

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {
            "alarms": self.names,
            "charging_allowed": self.charging_allowed,
            "discharging_allowed": self.discharging_allowed,
            "balancing": self.balancing,
            "charging": bool(self.instruction & 0x20),
            "discharging": bool(self.instruction & 0x08),
            "fully_charged": bool(self.protections[1] & _FULLY_CHARGED),
        }

    def encode(self) -> bytes:
        """As in INFO, without the two bytes before it."""
        return b"".join(
            (
                bytes((len(self.cell_states), *self.cell_states)),
                bytes((len(self.temperature_states), *self.temperature_states)),
                bytes((self.charge_current_state, self.voltage_state, self.discharge_current_state)),
                bytes((*self.protections, self.instruction, self.control, self.fault)),
                bytes((*self.balance, *self.warnings)),
                self.appended,
            )
        )


def _read_alarms(cursor: Cursor, appended: int) -> PackAlarms:
    cells = cursor.states(cursor.count(MAX_CELLS))
    sensors = cursor.states(cursor.count(MAX_SENSORS))
    charge, voltage, discharge = cursor.states(3)
    one, two, instruction, control, fault, low, high, warning_1, warning_2 = cursor.take(9)
    return PackAlarms(
        *(cells, sensors, charge, voltage, discharge, (one, two), instruction, control, fault),
        balance=(low, high),
        warnings=(warning_1, warning_2),
        appended=cursor.take(appended),
    )


def decode_alarms(info: bytes) -> Packs[PackAlarms]:
    """INFO of an answer to 44. Raises BadReply."""
    return decode_packs(info, "alarms", _read_alarms, MAX_ALARMS_APPENDED)
