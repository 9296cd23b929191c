"""The board's serial line for tests: one request, one answer, with the instant of sending. No retries.

Owns the socket. Must not decide when to beat.
"""

from __future__ import annotations

import time
from pathlib import Path

from tests.board.clients import ANSWER_TIMEOUT_S, connect
from tests.firmware.harness import OPERATOR

from packbench_board.codec import BoardCodec
from packbench_board.codes import EVENTS_MAX, EventKind, State
from packbench_board.frames import (
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    Arm,
    BoardMessage,
    Close,
    Configure,
    Event,
    EventQuery,
    Heartbeat,
    Hello,
    HelloReply,
    HostMessage,
    Reset,
    Status,
    StatusQuery,
)


class Line:
    """A host on the board's line, with the token and counter of its heartbeat."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._codec = BoardCodec()
        self._buffer = bytearray()
        self._socket = connect(path)
        self.token = 0
        self.counter = 0
        self.beaten_ns = 0
        """When the last valid heartbeat was about to be sent."""

    def ask(self, request: HostMessage, timeout_s: float = ANSWER_TIMEOUT_S) -> BoardMessage:
        """The answer; DeviceRefused for a NAK, TimeoutError when none comes."""
        self.send(self._codec.encode(request))
        end_s = time.monotonic() + timeout_s
        while True:
            answer = self._codec.decode(request, self._buffer)
            if answer is not None:
                return answer
            self._socket.settimeout(max(end_s - time.monotonic(), 0.001))
            chunk = self._socket.recv(4096)
            assert chunk, "the line went away"
            self._buffer += chunk

    def send(self, data: bytes) -> None:
        self._socket.settimeout(ANSWER_TIMEOUT_S)
        self._socket.sendall(data)

    def unplug(self) -> None:
        self._socket.close()

    def plug(self) -> None:
        self._socket = connect(self.path)
        self._buffer.clear()

    def first_status(self) -> Status:
        """Of a board that is just starting: what is sent before its receiver is on is lost, so ask again."""
        end_s = time.monotonic() + ANSWER_TIMEOUT_S
        while True:
            try:
                return self.status(timeout_s=0.3)
            except TimeoutError:
                assert time.monotonic() < end_s, "the board does not answer"

    def hello(self) -> HelloReply:
        answer = self.ask(Hello(PROTOCOL_HASH, FIRMWARE_HASH))
        assert isinstance(answer, HelloReply)
        return answer

    def status(self, timeout_s: float = ANSWER_TIMEOUT_S) -> Status:
        answer = self.ask(StatusQuery(), timeout_s)
        assert isinstance(answer, Status)
        return answer

    def arm(self, config: Configure) -> None:
        """Configure and arm with the next token."""
        self.token = self.hello().last_token + 1
        self.ask(config)
        self.ask(Arm(self.token, self.hello().config_crc))
        self.counter = 0

    def reset(self) -> None:
        self.ask(Reset(self.hello().last_token + 1, OPERATOR))

    def beat(self) -> Status:
        self.counter += 1
        self.beaten_ns = time.monotonic_ns()
        answer = self.ask(Heartbeat(self.token, self.counter))
        assert isinstance(answer, Status)
        return answer

    def close_contactor(self, timeout_s: float = 5.0) -> None:
        """Begin the arm sequence and beat until the contactor is closed and proven."""
        self.ask(Close())
        end_s = time.monotonic() + timeout_s
        while (status := self.beat()).state != State.CLOSED or status.phase < 9:
            assert time.monotonic() < end_s and status.refused == 0 and status.trip_code == 0, status
            time.sleep(0.005)

    def beat_for(self, duration_s: float, period_s: float = 0.05) -> Status:
        """Beat as a host does."""
        end_s = time.monotonic() + duration_s
        status = self.beat()
        while time.monotonic() < end_s:
            time.sleep(period_s)
            status = self.beat()
        return status

    def events(self) -> list[Event]:
        """Everything that the board remembers, oldest first."""
        found: list[Event] = []
        number = 0
        for _ in range(EVENTS_MAX + 1):
            event = self.ask(EventQuery(number))
            assert isinstance(event, Event)
            if event.number >= event.total:
                break
            found.append(event)
            number = event.number + 1
        return found

    def newest(self, kind: EventKind, code: int | None = None) -> Event:
        """The newest event of a kind (and code)."""
        found = [event for event in self.events() if event.kind == kind and code in (None, event.code)]
        assert found, f"no event {kind.name} {code}"
        return found[-1]
