"""There and back: what a format can carry comes back as the same plan, whatever the profile and the pack."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.exchange_parts import CELL, PACK, converted, essence, executed, plan_of, profile

from packbench.core.specs import PackSpec
from packbench.profile.exchange import wording
from packbench.profile.exchange.outline import Level

PACKS = {"96 cells": PACK, "one cell": CELL}


def both_packs(test: Any) -> Any:
    return pytest.mark.parametrize("pack", PACKS.values(), ids=PACKS)(test)


# --- profiles that say all that our language wants of a step ----------------------------------------
# A pack's cells are looked at (the importers add that), and a CV step is led to its voltage.


def times(most_s: int = 100_000) -> st.SearchStrategy[str]:
    return st.integers(1, most_s * 1000).map(lambda ms: wording.time(ms * 1_000_000))


def currents(pack: PackSpec, low: float, high: float) -> st.SearchStrategy[str]:
    """As a rate, or in A."""
    hundredths = st.integers(round(low * 100), round(high * 100)).map(lambda count: count / 100)
    return st.one_of(
        hundredths.map(lambda rate: f"{rate}C"),
        st.integers(ceil(1 / high), floor(1 / low)).map(lambda hours: f"C/{hours}"),
        hundredths.map(lambda rate: wording.current(Level(round(rate * pack.rated_capacity_ah, 3)))),
    )


def voltages(pack: PackSpec) -> st.SearchStrategy[str]:
    """Of the pack, by millivolts of a cell, between empty and full: full is a word of its own."""
    low, high = (round(bound * 1000) for bound in (pack.cell_cutoff_v, pack.cell_full_v))
    return st.integers(low + 1, high - 1).map(lambda cell_mv: f"{cell_mv * pack.series / 1000:.12g} V")


def steps(pack: PackSpec, *, knows_power: bool) -> st.SearchStrategy[list[str]]:
    """One step, or two that belong together, each as one line of YAML."""
    is_pack = pack.series > 1
    full = ", on_cell_limit: {at: cell_full, action: end}" if is_pack else ""
    empty = ", cell_min <= cell_cutoff" if is_pack else ""
    some = st.one_of(st.just(""), times().map(lambda time: f", for: {time}"))
    v, i = voltages(pack), currents(pack, 0.1, 0.6)
    small = currents(pack, 0.01, 0.09)
    watts = st.integers(1, 40).map(lambda part: f"{pack.max_power_w * part / 200:.12g} W")

    def taper(end: str) -> str:
        return f", on_cell_limit: {{at: cell_full, action: taper, end_current: {end}}}" if is_pack else ""

    def led(time: str, v: str, i: str, end: str, held: str) -> list[str]:
        """Each of the two with a time of its own: no CC-CV step."""
        return [
            f"cc_charge: {{current: {i}, until: voltage >= {v}, for: {time}{full}}}",
            f"cv_charge: {{voltage: {v}, current: {i}, end_current: {end}, for: {held}{taper(end)}}}",
        ]

    one = [
        times().map(lambda time: [f"rest: {{for: {time}}}"]),
        st.builds(lambda i, v, t: [f"cc_charge: {{current: {i}, until: voltage >= {v}{t}{full}}}"], i, v, some),
        st.builds(lambda i, v, t: [f"cc_discharge: {{current: {i}, until: [voltage <= {v}{empty}]{t}}}"], i, v, some),
        st.builds(
            lambda i, v, e: [f"cccv_charge: {{current: {i}, voltage: {v}, end_current: {e}{taper(e)}}}"], i, v, small
        ),
        st.builds(led, times(), v, i, small, times()),
    ]
    watched = ", until: cell_min <= cell_cutoff" if is_pack else ""
    one.append(
        st.builds(
            lambda i, v, e: [f"cccv_discharge: {{current: {i}, voltage: {v}, end_current: {e}{watched}}}"], i, v, small
        )
    )
    if knows_power:
        rated_ah, full_v = pack.rated_capacity_ah, pack.series * pack.cell_full_v
        ohms = st.integers(10, 90).map(lambda part: f"{full_v / (rated_ah * part / 100):.9g} ohm")
        both = "cell_min <= cell_cutoff, cell_max >= cell_full" if is_pack else ""
        one += [
            st.builds(lambda w, v, t: [f"cp_charge: {{power: {w}, until: voltage >= {v}{t}{full}}}"], watts, v, some),
            st.builds(lambda w, v: [f"cp_discharge: {{power: {w}, until: [voltage <= {v}{empty}]}}"], watts, v),
            st.builds(lambda r, v: [f"cr_discharge: {{resistance: {r}, until: [voltage <= {v}{empty}]}}"], ohms, v),
            st.builds(lambda points: [f"current_profile: {{points: {points}{_ends(pack, both)}}}"], tables(pack)),
        ]
    return st.one_of(one)


def _ends(pack: PackSpec, cells: str) -> str:
    if not cells:
        return ""
    low, high = (f"{pack.series * bound:.12g} V" for bound in (pack.cell_cutoff_v, pack.cell_full_v))
    return f", until: [voltage >= {high}, voltage <= {low}, {cells}]"


def tables(pack: PackSpec) -> st.SearchStrategy[str]:
    most = round(pack.rated_capacity_ah * 100)
    pairs = st.lists(st.tuples(st.integers(10, 60_000), st.integers(-most, most)), min_size=1, max_size=8)

    def text(pairs: list[tuple[int, int]]) -> str:
        at_ms, points = 0, list[tuple[int, float]]()
        for for_ms, hundredths in pairs:
            points.append((at_ms * 1_000_000, hundredths / 100 or 1.0))
            at_ms += for_ms
        return wording.points((*points, (at_ms * 1_000_000, 0.0)), "A").replace("\n", " ")

    return pairs.map(text)


def bodies(pack: PackSpec, *, knows_power: bool, is_nested: bool) -> st.SearchStrategy[str]:
    """Steps and loops of them, as YAML."""
    straight = st.lists(steps(pack, knows_power=knows_power), min_size=1, max_size=4).map(
        lambda groups: [step for group in groups for step in group]
    )

    def lines(items: list[Any], indent: str) -> str:
        text = ""
        for item in items:
            if isinstance(item, str):
                text += f"{indent}- {item}\n"
            else:
                repeat, inner = item
                text += f"{indent}- loop:\n{indent}    repeat: {repeat}\n{indent}    steps:\n"
                text += lines(inner, f"{indent}      ")
        return text

    def looped(inner: st.SearchStrategy[list[Any]]) -> st.SearchStrategy[list[Any]]:
        loop = st.tuples(st.integers(2, 4), inner)
        return st.builds(lambda before, loops, after: [*before, *loops, *after], straight,
                         st.lists(loop, max_size=2), straight)  # fmt: skip

    inner = st.one_of(straight, looped(straight)) if is_nested else straight
    return looped(inner).map(lambda items: lines(items, "  "))


# --- the trips --------------------------------------------------------------------------------------


@both_packs
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_ours_to_pybamm_and_back_does_the_same(pack: PackSpec, data: st.DataObject) -> None:
    chambers = data.draw(st.lists(st.integers(5, 45), max_size=1))
    body = data.draw(bodies(pack, knows_power=True, is_nested=True))
    text = profile("".join(f"  - chamber: {{temperature: {c} degC}}\n" for c in chambers) + body)
    out = converted(text, "pybamm", pack)
    assert out.account.dropped == []
    back = converted(out.text, "packbench", pack, file="x.json")
    assert back.account.dropped == []
    assert list(executed(plan_of(back.text, pack))) == list(executed(plan_of(text, pack)))


@both_packs
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_ours_to_sentences_and_back_does_the_same(pack: PackSpec, data: st.DataObject) -> None:
    """Sentences have one end beside the time, and no tables: --lossy is for the others."""
    text = profile(data.draw(bodies(pack, knows_power=False, is_nested=False)))
    out = converted(text, "pybamm", pack, as_strings=True, is_lossy=True)
    assert {problem.found for problem in out.account.dropped} <= {"a second end beside the time"}
    back = converted(out.text, "packbench", pack, file="x.json")
    if not out.account.dropped:
        assert list(executed(plan_of(back.text, pack))) == list(executed(plan_of(text, pack)))


@both_packs
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_ours_to_unicycler_and_back_is_the_same_plan(pack: PackSpec, data: st.DataObject) -> None:
    """A pack's cells are dropped on the way there and added on the way back: nothing else is."""
    text = profile(data.draw(bodies(pack, knows_power=False, is_nested=True)))
    out = converted(text, "unicycler", pack, is_lossy=True)
    assert pack.series > 1 or out.account.dropped == []
    assert all("cell" in f"{problem.found}" for problem in out.account.dropped)
    back = converted(out.text, "packbench", pack, file="x.json")
    assert back.account.dropped == []
    assert [essence(step) for step in plan_of(back.text, pack).steps] == [
        essence(step) for step in plan_of(text, pack).steps
    ]


@both_packs
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_text_converted_twice_is_the_same_text(pack: PackSpec, data: st.DataObject) -> None:
    text = profile(data.draw(bodies(pack, knows_power=True, is_nested=False)))
    out = converted(text, "pybamm", pack)
    assert converted(text, "pybamm", pack) == out
    once = converted(out.text, "packbench", pack, file="x.json")
    again = converted(converted(once.text, "pybamm", pack).text, "packbench", pack, file="x.json")
    assert again.text == once.text
