"""The proof test on a line that takes its time: whichever moment of the lease's rhythm it comes in, it latches nothing.

The board is the compiled core. A renewal that reaches it behind PROVE would make the opening that is asked for a trip.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.firmware.harness import Rig

from packbench.core.errors import DeviceRefused
from packbench.core.samples import BoardSample
from packbench.run.renewal import Feed, RenewalRules
from packbench.run.supervision_link import Message, Ping, Pong
from packbench.run.supervisor import ProofTest, Supervisor
from packbench_board.codes import State
from packbench_board.frames import BoardMessage, Heartbeat, HostMessage, Nak, Prove, Status, StatusQuery
from packbench_board.words import board_sample
from packbench_sim.loop import VirtualClock, run_virtual

MS = 1_000_000
PERIOD_NS = 200 * MS
RULES = RenewalRules(10**9, 10**9, 96, 2, 403.2, 268.8, 4.25, 2.7, 110.0, 110.0, 60.0, -20.0)
WIRE_NS, PONG_NS = 20 * MS, 10 * MS
"""A slow line, so that a few phases show it."""


class SlowBoard:
    """The core behind a line that carries one exchange at a time."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._line = asyncio.Lock()
        self._counter = 0
        self.rig = Rig()
        self.rig.step()
        self.rig.close(1)
        self._zero_us = self.rig.t_us

    async def _exchange(self, request: HostMessage) -> BoardMessage:
        async with self._line:
            await self._clock.sleep_until(self._clock.now_ns() + WIRE_NS // 2)
            now_us = self._zero_us + self._clock.now_ns() // 1000
            self.rig.run(max(now_us - self.rig.t_us, 0))
            answer = self.rig.ask(request)
            await self._clock.sleep_until(self._clock.now_ns() + WIRE_NS // 2)
        if isinstance(answer, Nak):
            raise DeviceRefused(str(answer))
        return answer

    async def heartbeat(self) -> BoardSample:
        self._counter += 1
        return self._sample(await self._exchange(Heartbeat(1, self._counter)))

    async def read(self) -> BoardSample:
        return self._sample(await self._exchange(StatusQuery()))

    async def prove(self) -> None:
        await self._exchange(Prove())

    def _sample(self, answer: BoardMessage) -> BoardSample:
        assert isinstance(answer, Status)
        return board_sample(self._clock.now_ns(), answer)

    def __getattr__(self, name: str) -> Any:
        """The commands that nobody gives here."""
        return None


class PromptChannel:
    """Answers each ping a little later."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def attach(self, on_message: Any, on_lost: Any) -> None:
        self._on_message = on_message

    def send(self, message: Message) -> None:
        if isinstance(message, Ping):
            now_ns = self._clock.now_ns() + PONG_NS
            feed = Feed(False, True, now_ns, 360.0, 0.0, now_ns, 96, 3.7, 3.8, 2, 24.0, 26.0)
            self._clock.call_at(now_ns, lambda: self._on_message(Pong(message.number, feed)))

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize("phase_ms", range(0, 200, 10))
def test_a_proof_test_latches_nothing(phase_ms: int) -> None:
    async def main(clock: VirtualClock) -> tuple[ProofTest, State]:
        board: Any = SlowBoard(clock)
        supervisor = Supervisor(clock, board, PromptChannel(clock), RULES, period_ns=PERIOD_NS, lease_ns=500 * MS)
        await supervisor._begin()
        await clock.sleep_until(clock.now_ns() + (400 + phase_ms) * MS)
        proof = await supervisor._prove()
        state = board.rig.state
        await supervisor.stop()
        return proof, state

    proof, state = run_virtual(main)
    assert proof.opened
    assert state is State.SAFE, "opened by itself, and not latched"
