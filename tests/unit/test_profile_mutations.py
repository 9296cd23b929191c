"""The mutation table: broken profiles, each refused at the right place with the right reason; and
subtle but legal ones, accepted. `§` in a mutation marks where the problem must point.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.profile_mutants.bases import BASE, RICH, Broken, beside
from tests.unit.profile_mutants.benches import BENCHES
from tests.unit.profile_mutants.conditions import CONDITIONS, JUMPS
from tests.unit.profile_mutants.formulas import FORMULAS
from tests.unit.profile_mutants.logic import LOGIC
from tests.unit.profile_mutants.physics import PHYSICS
from tests.unit.profile_mutants.steps import STEPS
from tests.unit.profile_mutants.waves import WAVES
from tests.unit.profile_mutants.writing import WRITING

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile

TABLE = [*WRITING, *LOGIC, *PHYSICS, *FORMULAS, *WAVES, *STEPS, *CONDITIONS, *JUMPS]
ROOT = Path(__file__).parents[2] / "configs"
PACK = load_pack((ROOT / "packs/nmc-96s.yaml").read_text(encoding="utf-8"), "nmc-96s.yaml")
BENCH = load_bench((ROOT / "benches/sim-climate.yaml").read_text(encoding="utf-8"), "sim-climate.yaml")


TWOFOLD = {"anchor", "second document", "missing key"}
"""Mutations that are two mistakes."""


def mutate(case: Broken) -> tuple[str, tuple[int, int] | None]:
    """The broken text and the (line, column) of its mark; None when the mutation has none."""
    assert case.base.count(case.old) == 1, f"{case.name}: {case.old!r} must stand once in its base"
    text = case.base.replace(case.old, case.new)
    if "§" not in text:
        return text, case.place
    before = text[: text.index("§")]
    return text.replace("§", ""), (before.count("\n") + 1, len(before) - before.rfind("\n"))


@pytest.mark.parametrize("base", [BASE, RICH], ids=["base", "rich"])
def test_the_bases_are_legal(base):
    plan = compile_profile(base, "base.yaml", PACK, beside)
    report = check_plan(plan, PACK, BENCH)
    assert report.errors == ()


def test_there_are_enough():
    assert len(TABLE) >= 150
    assert len({case.name for case in TABLE}) == len(TABLE)


def expect_alone(problems: tuple[Problem, ...], case: Broken, place: tuple[int, int] | None) -> None:
    """The case's problem, at its place, and no other: a reader is not sent after shadows of it."""
    shown = "\n".join(str(problem) for problem in problems)
    matching = [
        problem
        for problem in problems
        if problem.field is not None
        and (problem.field == case.field or (place is None and problem.field.startswith(case.field)))
        and problem.found is not None
        and case.found in problem.found
        and problem.expected is not None
        and case.expected in problem.expected
    ]
    assert matching, shown
    problem = matching[0]
    assert problem.file == (case.file or "base.yaml")
    assert problem.line is not None and problem.column is not None
    assert problem.source_line is not None
    if place is not None:
        assert (problem.line, problem.column) == place
    assert len(problems) == 1 or case.name in TWOFOLD, shown


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_refused_at_the_right_place_with_the_right_reason(case):
    text, place = mutate(case)
    with pytest.raises(InputError) as caught:
        compile_profile(text, "base.yaml", PACK, beside)
    expect_alone(caught.value.problems, case, place)


@pytest.mark.parametrize("case", BENCHES, ids=lambda case: case.name)
def test_refused_on_a_bench_that_cannot(case):
    text, place = mutate(case)
    plan = compile_profile(text, "base.yaml", PACK, beside)
    assert check_plan(plan, PACK).errors == ()
    expect_alone(check_plan(plan, PACK, BENCH).errors, case, place)


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
