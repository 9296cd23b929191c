"""Ledgers of several benches in one file: every line as its bench signed it, in the order of time.

Owns the union. A merged file holds several chains; it verifies like any other, with a key for each, and nothing can be
appended to it. Merging is idempotent and in no order: the same entries give the same file. Two files of one ledger
that differ in an entry are a fork (a copy that went on by itself, or a history written anew) and are refused.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packbench.core.errors import InputError, Problem, VerificationFailed
from packbench.trace.keys import PublicKey
from packbench.trace.ledger.entry import Entry, read_entry
from packbench.trace.ledger.verify import verify_ledger


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to."""

    entries: int
    ledgers: dict[str, int]
    """Id to number of entries."""
    purpose: str


def merge_ledgers(sources: Sequence[Path], target: Path, keys: Sequence[PublicKey]) -> Merged:
    """Write a new file with every entry of the sources.

    Raises VerificationFailed when a source does not hold or two of them contradict each other, InputError when the
    target is there or real and test ledgers are to be mixed.
    """
    if target.exists():
        raise InputError(Problem("is there already", file=str(target), field="TARGET"))
    chains: dict[str, list[Entry]] = {}
    purposes: dict[str, Path] = {}
    for source in sources:
        verdict = verify_ledger(source, keys)
        if verdict.findings:
            first = verdict.findings[0]
            raise VerificationFailed(f"{source}: line {first.line}: {first.what}")
        for chain in verdict.chains:
            purposes.setdefault(chain.purpose, source)
        for entry in _entries(source):
            _take(chains.setdefault(entry.ledger, []), entry, source)
    if len(purposes) > 1:
        found = " and ".join(f"{purpose} ({path.name})" for purpose, path in sorted(purposes.items()))
        raise InputError(Problem("", field="ledgers", found=found, expected="ledgers of one purpose"))
    aside = target.with_name(target.name + ".new")
    count = 0
    with aside.open("wb") as file:
        for entry in heapq.merge(*(_timed(chain) for _, chain in sorted(chains.items()))):
            file.write(entry[3].line + b"\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    aside.replace(target)
    return Merged(count, {name: len(chain) for name, chain in sorted(chains.items())}, next(iter(purposes), ""))


def _entries(source: Path) -> Iterator[Entry]:
    with source.open("rb") as file:
        for raw in file:
            yield read_entry(raw[:-1])


def _take(chain: list[Entry], entry: Entry, source: Path) -> None:
    """Add an entry; one that is there already must be the very same."""
    if entry.seq <= len(chain):
        if chain[entry.seq - 1].line != entry.line:
            raise VerificationFailed(
                f"{source}: entry {entry.seq} of the ledger {entry.ledger} is another one in another file: a fork"
            )
    else:
        chain.append(entry)


def _timed(chain: list[Entry]) -> Iterator[tuple[str, str, int, Entry]]:
    """Entries with what they are ordered by; within a ledger the chain's order stands, whatever its clock did."""
    latest = ""
    for entry in chain:
        latest = max(latest, entry.time)
        yield latest, entry.ledger, entry.seq, entry
