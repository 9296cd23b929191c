"""Two byte streams that end in each other, inside one process.

Owns the pair and nothing else: no latency, no loss. What is written on one side is handed to the
other in the same loop turn if someone is attached, else kept (bounded) until someone is.
"""

from __future__ import annotations

from packbench.core.errors import LinkError
from packbench.transport.base import BytesSink, LostSink

_KEPT_MAX = 65_536


class MemoryTransport:
    """One end of a pair; see `memory_pair`."""

    def __init__(self) -> None:
        self._peer: MemoryTransport | None = None
        self._on_bytes: BytesSink | None = None
        self._on_lost: LostSink | None = None
        self._kept = bytearray()
        self._closed = False

    def attach(self, on_bytes: BytesSink, on_lost: LostSink) -> None:
        self._on_bytes = on_bytes
        self._on_lost = on_lost
        if self._kept:
            kept = bytes(self._kept)
            self._kept.clear()
            on_bytes(kept)

    def write(self, data: bytes) -> None:
        if self._closed or self._peer is None:
            raise LinkError("the memory link is closed")
        self._peer._receive(data)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._peer is not None and not self._peer._closed:
            self._peer._lose("the other end closed the memory link")

    def _receive(self, data: bytes) -> None:
        if self._on_bytes is not None:
            self._on_bytes(data)
        elif len(self._kept) + len(data) <= _KEPT_MAX:
            self._kept += data

    def _lose(self, reason: str) -> None:
        self._closed = True
        if self._on_lost is not None:
            self._on_lost(reason)


def memory_pair() -> tuple[MemoryTransport, MemoryTransport]:
    """Two connected ends."""
    left, right = MemoryTransport(), MemoryTransport()
    left._peer, right._peer = right, left  # pyright: ignore[reportPrivateUsage] - its own factory
    return left, right
