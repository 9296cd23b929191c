"""Planted bugs as data, and a copy of the tree to plant them in.

Owns the list (planted.yaml) and the copy: making it, one mutation at a time in it, and everything as it was afterwards.
Must not judge what a detector says. The tree that people work in is read, and never changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[2]
LIST = Path(__file__).with_name("planted.yaml")
CORE = Path("firmware_bridge/packbench_board/libpackbench_core.so")
PARTS = (".", "src", "sim", "firmware_bridge")
"""What PYTHONPATH names, ahead of the editable installation of the tree that was copied."""
PACKAGES = ("packbench", "packbench_sim", "packbench_board")
_KEYS = {"id", "title", "file", "old", "new", "expect"}
HOME = ".packbench-home"
"""In a copy: where programs that run on it keep their data."""
_KEPT = (HOME, "build")
"""In a copy: what a detector may have kept, of another bug."""
_BUILD_S = 300.0


class PlantError(Exception):
    """The list or the copy is not what it has to be: nothing was found out about any detector."""


class Mutation(NamedTuple):
    """One planted bug."""

    id: str
    title: str
    file: str
    old: str
    new: str
    expect: tuple[str, ...]
    rebuild: bool

    @property
    def digest(self) -> str:
        """Of what it does; its title may change."""
        return hashlib.sha256("\0".join((self.file, self.old, self.new)).encode()).hexdigest()[:16]

    def applied_to(self, text: str) -> str:
        """The file with the bug in it. Raises PlantError unless it can be planted in exactly one place."""
        found = text.count(self.old)
        if found != 1:
            raise PlantError(f"{self.id}: its old text occurs {found} times in {self.file}, expected once")
        if self.old == self.new:
            raise PlantError(f"{self.id}: its new text is its old one")
        return text.replace(self.old, self.new)


def load_mutations(path: Path = LIST) -> tuple[Mutation, ...]:
    """The list. Raises PlantError for an entry with other keys than it should have, or an id that occurs twice."""
    found: list[Mutation] = []
    for entry in yaml.safe_load(path.read_text(encoding="utf-8")):
        if not _KEYS <= entry.keys() <= _KEYS | {"rebuild"}:
            raise PlantError(f"{path.name}: {entry.get('id')}: its keys are {', '.join(sorted(entry))}")
        fields = {name: entry[name] for name in _KEYS - {"expect"}}
        found.append(Mutation(**fields, expect=tuple(entry["expect"]), rebuild=bool(entry.get("rebuild", False))))
    ids = [mutation.id for mutation in found]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise PlantError(f"{path.name}: there twice: {', '.join(twice)}")
    return tuple(found)


def tree_files(root: Path = ROOT) -> list[str]:
    """Every file of the tree that is tracked, or could be: what a checkout of it all would hold."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True, text=True).stdout
    return sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file())


class Tree:
    """A copy of the tree. Make it with `Tree.copied`; nothing else may write to it."""

    def __init__(self, root: Path, digest: str) -> None:
        self.root = root
        self.digest = digest
        """Of the files that were copied and can change what a detector finds."""
        self._core = b""

    @classmethod
    def copied(cls, target: Path, source: Path = ROOT) -> Tree:
        """Copy the tree, compile the board's core in the copy, and see that programs started there come from there.

        Raises PlantError.
        """
        digest = hashlib.sha256()
        for name in tree_files(source):
            copy = target / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, copy)
            if name.startswith(("src/", "sim/", "firmware_bridge/", "configs/")):
                digest.update(name.encode() + b"\0" + copy.read_bytes() + b"\0")
        (target / ".venv").symlink_to(source / ".venv")
        tree = cls(target, digest.hexdigest()[:16])
        tree._build()
        tree._core = (target / CORE).read_bytes()
        tree._compile_all()
        tree._see_that_it_is_used()
        return tree

    def environment(self) -> dict[str, str]:
        """For programs that are to run on the copy."""
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(str(self.root / part) for part in PARTS),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PACKBENCH_HOME": str(self.root / HOME),
        }

    @contextmanager
    def planted(self, mutation: Mutation) -> Generator[None]:
        """The copy with one bug in it. Raises PlantError when it cannot be planted, or does not compile."""
        place = self.root / mutation.file
        sound = place.read_bytes()
        try:
            place.write_text(mutation.applied_to(sound.decode()), encoding="utf-8")
            if mutation.rebuild:
                self._build()
            yield
        finally:
            place.write_bytes(sound)
            if mutation.rebuild:
                (self.root / CORE).write_bytes(self._core)

    def forget(self) -> None:
        """Nothing that a detector kept is left: a campaign that goes on where it was would report of another bug."""
        for name in _KEPT:
            shutil.rmtree(self.root / name, ignore_errors=True)

    def _build(self) -> None:
        (self.root / CORE).unlink(missing_ok=True)
        self._run([sys.executable, "hatch_build.py"], "the board's core does not compile")

    def _compile_all(self) -> None:
        # Checked by hash: a file that is changed and changed back within a second is never taken for the other one.
        folders = [part for part in PARTS if part != "."]
        command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", *folders]
        self._run(command, "the tree does not compile")

    def _see_that_it_is_used(self) -> None:
        code = (
            f"import {', '.join(PACKAGES)}; print(*({', '.join(f'{name}.__file__' for name in PACKAGES)},), sep='\\n')"
        )
        places = self._run([sys.executable, "-c", code], "its packages cannot be imported").splitlines()
        if elsewhere := [place for place in places if not Path(place).is_relative_to(self.root)]:
            raise PlantError(f"programs that run on the copy would take {', '.join(elsewhere)}")

    def _run(self, command: list[str], complaint: str) -> str:
        environment = {**self.environment(), "PYTHONDONTWRITEBYTECODE": ""}
        done = subprocess.run(
            command, cwd=self.root, env=environment, capture_output=True, text=True, timeout=_BUILD_S, check=False
        )
        if done.returncode != 0:
            raise PlantError(f"{complaint}: {(done.stderr or done.stdout)[-2000:]}")
        return done.stdout
