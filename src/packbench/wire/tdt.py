"""TDT BMS (WattCycle, Humsienk and others): frames of its serial and Bluetooth port, decoded. No driver.

Owns the frame (7E or 1E, version, two bytes, error, command, length, data, CRC-16/Modbus with its high byte
first, 0D) and the three messages. Must not talk: no source has this protocol on a wire, only on Bluetooth.

What has to be known about the frames:

- The CRC is the other way round than Modbus has it. Requests may have to begin with 1E; replies begin with 7E.
- Bit 15 of the current means discharging. Bit 14 is set in every capture; the maker's program takes it for
  "tenths of an ampere" and a clear one for whole amperes: `TdtConventions.bit_14_means_tenths`. Should it mean
  nothing, whole amperes would only ever make a current look larger.
- Which of the two MOSFET bits is which is told both ways: `TdtConventions.charge_fet_bit`.

Sources: patman15/aiobmsble (tdt_bms, its test, docs/tdt_bms.md with the analysis of the maker's program, #296).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.wire.counters import LineCounters
from packbench.wire.explained import Direction, Explained
from packbench.wire.headed import Buffer, FrameShape, cut_frame
from packbench.wire.modbus import crc16

READINGS: Final = 0x8C
STATES: Final = 0x8D
IDENTITY: Final = 0x92

HEADS: Final = (0x7E, 0x1E)
VERSIONS: Final = (0x00, 0x04)
MAX_DATA: Final = 512
"""Bytes; 32 cells with every optional field have 150."""

_HEAD: Final = struct.Struct(">6BH")
_BARE: Final = _HEAD.size + 3
_ZERO_CELSIUS: Final = 2731
_NAMES: Final = {READINGS: "readings", STATES: "states", IDENTITY: "identity"}


@dataclass(frozen=True, slots=True)
class TdtFrame:
    """One frame, either way."""

    command: int
    data: bytes = b""
    error: int = 0
    """0: no error; of a request always 0."""
    version: int = 0
    head: int = 0x7E
    marks: tuple[int, int] = (0x01, 0x03)
    """Two bytes without a known meaning; the first is 41 in some replies."""

    def encode(self) -> bytes:
        """The bytes."""
        body = _HEAD.pack(self.head, self.version, *self.marks, self.error, self.command, len(self.data)) + self.data
        return body + crc16(body).to_bytes(2, "big") + b"\r"


def ask(command: int, *, head: int = 0x7E) -> TdtFrame:
    """A request for READINGS, STATES or IDENTITY."""
    return TdtFrame(command, head=head)


def _size(buffer: Buffer, pos: int) -> int:
    size = buffer[pos + 6] << 8 | buffer[pos + 7]
    return _BARE + size if size <= MAX_DATA and buffer[pos + 1] in VERSIONS else 0


def _valid(frame: Buffer) -> bool:
    return frame[-1] == 0x0D and crc16(frame[:-3]) == frame[-3] << 8 | frame[-2]


_SHAPE: Final = FrameShape(starts=re.compile(rb"[\x7e\x1e]"), header=_HEAD.size, size=_size, valid=_valid)


def take_frame(buffer: bytearray, counters: LineCounters) -> TdtFrame | None:
    """The next valid frame out of received bytes; noise before it is dropped and counted."""
    frame = cut_frame(buffer, _SHAPE, counters)
    return None if frame is None else _parse(frame)


def decode_frame(frame: bytes) -> TdtFrame:
    """Take a whole frame apart. Raises BadReply for bytes that are none."""
    if len(frame) < _BARE or frame[0] not in HEADS or _size(frame, 0) != len(frame) or not _valid(frame):
        raise BadReply(f"no TDT frame: {frame[:32].hex()}")
    return _parse(frame)


def _parse(frame: bytes) -> TdtFrame:
    head, version, first, second, error, command, _ = _HEAD.unpack_from(frame)
    return TdtFrame(command, frame[_HEAD.size : -3], error, version, head, (first, second))


# ----------------------------------------------------------------- payloads


@dataclass(frozen=True, slots=True)
class TdtConventions:
    """What sources leave open."""

    bit_14_means_tenths: bool = True
    """Whether a current without bit 14 is in whole amperes. False: every current is in tenths."""
    charge_fet_bit: int = 0x02
    """02: charge MOSFET 02, discharge MOSFET 04 (docs/tdt_bms.md of 2026). 04: the other way round (older tdt_bms)."""

    def amperes(self, raw: int) -> float:
        """A current word, in A; positive charges."""
        whole = self.bit_14_means_tenths and not raw & 0x4000
        magnitude = float(raw & 0x3FFF) if whole else (raw & 0x3FFF) / 10
        return -magnitude if raw & 0x8000 and magnitude else magnitude


_READINGS_TAIL: Final = struct.Struct(">7H")


@dataclass(frozen=True, slots=True)
class TdtReadings:
    """Message 8C, as the device states it; `values` has SI units."""

    cells_mv: tuple[int, ...]
    sensors_dk: tuple[int, ...]
    """0.1 K: the MOSFETs' or the air's, the board's or the MOSFETs' (told both ways), then the cells'."""
    current: int
    voltage_cv: int
    remaining_dah: int
    full_dah: int
    """0.1 Ah; that it is the learned capacity is inferred."""
    cycles: int
    nominal_dah: int
    """0.1 Ah; inferred."""
    soc_percent: int
    more: bytes = b""
    """Longer replies go on with SOH, total charge, times and a balance current; as received."""

    def values(self, conventions: TdtConventions | None = None) -> dict[str, Any]:
        """By name, in SI units; positive current charges."""
        return {
            "cell_voltages_v": tuple(value / 1000 for value in self.cells_mv),
            "temperatures_c": tuple((value - _ZERO_CELSIUS) / 10 for value in self.sensors_dk),
            "current_a": (conventions or TdtConventions()).amperes(self.current),
            "voltage_v": self.voltage_cv / 100,
            "remaining_ah": self.remaining_dah / 10,
            "full_ah": self.full_dah / 10,
            "cycles": self.cycles,
            "nominal_ah": self.nominal_dah / 10,
            "soc": self.soc_percent / 100,
        }

    def encode(self) -> bytes:
        """The data it was decoded from."""
        cells, sensors = len(self.cells_mv), len(self.sensors_dk)
        return (
            struct.pack(f">B{cells}HB{sensors}H", cells, *self.cells_mv, sensors, *self.sensors_dk)
            + _READINGS_TAIL.pack(
                self.current,
                self.voltage_cv,
                self.remaining_dah,
                self.full_dah,
                self.cycles,
                self.nominal_dah,
                self.soc_percent,
            )
            + self.more
        )


def decode_readings(data: bytes) -> TdtReadings:
    """The data of message 8C. Raises BadReply when they are shorter than their counts say."""
    cells, at_sensors = _counted(data, 0, 2)
    sensors, at_tail = _counted(data, at_sensors, 2)
    end = at_tail + _READINGS_TAIL.size
    if len(data) < end:
        raise BadReply(f"TDT readings of {len(data)} bytes with {cells} cells and {sensors} sensors")
    return TdtReadings(
        struct.unpack_from(f">{cells}H", data, 1),
        struct.unpack_from(f">{sensors}H", data, at_sensors + 1),
        *_READINGS_TAIL.unpack_from(data, at_tail),
        more=data[end:],
    )


def _counted(data: bytes, at: int, width: int) -> tuple[int, int]:
    """(count that stands at a place, where that many items of a width end)."""
    if at >= len(data):
        raise BadReply(f"TDT message of {len(data)} bytes")
    return data[at], at + 1 + width * data[at]


_STATES_TAIL: Final = struct.Struct(">7B")


@dataclass(frozen=True, slots=True)
class TdtStates:
    """Message 8D; no source has names for the bits but those of the MOSFETs."""

    cell_states: bytes
    sensor_states: bytes
    charge_current_state: int
    voltage_state: int
    discharge_current_state: int
    mode: int
    protections: int
    """First status byte."""
    faults: int
    """Second status byte."""
    fets: int
    """Third status byte."""
    more: bytes = b""

    def values(self, conventions: TdtConventions | None = None) -> dict[str, Any]:
        """By name."""
        charge = (conventions or TdtConventions()).charge_fet_bit
        return {
            "cell_count": len(self.cell_states),
            "problem_code": self.protections << 8 | self.faults,
            "charging_allowed": bool(self.fets & charge),
            "discharging_allowed": bool(self.fets & (0x06 ^ charge)),
        }

    def encode(self) -> bytes:
        """The data it was decoded from."""
        head = bytes((len(self.cell_states),)) + self.cell_states
        sensors = bytes((len(self.sensor_states),)) + self.sensor_states
        tail = _STATES_TAIL.pack(
            self.charge_current_state,
            self.voltage_state,
            self.discharge_current_state,
            self.mode,
            self.protections,
            self.faults,
            self.fets,
        )
        return head + sensors + tail + self.more


def decode_states(data: bytes) -> TdtStates:
    """The data of message 8D. Raises BadReply when they are shorter than their counts say."""
    _, at_sensors = _counted(data, 0, 1)
    _, at_tail = _counted(data, at_sensors, 1)
    end = at_tail + _STATES_TAIL.size
    if len(data) < end:
        raise BadReply(f"TDT states of {len(data)} bytes")
    tail = _STATES_TAIL.unpack_from(data, at_tail)
    return TdtStates(data[1:at_sensors], data[at_sensors + 1 : at_tail], *tail, more=data[end:])


# ------------------------------------------------------------------ meaning


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a frame says, and the frame again. Raises BadReply for bytes that are none."""
    decoded = decode_frame(frame)
    values: dict[str, Any] = {"command": _NAMES.get(decoded.command, f"{decoded.command:02X}")}
    data = decoded.data
    if direction == "request":
        if data:
            values["data"] = data.hex()
    elif decoded.error:
        values["refused"] = decoded.error
    elif decoded.command == READINGS:
        readings = decode_readings(data)
        values |= readings.values()
        data = readings.encode()
    elif decoded.command == STATES:
        states = decode_states(data)
        values |= states.values()
        data = states.encode()
    elif decoded.command == IDENTITY and len(data) == 60:
        texts = [data[at : at + 20].rstrip(b"\0").decode("latin-1") for at in (0, 20, 40)]
        values |= dict(zip(("firmware", "maker", "serial"), texts, strict=True))
        data = b"".join(text.encode("latin-1").ljust(20, b"\0") for text in texts)
    else:
        values["data"] = data.hex()
    again = TdtFrame(decoded.command, data, decoded.error, decoded.version, decoded.head, decoded.marks)
    return Explained(values, again.encode())
