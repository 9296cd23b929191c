"""Grades: probabilities by hand and by Monte Carlo, boundaries, missing figures, files refused in their own words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.analysis.student import coverage_factor
from packbench.core.errors import InputError
from packbench.core.result import Measured
from packbench.files import packaged_configs
from packbench.secondlife.grading.judge import degrees_of_freedom, grade, p_reached
from packbench.secondlife.grading.rules import Figure, RulesModel, load_rules

TEXT = """grading: mine
title: {en: a, zh: b}
grades:
  - {name: A, title: {en: a, zh: b}}
  - {name: B, title: {en: a, zh: b}}
  - {name: R, title: {en: a, zh: b}}
criteria:
  - figure: soh
    required: true
    bounds: [{grade: A, value: 0.8, source: house rule}, {grade: B, value: 0.7, source: "[EU 2023/1542]"}]
  - figure: soce
    required: false
    bounds: [{grade: A, value: 0.8, source: house rule}]
  - figure: dcir_rise
    required: false
    bounds: [{grade: A, value: 0.5, source: house rule}, {grade: B, value: 1.0, source: house rule}]
  - figure: age_years
    required: false
    bounds: [{grade: A, value: 8.0, source: house rule}]
"""
RULES = load_rules(TEXT, "r.yaml")
K_NORMAL = coverage_factor(None, 0.95)


def figure(value: float, u: float | None, k: float | None = K_NORMAL) -> Measured:
    return Measured(value, None if u is None else u * (k or 0.0), k if u is not None else None, 0.95, "1")


def test_probabilities_by_hand() -> None:
    # One standard uncertainty above A's bound: Phi(1) = 0.841345; eleven above B's: the rest is B.
    found = grade(RULES, {"soh": figure(0.81, 0.01)})
    assert found.grade == "A"
    assert found.assured_grade == "B"
    assert found.borderline
    assert found.probabilities == pytest.approx({"A": 0.841345, "B": 0.158655, "R": 0.0}, abs=1e-6)
    assert [item.grade for item in found.criteria] == ["A", None, None, None]


def test_students_t_is_taken_from_k() -> None:
    # Two degrees of freedom: k = 4.303, and P(T < 1) = 1/2 + 1/(2 sqrt 3) = 0.788675.
    k = coverage_factor(2.0, 0.95)
    assert degrees_of_freedom(k, 0.95) == pytest.approx(2.0, rel=1e-6)
    assert p_reached(figure(0.81, 0.01, k), 0.8, higher=True) == pytest.approx(0.788675, abs=1e-6)
    assert p_reached(figure(0.81, 0.01, k), 0.8, higher=False) == pytest.approx(0.211325, abs=1e-6)
    assert degrees_of_freedom(K_NORMAL, 0.95) is None


def test_monte_carlo_confirms_the_joint_probabilities() -> None:
    draw, n = np.random.default_rng(7), 200_000
    k = coverage_factor(5.0, 0.95)
    figures: dict[Figure, Measured] = {
        "soh": figure(0.79, 0.02, k),
        "dcir_rise": figure(0.55, 0.2),
        "age_years": figure(7.5, 1.0),
    }
    found = grade(RULES, figures)
    soh, rise = 0.79 + 0.02 * draw.standard_t(5.0, n), 0.55 + 0.2 * draw.normal(size=n)
    age = 7.5 + draw.normal(size=n)
    is_a = (soh >= 0.8) & (rise <= 0.5) & (age <= 8.0)
    is_b = ~is_a & (soh >= 0.7) & (rise <= 1.0)  # no bound of age for B: old packs may be B
    assert found.grade == "B"
    assert found.probabilities is not None
    assert found.probabilities["A"] == pytest.approx(is_a.mean(), abs=0.005)
    assert found.probabilities["B"] == pytest.approx(is_b.mean(), abs=0.005)


def test_soh_and_soce_move_together() -> None:
    both = grade(RULES, {"soh": figure(0.81, 0.01), "soce": figure(0.83, 0.01)})
    assert both.probabilities is not None
    assert both.probabilities["A"] == pytest.approx(0.841345, abs=1e-6)


def test_on_the_bound_the_grade_is_reached_and_even_odds_are_said() -> None:
    found = grade(RULES, {"soh": figure(0.8, 0.01)})
    assert found.grade == "A"
    assert found.probabilities is not None
    assert found.probabilities["A"] == pytest.approx(0.5)
    assert grade(RULES, {"soh": figure(0.9, 0.01)}).borderline is False


def test_missing_and_unknown_are_never_guessed() -> None:
    missing = grade(RULES, {"dcir_rise": figure(0.1, 0.01)})
    assert (missing.grade, missing.probabilities, missing.refused) == (None, None, ("soh",))
    unknown = grade(RULES, {"soh": figure(0.9, None)})
    assert (unknown.grade, unknown.probabilities, unknown.assured_grade) == ("A", None, None)


@given(
    st.floats(0.3, 1.1),
    st.floats(0.0, 0.2),
    st.floats(1e-4, 0.1),
    st.floats(1.0, 200.0),
    st.floats(0.0, 2.0),
)
def test_probabilities_sum_to_one_and_rise_with_soh(soh: float, more: float, u: float, dof: float, rise: float) -> None:
    k = coverage_factor(dof, 0.95)
    low, high = (
        grade(RULES, {"soh": figure(value, u, k), "dcir_rise": figure(rise, 0.1)}).probabilities
        for value in (soh, soh + more)
    )
    assert low is not None
    assert high is not None
    assert sum(low.values()) == pytest.approx(1.0, abs=1e-9)
    assert all(-1e-12 <= p <= 1.0 + 1e-12 for p in low.values())
    assert high["A"] >= low["A"] - 1e-9
    assert high["R"] <= low["R"] + 1e-9


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("value: 0.7,", "value: 0.9,", "criteria[1].bounds[2].value"),
        ("source: house rule}, {grade: B, value: 0.7", "source: they say}, {grade: B, value: 0.7", "source"),
        ("{grade: B, value: 0.7", "{grade: X, value: 0.7", "criteria[1].bounds[2].grade"),
        ("required: true", "required: false", "criteria"),
        ("figure: soce", "figure: soh", "criteria[2].figure"),
        ("grading: mine", "grading: mine\nextra: 1", "extra"),
    ],
)
def test_wrong_files_are_refused_where_they_are_wrong(old: str, new: str, field: str) -> None:
    assert old in TEXT
    with pytest.raises(InputError) as refused:
        load_rules(TEXT.replace(old, new, 1), "r.yaml")
    (problem,) = refused.value.problems
    assert problem.file == "r.yaml"
    assert problem.line
    assert field in (problem.field or "")


@pytest.mark.parametrize("name", ["echelon", "insulation-required"])
def test_shipped_rules_are_read(name: str) -> None:
    path = packaged_configs() / "grading" / f"{name}.yaml"
    rules: RulesModel = load_rules(path.read_text(encoding="utf-8"), str(path))
    assert rules.grading == name
