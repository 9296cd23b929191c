"""What Pylontech packs are and allow: INFO of the V3.3 replies to 47, 51, 92, 93 and 96, both directions.

Owns a dataclass a message, in SI units. What they measure stands in `pylontech_data`, framing and commands in
`pylontech`.

Sources: PYLON low voltage RS485 protocol V3.3 (2018-08-21); captures of US2000C, US5000 and UP2500
(Frankkkkk/python-pylontech issues 10 and 31, pull request 20, tests/test_basic.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from packbench.core.errors import BadReply
from packbench.wire.ydt1363.info import Cursor, kelvin, scaled, signed, text

# ------------------------------------------------------------------ 92 charge management


@dataclass(frozen=True, slots=True)
class Management:
    """Answer to 92: what the pack allows right now."""

    command: int
    charge_voltage_v: float
    discharge_voltage_v: float
    charge_current_a: float
    discharge_current_a: float
    """Negative, as on the wire: positive charges."""
    status: int
    """Bits: 7 charging and 6 discharging allowed, 5 and 4 charge at once (below about 9 and 13 %), 3 a full charge
    is wanted."""

    @property
    def charging_allowed(self) -> bool:
        """Bit 7."""
        return bool(self.status & 0x80)

    @property
    def discharging_allowed(self) -> bool:
        """Bit 6."""
        return bool(self.status & 0x40)

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {
            "charge_voltage_limit_v": self.charge_voltage_v,
            "discharge_voltage_limit_v": self.discharge_voltage_v,
            "charge_limit_a": abs(self.charge_current_a),
            "discharge_limit_a": abs(self.discharge_current_a),
            "charging_allowed": self.charging_allowed,
            "discharging_allowed": self.discharging_allowed,
            "charge_at_once": bool(self.status & 0x30),
            "full_charge_wanted": bool(self.status & 0x08),
        }

    def encode(self) -> bytes:
        """See `Message`."""
        return (
            bytes((self.command,))
            + scaled(self.charge_voltage_v, 1000)
            + scaled(self.discharge_voltage_v, 1000)
            + signed(self.charge_current_a, 10)
            + signed(self.discharge_current_a, 10)
            + bytes((self.status,))
        )


def decode_management(info: bytes) -> Management:
    """INFO of an answer to 92. Raises BadReply."""
    cursor = Cursor(info, "charge management")
    found = Management(
        cursor.unsigned(1),
        cursor.scaled(1000),
        cursor.scaled(1000),
        cursor.signed(10),
        cursor.signed(10),
        cursor.unsigned(1),
    )
    cursor.end()
    return found


# ------------------------------------------------------------------------- who it is


@dataclass(frozen=True, slots=True)
class Serial:
    """Answer to 93."""

    command: int
    raw: bytes
    """16 characters."""

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {"serial": text(self.raw)}

    def encode(self) -> bytes:
        """See `Message`."""
        return bytes((self.command,)) + self.raw


def decode_serial(info: bytes) -> Serial:
    """INFO of an answer to 93. Raises BadReply."""
    cursor = Cursor(info, "serial number")
    found = Serial(cursor.unsigned(1), cursor.take(16))
    cursor.end()
    return found


@dataclass(frozen=True, slots=True)
class Firmware:
    """Answer to 96."""

    command: int
    manufacture: tuple[int, int]
    mainline: tuple[int, int, int]

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {"firmware": ".".join(map(str, self.mainline)), "manufacture": ".".join(map(str, self.manufacture))}

    def encode(self) -> bytes:
        """See `Message`."""
        return bytes((self.command, *self.manufacture, *self.mainline))


def decode_firmware(info: bytes) -> Firmware:
    """INFO of an answer to 96. Raises BadReply."""
    if len(info) != 6:
        raise BadReply(f"firmware: {len(info)} bytes, expected 6")
    return Firmware(info[0], (info[1], info[2]), (info[3], info[4], info[5]))


@dataclass(frozen=True, slots=True)
class Manufacturer:
    """Answer to 51."""

    name_raw: bytes
    """10 characters."""
    version: tuple[int, int]
    maker_raw: bytes
    """20 characters."""

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {
            "model": text(self.name_raw),
            "software": ".".join(map(str, self.version)),
            "manufacturer": text(self.maker_raw),
        }

    def encode(self) -> bytes:
        """See `Message`."""
        return self.name_raw + bytes(self.version) + self.maker_raw


def decode_manufacturer(info: bytes) -> Manufacturer:
    """INFO of an answer to 51; its characters must be such, for an alarm reply can be as long. Raises BadReply."""
    cursor = Cursor(info, "manufacturer")
    name, one, two, maker = cursor.take(10), cursor.unsigned(1), cursor.unsigned(1), cursor.take(20)
    cursor.end()
    if any(character and not 0x20 <= character < 0x7F for character in name + maker):
        raise BadReply("manufacturer: not characters")
    return Manufacturer(name, (one, two), maker)


# ---------------------------------------------------------------- 47 system parameters


@dataclass(frozen=True, slots=True)
class SystemParameters:
    """Answer to 47: where the pack warns and protects itself."""

    info_flag: int
    cell_high_v: float
    cell_low_v: float
    cell_under_v: float
    charge_high_c: float
    charge_low_c: float
    charge_current_a: float
    module_high_v: float
    module_low_v: float
    module_under_v: float
    discharge_high_c: float
    discharge_low_c: float
    discharge_current_a: float
    """Negative, as on the wire."""

    def values(self) -> dict[str, Any]:
        """See `Message`."""
        return {
            "cell_voltage_high_v": self.cell_high_v,
            "cell_voltage_low_v": self.cell_low_v,
            "cell_voltage_under_v": self.cell_under_v,
            "charge_temperature_high_c": self.charge_high_c,
            "charge_temperature_low_c": self.charge_low_c,
            "charge_current_max_a": abs(self.charge_current_a),
            "voltage_high_v": self.module_high_v,
            "voltage_low_v": self.module_low_v,
            "voltage_under_v": self.module_under_v,
            "discharge_temperature_high_c": self.discharge_high_c,
            "discharge_temperature_low_c": self.discharge_low_c,
            "discharge_current_max_a": abs(self.discharge_current_a),
        }

    def encode(self) -> bytes:
        """See `Message`."""
        return b"".join(
            (
                bytes((self.info_flag,)),
                *(scaled(value, 1000) for value in (self.cell_high_v, self.cell_low_v, self.cell_under_v)),
                *(kelvin(value) for value in (self.charge_high_c, self.charge_low_c)),
                signed(self.charge_current_a, 10),
                *(scaled(value, 1000) for value in (self.module_high_v, self.module_low_v, self.module_under_v)),
                *(kelvin(value) for value in (self.discharge_high_c, self.discharge_low_c)),
                signed(self.discharge_current_a, 10),
            )
        )


def _limits(cursor: Cursor) -> tuple[float, float, float, float, float, float]:
    """Three voltages, two temperatures and a current: of cells and charging, then of the module and discharging."""
    high_v, low_v, under_v = (cursor.scaled(1000) for _ in range(3))
    return high_v, low_v, under_v, cursor.celsius(), cursor.celsius(), cursor.signed(10)


def decode_system_parameters(info: bytes) -> SystemParameters:
    """INFO of an answer to 47. Raises BadReply.

    The document gives currents in 10 mA; packs answer in 100 mA (python-pylontech issue 31, checked on US5000).
    """
    cursor = Cursor(info, "system parameters")
    found = SystemParameters(cursor.unsigned(1), *_limits(cursor), *_limits(cursor))
    cursor.end()
    return found
