"""Constant power and resistance on the packs of the library: within 1 % from the second reading on; what stops them."""

from __future__ import annotations

import pytest
from tests.unit.engine_plant import PACKS, Course, pack_of, run

PROCESS = 0.01
"""GB 38031-2025 6.3: +-1 % of a controlled quantity [S]."""


def course(name: str, step: str, *, soc: float, poll_s: float = 0.5, ambient_c: float = 25.0) -> Course:
    pack = pack_of(name, initial_soc=soc, initial_temperature_c=ambient_c)
    return run(f"  - {step}\n  - rest: {{for: 5 s}}\n", pack, poll_s=poll_s, ambient_c=ambient_c)


def deviations(done: Course, wanted_w: float) -> list[float]:
    """Of the pack's true power, relative, reading by reading; the first reading is from before the command."""
    ended_s = done.records[0].ended_ns / 1e9
    return [one.voltage_v * one.current_a / wanted_w - 1.0 for one in done.of(1)[1:] if one.t_s <= ended_s]


@pytest.mark.parametrize("name", PACKS)
def test_a_power_is_held_from_the_second_reading_on(name: str) -> None:
    for kind, soc, sign in (("cp_discharge", 0.9, -1), ("cp_charge", 0.3, 1)):
        for poll_s, ambient_c in ((0.5, 25.0), (1.0, 25.0), (0.5, 0.5)):
            step = f"{kind}: {{power: 30 %Pmax, for: 10 min}}"
            done = course(name, step, soc=soc, poll_s=poll_s, ambient_c=ambient_c)
            found = deviations(done, sign * 0.3 * done.pack.max_power_w)
            assert max(abs(each) for each in found[1:]) <= PROCESS, (kind, poll_s, ambient_c)
            # The cycler's own error of gain is part of it: 0.1 % each of voltage and current.
            assert abs(sum(found[1:]) / len(found[1:])) <= 0.0015
            assert len(done.drives) <= 150, "a command when the current has moved, not at every reading"


@pytest.mark.parametrize("name", ["nmc-96s", "lmo-25ah", "lfp-16s"])
def test_a_resistance_draws_what_it_would(name: str) -> None:
    pack = pack_of(name)
    full_v = pack.cell_full_v * pack.series
    load_ohm = full_v / (0.3 * pack.rated_capacity_ah)
    done = course(name, f"cr_discharge: {{resistance: {load_ohm:.6f} ohm, for: 10 min}}", soc=0.9)
    found = [-one.current_a * load_ohm / one.voltage_v - 1.0 for one in done.of(1)[1:-15]]
    assert max(abs(each) for each in found[1:]) <= PROCESS


def test_a_power_at_the_clamp_goes_on_with_less_and_commands_nothing() -> None:
    """A pack that is nearly full: its voltage is at the clamp before its power is through."""
    pack = pack_of("lmo-25ah", initial_soc=0.97)
    step = "cp_charge: {power: 60 %Pmax, clamp: 4.2 V, for: 5 min}"
    done = run(f"  - {step}\n  - rest: {{for: 5 s}}\n", pack, ambient_c=25.0)
    seen = [one for one in done.of(1) if one.t_s <= done.records[0].ended_ns / 1e9]
    assert max(one.voltage_v for one in seen) <= 4.2 * 1.001
    at_clamp = [one for one in seen if one.voltage_v >= 4.198]
    assert len(at_clamp) > 400
    began_s = at_clamp[0].t_s
    assert len([at_s for at_s, _ in done.drives if at_s > began_s + 2.0]) == 0
    assert done.records[0].end_reason == "step_time >= 5 min"


def test_a_power_that_rises_beyond_the_limit_of_current_ends_the_run() -> None:
    """Down to the end of a discharge the voltage falls and the current rises."""
    pack = pack_of("lmo-25ah", initial_soc=0.4)
    step = "cp_discharge: {power: 60 W, until: cell_min <= cell_cutoff}"
    done = run(f"  - {step}\n", pack, current_max_a=18.0)
    assert done.finish is not None
    assert done.finish.verdict == "aborted"
    assert "is beyond 18 A" in done.finish.reason
    currents = [abs(drive.current_a) for _, drive in done.drives]
    assert 17.9 < max(currents) <= 18.0
    assert max(abs(one.current_a) for one in done.of(1)) <= 18.05


@pytest.mark.parametrize("name", ["nmc-96s", "lfp-16s"])
def test_a_cell_at_its_limit_steps_a_power_down(name: str) -> None:
    pack = pack_of(name, initial_soc=0.93)
    limit = "on_cell_limit: {at: cell_full, action: taper, end_current: 0.05C}"
    done = run(f"  - cp_charge: {{power: 30 %Pmax, {limit}}}\n  - rest: {{for: 5 s}}\n", pack)
    (record, *_) = done.records
    assert "at the end current" in record.end_reason
    assert max(one.cell_max_v for one in done.of(1)) <= pack.cell_full_v + 0.02
    assert done.drives[-1][1].current_a == pytest.approx(0.05 * pack.rated_capacity_ah)
