"""A plan that changes: two members at a time change places while that helps.

Owns the state of a plan under change and what an exchange would do to charge and energy. Deterministic: no dice.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from packbench.core.samples import FloatArray
from packbench.secondlife.regrouping.energy import Energy
from packbench.secondlife.regrouping.members import Packs, Table
from packbench.secondlife.regrouping.rules import Rules

GAIN_AH = 1e-9
GAIN_SHARE = 1e-12
"""Of the plan's energy: less is rounding."""
CANDIDATES = 24
"""So many exchanges are tried where a rule forbids the first."""


class Search:
    """Which member is in which group, what each group adds up to, what each pack delivers."""

    def __init__(self, table: Table, energy: Energy, packs: Packs, rules: Rules) -> None:
        self._table, self._energy, self._rules = table, energy, rules
        self.groups = [list(group) for pack in packs for group in pack]
        series = len(packs[0])
        self._series, self.packs_count = series, len(packs)
        self.pack_of = np.repeat(np.arange(len(packs)), series)
        self.sums = np.array([energy.charge_ah[group].sum() for group in self.groups])
        self._ohm = np.array([energy.group_ohm(group) for group in self.groups])
        volt = np.array([energy.voltage_v[group].mean() for group in self.groups])
        self._pack_v = (volt - energy.current_a * self._ohm).reshape(-1, series).sum(axis=1)
        placed = [place for group in self.groups for place in group]
        rest = sorted(set(range(len(table))) - set(placed))
        self.places = np.array([*placed, *rest], dtype=np.intp)
        """All members; those in no group come last."""
        group_of = [number for number, group in enumerate(self.groups) for _ in group]
        self.group_of = np.array([*group_of, *(-1 for _ in rest)], dtype=np.intp)
        self.ah = energy.charge_ah[self.places]

    def lows(self) -> FloatArray:
        """Smallest group of each pack."""
        return self.sums.reshape(-1, self._series).min(axis=1)

    def highs(self) -> FloatArray:
        """Largest group of each pack."""
        return self.sums.reshape(-1, self._series).max(axis=1)

    @property
    def total_wh(self) -> float:
        """What all packs deliver."""
        return float((self.lows() * self._pack_v).sum())

    # -- what an exchange brings --------------------------------------------------------------

    def gains_wh(self, mine: int) -> FloatArray:
        """What exchanging the member at `mine` (in a group or in none) with each other one adds to the energy."""
        group = int(self.group_of[mine])
        inside = self.group_of >= 0
        other = np.where(inside, self.group_of, 0)
        pack = self.pack_of[other]
        more_ah = self.ah - self.ah[mine]
        my_v, their_v = self._volt_changes(mine, other)
        lows = self.lows()
        without = self._low_without()
        their_low = np.minimum(without[other], self.sums[other] - more_ah)
        theirs = their_low * (self._pack_v[pack] + their_v) - lows[pack] * self._pack_v[pack]
        theirs = np.where(inside, theirs, 0.0)
        if group < 0:
            return np.where(inside, theirs, 0.0)
        own = int(self.pack_of[group])
        my_low = np.minimum(without[group], self.sums[group] + more_ah)
        gains = my_low * (self._pack_v[own] + my_v) - lows[own] * self._pack_v[own] + theirs
        same = inside & (pack == own)
        if same.any():
            both = np.minimum(self.sums[group] + more_ah[same], self.sums[other[same]] - more_ah[same])
            low = np.minimum(self._low_without_two(own, group)[other[same] - own * self._series], both)
            volt = self._pack_v[own] + my_v[same] + their_v[same]
            gains[same] = low * volt - lows[own] * self._pack_v[own]
        return np.where(inside & (self.group_of == group), 0.0, gains)

    def _volt_changes(self, mine: int, other: np.ndarray) -> tuple[FloatArray, FloatArray]:
        """What each exchange adds to the loaded voltage of my group, and of theirs."""
        energy, group = self._energy, int(self.group_of[mine])
        more_v = (energy.voltage_v[self.places] - energy.voltage_v[self.places[mine]]) / energy.shape.parallel
        if energy.siemens is None:
            return more_v, -more_v
        more_s = energy.siemens[self.places] - energy.siemens[self.places[mine]]
        my_ohm = self._ohm[max(group, 0)]
        mine_v = more_v - energy.current_a * (1.0 / (1.0 / my_ohm + more_s) - my_ohm) if group >= 0 else more_v
        their_ohm = self._ohm[other]
        # A member that is in no group has no group of its own: what stands there for it is not looked at.
        left_s = np.maximum(1.0 / their_ohm - more_s, 1e-300)
        return mine_v, -more_v - energy.current_a * (1.0 / left_s - their_ohm)

    def _low_without(self) -> FloatArray:
        """For each group, the smallest other group of its pack."""
        sums = self.sums.reshape(-1, self._series)
        if self._series == 1:
            return np.full(len(self.sums), np.inf)
        two = np.partition(sums, 1, axis=1)[:, :2]
        first = sums.argmin(axis=1)
        without = np.repeat(two[:, :1], self._series, axis=1)
        without[np.arange(len(sums)), first] = two[:, 1]
        return without.ravel()

    def _low_without_two(self, pack: int, group: int) -> FloatArray:
        """For each group of a pack, the smallest of those that are neither it nor `group`."""
        own = self.sums[pack * self._series : (pack + 1) * self._series].copy()
        own[group - pack * self._series] = np.inf
        order = np.argsort(own, kind="stable")
        without = np.full(self._series, own[order[0]])
        without[order[0]] = own[order[1]] if self._series > 1 else np.inf
        return without

    # -- what is done about it ----------------------------------------------------------------

    def raise_energy(self) -> bool:
        """For each member the exchange that brings most, where one brings something. Whether any did."""
        any_gain = False
        for mine in range(len(self.places)):
            if self.group_of[mine] < 0:
                continue
            gains = self.gains_wh(mine)
            for theirs in best_first(gains, gains > GAIN_SHARE * self.total_wh):
                if self.exchange(mine, theirs):
                    any_gain = True
                    break
        return any_gain

    def raise_smallest(self, pack: int) -> bool:
        """One swap after which the pack's smallest group is larger, and no pack's smallest is smaller."""
        groups = slice(pack * self._series, (pack + 1) * self._series)
        group = groups.start + int(self.sums[groups].argmin())
        lows, own_sum = self.lows(), float(self.sums[group])
        inside, sums, packs = self._others()
        for mine in np.flatnonzero(self.group_of == group).tolist():
            gain = self.ah - self.ah[mine]
            # What the other group comes to; one that is in no group has nothing to lose.
            after = sums - gain
            floor = np.where(packs == pack, own_sum + GAIN_AH, lows[packs])
            allowed = (gain > GAIN_AH) & (self.group_of != group) & (~inside | (after >= floor))
            worth = own_sum + gain
            worth = np.minimum(worth, after, out=worth, where=inside)
            if any(self.exchange(mine, theirs) for theirs in best_first(worth, allowed)):
                return True
        return False

    def lower_largest(self, pack: int, *, floor_wh: float) -> bool:
        """One swap after which the pack's largest group is smaller, no other's larger, and the energy not below."""
        groups = slice(pack * self._series, (pack + 1) * self._series)
        group = groups.start + int(self.sums[groups].argmax())
        lows, highs, own_sum = self.lows(), self.highs(), float(self.sums[group])
        inside, sums, packs = self._others()
        room_wh = floor_wh - self.total_wh
        for mine in np.flatnonzero(self.group_of == group).tolist():
            gain = self.ah[mine] - self.ah
            after = sums + gain
            ceiling = np.where(packs == pack, own_sum - GAIN_AH, highs[packs])
            allowed = (gain > GAIN_AH) & (self.group_of != group)
            allowed &= (own_sum - gain >= lows[pack]) & (~inside | (after <= ceiling))
            if not allowed.any():
                continue
            allowed &= self.gains_wh(mine) >= room_wh
            worth = own_sum - gain
            worth = np.maximum(worth, after, out=worth, where=inside)
            if any(self.exchange(mine, theirs) for theirs in best_first(-worth, allowed)):
                return True
        return False

    def _others(self) -> tuple[np.ndarray, FloatArray, np.ndarray]:
        """For each member: whether it is in a group, that group's charge and its pack."""
        inside = self.group_of >= 0
        other = np.where(inside, self.group_of, 0)
        return inside, self.sums[other], self.pack_of[other]

    def exchange(self, mine: int, theirs: int) -> bool:
        """Do it, unless a rule forbids it. `mine` is in a group."""
        one, other = int(self.group_of[mine]), int(self.group_of[theirs])
        a, b = int(self.places[mine]), int(self.places[theirs])
        if not self.may(mine, theirs):
            return False
        volts = self._volt_changes(mine, np.maximum(self.group_of, 0))
        self.groups[one][self.groups[one].index(a)] = b
        difference = float(self.ah[theirs] - self.ah[mine])
        for group, sign, volt in ((one, 1.0, volts[0]), (other, -1.0, volts[1])):
            if group >= 0:
                self.sums[group] += sign * difference
                self._pack_v[self.pack_of[group]] += volt[theirs]
        if other >= 0:
            self.groups[other][self.groups[other].index(b)] = a
            self._ohm[other] = self._energy.group_ohm(self.groups[other])
        self._ohm[one] = self._energy.group_ohm(self.groups[one])
        self.places[mine], self.places[theirs] = b, a
        self.ah[mine], self.ah[theirs] = self.ah[theirs], self.ah[mine]
        return True

    def may(self, mine: int, theirs: int) -> bool:
        """Whether the rules allow the groups and packs of two members with these exchanged; one is in a group."""
        if not self._rules.any:
            return True
        a, b = int(self.places[mine]), int(self.places[theirs])
        changed: dict[int, tuple[int, ...]] = {}
        for group, out, into in ((int(self.group_of[mine]), a, b), (int(self.group_of[theirs]), b, a)):
            if group >= 0:
                changed[group] = tuple(into if place == out else place for place in self.groups[group])
        if not all(self._rules.group_ok(self._table, group) for group in changed.values()):
            return False
        for pack in {int(self.pack_of[number]) for number in changed}:
            numbers = range(pack * self._series, (pack + 1) * self._series)
            groups = tuple(changed.get(number, tuple(self.groups[number])) for number in numbers)
            if not self._rules.pack_ok(self._table, groups):
                return False
        return True

    def packs(self) -> Packs:
        """The plan as it stands."""
        groups = [tuple(group) for group in self.groups]
        return tuple(tuple(groups[at : at + self._series]) for at in range(0, len(groups), self._series))


def best_first(worth: FloatArray, allowed: np.ndarray) -> Iterator[int]:
    """Candidates by their worth; a few of them are enough, where a rule forbids the first."""
    places = np.flatnonzero(allowed)
    if not places.size:
        return
    few = places[np.argsort(-worth[places], kind="stable")[:CANDIDATES]]
    yield from few.tolist()
