"""What an operator did to a test, read from its events, and what that does to its result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.analysis_run import made_up_run

from packbench.analysis.capacity import analyse_run
from packbench.analysis.interventions import NOTES_MAX, Intervention, interventions_of

S = 1_000_000_000
WHO: dict[str, Any] = {"operator": "Li", "why": "x", "at": {"step": "down"}}


def test_a_pause_lasts_until_it_is_continued_left_or_the_run_is_over() -> None:
    for kind in ("continued", "jumped", "finished"):
        found = interventions_of([(5 * S, "paused", WHO), (9 * S, kind, WHO), (20 * S, "shut_down", {})])
        assert found[0] == Intervention("paused", 5 * S, 9 * S, "Li", "x", "down")
    (cut_short,) = interventions_of([(5 * S, "paused", WHO), (20 * S, "checkpoint", {})])
    assert cut_short.ended_ns == 20 * S


def test_what_was_withdrawn_did_not_happen() -> None:
    events = [(1, "jumped", WHO), (2, "profile_edited", WHO), (3, "request_withdrawn", {"request": "edit"})]
    assert [one.kind for one in interventions_of(events)] == ["jumped"]


def test_a_jump_that_was_withdrawn_does_not_end_a_pause() -> None:
    events = [
        (1 * S, "paused", WHO), (2 * S, "jumped", WHO), (2 * S, "request_withdrawn", {"request": "jump"}),
        (9 * S, "continued", WHO),
    ]  # fmt: skip
    (pause,) = interventions_of(events)
    assert (pause.kind, pause.ended_ns) == ("paused", 9 * S)


def test_a_continuing_that_was_withdrawn_does_not_end_a_pause() -> None:
    events = [
        (1 * S, "paused", WHO), (2 * S, "continued", WHO), (2 * S, "request_withdrawn", {"request": "continue"}),
        (9 * S, "finished", {}),
    ]  # fmt: skip
    assert interventions_of(events)[0].ended_ns == 9 * S


def paused(run: Any, seconds: float, *, counted: bool = True) -> Intervention:
    """A pause in the last discharge, or in the charge before it."""
    step = run.steps[-1 if counted else -2]
    began_ns = (step.started_ns + step.ended_ns) // 2
    return Intervention("paused", began_ns, began_ns + round(seconds * S), "Li", "", step.label)


@pytest.mark.parametrize(
    ("seconds", "counted", "valid"), [(60, True, True), (1799, True, True), (1801, True, False), (1801, False, True)]
)
def test_a_long_pause_in_a_counted_discharge_ends_validity(seconds: float, counted: bool, valid: bool) -> None:
    run = made_up_run()
    result = analyse_run(replace(run, interventions=(paused(run, seconds, counted=counted),)))
    assert result.valid is valid, result.invalid_reasons
    assert any("paused for" in reason for reason in result.invalid_reasons) is not valid
    assert [note.key for note in result.notes].count("paused") == 1


def test_a_discharge_that_was_left_is_no_capacity() -> None:
    run = made_up_run()
    left = replace(run, steps=(*run.steps[:-1], replace(run.steps[-1], end_reason="operator jump")))
    result = analyse_run(left)
    assert not result.valid
    assert any("went on to another step" in reason for reason in result.invalid_reasons)
    assert len(result.invalid_reasons) == len(result.invalid_reasons_zh)


def test_a_result_tells_so_many_and_counts_the_rest() -> None:
    run = made_up_run()
    many = tuple(Intervention("edited", at, at, "Li", "w", "down") for at in range(NOTES_MAX + 3))
    notes = [note for note in analyse_run(replace(run, interventions=many)).notes if "Li" in note.text_en]
    assert len(notes) == NOTES_MAX
    (more,) = (note for note in analyse_run(replace(run, interventions=many)).notes if note.key == "interventions")
    assert more.text_en.startswith("3 more")
