"""Rounding to the uncertainty, units and signs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.core.result import Measured
from packbench.report.numbers import ABSENT, duration, measured, number, percent, rounded, significant, with_unit

NBSP = "\u00a0"


def plain(shown: str) -> str:
    return shown.replace(NBSP, " ")


@pytest.mark.parametrize(
    ("value", "expanded_u", "unit", "expected"),
    [
        (97.0117, 0.3843, "Ah", "(97.01 ± 0.38) Ah"),
        (35406.8, 171.3, "Wh", "(35.41 ± 0.17) kWh"),
        (71.789, 0.031, "Wh", "(71.789 ± 0.031) Wh"),
        (0.80843, 0.0032, "1", "(80.84 ± 0.32) %"),
        (0.5878, 0.0023, "V", "(587.8 ± 2.3) mV"),
        (97.0117, 0.0996, "Ah", "(97.01 ± 0.10) Ah"),
        (97.0117, 12.4, "Ah", "(97 ± 12) Ah"),
        (-0.0004, 0.11, "Ah", "(0.00 ± 0.11) Ah"),
    ],
)
def test_a_figure_is_rounded_to_its_uncertainty(value, expanded_u, unit, expected):
    assert plain(measured(Measured(value, expanded_u, 2.0, 0.95, unit)).full) == expected


def test_without_an_uncertainty_nothing_is_claimed():
    shown = measured(Measured(19.9145, None, None, 0.95, "Ah"))
    assert plain(shown.full) == "19.9145 Ah"
    assert shown.expanded_u is None
    assert "not stated" in shown.note("en")
    assert "未给出" in shown.note("zh")


def test_the_note_says_k_and_p():
    note = plain(measured(Measured(97.0117, 0.3843, 2.024, 0.95, "Ah")).note("en"))
    assert note == "± 0.38 Ah (k = 2.02, p = 95 %)"


def test_absent_numbers_are_a_dash():
    assert number(None, 2) == number(float("nan"), 2) == ABSENT
    assert with_unit(float("inf"), "V") == ABSENT
    assert percent(None) == duration(None) == significant(None, 3) == ABSENT


def test_signs_zeros_and_times():
    assert number(-24.003, 2) == "−24.00"
    assert number(-0.0004, 2) == "0.00"
    assert duration(54321.4) == "15:05:21"
    assert plain(duration(0.03)) == "0.03 s"
    assert duration(2.0) == "0:00:02"
    assert plain(with_unit(45.0, "°C")) == "45 °C"
    assert plain(with_unit(4.25, "V")) == "4.25 V"
    assert plain(with_unit(120.0, "Ah")) == "120 Ah"


@given(
    st.floats(min_value=-1e6, max_value=1e6),
    st.floats(min_value=1e-6, max_value=1e5),
)
def test_rounding_never_moves_a_value_by_more_than_a_tenth_of_its_uncertainty(value, expanded_u):
    shown = rounded(value, expanded_u, 2.0, 0.95, "Ah")
    assert shown.expanded_u is not None
    assert abs(float(shown.value.replace("−", "-")) - value) <= max(0.051 * expanded_u, 0.5000001 * (expanded_u > 9))
    assert float(shown.expanded_u) == pytest.approx(expanded_u, rel=0.051)
