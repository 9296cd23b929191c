"""PyBaMM experiments as profiles of ours: signs, cells, what is added and said, what is left behind."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.exchange_parts import CELL, PACK, executed, imported, losses, plan_of

from packbench.core.errors import InputError
from packbench.core.specs import PackSpec
from packbench.profile.plan import (
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    Rest,
    Waveform,
)


def of(*steps: dict[str, Any], **whole: Any) -> dict[str, Any]:
    """A configuration of one cycle."""
    return {"cycles": [list(steps)], **whole}


def first(foreign: Any, pack: PackSpec = CELL) -> Any:
    return plan_of(imported(foreign, pack).text, pack).steps[0]


def refused(foreign: Any, pack: PackSpec = PACK) -> list[tuple[str | None, str | None]]:
    with pytest.raises(InputError) as error:
        imported(foreign, pack)
    for problem in error.value.problems:
        assert problem.line is not None
        assert problem.file == "x.json"
    return [(problem.field, problem.found) for problem in error.value.problems]


def lost(foreign: Any, pack: PackSpec = CELL) -> list[tuple[str | None, str | None]]:
    dropped = losses(imported(foreign, pack, is_lossy=True))
    assert refused(foreign, pack) == dropped
    return dropped


def test_the_text_is_written_for_people() -> None:
    out = imported(
        "Discharge at 5 A for 2 hours or until 3.3 V\nCharge at C/3 until 4.1 V\nHold at 4.1 V until C/20\n",
        file="a.txt",
    )
    assert (
        out.text
        == """\
# a: from a PyBaMM experiment, for the pack nmc-96s.
# Voltages, powers and resistances are one cell's times 96; currents are the pack's; C-rates
# are of the rated 150 Ah. Positive currents discharged there and charge here.
# Where nothing is said of recording, a sample is kept every 5 s: the language's own default.
profile: a
title: {en: "Imported: a", zh: "导入：a"}
steps:
  - cc_discharge:   # Discharge at 5 A for 2 hours or until 3.3 V
      current: 5 A
      until: [voltage <= 316.8 V, cell_min <= cell_cutoff]   # cell_min added: the model is one cell, the pack has 96
      for: 2 h
  - cccv_charge:   # Charge at C/3 until 4.1 V + Hold at 4.1 V until C/20
      current: C/3
      voltage: 393.6 V
      end_current: C/20
      on_cell_limit: {at: cell_full, action: taper, end_current: C/20}   # added: the model is one cell, the pack has 96
"""
    )
    assert [(told.line, told.message) for told in out.account.warnings] == [
        (1, "added: until cell_min <= cell_cutoff"),
        (3, "added: on_cell_limit {at: cell_full, action: taper, end_current: C/20}"),
    ]


def test_a_positive_current_discharges() -> None:
    step = first(of({"type": "current", "value": 2.0, "duration": 60}))
    assert isinstance(step, ConstantCurrent)
    assert (step.sign, step.current_a) == (-1, 2.0)
    small = of(
        {"type": "current", "value": 0.05, "duration": 60, "tags": "x", "period": 1}, {"type": "rest", "duration": 1}
    )
    assert "current: 50 mA\n" in imported(small, CELL).text
    step = first(of({"type": "c-rate", "value": -0.5, "duration": 60}))
    assert isinstance(step, ConstantCurrent)
    assert (step.sign, step.current_a) == (1, 12.5)
    step = first(of({"type": "power", "value": -10, "duration": "30 minutes"}), PACK)
    assert isinstance(step, ConstantPower)
    assert (step.sign, step.power_w) == (1, 960.0)
    step = first(of({"type": "resistance", "value": 0.1, "duration": 60}), PACK)
    assert isinstance(step, ConstantResistance)
    assert step.resistance_ohm == 9.6


def test_a_current_of_nothing_is_a_rest() -> None:
    for kind in ("current", "c-rate", "power"):
        assert isinstance(first(of({"type": kind, "value": 0, "duration": 60})), Rest)


def ends(step: Any) -> list[tuple[str, str, float]]:
    return [(test.variable, test.operator, test.value) for condition in step.until for test in condition.tests]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"type": "current", "value": -2, "terminations": [{"type": "voltage", "value": 4.0}]}, ("voltage", ">=", 4.0)),
        ({"type": "current", "value": 2, "terminations": [{"type": "voltage", "value": 3.0}]}, ("voltage", "<=", 3.0)),
        ({"type": "current", "value": 2, "terminations": [{"type": "voltage", "value": 3.9, "operator": ">"}]},
         ("voltage", ">=", 3.9)),
        ({"type": "rest", "terminations": [{"type": "voltage", "value": 3.4, "operator": ">"}]},
         ("voltage", ">=", 3.4)),
        ({"type": "power", "value": 9, "terminations": [{"type": "current", "value": 3.1, "operator": ">"}]},
         ("current", ">=", 3.1)),
        ({"type": "power", "value": -9, "terminations": [{"type": "current", "value": -3.1, "operator": "<"}]},
         ("current", ">=", 3.1)),
        ({"type": "power", "value": -9, "terminations": [{"type": "current", "value": -1.1, "operator": ">"}]},
         ("current", "<=", 1.1)),
        ({"type": "power", "value": -9, "terminations": [{"type": "c-rate", "value": 0.1}]}, ("current", "<=", 2.5)),
    ],
)  # fmt: skip
def test_what_ends_a_step(step: dict[str, Any], expected: tuple[str, str, float]) -> None:
    assert ends(first(of(step))) == [expected]


def test_a_voltage_that_pybamm_passes_over_is_passed_over_and_said() -> None:
    out = imported(of({"type": "rest", "duration": 60, "terminations": [{"type": "voltage", "value": 3.0}]}), CELL)
    assert ends(plan_of(out.text, CELL).steps[0]) == [("step_time", ">=", 60.0)]
    assert "PyBaMM passes over a voltage" in out.account.warnings[0].message

    hold = {"type": "voltage", "value": 4.0, "duration": 60, "terminations": [{"type": "voltage", "value": 3.0}]}
    out = imported(of(hold), CELL)
    assert ends(plan_of(out.text, CELL).steps[0]) == [("step_time", ">=", 60.0)]


def test_a_step_without_an_end_has_pybamm_s_and_that_is_said() -> None:
    out = imported(of({"type": "current", "value": 1.0}, {"type": "c-rate", "value": 0.5}), CELL)
    assert [ends(step)[-1] for step in plan_of(out.text, CELL).steps[:2]] == [
        ("step_time", ">=", 86400.0),
        ("step_time", ">=", 14400.0),
    ]
    assert [told.message for told in out.account.warnings] == [
        "it has no end of its own: after 86400 s, PyBaMM's default",
        "it has no end of its own: after 14400 s, PyBaMM's default",
    ]


@pytest.mark.parametrize(
    ("steps", "sign"),
    [
        (["Charge at 1 A until 4.1 V", "Rest for 1 hour", "Hold at 4.1 V for 1 hour"], 1),
        (["Discharge at 1 A until 3.1 V", "Rest for 1 hour", "Hold at 3.1 V for 1 hour"], -1),
        (["Discharge at 1 A until 3.1 V", "Rest for 1 hour", "Hold at 4 V for 1 hour"], 1),
        (["Charge at 1 A until 4.1 V", "Hold at 3 V for 1 hour"], -1),
        (["Charge at 1 A for 1 hour", "Hold at 4 V for 1 hour"], 1),
        (["Charge at 1 A for 1 hour", "Hold at 3 V for 1 hour"], 1),
        (["Discharge at 1 A for 1 hour", "Hold at 4.2 V for 1 hour"], 1),
        (["Charge at 1 A for 1 hour or until 4.1 V", "Hold at 4 V for 1 hour"], 1),
        (["Discharge at 1 A for 1 hour or until 3 V", "Hold at 3.1 V for 1 hour"], -1),
        (["Hold at 4 V for 1 hour"], 1),
        (["Hold at 3 V for 1 hour"], -1),
    ],
)
def test_which_way_a_held_voltage_goes_is_found_and_said(steps: list[str], sign: int) -> None:
    out = imported(steps, CELL)
    hold = plan_of(out.text, CELL).steps[len(steps) - 1]
    assert isinstance(hold, ConstantVoltage)
    assert hold.sign == sign
    word = "charges" if sign > 0 else "discharges"
    assert any(f"this held voltage {word}" in told.message for told in out.account.warnings)
    assert any("flows while this voltage is held" in told.message for told in out.account.warnings)


def test_a_held_voltage_lets_flow_what_the_charge_before_it_did_or_little() -> None:
    out = imported(["Charge at 4 A for 1 hour or until 4.1 V", "Hold at 4.1 V for 1 hour"], CELL)
    hold = plan_of(out.text, CELL).steps[1]
    assert isinstance(hold, ConstantVoltage)
    assert (hold.current_a, hold.end_current_a) == (4.0, None)
    hold = first(["Hold at 4.1 V until 1 A"])
    assert (hold.current_a, hold.end_current_a) == (pytest.approx(25 / 3), 1.0)
    hold = first(["Hold at 4.1 V until 10 A"])
    assert (hold.current_a, hold.end_current_a) == (20.0, 10.0)
    # As much as ends it cannot be the most: PyBaMM lets more flow, and a step of ours would be refused.
    out = imported(["Charge at 1 A until 4.1 V", "Hold at 4.1 V until 1 A"], CELL)
    charge, hold, _ = plan_of(out.text, CELL).steps
    assert isinstance(hold, ConstantVoltage)
    assert (charge.kind, hold.current_a, hold.end_current_a) == ("cc_charge", pytest.approx(25 / 3), 1.0)


def test_a_direction_that_is_stated_is_taken() -> None:
    hold = first(of({"type": "voltage", "value": 3.0, "direction": "charge", "duration": 60}))
    assert isinstance(hold, ConstantVoltage)
    assert hold.sign == 1


def test_a_pack_s_cells_are_looked_at_and_one_cell_is_what_is_looked_at() -> None:
    sentences = ["Charge at 1 A until 4.1 V", "Discharge at 1 A until 3 V"]
    assert "cell_" not in imported(sentences, CELL).text
    charge, discharge, _ = plan_of(imported(sentences, PACK).text).steps
    assert isinstance(charge, ConstantCurrent)
    assert charge.cell_limit is not None
    assert (charge.cell_limit.voltage_v, charge.cell_limit.action) == (4.2, "end")
    assert ends(discharge) == [("voltage", "<=", 288.0), ("cell_min", "<=", 2.8)]


def test_temperature_is_a_chamber_s_and_tags_are_labels() -> None:
    warm = {"type": "rest", "duration": 60, "temperature": 298.15}
    out = imported(
        {
            "cycles": [
                [{**warm, "tags": ["Settle down", "more"]}],
                *[[{**warm, "temperature": "10oC"}, {**warm, "tags": ["hot"]}]] * 2,
                [{"type": "rest", "duration": 1}],
            ]
        },
        CELL,
    )
    assert [line.strip().partition("   #")[0] for line in out.text.splitlines()[7:]] == [
        "- chamber: {temperature: 25 degC}",
        "- rest: {label: settle-down, for: 1 min}",
        "- loop:",
        "repeat: 2",
        "steps:",
        "- chamber: {temperature: 10 degC}",
        "- rest: {for: 1 min}",
        "- chamber: {temperature: 25 degC}",
        "- rest: {label: hot, for: 1 min}",
        "- chamber: {stop: true}",
        "- rest: {for: 1 s}",
    ]
    assert [told.message for told in out.account.warnings] == ["of several tags the first becomes the label"]


def test_a_loop_sets_the_chamber_that_its_last_step_leaves_elsewhere() -> None:
    warm, cold = ({"type": "rest", "duration": 60, "temperature": kelvin} for kelvin in (298.15, 283.15))
    out = imported({"cycles": [[warm], [warm, cold], [warm, cold]]}, CELL)
    kinds = [step.kind for step in plan_of(out.text, CELL).steps]
    assert kinds == ["chamber", "rest", "chamber", "rest", "chamber", "rest", "loop", "end"]
    # One temperature in all of it is set before it, once.
    kinds = [step.kind for step in plan_of(imported({"cycles": [[cold, cold]] * 2}, CELL).text, CELL).steps]
    assert kinds == ["chamber", "rest", "rest", "loop", "end"]


def test_a_tag_that_stands_twice_is_a_label_once() -> None:
    rest = {"type": "rest", "duration": 60, "tags": ["calm"]}
    labels = [step.label for step in plan_of(imported(of(rest, {**rest, "duration": 61}), CELL).text, CELL).steps]
    assert labels[0] == "calm" and labels[1] != "calm"


def test_what_is_null_is_not_there() -> None:
    plan = plan_of(
        imported(of({"type": "rest", "duration": 60, "terminations": None, "period": None}), CELL).text, CELL
    )
    assert [step.kind for step in plan.steps] == ["rest", "end"]


def test_what_the_experiment_says_for_all_holds_where_a_step_says_nothing() -> None:
    out = imported(of({"type": "rest", "duration": 60}, {"type": "rest", "duration": 60, "period": 1}, period=30), CELL)
    assert [step.record.dt_ns // 1_000_000_000 for step in plan_of(out.text, CELL).steps[:2]] == [30, 1]
    shared = imported(of({"type": "rest", "duration": 60}, period="1 minute", temperature=298.15), CELL).text
    assert "\nrecord: {dt: 1 min}\n" in shared
    assert "chamber: {temperature: 25 degC}" in shared


def test_the_older_configuration_is_a_list_of_steps() -> None:
    plan = plan_of(imported({"steps": [{"type": "rest", "duration": 60}]}, CELL).text, CELL)
    assert [step.kind for step in plan.steps] == ["rest", "end"]


def test_a_drive_cycle_is_held_where_it_jumps_and_its_middles_where_it_does_not() -> None:
    jumps = [[0, 2.0], [10, 2.0], [10.001, -1.0], [20, -1.0]]
    step = first(of({"type": "current", "value": jumps}))
    assert isinstance(step, Waveform)
    assert [(segment.for_ns, segment.value) for segment in step.segments] == [(10 * 10**9, -2.0), (10 * 10**9, 1.0)]
    slopes = of({"type": "power", "value": [[0, 0.0], [10, 4.0], [20, 4.0]]})
    assert lost(slopes) == [("cycles[1][1].value", "values that change in a straight line from point to point")]
    step = plan_of(imported(slopes, CELL, is_lossy=True).text, CELL).steps[0]
    assert isinstance(step, Waveform)
    assert [(segment.for_ns, segment.value) for segment in step.segments] == [(10 * 10**9, -2.0), (10 * 10**9, -4.0)]


def test_a_drive_cycle_repeats_as_pybamm_repeats_it() -> None:
    """The next round begins one first line later: 0-10-20, then 30-40-50, and the line between is gone along."""
    table = [[0, 1.0], [10, 1.0], [20, 1.0]]
    step = first(of({"type": "current", "value": table, "duration": 45}))
    assert isinstance(step, Waveform)
    assert [(segment.for_ns, segment.value) for segment in step.segments] == [(45 * 10**9, -1.0)]
    step = first(of({"type": "current", "value": table, "duration": 15}))
    assert [(segment.for_ns, segment.value) for segment in step.segments] == [(15 * 10**9, -1.0)]


# --- what is left behind, and what is wrong ---------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "field", "found"),
    [
        (of({"type": "rest", "duration": 60}, termination="80% capacity"), "termination",
         "an end of the whole experiment"),
        (of({"type": "rest", "duration": 60, "start_time": "2026-01-01T00:00:00"}), "cycles[1][1].start_time",
         "a step that waits for a date"),
        (of({"type": "rest", "duration": 60, "skip_ok": False}), "cycles[1][1].skip_ok",
         "a step that must not be skipped"),
        (of({"type": "rest", "duration": 60}, {"type": "current", "value": "rate", "duration": 60}),
         "cycles[1][2].value", "'rate', a parameter that PyBaMM is given later"),
        (of({"type": "rest", "duration": 60}, {"type": "resistance", "value": -1, "duration": 60}),
         "cycles[1][2].value", "a resistance of -1"),
        (of({"type": "rest", "duration": 60}, {"type": "voltage", "value": [[0, 3], [9, 4]]}), "cycles[1][2].value",
         "a voltage that follows a table"),
        (of({"type": "rest", "duration": 60}, {"type": "power", "value": 9, "duration": 9, "terminations":
         [{"type": "current", "value": -3, "operator": "<"}]}), "cycles[1][2].terminations[1]", "a current < -3 A"),
    ],
)  # fmt: skip
def test_what_our_language_cannot_carry_is_named_where_it_stands(config: Any, field: str, found: str) -> None:
    assert lost(config) == [(field, found)]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (of({"type": "rest", "duration": "soon"}), "cycles[1][1].duration"),
        (of({"type": "rest", "colour": 1}), "cycles[1][1].colour"),
        (of({"type": "wait"}), "cycles[1][1].type"),
        (of({"type": "current", "duration": 60}), "cycles[1][1].value"),
        (of({"type": "current", "value": [[1, 2], [3, 4]]}), "cycles[1][1].value"),
        (of({"type": "rest", "terminations": [{"type": "power", "value": 1}]}), "cycles[1][1].terminations[1].type"),
        ({"cycles": [3]}, "cycles[1]"),
        ({"cycles": []}, "(file)"),
        ({"cycles": [[]]}, "(file)"),
        ([3], "(file)"),
        (of({"type": "rest", "duration": 60, "temperature": "warm"}), "cycles[1][1].temperature"),
    ],
)
def test_what_pybamm_would_refuse_is_refused(config: Any, field: str) -> None:
    with pytest.raises(InputError) as error:
        imported(config, CELL)
    assert [problem.field for problem in error.value.problems] == [field]


def test_what_the_pack_cannot_do_is_told_where_the_source_says_it() -> None:
    """The imported profile does not compile: whose line that is, the reader of the source wants to know."""
    with pytest.raises(InputError) as error:
        imported(
            "Rest for 1 hour\nCharge at 900 A until 4.1 V\nCharge at 1 A until 9 V\nHold at 9 V until 0.1 A\n",
            file="x.txt",
        )
    assert [(problem.file, problem.line) for problem in error.value.problems] == [("x.txt", 2), ("x.txt", 3)]
    assert "900 A" in f"{error.value.problems[0].found}"
    assert error.value.problems[0].field == "steps[2] (steps[2].cc_charge.current)"


def test_our_own_export_has_kept_its_title() -> None:
    out = imported(of({"type": "rest", "duration": 60}, packbench={"title": "A rest", "profile": "calm"}), CELL)
    assert plan_of(out.text, CELL).title_en == "Imported: A rest"


def test_names_and_texts_of_others_are_made_harmless() -> None:
    config = of({"type": "rest", "duration": 60, "description": "a\nb: #{x}\x00", "tags": ["Ä/ß"]})
    out = imported(config, CELL, file="/somewhere/Über & out.json")
    assert "profile: ber-out\n" in out.text
    assert next(executed(plan_of(out.text, CELL)))[1][0] == "rest"
