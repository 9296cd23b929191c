"""The charger's session from handshake to charging, against a real BMS's trace, and among any frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gbt27930_talk import BCL, BCP, BCS, BRM, BSD, BSM, Talk
from tests.unit.gbt27930_trace import TRACE

from packbench.drivers.gbt27930 import advance, begin
from packbench.drivers.gbt27930_heard import sample_of
from packbench.drivers.gbt27930_session import OVER, ChargerState, Phase, Wants
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_CM, PGN_TP_DT, pack_id, unpack_id
from packbench.wire.gbt27930.frames import BMS, CHARGER, KINDS, message_in
from packbench.wire.gbt27930.layout import encode_message
from packbench.wire.gbt27930.messages import (
    BST_CAUSES,
    NOT_YET,
    READY,
    SET,
    Bem,
    Bhm,
    Bmt,
    Bmv,
    Brm,
    Bro,
    Bsd,
    Bst,
    Ccs,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    Cts,
    GbtMessage,
    states,
)


def test_a_session_from_handshake_to_charging() -> None:
    talk = Talk()
    talk.wait(500)
    assert talk.take() == [(0, Chm()), (250, Chm()), (500, Chm())]
    talk.hear(Bhm(164.0))
    talk.wait(250)
    assert talk.take() == [(500, Crm(NOT_YET)), (750, Crm(NOT_YET))]
    talk.hear(BRM)
    assert talk.transport == [bytes.fromhex("110701ffff000200"), bytes.fromhex("13310007ff000200")]
    talk.wait(260)
    assert talk.take() == [(750, Crm(READY)), (1000, Crm(READY))]
    talk.hear(BCP)
    talk.wait(500)
    offer = Cml(750.0, 50.0, 250.0, 0.0)
    assert talk.take() == [
        (1010, Cts()), (1010, offer), (1260, offer), (1510, Cts()), (1510, offer)
    ]  # fmt: skip
    talk.want(ready=False)
    talk.hear(Bro(NOT_YET))
    talk.hear(Bro(READY))
    talk.wait(250)
    assert talk.take() == [(1510, Cro(NOT_YET)), (1760, Cro(NOT_YET))]
    talk.want(ready=True)
    talk.wait(250)
    assert talk.take() == [(1760, Cro(READY)), (2010, Cro(READY))]
    talk.hear(BCL)
    assert talk.state.phase is Phase.STARTING
    talk.hear(BCS)
    assert talk.state.phase is Phase.CHARGING
    # Nothing is permitted before the BMS has said that it is.
    assert talk.take() == [(2010, Ccs(150.5, 59.8, 0.0, 0))]
    talk.hear(BSM)
    talk.wait(100)
    assert talk.take() == [(2060, Ccs(150.5, 59.8, 0.0, SET)), (2110, Ccs(150.5, 59.8, 0.0, SET))]
    assert talk.state.permitted


def test_ccs_says_what_the_cycler_gives_or_else_what_the_bms_measures() -> None:
    talk = Talk(ChargerSettings(ccs_bytes=7, charger_number=7, region="CN1"))
    talk.charge()
    talk.want(output=(151.0, 60.5))
    talk.wait(50)
    (_, ccs), *_ = talk.take()
    assert ccs == Ccs(151.0, 60.5, 0.0, SET, spare=None, length=7)
    talk.want(output=(1e6, -1e6))
    talk.wait(50)
    assert encode_message(talk.take()[-1][1]).hex() == "feff401f0000fd"


def test_elapsed_time_and_energy_are_counted() -> None:
    talk = Talk(ChargerSettings(charger_number=7))
    talk.charge()
    talk.want(output=(150.0, 60.0))
    talk.wait(90_000, keep=(BCL, BCS, BSM), each_ms=500)
    (_, ccs) = talk.take()[-1]
    assert (ccs.elapsed_s, ccs.permit) == (60.0, SET)
    talk.want(stop="manual")
    talk.hear(Bst(states(BST_CAUSES, "charger_stopped")), BSD)
    csd = next(message for _, message in talk.take() if isinstance(message, Csd))
    # 150 V x 60 A x 90 s; the message carries steps of 100 Wh.
    assert talk.state.energy_ws == pytest.approx(150 * 60 * 90, rel=1e-3)
    assert csd == Csd(60.0, 200.0, 7)


def test_the_2011_edition_has_no_handshake_and_shorter_messages() -> None:
    talk = Talk(ChargerSettings(edition="2011"))
    assert talk.take() == [(0, Crm(NOT_YET))]
    talk.hear(replace(BRM, version_minor=0, length=41), BCP)
    talk.hear(Bro(READY), BCL, BCS)
    said = {type(message): message for _, message in talk.take()}
    assert len(encode_message(said[Cml])) == len(encode_message(said[Ccs])) == 6


# ------------------------------------------------------------------------ the real trace


def replay(chosen: ChargerSettings) -> tuple[ChargerState, list[tuple[int, CanFrame]], list[Phase]]:
    """What our charger says to the BMS of the trace; ready and stop come when the real charger's did."""
    # The trace begins with CRM, where only the 2011 edition begins.
    state = replace(begin(replace(chosen, edition="2011"), 0), settings=chosen, wants=Wants(ready=False))
    said: list[tuple[int, CanFrame]] = []
    phases = [state.phase]
    due_ns: int | None = 0

    def step(frame: CanFrame | None, now_ns: int) -> None:
        nonlocal state, due_ns
        state, frames, due_ns = advance(state, frame, now_ns)
        said.extend((now_ns, item) for item in frames)
        if phases[-1] is not state.phase:
            phases.append(state.phase)

    for t_ns, frame in TRACE:
        while due_ns is not None and due_ns < t_ns:
            step(None, due_ns)
        real = message_in(frame)
        if unpack_id(frame.can_id).source == BMS:
            step(frame, t_ns)
        elif isinstance(real, Cro) and real.state == READY:
            state = replace(state, wants=replace(state.wants, ready=True))
        elif isinstance(real, Cst):
            state = replace(state, wants=replace(state.wants, stop="manual"))
            step(None, t_ns)
    while due_ns is not None:
        step(None, due_ns)
    return state, said, phases


def test_our_charger_keeps_the_real_bms_s_session() -> None:
    offered = ChargerSettings(
        voltage_max_v=500.0, voltage_min_v=200.0, current_max_a=120.0, current_min_a=4.0, ccs_bytes=7
    )
    state, said, phases = replay(offered)
    assert phases == [
        Phase.IDENTIFY, Phase.RECOGNISED, Phase.PARAMETERS, Phase.READY, Phase.STARTING, Phase.CHARGING,
        Phase.STOPPING, Phase.STATISTICS, Phase.ENDED,
    ]  # fmt: skip
    assert (state.reason, state.attempt, state.malformed) == ("", 0, 0)
    ours = {item.data.hex() for _, item in said if unpack_id(item.can_id).pgn not in (PGN_TP_CM, PGN_TP_DT)}
    theirs = {item.data.hex() for _, item in TRACE if message_in(item) and unpack_id(item.can_id).source == CHARGER}
    # The real charger's own output voltage alone is its own: ours says back what the BMS measures.
    assert theirs - ours == {"3a11a00f0000fc", "a811a00f0000fd"}
    assert {text for text in ours - theirs if not text.endswith(("fc", "fd"))} == set()
    asked = [item.data.hex() for _, item in said if unpack_id(item.can_id).pgn == PGN_TP_CM]
    real = [item.data.hex() for _, item in TRACE if unpack_id(item.can_id)[1:] == (PGN_TP_CM, BMS, CHARGER)]
    assert asked[: len(real)] == real


def test_the_real_bms_s_readings() -> None:
    state, _, _ = replay(ChargerSettings())
    sample = sample_of(state.heard, use_cells=True)
    assert sample is not None
    assert (sample.voltage_v, sample.current_a, sample.soc, sample.cell_max_v) == (450.2, 0.0, 0.06, 3.7)
    assert (sample.charge_limit_a, sample.discharge_limit_a) == (50.0, None)
    assert sample.temperatures_c == (33.0, 35.0)
    brm, bsd = state.heard.message(Brm), state.heard.message(Bsd)
    assert brm is not None
    assert (brm.battery_type, brm.capacity_ah, brm.voltage_v) == (3, 6.0, 750.0)
    assert bsd is not None
    assert (bsd.soc, bsd.cell_voltage_min_v) == (0.06, 5.0)


# ---------------------------------------------------------------------------- any frames


BMS_MESSAGES = [
    Bhm(164.0), BRM, BCP, Bro(READY), Bro(NOT_YET), BCL, BCS, BSM, replace(BSM, permit=0), replace(BSM, insulation=1),
    Bmv((3.3, 3.3), (0, 0)), Bmt((25.0,)), Bst((0,) * 14), BSD, Bem((0,) * 7),
]  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 3000),
            st.one_of(
                st.sampled_from(BMS_MESSAGES),
                st.builds(
                    lambda kind, data: CanFrame(pack_id(6, KINDS[kind].pgn, CHARGER, BMS), data),
                    st.sampled_from(sorted(KINDS, key=lambda kind: kind.__name__)),
                    st.binary(max_size=8),
                ),
                st.builds(CanFrame, st.integers(0, 0x1FFFFFFF), st.binary(max_size=8)),
            ),
        ),
        max_size=40,
    )
)
def test_whatever_comes_the_session_goes_on_or_ends(heard_: list[tuple[int, GbtMessage | CanFrame]]) -> None:
    talk = Talk()
    for later_ms, item in heard_:
        talk.wait(later_ms)
        if isinstance(item, CanFrame):
            talk._step(item)
        else:
            talk.hear(item)
        if talk.state.permitted:
            assert talk.state.phase is Phase.CHARGING
        assert len(talk.state.heard.items) <= len(KINDS)
    talk.want(stop="manual")
    talk.wait(20_000)
    assert talk.state.phase in OVER
    assert talk.wake_ns is None or talk.state.tp.receiving
