"""The firmware on an emulated microcontroller: starting, wires, sensors, closing."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from tests.board.qemu import SAFE, Machine
from tests.firmware.harness import CONFIG

from packbench_board.codes import EventKind, Fitted, Input, Output, Refusal, ResetCause, State, TripCode
from packbench_board.frames import FIRMWARE_HASH, PROTOCOL_HASH, Close, Prove

CONTACT_MS = 20.0
"""What the rig's contactor takes to move."""


def test_it_starts_safe_and_is_the_firmware_that_this_host_knows(board: Machine) -> None:
    hello, status = board.line.hello(), board.line.status()
    assert (hello.protocol_hash, hello.firmware_hash) == (PROTOCOL_HASH, FIRMWARE_HASH)
    assert (status.state, status.outputs, status.trip_code) == (State.SAFE, 0, TripCode.NONE)
    assert board.line.newest(EventKind.BOOT).code == ResetCause.POWER_ON
    assert board.pins() & Output.CONTACTOR == 0
    assert [edge for edge in board.edges if edge.output is Output.CONTACTOR] == []


@pytest.mark.parametrize(
    ("broken", "trip"),
    [(Input.ESTOP_OK, TripCode.ESTOP), (Input.HVIL_OK, TripCode.HVIL), (Input.GAS_OK, TripCode.GAS)],
)
def test_a_wire_that_is_broken_at_the_start_is_a_trip(image: Path, broken: Input, trip: TripCode) -> None:
    with Machine(image, inputs=SAFE & ~broken) as board:
        status = board.line.status()
        assert (status.state, status.trip_code) == (State.TRIPPED, trip)
        assert bool(status.outputs & Output.ALARM) == (trip == TripCode.GAS)


def test_a_contactor_that_is_closed_at_the_start_is_a_trip(image: Path) -> None:
    with Machine(image, contactor_closed=True) as board:
        status = board.line.status()
        assert (status.state, status.trip_code) == (State.TRIPPED, TripCode.SELF_TEST)


def test_every_wire_is_its_own_input(board: Machine) -> None:
    assert board.line.status().inputs == SAFE | Input.SENSORS_OK
    for wire in (Input.KEY_ON, Input.INSULATION_OK, Input.BMS_OK, Input.PACK_CLOSED):
        present = wire not in board.inputs
        board.set_input(wire, present)
        board.wait_for_input(wire, present)
        assert board.line.status().inputs == board.inputs | Input.SENSORS_OK


@pytest.mark.parametrize("current_ma", [12_340, -12_340])
def test_sensors_are_scaled(board: Machine, current_ma: int) -> None:
    board.sense(pack_mv=403_120, cycler_mv=-1_500, current_ma=current_ma)
    time.sleep(0.02)
    status = board.line.status()
    assert (status.pack_mv, status.cycler_mv, status.current_ma) == (403_120, -1_500, current_ma)


def test_without_its_sensors_it_does_not_close(image: Path) -> None:
    with Machine(image, sensors=False) as board:
        board.line.arm(CONFIG._replace(pack_timeout_ms=100))
        board.line.ask(Close())
        status = board.line.beat_for(0.3)
        assert not status.inputs & Input.SENSORS_OK
        assert (status.state, status.refused) == (State.SAFE, Refusal.OUT_OF_LIMITS)
        assert all(edge.output is not Output.CONTACTOR for edge in board.edges)


def test_it_closes_and_stays_closed_as_long_as_it_is_beaten(board: Machine) -> None:
    board.line.arm(CONFIG)
    board.line.close_contactor()
    assert board.coil
    assert board.pins() & Output.CONTACTOR
    status = board.line.beat_for(3 * CONFIG.lease_ms / 1000)
    assert (status.state, status.inputs & Input.AUX_CLOSED) == (State.CLOSED, Input.AUX_CLOSED)
    moves = [(edge.output, edge.high) for edge in board.edges if edge.output in Output.CONTACTOR | Output.PRECHARGE]
    assert moves == [(Output.PRECHARGE, True), (Output.CONTACTOR, True), (Output.PRECHARGE, False)]
    assert [name for _, name in board.qmp_events] == ["RESUME"], "the watchdog was fed all the time"


def test_a_proof_test_times_the_contact(board: Machine) -> None:
    board.line.arm(CONFIG)
    board.line.close_contactor()
    board.line.beat()
    board.line.ask(Prove())
    board.wait_low(board.line.beaten_ns, 2.0)
    board.wait_for_input(Input.AUX_CLOSED, False)
    status = board.line.status()
    assert (status.state, status.trip_code) == (State.SAFE, TripCode.NONE)
    taken_ms = board.line.newest(EventKind.OPENED).value / 1000
    # The debounce is within; a busy host moves the rig's contact late, never early.
    assert CONTACT_MS <= taken_ms < CONTACT_MS + 60.0


@pytest.mark.parametrize("sensor", [1, 2, 3, 4])
def test_each_temperature_sensor_trips(board: Machine, sensor: int) -> None:
    fitted = [Fitted.TEMPERATURE_1, Fitted.TEMPERATURE_2, Fitted.TEMPERATURE_3, Fitted.TEMPERATURE_4][sensor - 1]
    board.heat(sensor, 41.5)
    board.line.arm(CONFIG._replace(fitted=fitted))
    board.line.close_contactor()
    assert board.line.status().hottest_dc == 415
    since_ns = time.monotonic_ns()
    board.heat(sensor, 61.0)
    board.wait_low(since_ns, 0.5)
    assert board.line.status().trip_code == TripCode.OVER_TEMPERATURE
