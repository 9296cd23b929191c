"""How far apart the renewals of the lease were.

Owns the distribution, in whole milliseconds. Must not read a clock. It exists because a lease that is nearly missed now
and then will be missed one day (faults catalogue, comms.nuisance).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

NS_PER_MS = 1_000_000


@dataclass(slots=True)
class HeartbeatGaps:
    """The gaps between acknowledged renewals, and how many were not made."""

    count: int = 0
    """Renewals that were acknowledged."""
    withheld: int = 0
    """Not made: the channel's answer was not fit, or did not come."""
    missed: int = 0
    """Made and not acknowledged."""
    _last_ns: int | None = None
    _gaps_ms: dict[int, int] = field(default_factory=dict[int, int])

    def renewed(self, t_ns: int) -> None:
        """A renewal was acknowledged at t_ns."""
        self.count += 1
        if self._last_ns is not None:
            gap_ms = (t_ns - self._last_ns) // NS_PER_MS
            self._gaps_ms[gap_ms] = self._gaps_ms.get(gap_ms, 0) + 1
        self._last_ns = t_ns

    def pause(self) -> None:
        """The next gap is made on purpose."""
        self._last_ns = None

    def at_most_s(self, share: float) -> float | None:
        """The gap that this share of all does not exceed; None when there is none yet."""
        wanted = share * sum(self._gaps_ms.values())
        seen = 0
        for gap_ms in sorted(self._gaps_ms):
            seen += self._gaps_ms[gap_ms]
            if seen >= wanted:
                return gap_ms / 1000.0
        return None

    def as_dict(self) -> dict[str, Any]:
        """For the record."""
        return {
            "renewed": self.count,
            "withheld": self.withheld,
            "missed": self.missed,
            "gap_p50_s": self.at_most_s(0.5),
            "gap_p99_s": self.at_most_s(0.99),
            "gap_max_s": self.at_most_s(1.0),
            "gaps_ms": {str(gap_ms): self._gaps_ms[gap_ms] for gap_ms in sorted(self._gaps_ms)},
        }
