"""What a broken invariant looks like, and its own words.

Owns the shape that every check reports and the texts of the catalogue. Must not check anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

TEXTS: Final[dict[str, str]] = {
    "I1": "the output is never on with a heartbeat older than 600 ms",
    "I2": "a sample beyond a limit: off command within 100 ms, |I| < 1 A within 500 ms, contactor open within 1 s",
    "I3": "no off-to-on without an operator's arm token newer than the last trip",
    "I4": "the contactor closes only when |dV| is below its threshold and precharge succeeded",
    "I5": "no decision uses a sample older than its source's stale-after or marked invalid",
    "I6": "every value belongs to the request, unit and register that asked for it",
    "I7": "no acknowledged sample is lost, doubled or reordered across any crash",
    "I8": "energy closes: the integral of V I, the stored Wh and the reported Wh agree within 0.1 %",
    "I9": "the effective limit is the tightest of the layers; a missing limit refuses the run",
    "I10": "wall-clock changes never alter control",
    "I11": "the same seed gives a byte-identical event log",
    "I12": "losing storage, UI or MES never delays a stop",
    "I13": "each state-changing call has an authenticated actor in a hash-chained audit log",
    "I14": "PASS implies a complete, durable record with a matching serial",
}
"""The catalogue's words."""

NEVER_NS: Final = 1 << 62
"""Later than any run."""
MS: Final = 1_000_000
S: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken invariant."""

    invariant: str
    """A key of `TEXTS`."""
    t_ns: int
    """On the world's clock; of a comparison of records 0."""
    text: str
    """What was seen, in words."""
    data: dict[str, Any] = field(default_factory=dict[str, Any])
    """The same in numbers; plain JSON."""

    def __str__(self) -> str:
        return f"{self.invariant} at {self.t_ns / S:.3f} s: {self.text}"


Report = Callable[[Violation], None]
"""Where a check says what it found."""
