"""Compiling: every number of the residual-capacity profile by hand, defaults, jumps, speed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from packbench.config.pack import load_pack
from packbench.core.limits import LimitSet
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import (
    Agreement,
    CellLimit,
    ConstantCurrent,
    ConstantVoltage,
    End,
    Goto,
    LoopEnd,
    Pause,
    Rest,
)

CONFIGS = Path(__file__).parents[2] / "configs"
MIN_NS = 60_000_000_000


def read(path: str) -> str:
    return (CONFIGS / path).read_text(encoding="utf-8")


PACK = load_pack(read("packs/nmc-96s.yaml"), "nmc-96s.yaml")
HEAD = "profile: t\ntitle: {en: T, zh: 测}\n"


def compiled(steps: str, head: str = HEAD):
    return compile_profile(f"{head}steps:\n{steps}", "t.yaml", PACK)


def test_residual_capacity_number_by_number():
    text = read("profiles/gbt34015-residual-capacity.yaml")
    plan = compile_profile(text, "g.yaml", PACK)
    looks, polarity, label, deep, warm, temper, charge, rested, discharge, empty, loop, end, *rejected = plan.steps
    assert all(isinstance(step, Pause) for step in (looks, polarity, label)), "asked before anything else"
    assert isinstance(deep, Goto) and isinstance(warm, Goto) and isinstance(temper, Rest)
    (below,) = deep.until[0].tests
    assert (below.variable, below.operator, below.value) == ("cell_min", "<=", pytest.approx(2.6))
    assert (plan.steps[deep.target].label, plan.steps[warm.target]) == ("rejected-voltage", charge)
    assert all(isinstance(step, End) and step.verdict == "fail" for step in rejected)
    assert isinstance(charge, ConstantVoltage)
    assert charge.current_a == pytest.approx(50.0)  # 150 Ah / 3 h
    assert charge.voltage_v == pytest.approx(403.2)  # 96 x 4.2 V
    assert charge.end_current_a == pytest.approx(7.5)  # 0.05 x 150 A
    assert charge.cell_limit == CellLimit(4.2, "taper", 7.5)
    assert charge.record.dt_ns == 5_000_000_000
    assert isinstance(rested, Rest)
    assert [(t.variable, t.operator, t.value) for c in rested.until for t in c.tests] == [("step_time", ">=", 1800.0)]
    assert rested.max_time_ns == 31 * MIN_NS
    assert isinstance(discharge, ConstantCurrent)
    assert discharge.current_a == pytest.approx(30.0)  # 150 Ah / 5 h
    assert [(t.variable, t.operator, t.value, c.text) for c in discharge.until for t in c.tests] == [
        ("cell_min", "<=", 2.8, "cell_min <= cell_cutoff"),
        ("voltage", "<=", pytest.approx(268.8), "voltage <= pack_cutoff"),
    ]
    # Half-way between 96 x 2.8 V and the pack's own 260 V.
    assert discharge.clamp_voltage_v == pytest.approx((268.8 + 260.0) / 2)
    assert discharge.max_time_ns == round(1.5 * 1.1 * 5 * 3600) * 1_000_000_000
    assert isinstance(empty, Rest)
    assert isinstance(loop, LoopEnd)
    assert (loop.start, loop.repeat) == (6, 5)
    assert loop.agreement == Agreement(8, 4.5, 2)  # 3 % of 150 Ah
    assert end == End(label="end-12", kind="end", record=end.record, max_time_ns=end.max_time_ns)
    assert plan.result is not None
    assert (plan.result.capacity_step, plan.result.agreement) == (8, loop.agreement)
    assert (plan.result.temperature_min_c, plan.result.temperature_max_c, plan.result.min_soh) == (17.0, 37.0, None)
    assert [step.label for step in plan.steps[6:10]] == ["charge", "rest-charged", "discharge", "rest-discharged"]
    assert plan.source_sha256 == hashlib.sha256(text.encode()).hexdigest()
    assert "GB/T 34015-2017" in plan.title_en and "GB/T 34015-2017" in plan.title_zh


def test_the_same_profile_follows_the_pack():
    cell = load_pack(read("packs/lmo-25ah.yaml"), "lmo.yaml")
    plan = compile_profile(read("profiles/gbt34015-residual-capacity.yaml"), "g.yaml", cell)
    charge, discharge = plan.steps[6], plan.steps[8]
    assert isinstance(charge, ConstantVoltage) and isinstance(discharge, ConstantCurrent)
    assert charge.current_a == pytest.approx(25 / 3)
    assert discharge.current_a == pytest.approx(5.0)
    assert charge.voltage_v == pytest.approx(4.2)
    assert [condition.tests[0].value for condition in discharge.until] == [2.7, 2.7]


def test_a_pure_function_of_its_text():
    text = read("profiles/gbt34015-residual-capacity.yaml")
    assert compile_profile(text, "a", PACK) == compile_profile(text, "a", PACK)
    other = compile_profile(text + "# a word more\n", "a", PACK)
    assert other.source_sha256 != compile_profile(text, "a", PACK).source_sha256


def test_defaults():
    plan = compiled(
        "  - cc_charge: {current: C/2, until: voltage >= pack_full}\n  - rest: {until: cell_spread <= 5 mV}\n"
    )
    charge, rest, end = plan.steps
    assert isinstance(charge, ConstantCurrent)
    assert charge.clamp_voltage_v == pytest.approx((403.2 + 406.0) / 2)
    assert charge.record.dt_ns == 5_000_000_000
    assert charge.record.dv_v is None
    assert charge.max_time_ns == round(1.5 * 1.1 * 2 * 3600) * 1_000_000_000
    assert rest.max_time_ns == 24 * 60 * MIN_NS
    assert isinstance(end, End), "an end is appended"
    assert (end.label, end.verdict) == ("end", "pass")
    assert [step.label for step in plan.steps] == ["cc-charge-1", "rest-2", "end"]
    assert plan.result is None
    assert plan.limits == LimitSet()


def test_values_reach_their_fields():
    plan = compiled(
        "  - cc_discharge:\n"
        "      current: 30 A\n"
        "      clamp: 300 V\n"
        "      for: 20 s\n"
        "      max_time: 1 min\n"
        "      record: {dt: 500 ms, dV: 10 mV, dI: 2 A}\n"
        "      protect: {temperature_max: 40 degC, discharge_current_max: C/3, delay: 2 s}\n"
        "      until: [{when: step_ah >= 10 Ah, for: 1 s, goto: end}, temperature_max > 39 degC]\n",
        HEAD + "limits: {temperature_max: 45 degC, charge_current_max: 0.5C}\n",
    )
    step = plan.steps[0]
    assert isinstance(step, ConstantCurrent)
    assert (step.clamp_voltage_v, step.max_time_ns) == (300.0, MIN_NS)
    assert (step.record.dt_ns, step.record.dv_v, step.record.di_a) == (500_000_000, 0.01, 2.0)
    assert step.protect == LimitSet(temperature_max_c=40.0, discharge_current_max_a=50.0)
    assert step.protect_delay_ns == 2_000_000_000
    ah, hot, time_over = step.until
    assert (ah.tests[0].variable, ah.tests[0].value, ah.for_ns, ah.goto) == ("step_ah", 10.0, 1_000_000_000, 1)
    assert (hot.tests[0].variable, hot.tests[0].operator, hot.tests[0].value, hot.goto) == (
        "temperature_max",
        ">",
        39.0,
        None,
    )
    assert (time_over.tests[0].variable, time_over.tests[0].value, time_over.text) == (
        "step_time",
        20.0,
        "step_time >= 20 s",
    )
    assert plan.limits == LimitSet(temperature_max_c=45.0, charge_current_max_a=75.0)


def test_loops_flatten_and_jumps_land():
    plan = compiled(
        "  - rest: {until: {when: cell_min <= 3 V, goto: twice}, for: 1 s}\n"
        "  - rest: {for: 2 s}\n"
        "  - loop:\n"
        "      label: twice\n"
        "      repeat: 2\n"
        "      steps:\n"
        "        - loop:\n"
        "            repeat: 3\n"
        "            steps: [rest: {label: inner, for: 3 s, until: {when: cell_max > 4 V, goto: end}}]\n"
        "        - rest: {for: 4 s}\n"
    )
    kinds = [type(step).__name__ for step in plan.steps]
    assert kinds == ["Rest", "Rest", "Rest", "LoopEnd", "Rest", "LoopEnd", "End"]
    assert plan.steps[0].until[0].goto == 2, "a loop's label is its first step"
    assert plan.steps[2].until[0].goto == 6
    inner, outer = plan.steps[3], plan.steps[5]
    assert isinstance(inner, LoopEnd) and isinstance(outer, LoopEnd)
    assert (inner.start, inner.repeat, inner.agreement) == (2, 3, None)
    assert (outer.start, outer.repeat) == (2, 2)


def test_labels_are_unique_even_when_an_author_takes_an_automatic_one():
    plan = compiled("  - rest: {label: rest-2, for: 1 s}\n  - rest: {for: 1 s}\n  - rest: {label: end-3, for: 1 s}\n")
    labels = [step.label for step in plan.steps]
    assert len(set(labels)) == len(labels) == 4


def test_places_point_into_the_text():
    plan = compiled("  - rest: {for: 1 s}\n  - cc_discharge:\n      current: 1 I5\n      until: [cell_min <= 3 V]\n")
    place = plan.places[1, "current"]
    assert (place.line, place.column, place.field) == (6, 16, "steps[2].cc_discharge.current")
    assert plan.places[1, "until.0"].line == 7
    assert plan.places[0, ""].column == 5


def test_a_thousand_steps_compile():
    step = (
        "  - cc_discharge: {{label: d{i}, current: 1 I5, record: {{dt: 5 s}}, "
        "until: [cell_min <= cell_cutoff, {{when: voltage <= pack_cutoff, for: 1 s}}]}}\n"
    )
    text = HEAD + "steps:\n" + "".join(step.format(i=i) for i in range(1000))
    plan = compile_profile(text, "t.yaml", PACK)
    assert len(plan.steps) == 1001
