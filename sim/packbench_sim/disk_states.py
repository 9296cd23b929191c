"""What can be on a disk after the power went: every state that the operations so far allow.

Owns the model. It is the weakest that file systems give (ALICE, OSDI 2014): what was synced is there; what was not is
there, or not, or in part, sector by sector and in any order. A new file's name is there for sure once the file or its
folder was synced (SQLite syncs the folder of a journal with the journal); a deletion once the folder was. Must not know
what the files mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from random import Random

from packbench_sim.disk import Operation

SECTORS = (512, 4096)
SUBSETS = 2
"""Random selections of unsynced sectors tried at each point, besides none, all and torn."""

Contents = dict[str, bytes]
"""Files by name."""
_Chosen = Callable[[str, Sequence[Operation]], list[Operation]]
"""Which of a file's unsynced operations have happened: (name, operations) to a list."""


@dataclass(slots=True)
class _Known:
    """One file: what is certain, and what may be there."""

    durable: bytes = b""
    there: bool = False
    """Its name is certain."""
    deleted: bool = False
    """Asked for, and not certain."""
    pending: list[Operation] = field(default_factory=list[Operation])
    """Writes and truncations since it was synced."""
    before: _Known | None = None
    """What had this name before it was deleted and made anew, while neither is certain."""


class Cut:
    """The state of a disk at one point of its operations."""

    def __init__(self) -> None:
        self._files: dict[str, _Known] = {}
        self.acknowledged = -1
        """What somebody had been told to be durable; -1: nothing yet."""

    def apply(self, operation: Operation) -> None:
        """Go on by one operation."""
        match operation.kind:
            case "acknowledged":
                self.acknowledged = max(self.acknowledged, operation.offset)
            case "folder":
                for name in list(self._files):
                    self._name_is_certain(name)
            case "open":
                self._made_anew(operation.name)
            case "delete":
                if operation.name in self._files:
                    self._files[operation.name].deleted = True
            case "sync":
                known = self._files.setdefault(operation.name, _Known())
                known.durable = _applied(known.durable, known.pending)
                known.pending.clear()
                known.there, known.before = True, None
            case "write" | "truncate":
                if operation.name in self._files and self._files[operation.name].deleted:
                    # A reader had made it anew, empty.
                    self._made_anew(operation.name)
                self._files.setdefault(operation.name, _Known()).pending.append(operation)

    def _made_anew(self, name: str) -> None:
        before = self._files.get(name)
        self._files[name] = _Known(before=before if before is not None and before.there else None)

    def _name_is_certain(self, name: str) -> None:
        known = self._files[name]
        if known.deleted:
            del self._files[name]
        else:
            known.there, known.before = True, None

    def states(self, rng: Random) -> Iterator[tuple[str, Contents]]:
        """(kind, files) that the disk may hold now."""
        yield "nothing unsynced", self._made(lambda _name, _pending: [])
        yield "everything", self._made(lambda _name, pending: list(pending), names=True)
        last = self._last()
        if last is not None:
            for sector in SECTORS:
                yield f"torn at {sector}", self._made(lambda name, pending, s=sector: _torn(pending, s, name == last))
        for _ in range(SUBSETS if self._unsynced() else 0):
            yield "any sectors", self._made(lambda _name, pending: _some(pending, rng), names=rng.random() < 0.5)

    def _unsynced(self) -> bool:
        return any(known.pending or not known.there or known.deleted for known in self._files.values())

    def _last(self) -> str | None:
        found = [name for name, known in self._files.items() if known.pending]
        return found[-1] if found else None

    def _made(self, chosen: _Chosen, *, names: bool = False) -> Contents:
        """`names`: changes of names that are not certain have happened."""
        contents: Contents = {}
        for name, known in self._files.items():
            if (known.deleted and names) or not (known.there or names):
                if known.before is not None and not names:
                    contents[name] = known.before.durable
                continue
            contents[name] = _applied(known.durable, chosen(name, known.pending))
        return contents


def _applied(before: bytes, operations: Sequence[Operation]) -> bytes:
    if not operations:
        return before
    data = bytearray(before)
    for operation in operations:
        if operation.kind == "truncate":
            size = operation.offset
            del data[size:]
            data.extend(bytes(size - len(data)))
        else:
            end = operation.offset + len(operation.data)
            data.extend(bytes(max(0, end - len(data))))
            data[operation.offset : end] = operation.data
    return bytes(data)


def _torn(pending: Sequence[Operation], sector: int, is_last: bool) -> list[Operation]:
    """Everything, but of the last write no more than its first half, in whole sectors."""
    if not is_last or not pending or pending[-1].kind != "write":
        return list(pending)
    last = pending[-1]
    first_end = (last.offset // sector + 1) * sector
    half = max(first_end, (last.offset + len(last.data) // 2) // sector * sector)
    kept = last.data[: max(half - last.offset, 0)]
    if len(kept) == len(last.data):
        kept = kept[: len(kept) // 2]
    return [*pending[:-1], Operation("write", last.name, last.offset, kept)]


def _some(pending: Sequence[Operation], rng: Random) -> list[Operation]:
    """Any of the operations, and of a write any of its sectors."""
    kept: list[Operation] = []
    for operation in pending:
        if operation.kind == "truncate":
            kept += [operation] if rng.random() < 0.5 else []
            continue
        sector = rng.choice(SECTORS)
        at = operation.offset
        end = at + len(operation.data)
        while at < end:
            upto = min((at // sector + 1) * sector, end)
            if rng.random() < 0.5:
                part = operation.data[at - operation.offset : upto - operation.offset]
                kept.append(Operation("write", operation.name, at, part))
            at = upto
    return kept
