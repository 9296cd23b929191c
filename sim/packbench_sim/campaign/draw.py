"""From a seed to the faults of a trial's lives: which row, in which state of the controller, how long after it began.

Owns the draw. Every pair of a row and a state in which it can occur comes up in turn, in an order shuffled once for all
campaigns, so that some hundred seeds go through all of them; what is random is the instant within the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from packbench_sim.faults.catalogue import ROWS

LIVES_MAX = 64
"""More than a trial of an hour has."""
LASTS_S = {
    "connecting": 0.3,
    "precharge": 0.15,
    "rest": 9.0,
    "charge_cc": 8.0,
    "charge_cv": 35.0,
    "discharge": 50.0,
    "stopping": 0.1,
    "tripped": 3.0,
}
"""How long each state lasts in the campaign's profile, about."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One fault of one life."""

    row: str
    state: str
    after_s: float
    """Since the state began; it is made true then, or as soon as the state is over."""
    slight: bool = False
    """Of a row that comes in sizes, the small one (Plant.inject)."""


def pairs_of(rows: Sequence[str]) -> list[tuple[str, str]]:
    """Every row with every state in which it can occur, in the campaign's order."""
    known = {row.id: row for row in ROWS}
    found = [(name, state) for name in rows for state in sorted(known[name].states)]
    Random(20261126).shuffle(found)
    return found


def drawn(seed: int, rows: Sequence[str], *, pairs: bool) -> list[tuple[Draw, ...]]:
    """The faults of each life, in order."""
    rng = Random(f"draw {seed}")
    turn = pairs_of(rows)
    each = 2 if pairs else 1
    first = seed * LIVES_MAX // 3 * each
    lives: list[tuple[Draw, ...]] = []
    for life in range(LIVES_MAX):
        chosen = [turn[(first + life * each + number) % len(turn)] for number in range(each)]
        lives.append(
            tuple(Draw(row, state, rng.uniform(0.0, LASTS_S[state]), rng.random() < 0.5) for row, state in chosen)
        )
    return lives
