"""What all trials of a campaign came to.

Owns the sums: injections a row and a state, trips by cause, latencies against budgets, violations. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from packbench_sim.campaign.report import TrialReport, Violation


@dataclass(slots=True)
class Latencies:
    """Times from what showed a fault to the first thing done about it, of one row, or of such a form."""

    budget_s: float | None
    seconds: list[float] = field(default_factory=list[float])

    def as_dict(self) -> dict[str, Any]:
        """p99 is the value that 99 % do not exceed (nearest rank)."""
        ordered = sorted(self.seconds)
        at = max(ceil(0.99 * len(ordered)) - 1, 0)
        return {
            "count": len(ordered),
            "p99_s": ordered[at] if ordered else None,
            "worst_s": ordered[-1] if ordered else None,
            "budget_s": self.budget_s,
        }


@dataclass(slots=True)
class Tally:
    """The sums so far."""

    budgets_s: Mapping[str, float | None]
    """By row, and by form of a row that has a budget of its own."""
    seeds: int = 0
    simulated_s: float = 0.0
    cpu_s: float = 0.0
    lives: int = 0
    resumed: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    trips: Counter[str] = field(default_factory=Counter[str])
    injections: dict[str, Counter[str]] = field(default_factory=dict[str, "Counter[str]"])
    """By row, by state."""
    held: Counter[str] = field(default_factory=Counter[str])
    latencies: dict[str, Latencies] = field(default_factory=dict[str, Latencies])
    violations: list[Violation] = field(default_factory=list[Violation])

    def add(self, report: TrialReport) -> None:
        """Take in a trial."""
        self.seeds += 1
        self.simulated_s += report.simulated_s
        self.cpu_s += report.wall_s
        self.lives += report.lives
        self.resumed += report.resumed
        self.ended.update(report.ended)
        self.trips.update(report.trips)
        self.violations += report.violations
        for one in report.injections:
            self.injections.setdefault(one.row, Counter())[one.state] += 1
            self.held[one.row] += one.held
            if one.latency_s is not None:
                name = one.form or one.row
                latencies = self.latencies.setdefault(name, Latencies(self.budgets_s.get(name)))
                latencies.seconds.append(one.latency_s)

    def add_all(self, reports: Iterable[TrialReport]) -> None:
        """Take in several."""
        for report in reports:
            self.add(report)

    def as_dict(self) -> dict[str, Any]:
        """The campaign's JSON (DESIGN 10), and more."""
        hours = self.simulated_s / 3600.0
        return {
            "seeds": self.seeds,
            "simulated_hours": hours,
            "simulated_years_per_cpu_hour": hours / 8766.0 / (self.cpu_s / 3600.0) if self.cpu_s else None,
            "lives": self.lives,
            "resumed": self.resumed,
            "ended": dict(self.ended),
            "injections": {row: dict(states) for row, states in sorted(self.injections.items())},
            "held": {row: self.held[row] for row in sorted(self.injections)},
            "trips": dict(self.trips.most_common()),
            "latencies": {row: found.as_dict() for row, found in sorted(self.latencies.items())},
            "violations": [
                {
                    "of": each.of,
                    "seed": each.seed,
                    "t_s": each.t_s,
                    "text": each.text,
                    "command": each.command,
                    "faults": list(each.faults),
                }
                for each in self.violations
            ],
        }
