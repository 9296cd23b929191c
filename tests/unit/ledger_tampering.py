"""Tampering with a ledger, at random: every one must be found, and found where it was done.

The campaign at length: tests/benchmarks/tamper.py (make tamper).

A tampering is a copy of the file with one byte flipped, an entry deleted, two swapped, one put in twice, the end cut
off (held against a checkpoint), or an entry changed and signed anew with another key, alone or with all that follow.
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from packbench.trace.keys import PublicKey, SigningKey
from packbench.trace.ledger import verify as verifying
from packbench.trace.ledger.checkpoint import Checkpoint, sign_checkpoint
from packbench.trace.ledger.entry import make_entry, read_entry
from packbench.trace.ledger.file import Ledger
from packbench.trace.ledger.merkle import leaf_hash, root_of
from packbench.trace.ledger.verify import verify_ledger

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
KINDS = ("flip", "delete", "swap", "repeat", "truncate", "resign", "rewrite")


@dataclass(frozen=True, slots=True)
class Tampering:
    kind: str
    lines: list[bytes]
    """What the file holds now, with line ends."""
    entry: int
    """The first entry that is not what it was, from 1."""
    told: str
    needs_checkpoint: bool = False


def make_ledger(path: Path, size: int, key: SigningKey) -> list[bytes]:
    """A ledger with a bit of everything; its lines."""
    ledger = Ledger.create(path, "real", "bench", key, NOW)
    bodies = []
    for number in range(size - 1):
        code = f"MOD-{number // 4:05}"
        match number % 4:
            case 0:
                bodies.append(
                    {
                        "action": "received",
                        "code": code,
                        "level": "module",
                        "holder": "H\u00e4ndler 一号",
                        "mass_kg": 21.5,
                    }
                )
            case 1:
                bodies.append({"action": "stored", "code": code, "location": f"A{number % 17}"})
            case 2:
                bodies.append({"action": "graded", "code": code, "grade": "AB"[number % 2]})
            case _:
                bodies.append({"action": "in_use", "code": code, "holder": "Tower Co", "application": "backup"})
    ledger.add(bodies, key, NOW + timedelta(minutes=1))
    ledger.close()
    return path.read_bytes().splitlines(keepends=True)


def tamper(lines: list[bytes], kind: str, dice: random.Random) -> Tampering:
    """One tampering of a kind."""
    lines = list(lines)
    at = dice.randrange(len(lines))
    match kind:
        case "flip":
            line = bytearray(lines[at])
            byte = dice.randrange(len(line))
            line[byte] ^= 1 << dice.randrange(8)
            lines[at] = bytes(line)
            again = b"".join(lines).splitlines(keepends=True) if b"\r" not in line else lines
            return Tampering(kind, again, at + 1, f"byte {byte} of entry {at + 1}")
        case "delete":
            del lines[at]
            return Tampering(kind, lines, at + 1, f"entry {at + 1}", needs_checkpoint=at == len(lines))
        case "swap":
            other = dice.randrange(len(lines))
            while other == at:
                other = dice.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
            return Tampering(kind, lines, min(at, other) + 1, f"entries {at + 1} and {other + 1}")
        case "repeat":
            to = dice.randrange(len(lines) + 1)
            lines.insert(to, lines[at])
            first = to if to not in (at, at + 1) else at + 1
            return Tampering(kind, lines, first + 1, f"entry {at + 1} again at {to + 1}")
        case "truncate":
            return Tampering(kind, lines[:at], at + 1, f"from entry {at + 1} on", needs_checkpoint=True)
        case _:
            at = dice.randrange(1, len(lines))
            return _signed_anew(lines, at, dice, everything=kind == "rewrite")


def _signed_anew(lines: list[bytes], at: int, dice: random.Random, *, everything: bool) -> Tampering:
    """By somebody who has not the key: their own one, under its own name or (half of the time) under the bench's."""
    forger = SigningKey.new()
    posing = dice.random() < 0.5
    prev = None
    for index in range(at, len(lines) if everything else at + 1):
        entry = read_entry(lines[index][:-1])
        body = {**entry.body, **({"note": "forged"} if index == at else {})}
        signer = _Posing(forger, entry.key_id) if posing else forger
        made = make_entry(entry.ledger, entry.seq, entry.time, prev or entry.prev, body, signer)  # type: ignore[arg-type]
        lines[index] = made.line + b"\n"
        prev = made.hash
    return Tampering("rewrite" if everything else "resign", lines, at + 1, f"entry {at + 1}")


class _Posing:
    """A forger's key that calls itself the bench's."""

    def __init__(self, key: SigningKey, key_id: str) -> None:
        self.key_id = key_id
        self.sign = key.sign


def campaign(size: int, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """(tamperings by kind, those that were not found or found elsewhere)."""
    dice = random.Random(seed)
    key = SigningKey.new()
    missed: list[str] = []
    done: Counter[str] = Counter()
    # Lines that nobody touched are judged once: the same bytes, the same verdict.
    reading, checking = verifying.read_entry, PublicKey.verify
    verifying.read_entry = lru_cache(maxsize=2 * size)(reading)  # type: ignore[assignment]
    PublicKey.verify = lru_cache(maxsize=2 * size)(checking)  # type: ignore[method-assign]
    try:
        with tempfile.TemporaryDirectory() as folder:
            lines = make_ledger(Path(folder) / "ledger.jsonl", size, key)
            leaves = [leaf_hash(line[:-1]) for line in lines]
            last = read_entry(lines[-1][:-1])
            note = sign_checkpoint(Checkpoint(last.ledger, size, root_of(leaves), last.time), key)
            assert verify_ledger(Path(folder) / "ledger.jsonl", [key.public], [("kept", note)]).holds
            copy = Path(folder) / "copy.jsonl"
            for number in range(count):
                made = tamper(lines, KINDS[number % len(KINDS)], dice)
                copy.write_bytes(b"".join(made.lines))
                notes = [("kept", note)] if made.needs_checkpoint and made.entry > 1 else []
                verdict = verify_ledger(copy, [key.public], notes)
                first = verdict.findings[0] if verdict.findings else None
                if first is None or made.entry not in (first.line, first.seq):
                    missed.append(f"{made.kind}, {made.told}: {first}")
                done[made.kind] += 1
    finally:
        verifying.read_entry, PublicKey.verify = reading, checking  # type: ignore[method-assign]
    return done, missed
