"""Profiles of ours as aurora-unicycler protocols, and theirs as ours: signs, units, loops, safety, losses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.exchange_parts import CELL, HEAD, PACK, imported, losses, plan_of, to_unicycler

from packbench.core.errors import InputError
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.profile.plan import ConstantCurrent, ConstantVoltage, LoopEnd

REST = {"step": "open_circuit_voltage", "until_time_s": 60}


def method(steps: str, pack: PackSpec = CELL, head: str = HEAD, **wishes: bool) -> list[dict[str, Any]]:
    """The steps of an export, without the tag that says where it comes from."""
    about, *steps_there = to_unicycler(steps, pack, head, **wishes).experiment["method"]
    assert about["step"] == "tag" and about["tag"].startswith("packbench: t, for ")
    return steps_there


def protocol(*steps: dict[str, Any], **whole: Any) -> dict[str, Any]:
    return {"record": {"time_s": 10}, "method": list(steps), **whole}


def cc(**keys: Any) -> dict[str, Any]:
    return {"step": "constant_current", **keys}


def cv(**keys: Any) -> dict[str, Any]:
    return {"step": "constant_voltage", **keys}


def first(*steps: dict[str, Any], pack: PackSpec = CELL) -> Any:
    return plan_of(imported(protocol(*steps), pack).text, pack).steps[0]


# --- ours as theirs ---------------------------------------------------------------------------------


def test_a_charge_is_positive_and_in_milliamperes() -> None:
    assert method("  - cc_charge: {current: 2.5 A, until: voltage >= 4.1 V, for: 2 h}\n") == [
        {"step": "constant_current", "current_mA": 2500.0, "until_time_s": 7200.0, "until_voltage_V": 4.1}
    ]
    assert method("  - cc_discharge: {label: down, current: C/5, until: voltage <= 3 V}\n") == [
        {"step": "constant_current", "rate_C": -0.2, "until_voltage_V": 3.0, "id": "down"}
    ]


def test_cc_cv_is_two_steps_and_a_discharge_ends_at_a_negative_current() -> None:
    assert method("  - cccv_charge: {current: 0.5C, voltage: 4.1 V, end_current: 1 A}\n") == [
        {"step": "constant_current", "rate_C": 0.5, "until_voltage_V": 4.1},
        {"step": "constant_voltage", "voltage_V": 4.1, "until_current_mA": 1000.0},
    ]
    assert method("  - cccv_discharge: {current: 5 A, voltage: 3 V, end_current: 0.05C}\n") == [
        {"step": "constant_current", "current_mA": -5000.0, "until_voltage_V": 3.0},
        {"step": "constant_voltage", "voltage_V": 3.0, "until_rate_C": -0.05},
    ]


def test_the_sample_is_the_pack_and_the_profile_s_limits_are_its_safety() -> None:
    head = (
        f"{HEAD}record: {{dt: 2 s, dV: 100 mV, dI: 500 mA}}\n"
        "limits: {pack_voltage_max: 400 V, pack_voltage_min: 270 V, charge_current_max: 60 A, "
        "discharge_current_max: 0.5C}\n"
    )
    found = to_unicycler("  - rest: {for: 1 min}\n", PACK, head).experiment
    assert found["sample"] == {"capacity_mAh": 150_000.0}
    assert found["record"] == {"time_s": 2.0, "voltage_V": 0.1, "current_mA": 500.0}
    assert found["safety"] == {
        "max_voltage_V": 400.0,
        "min_voltage_V": 270.0,
        "max_current_mA": 60_000.0,
        "min_current_mA": -75_000.0,
    }
    head = f"{HEAD}limits: {{cell_voltage_max: 4.22 V, pack_voltage_max: 4.25 V, cell_voltage_min: 2.6 V}}\n"
    assert to_unicycler("  - rest: {for: 1 min}\n", CELL, head).experiment["safety"] == {
        "max_voltage_V": 4.22,
        "min_voltage_V": 2.6,
    }


def test_the_finest_rule_of_recording_is_everybody_s() -> None:
    out = to_unicycler(
        "  - rest: {for: 1 min, record: {dt: 1 s}}\n  - rest: {for: 1 min, record: {dt: 9 s, dV: 1 mV}}\n", CELL
    )
    assert out.experiment["record"] == {"time_s": 1.0, "voltage_V": 0.001}
    assert [told.message for told in out.account.warnings] == ["one rule for all steps: the finest of theirs"]


def test_loops_go_back_to_tags() -> None:
    found = method(
        "  - loop:\n"
        "      label: outer\n"
        "      repeat: 2\n"
        "      steps:\n"
        "        - loop: {repeat: 3, steps: [{rest: {for: 1 s}}]}\n"
        "        - pulse: {repeat: 4, train: [{discharge: 1C, for: 2 s}, {rest: 3 s}]}\n"
    )
    assert [step.get("tag") or step.get("loop_to") or step["until_time_s"] for step in found] == [
        "outer", "loop-2", 1.0, "loop-2", "pulse-3-train", 2.0, 3.0, "pulse-3-train", "outer",
    ]  # fmt: skip
    assert [step["cycle_count"] for step in found if step["step"] == "loop"] == [3, 4, 2]


def test_a_loop_written_out_leaves_each_tag_its_own_name() -> None:
    found = method(
        "  - loop:\n"
        "      each: {part: [10 %, 20 %]}\n"
        "      steps:\n"
        "        - cc_discharge: {current: $part * 10 A, for: 1 min}\n"
        "        - loop: {label: inner, repeat: 3, steps: [{rest: {for: 1 s}}]}\n"
    )
    assert [step.get("tag") or step.get("loop_to") or step.get("current_mA") for step in found] == [
        -1000.0, "inner", None, "inner", -2000.0, "inner-2", None, "inner-2",
    ]  # fmt: skip


def test_a_table_of_currents_is_one_current_after_the_other() -> None:
    found = method("  - current_profile: {points: [[0 s, 5 A], [30 s, -2.5 A], [40 s, 0 A], [45 s, 0 A]]}\n")
    assert found == [
        {"step": "constant_current", "current_mA": 5000.0, "until_time_s": 30.0},
        {"step": "constant_current", "current_mA": -2500.0, "until_time_s": 10.0},
        {"step": "open_circuit_voltage", "until_time_s": 5.0},
    ]


LINE = "  - rest: {for: 1 min}\n"


@pytest.mark.parametrize(
    ("steps", "field", "found"),
    [
        (f"{LINE}  - cp_discharge: {{power: 50 W, until: voltage <= 3 V}}\n", "steps[2].cp_discharge",
         "constant power"),
        (f"{LINE}  - cr_discharge: {{resistance: 1 ohm, until: voltage <= 3 V}}\n", "steps[2].cr_discharge",
         "constant resistance"),
        (f"{LINE}  - power_profile: {{points: [[0 s, 1 W], [1 s, 0 W]]}}\n", "steps[2].power_profile",
         "constant power"),
        ("  - rest: {for: 1 min, until: voltage >= 4 V}\n", "steps[1].rest.until", "an end at a voltage that rises"),
        ("  - cc_charge: {current: 1 A, until: [voltage >= 4 V, current <= 0.1 A]}\n", "steps[1].cc_charge.until",
         "an end at a current that falls"),
        ("  - cc_charge: {current: 1 A, until: [voltage >= 4 V, voltage <= 3 V]}\n", "steps[1].cc_charge.until",
         "an end at a voltage that falls"),
        (f"  - chamber: {{temperature: 25 degC}}\n{LINE}", "steps[1].chamber.temperature", "a chamber's temperature"),
        ("  - current_profile: {points: [[0 s, 1 A], [1 s, 0 A]], until: voltage <= 3 V}\n",
         "steps[1].current_profile.until", "an end at a voltage that falls"),
    ],
)  # fmt: skip
def test_what_unicycler_cannot_carry_is_named_with_its_line(steps: str, field: str, found: str) -> None:
    dropped = losses(to_unicycler(steps, CELL, is_lossy=True))
    with pytest.raises(InputError) as error:
        to_unicycler(steps, CELL)
    assert [(problem.field, problem.found) for problem in error.value.problems] == dropped == [(field, found)]
    assert all(problem.message == "aurora-unicycler cannot carry this" for problem in error.value.problems)


def test_a_pack_s_cells_are_lost_and_weakened_to_the_pack_s_voltage() -> None:
    """A cell's end comes to the whole pack's voltage, if all cells are alike: it is said that they need not be."""
    steps = (
        "  - cc_discharge: {current: 30 A, until: cell_min <= 3 V}\n"
        "  - cc_charge: {current: 30 A, until: voltage >= 400 V, on_cell_limit: {at: 4.1 V, action: end}}\n"
    )
    out = to_unicycler(steps, PACK, is_lossy=True)
    assert losses(out) == [
        ("steps[1].cc_discharge.until", "cell_min <= 3 V"),
        ("steps[2].cc_charge.on_cell_limit", "to end at a cell's limit"),
    ]
    assert "at which a weak cell is beyond it" in f"{out.account.dropped[0].expected}"
    assert [step["until_voltage_V"] for step in method(steps, PACK, is_lossy=True)] == [288.0, 393.6]
    cell = to_unicycler("  - cc_discharge: {current: 3 A, until: cell_min <= 3 V}\n", CELL)
    assert cell.experiment["method"][1]["until_voltage_V"] == 3.0


def test_nothing_left_is_refused() -> None:
    with pytest.raises(InputError, match="nothing left"):
        to_unicycler("  - cp_discharge: {power: 50 W, until: voltage <= 3 V}\n", CELL, is_lossy=True)


# --- theirs as ours ---------------------------------------------------------------------------------


def test_a_positive_current_charges() -> None:
    for keys, sign, current_a in (
        ({"current_mA": 2500}, 1, 2.5),
        ({"current_mA": "-2500"}, -1, 2.5),
        ({"rate_C": "C/5"}, 1, 5.0),
        ({"rate_C": "D/5", "current_mA": 100}, -1, 5.0),
        ({"rate_C": "1/5"}, 1, 5.0),
        ({"rate_C": "2C/5"}, 1, 10.0),
        ({"rate_C": 0, "current_mA": -100.0}, -1, 0.1),
        ({"rate_C": "", "current_mA": 100.0}, 1, 0.1),
    ):
        step = first(cc(**keys, until_time_s=60))
        assert isinstance(step, ConstantCurrent)
        assert (step.sign, step.current_a) == (sign, pytest.approx(current_a)), keys


def test_the_way_of_the_current_says_the_way_of_the_voltage() -> None:
    def end(step: Any) -> list[tuple[str, str, float]]:
        return [(test.variable, test.operator, test.value) for condition in step.until for test in condition.tests]

    assert end(first(cc(rate_C=0.1, until_voltage_V=4.1))) == [("voltage", ">=", 4.1)]
    assert end(first(cc(rate_C=-0.1, until_voltage_V="3.1"))) == [("voltage", "<=", 3.1)]


def test_a_current_and_its_voltage_are_one_step_unless_each_has_its_time() -> None:
    charge, hold = cc(rate_C=0.5, until_voltage_V=4.1), cv(voltage_V=4.1, until_rate_C=0.05)
    step = first(charge, hold)
    assert isinstance(step, ConstantVoltage)
    assert (step.kind, step.voltage_v, step.current_a, step.end_current_a) == ("cccv_charge", 4.1, 12.5, 1.25)
    plan = plan_of(imported(protocol({**charge, "until_time_s": 9000}, {**hold, "until_time_s": 60}), CELL).text, CELL)
    assert [step.kind for step in plan.steps] == ["cc_charge", "cv_charge", "end"]
    assert isinstance(plan.steps[1], ConstantVoltage)
    assert (plan.steps[1].current_a, plan.steps[1].end_current_a) == (12.5, 1.25)
    discharge = first(cc(rate_C=-0.5, until_voltage_V=3.1), cv(voltage_V=3.1, until_rate_C=0.05))
    assert (discharge.kind, discharge.sign) == ("cccv_discharge", -1)
    assert first(cv(voltage_V=4.0, until_rate_C=-0.05)).sign == -1


@pytest.mark.parametrize(
    ("steps", "loops"),
    [
        ([REST, cc(rate_C=1, until_time_s=1), {"step": "loop", "loop_to": 1, "cycle_count": 3}], [(0, 3)]),
        ([REST, {"step": "tag", "tag": "a"}, cc(rate_C=1, until_time_s=1), {"step": "loop", "loop_to": "a",
                                                                         "cycle_count": "4"}], [(1, 4)]),
        # A number counts tags too: 2 is the tag, and the step after it where the loop begins.
        ([REST, {"step": "tag", "tag": "a"}, cc(rate_C=1, until_time_s=1), {"step": "loop", "loop_to": 2,
                                                                         "cycle_count": 4}], [(1, 4)]),
        ([REST, cc(rate_C=1, until_time_s=1), {"step": "loop", "loop_to": 2, "cycle_count": 2}, REST,
          {"step": "loop", "loop_to": 1, "cycle_count": 5}], [(1, 2), (0, 5)]),
    ],
)  # fmt: skip
def test_loops_by_tag_and_by_number(steps: list[dict[str, Any]], loops: list[tuple[int, int]]) -> None:
    plan = plan_of(imported(protocol(*steps), CELL).text, CELL)
    assert [(step.start, step.repeat) for step in plan.steps if isinstance(step, LoopEnd)] == loops


def test_record_and_safety() -> None:
    out = imported(
        protocol(
            REST,
            record={"time_s": "5", "voltage_V": 0.01, "current_mA": 20},
            safety={"max_voltage_V": 4.22, "min_voltage_V": "2.6", "max_current_mA": 20000, "min_current_mA": -15000},
            sample={"name": "cell 7", "capacity_mAh": "25000"},
        ),
        CELL,
    )
    plan = plan_of(out.text, CELL)
    assert plan.limits == LimitSet(
        pack_voltage_max_v=4.22, pack_voltage_min_v=2.6, charge_current_max_a=20.0, discharge_current_max_a=15.0
    )
    rule = plan.steps[0].record
    assert (rule.dt_ns, rule.dv_v, rule.di_a) == (5_000_000_000, 0.01, 0.02)
    assert (plan.title_en, plan.title_zh, plan.name) == ("Imported: cell 7", "导入：cell 7", "x")


def test_a_cell_s_protocol_becomes_the_pack_s_when_it_is_said_to_be_one() -> None:
    steps = (cc(rate_C=0.2, until_voltage_V=4.1), cc(rate_C=-0.2, until_voltage_V=3.0))
    whole = protocol(*steps, safety={"max_voltage_V": 4.2}, record={"time_s": 5, "voltage_V": 0.01})
    plan = plan_of(imported(whole, PACK, sample_is_cell=True).text)
    assert plan.limits.pack_voltage_max_v == 403.2
    assert plan.steps[0].record.dv_v == 0.96
    assert [condition.tests[0].value for step in plan.steps[:2] for condition in step.until] == [393.6, 288.0, 2.8]
    with pytest.raises(InputError) as error:
        imported(whole, PACK)
    assert {problem.field for problem in error.value.problems} >= {"method[1] (steps[1].cc_charge.until)"}


@pytest.mark.parametrize(
    ("whole", "field", "found"),
    [
        (protocol(REST, {"step": "voltage_scan", "start_voltage_V": 3, "end_voltage_V": 4, "scan_rate_mV_per_s": 1}),
         "method[2]", "voltage_scan"),
        (protocol(REST, {"step": "impedance_spectroscopy", "amplitude_V": 0.01, "start_frequency_Hz": 1e4,
                         "end_frequency_Hz": 0.01}), "method[2]", "impedance_spectroscopy"),
        (protocol(REST, safety={"delay_s": 2}), "safety.delay_s", "delay_s 2"),
        (protocol(REST, safety={"max_capacity_mAh": 26000}), "safety.max_capacity_mAh", "max_capacity_mAh 26000"),
        (protocol(REST, safety={"min_current_mA": 5}), "safety.min_current_mA", "5 mA"),
        (protocol(REST, safety={"min_voltage_V": -0.1}), "safety.min_voltage_V", "-0.1 V"),
    ],
)  # fmt: skip
def test_what_our_language_cannot_carry_is_named_where_it_stands(whole: dict[str, Any], field: str, found: str) -> None:
    out = imported(whole, CELL, is_lossy=True)
    with pytest.raises(InputError) as error:
        imported(whole, CELL)
    assert [(p.field, p.found) for p in error.value.problems] == losses(out) == [(field, found)]
    assert f"# Not carried: x.json:{out.account.dropped[0].line}" in out.text


@pytest.mark.parametrize(
    ("whole", "field"),
    [
        ({"method": [REST]}, "record"),
        (protocol(REST, colour=1), "colour"),
        (protocol({"step": "dance"}), "method[1].step"),
        (protocol({"until_time_s": 5}), "method[1].step"),
        (protocol(cc(until_time_s=5)), "method[1]"),
        (protocol(cc(rate_C=1)), "method[1]"),
        (protocol(cv(voltage_V=4)), "method[1]"),
        (protocol(cc(rate_C="fast", until_time_s=5)), "method[1].rate_C"),
        (protocol({"step": "open_circuit_voltage", "until_time_s": 0}), "method[1].until_time_s"),
        (protocol(REST, {"step": "loop", "loop_to": 2, "cycle_count": 2}), "method[2].loop_to"),
        (protocol(REST, {"step": "loop", "loop_to": "x", "cycle_count": 2}), "method[2].loop_to"),
        (protocol(REST, {"step": "loop", "loop_to": 1, "cycle_count": 0}), "method[2].cycle_count"),
        (protocol({"step": "tag", "tag": "a"}, REST, {"step": "tag", "tag": "a"}, REST), "method[1].tag"),
        (protocol(REST, {"step": "tag", "tag": "a"}, {"step": "loop", "loop_to": "a", "cycle_count": 2}),
         "method[3].loop_to"),
        (protocol(REST, REST, {"step": "loop", "loop_to": 1, "cycle_count": 2}, REST,
                  {"step": "loop", "loop_to": 2, "cycle_count": 2}), "method[5].loop_to"),
        ({"record": {"time_s": 1}, "method": []}, "method"),
    ],
)  # fmt: skip
def test_what_unicycler_would_refuse_is_refused(whole: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as error:
        imported(whole, CELL)
    assert [problem.field for problem in error.value.problems] == [field]
    assert all(problem.line is not None for problem in error.value.problems)


def test_rounds_beyond_ours_are_told_at_the_loop() -> None:
    with pytest.raises(InputError) as error:
        imported(protocol(REST, {"step": "loop", "loop_to": 1, "cycle_count": 20000}), CELL)
    assert [problem.field for problem in error.value.problems] == ["method[2] (steps[1].loop.repeat)"]


def test_our_own_mark_is_no_step_and_labels_come_back() -> None:
    out = to_unicycler("  - loop: {label: rounds, repeat: 2, steps: [{rest: {label: still, for: 1 s}}]}\n", CELL)
    assert json.loads(out.text) == out.experiment
    steps = plan_of(imported(out.text, CELL).text, CELL).steps
    assert [step.label for step in steps] == ["still", "rounds", "end"]
