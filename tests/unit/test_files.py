"""Configuration files are found in the stated order, and a miss tells where it looked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from packbench import files
from packbench.core.errors import InputError


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A working directory, two PACKBENCH_CONFIG folders and a packaged one, all empty."""
    made = {name: tmp_path / name for name in ("work", "first", "second", "shipped")}
    for folder in made.values():
        (folder / "packs").mkdir(parents=True)
    monkeypatch.chdir(made["work"])
    monkeypatch.setenv("PACKBENCH_CONFIG", f"{made['first']}{os.pathsep}{made['second']}")
    monkeypatch.setattr(files, "packaged_configs", lambda: made["shipped"])
    return made


def put(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text("name: x\n")
    return path


def test_each_place_hides_the_ones_after_it(places: dict[str, Path]) -> None:
    in_order = [
        put(places["work"], "p.yaml"),
        put(places["work"] / "packs", "p.yaml"),
        put(places["work"] / "configs" / "packs", "p.yaml"),
        put(places["first"] / "packs", "p.yaml"),
        put(places["second"] / "packs", "p.yml"),
        put(places["shipped"] / "packs", "p.yaml"),
    ]
    for expected in in_order:
        assert files.find_config("packs", "p") == expected
        expected.unlink()
    with pytest.raises(InputError):
        files.find_config("packs", "p")


def test_name_with_suffix_is_found_in_the_folders_too(places: dict[str, Path]) -> None:
    shipped = put(places["shipped"] / "packs", "p.yaml")
    assert files.find_config("packs", "p.yaml") == shipped


def test_a_path_is_taken_as_it_is_and_nothing_else_is_tried(places: dict[str, Path]) -> None:
    put(places["shipped"] / "packs", "p.yaml")
    odd = put(places["work"] / "deep", "p.profile")
    assert files.find_config("packs", "deep/p.profile") == Path("deep/p.profile")
    assert files.find_config("packs", str(odd)) == odd
    with pytest.raises(InputError, match="no such file"):
        files.find_config("packs", "deep/p.yaml")


def test_a_missing_path_suggests_its_neighbours(places: dict[str, Path]) -> None:
    put(places["work"] / "deep", "retired.yaml")
    with pytest.raises(InputError, match=r"did you mean deep/retired\.yaml\?"):
        files.find_config("packs", "deep/retierd.yaml")


def test_a_folder_is_not_a_configuration(places: dict[str, Path]) -> None:
    with pytest.raises(InputError, match="is a folder"):
        files.find_config("packs", f"{places['first']}/packs")


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_empty_or_impossible_names_are_refused(places: dict[str, Path], name: str) -> None:
    with pytest.raises(InputError, match="a name or a path is wanted"):
        files.find_config("packs", name)


def test_a_miss_lists_every_place_and_what_comes_close(places: dict[str, Path]) -> None:
    put(places["shipped"] / "packs", "nmc-96s.yaml")
    put(places["first"] / "packs", "lfp-16s.yaml")
    with pytest.raises(InputError) as caught:
        files.find_config("packs", "NMC-96")
    (problem,) = caught.value.problems
    assert problem.field == "pack"
    assert problem.found == "NMC-96"
    assert problem.expected == "a path or one of: lfp-16s, nmc-96s"
    assert "did you mean nmc-96s?" in problem.message
    for place in places.values():
        assert str(place) in problem.message
    assert caught.value.exit_code == 2


def test_list_names_each_file_once_with_the_path_that_would_be_found(places: dict[str, Path]) -> None:
    put(places["shipped"] / "packs", "b.yaml")
    shipped_a = put(places["shipped"] / "packs", "a.yaml")
    own_b = put(places["first"] / "packs", "b.yaml")
    put(places["first"] / "packs", "notes.txt")
    assert files.list_configs("packs") == {"a": shipped_a, "b": own_b}
    assert list(files.list_configs("packs")) == ["a", "b"]
    assert files.list_configs("devices") == {}


def test_checkout_serves_its_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert files.packaged_configs().is_dir()
    assert files.packaged_configs().name in ("configs", "_configs")


def test_data_home_is_stated_or_the_platforms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / "data"))
    assert files.data_home() == tmp_path / "data"
    assert not (tmp_path / "data").exists()
    monkeypatch.setenv("PACKBENCH_HOME", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert files.data_home() == tmp_path / "xdg" / "packbench"


def test_data_home_that_is_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACKBENCH_HOME", str(put(tmp_path, "taken")))
    with pytest.raises(InputError, match="PACKBENCH_HOME"):
        files.data_home()
