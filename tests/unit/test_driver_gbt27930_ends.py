"""The charger's session: what does not come in time, retries, and how charging ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.gbt27930_talk import BCL, BCP, BCS, BRM, BSD, BSM, MS, Talk

from packbench.drivers.gbt27930_session import Phase
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.wire.gbt27930.messages import (
    BEM_CAUSES,
    BST_CAUSES,
    CST_CAUSES,
    NOT_YET,
    READY,
    SET,
    Bem,
    Bhm,
    Bro,
    Bst,
    Cem,
    Chm,
    Crm,
    Cro,
    Csd,
    Cst,
    GbtMessage,
    causes,
    states,
)

# --------------------------------------------------------------------------- time-outs


def to_phase(phase: Phase) -> Talk:
    talk = Talk()
    steps: list[tuple[Phase, tuple[GbtMessage, ...]]] = [
        (Phase.HANDSHAKE, ()),
        (Phase.IDENTIFY, (Bhm(164.0),)),
        (Phase.RECOGNISED, (BRM,)),
        (Phase.PARAMETERS, (BCP,)),
        (Phase.READY, (Bro(READY),)),
        (Phase.STARTING, ()),
        (Phase.CHARGING, (BCL, BCS, BSM)),
    ]
    talk.want(ready=phase not in (Phase.PARAMETERS, Phase.READY))
    for reached, messages in steps:
        talk.hear(*messages)
        if reached is phase:
            break
    assert talk.state.phase is phase
    talk.take()
    return talk


@pytest.mark.parametrize(
    ("phase", "keep", "after_ms", "missed"),
    [
        (Phase.HANDSHAKE, (), 5000, None),
        (Phase.IDENTIFY, (), 5000, "brm"),
        (Phase.RECOGNISED, (), 5000, "bcp"),
        (Phase.PARAMETERS, (), 5000, "bro"),
        (Phase.PARAMETERS, (Bro(NOT_YET),), 60_000, "bro"),
        (Phase.READY, (), 5000, "bro"),
        (Phase.STARTING, (), 5000, "bcl"),
        (Phase.STARTING, (BCL,), 5000, "bcs"),
        (Phase.CHARGING, (BCS, BSM), 1000, "bcl"),
        (Phase.CHARGING, (BCL, BSM), 5000, "bcs"),
        (Phase.CHARGING, (BCL, BCS), 5000, None),
    ],
)
def test_what_does_not_come_in_time(
    phase: Phase, keep: tuple[GbtMessage, ...], after_ms: int, missed: str | None
) -> None:
    talk = to_phase(phase)
    talk.wait(after_ms - 1, keep=keep)
    assert talk.state.phase is phase
    talk.take()
    talk.wait(1, keep=keep)
    assert talk.state.phase is Phase.ERROR
    assert not talk.state.permitted
    told = [message for _, message in talk.take() if isinstance(message, Cem)]
    assert [causes(message) for message in told] == ([] if missed is None else [(missed,)])
    talk.wait(1250)
    # While charging nothing is tried again.
    assert talk.state.phase is (Phase.FAILED if phase in (Phase.STARTING, Phase.CHARGING) else talk.state.phase)
    if phase in (Phase.STARTING, Phase.CHARGING):
        talk.take()
        talk.wait(10_000)
        assert talk.take() == []
        assert talk.wake_ns is None


def test_a_bro_that_keeps_saying_not_yet_is_waited_for() -> None:
    talk = to_phase(Phase.PARAMETERS)
    talk.wait(55_000, keep=(Bro(NOT_YET),), each_ms=250)
    talk.hear(Bro(READY))
    assert talk.state.phase is Phase.READY


def test_a_battery_that_is_no_longer_ready_is_not_started() -> None:
    talk = to_phase(Phase.READY)
    talk.hear(Bro(NOT_YET))
    talk.want(ready=True)
    assert talk.state.phase is Phase.READY
    talk.hear(Bro(READY))
    assert talk.state.phase is Phase.STARTING


def test_three_retries_then_it_gives_up() -> None:
    talk = to_phase(Phase.IDENTIFY)
    talk.wait(40_000)
    assert talk.state.phase is Phase.FAILED
    assert talk.state.reason == "the BMS sent no BRM in time (identify)"
    said = talk.take()
    errors = [t for t, message in said if isinstance(message, Cem)]
    assert errors == [start + 250 * n for start in (5000, 11_250, 17_500, 23_750) for n in range(5)]
    assert talk.wake_ns is None


def test_a_retry_begins_with_the_identification_and_forgets_what_was_heard() -> None:
    talk = to_phase(Phase.READY)
    talk.wait(5000 + 1250)
    assert (talk.state.phase, talk.state.attempt) == (Phase.IDENTIFY, 1)
    assert [type(item.message) for item in talk.state.heard.items] == [Bhm]
    talk.take()
    talk.wait(250)
    assert talk.kinds() == ["Crm"]
    talk.hear(BRM, BCP, Bro(READY))
    assert talk.state.phase is Phase.READY


def test_a_bms_that_is_not_there_at_all_is_greeted_again() -> None:
    talk = Talk()
    talk.wait(5000)
    assert "Cem" not in talk.kinds()
    talk.wait(1250)
    assert (talk.state.phase, talk.state.attempt) == (Phase.HANDSHAKE, 1)


def test_the_bms_s_own_errors_begin_the_handshake_anew_or_end_charging() -> None:
    bem = Bem(states(BEM_CAUSES, "cts_cml"))
    talk = to_phase(Phase.PARAMETERS)
    for _ in range(5):
        talk.hear(bem)
        talk.wait(250)
    assert (talk.state.phase, talk.state.attempt) == (Phase.IDENTIFY, 1)
    assert talk.state.reason == "the BMS missed cts_cml"
    # Those that still come count for nothing.
    talk.hear(bem)
    assert talk.state.phase is Phase.IDENTIFY
    talk = to_phase(Phase.CHARGING)
    talk.hear(Bem(states(BEM_CAUSES, "ccs")))
    talk.wait(1250)
    assert (talk.state.phase, talk.state.reason) == (Phase.FAILED, "the BMS missed ccs")


@pytest.mark.parametrize("message", [Bhm(164.0), BRM], ids=["BHM", "BRM"])
def test_a_bms_that_resets_while_it_is_charged_counts_as_lost(message: GbtMessage) -> None:
    talk = to_phase(Phase.CHARGING)
    talk.hear(message)
    talk.wait(2000)
    assert talk.state.phase is Phase.FAILED
    assert "begun anew" in talk.state.reason


def test_what_a_charger_says_is_nothing_to_go_by() -> None:
    """An adapter that hands back what it sends, or another charger on the bus."""
    talk = to_phase(Phase.CHARGING)
    before = talk.state
    for message in (Chm(), Crm(NOT_YET), Cro(READY), Cst((0,) * 12), Cem((0,) * 7)):
        talk.hear(message)
    assert (talk.state.phase, talk.state.heard) == (before.phase, before.heard)


def test_a_brm_that_comes_twice_does_no_harm() -> None:
    """As in candump3: the BMS repeats it after CRM AA."""
    talk = to_phase(Phase.RECOGNISED)
    talk.hear(BRM, BCP)
    assert talk.state.phase is Phase.PARAMETERS


# ----------------------------------------------------------------------------- the end


def test_the_charger_ends_with_cst_until_bsd_then_csd() -> None:
    talk = to_phase(Phase.CHARGING)
    talk.want(stop="manual")
    talk.wait(25)
    assert talk.take() == [(t, Cst(states(CST_CAUSES, "manual"))) for t in (0, 10, 20)]
    assert not talk.state.permitted
    talk.hear(Bst(states(BST_CAUSES, "charger_stopped")))
    talk.wait(10)
    talk.hear(BSD)
    talk.take()
    talk.wait(400)
    said = talk.take()
    assert [(t, type(message)) for t, message in said] == [(285, Csd)]
    talk.wait(200)
    assert talk.state.phase is Phase.ENDED
    assert (talk.wake_ns, talk.state.reason) == (None, "")


def test_a_bms_that_stops_is_answered_with_cst() -> None:
    talk = to_phase(Phase.CHARGING)
    talk.hear(Bst(states(BST_CAUSES, "cell_voltage_reached")))
    (_, cst), *_ = talk.take()
    assert isinstance(cst, Cst)
    assert causes(cst) == ("bms_stopped",)
    assert talk.state.reason == "the BMS stopped charging: cell_voltage_reached"
    talk.hear(BSD)
    talk.wait(600)
    assert talk.state.phase is Phase.ENDED


def test_a_fault_in_bsm_stops_charging_unless_told_otherwise() -> None:
    hot = replace(BSM, over_temperature=SET)
    talk = to_phase(Phase.CHARGING)
    talk.hear(hot)
    assert talk.state.phase is Phase.STOPPING
    assert talk.state.reason == "the BMS reports over_temperature"
    assert causes(talk.take()[-1][1]) == ("fault",)
    talk = Talk(ChargerSettings(stop_on_fault=False))
    talk.charge()
    talk.hear(hot)
    assert talk.state.phase is Phase.CHARGING
    assert not talk.state.permitted


def test_a_bms_that_forbids_charging_pauses_it() -> None:
    talk = to_phase(Phase.CHARGING)
    talk.hear(replace(BSM, permit=0))
    talk.wait(50)
    assert [message.permit for _, message in talk.take()] == [0]
    talk.hear(BSM)
    talk.wait(50)
    assert [message.permit for _, message in talk.take()] == [SET]
    talk.want(permit=False)
    talk.wait(50)
    assert [message.permit for _, message in talk.take()] == [0]


@pytest.mark.parametrize(("keep", "after_ms", "missed"), [((), 5000, "bst"), ((Bst((0,) * 14),), 10_000, "bsd")])
def test_an_end_that_the_bms_does_not_answer(keep: tuple[GbtMessage, ...], after_ms: int, missed: str) -> None:
    talk = to_phase(Phase.CHARGING)
    talk.want(stop="manual")
    talk.wait(after_ms - 1, keep=keep)
    assert talk.state.phase is Phase.STOPPING
    talk.wait(1251)
    cem = next(message for _, message in talk.take() if isinstance(message, Cem))
    assert causes(cem) == (missed,)
    assert talk.state.phase is Phase.FAILED


@pytest.mark.parametrize("phase", [Phase.RECOGNISED, Phase.PARAMETERS, Phase.READY])
def test_an_end_before_charging_is_told_and_not_waited_for(phase: Phase) -> None:
    talk = to_phase(phase)
    talk.want(stop="manual")
    talk.wait(500)
    assert set(talk.kinds()) == {"Cst"}
    assert talk.state.phase is Phase.ENDED


@pytest.mark.parametrize("phase", [Phase.HANDSHAKE, Phase.IDENTIFY])
def test_an_end_before_there_is_a_session_is_silent(phase: Phase) -> None:
    talk = to_phase(phase)
    talk.want(stop="manual")
    assert talk.state.phase is Phase.ENDED
    assert talk.take() == []


def test_an_end_after_an_error_is_at_once() -> None:
    talk = to_phase(Phase.CHARGING)
    talk.wait(1000)
    assert talk.state.phase is Phase.ERROR
    talk.want(stop="manual")
    assert talk.state.phase is Phase.FAILED


def test_periods_are_not_made_up_for_when_the_shell_was_late() -> None:
    talk = to_phase(Phase.CHARGING)
    talk.wait(10)
    talk.take()
    talk.now_ns += 430 * MS
    talk._step(None)
    assert talk.kinds() == ["Ccs"]
    talk.wait(59)
    assert talk.take()[0][0] == 450
