"""Fixtures of the scenarios."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import Truth, Witness

import packbench.app.live
import packbench_sim.world
from packbench_sim.world import World


@pytest.fixture
def witnesses(monkeypatch: pytest.MonkeyPatch) -> list[Witness]:
    """One witness for every simulated world that is built from now on."""
    seen: list[Witness] = []
    build = packbench_sim.world.build_parts

    def watched(*args: Any, **words: Any) -> World:
        world = build(*args, **words)
        seen.append(Witness(world))
        return world

    monkeypatch.setattr(packbench_sim.world, "build_parts", watched)
    return seen


@pytest.fixture
def truth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Truth:
    """What really happened on the emulated bench of a live run, once it is over."""
    found = Truth(tmp_path / "truth.json")
    made = packbench.app.live.world_work

    def work(*args: Any) -> dict[str, Any]:
        return {**made(*args), "truth": str(found.path)}

    monkeypatch.setattr(packbench.app.live, "world_work", work)
    return found
