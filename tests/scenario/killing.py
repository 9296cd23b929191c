"""Real processes: an emulated bench that stays, and programs on it that are killed.

Owns the bench's process and the programs started on it. Instants are of the system's monotonic clock.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.scenario.support import PROGRAM, environment

from packbench.app.devices import line_names
from packbench.app.emulated_world import work_of
from packbench.app.job import Job


class KeptBench:
    """An emulated bench that outlives the programs on it. Use it as a context manager."""

    def __init__(self, job: Job, folder: Path, seed: int = 1) -> None:
        self.truth_path, self.world_path = folder / "truth.json", folder / "world.json"
        self._names = line_names(job.bench)
        work = {**work_of(job, seed, (), self.truth_path), "linger_s": 0.5}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "packbench.app.world_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._say(work)
        assert self._process.stdout is not None
        self.ready = json.loads(self._process.stdout.readline())
        self.world_path.write_text(json.dumps(self.ready), encoding="utf-8")

    @property
    def board_url(self) -> str:
        return str(self.ready["urls"][self._names["board"]])

    def _say(self, words: dict[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()

    def reset_board(self, home: Path) -> None:
        """A person turns the key, and resets the board in her name."""
        self._say({"key": False})
        time.sleep(0.2)
        self._say({"key": True})
        time.sleep(0.2)
        words = ["board", "reset", "--url", self.board_url, "--operator", "Li"]
        done = subprocess.run(
            [*PROGRAM, *words], env=environment(home), capture_output=True, text=True, timeout=60, check=False
        )
        self._say({"key": False})
        assert done.returncode == 0, done.stderr + done.stdout

    def end(self) -> dict[str, Any]:
        """What really happened."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)
        return json.loads(self.truth_path.read_text(encoding="utf-8"))

    def __enter__(self) -> KeptBench:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(20)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def started(bench: KeptBench, home: Path, *words: str) -> subprocess.Popen[str]:
    """The program on the bench."""
    return subprocess.Popen(
        [*PROGRAM, *words, "--world", str(bench.world_path), "--operator", "Li", "--arm", "--no-report", "--json"],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def send(process: subprocess.Popen[str], number: signal.Signals) -> float:
    """Send a signal to the program alone; when."""
    at_s = time.monotonic()
    os.kill(process.pid, number)
    return at_s
