"""A violation to the fewest faults that still show it.

Owns the search: the trial is run again with the faults of single lives left out, as long as the same thing is violated.
Greedy and deterministic; a trial costs seconds, so that only the first of each kind is shrunk.
"""

from __future__ import annotations

from dataclasses import replace

from packbench_sim.campaign.draw import Draw, drawn
from packbench_sim.campaign.report import Violation
from packbench_sim.campaign.spec import TrialSpec
from packbench_sim.campaign.trial import run_trial

SHRUNK_MAX = 4
"""Kinds of violation; more are shown as they are."""
TRIALS_MAX = 24
"""For each."""


def shrunk(violations: list[Violation], specs: dict[int, TrialSpec]) -> list[Violation]:
    """The violations, the first of each kind with as few faults as show it."""
    found: list[Violation] = []
    kinds: set[str] = set()
    for violation in violations:
        if violation.of in kinds or len(kinds) >= SHRUNK_MAX:
            found.append(violation)
            continue
        kinds.add(violation.of)
        found.append(_fewest(violation, specs[violation.seed]))
    return found


def _fewest(violation: Violation, spec: TrialSpec) -> Violation:
    lives = list(spec.only or drawn(spec.seed, spec.rows, pairs=spec.pairs))
    report = run_trial(replace(spec, only=tuple(lives)))
    lives = lives[: max(report.lives, 1)]
    trials = 0
    # Lives are emptied, not taken out: what comes after keeps its time as far as it can.
    for index in range(len(lives)):
        if trials >= TRIALS_MAX or not lives[index]:
            continue
        trials += 1
        fewer: list[tuple[Draw, ...]] = [*lives[:index], (), *lives[index + 1 :]]
        if _shows(violation.of, replace(spec, only=tuple(fewer))):
            lives = fewer
    left = tuple(draw.row for life in lives for draw in life)
    return replace(violation, faults=left)


def _shows(of: str, spec: TrialSpec) -> bool:
    return any(found.of == of for found in run_trial(spec).violations)
