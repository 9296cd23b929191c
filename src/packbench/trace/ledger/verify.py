"""Whether a ledger is what its writers signed: from the file and a public key alone.

Owns the judgement, entry by entry: canonical bytes, place in the chain, signature, key; checkpoints against the Merkle
tree; legal transitions. Must not use the index. What does not hold is located: line, entry, byte.

What it can vouch for has a limit that it states: entries that were cut off the end, or a history that somebody who has
the key wrote anew, are found only against a checkpoint that was held elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fcntl import LOCK_SH, flock
from pathlib import Path
from typing import Any, Final, NamedTuple

from packbench.core.errors import InputError, Problem
from packbench.trace.keys import PublicKey, public_from_jwk
from packbench.trace.ledger import states
from packbench.trace.ledger.book import Book
from packbench.trace.ledger.checkpoint import Checkpoint, read_checkpoint
from packbench.trace.ledger.entry import LINE_BYTES_MAX, NOTHING_BEFORE, Entry, NotAnEntry, read_entry, sha256
from packbench.trace.ledger.file import rotation_holds
from packbench.trace.ledger.index import DictAssets
from packbench.trace.ledger.merkle import leaf_hash, root_of

FINDINGS_MAX: Final = 20
NOT_LEGAL: Final = "is not legal where it stands"


class Found(NamedTuple):
    """One thing that does not hold, and where."""

    line: int
    """From 1; behind the last one for what is missing at the end."""
    byte: int
    """Of the file, where that line begins."""
    seq: int | None
    """The entry's number, as far as it is known."""
    what: str


@dataclass(slots=True)
class Chain:
    """One ledger's chain within a file."""

    ledger: str
    seq: int = 0
    head: str = NOTHING_BEFORE
    time: str = ""
    keys: list[PublicKey] = field(default_factory=list[PublicKey])
    """Each that signed, in order; the last one signs now."""
    leaves: list[bytes] = field(default_factory=list[bytes])
    name: str = ""
    purpose: str = ""
    revoked: dict[str, int] = field(default_factory=dict[str, int])
    """Key id to the entry that revoked it."""

    @property
    def root(self) -> bytes:
        """Of the Merkle tree over its entries."""
        return root_of(self.leaves)


@dataclass(frozen=True, slots=True)
class LedgerVerdict:
    """What came of it."""

    path: Path
    chains: tuple[Chain, ...]
    findings: tuple[Found, ...]
    remarks: tuple[str, ...]
    checkpoints: tuple[Checkpoint, ...]
    entries: int

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


class _Judge:
    """The state of one verification."""

    def __init__(self, keys: Sequence[PublicKey]) -> None:
        self.given = {key.key_id: key for key in keys}
        self.chains: dict[str, Chain] = {}
        self.findings: list[Found] = []
        self.remarks: list[str] = []
        self.book = Book(DictAssets())
        self.entries = 0
        self.illegal: list[Found] = []
        """Signed and in its place, and yet what the rules do not allow."""
        self._is_broken = False
        """The line before did not hold: that this one does not follow it is the same finding."""

    def take(self, number: int, byte: int, raw: bytes) -> None:
        """Judge one line."""
        if not raw.endswith(b"\n"):
            what = f"half an entry of {len(raw)} bytes at the end: its write was torn or cut; it was never acknowledged"
            self._find(number, byte, self._next_seq(), what)
            return
        line = raw[:-1]
        try:
            entry = read_entry(line)
        except NotAnEntry as error:
            self._find(number, byte, self._next_seq(), f"this line is no entry: {error}")
            self._lose(line)
            return
        self.entries += 1
        self._judge(number, byte, entry)

    def _judge(self, number: int, byte: int, entry: Entry) -> None:
        chain = self.chains.get(entry.ledger)
        if chain is None:
            chain = self._opened(number, byte, entry)
            if chain is None:
                return
        count = len(self.findings)
        self._time(entry, chain)
        self._place(number, byte, entry, chain)
        self._signature(number, byte, entry, chain)
        chain.leaves.append(leaf_hash(entry.line))
        chain.seq, chain.head, chain.time = entry.seq, entry.hash, max(chain.time, entry.time)
        if len(self.findings) == count:
            self._is_broken = False
            self._keys(number, byte, entry, chain)
            try:
                self.book.apply(entry.body, entry.seq, entry.time)
            except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
                self.illegal.append(
                    Found(number, byte, entry.seq, f"entry {entry.seq} of {entry.ledger} {NOT_LEGAL}: {error}")
                )
        else:
            self._is_broken = True

    def _opened(self, number: int, byte: int, entry: Entry) -> Chain | None:
        """The chain of a ledger that begins here, when it begins as one does."""
        chain = Chain(entry.ledger)
        if entry.body.get("action") != states.OPENED or entry.seq != 1:
            seq = entry.seq
            if self.chains:
                self._find(number, byte, seq, f"entry {seq} of the ledger {entry.ledger!r}, which was not opened here")
                self._lose(entry.line)
                return None
            self._find(number, byte, 1, f"the ledger's beginning is missing: the first line is entry {seq}")
        else:
            try:
                key = public_from_jwk(entry.body["key"])
            except (ValueError, TypeError, LookupError, AttributeError):
                self._find(number, byte, 1, "the opening entry names no key")
                self._lose(entry.line)
                return None
            chain.keys.append(key)
            chain.name, chain.purpose = str(entry.body.get("name")), str(entry.body.get("purpose"))
        self.chains[entry.ledger] = chain
        return chain

    def _place(self, number: int, byte: int, entry: Entry, chain: Chain) -> None:
        if entry.seq > chain.seq + 1 and chain.seq + 1 < entry.seq:
            if not (self._is_broken and entry.seq == chain.seq + 2):
                first, last = chain.seq + 1, entry.seq - 1
                what = f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"
                self._find(number, byte, first, f"{what}: entry {entry.seq} stands in its place")
        elif entry.seq < chain.seq + 1:
            self._find(number, byte, chain.seq + 1, f"entry {entry.seq} stands where {chain.seq + 1} belongs")
        elif entry.prev != chain.head and not self._is_broken:
            self._find(number, byte, entry.seq, f"entry {entry.seq} does not follow the entry before it")

    def _time(self, entry: Entry, chain: Chain) -> None:
        """The order of the entries is proven; their times are the writer's word."""
        if entry.time < chain.time:
            self.remarks.append(
                f"entry {entry.seq} of {entry.ledger} is dated {entry.time}, before the one before it ({chain.time}): "
                "it was backdated, or the clock was set back"
            )

    def _signature(self, number: int, byte: int, entry: Entry, chain: Chain) -> None:
        if not chain.keys:
            return
        known = chain.keys[-1]
        if entry.key_id != known.key_id:
            what = f"signed with the key {entry.key_id}, which is not this ledger's ({known.key_id})"
            self._find(number, byte, entry.seq, f"entry {entry.seq}: {what}")
        elif not entry.is_signed_by(known):
            self._find(number, byte, entry.seq, f"entry {entry.seq}: its signature does not hold: it was changed")

    def _keys(self, number: int, byte: int, entry: Entry, chain: Chain) -> None:
        """A rotation names the key that signs from the next entry on."""
        action = entry.body.get("action")
        if action == states.KEY_REVOKED:
            chain.revoked[str(entry.body.get("kid"))] = entry.seq
        if action != states.KEY_ROTATED:
            return
        try:
            new = public_from_jwk(entry.body["key"])
        except (ValueError, TypeError, LookupError, AttributeError):
            self._find(number, byte, entry.seq, f"entry {entry.seq}: the rotation names no key")
            return
        if not rotation_holds(entry, new):
            self._find(number, byte, entry.seq, f"entry {entry.seq}: the new key did not agree to the rotation")
            return
        if entry.body.get("revoked"):
            chain.revoked[entry.key_id] = entry.seq
        chain.keys.append(new)

    def legality(self) -> None:
        """One bench's ledger takes nothing that is not legal, so whoever wrote it went round it with its key.

        Between benches it may happen in good faith (one battery received twice): that is for people to settle.
        """
        if len(self.chains) > 1:
            self.remarks += [each.what for each in self.illegal]
        else:
            self.findings += self.illegal

    def trust(self) -> None:
        """Whether the keys are those that the reader was given."""
        for chain in self.chains.values():
            signed = [key.key_id for key in chain.keys]
            if signed and not any(key_id in self.given for key_id in signed):
                given = ", ".join(self.given) or "none"
                self._find(
                    1, 0, 1, f"the ledger {chain.ledger} is signed with {signed[0]}, not with a given key ({given})"
                )
            for key_id, seq in chain.revoked.items():
                self.remarks.append(
                    f"the key {key_id} was revoked in entry {seq} of {chain.ledger}: what it signed before holds only "
                    "as far as a checkpoint from that time is held elsewhere"
                )

    def against(self, checkpoint: Checkpoint, lines: int, size_bytes: int) -> None:
        """Hold the file against what somebody kept."""
        chain = self.chains.get(checkpoint.ledger)
        if chain is None:
            what = f"the checkpoint is of the ledger {checkpoint.ledger}, which is not in this file"
            self._find(1, 0, None, what)
            return
        if len(chain.leaves) < checkpoint.size:
            first = len(chain.leaves) + 1
            what = f"entries {first} to {checkpoint.size} are missing: the checkpoint of {checkpoint.time} covers them"
            self._find(lines + 1, size_bytes, first, f"{what}; the file was truncated or rolled back")
        elif root_of(chain.leaves[: checkpoint.size]) != checkpoint.root:
            what = f"the first {checkpoint.size} entries are not those of the checkpoint of {checkpoint.time}"
            self._find(1, 0, 1, f"{what}: the history was written anew")

    def _next_seq(self) -> int | None:
        chain = next(reversed(self.chains.values()), None)
        return 1 if chain is None else chain.seq + 1 if len(self.chains) == 1 else None

    def _lose(self, line: bytes) -> None:
        """A line that cannot be judged stands for one entry, so that the next one is placed rightly."""
        self._is_broken = True
        if len(self.chains) == 1:
            chain = next(iter(self.chains.values()))
            chain.seq, chain.head = chain.seq + 1, sha256(line)
            chain.leaves.append(leaf_hash(line))

    def _find(self, line: int, byte: int, seq: int | None, what: str) -> None:
        self.findings.append(Found(line, byte, seq, what))


def verify_ledger(path: Path, keys: Sequence[PublicKey], notes: Sequence[tuple[str, str]] = ()) -> LedgerVerdict:
    """Verify a file against public keys, and against checkpoints given as (file name, note).

    Raises InputError when the file cannot be read or a checkpoint is none.
    """
    judge = _Judge(keys)
    number = byte = 0
    try:
        with path.open("rb") as file:
            # A writer that is at it finishes its line first; where the file system has no locks, it may be seen torn.
            with suppress(OSError):
                flock(file, LOCK_SH)
            for number, raw in enumerate(_lines(file), 1):
                judge.take(number, byte, raw)
                byte += len(raw)
    except OSError as error:
        found = error.strerror or str(error)
        raise InputError(Problem("cannot be read", file=str(path), found=found, expected="a ledger")) from error
    if not judge.entries and not judge.findings:
        judge.findings.append(Found(1, 0, 1, "the file is empty: no entry, no ledger"))
    judge.legality()
    judge.trust()
    signers = [*keys, *(key for chain in judge.chains.values() for key in chain.keys)]
    checkpoints: list[Checkpoint] = []
    for name, note in notes:
        checkpoint, _ = read_checkpoint(note, name, signers)
        checkpoints.append(checkpoint)
        judge.against(checkpoint, number, byte)
    return LedgerVerdict(
        path,
        tuple(judge.chains.values()),
        tuple(judge.findings),
        tuple(judge.remarks),
        tuple(checkpoints),
        judge.entries,
    )


def _lines(file: Any) -> Iterator[bytes]:
    """Lines with their ends; an absurdly long one is cut, so that no file can fill the memory."""
    while raw := file.readline(LINE_BYTES_MAX + 1):
        yield raw
