"""The charger's session: phases, periods, time-outs, ends; against a BMS by hand and against a real one's trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.gbt27930_trace import TRACE

from packbench.core.errors import InputError
from packbench.core.samples import Quality
from packbench.drivers.gbt27930 import advance, begin
from packbench.drivers.gbt27930_heard import Heard, charging_allowed, faults, sample_of
from packbench.drivers.gbt27930_session import OVER, ChargerState, Phase, Wants
from packbench.drivers.gbt27930_settings import ChargerSettings, settings_from
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_CM, PGN_TP_DT, data_packets, pack_id, rts_data, unpack_id
from packbench.wire.gbt27930.frames import BMS, CHARGER, KINDS, frame_of, message_in, payload_of
from packbench.wire.gbt27930.layout import encode_message
from packbench.wire.gbt27930.messages import (
    BEM_CAUSES,
    BST_CAUSES,
    CST_CAUSES,
    NOT_YET,
    READY,
    SET,
    Bcl,
    Bcp,
    Bcs,
    Bem,
    Bhm,
    Bmt,
    Bmv,
    Brm,
    Bro,
    Bsd,
    Bsm,
    Bst,
    Ccs,
    Cem,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    Cts,
    GbtMessage,
    causes,
    states,
)

MS, S = 1_000_000, 1_000_000_000
BRM = Brm(1, 1, 3, 176.0, 144.0, maker="ACME", serial=b"\x01\x02\x03\x04", vin="LTEST000000000001")
BCP = Bcp(3.65, 100.0, 25_000.0, 164.0, 55.0, 0.5, 150.0)
BCL = Bcl(164.0, 60.0, 2)
BCS = Bcs(150.5, 59.8, 3.35, 1, 0.51, 3600.0)
BSM = Bsm(7, 31.0, 2, 27.0, 1)
BSD = Bsd(0.52, 3.2, 3.36, 26.0, 32.0)
SILENT_UNTIL_NS = 100 * S


class Talk:
    """A session with a BMS that says what a test has it say."""

    def __init__(self, chosen: ChargerSettings | None = None) -> None:
        self.now_ns = 0
        self.state = begin(chosen or ChargerSettings(), 0)
        self.said: list[tuple[int, Any]] = []
        self.transport: list[bytes] = []
        self.wake_ns: int | None = 0
        self._step(None)

    def _step(self, frame: CanFrame | None) -> None:
        self.state, frames, self.wake_ns = advance(self.state, frame, self.now_ns)
        for item in frames:
            message = message_in(item)
            if message is None:
                self.transport.append(item.data)
            else:
                self.said.append((self.now_ns // MS, message))

    def hear(self, *messages: GbtMessage) -> None:
        for message in messages:
            kind, payload = payload_of(message)
            if len(payload) <= 8:
                self._step(frame_of(message))
                continue
            self._step(CanFrame(pack_id(7, PGN_TP_CM, CHARGER, BMS), rts_data(len(payload), kind.pgn)))
            for data in data_packets(payload):
                self._step(CanFrame(pack_id(7, PGN_TP_DT, CHARGER, BMS), data))

    def wait(self, ms: float, *, keep: tuple[GbtMessage, ...] = (), each_ms: float = 50) -> None:
        """Let time pass; `keep`: what the BMS goes on saying meanwhile."""
        end_ns = self.now_ns + round(ms * MS)
        next_ns = self.now_ns + round(each_ms * MS) if keep else end_ns
        while True:
            due_ns = min(end_ns, next_ns, SILENT_UNTIL_NS if self.wake_ns is None else self.wake_ns)
            assert due_ns >= self.now_ns
            self.now_ns = due_ns
            self._step(None)
            assert self.wake_ns is None or self.wake_ns > self.now_ns
            if due_ns == next_ns and keep:
                self.hear(*keep)
                next_ns += round(each_ms * MS)
            if due_ns == end_ns:
                return

    def want(self, **changes: Any) -> None:
        self.state = replace(self.state, wants=replace(self.state.wants, **changes))
        self._step(None)

    def take(self) -> list[tuple[int, Any]]:
        said, self.said = self.said, []
        return said

    def kinds(self) -> list[str]:
        return [type(message).__name__ for _, message in self.take()]

    def charge(self) -> None:
        self.hear(Bhm(164.0), BRM, BCP, Bro(READY), BCL, BCS, BSM)
        assert self.state.phase is Phase.CHARGING
        self.take()


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


# --------------------------------------------------------------------------- samples


def heard(*messages: tuple[int, GbtMessage]) -> Heard:
    found = Heard()
    for t_ns, message in messages:
        found = found.having(t_ns, message)
    return found


FULL = ((10, BCP), (1000, BCL), (2000, BCS), (3000, BSM))


def test_a_sample_needs_demand_measurement_and_state() -> None:
    for without in (BCL, BCS, BSM):
        assert sample_of(heard(*(item for item in FULL if item[1] is not without)), use_cells=True) is None


def test_a_sample_says_what_the_bms_says_and_nothing_else() -> None:
    sample = sample_of(heard(*FULL), use_cells=True)
    assert sample is not None
    assert (sample.voltage_v, sample.current_a, sample.soc) == (150.5, 59.8, 0.51)
    assert (sample.charge_limit_a, sample.discharge_limit_a) == (60.0, None)
    assert (sample.soh, sample.cycles, sample.balancing) == (None, None, None)
    assert (sample.cell_max_v, sample.cell_max_index) == (3.35, 7)
    assert np.isnan(sample.cell_min_v)
    assert sample.cell_voltages_v.size == 0
    assert sample.temperatures_c == (27.0, 31.0)
    assert (sample.alarms, sample.quality) == ((), Quality.GOOD)
    # As old as the oldest message in it.
    assert sample.t_ns == 1000


def test_cells_make_a_sample_as_old_as_they_are() -> None:
    cells = Bmv((3.31, 3.35, 3.3), (0, 0, 1))
    full = heard(*FULL, (500, cells), (700, Bmt((25.0, None, 29.0))))
    sample = sample_of(full, use_cells=True)
    assert sample is not None
    assert sample.cell_voltages_v.tolist() == [3.31, 3.35, 3.3]
    assert (sample.cell_min_v, sample.cell_min_index) == (3.3, 3)
    assert sample.temperatures_c == (25.0, 29.0)
    # BSM's extremes are newer than the lists.
    assert (sample.temperature_min_c, sample.temperature_max_c) == (25.0, 31.0)
    assert sample.t_ns == 500
    without = sample_of(full, use_cells=False)
    assert without is not None
    assert (without.cell_voltages_v.size, without.t_ns) == (0, 1000)


def test_the_highest_cell_is_the_higher_of_both_readings() -> None:
    full = heard(*FULL, (500, Bmv((3.31, 3.34, 3.3), (0, 0, 0))))
    sample = sample_of(full, use_cells=True)
    assert sample is not None
    assert (sample.cell_max_v, sample.cell_max_index) == (3.35, 7)
    sample = sample_of(full.having(600, Bmv((3.36, 3.34, 3.3), (0, 0, 0))), use_cells=True)
    assert sample is not None
    assert (sample.cell_max_v, sample.cell_max_index) == (3.36, 1)


@pytest.mark.parametrize(
    ("bcp", "bcl", "bsm", "limit_a"),
    [
        (BCP, BCL, BSM, 60.0),
        (replace(BCP, charge_current_max_a=40.0), BCL, BSM, 40.0),
        (BCP, replace(BCL, current_demand_a=-5.0), BSM, 0.0),
        (BCP, replace(BCL, current_demand_a=None), BSM, 100.0),
        (BCP, BCL, replace(BSM, permit=0), 0.0),
        (BCP, BCL, replace(BSM, permit=3), 0.0),
        (BCP, BCL, replace(BSM, insulation=SET), 0.0),
        (replace(BCP, charge_current_max_a=None), replace(BCL, current_demand_a=None), BSM, None),
    ],
)
def test_the_charge_limit(bcp: Bcp, bcl: Bcl, bsm: Bsm, limit_a: float | None) -> None:
    sample = sample_of(heard((0, bcp), (0, bcl), (0, BCS), (0, bsm)), use_cells=True)
    assert sample is not None
    assert (sample.charge_limit_a, sample.discharge_limit_a) == (limit_a, None)


def test_states_of_bsm_are_alarms_by_name() -> None:
    assert faults(BSM) == ()
    high = replace(BSM, cell_voltage=1, soc=1, over_current=1, over_temperature=1, insulation=1, connector=1)
    assert faults(high) == (
        "cell_over_voltage", "soc_high", "charge_over_current", "over_temperature", "insulation_low", "connector_fault"
    )  # fmt: skip
    assert faults(replace(BSM, cell_voltage=2, soc=2)) == ("cell_under_voltage", "soc_low")
    # Not to be trusted is no fault: appendix C.3.
    unsure = replace(BSM, over_current=2, over_temperature=2, insulation=2, connector=2)
    assert faults(unsure) == ()
    assert charging_allowed(unsure)


@pytest.mark.parametrize(
    "message",
    [
        replace(BCS, current_a=400.1), replace(BCS, current_a=-5000.0), replace(BCS, cell_voltage_max_v=24.01),
        replace(BCS, soc=1.01), replace(BSM, temperature_max_c=201.0), Bmv((3.3, None), (0, 0)), Bmv((24.01,), (0,)),
        Bmt((25.0, 201.0)),
    ],
)  # fmt: skip
def test_what_no_pack_can_be_is_implausible(message: GbtMessage) -> None:
    sample = sample_of(heard(*FULL).having(3000, message), use_cells=True)
    assert sample is not None
    assert sample.quality is Quality.IMPLAUSIBLE


def test_values_that_are_not_given_are_absent() -> None:
    bcs = Bcs(None, None, None, 15, None, None)
    bsm = Bsm(None, None, None, None, None)
    sample = sample_of(heard((0, BCL), (0, bcs), (0, bsm)), use_cells=True)
    assert sample is not None
    assert (sample.voltage_v, sample.current_a, sample.soc, sample.temperatures_c) == (None, None, None, ())
    assert np.isnan(sample.cell_max_v)
    assert sample.quality is Quality.GOOD


# -------------------------------------------------------------------------- settings


def test_a_charger_stops_for_a_cause_that_cst_can_say() -> None:
    with pytest.raises(ValueError, match="lunch"):
        Wants(stop="lunch")


def test_settings_come_from_options_by_name() -> None:
    chosen = settings_from(
        {"edition": "2011", "bcl_timeout_s": 0.5, "ccs_bytes": 7, "retries": 1, "permit": False, "use_cells": False,
         "current_max_a": 120, "charger_number": 12, "region": "UA ", "rated_voltage_v": 500}
    )  # fmt: skip
    assert chosen == ChargerSettings(
        edition="2011", bcl_timeout_ns=S // 2, ccs_bytes=7, retries=1, permit=False, use_cells=False,
        current_max_a=120.0, charger_number=12, region="UA ",
    )  # fmt: skip
    assert settings_from({}) == settings_from({"charger_number": None, "region": None}) == ChargerSettings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("edition", "2023"), ("ccs_bytes", 9), ("ccs_bytes", True), ("permit", 1), ("retries", -1),
        ("bcl_timeout_s", "soon"), ("current_max_a", 500), ("general_timeout_s", True), ("charger_number", 1 << 32),
        ("region", "four"), ("region", "é--"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(name: str, value: Any) -> None:
    with pytest.raises(InputError, match=name):
        settings_from({name: value})


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
