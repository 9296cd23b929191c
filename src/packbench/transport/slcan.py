"""CAN frames over a byte stream: the host's side of an slcan adapter.

Owns the adapter's channel: it is opened when somebody attaches (close, bit rate, open) and closed at the end. Frames
go out and come in as lines of text (`wire/slcan`). Must not know what a frame means, wait, or send anything twice.
An adapter's refusals are counted, not raised: whether a frame reached the bus shows in what the other side says, and
a bus that is off (error frames, a dead adapter) shows as silence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from packbench.core.errors import LinkError
from packbench.transport.base import LostSink, Transport
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.slcan import CLOSING_LINE, HostReader, frame_line, opening_lines
from packbench.wire.counters import LineCounters

FrameSink = Callable[[CanFrame], None]
"""Called with each received frame, in order, on the event loop."""


@dataclass(slots=True)
class SlcanStats:
    """Counts since the channel was opened."""

    frames_in: int = 0
    frames_out: int = 0
    refused: int = 0
    """Lines to which the adapter said no, those of opening among them (closing a closed channel is one)."""


class SlcanTransport:
    """A CAN bus behind an slcan adapter.

    Args:
        transport: The connected byte stream; this owns it from now on.
        bitrate: Of the bus, in bit/s. Raises ValueError for one that slcan has not.
    """

    def __init__(self, transport: Transport, bitrate: int) -> None:
        self._opening = b"".join(opening_lines(bitrate))
        self._transport = transport
        self._reader = HostReader()
        self._on_frame: FrameSink | None = None
        self._closed = False
        self.stats = SlcanStats()

    @property
    def counters(self) -> LineCounters:
        """Noise seen on the line."""
        return self._reader.counters

    @property
    def malformed_lines(self) -> int:
        """Lines that nobody could have meant."""
        return self._reader.malformed_lines

    def attach(self, on_frame: FrameSink, on_lost: LostSink) -> None:
        """Set who receives, and open the channel. Raises LinkError when the link is gone."""
        self._on_frame = on_frame
        self._transport.attach(self._on_bytes, on_lost)
        self._transport.write(self._opening)

    def send(self, frame: CanFrame) -> None:
        """Send without blocking. Raises LinkError when the link is gone, or takes no data any more."""
        if self._closed:
            raise LinkError("the CAN channel is closed")
        self._transport.write(frame_line(frame))
        self.stats.frames_out += 1

    def close(self) -> None:
        """Close the channel and the link. Idempotent."""
        if self._closed:
            return
        self._closed = True
        try:
            self._transport.write(CLOSING_LINE)
        except LinkError:
            # Nobody is there to be told.
            pass
        finally:
            self._transport.close()

    def _on_bytes(self, data: bytes) -> None:
        for item in self._reader.feed(data):
            if self._closed:
                return
            if isinstance(item, CanFrame):
                self.stats.frames_in += 1
                if self._on_frame is not None:
                    self._on_frame(item)
            elif item.kind == "error":
                self.stats.refused += 1
