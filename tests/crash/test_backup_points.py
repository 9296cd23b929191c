"""The power goes while a backup is made or restored: what bears the name of a backup or of a run is one."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from tests.crash.whole_files import KINDS, Watched, lay_out
from tests.unit.store_samples import make_meta, make_row

from packbench.core.errors import PackbenchError
from packbench.store import Durability, RunReader, RunStore
from packbench.store.backup import make_backup, restore_backup, verify_backup

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
NAMES = ("kept", "kept.tar")


class Looked:
    """At every point, every state; what is wrong with one is kept."""

    def __init__(self, watched: Watched, place: Path, names: list[str]) -> None:
        self._watched, self._place, self._names = watched, place, names
        self._rng = Random(1)
        self.states: Counter[str] = Counter()
        self.problems: list[str] = []

    def __call__(self, what: str, *, done: bool = False) -> None:
        for kind, tree in self._watched.states(self._rng):
            self.states[kind] += 1
            lay_out(tree, self._place)
            for name in self._names:
                problem = wrong_with(self._place / name, done)
                if problem:
                    self.problems.append(f"{what}, {kind}: {name}: {problem}")


def wrong_with(path: Path, done: bool) -> str:
    if not path.exists():
        return "it is not there, and was said to be" if done else ""
    try:
        if (path / "run.db").exists():
            with RunReader.open(path / "run.db") as reader:
                reader.verify()
            return "" if (path / "photos/label.jpg").read_bytes() == b"picture" * 999 else "it is not whole"
        verify_backup(path)
    except (PackbenchError, OSError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs/one"
    store = RunStore.create(folder / "run.db", make_meta(), Durability.PROCESS_SAFE)
    store.append_rows([make_row(index) for index in range(1, 9)])
    store.commit()
    store.seal()
    store.close()
    (folder / "photos").mkdir()
    (folder / "photos/label.jpg").write_bytes(b"picture" * 999)
    return folder


def backed_up(run: Path, tmp_path: Path, name: str) -> Looked:
    home = tmp_path / "backups"
    home.mkdir()
    watched = Watched(home)
    looked = Looked(watched, tmp_path / "cut", [name])
    with watched.watching(looked):
        make_backup([run], home / name, "1.0", NOW)
    looked("at the end", done=True)
    return looked


def restored(run: Path, tmp_path: Path, name: str) -> Looked:
    make_backup([run], tmp_path / name, "1.0", NOW)
    home = tmp_path / "home"
    home.mkdir()
    watched = Watched(home)
    looked = Looked(watched, tmp_path / "cut", ["one"])
    with watched.watching(looked):
        restore_backup(tmp_path / name, home, lambda _run_id: None)
    looked("at the end", done=True)
    return looked


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("work", [backed_up, restored])
def test_what_has_its_name_is_whole_whenever_the_power_goes(work, name: str, run: Path, tmp_path: Path) -> None:
    looked = work(run, tmp_path, name)
    assert not looked.problems, looked.problems[:5]
    assert set(looked.states) == set(KINDS)
    assert sum(looked.states.values()) >= 40


@pytest.mark.parametrize("work", [backed_up, restored])
def test_without_syncs_it_would_not_be(work, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "_synced", lambda _watched, _path: None)
    assert any("was said to be" in problem for problem in work(run, tmp_path, "kept").problems)


def test_a_name_given_before_the_contents_are_synced_is_noticed(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Watched._synced
    monkeypatch.setattr(Watched, "_synced", lambda watched, path: plain(watched, path) if path.is_dir() else None)
    problems = backed_up(run, tmp_path, "kept").problems
    assert any(problem.startswith("after the renaming") for problem in problems), problems
