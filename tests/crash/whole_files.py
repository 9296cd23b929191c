"""What is left of a tree of whole files when the power goes between its syncs and renames.

Owns the model for what is not written through SQLite's file layer: backups and restores. A file has what it had when it
was last synced; a folder has the names that it had when it was last synced. What came since is there, or not, or the
names are and the contents are not, or only in part. Must not know what the files mean.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from unittest.mock import patch

Tree = dict[str, bytes | None]
"""Files by path below the root; None: a folder."""
KINDS = ("nothing unsynced", "everything", "names without contents", "names, contents in part")


class Watched:
    """Everything below a folder, which itself is durable as it stands."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._is_folder: set[int] = set()
        for folder in (root, *(path for path in root.rglob("*") if path.is_dir())):
            self._synced(folder)
        for path in root.rglob("*"):
            if path.is_file():
                self._synced(path)

    def _synced(self, path: Path) -> None:
        number = path.stat().st_ino
        if path.is_dir():
            self._is_folder.add(number)
            entries = list(os.scandir(path))
            self._names[number] = {entry.name: entry.inode() for entry in entries}
            self._is_folder.update(entry.inode() for entry in entries if entry.is_dir())
        else:
            self._contents[number] = path.read_bytes()

    def states(self, rng: Random) -> Iterator[tuple[str, Tree]]:
        """What may be there now."""
        durable: Tree = {}
        self._walk(self._root.stat().st_ino, "", durable)
        yield KINDS[0], durable
        live: Tree = {
            str(path.relative_to(self._root)): None if path.is_dir() else path.read_bytes()
            for path in sorted(self._root.rglob("*"))
        }
        yield KINDS[1], live
        for kind in KINDS[2:]:
            tree = dict(live)
            for name, content in live.items():
                if content is not None and self._contents.get((self._root / name).stat().st_ino) != content:
                    kept = self._contents.get((self._root / name).stat().st_ino, b"")
                    tree[name] = kept if kind == KINDS[2] else content[: rng.randrange(len(content) + 1) // 512 * 512]
            yield kind, tree

    def _walk(self, folder: int, prefix: str, into: Tree) -> None:
        for name, number in sorted(self._names.get(folder, {}).items()):
            if number in self._is_folder:
                into[prefix + name] = None
                self._walk(number, f"{prefix}{name}/", into)
            else:
                into[prefix + name] = self._contents.get(number, b"")

    @contextmanager
    def watching(self, look: Callable[[str], None]) -> Generator[None]:
        """Call `look(what)` before and after every sync and rename."""
        plain_sync, plain_rename = os.fsync, Path.rename

        def fsync(handle: int) -> None:
            path = Path(f"/proc/self/fd/{handle}").resolve()
            if not path.is_relative_to(self._root):
                plain_sync(handle)
                return
            look(f"before the sync of {path.name}")
            plain_sync(handle)
            self._synced(path)
            look(f"after the sync of {path.name}")

        def rename(source: Path, target: Path) -> Path:
            look(f"before the renaming to {target.name}")
            found = plain_rename(source, target)
            look(f"after the renaming to {target.name}")
            return found

        with patch.object(os, "fsync", fsync), patch.object(Path, "rename", rename):
            yield


def lay_out(tree: Tree, folder: Path) -> None:
    """Make a state."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in tree.items():
        if content is None:
            (folder / name).mkdir(parents=True, exist_ok=True)
        else:
            (folder / name).write_bytes(content)
