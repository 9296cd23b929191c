"""The board's frames for the port: requests to bytes, bytes to the answer.

Owns framing, sequence numbers and what is thrown away. Must not wait, retry or read a clock (run/port.py has the
discipline of the line). It exists so that a late answer can never be taken for the next one: the sequence number of
a request is in its answer, and everything else is discarded and counted.
"""

from __future__ import annotations

from binascii import crc_hqx

from packbench.core.errors import BadReply, DeviceRefused
from packbench_board import cobs
from packbench_board.codes import Refusal
from packbench_board.frames import (
    ANSWERS,
    FRAME_MAX,
    HEADER_SIZE,
    REQUESTS,
    VERSION,
    Ack,
    Arm,
    BoardMessage,
    Close,
    Configure,
    Event,
    EventQuery,
    Heartbeat,
    Hello,
    HelloReply,
    HostMessage,
    Nak,
    Snapshot,
    SnapshotQuery,
    Status,
    StatusQuery,
)

CRC_START = 0xFFFF
RETRIES = 2
"""How often a request that may be repeated is sent again: one lost answer is no reason to refuse a run."""
WIRE_MAX = FRAME_MAX + 2
"""Bytes of the longest encoded frame: one code in front, one delimiter behind."""

_ANSWERED_BY: dict[type[HostMessage], type[BoardMessage]] = {
    Heartbeat: Status,
    StatusQuery: Status,
    Hello: HelloReply,
    EventQuery: Event,
    SnapshotQuery: Snapshot,
}
"""All other requests are acknowledged."""
_REFUSALS: dict[int, str] = {refusal.value: refusal.name.lower() for refusal in Refusal}


def repeatable(request: HostMessage) -> bool:
    """Whether the board takes a request twice as it takes it once (docs/link.md)."""
    return isinstance(request, (Hello, Configure, Arm, Close, StatusQuery, EventQuery, SnapshotQuery))


def encode_frame(request: HostMessage, sequence: int) -> bytes:
    """The bytes of one request, delimiter included. struct.error for a field that does not fit."""
    number, layout = REQUESTS[type(request)]
    frame = layout.pack(VERSION, number, sequence, *request)
    return cobs.encode(frame + crc_hqx(frame, CRC_START).to_bytes(2, "big"))


class BoardCodec:
    """Implements packbench.transport.link.Codec for the board's link."""

    __slots__ = ("_sequence", "discarded", "late")

    def __init__(self) -> None:
        self._sequence = 0
        self.discarded = 0
        """Received blocks that were no frame of this link."""
        self.late = 0
        """Whole answers to an earlier request."""

    def encode(self, request: HostMessage) -> bytes:
        """The bytes of one request, under the next sequence number (1 to 255, then 1 again).

        A delimiter goes first: a frame whose end was lost on the way must not take the next one with it, since two
        lost heartbeats are a lease.
        """
        self._sequence = self._sequence % 255 + 1
        return b"\0" + encode_frame(request, self._sequence)

    def decode(self, request: HostMessage, buffer: bytearray) -> BoardMessage | None:
        """Take the answer to the last encoded request from the front of `buffer`.

        Noise and late answers before it are removed and counted; None when it is not there yet. Raises BadReply for
        an answer of the wrong kind, DeviceRefused (with the refusal's name) when the board said no.
        """
        while True:
            end = buffer.find(0)
            if end < 0:
                if len(buffer) > WIRE_MAX:
                    # Longer than any frame: noise. What is left of it ends at the next delimiter and fails its CRC.
                    buffer.clear()
                    self.discarded += 1
                return None
            block = buffer[:end]
            del buffer[: end + 1]
            if end == 0:
                continue
            if end >= WIRE_MAX or not cobs.decode(block) or crc_hqx(block[1:], CRC_START) != 0 or block[1] != VERSION:
                self.discarded += 1
                continue
            if block[3] != self._sequence:
                self.late += 1
                continue
            return _answer(request, block)


def _answer(request: HostMessage, block: bytearray) -> BoardMessage:
    """The message in a checked block (a COBS code, header, payload, CRC)."""
    known = ANSWERS.get(block[2])
    if known is None or len(block) != 1 + HEADER_SIZE + known[1].size + 2:
        raise BadReply(f"board: message 0x{block[2]:02x} of {len(block) - HEADER_SIZE - 3} bytes is none of this link")
    kind, layout = known
    answer = kind(*layout.unpack_from(block, 1 + HEADER_SIZE))
    if isinstance(answer, Nak):
        raise DeviceRefused(
            f"board refused {type(request).__name__.lower()}: {_REFUSALS.get(answer.code, answer.code)}"
        )
    fits = kind is _ANSWERED_BY.get(type(request), Ack)
    if isinstance(answer, Ack):
        fits = fits and answer.request == REQUESTS[type(request)][0]
    if not fits:
        raise BadReply(f"board answered {type(request).__name__} with {type(answer).__name__}")
    return answer
