"""Profiles at the edge of sense: divisions by zero, endless numbers, steps that no pack can begin or end."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from packbench.cli.check_view import worst_case_table
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem
from packbench.profile.checking.check import Report, check_plan
from packbench.profile.checking.estimate import estimate_plan
from packbench.profile.language.compiler import compile_profile
from packbench.report.numbers import ABSENT

CONFIGS = Path(__file__).parents[2] / "configs"
HEAD = "profile: t\ntitle: {en: T, zh: 测}\n"
PACK = load_pack((CONFIGS / "packs/lfp-16s.yaml").read_text(encoding="utf-8"), "lfp-16s.yaml")
BENCHES = [
    None,
    *(
        load_bench((CONFIGS / f"benches/{name}.yaml").read_text(encoding="utf-8"), f"{name}.yaml")
        for name in ("sim-lv", "sim-climate")
    ),
]


def checked(steps: str, head: str = HEAD, bench=None) -> Report:
    return check_plan(compile_profile(f"{head}steps:\n{steps}", "t.yaml", PACK), PACK, bench)


def found(steps: str, head: str = HEAD) -> tuple[Problem, ...]:
    """What refuses a profile, whoever says so."""
    try:
        return checked(steps, head).errors
    except InputError as error:
        return error.problems


@pytest.mark.parametrize("bench", BENCHES, ids=["none", "low", "chamber"])
@pytest.mark.parametrize(
    "step",
    [
        "cc_charge: {current: 10 A / $zero, for: 1 min, until: voltage >= pack_full}",
        "cc_charge: {current: 'rated / 1 Ah * 1 Ah / 1 h * (1 / $zero)', for: 1 min}",
        "cc_charge: {current: 10 A, clamp: 50 V / $zero, for: 1 min}",
        "cc_discharge: {current: 10 A, until: [step_ah >= 1 Ah / $zero, cell_min <= 3 V / $zero], for: 1 min}",
        "cccv_charge: {current: 10 A, voltage: 50 V / $zero, end_current: 1 A / $zero}",
        "cv_charge: {current: 10 A / $zero, voltage: 54 V, end_current: 1 A}",
        "cccv_charge: {current: 10 A, voltage: pack_full, end_current: 1 A,"
        " on_cell_limit: {at: 3.6 V / $zero, action: taper, end_current: 1 A / $zero}}",
        "cp_charge: {power: 100 W / $zero, for: 1 min}",
        "cp_discharge: {power: 100 W, clamp: 40 V / $zero, for: 1 min}",
        "cr_discharge: {resistance: 1 ohm / $zero, for: 1 min}",
        "cr_discharge: {resistance: 1 ohm * $zero, for: 1 min}",
        "pulse: {train: [{discharge: 10 A / $zero, for: 10 s}, {rest: 10 s}], repeat: 2}",
        "pulse: {train: [{discharge: 10 A, for: 10 s}], repeat: 2, clamp_low: 40 V / $zero}",
        "power_profile: {points: [[0 s, -100 W], [10 s, 0 W]], peak: 100 W / $zero}",
        "rest: {until: [step_time >= 1 s / $zero]}",
        "loop: {repeat: 3, steps: [{set: {q: 1 / $zero}}, {set: {q: $q - $q}},"
        " {cc_charge: {current: 1 A * $q, for: 9 s}}]}",
    ],
)
def test_a_division_by_zero_may_not_begin(step, bench):
    report = checked(f"  - set: {{zero: 0}}\n  - {step}\n  - rest: {{for: 1 min}}\n", bench=bench)
    assert any("begin" in problem.message for problem in (*report.errors, *report.warnings))


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1e300 h", "a time of less than 100 years"),
        ("1e306 h", "a time with its unit"),
        ("1e306 h 1 s", "a time with its unit"),
        ("999999999999 d", "a time of less than 100 years"),
    ],
)
def test_a_time_without_end(time, expected):
    problems = found(f"  - rest: {{for: {time}}}\n")
    assert [(problem.line, expected in (problem.expected or "")) for problem in problems] == [(4, True)]


@pytest.mark.parametrize("value", ["1e308 kA", "1e307 MW", "1e308 kWh"])
def test_a_number_without_end(value):
    problems = found(f"  - set: {{a: {value}}}\n  - rest: {{for: 1 s}}\n")
    assert ["not finite" in (problem.found or "") for problem in problems] == [True]


@pytest.mark.parametrize(
    ("steps", "line", "shown", "expected"),
    [
        ("  - set: {p: 1.28 MW}\n  - cp_discharge: {power: $p, for: 1 min}\n", 5, "1.28e+06 W", "0 to 5900 W"),
        ("  - set: {p: -1 kW}\n  - cp_discharge: {power: $p, for: 1 min}\n", 5, "-1000 W", "0 to 5900 W"),
        ("  - set: {a: -5 A}\n  - cc_charge: {current: $a, for: 1 min}\n", 5, "-5 A", "0 to 100 A"),
        ("  - set: {r: 1 mohm}\n  - cr_discharge: {resistance: $r, for: 1 min}\n", 5, "no pack", "within the limits"),
        (
            "  - set: {v: 70 V}\n  - cccv_charge: {current: 5 A, voltage: $v, end_current: 1 A}\n",
            5,
            "70 V",
            "36 to 60 V",
        ),
    ],
)
def test_a_step_that_no_pack_can_begin_is_refused(steps, line, shown, expected):
    (problem,) = found(steps)
    assert problem.message == "no pack can begin with this"
    assert problem.line == line
    assert shown in str(problem.found) and expected in str(problem.expected)


def test_a_step_that_some_pack_can_begin_is_warned_of():
    report = checked(
        "  - cc_discharge: {label: d, current: 50 A, until: cell_min <= cell_cutoff}\n"
        "  - cc_charge: {current: ah(d) / 1 h, for: 1 min}\n"
    )
    assert report.ok
    assert "may not begin" in [problem.message for problem in report.warnings]


@pytest.mark.parametrize("end", ["step_wh >= 20 kWh", "current >= 60 A"])
def test_a_charge_that_no_pack_comes_to_the_end_of_is_refused(end):
    problems = found(f"  - cc_charge: {{current: 50 A, until: {end}}}\n")
    assert [problem.line for problem in problems] == [4]


@pytest.mark.parametrize(
    "end",
    [
        "step_ah >= 0 Ah",
        "step_wh >= 0 Wh",
        "step_time >= 0 s",
        "step_ah >= 0 Ah - 1 Ah",
        "step_ah >= $none",
        "step_time >= $none / 1 A",
    ],
)
def test_an_end_that_holds_from_the_start_is_refused(end):
    steps = (
        f"  - set: {{none: 0 Ah}}\n  - cc_charge:\n      current: 5 A\n      until: [{end}, cell_max >= cell_full]\n"
    )
    (problem,) = found(steps)
    assert problem.message == "impossible limit"
    assert problem.line == 7


@pytest.mark.parametrize("end", ["step_ah >= 1.2 * rated", "step_ah >= $none + 1.3 * rated"])
def test_more_charge_than_any_pack_takes_is_a_guard_beside_another_end_and_no_end_alone(end):
    head = "  - set: {none: 0 Ah}\n  - cc_charge:\n      current: 5 A\n"
    assert found(f"{head}      until: [{end}, cell_max >= cell_full]\n") == ()
    (problem,) = found(f"{head}      until: {end}\n")
    assert problem.message in ("impossible limit", "cannot end")


@pytest.mark.parametrize("value", ["-10 degC", "-5 degC + 2 K", "-.5 degC"])
def test_a_temperature_below_zero_is_a_parameter(value):
    head = f"{HEAD}parameters: {{t: {value}}}\n"
    assert found("  - rest: {for: 1 s}\n  - rest: {until: temperature_max <= $t + 30 K, for: 1 h}\n", head) == ()


def test_two_temperatures_below_zero_are_still_no_sum():
    problems = found("  - set: {t: -5 degC + -5 degC}\n  - rest: {for: 1 s}\n")
    assert ["temperature plus temperature" in (problem.found or "") for problem in problems] == [True]


@pytest.mark.parametrize(
    ("steps", "delay"),
    [
        ("  - rest: {for: 1 min, protect: {temperature_max: 40 degC, delay: %s}}\n", "1 min"),
        (
            "  - pulse: {train: [{discharge: 5 A, for: 10 s}], repeat: 2,"
            " protect: {temperature_max: 40 degC, delay: %s}}\n",
            "20 s",
        ),
    ],
)
def test_a_protection_that_begins_after_the_step_is_refused(steps, delay):
    (problem,) = found(steps % delay)
    assert problem.message == "impossible limit"
    assert str(problem.field).endswith("protect.delay")
    assert found(steps % "1 s") == ()


@pytest.mark.parametrize(
    ("head", "steps", "field"),
    [
        ("", "  - rest: {for: 1 s, protect: {temperature_max: -20 degC}}\n", "steps[1].rest.protect.temperature_max"),
        ("", "  - rest: {for: 1 s, protect: {temperature_min: 56 degC}}\n", "steps[1].rest.protect.temperature_min"),
        (
            "limits: {cell_voltage_min: 3 V}\n",
            "  - rest: {for: 1 s, protect: {cell_voltage_max: 2.9 V}}\n",
            "steps[1].rest.protect.cell_voltage_max",
        ),
        ("", "  - rest: {for: 1 s, protect: {pack_voltage_max: 35 V}}\n", "steps[1].rest.protect.pack_voltage_max"),
        ("limits: {temperature_max: -20 degC}\n", "  - rest: {for: 1 s}\n", "limits.temperature_max"),
        (
            "limits: {temperature_min: 20 degC}\n",
            "  - rest: {for: 1 s, protect: {temperature_max: 15 degC}}\n",
            "steps[1].rest.protect.temperature_max",
        ),
    ],
)
def test_limits_that_cross_those_of_another_layer_are_refused(head, steps, field):
    (problem,) = found(steps, HEAD + head)
    assert (problem.field, problem.message) == (field, "impossible limit")


@pytest.mark.parametrize(
    ("step", "messages"),
    [
        ("cc_charge: {current: 50 A, until: {when: cell_max >= cell_full, for: %s}}", {"no per-cell limit"}),
        ("cc_discharge: {current: 50 A, until: [{when: cell_min <= cell_cutoff, for: %s}]}", {"no per-cell limit"}),
        ("cc_charge: {current: 50 A, until: [{when: voltage >= pack_full, for: %s}, cell_max >= cell_full]}", set()),
    ],
)
def test_a_bound_held_for_long_is_no_limit(step, messages):
    watched = {"held too long", "no per-cell limit"}
    long, short = (checked(f"  - {step % held}\n").warnings for held in ("1 h", "1 min"))
    assert {problem.message for problem in long} & watched == {"held too long"} | messages
    assert {problem.message for problem in short} & watched == set()
    assert any("for 1 h" in str(problem.found) for problem in long)


def test_a_step_that_nothing_leads_to_shows_no_figures():
    steps = (
        "  - set: {a: 1}\n  - goto: {to: other, when: $a >= 2}\n  - rest: {label: usual, for: 1 min}\n  - end\n"
        "  - rest: {label: other, for: 1 min}\n"
    )
    plan = compile_profile(f"{HEAD}steps:\n{steps}", "t.yaml", PACK)
    assert check_plan(plan, PACK).ok
    console = Console(width=120, record=True, file=StringIO())
    console.print(worst_case_table(estimate_plan(plan, PACK), "en"))
    (row,) = [line for line in console.export_text().splitlines() if "other" in line]
    assert row.split() == ["other", *[ABSENT] * 4]


@pytest.mark.parametrize("value", ["150 %", "-50 %", "1.2"])
def test_a_state_of_charge_is_between_empty_and_full(value):
    head, ends = f"{HEAD}parameters: {{soc: %s}}\n", "  - rest: {until: step_time >= (2 - $soc) * 1 h}\n"
    assert found(ends, head % "50 %") == ()
    (problem,) = found(ends, head % value)
    assert (problem.line, problem.expected) == (3, "a state of charge, 0 to 100 %")
    (given,) = _given(f"{head % '50 %'}steps:\n{ends}", value)
    assert (given.field, given.expected) == ("--with soc", "a state of charge, 0 to 100 %")
    loop = f"  - loop: {{each: {{soc: [50 %, {value}]}}, steps: [rest: {{for: 1 min}}]}}\n"
    assert [problem.expected for problem in found(loop)] == ["a state of charge, 0 to 100 %"]


def _given(text: str, soc: str) -> tuple[Problem, ...]:
    with pytest.raises(InputError) as caught:
        compile_profile(text, "t.yaml", PACK, parameters={"soc": soc})
    return caught.value.problems
