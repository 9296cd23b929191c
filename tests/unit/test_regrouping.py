"""Plans against every plan there is, the bound against every plan that chance makes, and sorting and slicing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from packbench.core.errors import InputError
from packbench.secondlife.regrouping.bound import bound_wh, sort_and_slice
from packbench.secondlife.regrouping.energy import Energy, Wish
from packbench.secondlife.regrouping.explain import left_over
from packbench.secondlife.regrouping.file import read_members
from packbench.secondlife.regrouping.members import Member, Packs, Shape, Table, spread_ah
from packbench.secondlife.regrouping.plan import make_plan
from packbench.secondlife.regrouping.rules import Rules
from packbench.secondlife.regrouping.search import Search

AH = (40.0, 38.5, 44.25, 41.5, 36.0, 43.0, 39.75, 42.5)
OHM = (3e-3, 1e-3, 2e-3, 9e-3, 2.5e-3, 1.5e-3, 4e-3, 6e-3)
VOLT = (3.61, 3.7, 3.58, 3.64, 3.66, 3.72, 3.6, 3.55)
HARD = Wish(rate_c=2.0)
"""So hard a discharge that resistance counts."""


def _table(capacities: tuple[float, ...], *, bare: bool = False) -> Table:
    return Table.of(
        [
            Member(f"m{n}", ah, None if bare else OHM[n % 8], soh=ah / 50, voltage_v=None if bare else VOLT[n % 8])
            for n, ah in enumerate(capacities)
        ]
    )


def _strings(places: tuple[int, ...], series: int, packs: int) -> Iterator[Packs]:
    """Every choice of so many packs of members one by one in series, members left over included."""
    if packs == 0:
        yield ()
        return
    for at in range(len(places) - packs * series + 1):
        for beside in combinations(places[at + 1 :], series - 1):
            rest = tuple(place for place in places[at + 1 :] if place not in beside)
            for more in _strings(rest, series, packs - 1):
                yield (tuple((place,) for place in (places[at], *beside)), *more)


def _pairs(places: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
    if not places:
        yield ()
        return
    for other in places[1:]:
        for rest in _pairs(tuple(place for place in places[1:] if place != other)):
            yield ((places[0], other), *rest)


@pytest.mark.parametrize(("series", "packs"), [(4, 2), (3, 2), (2, 3)])
@pytest.mark.parametrize("bare", [True, False], ids=["charge alone", "voltage and resistance"])
def test_strings_are_the_best_there_are(series: int, packs: int, bare: bool) -> None:
    table = _table(AH, bare=bare)
    plan = make_plan(table, Shape(packs, series, 1), Rules(), limit_s=20, wish=HARD)
    every = list(_strings(tuple(range(8)), series, packs))
    worth = [plan.energy.total_wh(one) for one in every]
    assert plan.status == "optimal"
    assert plan.spread_proven
    assert max(worth) - plan.step_wh / 5 <= plan.usable_wh <= max(worth) + 1e-9
    assert max(worth) <= plan.bound_wh + 1e-9
    least = min(
        float(spread_ah(table, one).sum()) for one, wh in zip(every, worth, strict=True) if wh >= plan.usable_wh - 1e-9
    )
    assert plan.spread_ah <= least + packs * 0.001 * float(np.median(table.capacity_ah))


def test_voltage_and_resistance_change_the_plan() -> None:
    """Of two members of the same charge that of less resistance is taken, and at no current that of more voltage."""
    members = [Member("a", 40, 1e-3, voltage_v=3.6), Member("b", 40, 2e-3, voltage_v=3.63), Member("c", 41, 1e-3)]
    table, shape = Table.of(members), Shape(1, 2, 1)
    for rate_c, left in ((2.0, 1), (0.0, 0)):
        plan = make_plan(table, shape, Rules(), limit_s=2, wish=Wish(rate_c=rate_c))
        assert plan.left == (left,)


@pytest.mark.parametrize("bare", [True, False], ids=["charge alone", "voltage and resistance"])
def test_two_packs_of_two_pairs_are_the_best_there_are(bare: bool) -> None:
    table = _table(AH, bare=bare)
    shape = Shape(2, 2, 2)
    plan = make_plan(table, shape, Rules(), limit_s=20, wish=HARD)
    splits = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2))
    every = [((four[a], four[b]), (four[c], four[d])) for four in _pairs(tuple(range(8))) for a, b, c, d in splits]
    best = max(plan.energy.total_wh(one) for one in every)
    assert plan.usable_wh >= best - plan.step_wh
    assert best <= plan.bound_wh + 1e-9
    assert (plan.status == "optimal") == (plan.bound_wh - plan.usable_wh <= plan.step_wh)
    assert plan.usable_wh > plan.energy.total_wh(sort_and_slice(table, shape))
    if bare:
        assert plan.status == "optimal"


def test_a_pack_by_hand() -> None:
    """Two groups of two: 81 and 82 Ah; 3.6 and 3.7 V; 1 and 2 mohm in pairs; half an hour's current."""
    members = [Member(f"m{n}", ah, ohm, voltage_v=v) for n, (ah, ohm, v) in enumerate(
        [(40, 2e-3, 3.5), (41, 2e-3, 3.7), (41, 4e-3, 3.7), (41, 4e-3, 3.7)])]  # fmt: skip
    energy = Energy.of(Table.of(members), Shape(1, 2, 2), Wish(rate_c=2.0))
    assert energy.current_a == pytest.approx(2 * 41 * 2)
    assert energy.pack_wh((((0, 1), (2, 3)),))[0] == pytest.approx(81 * (3.6 + 3.7 - 164 * (1e-3 + 2e-3)))


_MEMBER = st.tuples(st.integers(3000, 5000), st.integers(5, 60), st.integers(340, 380))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.lists(_MEMBER, min_size=8, max_size=24), st.sampled_from((1, 2)), st.integers(1, 4), st.integers(0, 2**32))
def test_no_plan_of_chance_beats_the_bound(
    rows: list[tuple[int, int, int]], parallel: int, series: int, seed: int
) -> None:
    members = [Member(f"m{n}", ah / 100, ohm / 1e4, voltage_v=v / 100) for n, (ah, ohm, v) in enumerate(rows)]
    table = Table.of(members)
    shape = Shape(len(rows) // (series * parallel), series, parallel)
    energy = Energy.of(table, shape, HARD)
    most, dice = bound_wh(energy, shape), random.Random(seed)
    order = list(range(len(rows)))
    for how in range(40):
        dice.shuffle(order)
        if how % 4 == 0:
            weights = [dice.random() for _ in range(3)]
            order.sort(key=lambda at: sum(w * x for w, x in zip(weights, rows[at], strict=True)), reverse=bool(how % 8))
        groups = [tuple(order[at : at + parallel]) for at in range(0, shape.needed, parallel)]
        packs = tuple(tuple(groups[at : at + series]) for at in range(0, len(groups), series))
        assert energy.total_wh(packs) <= most * (1 + 1e-12)
        assert energy.pack_v(packs[0]) - energy.current_a * energy.pack_ohm(packs[0]) <= sum(
            energy.share_v()[place] for group in packs[0] for place in group
        ) * (1 + 1e-12)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(_MEMBER, min_size=9, max_size=20), st.sampled_from((1, 2)), st.integers(1, 3), st.data())
def test_an_exchange_brings_what_was_promised(
    rows: list[tuple[int, int, int]], parallel: int, series: int, data: st.DataObject
) -> None:
    members = [Member(f"m{n}", ah / 100, ohm / 1e4, voltage_v=v / 100) for n, (ah, ohm, v) in enumerate(rows)]
    table = Table.of(members)
    shape = Shape((len(rows) - 1) // (series * parallel), series, parallel)
    energy = Energy.of(table, shape, HARD)
    search = Search(table, energy, sort_and_slice(table, shape), Rules())
    for _ in range(4):
        mine = data.draw(st.integers(0, shape.needed - 1))
        theirs = data.draw(st.integers(0, len(rows) - 1))
        if search.group_of[mine] == search.group_of[theirs]:
            continue
        before = energy.total_wh(search.packs())
        promised = search.gains_wh(mine)[theirs]
        if search.group_of[theirs] < 0:
            assert search.gains_wh(theirs)[mine] == pytest.approx(promised, abs=1e-7)
        assert search.exchange(mine, theirs)
        assert energy.total_wh(search.packs()) - before == pytest.approx(promised, abs=1e-7)
        assert search.total_wh == pytest.approx(energy.total_wh(search.packs()))


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
    assert plan.usable_wh <= plan.bound_wh + 1e-9
    assert {one.member for one in left_over(table, plan, rules)} == set(plan.left)
    if soh is None:
        assert plan.usable_wh >= plan.energy.total_wh(sort_and_slice(table, shape)) - plan.energy.tie_wh


def test_why_a_member_is_left_over() -> None:
    table = _table(AH, bare=True)
    plan = make_plan(table, Shape(1, 6, 1), Rules(), limit_s=5)
    assert {(table.members[one.member].id, one.reason) for one in left_over(table, plan, Rules())} == {
        ("m1", "remainder"), ("m4", "remainder"),
    }  # fmt: skip
    worst = next(one for one in left_over(table, plan, Rules()) if one.member == 4)
    # 36 Ah instead of the smallest, 39.75 Ah, in six in series at 3.6 V.
    assert (worst.instead_of, worst.pack, worst.change_wh) == (6, 0, pytest.approx(-3.75 * 6 * 3.6))
    plan = make_plan(table, Shape(1, 2, 1), Rules(), limit_s=5)
    assert {one.reason for one in left_over(table, plan, Rules())} == {"not_asked"}
    # A member of 49 Ah would let the pack of the two largest have more, and is kept apart by the spread of its SOH.
    table = Table.of([Member("a", 40, soh=0.8), Member("b", 40.5, soh=0.81), Member("c", 49, soh=0.98)])
    rules = Rules(soh_spread_pack=0.03)
    plan = make_plan(table, Shape(1, 2, 1), rules, limit_s=5)
    (left,) = left_over(table, plan, rules)
    assert (left.member, left.reason) == (2, "rule")


def test_a_curve_states_the_mean_voltage_and_other_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / "members.json"
    row = {"id": "a", "capacity_ah": 40, "curve_ah": [0, 10, 40], "curve_v": [4.2, 3.8, 3.0], "colour": "blue"}
    path.write_text(json.dumps([row, {"id": "b", "capacity_ah": 39}]), encoding="utf-8")
    table, not_used = read_members(path)
    assert table.voltage_v[0] == pytest.approx((4.0 * 10 + 3.4 * 30) / 40)
    assert not_used == ("colour",)
    path.write_text(json.dumps([row | {"curve_v": [4.2, 3.8]}]), encoding="utf-8")
    with pytest.raises(InputError, match="curve_ah, curve_v"):
        read_members(path)


def test_what_the_table_lacks_is_said_and_too_hard_a_current_refused() -> None:
    table = Table.of([Member("a", 40, 1e-3), Member("b", 40, 3e-3, ocv_v=3.7), Member("c", 40, ocv_v=3.7)])
    given = Energy.of(table, Shape(1, 3, 1), Wish()).given
    assert [(one.quantity, one.source, one.value, one.missing) for one in given] == [
        ("voltage", "nominal", 3.6, 3), ("resistance", "dcir_ohm", 2e-3, 1),
    ]  # fmt: skip
    assert Energy.of(table, Shape(1, 3, 1), Wish(ocv_is_mean=True)).given[0].source == "ocv_v"
    with pytest.raises(InputError, match="b has no voltage left"):
        Energy.of(table, Shape(1, 3, 1), Wish(rate_c=50))
