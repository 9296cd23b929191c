"""The supervisor's process: holds the board's line, and renews its lease for a channel in another process.

Owns the composition of that process, and what it asks of the system: memory that is not swapped out, and a priority
that a busy machine cannot starve. It is started by app/supervising.py with one end of a socket pair as its only
argument, and ends when the other end does. Ctrl-C is the channel's to answer: the lease goes on while it stops safely.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
import signal
import socket
import sys
from typing import Any

from packbench.clock import MonotonicClock
from packbench.core.errors import PackbenchError
from packbench.drivers.protocols import Identity
from packbench.run.port import Port
from packbench.run.renewal import RenewalRules
from packbench.run.supervision_link import Answer, Ask, Message, StreamEnd
from packbench.run.supervisor import Supervisor
from packbench.transport.link import Timing
from packbench.transport.open import open_transport, parse_url
from packbench_board.client import BoardClient
from packbench_board.codec import RETRIES, BoardCodec, repeatable
from packbench_board.settings import BoardSettings

LOCK_ALL = 3
"""MCL_CURRENT | MCL_FUTURE (mlockall(2))."""
PRIORITY = 20
"""SCHED_FIFO, of 1 to 99: above every program that asks for none, below the kernel's own threads."""
NICENESS = -10


def hold_memory() -> str:
    """Have no page of this process swapped out; why not, when the system does not allow it."""
    library = ctypes.CDLL(None, use_errno=True)
    return "" if library.mlockall(LOCK_ALL) == 0 else os.strerror(ctypes.get_errno())


def take_priority() -> str:
    """Run before everything that is not real-time; why not, when the system does not allow it."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except OSError as error:
        try:
            os.nice(NICENESS)
        except OSError:
            return error.strerror or "refused"
        return f"{error.strerror}; runs at niceness {NICENESS}"
    return ""


async def _first(end: StreamEnd) -> Ask | None:
    """What this process is for; None when the other side is gone before it said so."""
    said: asyncio.Future[Ask | None] = asyncio.get_running_loop().create_future()

    def on_message(message: Message) -> None:
        if isinstance(message, Ask) and message.command == "setup" and not said.done():
            said.set_result(message)

    def on_lost(_reason: str) -> None:
        if not said.done():
            said.set_result(None)

    end.attach(on_message, on_lost)
    return await said


async def serve(number: int) -> None:
    """Serve the channel on the other end of the inherited socket, until it is gone."""
    end = await StreamEnd.on(socket.socket(fileno=number))
    ask = await _first(end)
    if ask is None:
        return
    work: dict[str, Any] = ask.arguments[0]
    clock = MonotonicClock()
    try:
        url = parse_url(work["url"])
        port = Port(await open_transport(url), clock, local_echo=url.local_echo)
    except PackbenchError as error:
        end.send(Answer(ask.number, "LinkError", str(error)))
        await asyncio.sleep(0.1)
        return
    link = port.link(BoardCodec(), Timing(work["reply_timeout_ns"]), retries=RETRIES, repeatable=repeatable)
    board = BoardClient(link, BoardSettings(**work["settings"]), Identity)
    rules = RenewalRules(*work["rules"])
    supervisor = Supervisor(clock, board, end, rules, period_ns=work["period_ns"], lease_ns=work["lease_ns"])
    end.send(Answer(ask.number, "", _prepared()))
    try:
        await supervisor.ended
    finally:
        await supervisor.stop()
        port.close()


def _prepared() -> dict[str, Any]:
    """Everything is loaded: freeze it, and say what the system gave."""
    gc.collect()
    gc.freeze()
    memory, priority = hold_memory(), take_priority()
    return {
        "pid": os.getpid(),
        "memory_locked": not memory,
        "real_time": not priority,
        "reasons": [reason for reason in (memory, priority) if reason],
    }


def main() -> int:
    """Entry: the number of the inherited socket is the only argument."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    try:
        asyncio.run(serve(int(sys.argv[1])))
    except Exception as error:  # noqa: BLE001 - the last line of a process: the board opens by its lease
        sys.stderr.write(f"packbench supervisor: {type(error).__name__}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
