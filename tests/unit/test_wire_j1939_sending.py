"""J1939: long messages sent, and two nodes with a bad line between them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.j1939_parts import BMS, BRM, CHARGER, MS, from_bms, packets, to_bms

from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import (
    ABORT,
    CTS,
    END_ACK,
    PGN_TP_CM,
    PGN_TP_DT,
    RTS,
    abort_data,
    cts_data,
    end_ack_data,
    pack_id,
    rts_data,
    unpack_id,
)
from packbench.wire.can.j1939_transport import TransportSettings, TransportState, advance, is_sending, send, wake_ns

# ------------------------------------------------------------------------------- sending


def test_a_sender_sends_what_is_asked_for_at_its_pace() -> None:
    state, out, _ = send(TransportState(BMS), CHARGER, 0x0200, BRM, 0)
    assert out == (from_bms(rts_data(49, 0x0200)),)
    assert is_sending(state, CHARGER)
    state, out, _ = advance(state, to_bms(cts_data(7, 1, 0x0200)), 7 * MS)
    sent = list(out)
    while len(sent) < 7:
        now_ns = (7 + 10 * len(sent)) * MS
        assert wake_ns(state) == now_ns
        state, out, _ = advance(state, None, now_ns)
        sent += out
    assert sent == packets(BRM)
    assert wake_ns(state) == (67 + 1250) * MS
    state, out, _ = advance(state, to_bms(end_ack_data(49, 0x0200)), 74 * MS)
    assert (out, is_sending(state, CHARGER), wake_ns(state)) == ((), False, None)


def test_a_sender_without_an_answer_aborts_and_repeats_as_in_the_trace() -> None:
    state, out, _ = send(TransportState(BMS), CHARGER, 0x0200, BRM, 0)
    said = [(0, frame.data) for frame in out]
    while (due := wake_ns(state)) is not None:
        state, out, _ = advance(state, None, due)
        said += [(due // MS, frame.data) for frame in out]
    rts, abort = rts_data(49, 0x0200), abort_data(3, 0x0200)
    assert said == [(0, rts), (1250, abort), (1250, rts), (2500, abort), (2500, rts), (3750, abort)]
    assert state.sending == ()


def test_hold_and_go_on() -> None:
    state, _, _ = send(TransportState(BMS, TransportSettings(packet_gap_ns=0)), CHARGER, 0x0200, BRM, 0)
    state, out, _ = advance(state, to_bms(cts_data(3, 1, 0x0200)), 0)
    assert [frame.data[0] for frame in out] == [1, 2, 3]
    state, out, _ = advance(state, to_bms(cts_data(0, 4, 0x0200)), 0)
    assert (out, wake_ns(state)) == ((), 1050 * MS)
    state, out, _ = advance(state, to_bms(cts_data(255, 4, 0x0200)), 0)
    assert [frame.data[0] for frame in out] == [4, 5, 6, 7]
    # And back to what was lost.
    state, out, _ = advance(state, to_bms(cts_data(1, 2, 0x0200)), 0)
    assert [frame.data[0] for frame in out] == [2]
    state, out, _ = advance(state, to_bms(cts_data(1, 8, 0x0200)), 0)
    assert (out, state.counts.malformed) == ((), 1)


def test_a_clearance_for_another_message_is_none() -> None:
    state, _, _ = send(TransportState(BMS), CHARGER, 0x0200, BRM, 0)
    for data in (cts_data(7, 1, 0x0600), end_ack_data(49, 0x0600)):
        state, out, _ = advance(state, to_bms(data), 0)
        assert out == ()
    assert is_sending(state, CHARGER)
    assert state.counts.malformed == 2


def test_packets_that_are_due_go_out_however_late_the_sender_is() -> None:
    state, _, _ = send(TransportState(BMS), CHARGER, 0x0200, BRM, 0)
    state, out, _ = advance(state, to_bms(cts_data(7, 1, 0x0200)), 7 * MS)
    state, out, _ = advance(state, None, 5000 * MS)
    assert [frame.data[0] for frame in out] == [2]
    assert state.counts.aborted == 0


def test_an_abort_by_the_other_side_ends_the_message() -> None:
    state, _, _ = send(TransportState(BMS), CHARGER, 0x0200, BRM, 0)
    state, out, _ = advance(state, to_bms(abort_data(2, 0x0200)), 0)
    assert (out, state.sending, state.counts.aborted) == ((), (), 1)
    state, _, _ = advance(TransportState(CHARGER), from_bms(rts_data(49, 0x0200)), 0)
    # An abort of another message leaves this one alone.
    state, _, _ = advance(state, from_bms(abort_data(0xFF, 0x0600)), 0)
    assert len(state.receiving) == 1
    state, _, _ = advance(state, from_bms(abort_data(0xFF, 0x0200)), 0)
    assert state.receiving == ()


@pytest.mark.parametrize("size", [0, 1786])
def test_lengths_that_cannot_be_sent(size: int) -> None:
    with pytest.raises(ValueError, match="cannot send"):
        send(TransportState(BMS), CHARGER, 0x0200, bytes(size), 0)


def test_one_message_at_a_time_to_a_node() -> None:
    state, _, _ = send(TransportState(BMS), CHARGER, 0x0200, BRM, 0)
    with pytest.raises(ValueError, match="now"):
        send(state, CHARGER, 0x0600, bytes(13), 0)


# ------------------------------------------------------------------------ two nodes, a bad line


@settings(deadline=None)
@given(
    st.binary(min_size=1, max_size=400),
    st.integers(1, 255),
    st.integers(1, 255),
    st.lists(st.sampled_from(["pass", "pass", "pass", "lose", "twice"]), max_size=60),
)
def test_a_message_arrives_whole_or_not_at_all(payload: bytes, limit: int, per_cts: int, fates: list[str]) -> None:
    """Frames are lost or doubled for a while, in both directions, then no more: it arrives, or both give it up."""
    a = TransportState(BMS, TransportSettings(rts_limit=limit))
    b = TransportState(CHARGER, TransportSettings(packets_per_cts=per_cts))
    a, out, _ = send(a, CHARGER, 0x1500, payload, 0)
    wire = list(out)
    now_ns, got, steps = 0, [], 0
    while wire or a.sending or b.receiving:
        steps += 1
        assert steps < 5000
        if not wire:
            now_ns = min(due for due in (wake_ns(a), wake_ns(b)) if due is not None)
            a, out_a, _ = advance(a, None, now_ns)
            b, out_b, _ = advance(b, None, now_ns)
            wire += (*out_a, *out_b)
            continue
        frame = wire.pop(0)
        fate = fates.pop() if fates else "pass"
        for _ in range({"lose": 0, "pass": 1, "twice": 2}[fate]):
            if unpack_id(frame.can_id).destination == CHARGER:
                b, out, message = advance(b, frame, now_ns)
                if message is not None:
                    got.append(message.payload)
            else:
                a, out, _ = advance(a, frame, now_ns)
            wire += out
    assert set(got) <= {payload}
    if not a.counts.aborted and not b.counts.aborted:
        assert got


@given(
    st.lists(
        st.tuples(
            st.sampled_from([PGN_TP_CM, PGN_TP_DT, 0x1100]),
            st.sampled_from([CHARGER, 0x57]),
            st.integers(0, 40),
            st.one_of(
                st.binary(max_size=8),
                st.builds(lambda kind, rest: bytes((kind,)) + rest, st.sampled_from([RTS, CTS, END_ACK, ABORT]),
                          st.binary(min_size=7, max_size=7)),
            ),
            st.integers(0, 2000 * MS),
        ),
        max_size=60,
    )
)  # fmt: skip
def test_any_frames_leave_a_bounded_state(frames: list[tuple[int, int, int, bytes, int]]) -> None:
    state = TransportState(CHARGER)
    state, _, _ = send(state, 3, 0x0200, BRM, 0)
    now_ns = 0
    for pgn, destination, source, data, later_ns in frames:
        now_ns += later_ns
        state, out, message = advance(state, CanFrame(pack_id(7, pgn, destination, source), data), now_ns)
        assert len(state.receiving) <= state.settings.sessions_max
        assert len(out) < 20
        assert message is None or len(message.payload) <= 1785
        due = wake_ns(state)
        assert due is None or due > now_ns - 10 * MS
