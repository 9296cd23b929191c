"""What a step has come to over all of its executions.

Owns that sum: the hull of every outcome, every end, the worst that any limit may see.
"""

from __future__ import annotations

from dataclasses import dataclass

from packbench.core.limits import LIMIT_NAMES, LimitSet
from packbench.profile.checking.worst.interval import Interval, hull
from packbench.profile.checking.worst.outcome import Outcome


@dataclass(slots=True)
class Seen:
    """Everything that one step has come to, over all its executions."""

    duration_s: Interval
    charge_ah: Interval
    energy_wh: Interval
    power_w: Interval
    hottest_c: Interval
    ends: dict[str, None]
    overdue: bool
    beyond: dict[str, float]

    def add(self, outcome: Outcome) -> None:
        """One more."""
        self.duration_s = hull(self.duration_s, outcome.duration_s)
        self.charge_ah = hull(self.charge_ah, outcome.charge_ah)
        self.energy_wh = hull(self.energy_wh, outcome.energy_wh)
        self.power_w = hull(self.power_w, outcome.power_w)
        self.hottest_c = hull(self.hottest_c, outcome.hottest_c)
        self.ends |= {way.text: None for way, _ in outcome.ends}
        self.overdue |= outcome.overdue
        worse(self.beyond, outcome.beyond)


def worse(found: dict[str, float], beyond: LimitSet) -> None:
    """Keep the worst of each name."""
    for name in LIMIT_NAMES:
        value: float | None = getattr(beyond, name)
        if value is not None:
            pick = min if "_min_" in name else max
            found[name] = pick(found.get(name, value), value)


def seen_in(outcome: Outcome) -> Seen:
    """The first of them."""
    beyond: dict[str, float] = {}
    worse(beyond, outcome.beyond)
    return Seen(
        outcome.duration_s,
        outcome.charge_ah,
        outcome.energy_wh,
        outcome.power_w,
        outcome.hottest_c,
        {way.text: None for way, _ in outcome.ends},
        outcome.overdue,
        beyond,
    )
