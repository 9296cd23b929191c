"""The frame-by-frame side of a simulated device: bytes in, whole requests out to a subclass, replies back.

Owns the buffer, its bounds and the fault of silence. Must not know any protocol: a subclass says how a request is cut
from what was received (the device side of `packbench.wire`) and what it answers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Final, Generic, TypeVar

from packbench_sim.playing import Silent

MAX_BUFFER: Final = 4096
REQUESTS_A_CHUNK: Final = 64
"""Requests answered of one chunk of bytes; the rest is dropped, as a small controller's buffer would."""

RequestT = TypeVar("RequestT")


class FramedDevice(ABC, Generic[RequestT]):
    """Base of the simulated devices that are no Modbus slaves; implements `parts.WireDevice`.

    Args:
        silent: A fault: while it returns True, nothing is answered and nothing takes effect.
    """

    def __init__(self, *, silent: Silent | None = None) -> None:
        self.silent = silent
        self._buffer = bytearray()

    # What a device is made of.

    @abstractmethod
    def take(self, buffer: bytearray) -> RequestT | None:
        """Cut the next whole request from the front of `buffer`, and noise before it; None: none is complete."""

    @abstractmethod
    def answer(self, t_ns: int, request: RequestT) -> bytes:
        """The reply; b"" for silence."""

    # `parts.WireDevice`

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        """Answers every whole request in what has come so far."""
        buffer = self._buffer
        buffer += data[-MAX_BUFFER:]
        if len(buffer) > MAX_BUFFER:
            del buffer[: len(buffer) - MAX_BUFFER]
        if self.silent is not None and self.silent(t_ns):
            buffer.clear()
            return b""
        replies = b""
        for _ in range(REQUESTS_A_CHUNK):
            request = self.take(buffer)
            if request is None:
                return replies
            replies += self.answer(t_ns, request)
        buffer.clear()
        return replies

    def tick(self, t_ns: int) -> int | None:
        """No clockwork of its own unless a subclass has one."""
        return None
