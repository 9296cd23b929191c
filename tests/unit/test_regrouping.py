"""Plans against every plan there is, and against sorting and slicing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packbench.core.errors import InputError
from packbench.secondlife.regrouping.bound import sort_and_slice
from packbench.secondlife.regrouping.members import Member, Packs, Shape, Table, spread_ah, usable_ah
from packbench.secondlife.regrouping.plan import make_plan
from packbench.secondlife.regrouping.rules import Rules

AH = (40.0, 38.5, 44.25, 41.5, 36.0, 43.0, 39.75, 42.5)


def _table(capacities: tuple[float, ...]) -> Table:
    return Table.of([Member(f"m{number}", ah, soh=ah / 50) for number, ah in enumerate(capacities)])


def _halves(count: int) -> Iterator[Packs]:
    places = set(range(count))
    for one in combinations(range(count), count // 2):
        yield tuple(tuple((place,) for place in sorted(half)) for half in (one, places - set(one)))


def test_eight_into_two_strings_of_four_is_the_best_there_is() -> None:
    table = _table(AH)
    plan = make_plan(table, Shape(2, 4, 1), Rules(), limit_s=20)
    best = max((usable_ah(table, one).sum(), -spread_ah(table, one).sum()) for one in _halves(8))
    assert plan.status == "optimal"
    assert plan.spread_proven
    assert (plan.usable_ah, -plan.spread_ah) == pytest.approx(best, abs=1e-9)


def _pairs(places: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    if not places:
        yield ()
        return
    for other in places[1:]:
        for rest in _pairs(tuple(place for place in places[1:] if place != other)):
            yield ((places[0], other), *rest)


def test_eight_into_two_packs_of_two_pairs_is_the_best_there_is() -> None:
    table = _table(AH)
    plan = make_plan(table, Shape(2, 2, 2), Rules(), limit_s=20)
    splits = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2))
    every = [((four[a], four[b]), (four[c], four[d])) for four in _pairs(tuple(range(8))) for a, b, c, d in splits]
    best = max((round(usable_ah(table, one).sum(), 9), -round(spread_ah(table, one).sum(), 9)) for one in every)
    assert plan.status == "optimal"
    assert plan.usable_ah == pytest.approx(best[0], abs=(plan.step_ah or 0.0) * 4)
    assert plan.usable_ah > usable_ah(table, sort_and_slice(table, Shape(2, 2, 2))).sum()


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.lists(st.integers(3000, 5000), min_size=8, max_size=20), st.sampled_from((0.03, 0.1, None)))
def test_each_member_once_within_the_rules_and_no_worse_than_slicing(ahs: list[int], soh: float | None) -> None:
    table = _table(tuple(ah / 100 for ah in ahs))
    shape, rules = Shape(2, 2, 2), Rules(soh_spread_pack=soh)
    try:
        plan = make_plan(table, shape, rules, limit_s=1, prove=False)
    except InputError:
        assert soh is not None
        return
    used = [place for pack in plan.packs for group in pack for place in group]
    assert sorted([*used, *plan.left]) == list(range(len(table)))
    assert all(rules.pack_ok(table, pack) for pack in plan.packs)
    assert plan.usable_ah <= plan.bound_ah + 1e-9
    if soh is None:
        assert plan.usable_ah >= usable_ah(table, sort_and_slice(table, shape)).sum() - 1e-9
