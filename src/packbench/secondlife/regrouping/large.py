"""Plans for any number of members: groups that balance each other, then swaps while they help.

Owns the construction and the local search. Pure and deterministic: no dice. It proves nothing; `bound` says how far
from the best it can be at most. In parallel a large member makes up for a small one, which sorting and slicing wastes.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from packbench.core.samples import FloatArray
from packbench.secondlife.regrouping.bound import largest
from packbench.secondlife.regrouping.members import Packs, Shape, Table, spread_ah, usable_ah
from packbench.secondlife.regrouping.rules import Rules

SWAPS_MAX = 40_000
"""More than a plan of 5,000 members takes."""
GAIN_AH = 1e-9


def constructed(table: Table, shape: Shape, rules: Rules) -> Packs:
    """The best of two ways: balance all members and slice the groups, or slice the members and balance each slice.

    Fewer packs than were asked for where the rules allow no more.
    """
    best: Packs = ()
    for candidate in (_pooled(table, shape, rules), _sliced(table, shape, rules)):
        if not candidate:
            continue
        improved = _improved(table, candidate, rules)
        if not best or _rank(table, improved) > _rank(table, best):
            best = improved
    return best


def _rank(table: Table, packs: Packs) -> tuple[int, float, float]:
    return len(packs), float(usable_ah(table, packs).sum()), -float(spread_ah(table, packs).sum())


# -- construction -------------------------------------------------------------------------------


def _pooled(table: Table, shape: Shape, rules: Rules) -> Packs:
    chosen = largest(table, len(table) if rules.any else shape.needed)
    return _into_packs(table, shape, rules, _groups(table, shape, rules, chosen))


def _sliced(table: Table, shape: Shape, rules: Rules) -> Packs:
    chosen = largest(table, shape.needed)
    packs: list[tuple[tuple[int, ...], ...]] = []
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
    packs: list[tuple[tuple[int, ...], ...]] = []
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


class _Search:
    """A plan that changes: which member is in which group, and what each group adds up to."""

    def __init__(self, table: Table, packs: Packs, rules: Rules) -> None:
        self._table, self._rules = table, rules
        self.groups = [list(group) for pack in packs for group in pack]
        series = len(packs[0])
        self._pack_of = np.repeat(np.arange(len(packs)), series)
        self._series = series
        capacity = table.capacity_ah
        self.sums = np.array([capacity[group].sum() for group in self.groups])
        placed = [place for group in self.groups for place in group]
        rest = sorted(set(range(len(table))) - set(placed))
        self.places = np.array([*placed, *rest], dtype=np.intp)
        """All members; those in no group come last."""
        group_of = [number for number, group in enumerate(self.groups) for _ in group]
        self.group_of = np.array([*group_of, *(-1 for _ in rest)], dtype=np.intp)
        self.ah = capacity[self.places]

    def lows(self) -> FloatArray:
        """Smallest group of each pack."""
        return self.sums.reshape(-1, self._series).min(axis=1)

    def highs(self) -> FloatArray:
        """Largest group of each pack."""
        return self.sums.reshape(-1, self._series).max(axis=1)

    def raise_smallest(self, pack: int) -> bool:
        """One swap after which the pack's smallest group is larger, and no pack's smallest is smaller."""
        groups = slice(pack * self._series, (pack + 1) * self._series)
        small = groups.start + int(self.sums[groups].argmin())
        return self._swap(small, up=True)

    def lower_largest(self, pack: int) -> bool:
        """One swap after which the pack's largest group is smaller, and no pack's smallest is smaller."""
        groups = slice(pack * self._series, (pack + 1) * self._series)
        large = groups.start + int(self.sums[groups].argmax())
        return self._swap(large, up=False)

    def _swap(self, group: int, *, up: bool) -> bool:
        lows, highs = self.lows(), self.highs()
        own_pack, own_sum = int(self._pack_of[group]), float(self.sums[group])
        inside = self.group_of >= 0
        other = np.where(inside, self.group_of, 0)
        sums, packs = self.sums[other], self._pack_of[other]
        for mine in np.flatnonzero(self.group_of == group).tolist():
            gain = self.ah - self.ah[mine] if up else self.ah[mine] - self.ah
            # What the other group comes to; one that is in no group has nothing to lose.
            after = sums - gain if up else sums + gain
            allowed = (gain > GAIN_AH) & (self.group_of != group)
            if up:
                floor = np.where(packs == own_pack, own_sum + GAIN_AH, lows[packs])
                allowed &= ~inside | (after >= floor)
                worth = np.asarray(
                    np.where(inside, np.minimum(own_sum + gain, after), own_sum + gain), dtype=np.float64
                )
            else:
                ceiling = np.where(packs == own_pack, own_sum - GAIN_AH, highs[packs])
                allowed &= (own_sum - gain >= lows[own_pack]) & (~inside | (after <= ceiling))
                worth = np.asarray(
                    -np.where(inside, np.maximum(own_sum - gain, after), own_sum - gain), dtype=np.float64
                )
            for theirs in _best_first(worth, allowed):
                if self._exchange(mine, theirs):
                    return True
        return False

    def _exchange(self, mine: int, theirs: int) -> bool:
        one, other = int(self.group_of[mine]), int(self.group_of[theirs])
        a, b = int(self.places[mine]), int(self.places[theirs])
        if not self._may(one, other, a, b):
            return False
        self.groups[one][self.groups[one].index(a)] = b
        difference = float(self.ah[theirs] - self.ah[mine])
        self.sums[one] += difference
        if other >= 0:
            self.groups[other][self.groups[other].index(b)] = a
            self.sums[other] -= difference
        self.places[mine], self.places[theirs] = b, a
        self.ah[mine], self.ah[theirs] = self.ah[theirs], self.ah[mine]
        return True

    def _may(self, one: int, other: int, a: int, b: int) -> bool:
        """Whether the rules allow the two groups and their packs with a and b exchanged."""
        if not self._rules.any:
            return True
        changed = {one: tuple(b if place == a else place for place in self.groups[one])}
        if other >= 0:
            changed[other] = tuple(a if place == b else place for place in self.groups[other])
        if not all(self._rules.group_ok(self._table, group) for group in changed.values()):
            return False
        for pack in {int(self._pack_of[number]) for number in changed}:
            numbers = range(pack * self._series, (pack + 1) * self._series)
            groups = tuple(changed.get(number, tuple(self.groups[number])) for number in numbers)
            if not self._rules.pack_ok(self._table, groups):
                return False
        return True

    def packs(self) -> Packs:
        """The plan as it stands."""
        groups = [tuple(group) for group in self.groups]
        return tuple(tuple(groups[at : at + self._series]) for at in range(0, len(groups), self._series))


def _best_first(worth: FloatArray, allowed: np.ndarray) -> Iterator[int]:
    """Candidates by their worth; a few of them are enough, where a rule forbids the first."""
    places = np.flatnonzero(allowed)
    if not places.size:
        return
    few = places[np.argsort(-worth[places], kind="stable")[:24]]
    yield from few.tolist()


def _improved(table: Table, packs: Packs, rules: Rules) -> Packs:
    search = _Search(table, packs, rules)
    swaps = 0
    for improve in (search.raise_smallest, search.lower_largest):
        stuck: set[int] = set()
        while len(stuck) < len(packs) and swaps < SWAPS_MAX:
            for pack in range(len(packs)):
                if improve(pack):
                    swaps += 1
                    stuck.discard(pack)
                else:
                    stuck.add(pack)
    return search.packs()
