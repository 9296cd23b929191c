"""From a table and a shape to a plan with its bound, its gap and what sorting and slicing would have given.

Owns the choice between proving (`exact`) and constructing (`large`), and the figures of the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.secondlife.regrouping.balance import balanced
from packbench.secondlife.regrouping.bound import bound_wh, sort_and_slice
from packbench.secondlife.regrouping.energy import STEP_SHARE, Energy, Wish
from packbench.secondlife.regrouping.exact import MEMBERS_MAX, proven
from packbench.secondlife.regrouping.large import better, constructed
from packbench.secondlife.regrouping.members import Packs, Shape, Table, group_ah, spread_ah
from packbench.secondlife.regrouping.rules import Rules

FINER = 50
"""Balancing counts in so many parts of the step, so that rounding takes nothing of it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What comes of a table. Energies in Wh, over all packs."""

    shape: Shape
    """With as many packs as came of it."""
    asked: int
    """Packs that were asked for."""
    energy: Energy
    packs: Packs
    status: str
    """"optimal": proven to `step_wh`; "bounded": within `gap` of the bound."""
    spread_proven: bool
    """No plan as good has less spread, to a step a pack."""
    usable_wh: float
    spread_ah: float
    """Sum over the packs of the largest less the smallest group."""
    bound_wh: float
    baseline_wh: float | None
    """Sorting and slicing; None: the rules forbid what it gives."""
    left: tuple[int, ...]
    """Places of the members that are in no pack."""

    @property
    def step_wh(self) -> float:
        """A proof is to that step."""
        return self.energy.step_wh

    @property
    def gap(self) -> float:
        """How far from the best it can be at most, as a part of the bound."""
        return max(0.0, 1.0 - self.usable_wh / self.bound_wh)

    @property
    def margin(self) -> float | None:
        """How much more than sorting and slicing, as a part of that."""
        return None if not self.baseline_wh else self.usable_wh / self.baseline_wh - 1.0


def make_plan(
    table: Table, shape: Shape, rules: Rules, *, limit_s: float, wish: Wish | None = None, prove: bool = True
) -> Plan:
    """The best plan that is found. `limit_s`: for each of a proof's two stages.

    Raises InputError when there are too few members, or no pack that the rules allow.
    """
    if shape.needed > len(table):
        found, expected = f"{len(table)} members", f"{shape.needed} for {shape.packs} packs of {shape.per_pack}"
        raise InputError(Problem("too few members", found=found, expected=expected))
    rules.require(table)
    energy = Energy.of(table, shape, wish or Wish())
    packs, sliced = _made(table, energy, shape, rules), sort_and_slice(table, shape)
    sliced_may = _allowed(table, rules, sliced)
    if sliced_may and better(table, energy, sliced, packs):
        packs = sliced
    if not packs:
        expected = "members that may stand together"
        raise InputError(Problem("no pack can be made", found=f"rules {rules.name}", expected=expected))
    made = replace(shape, packs=len(packs))
    most_wh, spread_proven = bound_wh(energy, made), _even(table, packs)
    open_ends = most_wh - energy.total_wh(packs) > energy.step_wh or (shape.parallel == 1 and not spread_proven)
    if open_ends and prove and len(table) <= MEMBERS_MAX and made.packs == shape.packs:
        proof = proven(table, energy, made, rules, packs, limit_s=limit_s)
        if better(table, energy, proof.packs, packs):
            packs = proof.packs
        most_wh, spread_proven = min(most_wh, proof.bound_wh), proof.spread_optimal or _even(table, packs)
    used = {place for pack in packs for group in pack for place in group}
    usable_wh = energy.total_wh(packs)
    optimal = most_wh - usable_wh <= energy.step_wh
    return Plan(
        made,
        shape.packs,
        energy,
        _ordered(energy, packs),
        "optimal" if optimal else "bounded",
        optimal and spread_proven,
        usable_wh,
        float(spread_ah(table, packs).sum()),
        max(most_wh, usable_wh),
        energy.total_wh(sliced) if sliced_may else None,
        tuple(sorted(set(range(len(table))) - used)),
    )


def _made(table: Table, energy: Energy, shape: Shape, rules: Rules) -> Packs:
    packs = constructed(table, energy, shape, rules)
    if packs and shape.parallel > 1 and not rules.any and len(table) <= MEMBERS_MAX:
        evened = _evened(table, packs)
        return evened if better(table, energy, evened, packs) else packs
    return packs


def _evened(table: Table, packs: Packs) -> Packs:
    """The same members in groups that are as equal as can be found, over all packs."""
    step_ah = STEP_SHARE * float(np.median(table.capacity_ah))
    steps = np.rint(table.capacity_ah / step_ah * FINER).astype(np.int64)
    groups = balanced([list(group) for pack in packs for group in pack], steps, Random(1), within=FINER // 2)
    sums = np.array([table.capacity_ah[group].sum() for group in groups])
    order: list[int] = np.argsort(-sums, kind="stable").tolist()
    series = len(packs[0])
    ordered = [tuple(groups[at]) for at in order]
    return tuple(tuple(ordered[at : at + series]) for at in range(0, len(ordered), series))


def _even(table: Table, packs: Packs) -> bool:
    """Whether all groups are the same to a step: no plan has less spread."""
    return float(np.ptp(np.concatenate(group_ah(table, packs)))) <= STEP_SHARE * float(np.median(table.capacity_ah))


def _allowed(table: Table, rules: Rules, packs: Packs) -> bool:
    return all(rules.pack_ok(table, pack) and all(rules.group_ok(table, group) for group in pack) for pack in packs)


def _ordered(energy: Energy, packs: Packs) -> Packs:
    """The best pack first; in a pack the largest group, in a group the largest member first."""
    charge, worth = energy.charge_ah, energy.pack_wh(packs)
    sums = [np.array([charge[list(group)].sum() for group in pack]) for pack in packs]

    def ordered(at: int) -> tuple[tuple[int, ...], ...]:
        order: list[int] = np.argsort(-sums[at], kind="stable").tolist()
        groups = (packs[at][number] for number in order)
        return tuple(tuple(sorted(one, key=lambda place: (-float(charge[place]), place))) for one in groups)

    return tuple(ordered(at) for at in sorted(range(len(packs)), key=lambda at: (-float(worth[at]), at)))
