"""A cycler that is told every set-point and one that is followed: which is which, and what is expected of each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.test_engine_follow import FINISHED, IDLE, WHOLE, at, seen
from tests.unit.test_safety_judge import EXPECTED, LIMITS
from tests.unit.wire_parts import MAP_NAMES, ScriptedTransport, device_map

from packbench.core.samples import BoardSample, CyclerSample, ProgramState
from packbench.core.step_program import Protections, Recording, RestStep, StepProgram
from packbench.drivers.factory import PROGRAMMED, Wanted, make_driver
from packbench.drivers.protocols import Identity
from packbench.profile.plan import Plan
from packbench.run.driving import Following
from packbench.run.port import Port
from packbench.safety.judge import SafetyState, judge
from packbench.safety.view import Expectation
from packbench_sim.loop import VirtualClock, run_virtual

S = 1_000_000_000
RATINGS = {"rated_voltage_v": 80.0, "rated_current_a": 100.0, "rated_power_w": 5000.0}
OFF = replace(
    EXPECTED, series=1, temperature_sensors=1, current_a=None, clamp_v=None, setpoint_delay_ns=6 * S,
    cycler_lag_ns=11 * S,
)  # fmt: skip
CELL = replace(LIMITS, pack_voltage_max_v=5.0, pack_voltage_min_v=2.0, cell_voltage_min_v=2.0)


class Programmed:
    """A programmed cycler that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    async def identify(self) -> Identity:
        return Identity("m", "s", "f")

    async def prepare(self) -> None:
        self.told.append("prepare")

    async def upload(self, program: StepProgram) -> None:
        self.told.append(program)

    async def start(self) -> None:
        self.told.append("start")

    async def stop(self) -> None:
        self.told.append("stop")

    async def read(self) -> CyclerSample:
        pytest.fail("driving gives orders: it is the poller that reads")


PROGRAM = StepProgram("p", (RestStep(60.0),), Protections(), Recording(1.0))


def following(cycler: Programmed | None = None) -> Following:
    return Following(cycler or Programmed(), PROGRAM, 11 * S)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [name for name in MAP_NAMES if device_map(name).kind == "cycler"])
def test_the_drivers_that_run_programs_are_those_in_the_table(name: str) -> None:
    device = device_map(name)

    async def main(clock: VirtualClock) -> None:
        wanted = Wanted(device, 0, device.links[0], Port(ScriptedTransport(), clock), S, RATINGS)
        driver = make_driver(wanted)
        assert hasattr(driver, "upload") is (device.driver in PROGRAMMED)
        assert hasattr(driver, "apply") is (device.driver not in PROGRAMMED)

    run_virtual(main)


def test_a_program_is_handed_over_before_anything_is_energised_and_takes_no_set_point() -> None:
    cycler = Programmed()
    driving = following(cycler)

    async def main(_clock: VirtualClock) -> None:
        await driving.prepare()
        assert cycler.told == ["prepare", PROGRAM]
        assert await driving.match(3.7) is None
        assert cycler.told == ["prepare", PROGRAM], "its terminals come up by the board's precharge"
        await driving.launch()
        await driving.off()
        await driving.release()
        assert cycler.told[2:] == ["start", "stop"]

    run_virtual(main)


def moved(before: Expectation, t_s: float, program: ProgramState, plan: Plan = WHOLE) -> Expectation:
    return following().expected(before, plan, seen(t_s, program))


def test_a_step_is_expected_from_the_first_reading_that_shows_it() -> None:
    charging = moved(OFF, 20, at(1, 4.0))
    assert (charging.current_a, charging.clamp_v, charging.commanded_ns) == (8.0, 4.2, 20 * S)
    assert moved(charging, 25, at(1, 9.0)) is charging
    resting = moved(charging, 30, at(2, 1.0))
    assert (resting.current_a, resting.clamp_v, resting.commanded_ns) == (None, None, 30 * S)
    assert moved(resting, 40, FINISHED) is resting
    assert moved(charging, 40, IDLE).current_a is None


def test_a_reading_from_before_an_order_says_nothing_of_it() -> None:
    """After a stop the newest reading may still be that of the running step."""
    stopped = replace(OFF, commanded_ns=50 * S)
    assert moved(stopped, 50, at(1, 40.0)) is stopped
    assert moved(stopped, 51, at(1, 41.0)).current_a == 8.0


def test_a_reading_without_a_program_changes_nothing() -> None:
    assert following().expected(OFF, WHOLE, seen(20, None)) is OFF


def judged(*moments: tuple[float, ProgramState, float, float]) -> str | None:
    """What trips on readings of (time, program, current, voltage), with the expectation that they bring."""
    state, expected = SafetyState(0), OFF
    for t_s, program, current_a, voltage_v in moments:
        moment = seen(t_s, program, current_a, voltage_v)
        assert moment.cycler is not None
        expected = following().expected(expected, WHOLE, moment)
        board = BoardSample(moment.t_ns, "closed", True)
        state = judge(state, moment._replace(board=board), CELL, expected)
    return None if state.latched is None else state.latched.trip.rule


def test_the_running_step_s_current_is_held_against_the_readings() -> None:
    steady = [(5.0 * n, at(1, 5.0 * n), 8.0, 4.0) for n in range(1, 6)]
    assert judged(*steady) is None
    # Within the bench's delay, which holds the age of a reading, nothing is expected to be seen.
    assert judged((5, at(1, 1.0), 0.5, 4.0), (10, at(1, 6.0), 0.5, 4.0)) is None
    short = [(t, program, 6.0, voltage_v) for t, program, _, voltage_v in steady]
    assert judged(*short) == "setpoint_not_followed"
    held = [(t, program, 3.0, 4.19) for t, program, _, _ in steady]
    assert judged(*held) is None, "at its voltage the current falls"
    assert judged(*steady, (30, at(2, 2.0), 8.0, 4.0), (35, at(2, 7.0), 8.0, 4.0)) == "off_ignored"
    assert judged(*steady, (30, FINISHED, 8.0, 4.0), (35, FINISHED, 8.0, 4.0)) == "off_ignored"
