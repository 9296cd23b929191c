"""Listens to a byte stream, and plays a recorded one back.

Owns the record of what went over a line, for captures of real devices that become golden frames, and
for replaying them without the device. Must not change a byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from packbench.clock import Clock
from packbench.core.errors import LinkError
from packbench.transport.base import BytesSink, LostSink, Transport


@dataclass(frozen=True, slots=True)
class TapRecord:
    """One chunk of bytes."""

    t_ns: int
    direction: Literal["out", "in"]
    """"out": to the device."""
    data: bytes

    def line(self) -> str:
        """As text, one line a chunk: `t_ns direction hex`."""
        return f"{self.t_ns} {self.direction} {self.data.hex()}"

    @classmethod
    def parse(cls, line: str) -> TapRecord:
        """The inverse of `line`. Raises ValueError."""
        t_ns, direction, data = line.split(" ")
        if direction not in ("out", "in"):
            raise ValueError(f"direction {direction!r}")
        return cls(int(t_ns), "out" if direction == "out" else "in", bytes.fromhex(data))


class TapTransport:
    """`transport.base.Transport` that passes everything on and tells a sink."""

    def __init__(self, inner: Transport, clock: Clock, sink: Callable[[TapRecord], None]) -> None:
        self._inner = inner
        self._clock = clock
        self._sink = sink

    def attach(self, on_bytes: BytesSink, on_lost: LostSink) -> None:
        def heard(data: bytes) -> None:
            self._sink(TapRecord(self._clock.now_ns(), "in", data))
            on_bytes(data)

        self._inner.attach(heard, on_lost)

    def write(self, data: bytes) -> None:
        self._sink(TapRecord(self._clock.now_ns(), "out", data))
        self._inner.write(data)

    def close(self) -> None:
        self._inner.close()


class ReplayTransport:
    """`transport.base.Transport` that answers as recorded: each "out" must be written as it was.

    Recorded instants are not waited for: the answer comes at once.
    """

    def __init__(self, records: Iterable[TapRecord]) -> None:
        self._records = list(records)
        self._next = 0
        self._on_bytes: BytesSink | None = None
        self._on_lost: LostSink | None = None
        self._pending = bytearray()
        self._closed = False

    def attach(self, on_bytes: BytesSink, on_lost: LostSink) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        self._play()

    def write(self, data: bytes) -> None:
        if self._closed:
            raise LinkError("the replay was closed")
        self._pending += data
        while self._pending:
            if self._next >= len(self._records):
                raise LinkError("the recording is over")
            expected = self._records[self._next].data
            if len(self._pending) < len(expected) and expected.startswith(self._pending):
                return
            if not self._pending.startswith(expected):
                raise LinkError(f"the recording has {expected.hex()} here, not {self._pending.hex()}")
            del self._pending[: len(expected)]
            self._next += 1
            self._play()

    def close(self) -> None:
        self._closed = True

    def _play(self) -> None:
        """Hand over what the device said next."""
        while self._next < len(self._records) and self._records[self._next].direction == "in":
            record = self._records[self._next]
            self._next += 1
            if self._on_bytes is not None:
                self._on_bytes(record.data)
