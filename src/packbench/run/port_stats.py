"""What happened on a bus, in numbers.

Owns the counters and the histogram of a port, and the words in which people and programs get them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from packbench.wire.counters import LineCounters

LATENCY_BUCKETS = 24


@dataclass(slots=True)
class PortStats:
    """What happened on a bus since it was opened."""

    requests: int = 0
    """Frames sent, retries included."""
    replies: int = 0
    """Answers delivered, refusals included."""
    retries: int = 0
    timeouts: int = 0
    bad_replies: int = 0
    refused: int = 0
    dropped_bytes: int = 0
    """Bytes that came when nothing was asked: late replies, noise."""
    latency_us_log2: list[int] = field(default_factory=lambda: [0] * LATENCY_BUCKETS)
    """Histogram: bucket n counts replies that took less than 2**n microseconds (and at least half of it)."""
    counters: LineCounters = field(default_factory=LineCounters)

    def as_dict(self) -> dict[str, int | list[int]]:
        """For `devices probe --json` and the dashboard."""
        return {
            "requests": self.requests,
            "replies": self.replies,
            "retries": self.retries,
            "timeouts": self.timeouts,
            "bad_replies": self.bad_replies,
            "refused": self.refused,
            "crc_errors": self.counters.crc_errors,
            "foreign_frames": self.counters.foreign_frames,
            "noise_bytes": self.counters.noise_bytes,
            "dropped_bytes": self.dropped_bytes,
            "latency_us_log2": list(self.latency_us_log2),
        }
