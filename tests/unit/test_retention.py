"""Retention: every condition that keeps a run does so by itself, and only what all of them let go is deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from packbench.config.retention import KeepRule, RetentionRules, load_retention
from packbench.core.errors import InputError
from packbench.store.retention import RunFacts, judge_runs

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def rules(measured: int | None, emulated: int | None, simulated: int | None, *, require_backup: bool) -> RetentionRules:
    by = {"measured": KeepRule(measured, asks=True), "emulated": KeepRule(emulated), "simulated": KeepRule(simulated)}
    return RetentionRules(by, require_backup)


RULES = rules(10 * 366, 90, 30, require_backup=True)
OLD = RunFacts("R-1", "simulated", NOW - timedelta(days=31), sealed=True, backed_up=True)


def judged(run: RunFacts, by: RetentionRules | None = RULES, *, measured_too: bool = False) -> tuple[bool, str]:
    (one,) = judge_runs(by, [run], NOW, measured_too=measured_too)
    assert one.run is run
    return one.delete, one.reason


def test_an_old_sealed_run_with_a_backup_goes() -> None:
    assert judged(OLD) == (True, "31 days old, simulated runs are kept for 30")


def test_without_the_file_nothing_is_ever_deleted() -> None:
    ancient = replace(OLD, kept_from=datetime(1990, 1, 1, tzinfo=UTC))
    assert judged(ancient, None, measured_too=True) == (False, "there is no retention.yaml: nothing is ever deleted")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sealed": False}, "not sealed"),
        ({"backed_up": False}, "in no backup"),
        ({"kept_from": NOW - timedelta(days=30)}, "kept for 30 days: 0 more"),
        ({"kept_from": NOW - timedelta(days=1, seconds=1)}, "28 more"),
        ({"kept_from": NOW + timedelta(seconds=1)}, "of the future"),
        ({"kept_from": None, "problem": "damaged"}, "cannot be read: damaged"),
        ({"provenance": "imported"}, "imported runs are kept for ever"),
        ({"provenance": ""}, "kept for ever"),
    ],
)
def test_each_condition_keeps_a_run_by_itself(change: dict[str, object], words: str) -> None:
    delete, reason = judged(replace(OLD, **change), measured_too=True)  # type: ignore[arg-type]
    assert not delete
    assert words in reason


def test_a_backup_is_asked_for_only_where_the_rules_say_so() -> None:
    assert judged(replace(OLD, backed_up=False), replace(RULES, require_backup=False))[0]
    assert not judged(replace(OLD, sealed=False), replace(RULES, require_backup=False))[0]


def test_measured_runs_go_only_by_a_persons_word() -> None:
    measured = replace(OLD, provenance="measured", kept_from=NOW - timedelta(days=3661))
    assert judged(measured) == (False, "it was measured: only --yes deletes it")
    assert judged(measured, measured_too=True)[0]
    assert not judged(replace(measured, kept_from=NOW - timedelta(days=3660)), measured_too=True)[0]


def test_each_provenance_has_its_own_time() -> None:
    runs = [replace(OLD, provenance=name, kept_from=NOW - timedelta(days=60)) for name in ("simulated", "emulated")]
    assert [one.delete for one in judge_runs(RULES, runs, NOW, measured_too=True)] == [True, False]


def test_the_file() -> None:
    text = "keep:\n  measured: 10 years\n  emulated: 90 days\n  simulated: 1 d\nrequire_backup: false\n"
    assert load_retention(text, "retention.yaml") == rules(3660, 90, 1, require_backup=False)
    few = load_retention("keep:\n  simulated: 1 year\n  measured: forever\n", "retention.yaml")
    assert few == rules(None, None, 366, require_backup=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a mapping"),
        ("keep: 30 days\n", "keep"),
        ("keep:\n  simulated: 30\n", "30 days or 10 years"),
        ("keep:\n  simulated: 0 days\n", "30 days or 10 years"),
        ("keep:\n  simulated: -1 days\n", "30 days or 10 years"),
        ("keep:\n  simulated: 1.5 days\n", "30 days or 10 years"),
        ("keep:\n  simulated: 101 years\n", "at most 100 years"),
        ("keep:\n  simulate: 1 day\n", "did you mean 'simulated'"),
        ("keep:\n  simulated: 1 day\nrequire_backups: true\n", "did you mean 'require_backup'"),
        ("keep:\n  simulated: 1 day\nrequire_backup: yes\n", "true or false"),
        ("keep:\n  simulated: 1 day\n  simulated: 9 days\n", "duplicate key"),
        ("keep:\n  simulated:\n", "simulated"),
    ],
)
def test_a_file_that_may_be_misread_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        load_retention(text, "retention.yaml")
    assert all(problem.file == "retention.yaml" for problem in caught.value.problems)
