"""Groups of equal charge: three of them (or two) are put together anew in the best of all ways, again and again.

Owns that search, in whole steps of charge. Pure: the dice come from outside. Where it ends with all groups equal to the
step, no plan can be better, since no smallest group is above the mean: that is a proof that needs no solver.
"""

from __future__ import annotations

from functools import cache
from itertools import combinations
from math import comb
from random import Random

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
WAYS_MAX = 16_000
"""So many ways are added up in a millisecond."""
STARTS = 3
TRIES_MAX = 400
"""From each start."""
PATIENCE = 25
"""Tries without a gain before something else than the best is taken, at every other try."""
NEARLY = 40


def balanced(groups: list[list[int]], steps: Ints, rng: Random, *, within: int) -> list[list[int]]:
    """Groups of the same members with the largest smallest sum that is found; then the least largest.

    It ends early once no group is more than so many steps below their mean.
    """
    size = len(groups[0])
    many = max((some for some in range(2, len(groups) + 1) if _ways_of(size, some) <= WAYS_MAX), default=0)
    if size < 2 or many < 2:
        return groups
    ways = _ways(size, many)
    best, best_rank = groups, _rank(np.array([steps[group].sum() for group in groups]))
    mean = int(sum(steps[group].sum() for group in groups)) // len(groups)
    for start in range(STARTS):
        if mean - best_rank[0] < within:
            break
        begun = groups if start == 0 else _shuffled(groups, rng)
        found, rank = _walk(begun, steps, ways, rng, enough=mean - within + 1)
        if rank > best_rank:
            best, best_rank = found, rank
    return best


def _shuffled(groups: list[list[int]], rng: Random) -> list[list[int]]:
    pool = [place for group in groups for place in group]
    rng.shuffle(pool)
    size = len(groups[0])
    return [pool[at : at + size] for at in range(0, len(pool), size)]


def _walk(
    groups: list[list[int]], steps: Ints, ways: Ints, rng: Random, *, enough: int
) -> tuple[list[list[int]], tuple[int, int]]:
    """From one start: the best that was come by, and its rank."""
    many = ways.shape[1]
    current = [list(group) for group in groups]
    sums = np.array([steps[group].sum() for group in current])
    mean = int(sums.sum()) // len(sums)
    best, best_rank, waited = current[:], _rank(sums), 0
    for _ in range(TRIES_MAX):
        if best_rank[0] >= enough:
            break
        worst = int(sums.argmin()) if rng.random() < 0.7 else int(sums.argmax())
        chosen = [worst, *rng.sample([at for at in range(len(current)) if at != worst], many - 1)]
        pool = np.array([place for at in chosen for place in current[at]])
        totals = steps[pool][ways].sum(axis=2)
        apart = (mean - totals).max(axis=1) + 0.1 * (totals - mean).max(axis=1)
        waited += 1
        pick = int(apart.argmin())
        if waited >= PATIENCE and rng.random() < 0.5:
            # Stuck: nearly the best instead of the best, and on from there.
            pick = int(rng.choice(np.argsort(apart, kind="stable")[:NEARLY].tolist()))
        for at, own in zip(chosen, pool[ways[pick]].tolist(), strict=True):
            current[at] = own
        sums[chosen] = totals[pick]
        if (rank := _rank(sums)) > best_rank:
            best, best_rank, waited = current[:], rank, 0
    return best, best_rank


def _rank(sums: Ints) -> tuple[int, int]:
    return int(sums.min()), -int(sums.max())


def _ways_of(size: int, many: int) -> int:
    """In how many ways so many groups of that size come of their members."""
    ways = 1
    for left in range(many, 1, -1):
        ways *= comb(left * size - 1, size - 1)
    return ways


@cache
def _ways(size: int, many: int) -> Ints:
    """All of them: shape (ways, many, size), places in the pool."""

    def split(left: tuple[int, ...]) -> list[list[tuple[int, ...]]]:
        if len(left) == size:
            return [[left]]
        first, others = left[0], left[1:]
        found: list[list[tuple[int, ...]]] = []
        for beside in combinations(others, size - 1):
            rest = tuple(place for place in others if place not in beside)
            found += [[(first, *beside), *more] for more in split(rest)]
        return found

    return np.array(split(tuple(range(size * many))), dtype=np.int64)
