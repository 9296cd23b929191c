"""What was seen on a line and was not an answer.

Owns the three counters that every codec of a bus shares with its port's statistics.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LineCounters:
    """Counts since the bus was opened."""

    crc_errors: int = 0
    """Frames that looked like the answer and whose checksum was wrong."""
    foreign_frames: int = 0
    """Whole, valid frames that answer something else: another unit, an older request."""
    noise_bytes: int = 0
