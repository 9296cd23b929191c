"""Daly's A5 frames for UART, RS-485 and Bluetooth lines: what to send, and which received frames are the answer.

Owns the 13 bytes `A5 ADDRESS COMMAND 08 D0..D7 SUM`, both directions, and the collecting of answers that take
several frames. Must not know what the eight data bytes mean (`wire/daly/a5_data.py`), wait, or retry. It exists
because three habits of these boards turn a plain reader into one that believes nonsense:

- A sleeping board sends the request back, sometimes with a valid checksum (maland16/daly-bms-uart#11). An echo
  is never an answer here; it ends in a BadReply that says so.
- There is no error reply and no transaction id: a bad frame gets silence, a late one looks like any other.
- Boards on RS-485 send as many frames of 0x95 as their cells need, boards on UART all 16. An answer is complete
  with the frames that were asked for, in whatever order they come; further ones are not part of it.

Source: Daly UART/485 communication protocol V1.2; captures and readings in tests/data/frames.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.wire.counters import LineCounters
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5_faults import decode_faults, encode_faults
from packbench.wire.explained import Direction, Explained

START: Final = 0xA5
FRAME_BYTES: Final = 13
HOST_RS485: Final = 0x40
"""Host address on RS-485 and USB; board n is asked at 0x40 + n - 1."""
HOST_UART: Final = 0x80
"""Host address on UART and Bluetooth."""
BOARDS_MAX: Final = 0x3F
"""Board n answers at address n, below the hosts' addresses."""
FRAMES_MAX: Final = 16
"""Of one answer: 48 cells, three a frame."""

MULTI_FRAME: Final = frozenset({data.CODE, data.CELLS, data.TEMPERATURES})
"""Commands whose replies begin with a frame number, which counts from 1."""

NAMES: Final = {
    data.RATED: "rated values",
    data.PRODUCTION: "production date",
    data.CODE: "battery code",
    data.PACK: "voltage, current, SOC",
    data.CELL_RANGE: "extreme cells",
    data.TEMPERATURE_RANGE: "extreme temperatures",
    data.STATE: "MOS state",
    data.STATUS: "status",
    data.CELLS: "cell voltages",
    data.TEMPERATURES: "temperatures",
    data.BALANCING: "balancing",
    data.FAULTS: "faults",
    data.SWITCH_DISCHARGE: "discharge MOS switch",
    data.SWITCH_CHARGE: "charge MOS switch",
    data.SET_SOC: "SOC setting",
    data.RESTART: "restart",
}

Answer = tuple[bytes, ...]
"""The eight data bytes of each frame of an answer, by frame number."""


@dataclass(frozen=True, slots=True)
class DalyRequest:
    """One request. Make it with `read` or `write`."""

    command: int
    payload: bytes = bytes(data.PAYLOAD_BYTES)
    board: int = 1
    """Counts from 1."""
    host: int = HOST_RS485
    frames: int = 1
    """How many frames make the answer; 1 for commands that do not number theirs. It is not on the wire."""

    @property
    def repeatable(self) -> bool:
        """Whether sending it twice does no harm: reads alone."""
        return data.RATED <= self.command <= 0x5F or data.PACK <= self.command <= data.FAULTS

    def describe(self) -> str:
        """For people: what was asked of which board."""
        return f"board {self.board}: {NAMES.get(self.command, 'command')} (0x{self.command:02X})"


def read(command: int, frames: int = 1, *, board: int = 1, host: int = HOST_RS485) -> DalyRequest:
    """Ask for a reading; `frames` (1 to 16) is how many frames its answer takes."""
    return _checked(DalyRequest(command, board=board, host=host, frames=frames))


def write(command: int, payload: bytes, *, board: int = 1, host: int = HOST_RS485) -> DalyRequest:
    """Tell the board something: eight bytes from an encoder of `daly_a5_data`."""
    return _checked(DalyRequest(command, payload, board, host))


def _checked(request: DalyRequest) -> DalyRequest:
    if not 1 <= request.board <= BOARDS_MAX or request.host not in (HOST_RS485, HOST_UART):
        raise ValueError(f"there is no Daly board {request.board} for host 0x{request.host:02X}")
    if not 1 <= request.frames <= (FRAMES_MAX if request.command in MULTI_FRAME else 1):
        raise ValueError(f"command 0x{request.command:02X} is not answered by {request.frames} frames")
    return request


def _frame(address: int, command: int, payload: bytes) -> bytes:
    if len(payload) != data.PAYLOAD_BYTES:
        raise ValueError(f"a Daly frame carries {data.PAYLOAD_BYTES} bytes, not {len(payload)}")
    body = bytes((START, address, command, data.PAYLOAD_BYTES)) + payload
    return body + bytes((sum(body) & 0xFF,))


def request_frame(request: DalyRequest) -> bytes:
    """The 13 bytes of a request."""
    return _frame(request.host + request.board - 1, request.command, request.payload)


def reply_frame(board: int, command: int, payload: bytes) -> bytes:
    """The 13 bytes of one reply of board `board` (counts from 1)."""
    return _frame(board, command, payload)


def sum_ok(frame: bytes | bytearray) -> bool:
    """Whether the last byte is the sum of those before, modulo 256."""
    return sum(frame[:-1]) & 0xFF == frame[-1]


def _shaped(buffer: bytearray, begin: int) -> int:
    """Where, from `begin` on, 13 bytes stand that have the shape of a frame; -1: nowhere yet."""
    last = len(buffer) - FRAME_BYTES
    at = buffer.find(START, begin)
    while 0 <= at <= last:
        if buffer[at + 3] == data.PAYLOAD_BYTES:
            return at
        at = buffer.find(START, at + 1)
    return -1


def _drop_useless(buffer: bytearray) -> int:
    """Keep only what may be the beginning of a frame: 12 bytes at most. Returns how many were dropped."""
    keep_from = buffer.find(START, max(len(buffer) - FRAME_BYTES + 1, 0))
    dropped = len(buffer) if keep_from < 0 else keep_from
    del buffer[:dropped]
    return dropped


@dataclass(slots=True)
class DalyCodec:
    """`transport.link.Codec` for A5 frames. The answer is the data bytes of its frames, by frame number."""

    counters: LineCounters = field(default_factory=LineCounters)
    _collected: dict[int, bytes] = field(default_factory=dict[int, bytes], init=False)

    def encode(self, request: DalyRequest) -> bytes:
        """The bytes of one request; what was collected for the one before is forgotten."""
        self._collected.clear()
        return request_frame(request)

    def decode(self, request: DalyRequest, buffer: bytearray) -> Answer | None:
        """Take the answer to `request` from `buffer`; see `transport.link.Codec`."""
        sent = request_frame(request)
        head = bytes((START, request.board, request.command, data.PAYLOAD_BYTES))
        at = 0
        while (at := _shaped(buffer, at)) >= 0:
            frame = bytes(buffer[at : at + FRAME_BYTES])
            if frame.startswith(sent[:4]):
                # No board sends from a host's address: what was damaged on the way is an echo all the same.
                self._consume(buffer, at)
                raise BadReply(
                    f"{request.describe()}: the request itself came back. The board sleeps "
                    "(charge or discharge wakes it), or the adapter echoes what it sends."
                )
            if not sum_ok(frame):
                self.counters.crc_errors += frame.startswith(head)
                at += 1
                continue
            self._consume(buffer, at)
            at = 0
            if not frame.startswith(head):
                self.counters.foreign_frames += 1
                continue
            answer = self._collect(request, frame[4:-1])
            if answer is not None:
                return answer
        self.counters.noise_bytes += _drop_useless(buffer)
        return None

    def _consume(self, buffer: bytearray, at: int) -> None:
        self.counters.noise_bytes += at
        del buffer[: at + FRAME_BYTES]

    def _collect(self, request: DalyRequest, payload: bytes) -> Answer | None:
        """The whole answer, once its last frame is there."""
        if request.command not in MULTI_FRAME:
            return (payload,)
        number = payload[0]
        if number == 0:
            # Taken for frame 1 it would move every cell by three places.
            raise BadReply(f"{request.describe()}: frame number 0; they count from 1")
        if number <= request.frames:
            self._collected[number] = payload
        if len(self._collected) < request.frames:
            return None
        return tuple(self._collected[number] for number in range(1, request.frames + 1))


def take_request(buffer: bytearray) -> DalyRequest | None:
    """Device side: the next valid request in `buffer`, to whatever board. Removes it and what stood before.

    Replies of other boards on the line are skipped; `frames` is the asker's own affair and stays 1.
    """
    at = 0
    while (at := _shaped(buffer, at)) >= 0:
        frame = bytes(buffer[at : at + FRAME_BYTES])
        if not sum_ok(frame):
            at += 1
            continue
        del buffer[: at + FRAME_BYTES]
        at = 0
        request = _request_of(frame)
        if request is not None:
            return request
    _drop_useless(buffer)
    return None


def _request_of(frame: bytes) -> DalyRequest | None:
    """What a valid frame asks; None for one that no host sends."""
    host = frame[1] & 0xC0
    board = (frame[1] & 0x3F) + 1
    if host not in (HOST_RS485, HOST_UART) or board > BOARDS_MAX:
        return None
    return DalyRequest(frame[2], frame[4:-1], board, host)


_Codec = tuple[Callable[[bytes], Any], Callable[[Any], bytes]]

_REPLIES: Final[dict[int, _Codec]] = {
    data.RATED: (data.decode_rated, data.encode_rated),
    data.PRODUCTION: (data.decode_production, data.encode_production),
    data.CODE: (data.decode_code_frame, data.encode_code_frame),
    data.PACK: (data.decode_pack, data.encode_pack),
    data.CELL_RANGE: (data.decode_cell_range, data.encode_cell_range),
    data.TEMPERATURE_RANGE: (data.decode_temperature_range, data.encode_temperature_range),
    data.STATE: (data.decode_state, data.encode_state),
    data.STATUS: (data.decode_status, data.encode_status),
    data.CELLS: (data.decode_cells_frame, data.encode_cells_frame),
    data.TEMPERATURES: (data.decode_temperatures_frame, data.encode_temperatures_frame),
    data.BALANCING: (data.decode_balancing, data.encode_balancing),
    data.FAULTS: (decode_faults, encode_faults),
    data.SWITCH_DISCHARGE: (data.decode_switch, data.encode_switch),
    data.SWITCH_CHARGE: (data.decode_switch, data.encode_switch),
}
_REQUESTS: Final[dict[int, _Codec]] = {
    data.SWITCH_DISCHARGE: _REPLIES[data.SWITCH_DISCHARGE],
    data.SWITCH_CHARGE: _REPLIES[data.SWITCH_CHARGE],
    data.SET_SOC: (data.decode_set_soc, data.encode_set_soc),
}


def explain(direction: Direction, frame: bytes) -> Explained:
    """What one frame says, and the frame made anew from that. Raises BadReply for bytes that are none."""
    if len(frame) != FRAME_BYTES or frame[0] != START or frame[3] != data.PAYLOAD_BYTES or not sum_ok(frame):
        raise BadReply(f"{frame.hex()} is no Daly A5 frame")
    address, command, payload = frame[1], frame[2], frame[4:-1]
    request = _request_of(frame)
    if direction == "request":
        if request is None:
            raise BadReply(f"{frame.hex()}: address 0x{address:02X} is no host's")
        values, payload = _explain_payload(_REQUESTS.get(command), payload)
        who = {"board": request.board, "host": request.host, "command": command}
        return Explained({**who, **values}, request_frame(replace(request, payload=payload)))
    if not 1 <= address <= BOARDS_MAX:
        raise BadReply(f"{frame.hex()}: address 0x{address:02X} is no board's")
    values, payload = _explain_payload(_REPLIES.get(command), payload)
    return Explained({"board": address, "command": command, **values}, reply_frame(address, command, payload))


def _explain_payload(codec: _Codec | None, payload: bytes) -> tuple[dict[str, Any], bytes]:
    """Values by name, bytes as text; a payload without a meaning of its own stays what it is."""
    if codec is None:
        return ({"data": payload.hex()} if any(payload) else {}), payload
    decode, encode = codec
    message = decode(payload)
    values = {name: value for name, value in asdict(message).items() if value is not None}
    return {name: value.hex() if isinstance(value, bytes) else value for name, value in values.items()}, encode(message)
