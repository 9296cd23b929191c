"""What can be on a disk after the power went: every state that the operations so far allow.

Owns the model. It is the weakest that file systems give (ALICE, OSDI 2014): what was synced is there; what was not is
there, or not, or in part, sector by sector and in any order. A new file's name is there for sure once its folder was
synced, and a deletion gone through; a new folder's name once the folder above it was. What a failed sync was to make
durable may be lost for good, however many later syncs go well (fsyncgate, PostgreSQL 2018). Must not know what the
files mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from packbench_sim.disk import Operation

SECTORS = (512, 4096)
SUBSETS = 2
"""Random selections of unsynced sectors tried at each point, besides none, all and torn."""

Contents = dict[str, bytes]
"""Files by name."""
_Chosen = Callable[[str, Sequence[Operation]], list[list[Operation]]]
"""What of each of a file's uncertain operations has happened: (name, operations) to as many lists."""


@dataclass(slots=True)
class _Asked:
    """A write or truncation that is not simply durable."""

    operation: Operation
    state: Literal["unsynced", "doubtful", "certain"]
    """Doubtful: a sync of it failed. Certain: synced since, but behind one that is doubtful."""


@dataclass(slots=True)
class _Known:
    """One file: what is certain, and what may be there."""

    durable: bytes = b""
    there: bool = False
    """Its name is certain."""
    deleted: bool = False
    """Asked for, and not certain."""
    asked: list[_Asked] = field(default_factory=list[_Asked])
    before: _Known | None = None
    """What had this name before it was deleted and made anew, while neither is certain."""

    def synced(self) -> None:
        for asked in self.asked:
            if asked.state == "unsynced":
                asked.state = "certain"
        while self.asked and self.asked[0].state == "certain":
            self.durable = _applied(self.durable, [self.asked.pop(0).operation])

    def sync_failed(self) -> None:
        for asked in self.asked:
            if asked.state == "unsynced":
                asked.state = "doubtful"

    def uncertain(self) -> list[Operation]:
        return [asked.operation for asked in self.asked if asked.state != "certain"]

    def with_(self, chosen: list[list[Operation]]) -> bytes:
        """The contents when this has happened of what is uncertain."""
        left = iter(chosen)
        happened: list[Operation] = []
        for asked in self.asked:
            happened += [asked.operation] if asked.state == "certain" else next(left)
        return _applied(self.durable, happened)


class Cut:
    """The state of a disk at one point of its operations."""

    def __init__(self) -> None:
        self._files: dict[str, _Known] = {}
        self._new_folders: set[str] = set()
        self._latest = ""
        self.acknowledged = -1
        """What somebody had been told to be durable; -1: nothing yet."""

    def apply(self, operation: Operation) -> None:
        """Go on by one operation."""
        name = operation.name
        match operation.kind:
            case "acknowledged":
                self.acknowledged = max(self.acknowledged, operation.offset)
            case "made":
                self._new_folders.add(name)
            case "folder" if name:
                self._new_folders -= {made for made in self._new_folders if str(Path(made).parent) == name}
            case "folder":
                for each in list(self._files):
                    self._name_is_certain(each)
            case "open":
                self._made_anew(name)
            case "delete":
                if name in self._files:
                    self._files[name].deleted = True
            case "sync":
                self._files.setdefault(name, _Known()).synced()
            case "sync_failed":
                self._files.setdefault(name, _Known()).sync_failed()
            case "write" | "truncate":
                if name in self._files and self._files[name].deleted:
                    # A reader had made it anew, empty.
                    self._made_anew(name)
                self._files.setdefault(name, _Known()).asked.append(_Asked(operation, "unsynced"))
                self._latest = name

    def _made_anew(self, name: str) -> None:
        before = self._files.get(name)
        while before is not None and not before.there:
            before = before.before
        self._files[name] = _Known(before=before)

    def _name_is_certain(self, name: str) -> None:
        known = self._files[name]
        if known.deleted:
            del self._files[name]
        else:
            known.there, known.before = True, None

    def states(self, rng: Random) -> Iterator[tuple[str, Contents]]:
        """(kind, files) that the disk may hold now."""
        yield "nothing unsynced", self._made(lambda _name, asked: [[] for _ in asked])
        yield "everything", self._made(lambda _name, asked: [[each] for each in asked], names=True)
        if self._latest in self._files and self._files[self._latest].uncertain():
            for sector in SECTORS:
                torn = self._torn_at(sector, rng)
                yield f"torn at {sector}", self._made(torn, names=True)
        for _ in range(SUBSETS if self._unsynced() else 0):
            yield "any sectors", self._made(lambda _name, asked: _some(asked, rng), names=rng.random() < 0.5)

    def _torn_at(self, sector: int, rng: Random) -> _Chosen:
        def chosen(name: str, asked: Sequence[Operation]) -> list[list[Operation]]:
            whole = [[each] for each in asked]
            if name == self._latest and asked[-1].kind == "write":
                whole[-1] = [_torn(asked[-1], sector, rng)]
            return whole

        return chosen

    def _unsynced(self) -> bool:
        return bool(self._new_folders) or any(
            known.uncertain() or not known.there or known.deleted for known in self._files.values()
        )

    def _made(self, chosen: _Chosen, *, names: bool = False) -> Contents:
        """`names`: changes of names that are not certain have happened."""
        contents: Contents = {}
        if self._new_folders and not names:
            return contents
        for name, known in self._files.items():
            if (known.deleted and names) or not (known.there or names):
                if known.before is not None and not names:
                    contents[name] = known.before.durable
                continue
            contents[name] = known.with_(chosen(name, known.uncertain()))
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


def _torn(last: Operation, sector: int, rng: Random) -> Operation:
    """Of a write only its first sectors, at least one too few."""
    ends = range((last.offset // sector + 1) * sector, last.offset + len(last.data), sector)
    kept = rng.choice(ends) - last.offset if ends else 0
    return Operation("write", last.name, last.offset, last.data[:kept])


def _some(asked: Sequence[Operation], rng: Random) -> list[list[Operation]]:
    """Any of the operations, and of a write any of its sectors."""
    return [_sectors(each, rng) for each in asked]


def _sectors(asked: Operation, rng: Random) -> list[Operation]:
    if asked.kind == "truncate":
        return [asked] if rng.random() < 0.5 else []
    kept: list[Operation] = []
    sector = rng.choice(SECTORS)
    at, end = asked.offset, asked.offset + len(asked.data)
    while at < end:
        upto = min((at // sector + 1) * sector, end)
        if rng.random() < 0.5:
            kept.append(Operation("write", asked.name, at, asked.data[at - asked.offset : upto - asked.offset]))
        at = upto
    return kept
