"""PyBaMM and aurora-unicycler themselves take what we export, run it, and their own files import into ours.

One process of theirs answers every question (exchange_models.py); what it made and read is compared here.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from tests.contract.peers import ask_model
from tests.unit.exchange_parts import CELL, PACK, converted, imported, pack_named, plan_of, profile, to_pybamm

from packbench.app.job import find_beside
from packbench.core.errors import InputError
from packbench.core.specs import PackSpec
from packbench.files import list_configs
from packbench.profile.exchange.convert import Converted, Wishes, convert
from packbench.profile.exchange.pybamm_in import from_pybamm
from packbench.profile.exchange.pybamm_strings import parse_string
from packbench.profile.exchange.sources import recognise
from packbench.profile.plan import ConstantCurrent, LoopEnd
from packbench.wire.neware.steps import from_neware_xml

SCRIPT = Path(__file__).with_name("exchange_models.py")
MUST_GO = ("full-charge", "full-discharge", "gbt34015-residual-capacity", "hppc", "quick-check", "single-discharge")
"""Profiles that are exported whatever else the library comes to hold."""

SENTENCES = (
    "Discharge at 1C for 0.5 hours", "Discharge at C/20 for 0.5 hours", "Charge at 0.5 C for 45 minutes",
    "Discharge at 1 A for 0.5 hours", "Charge at 200 mA for 45 minutes", "Discharge at 1W for 0.5 hours",
    "Charge at 200mW for 45 minutes", "Rest for 10 minutes", "Hold at 1V for 20 seconds", "Charge at 1 C until 4.1V",
    "Hold at 4.1 V until 50mA", "Hold at 3V until C/50", "Discharge at C/3 for 2 hours or until 2.5 V",
    "Discharge at 10 Ohm until 3 V", "Charge at 2 W until 4.2 V (10 second period)", "Rest for 1 hour or until >3.4V",
    "Discharge at 2 A until < 3 V", "Rest for 90 s", "Hold at 4 V for 3 min or until 0.1C",
    "Discharge at 1e-1 A for 1 h",
)  # fmt: skip
"""PyBaMM's own examples, and the corners of its grammar."""
NO_SENTENCES = (
    "Charge at 1 C",
    "Wait for 1 hour",
    "Rest for 1 fortnight",
    "Discharge at 1 X for 1 hour",
    "Rest until 3",
)

EVERYTHING = profile(
    """\
  - chamber: {temperature: 25 degC}
  - cccv_charge: {current: C/2, voltage: 4.1 V, end_current: C/10}
  - rest: {for: 10 min}
  - loop:
      repeat: 2
      steps:
        - pulse: {train: [{discharge: 1C, for: 10 s}, {rest: 40 s}, {charge: 0.75C, for: 10 s}, {rest: 1 min}]}
  - cp_discharge: {power: 40 W, until: voltage <= 3.4 V, for: 10 min}
  - cr_discharge: {resistance: 0.5 ohm, until: voltage <= 3.4 V, for: 10 min}
  - current_profile: {points: [[0 s, 10 A], [30 s, -20 A], [60 s, 0 A]]}
  - cc_discharge: {current: C/2, until: voltage <= 3.6 V}
"""
)
"""One of each step that PyBaMM has, for its Thevenin cell (3.2 to 4.2 V)."""


def shipped(name: str, target: str, pack: PackSpec) -> Converted | None:
    """A profile of the library for a target; None when it is none for this pack, or nothing of it is left."""
    path = list_configs("profiles")[name]
    try:
        return convert(path.read_text("utf-8"), str(path), pack, Wishes(target, is_lossy=True), find_beside)  # type: ignore[arg-type]
    except InputError:
        return None


@cache
def exports(target: str, kind: str) -> dict[str, Any]:
    """Every profile of the library that this target can have, for a pack."""
    pack = pack_named(kind)
    found = {name: shipped(name, target, pack) for name in list_configs("profiles")}
    return {f"{name} on {kind}": out.experiment for name, out in found.items() if out is not None}


@cache
def answers() -> dict[str, Any]:
    """What the two programs say to all of it, in one process."""
    experiments = exports("pybamm", "nmc-96s") | exports("pybamm", "lmo-25ah")
    words = profile("  - cc_charge: {current: C/3, until: voltage >= 4.1 V, for: 1 h}\n  - rest: {for: 1 min}\n")
    question = {
        "experiments": {
            **experiments,
            "everything": converted(EVERYTHING, "pybamm", CELL).experiment,
            "sentences": converted(words, "pybamm", CELL, as_strings=True).experiment,
        },
        "sentences": [*SENTENCES, *NO_SENTENCES],
        "protocols": exports("unicycler", "nmc-96s") | exports("unicycler", "lmo-25ah"),
        "runs": {
            "everything": {
                "experiment": converted(EVERYTHING, "pybamm", CELL).experiment,
                "capacity_ah": CELL.rated_capacity_ah,
                "soc": 0.5,
            },
            "quick-check": {
                "experiment": exports("pybamm", "nmc-96s")["quick-check on nmc-96s"],
                "capacity_ah": PACK.rated_capacity_ah,
                "soc": 0.5,
            },
        },
    }
    return ask_model(SCRIPT, question)


# --- what we export ---------------------------------------------------------------------------------


def test_pybamm_takes_every_export_and_reads_in_it_what_we_wrote() -> None:
    asked = exports("pybamm", "nmc-96s") | exports("pybamm", "lmo-25ah")
    assert {f"{name} on nmc-96s" for name in MUST_GO} <= set(asked)
    for name, experiment in asked.items():
        answer = answers()["experiments"][name]
        assert "refused" not in answer, f"{name}: {answer}"
        cycles = [[_plain(step) for step in cycle] for cycle in experiment["cycles"]]
        theirs = [[_plain(step) for step in cycle] for cycle in answer["config"]["cycles"]]
        assert theirs == cycles, name
        assert answer["config"].get("period") == experiment.get("period")


def _plain(step: dict[str, Any]) -> dict[str, Any]:
    """A step without the direction that PyBaMM gives a rest by itself."""
    return {key: value for key, value in step.items() if key != "direction" or step["type"] == "voltage"}


def test_pybamm_takes_our_sentences() -> None:
    assert answers()["experiments"]["sentences"]["cycles"] == [1, 1]


def test_on_pybamm_s_cell_a_charge_charges() -> None:
    """The signs, by what they do to a cell that somebody else wrote."""
    steps = answers()["runs"]["quick-check"]
    assert [round(step["seconds"], 6) for step in steps] == [5.0, 20.0, 10.0, 20.0, 25.0]
    moved = 0.2 * 20 / 3600
    assert [step["soc_change"] for step in steps] == pytest.approx([0.0, moved, 0.0, -moved, 0.0], rel=1e-6, abs=1e-12)
    assert [step["first_current_a"] for step in steps] == pytest.approx([0.0, -30.0, 0.0, 30.0, 0.0])


def test_on_pybamm_s_cell_every_kind_of_step_does_what_ours_says() -> None:
    charge, hold, rest, *pulses, power, resistor, table, last = answers()["runs"]["everything"]
    assert charge["soc_change"] > 0.1
    assert charge["last_voltage_v"] == pytest.approx(4.1, abs=1e-4)
    assert hold["soc_change"] > 0.0
    assert (hold["last_voltage_v"], hold["last_current_a"]) == (
        pytest.approx(4.1, abs=1e-4),
        pytest.approx(-2.5, rel=1e-3),
    )
    assert (rest["seconds"], rest["first_current_a"]) == (pytest.approx(600.0), 0.0)
    train = [25.0, 0.0, -18.75, 0.0]
    assert [step["first_current_a"] for step in pulses] == pytest.approx(train * 2)
    assert power["last_current_a"] * power["last_voltage_v"] == pytest.approx(40.0, rel=1e-3)
    assert resistor["last_voltage_v"] / resistor["last_current_a"] == pytest.approx(0.5, rel=1e-3)
    assert table["soc_change"] * CELL.rated_capacity_ah * 3600 == pytest.approx(10 * 30 - 20 * 30, rel=1e-3)
    assert last["last_voltage_v"] == pytest.approx(3.6, abs=1e-4)


def test_unicycler_takes_every_export_and_makes_of_it_what_we_mean() -> None:
    asked = exports("unicycler", "nmc-96s") | exports("unicycler", "lmo-25ah")
    assert {f"{name} on nmc-96s" for name in MUST_GO} <= set(asked)
    for name, protocol in asked.items():
        answer = answers()["protocols"][name]
        theirs = [
            {key: value for key, value in step.items() if value is not None} for step in answer["itself"]["method"]
        ]
        assert theirs == protocol["method"], name
        for key in ("record", "safety", "sample"):
            assert {k: v for k, v in answer["itself"][key].items() if v is not None and v != "$NAME"} == protocol[key]
        assert "refused" not in answer["accepted"], f"{name}: {answer['accepted']}"


def test_a_charge_of_ours_is_a_charge_in_unicycler_s_own_exports() -> None:
    """By the words that it makes for PyBaMM, and by the types of Neware's steps, which our own reader knows."""
    answer = answers()["protocols"]["single-discharge on nmc-96s"]
    charge, hold, rest, discharge = answer["sentences"]
    assert charge.startswith("Charge at ") and charge.endswith("until 403.2 V")
    assert hold.startswith("Hold at 403.2 V until ")
    assert rest == "Rest for 1800.0 seconds"
    assert discharge.startswith("Discharge at ") and discharge.endswith("until 268.8 V")
    steps = from_neware_xml(answer["neware"].encode(), "x").steps
    # type: ignore comments stand where the program's step types are not narrowed.
    assert [type(step).__name__ for step in steps] == ["CcStep", "CvStep", "RestStep", "CcStep"]
    assert [getattr(step, "direction", None) for step in steps] == ["charge", "charge", None, "discharge"]


# --- what they make ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [CELL, PACK], ids=["one cell", "96 cells"])
@pytest.mark.parametrize("name", ["documented", "by factories", "a drive cycle"])
def test_pybamm_s_own_configurations_import_and_compile(name: str, pack: PackSpec) -> None:
    config = answers()["made_by_pybamm"][name]
    out = imported(config, pack, is_lossy=True)
    assert bool(out.account.dropped) == (name == "a drive cycle")  # it goes in straight lines
    plan = plan_of(out.text, pack)
    signs = [step.sign for step in plan.steps if isinstance(step, ConstantCurrent)]
    if name == "documented":
        assert signs == [-1] and [step.repeat for step in plan.steps if isinstance(step, LoopEnd)] == [3]
        assert [step.kind for step in plan.steps[:4]] == ["cc_discharge", "rest", "cccv_charge", "rest"]
    if name == "by factories":
        assert signs == [-1, 1]
        kinds = [step.kind for step in plan.steps]
        assert kinds == ["chamber", "rest", "chamber", "cc_discharge", "cc_charge", "cv_charge", "cp_charge",
                         "cr_discharge", "cp_discharge", "end"]  # fmt: skip


def test_what_only_pybamm_has_is_named() -> None:
    config = answers()["made_by_pybamm"]["what nobody else has"]
    with pytest.raises(InputError) as error:
        imported(config, CELL)
    assert [problem.field for problem in error.value.problems] == [
        "cycles[1][1].start_time", "cycles[1][1].skip_ok", "cycles[2][1].value", "termination",
    ]  # fmt: skip


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_sentence_means_to_us_what_it_means_to_pybamm(sentence: str) -> None:
    config = answers()["sentences"][SENTENCES.index(sentence)]["config"]
    theirs, account = from_pybamm(recognise(json.dumps(config), "x"), CELL)
    ours, _ = from_pybamm(recognise(json.dumps([sentence]), "x"), CELL)
    assert [_meaning(item) for item in ours] == [_meaning(item) for item in theirs]
    assert account.dropped == []


def _meaning(phase: Any) -> tuple[Any, ...]:
    return tuple(getattr(phase, name) for name in type(phase).__slots__ if name not in ("origin", "said"))


@pytest.mark.parametrize("sentence", NO_SENTENCES)
def test_what_pybamm_refuses_we_refuse(sentence: str) -> None:
    answer = answers()["sentences"][len(SENTENCES) + NO_SENTENCES.index(sentence)]
    assert "refused" in answer
    with pytest.raises(ValueError):
        parse_string(sentence)


@pytest.mark.parametrize("name", ["its own example", "fractions and numbers"])
def test_unicycler_s_own_protocols_import_and_compile(name: str) -> None:
    made = answers()["made_by_unicycler"][name]
    out = imported(made, CELL)
    assert out.account.dropped == []
    plan = plan_of(out.text, CELL)
    loops = [(step.start, step.repeat) for step in plan.steps if isinstance(step, LoopEnd)]
    if name == "its own example":
        assert [step.kind for step in plan.steps] == ["rest", "cc_charge", "cv_charge", "cc_discharge", "loop", "end"]
        assert loops == [(0, 100)]
        assert (plan.limits.pack_voltage_max_v, plan.limits.discharge_current_max_a) == (4.25, 30.0)
    else:
        kinds = [step.kind for step in plan.steps]
        assert kinds == ["cccv_charge", "cc_discharge", "loop", "cc_discharge", "loop", "end"]
        assert loops == [(0, 3), (0, 2)]


def test_what_only_unicycler_has_is_named() -> None:
    made = answers()["made_by_unicycler"]["what nobody else has"]
    with pytest.raises(InputError) as error:
        imported(made, CELL)
    assert [problem.field for problem in error.value.problems] == [
        "safety.max_capacity_mAh", "safety.delay_s", "method[1]", "method[2]",
    ]  # fmt: skip


def test_through_unicycler_s_sentences_ours_comes_back_with_its_signs() -> None:
    """Ours, their protocol, their sentences for PyBaMM, ours again: whoever wrote each hop."""
    sentences = answers()["protocols"]["quick-check on lmo-25ah"]["sentences"]
    plan = plan_of(imported(sentences, CELL).text, CELL)
    assert [step.kind for step in plan.steps] == ["rest", "cc_charge", "rest", "cc_discharge", "rest", "end"]
    assert to_pybamm("  - rest: {for: 5 s}\n", CELL).experiment["cycles"][0][0]["type"] == "rest"
