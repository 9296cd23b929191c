"""The static check against pack, bench and limits; its remarks are test_profile_review."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.core.limits import LimitSet, merge_limits
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import ConstantCurrent, LoopEnd, Plan

CONFIGS = Path(__file__).parents[2] / "configs"


def read(path: str) -> str:
    return (CONFIGS / path).read_text(encoding="utf-8")


PACK = load_pack(read("packs/nmc-96s.yaml"), "nmc-96s.yaml")
CELL = load_pack(read("packs/lmo-25ah.yaml"), "lmo.yaml")
BENCH = load_bench(read("benches/sim-hv.yaml"), "sim-hv.yaml")
HEAD = "profile: t\ntitle: {en: T, zh: 测}\n"


def plan_of(steps: str, head: str = HEAD, pack=PACK) -> Plan:
    return compile_profile(f"{head}steps:\n{steps}", "t.yaml", pack)


def lines(problems) -> list[str]:
    return [str(problem) for problem in problems]


DISCHARGE = "  - cc_discharge: {label: d, current: %s, until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]}\n"


def test_cycler_too_small():
    settings = MappingProxyType({**BENCH.cycler.settings, "rated_current_a": 90.0, "rated_power_w": 15_000.0})
    bench = replace(BENCH, cycler=replace(BENCH.cycler, settings=settings))
    report = check_plan(plan_of(DISCHARGE % "100 A"), PACK, bench)
    assert lines(report.errors) == [
        "t.yaml:4:39: steps[1].cc_discharge.current: set-point beyond a limit: found 100 A, "
        "expected at most 90 A, the rating of sim-hv's cycler",
        "t.yaml:4:39: steps[1].cc_discharge.current: set-point beyond a limit: found 100 A, at 403.2 V 40320 W, "
        "expected at most 15000 W, the rating of sim-hv's cycler",
    ]
    assert not report.ok
    assert check_plan(plan_of(DISCHARGE % "35 A"), PACK, bench).ok


def test_set_point_beyond_the_layer_that_is_tightest():
    limits = merge_limits({"pack": PACK.limits, "cable": LimitSet(discharge_current_max_a=40.0)})
    report = check_plan(plan_of(DISCHARGE % "45 A"), PACK, None, limits)
    assert lines(report.errors) == [
        "t.yaml:4:39: steps[1].cc_discharge.current: set-point beyond a limit: found 45 A, "
        "expected at most 40 A, the cable's discharge_current_max"
    ]


def test_charge_voltage_beyond_the_bench():
    bench = replace(BENCH, limits=MappingProxyType({**BENCH.limits, "board": LimitSet(pack_voltage_max_v=390.0)}))
    steps = "  - cccv_charge: {current: 1 I3, voltage: pack_full, end_current: 10 A}\n"
    report = check_plan(plan_of(steps), PACK, bench)
    assert [problem.expected for problem in report.errors] == ["at most 390 V, the board's pack_voltage_max"]
    assert report.errors[0].column == 43


def test_pack_that_the_cycler_cannot_reach():
    low = load_bench(read("benches/sim-lv.yaml"), "sim-lv.yaml")
    report = check_plan(plan_of("  - rest: {for: 1 s}\n"), PACK, low)
    assert "pack and bench do not match" in str(report.errors[0])


def test_a_limit_that_nobody_states_refuses():
    pack = replace(PACK, limits=replace(PACK.limits, cell_spread_max_v=None))
    report = check_plan(plan_of("  - rest: {for: 1 s}\n"), pack, BENCH)
    assert [problem.field for problem in report.errors] == ["cell_spread_max_v"]


def test_plans_made_by_other_hands_are_checked_too():
    plan = plan_of(DISCHARGE % "30 A")
    step = plan.steps[0]
    assert isinstance(step, ConstantCurrent)
    bad = replace(
        plan,
        steps=(
            replace(step, current_a=500.0, until=(replace(step.until[0], goto=9),), max_time_ns=0),
            LoopEnd(label="l", kind="loop", record=step.record, max_time_ns=1, start=3, repeat=0),
        ),
        limits=LimitSet(temperature_min_c=50.0, temperature_max_c=20.0),
        places=MappingProxyType({}),
    )
    messages = {problem.message for problem in check_plan(bad, PACK).errors}
    assert {"set-point beyond a limit", "goto nowhere", "empty loop", "impossible limit"} <= messages


@pytest.mark.parametrize(
    ("head", "steps", "field", "expected"),
    [
        # Each would be stopped by safety before it could end by its own word.
        (
            "limits: {cell_voltage_min: 2.9 V}\n",
            "  - cc_discharge: {current: 1 I5, until: cell_min <= cell_cutoff}\n",
            "steps[1].cc_discharge.until",
            "more than 2.9 V, the profile's cell_voltage_min",
        ),
        (
            "",
            "  - rest: {until: temperature_max >= 40 degC, protect: {temperature_max: 38 degC}}\n",
            "steps[1].rest.until",
            "less than 38 degC, the step's temperature_max",
        ),
        (
            "",
            "  - cc_charge: {current: C/2, for: 1 h, protect: {charge_current_max: C/3}}\n",
            "steps[1].cc_charge.current",
            "at most 50 A, the step's charge_current_max",
        ),
        (
            "limits: {cell_voltage_max: 4.1 V}\n",
            "  - cc_charge: {current: C/2, on_cell_limit: {at: cell_full, action: end}}\n",
            "steps[1].cc_charge.on_cell_limit.at",
            "less than 4.1 V, the profile's cell_voltage_max",
        ),
        (
            "limits: {pack_voltage_max: 400 V}\n",
            "  - cccv_charge: {current: C/2, voltage: pack_full, end_current: 10 A}\n",
            "steps[1].cccv_charge.voltage",
            "at most 400 V, the profile's pack_voltage_max",
        ),
    ],
)
def test_limits_that_would_stop_the_test_itself(head, steps, field, expected):
    with pytest.raises(InputError) as caught:
        plan_of(steps, HEAD + head)
    (problem,) = caught.value.problems
    assert problem.field == field
    assert str(problem.expected).startswith(expected)


def test_a_gate_inside_the_limits_is_fine():
    steps = (
        "  - rest: {until: [temperature_max <= 28 degC, temperature_min >= 15 degC, cell_spread <= 2 mV], for: 2 h}\n"
    )
    assert check_plan(plan_of(steps), PACK, BENCH).errors == ()
