"""An asyncio event loop whose clock jumps to the next deadline when nothing is ready.

Owns virtual time. Deterministic: equal deadlines fire in the order they were set (a sequence
number in the timer's key), and nothing here asks the operating system for anything. It must not
be given real file descriptors, sockets or threads: those race the jump, so they are refused.
No timer and nothing ready is a deadlock and raises, instead of hanging a test.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any, NoReturn, TypeVar

T = TypeVar("T")

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""The wall clock of a virtual run starts here, whatever the day: same seed, same bytes."""


GC_THRESHOLD = 50_000
"""Container objects alive before the collector looks (Python's own: 700). A tenth of the time at object level."""


class DeadlockError(RuntimeError):
    """Every task waits and no timer is set: virtual time can never move again."""


class _Soon(asyncio.Handle):
    """A handle without the debugging parts: making and running them is what the loop does most."""

    __slots__ = ("args_", "callback_", "cancelled_", "context_")

    def __init__(  # pyright: ignore[reportMissingSuperCall]
        self, callback: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context | None
    ) -> None:
        self.callback_ = callback
        self.args_ = args
        self.context_ = contextvars.copy_context() if context is None else context
        self.cancelled_ = False

    def cancel(self) -> None:
        self.cancelled_ = True

    def cancelled(self) -> bool:
        return self.cancelled_


class VirtualLoop(asyncio.BaseEventLoop):
    """The loop. Make one with `run_virtual`, which also closes it."""

    def __init__(self) -> None:
        super().__init__()
        self._now_ns = 0
        self._sequence = 0
        self._timers: list[tuple[int, int, Callable[..., object], tuple[Any, ...]]] = []
        self._soon: deque[_Soon] = deque()
        self._stopping = False
        self.on_tick: Callable[[int], None] | None = None
        """Told each new instant before anything happens in it: what held until then can be judged as it was."""

    def now_ns(self) -> int:
        """Virtual nanoseconds since the loop was made."""
        return self._now_ns

    def time(self) -> float:
        """The same in seconds, for asyncio's own use."""
        return self._now_ns / 1e9

    def at_ns(self, when_ns: int, callback: Callable[..., object], *args: Any) -> None:
        """Call back at an instant; cannot be cancelled (the cheap path: no handle is made)."""
        self._sequence += 1
        heappush(self._timers, (when_ns, self._sequence, callback, args))

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        handle = _Soon(callback, args, context)
        self._soon.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self._timer(self._now_ns + max(round(delay * 1e9), 0), callback, args, context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self._timer(round(when * 1e9), callback, args, context)

    def call_soon_threadsafe(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError("virtual time has no threads: their duration is not virtual")

    def run_in_executor(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError("virtual time has no executor threads: their duration is not virtual")

    def _timer(
        self,
        when_ns: int,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when_ns / 1e9, callback, args, self, context)
        self.at_ns(when_ns, self._fire, handle, callback, args, context)
        return handle

    def _fire(
        self,
        handle: asyncio.TimerHandle,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:
        if not handle.cancelled():
            self._soon.append(_Soon(callback, args, context))

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio's hook: a cancelled handle stays in the heap and is skipped when it comes up."""

    def _run_once(self) -> None:
        """asyncio's hook. Turns are taken here until somebody stops the loop: a call a turn is what costs most."""
        soon, timers = self._soon, self._timers
        take = soon.popleft
        while not self._stopping:
            if not soon:
                if not timers:
                    raise DeadlockError("nothing is ready and no timer is set")
                # A deadline in the past fires now: virtual time never runs backwards.
                now_ns = timers[0][0]
                if now_ns > self._now_ns:
                    self._now_ns = now_ns
                    if self.on_tick is not None:
                        self.on_tick(now_ns)
                else:
                    now_ns = self._now_ns
                while timers and timers[0][0] <= now_ns:
                    _, _, callback, args = heappop(timers)
                    callback(*args)
            for _ in range(len(soon)):
                handle = take()
                if not handle.cancelled_:
                    handle.context_.run(handle.callback_, *handle.args_)


class VirtualClock:
    """packbench.clock.Clock on a VirtualLoop."""

    boot_id: str = "virtual"

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.now_ns = loop.now_ns

    async def sleep_until(self, t_ns: int) -> None:
        loop = self._loop
        future: asyncio.Future[None] = asyncio.Future(loop=loop)
        loop.at_ns(t_ns, _wake, future)
        await future

    def call_at(self, t_ns: int, callback: Callable[[], object]) -> None:
        self._loop.at_ns(t_ns, callback)

    def wall(self) -> datetime:
        return EPOCH + timedelta(microseconds=self._loop.now_ns() // 1000)


def _wake(future: asyncio.Future[None]) -> None:
    """Finish a sleep, unless its sleeper was cancelled."""
    if not future.done():
        future.set_result(None)


def run_virtual(main: Callable[[VirtualClock], Coroutine[Any, Any, T]]) -> T:
    """Run `main(clock)` to its end on a fresh virtual loop.

    Raises whatever main raises; DeadlockError when everything waits for ever.
    """
    with _rare_collections(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(main(VirtualClock(loop)))


@contextmanager
def _rare_collections() -> Generator[None]:
    """Let the cycle collector look rarely: a run makes samples by the million and hardly a cycle among them."""
    before = gc.get_threshold()
    gc.set_threshold(GC_THRESHOLD, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
