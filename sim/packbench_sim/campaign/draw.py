"""From a seed to the faults of a trial's lives: which row, in which state of the controller, how long after it began.

Owns the draw. Every pair of a row and a state in which it can occur comes up in turn, in an order shuffled once for all
campaigns, so that some hundred seeds go through all of them; what is random is the instant within the state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from packbench_sim.faults.active import PASSING
from packbench_sim.faults.catalogue import BY_ID

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


OF_ONE_STATE = 3
NEAR = "power.setpoint"
LATER = frozenset({"rest", "charge_cv", "discharge", "stopping"})
"""Than the beginning of a charge, or before it."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One fault of one life."""

    row: str
    state: str
    after_s: float
    """Since the state began; it is made true then, or as soon as the state is over."""
    slight: bool = False
    """Of a row that comes in sizes, the small one (Plant.inject)."""
    form: str = ""
    """Which of the small one's forms (faults.active); empty: drawn when it becomes true."""


def near_miss(seed: int, life: int, draws: Sequence[Draw]) -> Draw | None:
    """What a healthy bench shows as well, before the fault of a life: a deviation that is over before its rule's delay.

    Nothing may come of it. None: the life's fault comes as early, or is told by the same rule.
    """
    rng = Random(f"near {seed} {life}")
    if not draws or any(draw.state not in LATER or NEAR in (draw.row, *BY_ID[draw.row].rules) for draw in draws):
        return None
    return Draw(NEAR, "charge_cc", rng.uniform(1.5, 4.0), slight=True, form=PASSING)


def pairs_of(rows: Sequence[str]) -> list[tuple[str, str]]:
    """Every row with every state in which it can occur, in the campaign's order; rows of one state come up more often.

    What happens before a test begins has several forms, too, and takes no time.
    """
    found = [
        (name, state)
        for name in rows
        for state in sorted(BY_ID[name].states) * (OF_ONE_STATE if len(BY_ID[name].states) == 1 else 1)
    ]
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
