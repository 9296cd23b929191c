"""From a table and a shape to a plan with its bound, its gap and what sorting and slicing would have given.

Owns the choice between proving (`exact`) and constructing (`large`), and the figures of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.secondlife.regrouping.balance import balanced
from packbench.secondlife.regrouping.bound import bound_ah, sort_and_slice
from packbench.secondlife.regrouping.exact import MEMBERS_MAX, proven
from packbench.secondlife.regrouping.large import constructed
from packbench.secondlife.regrouping.members import Packs, Shape, Table, group_ah, spread_ah, usable_ah
from packbench.secondlife.regrouping.rules import Rules

FINER = 50
"""Balancing counts in so many parts of the step, so that rounding takes nothing of it."""
STEP_SHARE = 0.001
"""Of the median member: the step in which a proof counts."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What comes of a table. Charges in Ah."""

    shape: Shape
    """With as many packs as came of it."""
    asked: int
    """Packs that were asked for."""
    packs: Packs
    status: str
    """"optimal": proven to `step_ah`; "bounded": within `gap` of the bound."""
    spread_proven: bool
    usable_ah: float
    """Sum over the packs."""
    spread_ah: float
    """Sum over the packs of the largest less the smallest group."""
    bound_ah: float
    baseline_ah: float | None
    """Sorting and slicing; None: the rules forbid what it gives."""
    step_ah: float | None
    """Step of the proof; None: nothing was proven."""
    left: tuple[int, ...]
    """Places of the members that are in no pack."""

    @property
    def gap(self) -> float:
        """How far from the best it can be at most, as a part of the bound."""
        return max(0.0, 1.0 - self.usable_ah / self.bound_ah)

    @property
    def margin(self) -> float | None:
        """How much more than sorting and slicing, as a part of that."""
        return None if not self.baseline_ah else self.usable_ah / self.baseline_ah - 1.0


def make_plan(table: Table, shape: Shape, rules: Rules, *, limit_s: float, prove: bool = True) -> Plan:
    """The best plan that is found. `limit_s`: for each of a proof's two stages.

    Raises InputError when there are too few members, or no pack that the rules allow.
    """
    if shape.needed > len(table):
        found, expected = f"{len(table)} members", f"{shape.needed} for {shape.packs} packs of {shape.per_pack}"
        raise InputError(Problem("too few members", found=found, expected=expected))
    rules.require(table)
    packs = constructed(table, shape, rules)
    sliced = sort_and_slice(table, shape)
    if _allowed(table, rules, sliced) and _better(table, sliced, packs):
        packs = sliced
    if not packs:
        problem = Problem(
            "no pack can be made", found=f"rules {rules.name}", expected="members that may stand together"
        )
        raise InputError(problem)
    step_ah = STEP_SHARE * float(np.median(table.capacity_ah))
    if shape.parallel > 1 and not rules.any and len(table) <= MEMBERS_MAX:
        evened = _evened(table, packs, step_ah)
        packs = evened if _better(table, evened, packs) else packs
    made = replace(shape, packs=len(packs))
    status, spread_proven, most_ah = "bounded", False, bound_ah(table, made)
    if _reaches(table, packs, most_ah, step_ah):
        status, spread_proven = "optimal", _even(table, packs, step_ah)
    # In parallel, equal groups are as good as proven; a solver would look for the least spread among billions in vain.
    open_ends = status != "optimal" or (shape.parallel == 1 and not spread_proven)
    if open_ends and prove and len(table) <= MEMBERS_MAX and made.packs == shape.packs:
        proof = proven(table, made, rules, packs, step_ah=step_ah, limit_s=limit_s)
        if proof.optimal or _better(table, proof.packs, packs):
            packs = _finest(table, proof.packs, packs)
        most_ah = max(proof.bound_ah, float(usable_ah(table, packs).sum()))
        status = (
            "optimal" if proof.optimal or status == "optimal" or _reaches(table, packs, most_ah, step_ah) else "bounded"
        )
        spread_proven = proof.spread_optimal
    used = {place for pack in packs for group in pack for place in group}
    baseline = float(usable_ah(table, sliced).sum()) if _allowed(table, rules, sliced) else None
    return Plan(
        made,
        shape.packs,
        _ordered(table, packs),
        status,
        spread_proven,
        float(usable_ah(table, packs).sum()),
        float(spread_ah(table, packs).sum()),
        most_ah,
        baseline,
        step_ah if status == "optimal" else None,
        tuple(sorted(set(range(len(table))) - used)),
    )


def _evened(table: Table, packs: Packs, step_ah: float) -> Packs:
    """The same members in groups that are as equal as can be found, over all packs."""
    steps = np.rint(table.capacity_ah / step_ah * FINER).astype(np.int64)
    groups = balanced(
        [list(group) for pack in packs for group in pack], steps, Random(1), within=FINER - len(packs[0][0])
    )
    sums = np.array([table.capacity_ah[group].sum() for group in groups])
    order: list[int] = np.argsort(-sums, kind="stable").tolist()
    series = len(packs[0])
    ordered = [tuple(groups[at]) for at in order]
    return tuple(tuple(ordered[at : at + series]) for at in range(0, len(ordered), series))


def _reaches(table: Table, packs: Packs, most_ah: float, step_ah: float) -> bool:
    """Whether a plan is within a step of what nothing can beat."""
    return most_ah - float(usable_ah(table, packs).sum()) <= step_ah


def _even(table: Table, packs: Packs, step_ah: float) -> bool:
    """Whether all groups are the same to a step: no plan has less spread."""
    return float(np.ptp(np.concatenate(group_ah(table, packs)))) <= step_ah


def _finest(table: Table, proof: Packs, start: Packs) -> Packs:
    """Of two that count the same in steps, the one that is better in truth."""
    return proof if _better(table, proof, start) or not _better(table, start, proof) else start


def _better(table: Table, one: Packs, other: Packs) -> bool:
    if len(one) != len(other):
        return len(one) > len(other)
    more = float(usable_ah(table, one).sum()) - float(usable_ah(table, other).sum())
    if abs(more) > 1e-9:
        return more > 0
    return float(spread_ah(table, one).sum()) < float(spread_ah(table, other).sum()) - 1e-9


def _allowed(table: Table, rules: Rules, packs: Packs) -> bool:
    return all(rules.pack_ok(table, pack) and all(rules.group_ok(table, group) for group in pack) for pack in packs)


def _ordered(table: Table, packs: Packs) -> Packs:
    """The best pack first; in a pack the largest group, in a group the largest member first."""
    sums = group_ah(table, packs)

    def ordered(at: int) -> tuple[tuple[int, ...], ...]:
        order: list[int] = np.argsort(-sums[at], kind="stable").tolist()
        groups = (packs[at][number] for number in order)
        return tuple(tuple(sorted(one, key=lambda place: (-float(table.capacity_ah[place]), place))) for one in groups)

    return tuple(ordered(at) for at in sorted(range(len(packs)), key=lambda at: (-float(sums[at].min()), at)))
