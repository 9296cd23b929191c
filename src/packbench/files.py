"""Where configuration files and the user's data are.

Owns the search order (a path, the working directory, PACKBENCH_CONFIG, what the package ships) and the data folder.
Must not read, parse or create anything: it returns paths, or an InputError that lists where it looked.
It exists so that every command finds the same file by the same name, from a checkout or from an installed wheel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import platformdirs

from packbench.core.errors import InputError, Problem

ConfigKind = Literal[
    "applications",
    "benches",
    "carbon",
    "codes",
    "columns",
    "devices",
    "grading",
    "life",
    "packs",
    "profiles",
    "regrouping",
    "value",
]

_ONE: dict[str, str] = {
    "benches": "bench",
    "devices": "device",
    "packs": "pack",
    "profiles": "profile",
    "columns": "column map",
    "grading": "grading scheme",
    "codes": "code table",
    "carbon": "factors file",
    "regrouping": "regrouping rules",
    "applications": "application",
    "life": "ageing file",
    "value": "assumptions file",
}
_SUFFIXES = (".yaml", ".yml")
_PACKAGE = Path(__file__).resolve().parent
_CLOSE_MATCHES_MAX = 3


def find_config(kind: ConfigKind, name: str) -> Path:
    """The file of the named bench, device, pack, profile, column map or grading scheme.

    `name` is a path (it has a slash, or it is a YAML file in the working directory) or a bare name such as
    `nmc-96s`, with or without its suffix. Bare names are looked up in this order: the working directory itself, its
    `KIND/` and `configs/KIND/`, `KIND/` in each folder of PACKBENCH_CONFIG, the files that came with packbench.

    Raises InputError that lists the places looked at and the names that come close.
    """
    if not name or "\0" in name:
        raise InputError(Problem("a name or a path is wanted", field=_ONE[kind], found=repr(name)))
    as_path = Path(name).expanduser()
    if as_path.is_absolute() or len(as_path.parts) > 1 or name in (".", "..") or name.endswith("/"):
        return _existing(kind, name, as_path)

    file_names = [name] if name.endswith(_SUFFIXES) else [name + suffix for suffix in _SUFFIXES]
    folders = [Path.cwd(), *_folders(kind)]
    for folder in folders:
        for file_name in file_names:
            candidate = folder / file_name
            if candidate.is_file():
                return candidate
    raise InputError(_not_found(kind, name, folders))


def list_configs(kind: ConfigKind) -> dict[str, Path]:
    """Every file of a kind that `find_config` finds by a bare name: name to path, sorted by name."""
    found: dict[str, Path] = {}
    for folder in _folders(kind):
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.suffix in _SUFFIXES and path.is_file():
                found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def data_home() -> Path:
    """The folder of runs and keys: PACKBENCH_HOME, or the platform's user data folder. It may not exist yet.

    Raises InputError when PACKBENCH_HOME names something that is not a folder.
    """
    stated = os.environ.get("PACKBENCH_HOME", "")
    if not stated:
        return platformdirs.user_data_path("packbench", appauthor=False)
    home = Path(stated).expanduser().absolute()
    if home.exists() and not home.is_dir():
        raise InputError(Problem("is not a folder", field="PACKBENCH_HOME", found=str(home), expected="a folder"))
    return home


def packaged_configs() -> Path:
    """The root of the files that came with packbench: inside the wheel, or `configs/` of a checkout."""
    in_wheel = _PACKAGE / "_configs"
    return in_wheel if in_wheel.is_dir() else _PACKAGE.parents[1] / "configs"


def _folders(kind: ConfigKind) -> Iterator[Path]:
    """The folders that hold files of one kind, first come first served."""
    yield Path.cwd() / kind
    yield Path.cwd() / "configs" / kind
    for root in os.environ.get("PACKBENCH_CONFIG", "").split(os.pathsep):
        if root:
            yield Path(root).expanduser().absolute() / kind
    yield packaged_configs() / kind


def _existing(kind: ConfigKind, name: str, path: Path) -> Path:
    """A path as the user gave it, checked."""
    if path.is_file():
        return path
    if path.is_dir():
        raise InputError(Problem("is a folder", file=name, field=_ONE[kind], found="a folder", expected="a YAML file"))
    close = get_close_matches(path.name, _file_names(path.parent), n=_CLOSE_MATCHES_MAX)
    hint = f"; did you mean {_either(str(path.with_name(other)) for other in close)}?" if close else ""
    raise InputError(Problem(f"no such file{hint}", file=name, field=_ONE[kind]))


def _file_names(folder: Path) -> list[str]:
    """YAML files of a folder, or nothing when it cannot be read."""
    try:
        return sorted(path.name for path in folder.iterdir() if path.suffix in _SUFFIXES)
    except OSError:
        return []


def _not_found(kind: ConfigKind, name: str, folders: list[Path]) -> Problem:
    known = list_configs(kind)
    by_lower = {other.lower(): other for other in known}
    stem = name.removesuffix(".yaml").removesuffix(".yml").lower()
    close = [by_lower[other] for other in get_close_matches(stem, by_lower, n=_CLOSE_MATCHES_MAX, cutoff=0.5)]
    hint = f"; did you mean {_either(close)}?" if close else ""
    seen = ", ".join(dict.fromkeys(str(folder) for folder in folders))
    return Problem(
        f"no {_ONE[kind]} of this name{hint} Looked in: {seen}" if hint else f"no {_ONE[kind]} of this name, in {seen}",
        field=_ONE[kind],
        found=name,
        expected=f"a path or one of: {', '.join(known)}" if known else "a path to a YAML file",
    )


def _either(names: Iterator[str] | list[str]) -> str:
    """Names as English says a choice: "a", "a or b", "a, b or c"."""
    *head, last = names
    return f"{', '.join(head)} or {last}" if head else last
