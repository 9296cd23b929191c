"""A plan as a step program: what a cycler that runs by itself can carry, and everything else by its name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.core.limits import LIMIT_NAMES, Limits, LimitSet, merge_limits
from packbench.core.step_program import CccvStep, CcStep, CycleStep, Protections, Recording, RestStep
from packbench.profile.exchange.neware import to_step_program
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import Plan
from packbench.wire.neware.steps import from_neware_xml, to_neware_xml

CONFIGS = Path(__file__).parents[2] / "configs"
PACK = load_pack((CONFIGS / "packs" / "nmc-96s.yaml").read_text("utf-8"), "nmc-96s.yaml")
HEAD = "profile: by-voltage\ntitle: {en: T, zh: 测}\nrecord: {dt: 2 s, dV: 500 mV}\n"
LIMITS: Limits = merge_limits(
    {
        "run": replace(
            LimitSet(**dict.fromkeys(LIMIT_NAMES, 1.0)),
            pack_voltage_max_v=406.0,
            pack_voltage_min_v=260.0,
            charge_current_max_a=120.0,
            discharge_current_max_a=150.0,
        )
    }
)

PROFILE = """\
  - loop:
      repeat: 3
      steps:
        - cccv_charge: {label: charge, current: 50 A, voltage: pack_full, end_current: 7.5 A}
        - rest: {for: 30 min}
        - cc_discharge: {label: discharge, current: 30 A, until: voltage <= pack_cutoff, record: {dt: 1 s, dI: 2 A}}
        - rest: {for: 30 min}
  - cc_charge: {current: 50 A, until: [voltage >= 350 V, step_ah >= 75 Ah, step_time >= 2 h]}
  - end
"""


def plan_of(steps: str, head: str = HEAD) -> Plan:
    return compile_profile(f"{head}steps:\n{steps}", "p.yaml", PACK)


def refused(steps: str) -> list[tuple[int | None, str | None, str | None]]:
    with pytest.raises(InputError) as error:
        to_step_program(plan_of(steps), LIMITS)
    return [(problem.line, problem.field, problem.found) for problem in error.value.problems]


def test_a_profile_that_ends_by_what_the_cycler_sees() -> None:
    program = to_step_program(plan_of(PROFILE), LIMITS)
    assert program.name == "by-voltage"
    assert program.steps == (
        CccvStep(50.0, 96 * 4.2, 7.5),
        RestStep(1800.0),
        CcStep("discharge", 30.0, 96 * 2.8),
        RestStep(1800.0),
        CycleStep(1, 3),
        CcStep("charge", 50.0, 350.0, 7200.0, 75.0),
    )
    assert program.protections == Protections(406.0, 260.0, 120.0, 150.0)
    # The finest of all steps: every row that any of them wants is recorded.
    assert program.recording == Recording(1.0, 0.5, 2.0)
    again = from_neware_xml(to_neware_xml(program).encode(), "x")
    assert [type(step) for step in again.steps] == [type(step) for step in program.steps]


def test_a_current_set_to_its_limit_is_not_beyond_it() -> None:
    """The reading of 120 A that was asked for is 120.003 A as often as 119.997 A."""
    program = to_step_program(plan_of(PROFILE), LIMITS, current_tolerance_a=0.5)
    assert program.protections == Protections(406.0, 260.0, 120.5, 150.5)


def test_voltages_are_meant_at_the_pack_and_set_at_the_terminals() -> None:
    """10 mOhm of cable: 0.3 V less at the terminals while 30 A are drawn, 0.5 V more while 50 A flow in."""
    charge, _, discharge, _, _, topping = to_step_program(plan_of(PROFILE), LIMITS, cable_ohm=0.01).steps
    assert isinstance(charge, CccvStep)
    assert isinstance(discharge, CcStep)
    assert isinstance(topping, CcStep)
    # By the drop of the end current: the pack is never above its voltage.
    assert charge.voltage_v == pytest.approx(403.2 + 0.075)
    assert discharge.until_voltage_v == pytest.approx(268.8 - 0.3)
    assert topping.until_voltage_v == pytest.approx(350.0 + 0.5)
    with pytest.raises(InputError, match="beyond the limits in force") as error:
        to_step_program(plan_of(PROFILE), LIMITS, cable_ohm=0.5)
    assert "403.2 V" not in str(error.value)
    assert "253.8 V at the cycler" in str(error.value)


def test_of_several_ends_of_a_kind_the_first_to_come_counts() -> None:
    steps = to_step_program(
        plan_of(
            "  - cc_charge: {current: 50 A, for: 1 h, until: [voltage >= 390 V, voltage >= 380 V, step_time > 1 min]}\n"
            "  - cc_discharge:\n"
            "      current: 50 A\n"
            "      until: [voltage <= 300 V, voltage < 310 V, step_ah > 9 Ah, step_ah > 8 Ah]\n"
            "  - cccv_charge: {current: 50 A, voltage: 390 V, end_current: 5 A, until: current <= 8 A, for: 3 h}\n"
        ),
        LIMITS,
    ).steps
    assert steps == (
        CcStep("charge", 50.0, 380.0, 60.0),
        CcStep("discharge", 50.0, 310.0, None, 8.0),
        CccvStep(50.0, 390.0, 8.0, 10800.0),
    )


@pytest.mark.parametrize("name", ["gbt34015-residual-capacity", "single-discharge", "quick-check"])
def test_the_shipped_profiles_look_at_cells_and_say_where(name: str) -> None:
    text = (CONFIGS / "profiles" / f"{name}.yaml").read_text("utf-8")
    with pytest.raises(InputError) as error:
        to_step_program(compile_profile(text, f"{name}.yaml", PACK), LIMITS)
    found = {problem.found for problem in error.value.problems}
    assert "cell_min <= cell_cutoff" in found
    for problem in error.value.problems:
        assert problem.file == f"{name}.yaml"
        assert problem.line is not None
        assert problem.message == "a step program cannot carry this"


@pytest.mark.parametrize(
    ("steps", "field", "found"),
    [
        (
            "  - cc_discharge: {current: 30 A, until: [voltage <= 280 V, cell_min <= 2.9 V]}\n",
            "steps[1].cc_discharge.until[2]",
            "cell_min <= 2.9 V",
        ),
        (
            "  - cc_discharge: {current: 30 A, until: [voltage <= 280 V, temperature_max > 40 degC]}\n",
            "steps[1].cc_discharge.until[2]",
            "temperature_max > 40 degC",
        ),
        (
            "  - cc_charge: {current: 30 A, until: [voltage >= 390 V, cycle_ah >= 3 Ah]}\n",
            "steps[1].cc_charge.until[2]",
            "cycle_ah >= 3 Ah",
        ),
        (
            "  - cc_charge: {current: 30 A, until: [voltage >= 390 V, voltage <= 300 V]}\n",
            "steps[1].cc_charge.until[2]",
            "voltage <= 300 V",
        ),
        (
            "  - cc_discharge: {current: 30 A, until: {when: voltage <= 280 V, for: 5 s}}\n",
            None,
            "voltage <= 280 V for 5 s",
        ),
        (
            "  - cc_discharge: {current: 30 A, until: [voltage <= 280 V, {when: step_ah >= 3 Ah, goto: end}]}\n"
            "  - end\n",
            None,
            "step_ah >= 3 Ah, with a goto",
        ),
        (
            "  - cc_charge: {current: 30 A, until: voltage >= 390 V, on_cell_limit: {at: cell_full, action: end}}\n",
            "steps[1].cc_charge.on_cell_limit",
            "to end at a cell's limit",
        ),
        (
            "  - cccv_charge: {current: 50 A, voltage: 390 V, end_current: 5 A, until: voltage >= 385 V}\n",
            None,
            "a CC-CV charge that ends by a voltage",
        ),
        ("  - cc_discharge: {current: 30 A, for: 1 h}\n", None, "a step that may come to its clamp and go on"),
        (
            "  - cc_discharge: {current: 30 A, clamp: 300 V, until: voltage <= 280 V}\n",
            None,
            "a step that may come to its clamp and go on",
        ),
        (
            "  - cc_charge: {current: 30 A, until: [voltage >= 390 V, current <= 3 A]}\n",
            None,
            "a constant current that ends by its current",
        ),
        ("  - rest: {until: cell_spread <= 5 mV}\n", None, "cell_spread <= 5 mV"),
        ("  - rest: {for: 1 h, until: voltage >= 300 V}\n", None, "voltage >= 300 V"),
        (
            "  - cc_charge: {current: 30 A, until: voltage >= 390 V, protect: {charge_current_max: 40 A}}\n",
            "steps[1].cc_charge.protect",
            "limits of a single step",
        ),
        ("  - rest: {for: 1 h}\n  - end: {verdict: fail}\n", None, "an end with verdict fail"),
        ("  - end\n", None, "a profile without a step"),
    ],
)
def test_what_is_not_carried_is_named_with_its_place(steps: str, field: str | None, found: str) -> None:
    problems = refused(steps)
    assert found in [problem[2] for problem in problems]
    line, where, _ = next(problem for problem in problems if problem[2] == found)
    assert line == (6 if "verdict" in steps else 5)
    assert field is None or where == field


def test_a_loop_that_ends_when_capacities_agree_is_not_carried() -> None:
    text = (
        HEAD + "result: {capacity_of: discharge}\nsteps:\n"
        "  - loop:\n      repeat: 5\n      until: capacity within 3 % of rated for 2 cycles\n      steps:\n"
        "        - cc_charge: {current: 50 A, until: voltage >= 400 V}\n"
        "        - cc_discharge: {label: discharge, current: 50 A, until: voltage <= 280 V}\n"
    )
    with pytest.raises(InputError) as error:
        to_step_program(compile_profile(text, "p.yaml", PACK), LIMITS)
    assert [problem.found for problem in error.value.problems] == ["a loop that ends when capacities agree"]


def test_every_problem_is_told_at_once() -> None:
    problems = refused(
        "  - cc_discharge: {current: 30 A, until: [cell_min <= 2.9 V, temperature_max > 40 degC]}\n"
        "  - rest: {until: cell_spread <= 5 mV}\n"
    )
    assert [line for line, _, _ in problems] == [5, 5, 5, 6, 6]
