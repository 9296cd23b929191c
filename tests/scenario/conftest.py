"""Fixtures of the scenarios."""

from __future__ import annotations

from typing import Any

import pytest
from tests.scenario.support import Witness

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
