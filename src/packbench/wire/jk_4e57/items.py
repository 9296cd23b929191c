"""The items of JK's "4E57" protocol: one byte of code, then data whose length the code tells.

Owns the table of codes and the way between data and SI values. Must not know frames. The length of an
unknown code is unknown too: from there on the bytes are kept as they are, and what came before counts.
Raw numbers are kept beside the values, because one value can have two codings (+0 and -0 A).

Source: the vendor's table as translated in syssi/esphome-jk-bms docs/protocol-design-uart-ttl-gps-port.md.
What it leaves open is in `JkConventions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

from packbench.core.errors import BadReply

Kind = Literal["number", "signed", "text", "bits", "cells", "temperature", "current"]
Raw = int | bytes | tuple[tuple[int, int], ...]
"""A number, text, or (cell number, mV) pairs."""


@dataclass(frozen=True, slots=True)
class Item:
    """What a code stands for."""

    code: int
    name: str
    size: int
    """Bytes of data; 0: a length byte follows the code."""
    kind: Kind = "number"
    scale: float = 1
    writable: bool = True


def _table(*items: Item) -> dict[int, Item]:
    return {item.code: item for item in items}


CELLS: Final = 0x79
CURRENT: Final = 0x84
SOC: Final = 0x85
ALARM_BITS: Final = 0x8B
STATES: Final = 0x8C
CHARGE_SWITCH: Final = 0xAB
DISCHARGE_SWITCH: Final = 0xAC
VERSION: Final = 0xC0

ITEMS: Final = _table(
    Item(CELLS, "cell_voltages_v", 0, "cells", 0.001, writable=False),
    Item(0x80, "mos_temperature_c", 2, "temperature", writable=False),
    Item(0x81, "box_temperature_c", 2, "temperature", writable=False),
    Item(0x82, "battery_temperature_c", 2, "temperature", writable=False),
    Item(0x83, "voltage_v", 2, scale=0.01, writable=False),
    Item(CURRENT, "current_a", 2, "current", 0.01, writable=False),
    Item(SOC, "soc", 1, scale=0.01, writable=False),
    Item(0x86, "sensor_count", 1, writable=False),
    Item(0x87, "cycles", 2, writable=False),
    Item(0x89, "cycle_ah", 4, scale=1.0, writable=False),
    Item(0x8A, "cell_count", 2, writable=False),
    Item(ALARM_BITS, "alarms", 2, "bits", writable=False),
    Item(STATES, "states", 2, "bits", writable=False),
    Item(0x8E, "pack_over_voltage_v", 2, scale=0.01),
    Item(0x8F, "pack_under_voltage_v", 2, scale=0.01),
    Item(0x90, "cell_over_voltage_v", 2, scale=0.001),
    Item(0x91, "cell_over_voltage_release_v", 2, scale=0.001),
    Item(0x92, "cell_over_voltage_delay_s", 2),
    Item(0x93, "cell_under_voltage_v", 2, scale=0.001),
    Item(0x94, "cell_under_voltage_release_v", 2, scale=0.001),
    Item(0x95, "cell_under_voltage_delay_s", 2),
    Item(0x96, "cell_spread_limit_v", 2, scale=0.001),
    Item(0x97, "discharge_limit_a", 2, scale=1.0),
    Item(0x98, "discharge_over_current_delay_s", 2),
    Item(0x99, "charge_limit_a", 2, scale=1.0),
    Item(0x9A, "charge_over_current_delay_s", 2),
    Item(0x9B, "balance_start_v", 2, scale=0.001),
    Item(0x9C, "balance_spread_v", 2, scale=0.001),
    Item(0x9D, "balance_switch", 1),
    Item(0x9E, "mos_over_temperature_c", 2, scale=1.0),
    Item(0x9F, "mos_over_temperature_release_c", 2, scale=1.0),
    Item(0xA0, "box_over_temperature_c", 2, scale=1.0),
    Item(0xA1, "box_over_temperature_release_c", 2, scale=1.0),
    Item(0xA2, "temperature_spread_limit_k", 2, scale=1.0),
    Item(0xA3, "charge_over_temperature_c", 2, scale=1.0),
    Item(0xA4, "discharge_over_temperature_c", 2, scale=1.0),
    Item(0xA5, "charge_under_temperature_c", 2, "signed", 1.0),
    Item(0xA6, "charge_under_temperature_release_c", 2, "signed", 1.0),
    Item(0xA7, "discharge_under_temperature_c", 2, "signed", 1.0),
    Item(0xA8, "discharge_under_temperature_release_c", 2, "signed", 1.0),
    Item(0xA9, "cell_count_setting", 1),
    Item(0xAA, "nominal_ah", 4, scale=1.0),
    Item(CHARGE_SWITCH, "charge_switch", 1),
    Item(DISCHARGE_SWITCH, "discharge_switch", 1),
    Item(0xAD, "current_calibration_a", 2, scale=0.001),
    Item(0xAE, "board_address", 1),
    Item(0xAF, "chemistry", 1),
    Item(0xB0, "sleep_after_s", 2),
    Item(0xB1, "low_soc", 1, scale=0.01),
    Item(0xB2, "password", 10, "text"),
    Item(0xB3, "charger_switch", 1),
    Item(0xB4, "device_id", 8, "text"),
    Item(0xB5, "made", 4, "text"),
    Item(0xB6, "uptime_s", 4, scale=60),
    Item(0xB7, "firmware", 15, "text", writable=False),
    Item(0xB8, "calibrating", 1),
    Item(0xB9, "actual_ah", 4, scale=1.0),
    Item(0xBA, "maker", 24, "text"),
    Item(0xBB, "restart", 1),
    Item(0xBC, "factory_reset", 1),
    Item(0xBD, "upgrade", 1),
    Item(0xBE, "gps_off_v", 2, scale=0.001),
    Item(0xBF, "gps_on_v", 2, scale=0.001),
    Item(VERSION, "protocol_version", 1, writable=False),
)

ALARMS: Final = (
    "low_capacity",
    "mos_over_temperature",
    "charge_over_voltage",
    "discharge_under_voltage",
    "over_temperature",
    "charge_over_current",
    "discharge_over_current",
    "cell_spread",
    "box_over_temperature",
    "under_temperature",
    "cell_over_voltage",
    "cell_under_voltage",
    "protection_309_a",
    "protection_309_b",
)
"""Bits of item 8B, from bit 0. What the two "309" protections are, and which is A, is unsure."""

SENSOR_NAMES: Final = ("box_temperature_c", "battery_temperature_c")
"""The two sensors in the pack; the MOSFETs' own is not among `temperatures_c`."""

STATE_NAMES: Final = ("charging_allowed", "discharging_allowed", "balancing")
"""Bits of item 8C, from bit 0. Bit 3 is "battery dropped"; captures have it 0 on a healthy pack: left out."""


Temperature = Literal["101_is_minus_1", "100_is_minus_0", "100_is_minus_1"]
CurrentCoding = Literal["by_version", "sign_bit", "offset"]
TEMPERATURES: Final[tuple[Temperature, ...]] = ("101_is_minus_1", "100_is_minus_0", "100_is_minus_1")
CURRENTS: Final[tuple[CurrentCoding, ...]] = ("by_version", "sign_bit", "offset")


@dataclass(frozen=True, slots=True)
class JkConventions:
    """What sources disagree about."""

    temperature: Temperature = "101_is_minus_1"
    """Where readings turn negative. The vendor's table counts from 101, and 100 is +100 degC (default).
    Measured in an ice bath, 100 was -0 degC (Louisvdw/dbus-serialbattery#354). esphome-jk-bms and
    Louisvdw/dbus-serialbattery#339 have 100 for -1 degC, so that all others are one lower too."""
    current: CurrentCoding = "by_version"
    """How item 84 is coded. The vendor's table: version 1 (item C0) has a sign bit, 1 for charging; before, it
    was 10000 minus the raw number. "by_version" follows the frame; the others are for firmware that does not."""

    def celsius(self, raw: int) -> float:
        """A temperature reading, in degC."""
        if self.temperature == "100_is_minus_1":
            return float(raw if raw < 100 else 99 - raw)
        first = 101 if self.temperature == "101_is_minus_1" else 100
        return float(raw if raw < first else 100 - raw)

    def temperature_raw(self, celsius: float) -> int:
        """The reading for -40 to 99 degC, rounded to 1 K."""
        whole = round(celsius)
        return whole if whole >= 0 else (99 if self.temperature == "100_is_minus_1" else 100) - whole

    def has_sign_bit(self, version: int) -> bool:
        """Whether item 84 of a table of that version has a sign bit."""
        return self.current == "sign_bit" or (self.current == "by_version" and version >= 1)

    def amperes(self, raw: int, version: int) -> float:
        """Item 84, in A; positive charges."""
        if self.has_sign_bit(version):
            return (raw & 0x7FFF) / 100 * (1 if raw & 0x8000 else -1)
        return (10000 - raw) / 100

    def current_raw(self, amperes: float, version: int) -> int:
        """The reading of a current. Raises ValueError for one that item 84 cannot hold."""
        centi = round(amperes * 100)
        raw = (abs(centi) | (centi > 0) << 15) if self.has_sign_bit(version) else 10000 - centi
        if not 0 <= raw <= 0xFFFF or (abs(centi) > 0x7FFF and self.has_sign_bit(version)):
            raise ValueError(f"item 84 cannot hold {amperes} A")
        return raw


@dataclass(frozen=True, slots=True)
class JkTable:
    """Items in the order in which they came."""

    items: tuple[tuple[int, Raw], ...]
    """Code and raw content."""
    rest: bytes = b""
    """From the first unknown code to the end."""

    def raw(self, code: int) -> Raw | None:
        """Content of an item; None when it is not there."""
        return next((raw for known, raw in self.items if known == code), None)

    def number(self, code: int) -> int | None:
        """Content of an item that is a number; None when it is not there."""
        raw = self.raw(code)
        return raw if isinstance(raw, int) else None

    def values(self, conventions: JkConventions | None = None) -> dict[str, Any]:
        """By name, in SI units. Positive current charges; states are booleans of their own."""
        conventions = conventions or JkConventions()
        version = self.number(VERSION) or 0
        values: dict[str, Any] = {}
        for code, raw in self.items:
            item = ITEMS[code]
            if isinstance(raw, bytes):
                values[item.name] = raw.rstrip(b"\0").decode("latin-1")
            elif isinstance(raw, tuple):
                values[item.name] = tuple(millivolts / 1000 for _, millivolts in raw)
            elif code == ALARM_BITS:
                values["alarms"] = alarm_names(raw)
            elif code == STATES:
                values |= {name: bool(raw >> bit & 1) for bit, name in enumerate(STATE_NAMES)}
            elif item.kind == "temperature":
                values[item.name] = conventions.celsius(raw)
            elif item.kind == "current":
                values[item.name] = conventions.amperes(raw, version)
            else:
                values[item.name] = _scaled(raw, item.scale)
        sensors = tuple(values[name] for name in SENSOR_NAMES if name in values)
        return {**values, "temperatures_c": sensors} if sensors else values

    def encode(self) -> bytes:
        """The bytes it was decoded from. Raises ValueError for what an item cannot hold."""
        return b"".join(encode_item(code, raw) for code, raw in self.items) + self.rest


def _scaled(raw: int, scale: float) -> float:
    """Divides where the scale is a decimal fraction: 4.098, not 4.0980000000000003. A whole one keeps counts whole."""
    return raw / round(1 / scale) if scale < 1 else raw * scale


def alarm_names(bits: int) -> tuple[str, ...]:
    """Names of the alarm bits that are set; those without a name come as alarms_bit_N."""
    return tuple(
        ALARMS[bit] if bit < len(ALARMS) else f"alarms_bit_{bit}" for bit in range(bits.bit_length()) if bits >> bit & 1
    )


def alarm_bits(names: tuple[str, ...]) -> int:
    """The alarm bits of some names; a name that this board does not have is left out."""
    return sum(1 << ALARMS.index(name) for name in set(names) if name in ALARMS)


def encode_item(code: int, raw: Raw) -> bytes:
    """Code and data of one item. Raises ValueError for what it cannot hold."""
    item = ITEMS[code]
    head = bytes((code,))
    try:
        if isinstance(raw, tuple):
            data = b"".join(number.to_bytes(1, "big") + millivolts.to_bytes(2, "big") for number, millivolts in raw)
            return head + len(data).to_bytes(1, "big") + data
        if isinstance(raw, int):
            return head + raw.to_bytes(item.size, "big", signed=item.kind == "signed")
    except OverflowError as exc:
        raise ValueError(f"item {code:02X} cannot hold {raw!r}") from exc
    if len(raw) > item.size:
        raise ValueError(f"item {code:02X} holds {item.size} bytes, not {len(raw)}")
    return head + raw.ljust(item.size, b"\0")


def decode_table(data: bytes) -> JkTable:
    """Items up to the first unknown code. Raises BadReply for a known one that is cut short."""
    items: list[tuple[int, Raw]] = []
    pos = 0
    while pos < len(data):
        item = ITEMS.get(data[pos])
        if item is None:
            break
        start = pos + 1 + (item.size == 0)
        size = item.size or (data[pos + 1] if pos + 1 < len(data) else 1)
        content = data[start : start + size]
        if len(content) != size or (item.kind == "cells" and size % 3):
            raise BadReply(f"item {item.code:02X} with {len(content)} of {size} bytes")
        items.append((item.code, _decode_content(item, content)))
        pos = start + size
    return JkTable(tuple(items), data[pos:])


def _decode_content(item: Item, content: bytes) -> Raw:
    if item.kind == "cells":
        return tuple((content[at], content[at + 1] << 8 | content[at + 2]) for at in range(0, len(content), 3))
    if item.kind == "text":
        return content
    return int.from_bytes(content, "big", signed=item.kind == "signed")
