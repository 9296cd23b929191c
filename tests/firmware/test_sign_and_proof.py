"""With the contactor closed: the pulse that shows the current's sign, and the proof by a lease that ends."""

from __future__ import annotations

import pytest
from tests.firmware.arm_steps import (
    WHOLE,
    assert_refused,
    begun,
    closed,
    phase,
    wait,
)
from tests.firmware.harness import CONFIG, refusal

from packbench_board.codes import Phase, Refusal, State, TripCode
from packbench_board.frames import Ack, Close, Prove, Sign, Status


def test_no_pulse_in_time() -> None:
    rig = begun()
    closed(rig)
    wait(rig, WHOLE.sign_timeout_ms * 1000 + 1000)
    assert_refused(rig, Refusal.SIGN_ABSENT)


@pytest.mark.parametrize(
    ("announced_ma", "current_a", "pack_v", "delta_mv", "refused"),
    [
        (1500, 1.5, 360.0, 0, 0),
        (-1500, -1.5, 360.0, 0, 0),
        (1500, 0.75, 360.0, 0, 0),
        (1500, 1.5, 360.5, 100, 0),
        (1500, 1.5, 360.05, 100, 0),
        (1500, 1.5, 359.95, 100, 0),
        (1500, -1.5, 360.0, 0, Refusal.SIGN_WRONG),
        (-1500, 1.5, 360.0, 0, Refusal.SIGN_WRONG),
        (1500, 1.5, 359.9, 100, Refusal.SIGN_WRONG),
        (-1500, -1.5, 360.1, 100, Refusal.SIGN_WRONG),
    ],
)
def test_the_pulse_shows_its_sign(
    announced_ma: int, current_a: float, pack_v: float, delta_mv: int, refused: int
) -> None:
    rig = begun(WHOLE._replace(sign_delta_mv=delta_mv))
    closed(rig)
    rig.ask(Sign(announced_ma))
    rig.current_a, rig.pack_v = current_a, pack_v
    wait(rig, CONFIG.precharge_settle_ms * 1000 + 100_000)
    if refused:
        assert_refused(rig, Refusal(refused))
    else:
        assert phase(rig) is Phase.DONE


def test_a_pulse_that_is_too_small_shows_nothing() -> None:
    rig = begun()
    closed(rig)
    rig.ask(Sign(1500))
    rig.current_a = 0.749
    wait(rig, 500_000)
    assert phase(rig) is Phase.SIGN


@pytest.mark.parametrize("current_ma", [0, 3001, -3001])
def test_a_pulse_beyond_what_may_flow_is_not_taken(current_ma: int) -> None:
    rig = begun()
    assert refusal(rig.ask(Sign(1500))) == Refusal.BAD_STATE
    closed(rig)
    assert refusal(rig.ask(Sign(current_ma))) == Refusal.BAD_VALUE


@pytest.mark.parametrize("way", [1, -1])
def test_a_pulse_that_noise_could_meet_is_not_taken(way: int) -> None:
    rig = begun(WHOLE._replace(current_noise_ma=60))
    closed(rig)
    for current_ma in (1, 60, 120):
        assert refusal(rig.ask(Sign(way * current_ma))) == Refusal.BAD_VALUE
    rig.current_a = way * 0.06
    assert isinstance(rig.ask(Sign(way * 121)), Ack)
    wait(rig, 200_000)
    assert phase(rig) is Phase.SIGN, "the noise does not show it"
    rig.current_a = way * 0.061
    wait(rig, 50_000)
    assert phase(rig) is Phase.DONE


def test_until_the_sign_is_shown_no_more_than_the_pulse_may_flow() -> None:
    rig = begun()
    closed(rig)
    rig.ask(Sign(3000))
    rig.current_a = 3.5
    wait(rig, 200_000)
    assert rig.status().trip_code == TripCode.OVER_CURRENT
    proven = begun()
    closed(proven)
    proven.ask(Sign(3000))
    proven.current_a = 2.0
    wait(proven, 50_000)
    proven.current_a = 100.0
    wait(proven, 200_000)
    assert (proven.status().phase, proven.coil) == (Phase.DONE, True)


# ---- the proof test -----------------------------------------------------------------------------------------------


def test_the_end_of_the_lease_as_a_proof_opens_without_a_latch() -> None:
    rig = begun()
    closed(rig)
    assert isinstance(rig.beat(1, rig.t_us + 2), Status)
    last_us = rig.t_us
    assert isinstance(rig.ask(Prove()), Ack)
    rig.run(CONFIG.lease_ms * 1000 + 50_000)
    assert rig.coil_changes[-1] == (last_us + CONFIG.lease_ms * 1000, False)
    status = rig.status()
    assert (status.state, status.trip_code, status.refused) == (State.SAFE, 0, 0)
    assert refusal(rig.ask(Close())) == Refusal.NOT_ARMED


def test_a_heartbeat_takes_the_proof_back() -> None:
    rig = begun()
    closed(rig)
    rig.ask(Prove())
    assert isinstance(rig.beat(1, rig.t_us + 2), Status)
    rig.run(CONFIG.lease_ms * 1000 + 50_000)
    assert rig.status().trip_code == TripCode.LEASE


def test_a_proof_is_made_closed_and_without_current_alone() -> None:
    rig = begun()
    assert refusal(rig.ask(Prove())) == Refusal.BAD_STATE
    closed(rig)
    for current_a in (1.0, -1.0, float("nan")):
        rig.current_a = current_a
        assert refusal(rig.ask(Prove())) == Refusal.LOAD
    rig.current_a = 0.999
    assert isinstance(rig.ask(Prove()), Ack)
    rig.current_a = 5.0
    rig.run(20_000)
    assert rig.status().trip_code == TripCode.OVER_CURRENT, "a limit is a limit during a proof as well"
