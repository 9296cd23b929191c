"""What a Seplos V2 BMS complains of: INFO of its reply to 44, both directions.

Owns the names of its alarm bits, in the words of `core.samples`: an "alarm" of the document is a `_warning`
here, a "protection" has the bare name. Bits that tell a state and nothing wrong (waiting to charge again, heating)
and the maker's "inside bits" are no alarms.

Source: SEPLOS BMS communication protocol V2.0 (2019-10-15), tables 11 to 13.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.wire.ydt1363.info import MAX_CELLS, MAX_SENSORS, Cursor, state_names

CUSTOM: Final = 20
"""Bytes of bit alarms: events 1 to 6, switches, balancing, system, disconnected cells, events 7 and 8, reserve."""
_CUSTOM_USED: Final = 14
EVENTS: Final = (0, 1, 2, 3, 4, 5, 12, 13)
"""Where in them events 1 to 8 stand."""
SWITCHES: Final = 6
BALANCING: Final = 7
SYSTEM: Final = 9
DISCONNECTED: Final = 10

DISCHARGE_SWITCH: Final = 0x01
CHARGE_SWITCH: Final = 0x02


def _pairs(*quantities: str) -> dict[int, str]:
    """Warning and protection of each quantity, from bit 0 on."""
    return {
        2 * place + kind: quantity + ("", "_warning")[kind == 0]
        for place, quantity in enumerate(quantities)
        for kind in (0, 1)
    }


EVENT_NAMES: Final[tuple[Mapping[int, str], ...]] = tuple(
    MappingProxyType(names)
    for names in (
        {
            0: "voltage_sensor_fault",
            1: "temperature_sensor_fault",
            2: "current_sensor_fault",
            3: "key_switch_fault",
            4: "cell_spread",
            5: "charge_fet_fault",
            6: "discharge_fet_fault",
            7: "current_limiter_fault",
        },
        _pairs("cell_over_voltage", "cell_under_voltage", "pack_over_voltage", "pack_under_voltage"),
        _pairs(
            "charge_over_temperature",
            "charge_under_temperature",
            "discharge_over_temperature",
            "discharge_under_temperature",
        ),
        {
            **_pairs("environment_over_temperature", "environment_under_temperature"),
            4: "mos_over_temperature",
            5: "mos_over_temperature_warning",
        },
        {
            **_pairs("charge_over_current", "discharge_over_current"),
            4: "transient_over_current",
            5: "short_circuit",
            6: "transient_over_current_lockout",
            7: "short_circuit_lockout",
        },
        {
            0: "charge_over_voltage",
            2: "low_capacity_warning",
            3: "low_capacity",
            4: "cell_too_low_to_charge",
            5: "reverse_polarity",
            6: "output_connection_fault",
        },
        {},
        {
            0: "memory_fault",
            1: "clock_fault",
            2: "voltage_not_calibrated",
            3: "current_not_calibrated",
            4: "zero_not_calibrated",
        },
    )
)
"""Of events 1 to 8, by bit."""


@dataclass(frozen=True, slots=True)
class Alarms:
    """Answer to 44."""

    flag: int
    group: int
    cell_states: tuple[int, ...]
    temperature_states: tuple[int, ...]
    current_state: int
    voltage_state: int
    custom: bytes
    """See `CUSTOM`."""

    @property
    def names(self) -> tuple[str, ...]:
        """What is wrong, each name once: protections and warnings by bit, then what only alarm bytes say."""
        found: list[str] = []
        for place, names in zip(EVENTS, EVENT_NAMES, strict=True):
            found += [name for bit, name in names.items() if self.custom[place] >> bit & 1]
        if any(self.custom[DISCONNECTED : DISCONNECTED + 2]):
            found.append("cell_disconnected")
        found += state_names(
            self.cell_states, "cell_under_voltage_warning", "cell_over_voltage_warning", "cell_warning"
        )
        found += state_names(
            self.temperature_states, "under_temperature_warning", "over_temperature_warning", "temperature_warning"
        )
        found += state_names(
            (self.current_state,), "discharge_over_current_warning", "charge_over_current_warning", "current_warning"
        )
        found += state_names(
            (self.voltage_state,), "pack_under_voltage_warning", "pack_over_voltage_warning", "pack_voltage_warning"
        )
        return tuple(dict.fromkeys(found))

    @property
    def charging_allowed(self) -> bool:
        """The charge switch is on."""
        return bool(self.custom[SWITCHES] & CHARGE_SWITCH)

    @property
    def discharging_allowed(self) -> bool:
        """The discharge switch is on."""
        return bool(self.custom[SWITCHES] & DISCHARGE_SWITCH)

    @property
    def balancing(self) -> bool:
        """Any cell is being balanced."""
        return any(self.custom[BALANCING : BALANCING + 2])

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        switches, system = self.custom[SWITCHES], self.custom[SYSTEM]
        return {
            "alarms": self.names,
            "charging_allowed": self.charging_allowed,
            "discharging_allowed": self.discharging_allowed,
            "balancing": self.balancing,
            "current_limiting": bool(switches & 0x04),
            "heating": bool(switches & 0x08),
            "discharging": bool(system & 0x01),
            "charging": bool(system & 0x02),
            "floating": bool(system & 0x04),
            "standby": bool(system & 0x10),
            "shut_down": bool(system & 0x20),
        }

    def encode(self) -> bytes:
        """See `Message`."""
        return b"".join(
            (
                bytes((self.flag, self.group, len(self.cell_states), *self.cell_states)),
                bytes((len(self.temperature_states), *self.temperature_states)),
                bytes((self.current_state, self.voltage_state, len(self.custom))),
                self.custom,
            )
        )


def decode_alarms(info: bytes) -> Alarms:
    """INFO of an answer to 44. Raises BadReply."""
    cursor = Cursor(info, "alarms")
    flag, group = cursor.unsigned(1), cursor.unsigned(1)
    cells = cursor.states(cursor.count(MAX_CELLS))
    sensors = cursor.states(cursor.count(MAX_SENSORS))
    current, voltage = cursor.states(2)
    custom = cursor.take(cursor.unsigned(1))
    if len(custom) < _CUSTOM_USED:
        raise BadReply(f"alarms: {len(custom)} bytes of events, at least {_CUSTOM_USED} are known")
    cursor.end()
    return Alarms(flag, group, cells, sensors, current, voltage, custom)
