"""Facts held against what a run was judged by, and against the calendar.

Owns the contradictions that keep a passport a draft. Must not fill anything in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from packbench.core.errors import Problem
from packbench.core.result import Result
from packbench.trace.passport.facts import Fact
from packbench.trace.passport.figures import Figure, unlike_ours
from packbench.trace.passport.schema import Kind

AGREES: Final = 0.005
"""House rule: a rating that differs more is another one."""
_CAPACITY: Final[dict[Kind, str]] = {
    "batterypass": "PerformanceAndDurability.batteryTechicalProperties.ratedCapacity",
    "catenax": "performance.rated.capacity.value",
    "din99100": "performance.ratedCapacity.value",
}
_ENERGY: Final[dict[Kind, str]] = {
    "batterypass": "PerformanceAndDurability.batteryTechicalProperties.ratedEnergy",
    "catenax": "performance.rated.energy.value",
    "din99100": "performance.certifiedUsableEnergy.value",
}
"""In kWh; what the state of certified energy is a share of."""


def other_ratings(kind: Kind, result: Result, facts: Sequence[Fact]) -> Iterator[Problem]:
    """Capacity fade and state of certified energy rest on ratings: the maker must state the same."""
    for now, share, factor, path, unit, figure in (
        (result.capacity_ah, result.soh, 1.0, _CAPACITY[kind], "Ah", "state of health"),
        (result.energy_wh, result.soce, 1e-3, _ENERGY[kind], "kWh", "state of certified energy"),
    ):
        if now is None or share is None or share.value <= 0:
            continue
        used = now.value * factor / share.value
        for fact in facts:
            if fact.path == path and abs(float(fact.value) / used - 1) > AGREES:
                expected = f"{used:.6g} {unit}, with which the run computed the {figure}"
                yield fact.problem(f"{fact.value} {unit}", expected)


def other_beginnings(figures: Sequence[Figure], facts: Mapping[str, Fact]) -> Iterator[Problem]:
    """A fade rests on one value of the new battery: pack file and maker must state the same."""
    now = {figure.name: figure.measured.value for figure in figures}
    for name, today in (("resistance", "resistance"), ("power", "power_80"), ("round_trip", "round_trip")):
        fact, fade = facts.get(name), now.get(f"{name}_fade")
        if fact is None or fade is None or unlike_ours(name, fact) is not None:
            continue
        used = now[today] / (1.0 + (fade if name == "resistance" else -fade) / 100.0)
        if abs(float(fact.value) / used - 1.0) > AGREES:
            yield fact.problem(str(fact.value), f"{used:.6g}, with which the run computed what has changed since")


def from_the_future(facts: Sequence[Fact], today: str) -> Iterator[Problem]:
    """Nobody has stated anything on a day that has not come; each source is told once."""
    told: set[int] = set()
    for fact in facts:
        if fact.source.date > today and id(fact.source) not in told:
            told.add(id(fact.source))
            found = f"stated by {fact.source.originator} on {fact.source.date}"
            yield fact.problem(found, f"a day up to {today}")
