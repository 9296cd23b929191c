"""PyBaMM's sentences: what is understood, what is refused, and how lists of them become rounds."""

from __future__ import annotations

import pytest
from tests.unit.exchange_parts import CELL, imported, plan_of

from packbench.core.errors import InputError
from packbench.core.units import UnitError
from packbench.profile.exchange.pybamm_steps import PybammStep, Termination
from packbench.profile.exchange.pybamm_strings import parse_string
from packbench.profile.plan import LoopEnd


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("Discharge at C/10 for 10 hours or until 3.3 V",
         PybammStep(type="c-rate", value=0.1, duration_s=36000.0, terminations=(Termination("voltage", 3.3),))),
        ("Charge at 1 C until 4.1V",
         PybammStep(type="c-rate", value=-1.0, terminations=(Termination("voltage", 4.1),))),
        ("Charge at 200 mA for 45 minutes", PybammStep(type="current", value=-0.2, duration_s=2700.0)),
        ("Discharge at 1W for 0.5 hours", PybammStep(type="power", value=1.0, duration_s=1800.0)),
        ("Charge at 200mW for 45 min", PybammStep(type="power", value=-0.2, duration_s=2700.0)),
        ("Discharge at 10 Ohm until 3 V",
         PybammStep(type="resistance", value=10.0, terminations=(Termination("voltage", 3.0),))),
        ("Rest for 10 minutes (10 second period)", PybammStep(type="rest", duration_s=600.0, period_s=10.0)),
        ("Hold at 4.1 V until 50mA",
         PybammStep(type="voltage", value=4.1, terminations=(Termination("current", 0.05),))),
        ("Hold at 3V until C/50", PybammStep(type="voltage", value=3.0, terminations=(Termination("c-rate", 0.02),))),
        ("Rest for 1 hour or until >3.4V",
         PybammStep(type="rest", duration_s=3600.0, terminations=(Termination("voltage", 3.4, ">"),))),
        ("Discharge at 5e-1 A for 1 s", PybammStep(type="current", value=0.5, duration_s=1.0)),
    ],
)  # fmt: skip
def test_a_sentence_is_understood(text: str, step: PybammStep) -> None:
    read = parse_string(text)
    assert read.description == text.partition(" (")[0]
    assert read == PybammStep(**{name: getattr(step, name) for name in PybammStep.__slots__ if name != "description"},
                              description=read.description)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["", "Charge", "Charge at 1 C", "Charge at one C for 1 hour", "Charge at 1 X for 1 hour", "Wait for 1 hour",
     "Rest for 1 fortnight", "Rest for -1 hour", "Charge at 4.2 V until 1 A", "Rest for 1 hour at 25oC",
     "Charge at 1 C until 3 V until 4 V", "Hold at 4 V until 3 W", "Charge at C/0 for 1 h", "charge at 1 C for 1 hour",
     "Charge at 1 C for 1 hour for 2 hours", "Rest until", "Charge at nan A for 1 h", "Charge at 1e999 A for 1 h"],
)  # fmt: skip
def test_a_sentence_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_string(text)


@pytest.mark.parametrize(
    "text",
    [
        '["Rest for 1 hour", ["Charge at 1 C until 4.1 V", "Rest for 5 minutes"], ["Charge at 1 C until 4.1 V", '
        '"Rest for 5 minutes"]]',
        '- Rest for 1 hour\n- [Charge at 1 C until 4.1 V, Rest for 5 minutes]\n'
        '- ["Charge at 1 C until 4.1 V", "Rest for 5 minutes"]\n',
        '# as in a notebook\n[\n    "Rest for 1 hour",\n] + [\n    ("Charge at 1 C until 4.1 V", '
        '"Rest for 5 minutes")\n] * 2',
        "# one a line\nRest for 1 hour\n\nCharge at 1 C until 4.1 V\nRest for 5 minutes\n\n"
        "Charge at 1 C until 4.1 V\nRest for 5 minutes\n",
    ],
    ids=["JSON", "YAML", "Python", "lines"],
)  # fmt: skip
def test_sentences_come_as_lists_or_lines_and_equal_cycles_are_rounds(text: str) -> None:
    out = imported(text, CELL, file="my experiment.txt")
    steps = plan_of(out.text, CELL).steps
    assert [step.kind for step in steps] == ["rest", "cc_charge", "rest", "loop", "end"]
    assert (steps[3].start, steps[3].repeat) == (1, 2)  # type: ignore[union-attr]
    assert out.source == "pybamm"
    assert "profile: my-experiment\n" in out.text


def test_a_loop_that_was_written_out_is_a_loop_again() -> None:
    """As aurora-unicycler writes its loops for PyBaMM: one list, without cycles."""
    round_ = ["Charge at C/3 until 4.1 V", "Hold at 4.1 V until C/20", "Discharge at C/3 until 3 V"]
    plan = plan_of(imported(["Rest for 1 hour", *round_ * 100, "Rest for 1 hour", "Rest for 1 hour"], CELL).text, CELL)
    kinds = [step.kind for step in plan.steps]
    assert kinds == ["rest", "cccv_charge", "cc_discharge", "loop", "rest", "loop", "end"]
    assert [(step.start, step.repeat) for step in plan.steps if isinstance(step, LoopEnd)] == [(1, 100), (4, 2)]


def test_a_sentence_that_is_refused_is_refused_where_it_stands() -> None:
    with pytest.raises(InputError) as error:
        imported("Rest for 1 hour\n\n  Wait a bit\nCharge at 1 C for 1 fortnight\n", file="x.txt")
    places = [(problem.line, problem.column, problem.field) for problem in error.value.problems]
    assert places == [(3, 3, "steps[2][1]"), (4, 1, "steps[2][2]")]
    with pytest.raises(InputError) as error:
        imported('[("Rest for 1 hour",\n  "Wait a bit")]', file="x.py")
    assert [(problem.line, problem.column) for problem in error.value.problems] == [(2, 3)]
