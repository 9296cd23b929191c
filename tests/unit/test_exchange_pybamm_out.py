"""Profiles of ours as PyBaMM experiments: signs, cells, what becomes of each step, and what is left behind."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.unit.exchange_parts import CELL, HEAD, PACK, converted, losses, profile, to_pybamm

from packbench.core.errors import InputError
from packbench.profile.exchange.pybamm_out import to_pybamm as write_pybamm
from packbench.profile.exchange.pybamm_steps import PybammStep, Termination
from packbench.profile.exchange.pybamm_strings import sentence_of
from packbench.profile.language.compiler import compile_profile


def cycles(steps: str, pack: Any = PACK, head: str = HEAD, **wishes: bool) -> list[list[dict[str, Any]]]:
    return to_pybamm(steps, pack, head, **wishes).experiment["cycles"]


def only(steps: str, pack: Any = PACK) -> dict[str, Any]:
    ((step,),) = cycles(steps, pack)
    return step


def lost(steps: str, head: str = HEAD) -> list[tuple[str | None, str | None]]:
    """What --lossy drops; without it the same refuses the whole."""
    dropped = losses(to_pybamm(steps, head=head, is_lossy=True))
    with pytest.raises(InputError) as error:
        to_pybamm(steps, head=head)
    assert [(problem.field, problem.found) for problem in error.value.problems] == dropped
    for problem in error.value.problems:
        assert problem.message == "PyBaMM cannot carry this"
        assert problem.line is not None and problem.column is not None
    return dropped


# --- signs, cells, units ----------------------------------------------------------------------------


def test_a_charge_is_negative_and_a_cell_is_a_part_of_the_pack() -> None:
    """96 cells: 393.6 V of the pack are 4.1 V of the model; the current is the pack's."""
    assert only("  - cc_charge: {current: 30 A, until: voltage >= 393.6 V, for: 2 h}\n") == {
        "type": "current",
        "value": -30.0,
        "duration": 7200.0,
        "terminations": [{"type": "voltage", "value": 4.1, "operator": ">"}],
    }
    assert only("  - cc_discharge: {current: 30 A, until: voltage <= 288 V}\n") == {
        "type": "current",
        "value": 30.0,
        "terminations": [{"type": "voltage", "value": 3.0, "operator": "<"}],
    }


def test_one_cell_is_itself() -> None:
    step = only("  - cp_discharge: {power: 50 W, until: voltage <= 3 V}\n", CELL)
    assert (step["type"], step["value"], step["terminations"][0]["value"]) == ("power", 50.0, 3.0)


@pytest.mark.parametrize(
    ("step", "kind", "value"),
    [
        ("cp_charge: {power: 4.8 kW, until: voltage >= 390 V}", "power", -50.0),
        ("cp_discharge: {power: 9.6 kW, until: voltage <= 300 V}", "power", 100.0),
        ("cp_discharge: {power: 16 %Pmax, until: voltage <= 300 V}", "power", 100.0),
        ("cr_discharge: {resistance: 9.6 ohm, until: voltage <= 300 V}", "resistance", 0.1),
    ],
)
def test_power_and_resistance_are_a_cell_s(step: str, kind: str, value: float) -> None:
    found = only(f"  - {step}\n")
    assert (found["type"], found["value"]) == (kind, value)


@pytest.mark.parametrize(
    ("written", "kind", "value"),
    [
        ("C/3", "c-rate", 1 / 3),
        ("0.5C", "c-rate", 0.5),
        ("1 I3", "c-rate", 1 / 3),
        ("'0.2 It'", "c-rate", 0.2),
        ("50 A", "current", 50.0),
        ("$rate", "c-rate", 0.25),
        ("2 * $rate", "current", 75.0),
        ("0.5C   # half", "c-rate", 0.5),
    ],
)
def test_a_rate_stays_a_rate(written: str, kind: str, value: float) -> None:
    head = f"{HEAD}parameters: {{rate: 0.25C}}\n"
    ((step,),) = cycles(f"  - cc_discharge:\n      until: voltage <= 300 V\n      current: {written}\n", head=head)
    assert (step["type"], step["value"]) == (kind, value)


def test_a_rate_that_was_replaced_is_none() -> None:
    """The text still says 0.25C; the plan was compiled with another value."""
    text = profile(
        "  - rest: {for: 1 s}\n  - cc_discharge: {current: $rate, for: 1 h}\n", f"{HEAD}parameters: {{rate: 0.25C}}\n"
    )
    for given, kind, value in (({"rate": "60 A"}, "current", 60.0), ({"rate": "0.25C"}, "c-rate", 0.25)):
        plan = compile_profile(text, "t.yaml", PACK, parameters=given)
        step = write_pybamm(plan, PACK).experiment["cycles"][1][0]
        assert (step["type"], step["value"]) == (kind, value)


def test_what_was_assumed_stands_in_the_export() -> None:
    out = to_pybamm("  - rest: {for: 1 min}\n  - pause: {prompt: {en: Look, zh: 看}}\n", is_lossy=True)
    about = out.experiment["packbench"]
    assert (about["profile"], about["pack"], about["cells_in_series"], about["rated_capacity_Ah"]) == (
        "t",
        "nmc-96s",
        96,
        150.0,
    )
    said = " ".join(about["assumed"])
    for words in ("96 cells in series", "over 96", "150 A.h", "Positive currents and powers discharge"):
        assert words in said
    assert [text.partition(": ")[0] for text in about["dropped"]] == ["t.yaml:5:5"]
    assert json.loads(out.text) == out.experiment


# --- steps ------------------------------------------------------------------------------------------


def test_cc_cv_is_a_charge_and_a_hold_in_one_cycle() -> None:
    ((charge, hold),) = cycles(
        "  - cccv_charge:\n"
        "      label: fill\n"
        "      current: 50 A\n"
        "      voltage: pack_full\n"
        "      end_current: 0.05C\n"
        "      on_cell_limit: {at: cell_full, action: taper, end_current: 0.05C}\n"
    )
    assert charge == {
        "type": "current",
        "value": -50.0,
        "terminations": [{"type": "voltage", "value": 4.2, "operator": ">"}],
        "tags": ["fill"],
    }
    assert hold == {
        "type": "voltage",
        "value": 4.2,
        "terminations": [{"type": "c-rate", "value": 0.05}],
        "tags": ["fill"],
        "direction": "charge",
    }


def test_a_discharge_holds_its_voltage_downwards() -> None:
    ((current, hold),) = cycles("  - cccv_discharge: {current: 50 A, voltage: 300 V, end_current: 5 A}\n")
    assert (current["value"], current["terminations"][0]["operator"]) == (50.0, "<")
    assert (hold["value"], hold["direction"], hold["terminations"]) == (
        3.125,
        "discharge",
        [{"type": "current", "value": 5.0}],
    )


def test_a_cell_beyond_the_held_voltage_is_never_met_while_it_is_held() -> None:
    step = "cccv_discharge: {current: 50 A, voltage: 300 V, end_current: 5 A, until: cell_min <= cell_cutoff}"
    ((_, hold),) = cycles(f"  - {step}\n")
    assert hold["terminations"] == [{"type": "current", "value": 5.0}]


def test_a_taper_below_the_held_voltage_is_the_voltage_that_is_held() -> None:
    """Cells that are all alike come to 4.1 V together: at 393.6 V of the pack, before its 403.2 V."""
    limit = "on_cell_limit: {at: 4.1 V, action: taper, end_current: 5 A}"
    ((charge, hold),) = cycles(f"  - cccv_charge: {{current: 50 A, voltage: pack_full, end_current: 3 A, {limit}}}\n")
    assert charge["terminations"] == [{"type": "voltage", "value": 4.1, "operator": ">"}]
    assert (hold["value"], hold["terminations"]) == (4.1, [{"type": "current", "value": 5.0}])
    ((charge, hold),) = cycles(f"  - cc_charge: {{current: 50 A, {limit}}}\n")
    assert charge["terminations"] == [{"type": "voltage", "value": 4.1, "operator": ">"}]
    assert (hold["value"], hold["terminations"]) == (4.1, [{"type": "current", "value": 5.0}])


def test_an_end_at_a_cell_is_an_end_at_its_voltage_and_the_first_counts() -> None:
    assert only("  - cc_charge: {current: 50 A, on_cell_limit: {at: 4.1 V, action: end}}\n")["terminations"] == [
        {"type": "voltage", "value": 4.1, "operator": ">"}
    ]
    step = only(
        "  - cc_discharge: {current: 50 A, until: [cell_min <= 2.9 V, voltage <= 280 V, cell_7 <= 3 V], for: 9 h}\n"
    )
    assert step["terminations"] == [{"type": "voltage", "value": 3.0, "operator": "<"}]
    # A CC-CV charge that ends when a cell is full, at the voltage that it would hold: it never holds it.
    full = "  - cccv_charge: {current: 50 A, voltage: pack_full, end_current: 3 A, until: cell_max >= cell_full}\n"
    assert only(full)["type"] == "current"


def test_currents_that_rise_are_signed_and_those_that_fall_are_not() -> None:
    ends = "until: [voltage <= 300 V, current >= 40 A, current <= 0.1C]"
    step = only(f"  - cp_discharge: {{power: 9.6 kW, {ends}}}\n")
    assert step["terminations"][1:] == [
        {"type": "c-rate", "value": 0.1},
        {"type": "current", "value": 40.0, "operator": ">"},
    ]
    step = only("  - cp_charge: {power: 9.6 kW, until: [voltage >= 400 V, current >= 40 A]}\n")
    assert step["terminations"][1] == {"type": "current", "value": -40.0, "operator": "<"}


def test_charge_and_energy_at_a_steady_set_point_are_a_time() -> None:
    out = to_pybamm("  - cc_discharge: {current: 30 A, until: [voltage <= 300 V, step_ah >= 10 Ah]}\n")
    assert out.experiment["cycles"][0][0]["duration"] == 1200.0
    (told,) = out.account.warnings
    assert (told.line, told.message) == (4, "step_ah >= 10 Ah at 30 A is told as a time, 1200 s")
    out = to_pybamm("  - cp_charge: {power: 6 kW, until: [voltage >= 400 V, step_wh >= 1 kWh], for: 1 h}\n")
    assert out.experiment["cycles"][0][0]["duration"] == 600.0


def test_pulses_are_steps_and_profiles_are_tables() -> None:
    train = "[{discharge: 1C, for: 18 s}, {rest: 40 s}, {charge: 60 A, for: 10 s}, {discharge: 30 A, for: 5 s}]"
    assert [
        (step["type"], step.get("value"), step["duration"]) for step in cycles(f"  - pulse: {{train: {train}}}\n")[0]
    ] == [
        ("c-rate", 1.0, 18.0),
        ("rest", None, 40.0),
        ("current", -60.0, 10.0),
        ("current", 30.0, 5.0),
    ]
    assert len(cycles(f"  - pulse: {{train: {train}, repeat: 4}}\n")) == 4
    points = "[[0 s, 10 A], [30 s, -5 A], [40 s, 0 A]]"
    assert only(f"  - current_profile: {{points: {points}, repeat: 2}}\n")["value"] == [
        [0.0, -10.0], [30.0, -10.0], [30.001, 5.0], [40.0, 5.0],
        [40.001, -10.0], [70.0, -10.0], [70.001, 5.0], [80.0, 5.0],
    ]  # fmt: skip
    points = "[[0 s, 9.6 kW], [30 s, 0 W], [40 s, 0 W]]"
    assert only(f"  - power_profile: {{points: {points}}}\n")["value"][0] == [0.0, -100.0]


def test_rounds_are_cycles_and_rounds_within_are_written_out() -> None:
    inner = "        - loop: {repeat: 2, steps: [{rest: {for: 1 min}}, {rest: {for: 2 min}}]}\n"
    found = cycles(
        f"  - rest: {{for: 9 s}}\n  - loop:\n      repeat: 3\n      steps:\n        - rest: {{for: 5 s}}\n{inner}"
    )
    assert [[step["duration"] for step in cycle] for cycle in found] == [[9.0], *[[5.0, 60.0, 120.0, 60.0, 120.0]] * 3]


def test_what_a_loop_gives_its_rounds_is_known_in_each() -> None:
    found = cycles(
        "  - loop:\n"
        "      each: {part: [0 %, 10 %, 20 %]}\n"
        "      steps:\n"
        "        - cc_discharge: {current: $part * 100 A + 10 A, until: [voltage <= 300 V, step_ah >= $part * 30 Ah]}\n"
    )
    # In the first round the charge is 0 Ah: it ends as it begins, and is left out.
    assert [(step["value"], step["duration"]) for (step,) in found] == [(20.0, 540.0), (30.0, 720.0)]


def test_the_chamber_is_a_temperature_of_the_steps_after_it() -> None:
    found = cycles(
        "  - rest: {for: 1 s}\n"
        "  - chamber: {temperature: 10 degC}\n"
        "  - loop: {repeat: 2, steps: [{rest: {for: 2 s}}, {chamber: {temperature: 25 degC}}, {rest: {for: 3 s}}]}\n"
        "  - chamber: {stop: true}\n"
        "  - rest: {for: 4 s}\n"
    )
    kelvins = [step.get("temperature") for cycle in found for step in cycle]
    assert kelvins == [None, 283.15, 298.15, 298.15, 298.15, None]
    one = to_pybamm("  - chamber: {temperature: 10 degC}\n  - rest: {for: 1 s}\n  - rest: {for: 2 s}\n").experiment
    assert one["temperature"] == 283.15
    assert all("temperature" not in step for cycle in one["cycles"] for step in cycle)


def test_how_often_is_recorded_is_the_period() -> None:
    one = to_pybamm("  - rest: {for: 1 h}\n", head=f"{HEAD}record: {{dt: 15 s}}\n").experiment
    assert (one["period"], one["cycles"]) == (15.0, [[{"type": "rest", "duration": 3600.0}]])
    two = to_pybamm("  - rest: {for: 1 h}\n  - rest: {for: 1 h, record: {dt: 1 s}}\n").experiment
    assert "period" not in two
    assert [cycle[0]["period"] for cycle in two["cycles"]] == [5.0, 1.0]


# --- what is left behind ----------------------------------------------------------------------------

REST = "  - rest: {for: 1 min}\n"
DISCHARGE = "cc_discharge: {current: 30 A, until: voltage <= 300 V"


@pytest.mark.parametrize(
    ("steps", "field", "found"),
    [
        ("  - rest: {for: 1 h, until: temperature_max <= 28 degC}\n", "steps[1].rest.until",
         "temperature_max <= 28 degC"),
        ("  - rest: {for: 1 h, until: {when: voltage <= 300 V, for: 1 min}}\n", "steps[1].rest.until",
         "voltage <= 300 V for 1 min"),
        (f"  - cc_discharge: {{current: 30 A, until: [voltage <= 300 V, {{when: voltage <= 280 V, goto: x}}]}}\n{REST}"
         "  - rest: {label: x, for: 1 s}\n", "steps[1].cc_discharge.until[2]", "goto x"),
        ("  - cc_discharge: {current: 30 A, until: [voltage <= 300 V, {all: [cell_min <= 3 V, step_time >= 1 h]}]}\n",
         "steps[1].cc_discharge.until[2]", "cell_min <= 3 V and step_time >= 1 h"),
        (f"  - {DISCHARGE}, protect: {{temperature_max: 40 degC}}}}\n", "steps[1].cc_discharge.protect",
         "limits of a single step"),
        (f"  - {DISCHARGE}, max_time: 9 h}}\n", "steps[1].cc_discharge.max_time", "9 h after which the run is aborted"),
        ("  - cc_discharge: {current: 30 A, for: 1 h, clamp: 300 V}\n", "steps[1].cc_discharge.clamp",
         "a voltage at which the cycler goes no further"),
        (f"  - {DISCHARGE}, record: {{dt: 1 s, dV: 50 mV}}}}\n", "steps[1].cc_discharge.record.dV",
         "a sample at a change of voltage"),
        (f"{REST}  - soak: {{temperature: 25 degC, within: 2 K, stable_for: 1 h}}\n", "steps[2].soak.within",
         "waiting until every sensor is within 2 K"),
        (f"{REST}  - pause: {{prompt: {{en: Look, zh: 看}}}}\n", "steps[2].pause", "a pause step"),
        (f"{REST}  - end: {{verdict: fail}}\n", "steps[2].end", "an end with verdict fail"),
        ("  - cccv_charge: {current: 30 A, voltage: 390 V, end_current: 3 A, for: 3 h}\n", "steps[1].cccv_charge.for",
         "3 h for the current and the voltage together"),
        ("  - cv_charge: {current: 30 A, voltage: 390 V, for: 3 h}\n", "steps[1].cv_charge.current",
         "at most 30 A while a voltage is held"),
        ("  - pulse: {train: [{discharge: 1C, for: 18 s}], read_outs: [2 s]}\n", "steps[1].pulse.read_outs",
         "read-outs after an edge"),
        ("  - pulse: {train: [{discharge: 1C, for: 18 s}], on_limit: end}\n", "steps[1].pulse.on_limit",
         "an end at a clamp"),
        ("  - pulse: {train: [{discharge: 1C, for: 18 s}], until: voltage <= 300 V}\n", "steps[1].pulse.until",
         "voltage <= 300 V"),
        ("  - loop: {repeat: 3, until: cell_spread >= 50 mV, steps: [{rest: {for: 1 s}}]}\n", "steps[1].loop.until",
         "cell_spread >= 50 mV"),
        (f"{REST}  - current_profile: {{points: [[0 s, 1 A], [1 s, 2 A], [1001 ms, 3 A], [2 s, 0 A]]}}\n",
         "steps[2].current_profile", "a value held for 1 ms"),
    ],
)  # fmt: skip
def test_what_pybamm_cannot_carry_is_named_with_its_line(steps: str, field: str, found: str) -> None:
    assert lost(steps) == [(field, found)]


def test_what_the_whole_profile_says_is_named_too() -> None:
    head = f"{HEAD}limits: {{temperature_max: 40 degC}}\nrecord: {{dt: 5 s, dT: 1 K}}\nresult: {{capacity_of: x}}\n"
    steps = f"  - {DISCHARGE}, label: x}}\n{REST}"
    assert lost(steps, head) == [
        ("limits.temperature_max", "the limit temperature_max"),
        ("record.dT", "a sample at a change of temperature"),
        ("result", "what the result is made of"),
    ]


def test_a_step_with_no_end_left_is_dropped_and_named() -> None:
    steps = f"{REST}  - rest: {{until: temperature_max <= 28 degC}}\n"
    assert lost(steps) == [
        ("steps[2].rest", "a rest step with no end left"),
        ("steps[2].rest.until", "temperature_max <= 28 degC"),
    ]
    assert len(cycles(steps, is_lossy=True)) == 1
    with pytest.raises(InputError, match="nothing left"):
        to_pybamm("  - rest: {until: temperature_max <= 28 degC}\n", is_lossy=True)


def test_a_set_point_that_only_the_run_knows_is_dropped_with_its_step() -> None:
    steps = (
        "  - cc_discharge: {label: d, current: 30 A, until: voltage <= 300 V}\n"
        "  - cc_charge: {current: ah(d) / 3 h, until: voltage >= 390 V}\n"
    )
    assert lost(steps) == [
        ("steps[2].cc_charge", "a cc_charge step without a number"),
        ("steps[2].cc_charge.current", "ah(d) / 3 h, which only the run knows"),
    ]


def test_a_clamp_that_an_end_comes_before_is_nothing_lost() -> None:
    step = only("  - cc_discharge: {current: 30 A, until: voltage <= 300 V, clamp: 290 V}\n")
    assert step["terminations"] == [{"type": "voltage", "value": 3.125, "operator": "<"}]


def test_a_hold_that_begins_where_a_charge_ends_has_its_most_from_it() -> None:
    steps = (
        "  - cc_charge: {current: 30 A, until: voltage >= 390 V, for: 5 h}\n"
        "  - cv_charge: {voltage: 390 V, current: 30 A, end_current: 3 A, for: 1 h}\n"
    )
    (_, (hold,)) = cycles(steps)
    assert (hold["duration"], hold["terminations"]) == (3600.0, [{"type": "current", "value": 3.0}])
    # With another current it has not, nor at the head of a loop: another step comes before it in the second round.
    assert lost(steps.replace("current: 30 A, end", "current: 20 A, end"))[0][0] == "steps[2].cv_charge.current"
    charge, hold_line = steps.splitlines()
    looped = f"{charge}\n  - loop:\n      repeat: 2\n      steps:\n      {hold_line}\n        - rest: {{for: 1 min}}\n"
    assert lost(looped)[0][0] == "steps[2].loop.steps[1].cv_charge.current"


def test_too_many_rounds_written_out_are_refused_lossy_or_not() -> None:
    steps = "  - loop: {repeat: 10000, steps: [{rest: {for: 1 s}}, {rest: {for: 2 s}}]}\n"
    for lossy in (False, True):
        with pytest.raises(InputError, match="20000 steps, rounds written out"):
            to_pybamm(steps, is_lossy=lossy)


# --- sentences --------------------------------------------------------------------------------------


def test_sentences() -> None:
    out = to_pybamm(
        "  - cc_discharge: {current: C/10, until: voltage <= 300 V, for: 10 h}\n"
        "  - loop:\n"
        "      repeat: 2\n"
        "      steps:\n"
        "        - cccv_charge: {current: 50 A, voltage: 393.6 V, end_current: 0.05C}\n"
        "        - rest: {for: 90 s}\n",
        as_strings=True,
        head=f"{HEAD}record: {{dt: 10 s}}\n",
    )
    cycle = [
        "Charge at 50 A until 4.1 V (10 second period)",
        "Hold at 4.1 V until C/20 (10 second period)",
        "Rest for 90 seconds (10 second period)",
    ]
    assert out.experiment == [["Discharge at C/10 for 10 hours or until 3.125 V (10 second period)"], cycle, cycle]
    assert json.loads(out.text) == out.experiment


def test_what_a_sentence_cannot_say_is_lost() -> None:
    steps = (
        "  - chamber: {temperature: 10 degC}\n"
        "  - cp_discharge: {power: 9.6 kW, until: [voltage <= 300 V, current >= 40 A]}\n"
        "  - current_profile: {points: [[0 s, 1 A], [1 s, 0 A]]}\n"
    )
    out = converted(profile(steps), "pybamm", as_strings=True, is_lossy=True)
    assert losses(out) == [
        ("steps[2].cp_discharge", "a second end beside the time"),
        ("steps[2].cp_discharge", "a temperature around the pack"),
        ("steps[3].current_profile", "a table of points"),
        ("steps[3].current_profile", "a temperature around the pack"),
    ]
    assert out.experiment == [["Discharge at 100 W until 3.125 V (5 second period)"]]


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (PybammStep(type="rest", duration_s=60.0, terminations=(Termination("voltage", 3.4, ">"),)),
         "Rest for 1 minute or until >3.4 V"),
        (PybammStep(type="current", value=-0.5, duration_s=1.5), "Charge at 0.5 A for 1.5 seconds"),
        (PybammStep(type="resistance", value=0.1, terminations=(Termination("voltage", 3.0, "<"),)),
         "Discharge at 0.1 Ohm until 3 V"),
        (PybammStep(type="current", value=1.0, terminations=(Termination("voltage", 3.0, ">"),)),
         "Discharge at 1 A until >3 V"),
    ],
)  # fmt: skip
def test_a_sentence_says_an_operator_where_pybamm_would_take_another(step: PybammStep, text: str) -> None:
    assert sentence_of(step) == (text, [])
