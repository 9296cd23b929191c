"""The mutation table: broken profiles, each refused at the right place with the right reason; and
subtle but legal ones, accepted. `§` in a mutation marks where the problem must point.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.profile_mutants import BASE, LEGAL, TABLE, Broken

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile

ROOT = Path(__file__).parents[2] / "configs"
PACK = load_pack((ROOT / "packs/nmc-96s.yaml").read_text(encoding="utf-8"), "nmc-96s.yaml")
BENCH = load_bench((ROOT / "benches/sim-hv.yaml").read_text(encoding="utf-8"), "sim-hv.yaml")


def mutate(case: Broken) -> tuple[str, tuple[int, int] | None]:
    """The broken text and the (line, column) of its mark; None when the mutation has none."""
    assert BASE.count(case.old) == 1, f"{case.name}: {case.old!r} must stand once in BASE"
    text = BASE.replace(case.old, case.new)
    if "§" not in text:
        return text, None
    before = text[: text.index("§")]
    return text.replace("§", ""), (before.count("\n") + 1, len(before) - before.rfind("\n"))


def test_the_base_is_legal():
    plan = compile_profile(BASE, "base.yaml", PACK)
    assert check_plan(plan, PACK, BENCH).errors == ()
    assert len(TABLE) >= 60


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_refused_at_the_right_place_with_the_right_reason(case):
    text, place = mutate(case)
    with pytest.raises(InputError) as caught:
        compile_profile(text, "base.yaml", PACK)
    matching = [
        problem
        for problem in caught.value.problems
        if problem.field is not None
        and (problem.field == case.field or (place is None and problem.field.startswith(case.field)))
        and problem.found is not None
        and case.found in problem.found
        and problem.expected is not None
        and case.expected in problem.expected
    ]
    assert matching, "\n".join(str(problem) for problem in caught.value.problems)
    problem = matching[0]
    assert problem.file == "base.yaml"
    assert problem.line is not None and problem.column is not None
    if place is not None:
        assert (problem.line, problem.column) == place
    # One mistake is one problem: a reader is not sent after shadows of it.
    related = {"missing key", "anchor", "second document", "no such thing"}
    if case.name not in related:
        assert len(caught.value.problems) == 1, "\n".join(str(problem) for problem in caught.value.problems)


def test_all_problems_of_a_file_at_once():
    text = BASE
    for old, new in (
        ("temperature_max: 45 degC", "temperature_max: 60 degC"),
        ("repeat: 5", "repeat: 1e1"),
        ("voltage: pack_full", "voltage: 405 V"),
        ("- rest: {for: 30 min}", "- rest: {for: 1:30}"),
        ("current: 1 I5", "current: 30"),
        ("for: 1 s}", "for: 1 s, goto: nowhere}"),
        ("label: cool", "label: charge"),
    ):
        assert text.count(old) == 1
        text = text.replace(old, new)
    with pytest.raises(InputError) as caught:
        compile_profile(text, "f.yaml", PACK)
    assert [problem.line for problem in caught.value.problems] == [3, 10, 16, 19, 22, 25, 26]


@pytest.mark.parametrize("name", LEGAL)
def test_subtle_but_legal(name):
    old, new = LEGAL[name]
    assert BASE.count(old) == 1
    plan = compile_profile(BASE.replace(old, new), "base.yaml", PACK)
    assert check_plan(plan, PACK, BENCH).errors == ()
