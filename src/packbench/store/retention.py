"""Which runs may be deleted: the rule, as a function of (rules, runs, now).

Owns the judgement alone; nothing is deleted here. A run is deleted only when every condition holds, and each one that
does not is a reason that a person can read. In doubt a run is kept: without a stated age, with a start in the future,
with a record that cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from packbench.config.retention import RetentionRules


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What the rule looks at of one run."""

    run_id: str
    provenance: str
    kept_from: datetime | None
    """The later one of the run's start and its record's last writing, with its zone (a simulated run's start is a
    virtual clock's word); None: the record cannot be read."""
    sealed: bool
    backed_up: bool
    """A backup with this very record is there, and sound."""
    problem: str | None = None
    """Why the record cannot be read."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What is to become of a run, and why."""

    run: RunFacts
    delete: bool
    reason: str


def judge_runs(
    rules: RetentionRules | None, runs: Iterable[RunFacts], now: datetime, *, measured_too: bool
) -> list[Judged]:
    """Judge every run, in the order given.

    Args:
        rules: None: there is no retention.yaml, so nothing is ever deleted.
        runs: What is there.
        now: The wall clock, with its zone.
        measured_too: A person has said that measured runs may go as well.
    """
    return [_judge(rules, run, now, measured_too=measured_too) for run in runs]


def _judge(rules: RetentionRules | None, run: RunFacts, now: datetime, *, measured_too: bool) -> Judged:
    if rules is None:
        return Judged(run, delete=False, reason="there is no retention.yaml: nothing is ever deleted")
    if run.kept_from is None:
        return Judged(run, delete=False, reason=f"its record cannot be read: {run.problem or 'unknown'}")
    rule = rules.of(run.provenance)
    days = rule.days
    if days is None:
        return Judged(run, delete=False, reason=f"{run.provenance or 'such'} runs are kept for ever")
    age = now - run.kept_from
    if age < timedelta(0):
        return Judged(run, delete=False, reason="it is of the future, by this machine's clock")
    if age <= timedelta(days=days):
        left = timedelta(days=days) - age
        return Judged(run, delete=False, reason=f"{run.provenance} runs are kept for {days} days: {left.days} more")
    if not run.sealed:
        return Judged(run, delete=False, reason="it is not sealed: it is being recorded, or can be resumed")
    if rules.require_backup and not run.backed_up:
        return Judged(run, delete=False, reason="it is in no backup that is there and sound")
    if rule.asks and not measured_too:
        return Judged(run, delete=False, reason=f"it was {run.provenance}: only --yes deletes it")
    return Judged(run, delete=True, reason=f"{age.days} days old, {run.provenance} runs are kept for {days}")
