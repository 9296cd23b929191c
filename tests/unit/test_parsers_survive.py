"""A short, seeded run of every fuzz target; `make fuzz` is the long one (a million inputs each)."""

from __future__ import annotations

import random

import pytest
from tests.fuzz.targets import seeds, targets

TARGETS = targets()
INPUTS = 400


def mutated(dice: random.Random, seed: bytes) -> bytes:
    """A good frame with a few things wrong."""
    data = bytearray(seed)
    for _ in range(dice.randint(1, 4)):
        at = dice.randrange(len(data) + 1)
        match dice.randrange(6):
            case 0:
                data[at:at] = dice.randbytes(dice.randint(1, 9))
            case 1:
                del data[at : at + dice.randint(1, 9)]
            case 2 if data:
                data[at % len(data)] ^= 1 << dice.randrange(8)
            case 3 if data:
                data[at % len(data)] = dice.choice((0, 0x7E, 0x7F, 0xFF, 0x0D, 0x30))
            case 4:
                data = data[:at] + data[max(at - 20, 0) :]
            case _:
                data += dice.randbytes(dice.randint(0, 40))
    return bytes(data)


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_any_bytes_give_frames_or_a_typed_error(name: str) -> None:
    dice = random.Random(name)
    corpus = seeds(name)
    target = TARGETS[name]()
    for seed in corpus:
        target(seed)
    for _ in range(INPUTS):
        target(mutated(dice, dice.choice(corpus)))
