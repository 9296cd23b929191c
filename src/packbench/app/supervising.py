"""Starts the supervisor's process, and gives the board as its channel sees it.

Owns that process's life: it is in a session of its own, so that Ctrl-C reaches the channel alone, and it ends when the
link to it does.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from dataclasses import asdict, dataclass
from typing import Any

from packbench.app.job import Job
from packbench.run.board_settings import board_settings
from packbench.run.renewal import renewal_rules
from packbench.run.supervised import SupervisedBoard
from packbench.run.supervision_link import StreamEnd

END_WAIT_S = 3.0
"""How long it may take to end once the link is closed."""


@dataclass(frozen=True, slots=True)
class Supervision:
    """A supervisor that runs."""

    board: SupervisedBoard
    process: asyncio.subprocess.Process
    ready: dict[str, Any]
    """Its pid, and what it has of the system: memory_locked, real_time, reasons."""

    async def close(self) -> None:
        """End the link, and see the process end."""
        self.board.close_link()
        try:
            async with asyncio.timeout(END_WAIT_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def work_of(job: Job, url: str) -> dict[str, Any]:
    """What a supervisor is told: where its board is, and what it and the lease are held against."""
    bench = job.bench
    return {
        "url": url,
        "reply_timeout_ns": bench.board.reply_timeout_ns,
        "settings": asdict(board_settings(bench, job.limits, stepped=job.program is None)),
        "rules": list(renewal_rules(bench, job.pack, job.limits)),
        "period_ns": bench.heartbeat_period_ns,
        "lease_ns": bench.lease_ns,
    }


async def start_supervisor(work: dict[str, Any]) -> Supervision:
    """Start a supervisor for what `work_of` says. Raises DeviceError when it cannot reach the board's line."""
    near, far = socket.socketpair()
    with far:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "packbench.app.supervise", str(far.fileno())),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            pass_fds=(far.fileno(),),
            start_new_session=True,
        )
    near.setblocking(False)
    board = SupervisedBoard(await StreamEnd.on(near))
    try:
        ready = await board.setup(work)
    except BaseException:
        await Supervision(board, process, {}).close()
        raise
    return Supervision(board, process, ready)
