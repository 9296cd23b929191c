"""J1939: identifiers, and long messages received from nodes that may lose, repeat, delay or invent frames."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.gbt27930_trace import TRACE
from tests.unit.j1939_parts import BMS, BRM, CHARGER, MS, from_bms, packets, to_bms

from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import (
    ABORT,
    CTS,
    END_ACK,
    PGN_TP_CM,
    PGN_TP_DT,
    abort_data,
    control_frame,
    cts_data,
    data_packets,
    end_ack_data,
    pack_id,
    rts_data,
    unpack_id,
)
from packbench.wire.can.j1939_transport import Message, TransportSettings, TransportState, advance, send, wake_ns


@pytest.mark.parametrize(
    ("can_id", "priority", "pgn", "destination", "source"),
    [
        (0x1826F456, 6, 0x2600, 0xF4, 0x56),
        (0x182756F4, 6, 0x2700, 0x56, 0xF4),
        (0x100956F4, 4, 0x0900, 0x56, 0xF4),
        (0x081FF456, 2, 0x1F00, 0xF4, 0x56),
        (0x1CECF456, 7, 0xEC00, 0xF4, 0x56),
        # PDU2: the low byte belongs to the group.
        (0x18FEEE00, 6, 0xFEEE, 0xFF, 0x00),
        (0x1DFF0102, 7, 0x1FF01, 0xFF, 0x02),
    ],
)
def test_identifiers(can_id: int, priority: int, pgn: int, destination: int, source: int) -> None:
    assert unpack_id(can_id) == (priority, pgn, destination, source)
    assert pack_id(priority, pgn, destination, source) == can_id


@given(st.integers(0, 0x1FFFFFFF))
def test_every_identifier_comes_back(can_id: int) -> None:
    assert pack_id(*unpack_id(can_id)) == can_id


@pytest.mark.parametrize("wrong", [(8, 0, 0, 0), (6, 0x2601, 0, 0), (6, 1 << 18, 0, 0), (6, 0, 256, 0), (6, 0, 0, -1)])
def test_what_is_no_identifier(wrong: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="0x"):
        pack_id(*wrong)


def test_control_frames_are_those_of_the_real_trace() -> None:
    assert rts_data(49, 0x0200).hex() == "10310007ff000200"
    assert rts_data(49, 0x0200, 7).hex() == "1031000707000200"
    assert cts_data(7, 1, 0x0200).hex() == "110701ffff000200"
    assert end_ack_data(49, 0x0200).hex() == "13310007ff000200"
    assert abort_data(0xFF, 0x0200).hex() == "ffffffffff000200"


def test_the_trace_s_messages_are_received_with_the_charger_s_own_answers() -> None:
    """Everything that the BMS sent goes in; what comes out is what the real charger sent, and the messages."""
    state = TransportState(CHARGER)
    answers: list[CanFrame] = []
    messages: list[Message] = []
    for t_ns, frame in TRACE:
        if unpack_id(frame.can_id).source != BMS:
            continue
        state, out, message = advance(state, frame, t_ns)
        answers += out
        if message is not None:
            messages.append(message)
    real = [frame for _, frame in TRACE if unpack_id(frame.can_id)[1:] == (PGN_TP_CM, BMS, CHARGER)]
    assert answers == real
    # The last one was begun when charging had ended, and its packets never came.
    assert [(item.pgn, len(item.payload)) for item in messages] == [
        (0x0200, 49), (0x0600, 13), (0x0600, 13), (0x1100, 9), (0x1100, 9), (0x1100, 9), (0x1100, 9)
    ]  # fmt: skip
    assert messages[0].payload == BRM
    assert messages[0].t_ns == TRACE[9].t_ns
    assert state.counts == replace(state.counts, malformed=0, timeouts=0, aborted=0, replaced=0)
    assert [item.pgn for item in state.receiving] == [0x1100]


@pytest.mark.parametrize(
    ("rts_limit", "packets_per_cts", "ctss"), [(255, 255, 1), (7, 255, 1), (2, 255, 4), (255, 3, 3)]
)
def test_byte_5_of_the_rts_and_our_own_bound_cut_the_message_into_windows(
    rts_limit: int, packets_per_cts: int, ctss: int
) -> None:
    state = TransportState(CHARGER, TransportSettings(packets_per_cts=packets_per_cts))
    state, out, _ = advance(state, from_bms(rts_data(49, 0x0200, rts_limit)), 0)
    asked, got, due = list(out), [], packets(BRM)
    message = None
    while message is None:
        count, first = asked[-1].data[1:3]
        assert count <= min(rts_limit, packets_per_cts)
        for frame in due[first - 1 : first - 1 + count]:
            state, out, message = advance(state, frame, 0)
            got.append(frame)
            asked += out
    assert len(got) == 7
    assert [frame.data[0] for frame in asked] == [CTS] * ctss + [END_ACK]
    assert message.payload == BRM


def test_a_lost_packet_is_asked_for_when_its_window_ends() -> None:
    state, _, _ = advance(TransportState(CHARGER), from_bms(rts_data(49, 0x0200)), 0)
    due = packets(BRM)
    for frame in due[:2] + due[3:6]:
        state, out, _ = advance(state, frame, 0)
        assert out == ()
    state, out, _ = advance(state, due[6], 0)
    assert out == (to_bms(cts_data(5, 3, 0x0200)),)
    state, out, message = advance(state, due[2], 0)
    assert message is not None
    assert message.payload == BRM
    assert out == (to_bms(end_ack_data(49, 0x0200)),)
    assert state.counts.retransmissions == 1


def test_a_packet_lost_again_and_again_ends_with_an_abort() -> None:
    state, _, _ = advance(TransportState(CHARGER), from_bms(rts_data(49, 0x0200)), 0)
    due = packets(BRM)
    kinds: list[int] = []
    for frame in 4 * (due[:2] + due[3:]):
        state, out, _ = advance(state, frame, 0)
        kinds += [item.data[0] for item in out]
    assert kinds == [CTS, CTS, ABORT]
    assert state.receiving == ()
    assert state.counts.aborted == 1


def test_each_packet_has_its_own_number_of_retransmissions() -> None:
    """Packet 2 is lost, then packet 5: the message gets on, and is not given up."""
    once = TransportState(CHARGER, TransportSettings(retransmissions=1))
    state, _, _ = advance(once, from_bms(rts_data(49, 0x0200)), 0)
    due = packets(BRM)
    asked: list[bytes] = []
    message = None
    for number in (1, 3, 4, 6, 7, 2, 3, 4, 6, 7, 5):
        assert message is None
        state, out, message = advance(state, due[number - 1], 0)
        asked += [frame.data for frame in out]
    assert asked == [cts_data(6, 2, 0x0200), cts_data(3, 5, 0x0200), end_ack_data(49, 0x0200)]
    assert message is not None
    assert message.payload == BRM


def test_packets_twice_and_out_of_order_do_no_harm() -> None:
    state, _, _ = advance(TransportState(CHARGER), from_bms(rts_data(20, 0x1500)), 0)
    payload = bytes(range(20))
    one, two, three = packets(payload)
    for frame in (two, two, one):
        state, out, message = advance(state, frame, 0)
        assert (out, message) == ((), None)
    _, _, message = advance(state, three, 5)
    assert message == Message(BMS, CHARGER, 0x1500, payload, 5)


def test_a_packet_that_is_already_here_keeps_no_session_alive() -> None:
    state, _, _ = advance(TransportState(CHARGER), from_bms(rts_data(20, 0x1500)), 0)
    one = packets(bytes(20))[0]
    state, _, _ = advance(state, one, 10 * MS)
    state, _, _ = advance(state, one, 500 * MS)
    assert wake_ns(state) == 760 * MS


def test_time_outs_of_a_receiver_t2_then_t1() -> None:
    times = TransportSettings(t1_ns=100 * MS, t2_ns=300 * MS)
    state, _, _ = advance(TransportState(CHARGER, times), from_bms(rts_data(20, 0x1500)), 0)
    assert wake_ns(state) == 300 * MS
    state, _, _ = advance(state, packets(bytes(20))[0], 50 * MS)
    assert wake_ns(state) == 150 * MS
    sent: list[bytes] = []
    now_ns = 50 * MS
    while (due := wake_ns(state)) is not None:
        assert advance(state, None, due - 1) == (state, (), None)
        now_ns = due
        state, out, _ = advance(state, None, now_ns)
        sent += [frame.data for frame in out]
    assert sent == [cts_data(2, 2, 0x1500), cts_data(2, 2, 0x1500), abort_data(3, 0x1500)]
    assert now_ns == (150 + 300 + 300) * MS
    assert (state.counts.timeouts, state.counts.aborted) == (3, 1)


def test_a_new_rts_of_the_same_node_replaces_the_message_it_has_left() -> None:
    state, _, _ = advance(TransportState(CHARGER), from_bms(rts_data(49, 0x0200)), 0)
    state, _, _ = advance(state, packets(BRM)[0], 0)
    state, out, _ = advance(state, from_bms(rts_data(9, 0x1100)), 0)
    assert out == (to_bms(cts_data(2, 1, 0x1100)),)
    payload = bytes(range(9))
    message = None
    for frame in packets(payload):
        state, _, message = advance(state, frame, 0)
    assert message == Message(BMS, CHARGER, 0x1100, payload, 0)
    assert state.counts.replaced == 1


def test_interleaved_messages_of_several_nodes_and_directions() -> None:
    """Two nodes send to us while we send to one of them."""
    state = TransportState(CHARGER)
    other = 0x30
    state, _, _ = advance(state, from_bms(rts_data(20, 0x1500)), 0)
    state, _, _ = advance(state, CanFrame(pack_id(7, PGN_TP_CM, CHARGER, other), rts_data(9, 0x1600)), 0)
    state, _, _ = send(state, BMS, 0x7000, bytes(9), 0)
    theirs, others = packets(b"t" * 20), data_packets(b"o" * 9)
    got: list[Message] = []
    for frame in (
        theirs[0],
        CanFrame(pack_id(7, PGN_TP_DT, CHARGER, other), others[0]),
        from_bms(cts_data(2, 1, 0x7000)),
        theirs[1],
        CanFrame(pack_id(7, PGN_TP_DT, CHARGER, other), others[1]),
        theirs[2],
        from_bms(end_ack_data(9, 0x7000)),
    ):
        state, _, message = advance(state, frame, 10**9)
        state, _, _ = advance(state, None, 10**9)
        if message is not None:
            got.append(message)
    assert [(item.source, item.payload) for item in got] == [(other, b"o" * 9), (BMS, b"t" * 20)]
    assert (state.receiving, state.sending) == ((), ())


def test_sessions_are_bounded() -> None:
    state = TransportState(CHARGER, TransportSettings(sessions_max=2))
    for source in (1, 2):
        state, _, _ = advance(state, control_frame(source, CHARGER, rts_data(20, 0x1500)), 0)
    state, out, _ = advance(state, control_frame(3, CHARGER, rts_data(20, 0x1500)), 0)
    assert out == (control_frame(CHARGER, 3, abort_data(2, 0x1500)),)
    assert [item.source for item in state.receiving] == [1, 2]
    # One that is here already may begin anew.
    state, out, _ = advance(state, control_frame(1, CHARGER, rts_data(9, 0x1600)), 0)
    assert out == (control_frame(CHARGER, 1, cts_data(2, 1, 0x1600)),)


@pytest.mark.parametrize(
    "data",
    [
        rts_data(49, 0x0200)[:7],
        bytes.fromhex("1000000000000200"),
        bytes.fromhex("10310006ff000200"),
        bytes.fromhex("10ffffffff000200"),
        bytes.fromhex("1031000700000200"),
        bytes.fromhex("20310007ff000200"),
        cts_data(7, 1, 0x0200),
        end_ack_data(49, 0x0200),
        abort_data(3, 0x0200),
    ],
    ids=lambda data: data.hex(),
)
def test_control_frames_that_make_no_sense_are_counted(data: bytes) -> None:
    state, out, message = advance(TransportState(CHARGER), from_bms(data), 0)
    assert (out, message, state.receiving, state.sending) == ((), None, (), ())
    assert state.counts.malformed == 1


def test_packets_without_a_session_or_beyond_what_was_asked_are_counted() -> None:
    state, _, _ = advance(TransportState(CHARGER), packets(BRM)[0], 0)
    state, _, _ = advance(state, from_bms(rts_data(49, 0x0200, 2)), 0)
    before = state.receiving
    for number in (0, 3, 8):
        state, _, _ = advance(state, from_bms(bytes((number,)) + bytes(7), PGN_TP_DT), 0)
    assert state.counts.malformed == 4
    assert state.receiving == before


def test_what_is_not_for_us_is_not_looked_at() -> None:
    state = TransportState(CHARGER)
    for frame in (
        control_frame(BMS, 0x57, rts_data(49, 0x0200)),
        CanFrame(0x181056F4, bytes(8)),
        CanFrame(0x123, rts_data(49, 0x0200), extended=False),
        CanFrame(pack_id(7, PGN_TP_CM, CHARGER, BMS), remote_length=8),
    ):
        assert advance(state, frame, 0) == (state, (), None)
