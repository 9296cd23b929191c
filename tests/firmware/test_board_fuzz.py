"""Whole sessions with random bytes, orders, measurements and times, through ctypes: what must hold whatever comes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.firmware.harness import CONFIG, HEALTHY
from tests.firmware.reference import frame

from packbench_board.codes import IDLE_US, LOAD_BREAK_MAX_US, TX_MAX_BYTES, Flag, Input, Output, State
from packbench_board.core import HostCore
from packbench_board.frames import (
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    REQUESTS,
    Ack,
    Arm,
    Close,
    Heartbeat,
    Hello,
    Open,
    Reset,
    Status,
    StatusQuery,
    Trip,
)
from packbench_board.settings import config_crc

LEASE_US = CONFIG.lease_ms * 1000
STEP_LATE_US = 1000
CRC = config_crc(CONFIG)

noise = st.binary(max_size=700)
framed_noise = st.builds(frame, st.integers(0, 255), st.integers(0, 255), st.binary(max_size=60))
volts = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), noise | framed_noise, volts, volts, volts), max_size=30))
def test_nothing_received_makes_it_crash_or_close(traffic) -> None:
    core = HostCore()
    for tick_us, received, pack_v, cycler_v, current_a in traffic:
        sent = core.step(tick_us, HEALTHY, (pack_v, cycler_v, current_a), received)
        assert len(sent) <= TX_MAX_BYTES * (1 + len(received) // 512)
        assert not core.outputs & (Output.CONTACTOR | Output.PRECHARGE)
        assert 0 < core.next_us <= IDLE_US


token = st.integers(0, 6)
requests = st.one_of(
    st.just(Hello(PROTOCOL_HASH, FIRMWARE_HASH)),
    st.just(CONFIG),
    st.builds(Arm, token, st.sampled_from([CRC, CRC ^ 1])),
    st.just(Close()),
    st.just(Open()),
    st.builds(Heartbeat, token, st.integers(0, 30)),
    st.builds(Trip, st.integers(0, 3)),
    st.builds(Reset, token),
    st.just(StatusQuery()),
)
# A script that leads to a closed contactor often enough to be worth breaking.
opening_moves = [Hello(PROTOCOL_HASH, FIRMWARE_HASH), CONFIG, Arm(1, CRC), Close()]
events = st.one_of(
    requests,
    requests,
    st.integers(1, 700_000),  # time passes
    st.tuples(
        st.sampled_from(["pack_v", "cycler_v", "current_a"]), st.sampled_from([0.0, 300.0, 362.0, 500.0, -150.0])
    ),
    st.tuples(st.sampled_from(list(Input)), st.booleans()),
)


class Checked:
    """A core under watch: after every step, what may never be is looked for."""

    def __init__(self, tick_us: int) -> None:
        self.core = HostCore(tick_us)
        self.tick_us = tick_us
        self.t_us = 0
        self.inputs = HEALTHY
        self.measured = {"pack_v": 360.0, "cycler_v": 360.0, "current_a": 0.0}
        self.beat_us = 0
        """Newest instant at which the lease can have been renewed."""
        self.outputs = 0
        self.arm_token = -1
        self.trip_token = -1
        """The newest token known when it last tripped."""
        self.newest_token = 0
        self.opening_us: int | None = None
        self.tripped = False

    def ask(self, request):
        sensors = (self.measured["pack_v"], self.measured["cycler_v"], self.measured["current_a"])
        tick_us = (self.tick_us + self.t_us) & 0xFFFFFFFF
        reply = self.core.message(tick_us, self.inputs, sensors, request)
        if isinstance(request, Heartbeat) and isinstance(reply, Status) and reply.flags & Flag.ARMED:
            self.beat_us = self.t_us
        elif isinstance(request, Arm) and isinstance(reply, Ack) and request.token != self.arm_token:
            self.beat_us = self.t_us
            self.arm_token = request.token
            self.newest_token = max(self.newest_token, request.token)
        elif isinstance(request, Reset) and isinstance(reply, Ack):
            self.newest_token = max(self.newest_token, request.token)
            self.tripped = False
        self.check()
        return reply

    def check(self) -> None:
        now, before = self.core.outputs, self.outputs
        self.outputs = now
        closing = now & Output.CONTACTOR and not before & Output.CONTACTOR
        if closing:
            assert abs(self.measured["pack_v"] - self.measured["cycler_v"]) < CONFIG.precharge_delta_mv / 1000
            assert before & Output.PRECHARGE, "closed without precharge"
            assert not self.tripped, "closed while tripped"
            assert self.arm_token > self.trip_token, "closed on a token older than the last trip"
        if now & (Output.CONTACTOR | Output.PRECHARGE):
            assert self.inputs & Input.ESTOP_OK
            assert self.inputs & Input.HVIL_OK
            assert self.t_us - self.beat_us <= LEASE_US + LOAD_BREAK_MAX_US + 2 * STEP_LATE_US
        if now & Output.CYCLER_ENABLE:
            assert self.t_us - self.beat_us <= LEASE_US + STEP_LATE_US
        if now & Output.CONTACTOR and not now & Output.CYCLER_ENABLE:
            began_us = self.t_us if self.opening_us is None else self.opening_us
            assert self.t_us - began_us <= LOAD_BREAK_MAX_US + STEP_LATE_US, "opening took too long"
            self.opening_us = began_us
        else:
            self.opening_us = None

    def query(self) -> None:
        status = self.ask(StatusQuery())
        assert isinstance(status, Status)
        assert (status.trip_code == 0) == (status.state != State.TRIPPED) or status.state == State.OPENING
        assert not self.tripped or status.trip_code != 0, "the latch was lost"
        if status.trip_code and not self.tripped:
            self.tripped = True
            self.trip_token = self.newest_token

    def run(self, duration_us: int) -> None:
        end_us = self.t_us + duration_us
        while self.t_us < end_us:
            # The board's control loop comes when it is due, or up to a millisecond late.
            self.t_us = min(self.t_us + self.core.next_us + self.t_us % STEP_LATE_US, end_us)
            sensors = (self.measured["pack_v"], self.measured["cycler_v"], self.measured["current_a"])
            self.core.step((self.tick_us + self.t_us) & 0xFFFFFFFF, self.inputs, sensors)
            self.follow()
            self.check()

    def follow(self) -> None:
        closed = Input.AUX_CLOSED if self.core.outputs & Output.CONTACTOR else 0
        self.inputs = self.inputs & ~Input.AUX_CLOSED | closed


@settings(max_examples=600)
@given(st.integers(0, 0xFFFFFFFF), st.booleans(), st.lists(events, max_size=40))
def test_whatever_is_asked_in_whatever_order(tick_us: int, begun: bool, script) -> None:
    board = Checked(tick_us)
    if begun:
        for request in opening_moves:
            board.ask(request)
        board.run(50_000)
        assert board.outputs & Output.CONTACTOR
    for event in script:
        if isinstance(event, int):
            board.run(event)
        elif type(event) in REQUESTS:
            board.ask(event)
            board.follow()
        elif isinstance(event[0], str):
            board.measured[event[0]] = event[1]
        elif event[0] != Input.AUX_CLOSED:
            board.inputs = board.inputs | event[0] if event[1] else board.inputs & ~event[0]
            board.run(1)
        board.query()


@settings(max_examples=200)
@given(st.lists(st.tuples(requests, st.integers(1, 200_000)), max_size=30))
def test_with_and_without_frames_the_core_does_the_same(script) -> None:
    framed, direct = HostCore(), HostCore()
    t_us = 0
    for request, wait_us in script:
        sensors = (360.0, 360.0, 0.0)
        sent = framed.step(t_us, HEALTHY | Input.KEY_ON, sensors, framed.encode(request, 7))
        reply = direct.message(t_us, HEALTHY | Input.KEY_ON, sensors, request)
        decoded = framed.decode(sent)
        assert decoded is not None
        assert decoded[2] == tuple(reply)
        assert (framed.outputs, framed.next_us) == (direct.outputs, direct.next_us)
        t_us += wait_us
