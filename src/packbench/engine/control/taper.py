"""Stepping a charge current down when one cell is at its limit.

Owns one decision: the next current. A staircase, not a control loop: every time any cell reaches
the limit the current drops to 0.7 of what it was, waits for the cell to relax, and never rises
again. It cannot oscillate, and it cannot pass the limit by more than one reading's rise. It ends
at the profile's stated end current, which is what makes the cell full by the profile's own rule.
"""

from __future__ import annotations

from dataclasses import dataclass

STEP_RATIO = 0.7
"""A house rule: about six steps from I3 to 0.05 I1."""
SETTLE_NS = 3_000_000_000
"""Least time between two steps: longer than a cycler's ramp and one BMS reading."""


@dataclass(frozen=True, slots=True)
class Taper:
    """Where the stepping-down of a charge current stands."""

    current_a: float
    """The most that may flow; infinite: no cell has been at its limit yet."""
    changed_ns: int


def next_current(
    taper: Taper, driven_a: float, cell_max_v: float, limit_v: float, end_current_a: float, now_ns: int
) -> Taper | None:
    """The taper after this reading, `driven_a` being commanded: the same object when nothing changes, None: it is over.

    Over: the cell stands at its limit although the current is already down to the end current.
    """
    if cell_max_v < limit_v or now_ns - taper.changed_ns < SETTLE_NS:
        return taper
    current_a = min(taper.current_a, driven_a)
    if current_a <= end_current_a:
        return None
    return Taper(max(current_a * STEP_RATIO, end_current_a), now_ns)
