"""A channel in a process of its own: has a supervisor close a board's contactor, and then lets itself be hurt.

    python -m tests.board.controller URL

Says one line of JSON once the contactor is closed. A line on its input has it block its own loop for so many seconds.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from dataclasses import asdict

from packbench.app.supervising import start_supervisor
from packbench.clock import MonotonicClock
from packbench.run.renewal import Feed, RenewalRules
from packbench_board.settings import BoardSettings

S = 1_000_000_000
SETTINGS = BoardSettings(
    voltage_max_v=403.2,
    voltage_min_v=268.8,
    charge_current_max_a=110.0,
    discharge_current_max_a=110.0,
    residual_timeout_ns=0,
    match_timeout_ns=0,
    sign_timeout_ns=0,
)
RULES = RenewalRules(S, S, 96, 2, 403.2, 268.8, 4.25, 2.7, 110.0, 110.0, 60.0, -20.0)


def feed() -> Feed:
    """A pack that is well, read just now."""
    now_ns = MonotonicClock().now_ns()
    return Feed(False, True, now_ns, 360.0, 0.0, now_ns, 96, 3.74, 3.76, 2, 24.0, 26.0)


async def run(url: str) -> None:
    work = {
        "url": url,
        "reply_timeout_ns": S // 5,
        "settings": asdict(SETTINGS),
        "rules": list(RULES),
        "period_ns": S // 5,
        "lease_ns": S // 2,
    }
    supervision = await start_supervisor(work)
    board = supervision.board
    board.on_ping = feed
    await board.identify()
    await board.arm(1)
    await board.begin()
    await board.close()
    while (status := await board.read()).phase != "done":
        assert not status.refused, status
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.5)
    print(json.dumps({"pid": os.getpid(), "supervisor": supervision.ready, "beats": board.beats}), flush=True)  # noqa: T201
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        time.sleep(float(line))  # noqa: ASYNC251 - a blocked loop is what is tried
    await supervision.close()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
