"""What a byte stream is, to everyone above it.

Owns the one protocol that memory pipes, TCP sockets and serial ports share. A transport moves
bytes and says when the link is gone; framing, matching and time-outs are the port's (run/port.py).
It is callback-based, not await-based: received bytes are handed over in the loop turn they
arrive in, so that a simulated exchange costs no more task switches than it has waits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

BytesSink = Callable[[bytes], None]
"""Called with each chunk of received bytes, in order, on the event loop."""
LostSink = Callable[[str], None]
"""Called once with a reason when the link is gone."""


class Transport(Protocol):
    """A connected byte stream."""

    def attach(self, on_bytes: BytesSink, on_lost: LostSink) -> None:
        """Set who receives. Bytes that came before are handed over at once."""
        ...

    def write(self, data: bytes) -> None:
        """Send without blocking. Raises LinkError when the link is gone."""
        ...

    def close(self) -> None:
        """Close at once. Idempotent."""
        ...
