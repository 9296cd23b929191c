"""The link between channel and supervisor: its messages, its bounds, and what each side does when the other is gone."""

from __future__ import annotations

import asyncio
import math
import socket

import pytest

from packbench.clock import MonotonicClock
from packbench.core.errors import DeviceRefused, LinkError, ReplyTimeout
from packbench.core.samples import BoardSample
from packbench.drivers.protocols import Identity
from packbench.run import supervised
from packbench.run.heartbeats import HeartbeatGaps
from packbench.run.renewal import Feed, RenewalRules
from packbench.run.supervised import SupervisedBoard
from packbench.run.supervision_link import (
    LINE_MAX,
    UNREAD_MAX,
    Answer,
    Ask,
    Beat,
    Message,
    Missed,
    Ping,
    Pong,
    StreamEnd,
    Withheld,
    decode,
    encode,
    memory_ends,
)
from packbench.run.supervisor import ASKED_MAX, TRIP_HOST_GONE, ProofTest, Supervisor
from packbench_board.words import BoardEvent

S = 1_000_000_000
FEED = Feed(False, True, 5, 52.0, 20.0, 4, 16, 3.2, 3.3, 2, 20.0, 25.0)
RULES = RenewalRules(60 * S, 60 * S, 16, 2, 60.0, 40.0, 3.65, 2.5, 100.0, 100.0, 55.0, -10.0)
CLOSED = BoardSample(7, "closed", True, phase="done", pack_voltage_v=52.0, cycler_voltage_v=52.0, current_a=1.5)


@pytest.mark.parametrize(
    "message",
    [
        Ping(3),
        Pong(3, FEED),
        Ask(1, "arm", (7,)),
        Answer(1, "", "whatever"),
        Answer(1, "BadReply", "words: 中文"),
        Beat(CLOSED),
        Missed("ReplyTimeout", "no reply"),
        Withheld(""),
    ],
)
def test_a_message_is_the_same_after_the_stream(message: Message) -> None:
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line[:-1]) == message


def test_what_is_absent_stays_absent() -> None:
    pong = decode(encode(Pong(1, FEED._replace(current_a=float("nan"))))[:-1])
    assert isinstance(pong, Pong)
    assert math.isnan(pong.feed.current_a)


@pytest.mark.parametrize("line", [b"", b"{}", b"[]", b"[1]", b'["Nothing"]', b'["Ping"]', b'["Pong",1,[1]]', b"\xff"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="no message"):
        decode(line)


class FakeBoard:
    """A board that does what it is told, and remembers it."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.sample = CLOSED
        self.beats = 0
        self.hold = asyncio.Event()
        self.hold.set()

    async def identify(self) -> Identity:
        return Identity("fake", "", "1")

    async def arm(self, token: int) -> None:
        self.told.append(("arm", token))

    async def close(self) -> None:
        await self.hold.wait()

    async def prove(self) -> None:
        self.told.append("prove")

    async def announce(self, current_a: float) -> None:
        raise DeviceRefused("board refused sign: bad_value")

    async def open(self) -> None:
        self.told.append("open")

    async def trip(self, code: int) -> None:
        self.told.append(("trip", code))

    async def log(self) -> tuple[BoardEvent, ...]:
        return (BoardEvent(1, 2, 3, "inputs", "", 5, ("aux_closed", "key_on")),)

    async def heartbeat(self) -> BoardSample:
        self.beats += 1
        return self.sample._replace(t_ns=MonotonicClock().now_ns())

    async def read(self) -> BoardSample:
        return self.sample


class Pair:
    """A channel's side and a supervisor, in memory or on a socket pair."""

    def __init__(self, board: FakeBoard, near: supervised.End, far: supervised.End) -> None:
        self.board = board
        self.supervisor = Supervisor(MonotonicClock(), board, far, RULES, period_ns=S // 50, lease_ns=S // 10)
        self.near = SupervisedBoard(near)
        self.near.on_ping = self.feed
        self.answers = True

    def feed(self) -> Feed | None:
        now_ns = MonotonicClock().now_ns()
        return FEED._replace(cycler_ns=now_ns, bms_ns=now_ns) if self.answers else None

    async def end(self) -> None:
        await self.supervisor.stop()
        self.near.close_link()


async def pair(kind: str) -> Pair:
    if kind == "memory":
        return Pair(FakeBoard(), *memory_ends())
    first, second = socket.socketpair()
    for each in (first, second):
        each.setblocking(False)
    return Pair(FakeBoard(), await StreamEnd.on(first), await StreamEnd.on(second))


KINDS = pytest.mark.parametrize("kind", ["memory", "stream"])


@KINDS
async def test_commands_go_through_and_come_back(kind: str) -> None:
    both = await pair(kind)
    assert await both.near.identify() == Identity("fake", "", "1")
    await both.near.arm(9)
    assert both.board.told == [("arm", 9)]
    assert await both.near.read() == CLOSED
    assert await both.near.log() == (BoardEvent(1, 2, 3, "inputs", "", 5, ("aux_closed", "key_on")),)
    with pytest.raises(DeviceRefused, match="bad_value"):
        await both.near.announce(1.0)
    await both.end()


@KINDS
async def test_the_lease_is_renewed_only_on_an_answer(kind: str) -> None:
    both = await pair(kind)
    reasons: list[str] = []
    both.near.on_withheld = reasons.append
    await both.near.begin()
    await asyncio.sleep(0.2)
    assert 2 <= both.board.beats <= 12
    assert abs(both.near.beats - both.board.beats) <= 1
    both.answers = False
    await asyncio.sleep(0.2)
    silent_from = both.board.beats
    await asyncio.sleep(0.2)
    assert both.board.beats == silent_from
    assert reasons[-1] == "the channel did not answer"
    both.answers = True
    await asyncio.sleep(0.5)
    assert both.board.beats > silent_from
    assert set(reasons) == {"the channel did not answer", ""}
    statistics = await both.near.statistics()
    assert statistics["withheld"] >= 5
    assert statistics["gap_max_s"] >= 0.2
    await both.end()


@KINDS
async def test_a_late_answer_renews_nothing(kind: str) -> None:
    both = await pair(kind)
    both.answers = False
    await both.near.begin()
    await asyncio.sleep(0.1)
    for number in range(3):
        both.near._end.send(Pong(number, FEED))
    await asyncio.sleep(0.02)
    assert both.board.beats == 0
    await both.end()


@KINDS
async def test_a_channel_that_is_gone_has_the_board_tripped(kind: str) -> None:
    both = await pair(kind)
    await both.near.begin()
    both.near._end.close()
    assert await asyncio.wait_for(both.supervisor.ended, 2.0)
    assert both.board.told == [("trip", TRIP_HOST_GONE)]
    beats = both.board.beats
    await asyncio.sleep(0.1)
    assert both.board.beats == beats
    await both.end()


@KINDS
async def test_an_open_board_is_left_alone_at_the_end(kind: str) -> None:
    both = await pair(kind)
    both.board.sample = BoardSample(7, "safe", False)
    both.near.close_link()
    assert await asyncio.wait_for(both.supervisor.ended, 2.0)
    assert both.board.told == []
    await both.end()


@KINDS
async def test_a_supervisor_that_is_gone_fails_what_is_under_way(kind: str) -> None:
    both = await pair(kind)
    both.board.hold.clear()
    lost: list[str] = []
    both.near.on_lost = lost.append
    closing = asyncio.create_task(both.near.close())
    await asyncio.sleep(0.02)
    both.supervisor._end.close()
    with pytest.raises(LinkError, match="the supervisor is gone"):
        await closing
    with pytest.raises(LinkError, match="the supervisor is gone"):
        await both.near.open()
    assert len(lost) == 1
    await both.end()


async def test_a_supervisor_that_stands_still_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervised, "ANSWER_S", 0.05)
    near, _far = memory_ends()
    with pytest.raises(ReplyTimeout, match="did not answer 'open'"):
        await SupervisedBoard(near)._ask("open", within_s=0.05)


async def test_more_commands_than_it_can_hold_are_refused() -> None:
    both = await pair("memory")
    both.board.hold.clear()
    waiting = [asyncio.create_task(both.near.close()) for _ in range(ASKED_MAX)]
    await asyncio.sleep(0.01)
    with pytest.raises(DeviceRefused, match="too much to do"):
        await both.near.read()
    await both.near.open()
    await both.near.trip(1)
    assert both.board.told == ["open", ("trip", 1)]
    both.board.hold.set()
    await asyncio.gather(*waiting)
    await both.end()


async def test_the_proof_is_timed_from_the_last_renewal() -> None:
    both = await pair("memory")
    await both.near.begin()
    await asyncio.sleep(0.05)
    proving = asyncio.create_task(both.near.prove())
    await asyncio.sleep(0.03)
    beats = both.board.beats
    both.board.sample = CLOSED._replace(state="opening")
    await asyncio.sleep(0.05)
    assert both.board.beats == beats, "nothing was renewed meanwhile"
    both.board.sample = CLOSED._replace(state="safe", contactor_closed=False)
    proof = await proving
    assert both.board.told == ["prove"]
    assert isinstance(proof, ProofTest)
    assert proof.opened
    assert 0 < proof.lease_ns < proof.open_ns < S // 2
    await both.end()


async def test_a_contact_that_does_not_open_fails_the_proof() -> None:
    both = await pair("memory")
    await both.near.begin()
    proof = await both.near.prove()
    assert not proof.opened
    assert proof.open_ns > S // 10
    await both.end()


async def test_a_stream_is_bounded_both_ways() -> None:
    first, second = socket.socketpair()
    for each in (first, second):
        each.setblocking(False)
    end, lost = await StreamEnd.on(first), []
    end.attach(lambda _message: None, lost.append)
    second.send(b"x" * 1000)
    sent = 1000
    while sent <= LINE_MAX and not lost:
        with_room = second.send(b"x" * 10_000)
        sent += with_room
        await asyncio.sleep(0)
    await asyncio.sleep(0.05)
    assert lost == ["a line without an end"]
    second.close()
    first, second = socket.socketpair()
    first.setblocking(False)
    end, lost = await StreamEnd.on(first), []
    end.attach(lambda _message: None, lost.append)
    while not lost:
        end.send(Withheld("y" * (UNREAD_MAX // 4)))
    assert lost == ["the other side does not read"]
    second.close()
    await asyncio.sleep(0)


def test_gaps_are_counted_but_for_those_made_on_purpose() -> None:
    gaps = HeartbeatGaps()
    assert gaps.at_most_s(0.5) is None
    t_ns = 0
    for gap_ms in [200] * 98 + [250, 400]:
        gaps.renewed(t_ns)
        t_ns += gap_ms * 1_000_000
    gaps.renewed(t_ns)
    gaps.pause()
    gaps.renewed(t_ns + 5 * S)
    told = gaps.as_dict()
    assert (told["renewed"], told["gap_p50_s"], told["gap_p99_s"], told["gap_max_s"]) == (102, 0.2, 0.25, 0.4)
    assert told["gaps_ms"] == {"200": 98, "250": 1, "400": 1}


@KINDS
async def test_a_board_that_says_nothing_is_told_to_trip_all_the_same(kind: str) -> None:
    both = await pair(kind)
    await both.near.begin()

    async def silent() -> BoardSample:
        raise ReplyTimeout("no reply")

    both.board.read = silent  # type: ignore[method-assign]
    both.near._end.close()
    assert await asyncio.wait_for(both.supervisor.ended, 2.0)
    assert both.board.told == [("trip", TRIP_HOST_GONE)]
    await both.end()
