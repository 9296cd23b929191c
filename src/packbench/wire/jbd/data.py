"""What a JBD board's registers say, and the same bytes made again.

Owns the payloads of the read registers. Must not know frames. SI units; positive current charges, as on the
wire. Each message is the exact inverse of its decoder.

Sources: JBD General Protocol V4; syssi/esphome-jbd-bms docs/pdus; bmstools 1.2.0 (order of the error counters).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final, Protocol

from packbench.core.errors import BadReply

ALARMS: Final = (
    "cell_over_voltage",
    "cell_under_voltage",
    "pack_over_voltage",
    "pack_under_voltage",
    "charge_over_temperature",
    "charge_under_temperature",
    "discharge_over_temperature",
    "discharge_under_temperature",
    "charge_over_current",
    "discharge_over_current",
    "short_circuit",
    "front_end",
    "mos_software_lock",
    "charge_timeout",
)
"""Protection bits, from bit 0. Bits above have no name in any source."""

COUNTERS: Final = (
    "short_circuit",
    "charge_over_current",
    "discharge_over_current",
    "cell_over_voltage",
    "cell_under_voltage",
    "charge_over_temperature",
    "charge_under_temperature",
    "discharge_over_temperature",
    "discharge_under_temperature",
    "pack_over_voltage",
    "pack_under_voltage",
)

_HEAD: Final = struct.Struct(">HhHHHHHHHBBBBB")
_EXTENSION: Final = struct.Struct(">BHHHH")
_ZERO_CELSIUS: Final = 2731
CHARGE_FET: Final = 1
DISCHARGE_FET: Final = 2


class Explainable(Protocol):
    """A decoded payload."""

    def values(self) -> dict[str, Any]:
        """By name, in SI units."""
        ...

    def encode(self) -> bytes:
        """The payload it was decoded from."""
        ...


def alarm_names(bits: int) -> tuple[str, ...]:
    """Names of the protection bits that are set; those without a name come as alarms_bit_N."""
    return tuple(
        ALARMS[bit] if bit < len(ALARMS) else f"alarms_bit_{bit}" for bit in range(bits.bit_length()) if bits >> bit & 1
    )


def alarm_bits(names: tuple[str, ...]) -> int:
    """The protection bits of some names; a name that this board does not have is left out."""
    return sum(1 << ALARMS.index(name) for name in set(names) if name in ALARMS)


@dataclass(frozen=True, slots=True)
class Extension:
    """What newer firmware appends to the basic information (9 bytes).

    Not to be believed without a look: on the captured boards the two capacities repeat those of the basic
    information (JBD-DP04S007L4S100A-BLE.txt), and the unit of the balance current is unsure (10 mA here).
    """

    humidity_percent: int
    alarms: int
    """Bits without names in any source."""
    full_ah: float
    remaining_ah: float
    balance_current_a: float


@dataclass(frozen=True, slots=True)
class Basic:
    """Register 03."""

    voltage_v: float
    current_a: float
    remaining_ah: float
    nominal_ah: float
    cycles: int
    made: tuple[int, int, int]
    """Year, month, day as the board has them; 2000, 0, 0 when never set."""
    balancing: int
    """Bit n: cell n + 1 is being balanced."""
    protection: int
    """Bits of ALARMS."""
    version: int
    """Firmware: 0x27 is 2.7."""
    soc_percent: int
    fets: int
    """Bit 0: charge MOSFET on, bit 1: discharge MOSFET on."""
    cell_count: int
    temperatures_c: tuple[float, ...]
    extension: Extension | None = None

    def values(self) -> dict[str, Any]:
        """By name, in SI units."""
        year, month, day = self.made
        values: dict[str, Any] = {
            "voltage_v": self.voltage_v,
            "current_a": self.current_a,
            "remaining_ah": self.remaining_ah,
            "nominal_ah": self.nominal_ah,
            "cycles": self.cycles,
            "made": f"{year:04}-{month:02}-{day:02}",
            "balancing": self.balancing != 0,
            "alarms": alarm_names(self.protection),
            "firmware": f"{self.version >> 4}.{self.version & 15}",
            "soc": self.soc_percent / 100,
            "charging_allowed": bool(self.fets & CHARGE_FET),
            "discharging_allowed": bool(self.fets & DISCHARGE_FET),
            "cell_count": self.cell_count,
            "temperatures_c": self.temperatures_c,
        }
        if self.extension is not None:
            values |= {
                "humidity_percent": self.extension.humidity_percent,
                "full_ah": self.extension.full_ah,
                "remaining_again_ah": self.extension.remaining_ah,
                "balance_current_a": self.extension.balance_current_a,
            }
        return values

    def encode(self) -> bytes:
        """The payload. Raises ValueError for a value that its field cannot hold."""
        year, month, day = self.made
        try:
            head = _HEAD.pack(
                round(self.voltage_v * 100),
                round(self.current_a * 100),
                round(self.remaining_ah * 100),
                round(self.nominal_ah * 100),
                self.cycles,
                year - 2000 << 9 | month << 5 | day,
                self.balancing & 0xFFFF,
                self.balancing >> 16,
                self.protection,
                self.version,
                self.soc_percent,
                self.fets,
                self.cell_count,
                len(self.temperatures_c),
            )
            more = [round(value * 10) + _ZERO_CELSIUS for value in self.temperatures_c]
            return head + struct.pack(f">{len(more)}H", *more) + _encode_extension(self.extension)
        except struct.error as exc:
            raise ValueError(f"no basic information can hold {self}") from exc


def _encode_extension(extension: Extension | None) -> bytes:
    if extension is None:
        return b""
    return _EXTENSION.pack(
        extension.humidity_percent,
        extension.alarms,
        round(extension.full_ah * 100),
        round(extension.remaining_ah * 100),
        round(extension.balance_current_a * 100),
    )


def decode_basic(data: bytes) -> Basic:
    """Register 03. Raises BadReply for a length that its own count of sensors does not explain."""
    if len(data) < _HEAD.size:
        raise BadReply(f"basic information of {len(data)} bytes, expected at least {_HEAD.size}")
    head = _HEAD.unpack_from(data)
    end = _HEAD.size + 2 * head[-1]
    if len(data) not in (end, end + _EXTENSION.size):
        raise BadReply(f"basic information of {len(data)} bytes with {head[-1]} temperature sensors")
    extension = None
    if len(data) > end:
        humidity, alarms, full, remaining, balance = _EXTENSION.unpack_from(data, end)
        extension = Extension(humidity, alarms, full / 100, remaining / 100, balance / 100)
    return Basic(
        voltage_v=head[0] / 100,
        current_a=head[1] / 100,
        remaining_ah=head[2] / 100,
        nominal_ah=head[3] / 100,
        cycles=head[4],
        made=(2000 + (head[5] >> 9), head[5] >> 5 & 15, head[5] & 31),
        balancing=head[6] | head[7] << 16,
        protection=head[8],
        version=head[9],
        soc_percent=head[10],
        fets=head[11],
        cell_count=head[12],
        temperatures_c=tuple(
            (raw - _ZERO_CELSIUS) / 10 for raw in struct.unpack_from(f">{head[-1]}H", data, _HEAD.size)
        ),
        extension=extension,
    )


@dataclass(frozen=True, slots=True)
class Cells:
    """Register 04."""

    voltages_v: tuple[float, ...]

    def values(self) -> dict[str, Any]:
        """By name, in SI units."""
        return {"cell_voltages_v": self.voltages_v}

    def encode(self) -> bytes:
        """The payload. Raises ValueError for a voltage below 0 V or above 65.535 V."""
        try:
            return struct.pack(f">{len(self.voltages_v)}H", *(round(value * 1000) for value in self.voltages_v))
        except struct.error as exc:
            raise ValueError(f"no cell register can hold {self.voltages_v}") from exc


def decode_cells(data: bytes) -> Cells:
    """Register 04. Raises BadReply unless it is 1 to 32 whole words."""
    if len(data) % 2 or not 2 <= len(data) <= 64:
        raise BadReply(f"{len(data)} bytes of cell voltages")
    return Cells(tuple(raw / 1000 for raw in struct.unpack(f">{len(data) // 2}H", data)))


@dataclass(frozen=True, slots=True)
class Model:
    """Register 05."""

    model: str
    """One character a byte."""

    def values(self) -> dict[str, Any]:
        """By name, in SI units."""
        return {"model": self.model}

    def encode(self) -> bytes:
        """The payload."""
        return self.model.encode("latin-1")


def decode_model(data: bytes) -> Model:
    """Register 05. Raises BadReply for bytes that no name consists of."""
    if not data or any(byte < 0x20 for byte in data.rstrip(b"\0")):
        raise BadReply(f"no model name: {data[:32].hex()}")
    return Model(data.decode("latin-1"))


@dataclass(frozen=True, slots=True)
class Counts:
    """Register AA: how often each protection has acted."""

    counts: tuple[int, ...]
    """In the order of COUNTERS; some firmware sends one more, which no source names."""

    def values(self) -> dict[str, Any]:
        """By name, in SI units."""
        return {"error_counts": dict(zip(COUNTERS, self.counts, strict=False))}

    def encode(self) -> bytes:
        """The payload."""
        return struct.pack(f">{len(self.counts)}H", *self.counts)


def decode_counts(data: bytes) -> Counts:
    """Register AA. Raises BadReply unless it is 11 or 12 words."""
    if len(data) not in (22, 24):
        raise BadReply(f"{len(data)} bytes of error counters")
    return Counts(struct.unpack(f">{len(data) // 2}H", data))


@dataclass(frozen=True, slots=True)
class Raw:
    """Any other register: the bytes, and the number where it is one word."""

    data: bytes

    def values(self) -> dict[str, Any]:
        """By name, in SI units."""
        if len(self.data) == 2:
            return {"raw": self.data[0] << 8 | self.data[1]}
        return {"data": self.data.hex()}

    def encode(self) -> bytes:
        """The payload."""
        return self.data


def decode_word(data: bytes) -> Raw:
    """Any other register; never refuses."""
    return Raw(data)
