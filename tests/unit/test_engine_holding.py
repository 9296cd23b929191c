"""A constant voltage held by the engine: stable by its own arithmetic, and on every pack of the library."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.unit.engine_plant import PACKS, Course, pack_of, run

from packbench.engine.control.holding import BOUND, Holding, first_current, learnt, next_current, prior, worth_sending
from packbench.engine.control.source import Source

CHARGE = """
  - cccv_charge: {{label: cv, current: {rate}, voltage: pack_full, end_current: 0.05C{more}}}
  - rest: {{for: 5 s}}
"""
DISCHARGE = """
  - cccv_discharge: {{label: cv, current: {rate}, voltage: pack_cutoff, end_current: 0.05C}}
  - rest: {{for: 5 s}}
"""


# --- the law itself -------------------------------------------------------------------------------


def settled(ratio: float, *, late: int = 0, readings: int = 60) -> list[float]:
    """The error, in V, reading by reading, where the true resistance is `ratio` times the one reckoned with."""
    source = replace(prior(Source(4.0, 10.0), 4.2, 100.0), resistance_ohm=0.01)
    holding = Holding(source, 0, 0)
    commands = [10.0] * (late + 1)
    errors: list[float] = []
    for turn in range(1, readings):
        flows_a = commands[-1 - late]
        voltage_v = 4.2 + ratio * 0.01 * (flows_a - 15.0)
        errors.append(voltage_v - 4.2)
        held = learnt(holding, 1, turn * 1_000_000_000, voltage_v, flows_a)
        # What it learns is the next test's: here it goes on with the resistance that is wrong.
        holding = replace(held, source=replace(held.source, resistance_ohm=0.01), drift_v_s=0.0)
        commands.append(next_current(holding, 1, 4.2, 100.0, commands[-1]))
    return errors


@pytest.mark.parametrize("ratio", [0.3, 1.0, 2.0])
def test_an_error_dies_out_without_a_change_of_sign(ratio: float) -> None:
    errors = settled(ratio)
    assert all(error <= 0.0 for error in errors)
    assert abs(errors[-1]) < 0.05 * abs(errors[0])


@pytest.mark.parametrize(("ratio", "late"), [(3.5, 0), (0.3, 1), (1.0, 1), (1.8, 1)])
def test_an_error_dies_out_where_the_resistance_is_far_off_and_commands_show_late(ratio: float, late: int) -> None:
    errors = settled(ratio, late=late, readings=200)
    assert max(abs(error) for error in errors[-20:]) < 0.02 * abs(errors[0])


def test_a_resistance_that_has_grown_is_learnt_from_the_corrections() -> None:
    holding = Holding(replace(prior(Source(4.0, 10.0), 4.2, 100.0), resistance_ohm=0.01), 0, 0)
    for turn, current_a in enumerate((15.0, 10.0, 15.0, 10.0, 15.0, 10.0, 15.0, 10.0), 1):
        holding = learnt(holding, 1, turn * 1_000_000_000, 4.0 + 0.03 * (current_a - 10.0), current_a)
    assert holding.source.resistance_ohm == pytest.approx(0.03, rel=0.2)


def test_a_voltage_that_runs_towards_the_limit_is_anticipated() -> None:
    """What polarises, or comes to its knee: a volt a thousand readings, and the voltage is met, not passed by it."""
    holding = Holding(replace(prior(Source(4.15, 50.0), 4.2, 100.0), resistance_ohm=0.01, largest_a=50.0), 0, 0)
    emf_v, current_a, beyond = 3.65, 50.0, list[float]()
    for turn in range(1, 200):
        emf_v += 0.001
        voltage_v = emf_v + 0.01 * current_a
        beyond.append(voltage_v - 4.2)
        holding = learnt(holding, 1, turn * 1_000_000_000, voltage_v, current_a)
        current_a = next_current(holding, 1, 4.2, 50.0, current_a)
    assert max(beyond) < 0.0002
    assert abs(beyond[-1]) < 0.0002


def test_two_readings_alike_at_two_currents_do_not_make_a_pack_without_resistance() -> None:
    holding = Holding(prior(Source(4.0, 0.0), 4.2, 100.0), 0, 0)
    for turn in range(1, 9):
        holding = learnt(holding, 1, turn * 1_000_000_000, 4.0, 50.0 * (turn % 2))
    assert holding.source.resistance_ohm == pytest.approx(0.0005 * 4.0 / 100.0)
    assert next_current(holding, 1, 4.2, 100.0, 50.0) == 100.0
    assert next_current(replace(holding, source=replace(holding.source, voltage_v=4.3)), 1, 4.2, 100.0, 50.0) >= 0.0
    Holding(prior(Source(4.0, 0.0), 4.2, 0.0), 0, 0)  # nor is a step of no current one to divide by


def test_nothing_accumulates_while_the_current_is_held_back() -> None:
    """A limit lets 20 A of 80 A flow for an hour; when it gives way, what is asked for is what it was."""
    holding = Holding(replace(prior(Source(4.15, 20.0), 4.2, 100.0), resistance_ohm=0.01), 0, 0)
    wanted: set[float] = set()
    for turn in range(1, 3600):
        holding = learnt(holding, 1, turn * 1_000_000_000, 4.15, 20.0)
        wanted.add(round(next_current(holding, 1, 4.2, 100.0, 80.0), 9))
    assert len(wanted) == 1
    assert wanted.pop() == pytest.approx(20.0 + 0.2 * 0.05 / 0.01)


def test_a_step_begins_with_what_the_highest_resistance_allows() -> None:
    full, empty = prior(Source(4.2, 0.0), 4.2, 100.0), prior(Source(2.0, 0.0), 4.2, 100.0)
    assert first_current(full, 1, 4.2, 100.0) == pytest.approx(3.0), "enough to learn from"
    assert first_current(prior(Source(3.99, 0.0), 4.2, 100.0), 1, 4.2, 100.0) == pytest.approx(10.0)
    assert first_current(empty, 1, 4.2, 100.0) == 100.0
    assert first_current(prior(Source(4.2, 0.0), 2.8, 100.0), -1, 2.8, 100.0) == 100.0, (
        "a discharge is the mirror image"
    )


def test_a_correction_within_the_noise_is_not_sent() -> None:
    holding = Holding(replace(prior(Source(4.2, 50.0), 4.2, 100.0), resistance_ohm=0.01), 0, 0)
    assert not worth_sending(holding, 4.2, 50.0, 50.08)
    assert worth_sending(holding, 4.2, 50.0, 50.09)
    assert worth_sending(replace(holding, source=replace(holding.source, resistance_ohm=1e-6)), 4.2, 0.5, 0.44)


# --- over the library -----------------------------------------------------------------------------


def course(name: str, steps: str, **words: float) -> Course:
    plant = {key: words.pop(key) for key in ("initial_soc", "resistance_factor") if key in words}
    ambient_c = words.get("ambient_c", 25.0)
    pack = pack_of(name, initial_temperature_c=ambient_c, **plant)
    return run(steps, pack, holds_voltage=False, **words)  # type: ignore[arg-type]


def judge(done: Course, sign: int, most_a: float, *, rises: float = 0.25, least_end: float = 0.8) -> None:
    """What every held step must come to; `rises`: of the current while it is held, all together, of the step's."""
    (record,) = (record for record in done.records if record.label == "cv")
    pack = done.pack
    cell_v = pack.cell_full_v if sign > 0 else pack.cell_cutoff_v
    voltage_v, end_a = cell_v * pack.series, 0.05 * pack.rated_capacity_ah
    seen = [seen for seen in done.of(1) if seen.t_s <= record.ended_ns / 1e9]
    beyond = max(sign * (one.voltage_v - voltage_v) for one in seen) / voltage_v
    assert beyond <= BOUND, "the voltage is passed"
    assert max(abs(one.current_a) for one in seen) <= most_a * 1.002, "more than the step's current"
    assert record.end_reason == f"current <= {end_a:g} A at {voltage_v:g} V"
    assert least_end * end_a <= abs(record.current_end_a) <= end_a
    reached = next(at for at, one in enumerate(seen) if sign * (voltage_v - one.voltage_v) <= 0.001 * voltage_v)
    assert max(abs(one.voltage_v - voltage_v) for one in seen[reached:]) <= 0.003 * voltage_v, "it is not held"
    held = [sign * one.current_a for one in seen[reached:]]
    assert sum(max(after - before, 0.0) for before, after in pairwise(held)) <= rises * most_a
    assert len(done.drives) <= 500
    guards = {drive.voltage_v for _, drive in done.drives}
    most = done.plan.most
    assert most is not None
    assert guards == {0.5 * (voltage_v + (most.voltage_max_v if sign > 0 else most.voltage_min_v))}


@pytest.mark.parametrize("name", PACKS)
def test_every_pack_is_charged_to_its_voltage_and_held_there(name: str) -> None:
    third_a = pack_of(name).rated_capacity_ah / 3
    for ambient_c in (0.5, 25.0, 45.0):
        for poll_s in (0.5, 1.0):
            done = course(name, CHARGE.format(rate="C/3", more=""), initial_soc=0.9, poll_s=poll_s, ambient_c=ambient_c)
            judge(done, 1, third_a)
    worn = course(name, CHARGE.format(rate="C/3", more=""), initial_soc=0.9, resistance_factor=4.0)
    judge(worn, 1, third_a)
    judge(course(name, CHARGE.format(rate="1 I1", more=""), initial_soc=0.85), 1, 3 * third_a)


@pytest.mark.parametrize("name", PACKS)
def test_every_pack_is_discharged_to_its_voltage_and_held_there(name: str) -> None:
    """The steepest end there is: voltage and resistance both run away, the last amperes within seconds."""
    third_a = pack_of(name).rated_capacity_ah / 3
    for ambient_c in (0.5, 25.0, 45.0):
        done = course(name, DISCHARGE.format(rate="C/3"), initial_soc=0.12, poll_s=1.0, ambient_c=ambient_c)
        judge(done, -1, third_a, rises=1.1, least_end=0.4)


@pytest.mark.parametrize("name", PACKS)
def test_a_command_that_shows_a_reading_late_does_not_make_it_swing(name: str) -> None:
    done = course(name, CHARGE.format(rate="C/3", more=""), initial_soc=0.9, poll_s=0.5, latency_s=0.52)
    judge(done, 1, pack_of(name).rated_capacity_ah / 3, rises=0.5)


@pytest.mark.parametrize("seed", range(4))
def test_the_instruments_errors_are_not_the_controllers(seed: int) -> None:
    done = course("nmc-96s", CHARGE.format(rate="C/3", more=""), initial_soc=0.9, seed=seed)
    judge(done, 1, 50.0)


def test_a_pack_that_is_full_already_is_not_driven_beyond_its_voltage() -> None:
    for name in ("nmc-96s", "lmo-25ah", "lfp-16s"):
        done = course(name, CHARGE.format(rate="C/3", more=""), initial_soc=0.998, ambient_c=0.5)
        voltage_v = done.pack.cell_full_v * done.pack.series
        assert max(one.voltage_v for one in done.of(1)) <= voltage_v * (1 + BOUND)
        assert done.records[0].end_reason.startswith("current <=")


@pytest.mark.parametrize("name", ["nmc-96s", "lfp-16s"])
def test_a_cell_at_its_limit_steps_the_current_down_below_what_the_voltage_allows(name: str) -> None:
    more = ", on_cell_limit: {at: cell_full, action: taper, end_current: 0.05C}"
    done = course(name, CHARGE.format(rate="C/3", more=more), initial_soc=0.9)
    record, pack = done.records[0], done.pack
    assert "at the end current" in record.end_reason
    assert record.end_cell is not None
    assert max(one.cell_max_v for one in done.of(1)) <= pack.cell_full_v + 0.02
    currents = [drive.current_a for _, drive in done.drives]
    peak = currents.index(max(currents))
    assert currents[peak:] == sorted(currents[peak:], reverse=True), "never up again"
    assert currents[-1] == pytest.approx(0.05 * pack.rated_capacity_ah)


def test_a_cycler_that_holds_voltages_is_left_to_do_so() -> None:
    steps = CHARGE.format(rate="C/3", more="")
    done = run(steps, pack_of("nmc-96s", initial_soc=0.95))
    assert len(done.drives) == 1
    assert done.drives[0][1].voltage_v == pytest.approx(403.2)
