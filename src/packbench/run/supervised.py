"""The board as its channel sees it: by way of the supervisor, which alone holds the line.

Owns the commands under way, and the answer to each ping. Must not renew a lease. It exists so that nobody on this side
asks whether the supervisor is a process or a task of the same loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from packbench.clock import Clock
from packbench.core.errors import BadReply, DeviceError, DeviceRefused, LinkError, ReplyTimeout
from packbench.core.samples import BoardSample
from packbench.drivers.protocols import Board, Identity
from packbench.run.renewal import Feed, RenewalRules
from packbench.run.supervision_link import Answer, Ask, Beat, End, Message, Missed, Ping, Pong, Withheld, memory_ends
from packbench.run.supervisor import ProofTest, Supervisor
from packbench_board.words import BoardEvent

ANSWER_S = 2.0
"""An answer must come within this time: the line's own time-outs are far shorter."""
SETUP_S = 20.0
"""A process has to start, on a machine that may be busy."""
PROOF_S = 4.0
"""The lease, what comes on top of it, and an answer's time."""
_ERRORS: dict[str, type[DeviceError]] = {
    kind.__name__: kind for kind in (DeviceError, LinkError, ReplyTimeout, BadReply, DeviceRefused)
}


def _unheard(_value: object) -> None:
    return None


class SupervisedBoard:
    """Implements the commands of drivers.protocols.Board, but for the heartbeat, and the hooks of a channel."""

    def __init__(self, end: End) -> None:
        self._end = end
        self._pending: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._lost = ""
        self.beats = 0
        """Renewals of the lease."""
        self.on_ping: Callable[[], Feed | None] = lambda: None
        """Asked for the channel's newest readings; None: no answer."""
        self.on_status: Callable[[BoardSample], None] = _unheard
        self.on_missed: Callable[[DeviceError], None] = _unheard
        self.on_withheld: Callable[[str], None] = _unheard
        self.on_lost: Callable[[str], None] = _unheard
        end.attach(self._on_message, self._gone)

    async def identify(self) -> Identity:
        return Identity(*await self._ask("identify"))

    async def arm(self, token: int) -> None:
        await self._ask("arm", token)

    async def begin(self) -> None:
        """Have the lease renewed from now on."""
        await self._ask("begin")

    async def close(self) -> None:
        await self._ask("close")

    async def prove(self) -> ProofTest:
        """Have the lease withheld once, and tell what was seen."""
        return ProofTest(*await self._ask("prove", within_s=PROOF_S))

    async def announce(self, current_a: float) -> None:
        await self._ask("announce", current_a)

    async def open(self) -> None:
        await self._ask("open")

    async def trip(self, code: int) -> None:
        await self._ask("trip", code)

    async def read(self) -> BoardSample:
        return BoardSample(*await self._ask("read"))

    async def log(self) -> tuple[BoardEvent, ...]:
        """The board's events that were not fetched before."""
        found = [BoardEvent(*event) for event in await self._ask("log", within_s=PROOF_S)]
        return tuple(event._replace(words=tuple(event.words)) for event in found)

    async def statistics(self) -> dict[str, Any]:
        """How far apart the renewals were."""
        return await self._ask("statistics")

    async def setup(self, work: dict[str, Any]) -> dict[str, Any]:
        """Tell a supervisor that is a process what it is for; what it has of the system (app/supervise.py)."""
        return await self._ask("setup", work, within_s=SETUP_S)

    async def stop(self) -> None:
        """Nothing is asked any more; a supervisor that is a process ends by itself."""
        self.close_link()

    def close_link(self) -> None:
        """End the link."""
        self.on_lost = _unheard
        self._gone("the link was closed")
        self._end.close()

    async def _ask(self, command: str, *arguments: Any, within_s: float = ANSWER_S) -> Any:
        if self._lost:
            raise LinkError(f"the supervisor is gone: {self._lost}")
        self._number += 1
        number = self._number
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._pending[number] = future
        try:
            self._end.send(Ask(number, command, arguments))
            async with asyncio.timeout(within_s):
                return await future
        except TimeoutError as error:
            raise ReplyTimeout(f"the supervisor did not answer {command!r} within {within_s:g} s") from error
        finally:
            del self._pending[number]

    def _on_message(self, message: Message) -> None:
        # By type, the frequent ones first: there are two of these for each renewal.
        if isinstance(message, Ping):
            feed = self.on_ping()
            if feed is not None:
                self._end.send(Pong(message.number, feed))
        elif isinstance(message, Beat):
            self.beats += 1
            self.on_status(message.sample)
        elif isinstance(message, Answer):
            self._take(message)
        elif isinstance(message, Missed):
            self.on_missed(_ERRORS.get(message.error, DeviceError)(message.words))
        elif isinstance(message, Withheld):
            self.on_withheld(message.reason)

    def _take(self, answer: Answer) -> None:
        """To whoever waits for it; one that comes too late is nobody's."""
        future = self._pending.get(answer.number)
        if future is None or future.done():
            return
        if answer.error:
            future.set_exception(_ERRORS.get(answer.error, DeviceError)(str(answer.value)))
        else:
            future.set_result(answer.value)

    def _gone(self, reason: str) -> None:
        if self._lost:
            return
        self._lost = reason
        for future in self._pending.values():
            if not future.done():
                future.set_exception(LinkError(f"the supervisor is gone: {reason}"))
        self.on_lost(reason)


class SupervisedHere(SupervisedBoard):
    """With the supervisor as a task of the same loop: virtual time."""

    def __init__(self, clock: Clock, board: Board, rules: RenewalRules, *, period_ns: int, lease_ns: int) -> None:
        near, far = memory_ends()
        self._supervisor = Supervisor(clock, board, far, rules, period_ns=period_ns, lease_ns=lease_ns)
        super().__init__(near)

    async def stop(self) -> None:
        """End the supervisor with it."""
        try:
            await self._supervisor.stop()
        finally:
            self.close_link()
