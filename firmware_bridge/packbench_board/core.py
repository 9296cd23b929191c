"""The board's C core as a library: the very code a real board runs, stepped by the caller.

Owns finding the compiled core, agreeing with it about memory, and stepping it. Must not decide anything, and reads no
clock: time is an argument. It exists so that the simulated world trips for the same reasons as the firmware.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from pathlib import Path
from struct import Struct

from packbench.core.errors import PackbenchError
from packbench_board.codes import RX_MAX_BYTES, ResetCause
from packbench_board.frames import (
    ANSWERS,
    FIELDS,
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    TYPES,
    BoardMessage,
    HostMessage,
)

LIBRARY = Path(__file__).with_name("libpackbench_core.so")

_LAYOUT_COUNT = 14
_IN = Struct("@IIdddI")
"""now_us, inputs, pack V, cycler V, current A, received length: the head of pb_host."""
_OUT = Struct("@III")
"""outputs, next_us, sent length: right behind it."""
_OUT_AT = _IN.size
_pack_in, _unpack_out = _IN.pack_into, _OUT.unpack_from
_SIZE = Struct("@I")
BODY_AT = 8
_BODY = "@BB6x"
"""Type, sequence and padding before the body of a message (8-aligned by status.uptime_us)."""
_NATIVE: dict[int, Struct] = {number: Struct(_BODY + codes) for number, codes in FIELDS.items()}
_BODY_ONLY: dict[int, Struct] = {number: Struct("@" + codes) for number, codes in FIELDS.items()}


TEMPERATURES = 4
"""Sensors that a board has room for."""
TEMPERATURE_NONE = -0x8000
_TEMPERATURES = Struct(f"@{TEMPERATURES}h")

Measured = tuple[float, float, float]
"""Pack side V, cycler side V, current A (positive charges), as the board's own sensors see them."""


def _deci(value: float) -> int:
    """0.1 degC, rounded; what does not fit is no reading."""
    return round(value * 10.0) if -1000.0 < value < 1000.0 else TEMPERATURE_NONE


class CoreMissing(PackbenchError):
    """The compiled core is not there, or is not the one these Python files were generated with."""


def load(path: Path = LIBRARY) -> ctypes.PyDLL:
    """The compiled core. Raises CoreMissing, which names the command that makes it.

    PyDLL, not CDLL: a step takes about a microsecond, and giving up the interpreter lock costs more than that.
    """
    if not path.exists():
        raise CoreMissing(f"the board's compiled core {path.name} is missing: run `make setup`")
    library = ctypes.PyDLL(str(path))
    values = (ctypes.c_uint32 * _LAYOUT_COUNT)()
    library.pb_host_layout(values)
    if values[8] != PROTOCOL_HASH or values[9] != FIRMWARE_HASH or values[6] != BODY_AT or values[1] != _IN.size - 4:
        raise CoreMissing(f"the board's compiled core {path.name} is of another version: run `make setup`")
    return library


class HostCore:
    """One board's core in one block of memory. Not for several threads at once."""

    def __init__(
        self,
        now_us: int = 0,
        library: ctypes.PyDLL | None = None,
        reset_cause: ResetCause = ResetCause.POWER_ON,
        kept: tuple[int, int] = (0, 0),
    ) -> None:
        """Power-up at a value of the 32-bit microsecond tick; `kept`: the `latch` that a reset found."""
        self._library = load() if library is None else library
        values = (ctypes.c_uint32 * _LAYOUT_COUNT)()
        self._library.pb_host_layout(values)
        # As 64-bit words: the block holds doubles, and must be aligned like them.
        size, _, self._request_at, self._reply_at, self._rx_at, self._tx_at = (int(value) for value in values[:6])
        self._temperatures_at = int(values[10])
        self._state_at = int(values[11])
        self._memory = (ctypes.c_uint64 * (size // 8 + 1))()
        self._view: memoryview[int] = memoryview(self._memory).cast("B")
        self._pointer = ctypes.c_void_p(ctypes.addressof(self._memory))
        self._step = self._library.pb_host_step
        self._message = self._library.pb_host_message
        self._step.restype = None
        self._message.restype = None
        self._trip_code_at, self._trip_detail_at = int(values[12]), int(values[13])
        tick, kept_word = ctypes.c_uint32(now_us & 0xFFFFFFFF), ctypes.c_uint32(kept[0] | kept[1] << 8)
        self._library.pb_host_init(self._pointer, tick, ctypes.c_uint32(reset_cause), kept_word)
        self.outputs = 0
        """Output bits after the newest step."""
        self.next_us = 0
        """The core wants to be stepped again within this time."""

    @property
    def state(self) -> int:
        """The state after the newest step, a value of `codes.State`."""
        return self._view[self._state_at]

    @property
    def phase(self) -> int:
        """How far the arm sequence is, a value of `codes.Phase`: the byte behind the state (pb_core.h)."""
        return self._view[self._state_at + 1]

    @property
    def latch(self) -> tuple[int, int]:
        """Trip code and detail after the newest step: what a real board's memory keeps across a reset."""
        return self._view[self._trip_code_at], int.from_bytes(self._view[self._trip_detail_at :][:2], sys.byteorder)

    def set_temperatures(self, readings_c: Sequence[float | None]) -> None:
        """What the board's own sensors read from now on, in degC; None: no reading. Missing ones give none."""
        readings = [*readings_c, *[None] * TEMPERATURES][:TEMPERATURES]
        values = (TEMPERATURE_NONE if reading is None else _deci(reading) for reading in readings)
        _TEMPERATURES.pack_into(self._view, self._temperatures_at, *values)

    def step(self, now_us: int, inputs: int, measured: Measured, received: bytes = b"") -> bytes:
        """One control cycle with the board's own measurements; returns what the board sends.

        `now_us` is the 32-bit tick. More than RX_MAX_BYTES are fed in several cycles at the same instant.
        """
        size = len(received)
        if size > RX_MAX_BYTES:
            sent = self.step(now_us, inputs, measured, received[:RX_MAX_BYTES])
            return sent + self.step(now_us, inputs, measured, received[RX_MAX_BYTES:])
        view = self._view
        if size:
            view[self._rx_at : self._rx_at + size] = received
        _pack_in(view, 0, now_us, inputs, *measured, size)
        self._step(self._pointer)
        self.outputs, self.next_us, sent_size = _unpack_out(view, _OUT_AT)
        return view[self._tx_at : self._tx_at + sent_size].tobytes() if sent_size else b""

    def message(self, now_us: int, inputs: int, measured: Measured, request: HostMessage) -> BoardMessage:
        """One control cycle with one request that needs no frame; returns the board's message."""
        view = self._view
        number = TYPES[type(request)]
        _NATIVE[number].pack_into(view, self._request_at, number, 0, *request)
        _pack_in(view, 0, now_us, inputs, *measured, 0)
        self._message(self._pointer)
        self.outputs, self.next_us, _ = _unpack_out(view, _OUT_AT)
        number = view[self._reply_at]
        return ANSWERS[number][0](*_BODY_ONLY[number].unpack_from(view, self._reply_at + BODY_AT))

    def encode(self, message: HostMessage | BoardMessage, sequence: int) -> bytes:
        """The frame of any message as the C code makes it: for the vectors both languages are held to."""
        number = TYPES[type(message)]
        _NATIVE[number].pack_into(self._view, self._request_at, number, sequence, *message)
        self._library.pb_host_encode(self._pointer)
        (size,) = _SIZE.unpack_from(self._view, _IN.size + 8)
        return bytes(self._view[self._tx_at : self._tx_at + size])

    def decode(self, frame: bytes) -> tuple[int, int, tuple[int | bytes, ...]] | None:
        """(type, sequence, fields) of a frame as the C code reads it; None when it takes it for none."""
        self._view[self._rx_at : self._rx_at + len(frame)] = frame
        _SIZE.pack_into(self._view, _IN.size - 4, len(frame))
        if not self._library.pb_host_decode(self._pointer):
            return None
        number, sequence = self._view[self._reply_at], self._view[self._reply_at + 1]
        return number, sequence, _BODY_ONLY[number].unpack_from(self._view, self._reply_at + BODY_AT)
