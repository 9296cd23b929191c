"""Plans for any number of members: groups that balance each other, then swaps (`search`) while they help.

Owns the construction and the order of the swaps. Pure and deterministic: no dice. It proves nothing; `bound` says how
far from the best it can be at most. In parallel a large member makes up for a small one, which sorting and slicing
wastes.
"""

from __future__ import annotations

from collections.abc import Callable

from packbench.secondlife.regrouping.bound import largest, most_useful
from packbench.secondlife.regrouping.energy import Energy
from packbench.secondlife.regrouping.members import Pack, Packs, Shape, Table, spread_ah
from packbench.secondlife.regrouping.rules import Rules
from packbench.secondlife.regrouping.search import GAIN_AH, Search

SWAPS_MAX = 40_000
"""More than a plan of 5,000 members takes."""
SWEEPS_MAX = 12
"""Over all members; mostly a handful is enough."""


def constructed(table: Table, energy: Energy, shape: Shape, rules: Rules) -> Packs:
    """The best of two ways: balance all members and slice the groups, or slice the members and balance each slice.

    Fewer packs than were asked for where the rules allow no more.
    """
    best: Packs = ()
    chosen = most_useful(energy, shape)
    everybody = largest(table, len(table)) if rules.any else chosen
    for candidate in (_pooled(table, shape, rules, everybody), _sliced(table, shape, rules, chosen)):
        if not candidate:
            continue
        improved = _improved(table, energy, candidate, rules)
        if better(table, energy, improved, best):
            best = improved
    return best


def better(table: Table, energy: Energy, one: Packs, other: Packs) -> bool:
    """Whether `one` has more packs, else more energy than a tie, else less spread, else more energy."""
    if len(one) != len(other) or not one:
        return len(one) > len(other)
    more = energy.total_wh(one) - energy.total_wh(other)
    if abs(more) > energy.tie_wh:
        return more > 0
    wider = float(spread_ah(table, one).sum()) - float(spread_ah(table, other).sum())
    return wider < 0 if abs(wider) > GAIN_AH else more > 0


# -- construction -------------------------------------------------------------------------------


def _pooled(table: Table, shape: Shape, rules: Rules, chosen: list[int]) -> Packs:
    return _into_packs(table, shape, rules, _groups(table, shape, rules, chosen))


def _sliced(table: Table, shape: Shape, rules: Rules, chosen: list[int]) -> Packs:
    packs: list[Pack] = []
    for at in range(0, len(chosen), shape.per_pack):
        groups = _groups(table, shape, rules, chosen[at : at + shape.per_pack])
        packs += _into_packs(table, Shape(1, shape.series, shape.parallel), rules, groups)
    return tuple(packs)


def _groups(table: Table, shape: Shape, rules: Rules, chosen: list[int]) -> list[tuple[int, ...]]:
    """The largest that is left with the smallest that may stand beside it, until a group is full."""
    left = list(chosen)
    groups: list[tuple[int, ...]] = []
    while len(left) >= shape.parallel:
        group = [left.pop(0)]
        from_end = True
        while len(group) < shape.parallel:
            fits = _first_fit(table, rules, group, left, from_end=from_end)
            if fits is None:
                break
            group.append(left.pop(fits))
            from_end = not from_end
        if len(group) == shape.parallel:
            groups.append(tuple(group))
    return groups


def _first_fit(table: Table, rules: Rules, group: list[int], left: list[int], *, from_end: bool) -> int | None:
    order = range(len(left) - 1, -1, -1) if from_end else range(len(left))
    for at in order:
        together = (*group, left[at])
        if rules.group_ok(table, together) and rules.pack_ok(table, (together,)):
            return at
    return None


def _into_packs(table: Table, shape: Shape, rules: Rules, groups: list[tuple[int, ...]]) -> Packs:
    """Groups that are alike into one pack; where a rule forbids a slice, its first group stays out."""
    left = sorted(groups, key=lambda group: (-float(table.capacity_ah[list(group)].sum()), group))
    packs: list[Pack] = []
    at = 0
    while len(packs) < shape.packs and at + shape.series <= len(left):
        pack = tuple(left[at : at + shape.series])
        if rules.pack_ok(table, pack):
            packs.append(pack)
            at += shape.series
        else:
            at += 1
    return tuple(packs)


# -- improvement --------------------------------------------------------------------------------


def _improved(table: Table, energy: Energy, packs: Packs, rules: Rules) -> Packs:
    """More charge first, since it is most of the energy; then energy; then spread, at no more than a tie of energy."""
    search = Search(table, energy, packs, rules)
    _while_it_helps(search.raise_smallest, len(packs))
    for _ in range(SWEEPS_MAX):
        if not search.raise_energy():
            break
    floor_wh = search.total_wh - energy.tie_wh
    _while_it_helps(lambda pack: search.lower_largest(pack, floor_wh=floor_wh), len(packs))
    return search.packs()


def _while_it_helps(improve: Callable[[int], bool], packs: int) -> None:
    swaps, stuck = 0, set[int]()
    while len(stuck) < packs and swaps < SWAPS_MAX:
        for pack in range(packs):
            if improve(pack):
                swaps += 1
                stuck.discard(pack)
            else:
                stuck.add(pack)
