"""Starts the emulated bench's process, and says where its devices are.

Owns that process's input, with which its life is bound up: it ends a while after this side is gone, however that went.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packbench.app.devices import EMULATED
from packbench.app.job import Job
from packbench.core.errors import DeviceError

READY_S = 30.0
"""A process has to start, on a machine that may be busy."""
LINGER_S = 2.0
"""It goes on for so long after its controller: the lease runs out, the cycler's watchdog acts."""
END_WAIT_S = LINGER_S + 5.0
LINE_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class EmulatedWorld:
    """An emulated bench that runs."""

    process: asyncio.subprocess.Process
    urls: dict[str, str]
    """By the name of a line."""

    async def close(self) -> None:
        """It has nothing to wait for any more: see it end."""
        self.process.terminate()
        try:
            async with asyncio.timeout(END_WAIT_S):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def work_of(job: Job, seed: int, injections: tuple[tuple[str, int], ...], truth: Path | None) -> dict[str, Any]:
    """What an emulated bench is told: the texts it is made of, and which roles it plays."""
    specs = job.bench.devices
    return {
        "pack": {"name": job.pack_source.name, "text": job.pack_source.text},
        "bench": {"name": job.bench_source.name, "text": job.bench_source.text},
        "settings": list(job.settings),
        "seed": seed,
        "injections": [list(one) for one in injections],
        "roles": [role for role, spec in specs.items() if spec.url.startswith(EMULATED)],
        "linger_s": LINGER_S,
        "truth": "" if truth is None else str(truth),
    }


async def start_world(work: dict[str, Any]) -> EmulatedWorld:
    """Start an emulated bench. Raises DeviceError when it does not come up."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "packbench.app.world_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        limit=LINE_MAX,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(work).encode() + b"\n")
    try:
        async with asyncio.timeout(READY_S):
            line = await process.stdout.readline()
    except TimeoutError:
        line = b""
    if not line:
        process.kill()
        await process.wait()
        raise DeviceError("the emulated bench did not start")
    return EmulatedWorld(process, dict(json.loads(line)["urls"]))
