"""Random strings into the parser of battery codes, and which share of single typos it catches."""

from __future__ import annotations

import argparse
import random
import time
from datetime import date

from packbench.core.errors import InputError
from packbench.trace.codes import parse
from packbench.trace.codes.code import ALPHANUMERIC, CHARACTERS, YEARS, date_text
from packbench.trace.codes.repair import LOOKS_LIKE, diagnose

TODAY = date(2026, 11, 26)
POOL = ALPHANUMERIC * 3 + "abcdefghijklmnopqrstuvwxyz-_. ()[]\u00e9\u7535\u6c60\x00\x1d\ud800\U0001f50b"


def random_strings(count: int, dice: random.Random) -> tuple[int, int]:
    """(valid, refused); anything else than a code or an InputError is a crash, and ends this."""
    valid = refused = 0
    for number in range(count):
        length = dice.choice((0, 1, 5, 17, 18, 18, 19, 19, 20, 23, 24, 24, 24, 25, 50, 200))
        text = "".join(dice.choices(POOL if number % 2 else ALPHANUMERIC, k=length))
        if number % 10 == 0:
            text = dice.choice(("25S", "(01)", "(8004)", "25SUN")) + text
        try:
            parse(text, today=TODAY)
            valid += 1
        except InputError:
            refused += 1
    return valid, refused


def random_code(dice: random.Random) -> str:
    """A valid code of a battery made between 2015 and 2025."""
    made = date.fromordinal(dice.randint(date(2015, 1, 1).toordinal(), date(2025, 12, 31).toordinal()))
    head = "".join(dice.choices(ALPHANUMERIC, k=3)) + dice.choice("PMC") + dice.choice("BE")
    return head + "".join(dice.choices(ALPHANUMERIC, k=9)) + date_text(made) + f"{dice.randrange(10**7):07}"


def typos(count: int, dice: random.Random) -> None:
    """Single wrong characters: any other one, and one that looks like it."""
    fields = [field.name for field in CHARACTERS["original"]]
    by_field: dict[str, list[int]] = {}
    alike = [0, 0, 0]
    swaps = [0, 0]
    for _ in range(count):
        code = random_code(dice)
        at = dice.randrange(24)
        other = dice.choice([each for each in ALPHANUMERIC if each != code[at]])
        found = by_field.setdefault(fields[at], [0, 0])
        found[0] += bool(diagnose(code[:at] + other + code[at + 1 :], TODAY).faults)
        found[1] += 1
        near = [*LOOKS_LIKE.get(code[at], "")] + [key for key, to in LOOKS_LIKE.items() if code[at] in to]
        if near:
            diagnosis = diagnose(code[:at] + dice.choice(near) + code[at + 1 :], TODAY)
            alike[0] += bool(diagnosis.faults)
            alike[1] += diagnosis.faults != () and code in diagnosis.repairs
            alike[2] += 1
        at = dice.randrange(23)
        if code[at] != code[at + 1]:
            swaps[0] += bool(diagnose(code[:at] + code[at + 1] + code[at] + code[at + 2 :], TODAY).faults)
            swaps[1] += 1
    print(f"{'field':26} {'places':>6} {'caught':>8}")
    for name in dict.fromkeys(fields):
        caught, tried = by_field[name]
        print(f"{name:26} {fields.count(name):6} {caught / tried:8.1%}")
    caught, tried = (sum(each[index] for each in by_field.values()) for index in (0, 1))
    print(f"any single character, any place      caught {caught / tried:6.1%} of {tried:,}")
    print(f"a look-alike, any place              caught {alike[0] / alike[2]:6.1%} of {alike[2]:,}")
    print(f"  of the caught, right one proposed         {alike[1] / max(alike[0], 1):6.1%}")
    print(f"two neighbours swapped               caught {swaps[0] / swaps[1]:6.1%} of {swaps[1]:,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--typos", type=int, default=100_000)
    words = parser.parse_args()
    assert len(YEARS) == 31
    began = time.perf_counter()
    valid, refused = random_strings(words.count, random.Random(1))
    took_s = time.perf_counter() - began
    print(f"{words.count:,} random strings in {took_s:.0f} s: {valid:,} valid, {refused:,} refused, 0 crashes")
    typos(words.typos, random.Random(2))


if __name__ == "__main__":
    main()
