"""Finding a frame that begins with a known byte and states its own length.

Owns the search that such protocols share: noise costs itself and nothing else, a false beginning never
hides the frame behind it, and what is kept between two calls is bounded by the longest frame. Must not
know any protocol: what a frame looks like is told to it. It exists because each of these protocols had
to get the same three promises right.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from packbench.wire.counters import LineCounters

Buffer = bytes | bytearray


@dataclass(frozen=True, slots=True)
class FrameShape:
    """How one protocol's frames look."""

    starts: re.Pattern[bytes]
    """Matches the single byte with which a frame may begin."""
    header: int
    """Bytes that `size` needs."""
    size: Callable[[Buffer, int], int]
    """Length in bytes of the frame that begins at a position; 0: none begins there. Must have an upper bound."""
    valid: Callable[[Buffer], bool]
    """Whether bytes of that length are a frame: tail and checksum."""


def cut_frame(buffer: bytearray, shape: FrameShape, counters: LineCounters) -> bytes | None:
    """Take the first valid frame out of `buffer`, with the noise before it; None: no whole one yet.

    Every position is tried. What may still become a frame is kept, the rest is dropped and counted.
    """
    waiting = -1
    pos = 0
    while (found := shape.starts.search(buffer, pos)) is not None:
        start = found.start()
        pos = start + 1
        left = len(buffer) - start
        size = shape.size(buffer, start) if left >= shape.header else shape.header
        if size == 0:
            continue
        if size > left:
            waiting = start if waiting < 0 else waiting
            continue
        frame = bytes(buffer[start : start + size])
        if shape.valid(frame):
            counters.noise_bytes += start
            del buffer[: start + size]
            return frame
        # Counted once: bytes before a frame that is still to come are dropped below, those in it come again.
        counters.crc_errors += waiting < 0
    keep_from = waiting if waiting >= 0 else len(buffer)
    counters.noise_bytes += keep_from
    del buffer[:keep_from]
    return None
