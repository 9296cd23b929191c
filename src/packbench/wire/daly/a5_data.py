"""What the eight data bytes of a Daly A5 frame mean, both directions.

Owns the payloads of `wire/daly/a5.py`: SI values out, the same eight bytes back. Must not know frames,
addresses or how many frames make an answer. It exists because a board fills only the bytes a message
needs and leaves the rest as an earlier reply left them (capture: diysolarforum thread 21898, where
`01 f4` of the 0x90 reply stands at the end of the 0x91 reply): those bytes mean nothing, are kept as
`spare`, and come back as they were.

Sources: Daly UART/485 communication protocol V1.2 (0x90 to 0x98); python-daly-bms 0.5.0 (0xD9, 0xDA,
0x21); the captures of tests/data/frames. What they leave open is said where it applies.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct, error
from typing import Any, Final, Literal

from packbench.core.errors import BadReply

PAYLOAD_BYTES: Final = 8

RATED: Final = 0x50
PRODUCTION: Final = 0x53
CODE: Final = 0x57
PACK: Final = 0x90
CELL_RANGE: Final = 0x91
TEMPERATURE_RANGE: Final = 0x92
STATE: Final = 0x93
STATUS: Final = 0x94
CELLS: Final = 0x95
TEMPERATURES: Final = 0x96
BALANCING: Final = 0x97
FAULTS: Final = 0x98
SWITCH_DISCHARGE: Final = 0xD9
SWITCH_CHARGE: Final = 0xDA
SET_SOC: Final = 0x21
RESTART: Final = 0x00

CELLS_A_FRAME: Final = 3
SENSORS_A_FRAME: Final = 7
CODE_FRAMES: Final = 5

USED_BYTES: Final = {
    CELL_RANGE: 6,
    TEMPERATURE_RANGE: 4,
    STATUS: 7,
    CELLS: 7,
    BALANCING: 6,
    SWITCH_DISCHARGE: 1,
    SWITCH_CHARGE: 1,
    SET_SOC: 1,
    RESTART: 0,
}
"""How many bytes of its reply a command fills; the others keep what was there. Not listed: all eight."""

HigherRaw = Literal["discharge", "charge"]
"""What a raw current above 30000 means. The document and the A5 captures say discharge; boards of the
Modbus family are seen to mean charge, so it is an option and never a guess."""

IDLE: Final = 0
CHARGING: Final = 1
DISCHARGING: Final = 2
"""What a board of any Daly family says that it is doing."""

_CURRENT_ZERO: Final = 30000
_TEMPERATURE_ZERO: Final = 40


@dataclass(frozen=True, slots=True)
class Pack:
    """0x90: voltage, current, SOC."""

    voltage_v: float
    current_a: float
    """Positive charges."""
    soc: float
    gathered_voltage_v: float | None = None
    """The cells' sum as the measuring chips see it. Raw 0, as in every capture, is none."""


@dataclass(frozen=True, slots=True)
class CellRange:
    """0x91: the highest and the lowest cell; indices count from 1."""

    cell_max_v: float
    cell_max_index: int
    cell_min_v: float
    cell_min_index: int
    spare: bytes = bytes(2)


@dataclass(frozen=True, slots=True)
class TemperatureRange:
    """0x92: the hottest and the coldest sensor; indices count from 1."""

    temperature_max_c: float
    temperature_max_index: int
    temperature_min_c: float
    temperature_min_index: int
    spare: bytes = bytes(4)


@dataclass(frozen=True, slots=True)
class State:
    """0x93: what flows, what is switched on, what is left."""

    activity: int
    """`IDLE`, `CHARGING` or `DISCHARGING`."""
    charge_mos: int
    """0 off, 1 on."""
    discharge_mos: int
    """0 off, 1 on."""
    life: int
    """A counter of one byte; what makes it count is not documented."""
    remaining_ah: float


@dataclass(frozen=True, slots=True)
class Status:
    """0x94: how the board is fitted out."""

    cells: int
    sensors: int
    charger: int
    """1: a charger is connected."""
    load: int
    """1: a load is connected."""
    io_bits: int
    """DI1 to DI4, then DO1 to DO4, from bit 0 on."""
    cycles: int
    spare: bytes = bytes(1)


@dataclass(frozen=True, slots=True)
class CellsFrame:
    """0x95, one frame: three cells."""

    frame: int
    """Counts from 1: frame n holds cells 3n-2 to 3n."""
    cell_voltages_v: tuple[float, ...]
    """Three; a cell that is not fitted is 0 or left over."""
    spare: bytes = bytes(1)


@dataclass(frozen=True, slots=True)
class TemperaturesFrame:
    """0x96, one frame: seven sensors."""

    frame: int
    """Counts from 1: frame n holds sensors 7n-6 to 7n."""
    temperatures_c: tuple[float, ...]
    """Seven; a sensor that is not fitted is sent as raw 0, which reads as -40."""


@dataclass(frozen=True, slots=True)
class Balancing:
    """0x97: which cells are being balanced."""

    balancing_bits: int
    """48 bits; byte 0 is taken as cells 1 to 8, lowest bit first. Clients disagree on the order, so
    nothing but "any" is made of it."""
    spare: bytes = bytes(2)


@dataclass(frozen=True, slots=True)
class Rated:
    """0x50: rated capacity and nominal voltage of a cell."""

    rated_capacity_ah: float
    nominal_cell_v: float


@dataclass(frozen=True, slots=True)
class Production:
    """0x53: the date of production. Its place is from dbus-serialbattery's driver, no capture shows it."""

    year: int
    month: int
    day: int
    head: bytes = bytes(2)
    tail: bytes = bytes(3)


@dataclass(frozen=True, slots=True)
class CodeFrame:
    """0x57, one of five frames: seven characters of the battery's code."""

    frame: int
    """Counts from 1."""
    characters: bytes


@dataclass(frozen=True, slots=True)
class Switch:
    """0xD9 and 0xDA, request and reply: a MOS switched on or off."""

    on: int
    """1 on, 0 off; dalybms.com states the opposite, python-daly-bms and dbus-serialbattery this."""
    spare: bytes = bytes(7)


@dataclass(frozen=True, slots=True)
class SetSoc:
    """0x21, request: the SOC to go on from, and the clock. The reply's first byte is 1 when it was done."""

    soc: float
    clock: tuple[int, ...] = (0, 0, 0, 0, 0, 0)
    """Year from 2000, month, day, hour, minute, second; zeros are sent by python-daly-bms."""


_PACK: Final = Struct(">HHHH")
_CELL_RANGE: Final = Struct(">HBHB2s")
_TEMPERATURE_RANGE: Final = Struct(">BBBB4s")
_STATE: Final = Struct(">BBBBI")
_STATUS: Final = Struct(">BBBBBHc")
_CELLS: Final = Struct(">BHHHc")
_BYTES: Final = Struct(">8B")
_RATED: Final = Struct(">II")
_PRODUCTION: Final = Struct(">2sBBB3s")
_CODE: Final = Struct(">B7s")
_SET_SOC: Final = Struct(">6BH")


def _unpack(layout: Struct, payload: bytes) -> tuple[Any, ...]:
    if len(payload) != PAYLOAD_BYTES:
        raise BadReply(f"{len(payload)} data bytes in a Daly frame, expected {PAYLOAD_BYTES}")
    return layout.unpack(payload)


def _pack(layout: Struct, *values: int | bytes) -> bytes:
    try:
        return layout.pack(*values)
    except error as exc:
        raise ValueError(f"does not fit a Daly frame: {exc}") from exc


def decode_pack(payload: bytes, higher_raw: HigherRaw = "discharge") -> Pack:
    """0x90. Raises BadReply on a wrong length, as every decoder here."""
    voltage, gathered, current, soc = _unpack(_PACK, payload)
    above = current - _CURRENT_ZERO
    current_a = (-above if higher_raw == "discharge" else above) / 10
    return Pack(voltage / 10, current_a, soc / 1000, gathered / 10 if gathered else None)


def encode_pack(pack: Pack, higher_raw: HigherRaw = "discharge") -> bytes:
    """The inverse of `decode_pack`. Raises ValueError for what does not fit, as every encoder here."""
    current = _CURRENT_ZERO + round((-pack.current_a if higher_raw == "discharge" else pack.current_a) * 10)
    gathered = round((pack.gathered_voltage_v or 0.0) * 10)
    return _pack(_PACK, round(pack.voltage_v * 10), gathered, current, round(pack.soc * 1000))


def decode_cell_range(payload: bytes) -> CellRange:
    """0x91."""
    high, high_index, low, low_index, spare = _unpack(_CELL_RANGE, payload)
    return CellRange(high / 1000, high_index, low / 1000, low_index, spare)


def encode_cell_range(item: CellRange) -> bytes:
    """The inverse of `decode_cell_range`."""
    return _pack(
        _CELL_RANGE,
        round(item.cell_max_v * 1000),
        item.cell_max_index,
        round(item.cell_min_v * 1000),
        item.cell_min_index,
        item.spare,
    )


def decode_temperature_range(payload: bytes) -> TemperatureRange:
    """0x92."""
    high, high_index, low, low_index, spare = _unpack(_TEMPERATURE_RANGE, payload)
    return TemperatureRange(
        float(high - _TEMPERATURE_ZERO), high_index, float(low - _TEMPERATURE_ZERO), low_index, spare
    )


def encode_temperature_range(item: TemperatureRange) -> bytes:
    """The inverse of `decode_temperature_range`."""
    high, low = (round(value) + _TEMPERATURE_ZERO for value in (item.temperature_max_c, item.temperature_min_c))
    return _pack(_TEMPERATURE_RANGE, high, item.temperature_max_index, low, item.temperature_min_index, item.spare)


def decode_state(payload: bytes) -> State:
    """0x93."""
    activity, charge, discharge, life, remaining = _unpack(_STATE, payload)
    return State(activity, charge, discharge, life, remaining / 1000)


def encode_state(state: State) -> bytes:
    """The inverse of `decode_state`."""
    remaining = round(state.remaining_ah * 1000)
    return _pack(_STATE, state.activity, state.charge_mos, state.discharge_mos, state.life, remaining)


def decode_status(payload: bytes) -> Status:
    """0x94."""
    return Status(*_unpack(_STATUS, payload))


def encode_status(status: Status) -> bytes:
    """The inverse of `decode_status`."""
    fitted = (status.cells, status.sensors, status.charger, status.load, status.io_bits)
    return _pack(_STATUS, *fitted, status.cycles, status.spare)


def decode_cells_frame(payload: bytes) -> CellsFrame:
    """0x95."""
    number, *cells, spare = _unpack(_CELLS, payload)
    return CellsFrame(number, tuple(cell / 1000 for cell in cells), spare)


def encode_cells_frame(frame: CellsFrame) -> bytes:
    """The inverse of `decode_cells_frame`."""
    return _pack(_CELLS, frame.frame, *(round(cell * 1000) for cell in frame.cell_voltages_v), frame.spare)


def decode_temperatures_frame(payload: bytes) -> TemperaturesFrame:
    """0x96."""
    number, *sensors = _unpack(_BYTES, payload)
    return TemperaturesFrame(number, tuple(float(sensor - _TEMPERATURE_ZERO) for sensor in sensors))


def encode_temperatures_frame(frame: TemperaturesFrame) -> bytes:
    """The inverse of `decode_temperatures_frame`."""
    return _pack(_BYTES, frame.frame, *(round(sensor) + _TEMPERATURE_ZERO for sensor in frame.temperatures_c))


def decode_balancing(payload: bytes) -> Balancing:
    """0x97."""
    raw = bytes(_unpack(_BYTES, payload))
    return Balancing(int.from_bytes(raw[:6], "little"), raw[6:])


def encode_balancing(item: Balancing) -> bytes:
    """The inverse of `decode_balancing`."""
    return _pack(_BYTES, *item.balancing_bits.to_bytes(6, "little"), *item.spare)


def decode_rated(payload: bytes) -> Rated:
    """0x50."""
    capacity, nominal = _unpack(_RATED, payload)
    return Rated(capacity / 1000, nominal / 1000)


def encode_rated(rated: Rated) -> bytes:
    """The inverse of `decode_rated`."""
    return _pack(_RATED, round(rated.rated_capacity_ah * 1000), round(rated.nominal_cell_v * 1000))


def decode_production(payload: bytes) -> Production:
    """0x53."""
    head, year, month, day, tail = _unpack(_PRODUCTION, payload)
    return Production(2000 + year, month, day, head, tail)


def encode_production(item: Production) -> bytes:
    """The inverse of `decode_production`."""
    return _pack(_PRODUCTION, item.head, item.year - 2000, item.month, item.day, item.tail)


def decode_code_frame(payload: bytes) -> CodeFrame:
    """0x57."""
    return CodeFrame(*_unpack(_CODE, payload))


def encode_code_frame(frame: CodeFrame) -> bytes:
    """The inverse of `decode_code_frame`."""
    return _pack(_CODE, frame.frame, frame.characters)


def decode_switch(payload: bytes) -> Switch:
    """0xD9, 0xDA."""
    on, *spare = _unpack(_BYTES, payload)
    return Switch(on, bytes(spare))


def encode_switch(switch: Switch) -> bytes:
    """The inverse of `decode_switch`."""
    return _pack(_BYTES, switch.on, *switch.spare)


def decode_set_soc(payload: bytes) -> SetSoc:
    """0x21, the request."""
    *clock, soc = _unpack(_SET_SOC, payload)
    return SetSoc(soc / 1000, tuple(clock))


def encode_set_soc(item: SetSoc) -> bytes:
    """The inverse of `decode_set_soc`."""
    return _pack(_SET_SOC, *item.clock, round(item.soc * 1000))
