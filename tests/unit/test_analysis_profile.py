"""Profiles that speak for themselves: their own variables, their own verdict, with and without a capacity."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit import analysis_run as made

from packbench.analysis.run_inputs import RunInputs
from packbench.core.records import Gap, ReadOut
from packbench.core.result import Result, Variable

OVERDUE = made.bench(instruments=made.instruments("2020-01-01"))


def resultless(**changes: object) -> RunInputs:
    """The made-up run of a profile that states no `result:` and gave a variable a value."""
    dimensions = {"resistance_10s": "resistance", "stored": "ratio", "strange": None}
    plan = replace(made.plan(), result=None, variables=dimensions)
    given = (("resistance_10s", 0.0123), ("stored", 0.3), ("strange", 7.0))
    return made.made_up_run(plan=plan, variables=given, **changes)


def judged(run: RunInputs) -> Result:
    result = made.analysed(run)
    assert len(result.invalid_reasons) == len(result.invalid_reasons_zh)
    return result


def test_its_variables_are_the_result_of_a_profile_without_one() -> None:
    result = judged(resultless())
    assert (result.verdict, result.valid, result.invalid_reasons) == ("PASS", True, ())
    assert result.variables == {
        "resistance_10s": Variable(0.0123, "ohm"),
        "stored": Variable(0.3, "1"),
        "strange": Variable(7.0, ""),
    }
    assert result.capacity_ah is None
    assert result.subject == "profile"
    assert "no_u_of_read_outs" in [note.key for note in result.notes]


def test_it_passes_and_never_releases_a_pack() -> None:
    assert made.analysed(made.made_up_run()).releasing, "a measured capacity that passes does"
    assert judged(resultless()).provenance == "measured"
    assert not judged(resultless()).releasing


def test_a_profile_that_says_nothing_at_all_is_no_result() -> None:
    silent = replace(resultless(), variables=())
    result = judged(silent)
    assert (result.verdict, result.invalid_reasons) == ("INVALID", ("the profile states no result",))
    read = ReadOut(1, 10_000_000_000, 14.0, -20.0, 0.01)
    steps = (replace(silent.steps[0], read_outs=(read,)), *silent.steps[1:])
    assert judged(replace(silent, steps=steps)).verdict == "PASS", "read-outs of a pulse are something"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bench": OVERDUE}, "2020-01-01"),
        ({"gaps": (Gap(0, 3_000_000_000, "link lost"),)}, "no data for 3.0 s (link lost)"),
    ],
    ids=["certificate", "gap"],
)
def test_its_variables_count_no_more_than_the_instruments_and_the_record_do(
    changes: dict[str, object], words: str
) -> None:
    result = judged(resultless(**changes))
    assert result.verdict == "INVALID"
    assert words in result.invalid_reasons[0]


def test_balancing_is_told_but_is_no_reason_of_its_own() -> None:
    result = judged(resultless(balancing=True))
    assert result.verdict == "PASS"
    assert "balanced" in [note.key for note in result.notes]


def failed(run: RunInputs) -> RunInputs:
    return replace(run, failed=True, end_reason="turned away", end_reason_zh="拒收")


def test_a_profiles_own_fail_is_a_fail_with_its_reason_in_both_languages() -> None:
    for run in (resultless(), replace(resultless(), variables=()), made.made_up_run()):
        result = judged(failed(run))
        assert (result.verdict, result.valid, result.releasing) == ("FAIL", True, False)
        assert (result.end_reason, result.end_reason_zh) == ("turned away", "拒收")


def test_a_pack_that_is_turned_away_before_its_discharge_needs_no_capacity() -> None:
    run = made.made_up_run()
    result = judged(failed(replace(run, steps=run.steps[:1])))
    assert (result.verdict, result.capacity_ah, result.subject) == ("FAIL", None, "capacity")


def test_a_pack_that_was_never_connected_owes_nothing_to_an_instrument() -> None:
    run = failed(made.made_up_run(bench=OVERDUE))
    assert judged(run).verdict == "INVALID", "what was measured with it does not count"
    assert judged(replace(run, steps=())).verdict == "FAIL"


def test_a_stop_is_no_verdict_of_the_profile() -> None:
    stopped = replace(resultless(), completed=False, end_reason="step look lasted longer than its 7200 s")
    assert judged(stopped).verdict == "ABORTED"
