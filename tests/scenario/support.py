"""What the scenarios share: the command line, in this process or a fresh one, and a witness behind the wire."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from packbench.cli.program import main
from packbench_board.codes import State, TripCode
from packbench_board.frames import Status, StatusQuery
from packbench_sim.world import World

S = 1_000_000_000
MS = 1_000_000
PROGRAM = (sys.executable, "-c", "import sys; from packbench.cli.program import main; sys.exit(main())")
"""The program as the console script starts it, in whatever environment the tests run in."""


def environment(home: Path, **extra: str) -> dict[str, str]:
    """An environment for a fresh process: its own data folder, nothing of the user's settings."""
    return {**os.environ, "PACKBENCH_HOME": str(home), **extra}


def fresh(
    *words: str, home: Path, cwd: Path | None = None, timeout_s: float = 120.0, **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, with nobody at its input."""
    return subprocess.run(
        [*PROGRAM, *words],
        env=environment(home, **extra),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


def one_object(text: str) -> dict[str, Any]:
    """What --json promises: one JSON object on stdout, one line, nothing else."""
    assert text.endswith("\n"), text
    assert text.count("\n") == 1, f"more than one line on stdout: {text[:400]}"
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


@dataclass(frozen=True, slots=True)
class Answer:
    """What one invocation with --json came to."""

    code: int
    data: dict[str, Any]
    err: str


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> Answer:
    """Run a command with --json in this process."""
    capsys.readouterr()
    code = main([*words, "--json"])
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return Answer(code, one_object(captured.out), captured.err)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the emulated bench's own process said when it ended."""

    path: Path

    def read(self) -> dict[str, Any]:
        """The whole of it; the bench goes on for a while after its controller."""
        deadline_s = time.monotonic() + 15.0
        while not self.path.exists():
            assert time.monotonic() < deadline_s, "the emulated bench has said nothing"
            time.sleep(0.05)
        return json.loads(self.path.read_text(encoding="utf-8"))

    def assert_safe(self) -> dict[str, Any]:
        """Output off before the coil, contactor open, no current; the whole of it."""
        found = self.read()
        assert not found["coil"]
        assert not found["contactor_closed"]
        assert found["current_a"] == 0.0
        assert found["coil_edges"][-1][1] is False
        assert found["output_edges"][-1][1] is False
        return found

    def coil_off_s(self) -> float:
        """When the coil was commanded off for good, of the system's monotonic clock."""
        t_ns, closed = self.read()["coil_edges"][-1]
        assert not closed
        return t_ns / 1e9


@dataclass(slots=True)
class Witness:
    """Sees what happens in the plant itself, whatever the program believes."""

    world: World
    injected: list[tuple[int, str]] = field(default_factory=list)
    """(instant, fault id) of every fault as it became true."""
    coil: list[tuple[int, bool]] = field(default_factory=list)
    """(instant, closed) of every command to the coil that changed it."""
    output: list[tuple[int, bool]] = field(default_factory=list)
    """(instant, on) of every command to the cycler, the hard-wired enable among them."""

    def __post_init__(self) -> None:
        plant = self.world.plant
        self._wrap(plant, "inject", lambda fault_id: self.injected.append((plant.now_ns, fault_id)))
        self._wrap(plant.contactor, "drive", self._driven)
        self._wrap(plant.cycler, "command", lambda t_ns, **words: self.output.append((t_ns, words["output_on"])))

    def _wrap(self, owner: Any, name: str, note: Callable[..., None]) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **words: Any) -> None:
            note(*args, **words)
            original(*args, **words)

        setattr(owner, name, wrapped)

    def _driven(self, t_ns: int, *, closed: bool) -> None:
        if closed != self.world.plant.contactor.coil:
            self.coil.append((t_ns, closed))

    @property
    def fault_ns(self) -> int:
        """When the one injected fault became true."""
        ((t_ns, _),) = self.injected
        return t_ns

    def coil_off_ns(self) -> int:
        """When the coil was commanded off for good."""
        t_ns, closed = self.coil[-1]
        assert not closed, "the coil was never switched off"
        return t_ns

    def output_off_ns(self) -> int:
        """When the cycler was first told "off", after which it was never told "on" again."""
        ons = [index for index, (_, on) in enumerate(self.output) if on]
        after = self.output[ons[-1] + 1 :] if ons else self.output
        assert after, "the cycler was never switched off"
        return after[0][0]

    def board(self) -> Status:
        """The board's own status, asked for now."""
        status = self.world.board.ask(self.world.plant.now_ns, StatusQuery())
        assert isinstance(status, Status)
        return status

    def assert_safe(self) -> None:
        """Output off and contactor open in the plant, after its release time and an hour later.

        Only the plant goes on: no board, no host and no watchdog can help any more.
        """
        plant = self.world.plant
        assert plant.true_current_a == 0.0
        for later_ns in (plant.bench.contactor_release_ns, 3600 * S):
            plant.advance_to(plant.now_ns + later_ns)
            assert plant.true_current_a == 0.0
            assert not plant.cycler.output_on
            assert not plant.contactor.closed
            assert not plant.contactor.coil

    def assert_latched(self, *, by: tuple[TripCode, ...] = ()) -> None:
        """The board is tripped and will not close again."""
        status = self.board()
        assert State(status.state) is State.TRIPPED
        if by:
            assert TripCode(status.trip_code) in by
