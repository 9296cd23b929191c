"""Why a plan is as it is: what limits each pack, and why a member is in none.

Owns the reasons, as data; their words are the command line's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packbench.secondlife.regrouping.energy import Energy
from packbench.secondlife.regrouping.members import Pack, Table
from packbench.secondlife.regrouping.plan import Plan
from packbench.secondlife.regrouping.rules import Rules
from packbench.secondlife.regrouping.search import CANDIDATES, Search


@dataclass(frozen=True, slots=True)
class Limit:
    """What ends a pack's discharge."""

    group: int
    """The smallest group's place in the pack."""
    member: int
    """The smallest member in it, by its place in the table."""
    next_ah: float
    """What the second smallest group still holds then."""


@dataclass(frozen=True, slots=True)
class LeftOver:
    """Why a member is in no pack."""

    member: int
    reason: str
    """"not_asked": its like would make another pack, and none was asked for; "remainder": too few are left for another
    pack; "rules": the rules allow no further pack of those left; "rule": in a pack it would bring more, and a rule
    forbids it there."""
    instead_of: int
    """The member whose place would suit it best (of those that the rules allow, if any does)."""
    pack: int
    """Where that one is."""
    change_wh: float
    """What all packs together would gain by that exchange."""


def limit_of(energy: Energy, pack: Pack) -> Limit:
    """What limits this pack."""
    sums = np.array([energy.charge_ah[list(group)].sum() for group in pack])
    group = int(sums.argmin())
    weakest = min(pack[group], key=lambda place: float(energy.charge_ah[place]))
    ordered = np.sort(sums)
    return Limit(group, weakest, float(ordered[min(1, len(ordered) - 1)] - ordered[0]))


def left_over(table: Table, plan: Plan, rules: Rules) -> list[LeftOver]:
    """A reason for each member that is in no pack, by the best exchange that there is for it."""
    search = Search(table, plan.energy, plan.packs, rules)
    inside = search.group_of >= 0
    if len(plan.left) < plan.shape.per_pack:
        why = "remainder"
    else:
        why = "not_asked" if plan.shape.packs == plan.asked else "rules"
    found: list[LeftOver] = []
    for at in np.flatnonzero(~inside).tolist():
        gains = search.gains_wh(at)
        # Where several are as good, the smallest: that is what a pack would best be rid of.
        order: list[int] = [one for one in np.lexsort((search.ah, -gains.round(6))).tolist() if inside[one]][
            :CANDIDATES
        ]
        allowed = next((other for other in order if search.may(other, at)), None)
        best = order[0] if allowed is None else allowed
        forbidden = allowed != order[0] and gains[order[0]] > plan.step_wh
        place, instead_of = int(search.places[at]), int(search.places[best])
        pack = int(search.pack_of[search.group_of[best]])
        found.append(LeftOver(place, "rule" if forbidden else why, instead_of, pack, float(gains[best])))
    return found
