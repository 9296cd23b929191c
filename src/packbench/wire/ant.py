"""ANT BMS (2021 and later): frames of its UART and Bluetooth port, decoded. No driver: nobody has tried it on a wire.

Owns the frame (7E A1, function, address, length, data, CRC-16/Modbus, AA 55), the status and the device
information. Must not talk: whether the port runs at 19200 or 115200 baud is not settled.

What has to be known about the frames:

- A reply's function is the request's with bit 4 or 5 added (01 -> 11, 22 -> 42, 51 -> 61).
- Replies 12 and 42 carry six more bytes between their CRC and the tail, of which nobody knows the meaning;
  the length byte does not count them.
- The request for the status says BE and gets a shorter reply: the number of cells and sensors decides.
- A positive current discharges. In two captures of one pack 32 s apart (docs/pdus/btsnoop_hci_ANT-BLE16ZMUB-
  reduced.txt) the current is +0.3 and +1.0 A while the charge left falls by 9.4 mAh and the counter of
  discharged charge rises by 9 mAh. The reference has it as unsure: `AntConventions` can turn it.

Sources: syssi/esphome-ant-bms (component ant_bms_ble and docs/pdus); patman15/aiobmsble (ant_bms and its test).
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

STATUS: Final = 0x01
READ: Final = 0x02
AUTHENTICATE: Final = 0x23
STATUS_REPLY: Final = 0x11
READ_REPLY: Final = 0x12
DEVICE_INFO_ADDRESS: Final = 0x026C

_WITH_TRAILER: Final = frozenset({0x12, 0x42})
_TRAILER: Final = 6
_HEAD: Final = struct.Struct("<HBHB")
_TAIL: Final = b"\xaa\x55"
_BARE: Final = _HEAD.size + 4

STATES: Final = ("unknown", "idle", "charging", "discharging", "standby", "error")
BALANCING_STATE: Final = 4


@dataclass(frozen=True, slots=True)
class AntFrame:
    """One frame, either way."""

    function: int
    address: int
    count: int
    """The length byte: of the data, except in requests to read, where it is what is asked for."""
    data: bytes = b""
    trailer: bytes = b""

    def encode(self) -> bytes:
        """The bytes."""
        body = _HEAD.pack(0xA17E, self.function, self.address, self.count) + self.data
        return body + crc16(body[1:]).to_bytes(2, "little") + self.trailer + _TAIL


def read_status() -> AntFrame:
    """Ask for the status."""
    return AntFrame(STATUS, 0, 0xBE)


def read_device_info() -> AntFrame:
    """Ask for hardware and software version."""
    return AntFrame(READ, DEVICE_INFO_ADDRESS, 0x20)


def authenticate(password: bytes) -> AntFrame:
    """Send the password."""
    return AntFrame(AUTHENTICATE, 0x6A01, len(password), password)


def _reply_size(buffer: Buffer, pos: int) -> int:
    if buffer[pos + 1] != 0xA1:
        return 0
    return _BARE + buffer[pos + 5] + (_TRAILER if buffer[pos + 2] in _WITH_TRAILER else 0)


def _reply_valid(frame: Buffer) -> bool:
    end = _HEAD.size + frame[5]
    return frame[-2:] == _TAIL and crc16(frame[1:end]) == frame[end] | frame[end + 1] << 8


_SHAPE: Final = FrameShape(starts=re.compile(rb"\x7e"), header=_HEAD.size, size=_reply_size, valid=_reply_valid)


def take_reply(buffer: bytearray, counters: LineCounters) -> AntFrame | None:
    """The next valid reply out of received bytes; noise before it is dropped and counted."""
    frame = cut_frame(buffer, _SHAPE, counters)
    return None if frame is None else _parse_reply(frame)


def _parse_reply(frame: bytes) -> AntFrame:
    _, function, address, count = _HEAD.unpack_from(frame)
    end = _HEAD.size + count
    return AntFrame(function, address, count, frame[_HEAD.size : end], frame[end + 2 : -2])


def decode_reply(frame: bytes) -> AntFrame:
    """Take a whole reply apart. Raises BadReply for bytes that are none."""
    if len(frame) < _BARE or frame[0] != 0x7E or _reply_size(frame, 0) != len(frame) or not _reply_valid(frame):
        raise BadReply(f"no ANT reply: {frame[:32].hex()}")
    return _parse_reply(frame)


def decode_request(frame: bytes) -> AntFrame:
    """Take a whole request apart. Raises BadReply for bytes that are none."""
    if len(frame) < _BARE or frame[:2] != b"\x7e\xa1" or frame[-2:] != _TAIL:
        raise BadReply(f"no ANT request: {frame[:32].hex()}")
    _, function, address, count = _HEAD.unpack_from(frame)
    request = AntFrame(function, address, count, frame[_HEAD.size : -4])
    if request.encode() != frame or (request.data and len(request.data) != count):
        raise BadReply(f"ANT request with a wrong checksum or length: {frame[:32].hex()}")
    return request


# ------------------------------------------------------------------- status


@dataclass(frozen=True, slots=True)
class AntConventions:
    """What sources leave open."""

    positive_discharges: bool = True
    """Whether a positive current on the wire discharges; see the module's text."""


_STATUS_HEAD: Final = struct.Struct("<4B3Q")
_STATUS_TAIL: Final = struct.Struct("<HhHH4BIIIiIIHHHHHH")


@dataclass(frozen=True, slots=True)
class AntStatus:
    """The status, as the device states it: its own units and sign, see `values`."""

    permissions: int
    state: int
    """Index of STATES."""
    protections: int
    warnings: int
    balancing_bits: int
    cells_mv: tuple[int, ...]
    sensors_c: tuple[int, ...]
    """As many as are fitted; a sensor that is not there reads -40 in captures."""
    mos_c: int
    balancer_c: int
    voltage_cv: int
    """10 mV."""
    current_da: int
    """100 mA."""
    soc_percent: int
    soh_percent: int
    charge_mos: int
    """1: on; every other number says why it is off."""
    discharge_mos: int
    balancer: int
    reserved: int
    design_uah: int
    remaining_uah: int
    cycle_mah: int
    power_w: int
    uptime_s: int
    balanced_cells: int
    """Bit n: cell n + 1."""
    extremes: tuple[int, int, int, int, int, int]
    """Highest cell mV, its number, lowest cell mV, its number, difference mV, average mV."""
    more: bytes = b""
    """Drive voltages, cell type, total charges and times; as received."""

    def values(self, conventions: AntConventions | None = None) -> dict[str, Any]:
        """By name, in SI units; positive current charges."""
        conventions = conventions or AntConventions()
        sign = -1 if conventions.positive_discharges else 1
        return {
            "cell_voltages_v": tuple(value / 1000 for value in self.cells_mv),
            "temperatures_c": tuple(float(value) for value in self.sensors_c),
            "mos_temperature_c": float(self.mos_c),
            "balancer_temperature_c": float(self.balancer_c),
            "voltage_v": self.voltage_cv / 100,
            "current_a": sign * self.current_da / 10 if self.current_da else 0.0,
            "device_current_a": self.current_da / 10,
            "power_w": float(sign * self.power_w),
            "soc": self.soc_percent / 100,
            "soh": self.soh_percent / 100,
            "charging_allowed": self.charge_mos == 1,
            "discharging_allowed": self.discharge_mos == 1,
            "balancing": self.balancer == BALANCING_STATE,
            "state": STATES[self.state] if self.state < len(STATES) else f"state_{self.state}",
            "protections": self.protections,
            "warnings": self.warnings,
            "design_ah": self.design_uah / 1e6,
            "remaining_ah": self.remaining_uah / 1e6,
            "cycle_ah": self.cycle_mah / 1000,
            "uptime_s": self.uptime_s,
            "cell_spread_v": self.extremes[4] / 1000,
        }

    def encode(self) -> bytes:
        """The data it was decoded from."""
        head = _STATUS_HEAD.pack(
            self.permissions,
            self.state,
            len(self.sensors_c),
            len(self.cells_mv),
            self.protections,
            self.warnings,
            self.balancing_bits,
        )
        cells = struct.pack(f"<{len(self.cells_mv)}H", *self.cells_mv)
        sensors = struct.pack(f"<{len(self.sensors_c) + 2}h", *self.sensors_c, self.mos_c, self.balancer_c)
        tail = _STATUS_TAIL.pack(
            self.voltage_cv,
            self.current_da,
            self.soc_percent,
            self.soh_percent,
            self.charge_mos,
            self.discharge_mos,
            self.balancer,
            self.reserved,
            self.design_uah,
            self.remaining_uah,
            self.cycle_mah,
            self.power_w,
            self.uptime_s,
            self.balanced_cells,
            *self.extremes,
        )
        return head + cells + sensors + tail + self.more


def decode_status(data: bytes) -> AntStatus:
    """The data of a status reply. Raises BadReply when they are shorter than their counts of cells and sensors say."""
    if len(data) < _STATUS_HEAD.size:
        raise BadReply(f"ANT status of {len(data)} bytes")
    permissions, state, sensors, cells, protections, warnings, balancing = _STATUS_HEAD.unpack_from(data)
    at_sensors = _STATUS_HEAD.size + 2 * cells
    at_tail = at_sensors + 2 * sensors + 4
    end = at_tail + _STATUS_TAIL.size
    if len(data) < end:
        raise BadReply(f"ANT status of {len(data)} bytes with {cells} cells and {sensors} sensors")
    temperatures = struct.unpack_from(f"<{sensors + 2}h", data, at_sensors)
    tail = _STATUS_TAIL.unpack_from(data, at_tail)
    return AntStatus(
        permissions,
        state,
        protections,
        warnings,
        balancing,
        struct.unpack_from(f"<{cells}H", data, _STATUS_HEAD.size),
        temperatures[:sensors],
        temperatures[sensors],
        temperatures[sensors + 1],
        *tail[:14],
        extremes=tail[14:],
        more=data[end:],
    )


# ------------------------------------------------------------------ meaning


def explain(direction: Direction, frame: bytes) -> Explained:
    """What a frame says, and the frame again. Raises BadReply for bytes that are none."""
    if direction == "request":
        request = decode_request(frame)
        values: dict[str, Any] = {"function": request.function, "address": request.address, "count": request.count}
        return Explained(values, request.encode())
    reply = decode_reply(frame)
    values = {"function": reply.function, "address": reply.address}
    data = reply.data
    if reply.function == STATUS_REPLY:
        status = decode_status(data)
        values |= status.values()
        data = status.encode()
    elif reply.function == READ_REPLY and reply.address == DEVICE_INFO_ADDRESS and reply.count == 32:
        hardware, software = (data[at : at + 16].rstrip(b"\0").decode("latin-1") for at in (0, 16))
        values |= {"hardware": hardware, "firmware": software}
        data = b"".join(text.encode("latin-1").ljust(16, b"\0") for text in (hardware, software))
    else:
        values["data"] = data.hex()
    return Explained(values, AntFrame(reply.function, reply.address, len(data), data, reply.trailer).encode())
