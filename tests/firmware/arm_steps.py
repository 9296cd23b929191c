"""A whole bench taken through the arm sequence, step by step: what the tests of the sequence begin from."""

from __future__ import annotations

from tests.firmware.harness import CONFIG, RELEASE_US, Rig, refusal

from packbench_board.codes import Fitted, Input, Output, Phase, Refusal, State
from packbench_board.frames import Ack, Close, Configure

WHOLE = CONFIG._replace(
    residual_timeout_ms=400,
    match_timeout_ms=400,
    sign_timeout_ms=1000,
    precharge_tries=3,
    precharge_timeout_ms=200,
    fitted=int(Fitted.BMS_OK | Fitted.PACK_CLOSED | Fitted.INSULATION_OK | Fitted.TEMPERATURE_1),
)
WAKE, REQUEST, ENABLE = Output.BMS_WAKE, Output.PACK_REQUEST, Output.CYCLER_ENABLE


def begun(config: Configure = WHOLE, token: int = 1) -> Rig:
    """A whole bench whose board has just been told to close: BMS asleep, pack open, cycler off."""
    rig = Rig()
    rig.pack_v = rig.cycler_v = 0.0
    rig.core.set_temperatures([25.0])
    rig.inputs |= Input.INSULATION_OK
    assert isinstance(rig.arm(token, config), Ack)
    assert isinstance(rig.ask(Close()), Ack)
    return rig


def wait(rig: Rig, duration_us: int, token: int = 1) -> None:
    """Time passes, with a host that renews."""
    end_us = rig.t_us + duration_us
    while rig.t_us < end_us:
        rig.run(min(50_000, end_us - rig.t_us))
        rig.beat(token, rig.t_us + 1)


def phase(rig: Rig) -> Phase:
    return Phase(rig.status().phase)


def wake(rig: Rig) -> None:
    rig.inputs |= Input.BMS_OK
    rig.step()


def connect(rig: Rig) -> None:
    wake(rig)
    rig.inputs |= Input.PACK_CLOSED
    rig.pack_v = 360.0
    rig.step()


def settle(rig: Rig) -> None:
    """What is seen at the next step lasts long enough to be believed."""
    rig.run(1_000 + CONFIG.precharge_settle_ms * 1000)


def match(rig: Rig) -> None:
    connect(rig)
    settle(rig)
    assert phase(rig) is Phase.MATCH
    rig.cycler_v = 359.0
    settle(rig)
    assert phase(rig) is Phase.PRECHARGE


def closed(rig: Rig) -> None:
    match(rig)
    wait(rig, CONFIG.precharge_settle_ms * 1000 + RELEASE_US + 2000)
    assert phase(rig) is Phase.SIGN


def assert_refused(rig: Rig, code: Refusal) -> None:
    status = rig.status()
    assert (status.state, status.trip_code, status.refused, status.phase) == (State.SAFE, 0, code, Phase.NONE)
    assert status.outputs == WAKE
    assert not rig.coil
    assert refusal(rig.ask(Close())) == Refusal.NOT_ARMED
