"""`estimate train`: measured pulse tests in, a model's file out.

Owns what of the data may train, and what the model's file says of them. Every choice of the fit is made in
`pulse_model`; the figures written beside the model are from cells left out (`crossval`), never from training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from packbench import __version__
from packbench.analysis.estimate import crossval
from packbench.analysis.estimate.pulse_data import PulseTests
from packbench.analysis.estimate.pulse_model import CELLS_MIN, PulseModel, train
from packbench.analysis.estimate.pulse_table import PulseFile, read_pulse_table
from packbench.core.errors import InputError, Problem

SOH_LIMITS = (0.05, 1.5)
NOMINAL_REL = 0.02
Told = Callable[[str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A model and what its file says of it."""

    about: dict[str, Any]
    model: PulseModel


def train_from(paths: Sequence[Path], *, licence: str, source: str, check: bool, tell: Told) -> Trained:
    """Train on files of one kind of cell. Raises InputError when they cannot train a model.

    Args:
        paths: Tables of pulse tests with measured capacities.
        licence: Of the data; goes into the model's file.
        source: Where the data come from.
        check: Also cross-validate, each choice made anew in each fold (minutes), and write the figures.
        tell: Progress, one sentence at a time.
    """
    files = [read_pulse_table(path) for path in paths]
    tests, dropped = _usable(paths, files)
    widths = {file.pulse_s for file in files}
    about: dict[str, Any] = {
        "material": str(tests.material[0]),
        "nominal_ah": float(np.median(tests.nominal_ah)),
        "pulse_s": next(iter(widths)),
        "data": [{"file": path.name, "sha256": file.sha256} for path, file in zip(paths, files, strict=True)],
        "licence": licence,
        "source": source,
        "trained_by": f"packbench {__version__}",
        "cells": int(np.unique(tests.cells).size),
        "tests": len(tests),
        "tests_left_out": dropped,
    }
    tell(f"training on {about['tests']} tests of {about['cells']} cells")
    model = train(tests)
    about["cross_validation"] = cross_validation(tests, model.counted is not None, tell) if check else None
    return Trained(about, model)


def cross_validation(tests: PulseTests, has_counted: bool, tell: Told) -> dict[str, Any]:
    """Figures on cells left out, in SOH points."""
    found: dict[str, Any] = {"by": "physical cell", "folds": crossval.FOLDS, "seed": 0, "unit": "SOH points"}
    for counted in (False, True)[: 1 + has_counted]:
        name = "charge counted" if counted else "nothing known"
        tell(f"cross-validating by physical cell, {name}")
        held = crossval.nested(tests, 0, counted=counted)
        error = np.abs(held.soh - tests.soh)
        alone = np.abs(crossval.rest_voltage_alone(tests, 0, counted=counted) - tests.soh)
        found["counted" if counted else "free"] = {
            "mae": round(float(error.mean()) * 100.0, 3),
            "mae_rest_voltage_alone": round(float(alone.mean()) * 100.0, 3),
            "coverage": round(float(np.mean(error <= held.half_width)), 4),
            "median_half_width": round(float(np.median(held.half_width)) * 100.0, 3),
            "refused": round(float(held.refused.mean()), 4),
        }
    found["ridge_baseline_mae"] = round(float(np.abs(crossval.ridge(tests, 0) - tests.soh).mean()) * 100.0, 3)
    return found


def _usable(paths: Sequence[Path], files: Sequence[PulseFile]) -> tuple[PulseTests, int]:
    """The rows that can train, of all files together."""
    listed = ", ".join(path.name for path in paths)
    widths = {file.pulse_s for file in files}
    if len(widths) > 1:
        raise InputError(Problem("files of different pulse widths", file=listed, field="Pt", found=str(widths)))
    tests = _joined([file.tests for file in files])
    with np.errstate(invalid="ignore"):
        soh = tests.soh
        usable = np.isfinite(tests.voltages).all(axis=1) & (soh > SOH_LIMITS[0]) & (soh < SOH_LIMITS[1])
    kept = tests.part(usable)
    cells = int(np.unique(kept.cells).size)
    if cells < CELLS_MIN:
        raise InputError(
            Problem(
                "too few measured cells",
                file=listed,
                found=f"{cells} cells with U1..U21 and a capacity (Q and Qn, or SOH)",
                expected=f"at least {CELLS_MIN}",
            )
        )
    if np.unique(kept.material).size > 1:
        found = ", ".join(np.unique(kept.material).tolist())
        raise InputError(Problem("several materials", file=listed, field="Mat", found=found, expected="one kind"))
    nominal = kept.nominal_ah
    if nominal.max() > nominal.min() * (1.0 + NOMINAL_REL):
        span = f"{nominal.min():g} to {nominal.max():g} Ah"
        raise InputError(Problem("several kinds of cell", file=listed, field="Qn", found=span, expected="one"))
    if not np.isfinite(kept.counted_soc).all():
        kept = _without_counted(kept)
    return kept, int(np.sum(~usable))


def _without_counted(tests: PulseTests) -> PulseTests:
    """The same, with the counted charge forgotten: part of the rows do not state it."""
    missing = np.full(len(tests), np.nan)
    return PulseTests(
        tests.cells, tests.voltages, tests.capacity_ah, tests.nominal_ah, missing, tests.material, tests.lines
    )


def _joined(parts: Sequence[PulseTests]) -> PulseTests:
    return PulseTests(
        np.concatenate([part.cells for part in parts]),
        np.concatenate([part.voltages for part in parts]),
        np.concatenate([part.capacity_ah for part in parts]),
        np.concatenate([part.nominal_ah for part in parts]),
        np.concatenate([part.counted_soc for part in parts]),
        np.concatenate([part.material for part in parts]),
        np.concatenate([part.lines for part in parts]),
    )
