"""A trained model as a file that a person can read: JSON, numbers only, with where they came from.

Owns the file's shape, its checks and the search for a model by name. Nothing in a model file is code. What is stored
is the training tests and a few numbers a process; kernels, weights and the interval's factor follow from them again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from packbench.analysis.estimate.features import VOLTAGES, Kind
from packbench.analysis.estimate.pulse_data import PulseTests
from packbench.analysis.estimate.pulse_model import KINDS, Head, PulseModel, rebuilt, with_domain
from packbench.core.errors import InputError, Problem
from packbench.files import packaged_configs

FORMAT = "packbench-pulse-model/1"
FOLDER = "estimate"


@dataclass(frozen=True, slots=True, eq=False)
class NamedModel:
    """A model and what its file says of it."""

    name: str
    about: dict[str, Any]
    """material, nominal_ah, pulse_s, data [{file, sha256}], licence, source, cells, tests."""
    model: PulseModel


def write_model(path: Path, about: dict[str, Any], model: PulseModel) -> None:
    """Write a model's file."""
    tests = model.tests
    names, index = np.unique(tests.cells, return_inverse=True)
    document: dict[str, Any] = {
        "format": FORMAT,
        **about,
        "heads": {"free": _head(model.free), "counted": None if model.counted is None else _head(model.counted)},
        "training": {
            "cells": names.tolist(),
            "cell": index.tolist(),
            "capacity_ah": np.round(tests.capacity_ah, 5).tolist(),
            "nominal_ah": np.round(tests.nominal_ah, 5).tolist(),
            "counted_soc": [None if np.isnan(one) else round(float(one), 6) for one in tests.counted_soc],
            "voltages_v": np.round(tests.voltages, 5).tolist(),
        },
    }
    # One row a line: a difference between two versions can be read.
    text = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False)
    path.write_text(_joined(text) + "\n", encoding="utf-8")


def _joined(text: str) -> str:
    """The innermost lists on one line each."""
    lines: list[str] = []
    for line in text.splitlines():
        bare = line.strip()
        numeric = bare.rstrip(",").lstrip("-").replace(".", "", 1).replace("e-", "", 1).isdigit() or bare in (
            "null",
            "null,",
        )
        if lines and (numeric or (bare in ("]", "],") and lines[-1].lstrip()[-1:].isdigit())):
            lines[-1] += bare if lines[-1].endswith("[") or bare.startswith("]") else " " + bare
        else:
            lines.append(line)
    return "\n".join(lines)


def _head(head: Head) -> dict[str, Any]:
    return {
        "interval_factor": round(head.factor, 6),
        "processes": [
            {"features": kind, "weight": weight, "theta": np.round(process.theta, 6).tolist()}
            for kind, process, weight in zip(head.kinds, head.processes, head.weights, strict=True)
        ],
    }


def read_model(path: Path) -> NamedModel:
    """Read a model's file. Raises InputError when it is not one."""
    expected = f"a model written by `packbench estimate train` ({FORMAT})"
    try:
        loaded: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(Problem("cannot be read", file=str(path), found=str(error), expected=expected)) from error
    document = cast("dict[str, Any]", loaded if isinstance(loaded, dict) else {})
    if document.get("format") != FORMAT:
        raise InputError(Problem("not a model", file=str(path), found="another kind of file", expected=expected))
    try:
        tests = _tests(document)
        heads = document["heads"]
        free = _rebuilt(tests, heads["free"], counted=False)
        counted = None if heads["counted"] is None else _rebuilt(tests, heads["counted"], counted=True)
    except (KeyError, TypeError, ValueError, IndexError, np.linalg.LinAlgError) as error:
        found = f"{type(error).__name__}: {error}"
        raise InputError(Problem("a damaged model", file=str(path), found=found, expected=expected)) from error
    about = {key: value for key, value in document.items() if key not in ("heads", "training", "format")}
    return NamedModel(path.stem, about, with_domain(tests, free, counted))


def _tests(document: dict[str, Any]) -> PulseTests:
    data = document["training"]
    voltages = np.array(data["voltages_v"], dtype=np.float64)
    count = len(voltages)
    if voltages.shape != (count, VOLTAGES) or not np.isfinite(voltages).all():
        raise ValueError(f"voltages of shape {voltages.shape}")
    soc = np.array([np.nan if one is None else one for one in data["counted_soc"]], dtype=np.float64)
    capacity, nominal = (np.array(data[name], dtype=np.float64) for name in ("capacity_ah", "nominal_ah"))
    if any(column.shape != (count,) for column in (capacity, nominal, soc)):
        raise ValueError("columns of different lengths")
    return PulseTests(
        np.array(data["cells"], dtype=np.str_)[np.array(data["cell"], dtype=np.int64)],
        voltages,
        capacity,
        nominal,
        soc,
        np.full(count, str(document["material"])),
        np.arange(1, count + 1),
    )


def _rebuilt(tests: PulseTests, data: dict[str, Any], *, counted: bool) -> Head:
    kinds: list[Kind] = []
    for one in data["processes"]:
        if one["features"] not in KINDS:
            raise ValueError(f"features {one['features']!r}")
        kinds.append(one["features"])
    thetas = [np.array(one["theta"], dtype=np.float64) for one in data["processes"]]
    weights = tuple(float(one["weight"]) for one in data["processes"])
    return rebuilt(tests, tuple(kinds), thetas, weights, counted=counted)


def model_paths() -> dict[str, Path]:
    """Name to file of the models that came with packbench."""
    folder = packaged_configs() / FOLDER
    return {path.stem: path for path in sorted(folder.glob("pulse-*.json"))} if folder.is_dir() else {}


def about_of(path: Path) -> dict[str, Any]:
    """What a shipped model's file says of itself, without building it."""
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {key: value for key, value in document.items() if key not in ("heads", "training", "format")}


def find_model(name: str) -> Path:
    """A path, or the name of a model that came with packbench. Raises InputError."""
    known = model_paths()
    if name in known:
        return known[name]
    if Path(name).is_file():
        return Path(name)
    expected = f"a path or one of: {', '.join(known)}" if known else "a path"
    raise InputError(Problem("no such model", field="--model", found=name, expected=expected))
