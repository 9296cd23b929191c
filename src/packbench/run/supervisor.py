"""The only one who talks to the board, and who renews its lease. A process of its own when live (app/supervise.py).

Owns the board's driver, the heartbeat and the proof test. It renews only when the channel whose contactor the board
holds answers its newest ping, at that moment, with readings that are fresh, plausible and within the limits
(run/renewal.py); a channel that is stuck, has tripped or is gone simply gets no renewal, and the board opens by itself.
A channel that is gone while the board is armed also has it tripped at once. It never raises a limit, never retries, and
knows nothing of the test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

from packbench.clock import Clock
from packbench.core.errors import DeviceError, DeviceRefused
from packbench.core.samples import BoardSample
from packbench.drivers.protocols import Board
from packbench.run.heartbeats import HeartbeatGaps
from packbench.run.renewal import RenewalRules, refusal
from packbench.run.supervision_link import Answer, Ask, Beat, End, Message, Missed, Ping, Pong, Withheld

PROOF_LOOK_NS = 20_000_000
PROOF_SLACK_NS = 500_000_000
"""How long after the lease a proof test waits for the contact to open."""
ASKED_MAX = 32
"""Commands that may be under way at once; more are refused."""
ALWAYS = frozenset({"open", "trip"})
"""But for those that take energy away."""
TRIP_HOST_GONE = 2
"""The board's trip detail for "the channel is gone"."""


class ProofTest(NamedTuple):
    """What was seen when the lease was withheld once."""

    lease_ns: int
    """From the last heartbeat that was acknowledged until the board was seen to open."""
    open_ns: int
    """The same until the auxiliary contact was seen open."""
    opened: bool
    """Whether it was."""


class Supervisor:
    """Serves one channel until the link to it ends."""

    def __init__(
        self, clock: Clock, board: Board, end: End, rules: RenewalRules, *, period_ns: int, lease_ns: int
    ) -> None:
        self._clock = clock
        self._board = board
        self._end = end
        self._rules = rules
        self._period_ns, self._lease_ns = period_ns, lease_ns
        self._asked = 0
        self._pong: Pong | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._proving = False
        self._beating = asyncio.Lock()
        """Held while a renewal is under way, from its ping to the board's answer."""
        self._renewed_ns = 0
        self._reason = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._renewing = self._stopped = False
        self._gaps = HeartbeatGaps()
        self.ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        """Set with the reason when the link to the channel is over, after what followed from that was done."""
        self._commands: dict[str, Callable[..., Awaitable[Any]]] = {
            "begin": self._begin,
            "prove": self._prove,
            "statistics": self._statistics,
            "identify": self._identify,
            **{name: getattr(board, name) for name in ("arm", "close", "open", "trip", "read", "announce", "log")},
        }
        end.attach(self._on_message, self._on_lost)

    def _on_message(self, message: Message) -> None:
        if isinstance(message, Pong):
            if message.number == self._asked:
                self._pong = message
                if self._waiting is not None and not self._waiting.done():
                    self._waiting.set_result(None)
        elif isinstance(message, Ask):
            if len(self._tasks) >= ASKED_MAX and message.command not in ALWAYS:
                self._end.send(Answer(message.number, DeviceRefused.__name__, "the supervisor has too much to do"))
            else:
                self._spawn(self._carry_out(message), f"board {message.command}")

    def _on_lost(self, reason: str) -> None:
        self._renewing = False
        if not self._stopped:
            self._spawn(self._close_up(reason), "close up")

    async def _close_up(self, reason: str) -> None:
        """Nobody is there any more who could stop the current: the board does, now and not at the end of its lease."""
        try:
            energised = (await self._board.read()).state in ("precharge", "closed")
        except DeviceError:
            energised = True  # for all that is known
        if energised:
            with suppress(DeviceError):
                await self._board.trip(TRIP_HOST_GONE)
        if not self.ended.done():
            self.ended.set_result(reason)

    async def _carry_out(self, ask: Ask) -> None:
        command = self._commands.get(ask.command)
        try:
            if command is None:
                raise DeviceRefused(f"the supervisor knows no {ask.command!r}")
            answer = Answer(ask.number, "", await command(*ask.arguments))
        except DeviceError as error:
            answer = Answer(ask.number, type(error).__name__, str(error))
        except Exception as error:  # noqa: BLE001 - a defect in one command must not end the lease of a run
            answer = Answer(ask.number, DeviceError.__name__, str(error) or type(error).__name__)
        self._end.send(answer)

    async def _identify(self) -> tuple[str, str, str]:
        identity = await self._board.identify()
        return identity.model, identity.serial, identity.firmware

    async def _begin(self) -> None:
        """Renew from now on, first at once."""
        if not self._renewing:
            self._renewing = True
            self._spawn(self._renew(self._clock.now_ns()), "lease")

    async def _statistics(self) -> dict[str, Any]:
        return self._gaps.as_dict()

    async def _renew(self, first_ns: int) -> None:
        due_ns = first_ns
        while True:
            await self._clock.sleep_until(due_ns)
            if not self._renewing:
                return
            if not self._proving:
                async with self._beating:
                    await self._beat(due_ns + self._period_ns)
            due_ns = max(due_ns + self._period_ns, self._clock.now_ns())

    async def _beat(self, until_ns: int) -> None:
        """Ask the channel; a good answer that comes before the next ping is due renews the lease."""
        reason = await self._ask_channel(until_ns)
        if reason != self._reason:
            self._reason = reason
            self._end.send(Withheld(reason))
        if reason:
            self._gaps.withheld += 1
            return
        try:
            sample = await self._board.heartbeat()
        except DeviceError as error:
            self._gaps.missed += 1
            self._end.send(Missed(type(error).__name__, str(error)))
        else:
            self._gaps.renewed(sample.t_ns)
            self._renewed_ns = sample.t_ns
            self._end.send(Beat(sample))

    async def _ask_channel(self, until_ns: int) -> str:
        """Why the lease is not renewed now; empty when it may be."""
        self._asked += 1
        self._pong = None
        self._end.send(Ping(self._asked))
        if self._pong is None:  # between two processes the answer takes its time
            self._waiting = asyncio.get_running_loop().create_future()
            with suppress(TimeoutError):
                async with asyncio.timeout(max(until_ns - self._clock.now_ns(), 0) / 1e9):
                    await self._waiting
            self._waiting = None
        pong = self._pong
        return "the channel did not answer" if pong is None else refusal(pong.feed, self._rules, self._clock.now_ns())

    async def _prove(self) -> ProofTest:
        """Withhold the lease once, and watch the board open by itself."""
        self._proving = True
        try:
            # A renewal that reached the board behind the word would make its opening a trip, and latch it.
            async with self._beating:
                await self._board.prove()
            self._gaps.pause()
            return await self._watched(self._renewed_ns)
        finally:
            self._proving = False

    async def _watched(self, since_ns: int) -> ProofTest:
        left_ns = 0
        deadline_ns = self._clock.now_ns() + self._lease_ns + PROOF_SLACK_NS
        while True:
            status: BoardSample = await self._board.read()
            now_ns = self._clock.now_ns()
            if status.state != "closed" and not left_ns:
                left_ns = now_ns - since_ns
            if not status.contactor_closed or now_ns >= deadline_ns:
                return ProofTest(left_ns, now_ns - since_ns, not status.contactor_closed)
            await self._clock.sleep_until(now_ns + PROOF_LOOK_NS)

    def _spawn(self, work: Any, name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not self.ended.done():
            # A defect of our own: no lease is renewed any more, and the channel is told by the end of the link.
            self._renewing = False
            self._end.close()
            self.ended.set_exception(error)

    async def stop(self) -> None:
        """End everything that runs here. Raises what was a defect of its own."""
        self._renewing = False
        self._stopped = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.ended.done():
            self.ended.result()
