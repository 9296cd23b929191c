"""Our engine on our simulated cell against PyBaMM's Thevenin model of the same cell, step by step.

Each runs a profile from its beginning to its end, on its own state (when PyBaMM goes on to the next step: thevenin.py).
Every step must end within one sample of PyBaMM's and move the same charge to 0.1 %. When a step of ours ended is what
the engine says of it: the instant at which its bound was met, between two samples; where it says none, the sample
that ended it.

What stands between the two is the plant's segment of five seconds (packbench_sim/pack.py), and that an instant
between two samples is found on a straight line. Samples here are 0.5 and 1 s.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from tests.contract.differential_bench import run_ours, thevenin_cell
from tests.contract.differential_profiles import CASES, Case
from tests.contract.peers import ask_model

from packbench.core.records import StepRecord

THEVENIN = Path(__file__).with_name("thevenin.py")
KINDS = ("nmc", "lfp", "lmo")
CHARGE_TOLERANCE = 0.001
Theirs = list[dict[str, float]]


@cache
def ours_of(case: Case, kind: str) -> list[StepRecord]:
    """One profile on one chemistry, by us."""
    return run_ours(case.profile, kind, initial_soc=case.initial_soc, sample_s=case.sample_s)


def theirs_of(cases: tuple[Case, ...], kind: str, **factors: float) -> dict[str, Theirs]:
    """The same profiles by PyBaMM, in one process. Factors make its cell another one."""
    experiments = [case.experiment(kind, [step.ended_ns / 1e9 for step in ours_of(case, kind)]) for case in cases]
    question = {"cell": thevenin_cell(kind, **factors), "experiments": experiments}
    answers = ask_model(THEVENIN, question, timeout_s=300)
    return {case.name: answer for case, answer in zip(cases, answers, strict=True)}


@cache
def theirs_of_all(kind: str) -> dict[str, Theirs]:
    return theirs_of(CASES, kind)


def differences(case: Case, ours: list[StepRecord], theirs: Theirs) -> list[str]:
    """What goes beyond one sample or 0.1 %, step by step."""
    found: list[str] = []
    for step, reference in zip(ours, theirs, strict=True):
        what = f"step {step.number} ({step.kind}, {step.end_reason})"
        seen_s, end_s = step.ended_ns / 1e9, (step.ended_ns if step.met_ns is None else step.met_ns) / 1e9
        if not 0.0 <= seen_s - end_s <= case.sample_s:
            found.append(f"{what} ended at {end_s:.3f} s, and was seen to have at {seen_s:.3f} s")
        if abs(end_s - reference["end_s"]) > case.sample_s:
            found.append(f"{what} ended at {end_s:.3f} s, PyBaMM's at {reference['end_s']:.3f} s")
        more_ah = step.charge_ah - reference["charge_ah"]
        if abs(more_ah) > CHARGE_TOLERANCE * abs(reference["charge_ah"]):
            found.append(f"{what} moved {step.charge_ah:.6f} Ah, PyBaMM's {reference['charge_ah']:.6f} Ah")
    return found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_step_ends_when_pybamm_ends_it_with_the_same_charge(case: Case, kind: str) -> None:
    assert differences(case, ours_of(case, kind), theirs_of_all(kind)[case.name]) == []


@pytest.mark.parametrize("factors", [{"r0": 1.05}, {"capacity": 1.005}], ids=str)
def test_a_cell_that_is_a_little_different_is_told_apart(factors: dict[str, float]) -> None:
    case = next(case for case in CASES if case.name == "full-cycles")
    theirs = theirs_of((case,), "nmc", **factors)[case.name]
    assert differences(case, ours_of(case, "nmc"), theirs)
