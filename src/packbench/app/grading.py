"""Grading of runs: a run, a result or a cycler's file brought together with a rules file and what was stated.

Owns the look-up. Must not judge: that is `secondlife.grading`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packbench.analysis.importer import analyze_file
from packbench.app.job import read_source
from packbench.app.passports import run_of
from packbench.app.places import DATA_NAME
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem
from packbench.core.result import Measured, Result
from packbench.files import find_config
from packbench.report.json_out import result_from_json
from packbench.secondlife.grading.judge import Grading, grade
from packbench.secondlife.grading.rules import UNITS, Figure, RulesModel, load_rules

STATED_K: Final = 2.0
STATED_P: Final = 0.9545
"""Of a U that a person states: the usual k = 2 of a certificate, normal."""


@dataclass(frozen=True, slots=True)
class Graded:
    """One pack; `grading` None: an invalid result, which is not graded."""

    result: Result
    grading: Grading | None
    is_record_verified: bool
    """The figures come from a record whose chain and signature were checked."""


def rules_of(name: str) -> tuple[RulesModel, Path]:
    """The rules file of that name or path. Raises InputError."""
    path = find_config("grading", name)
    try:
        return load_rules(path.read_text(encoding="utf-8"), str(path)), path
    except UnicodeDecodeError as error:
        raise InputError(Problem("", str(path), found="no UTF-8 text", expected="a rules file")) from error


def stated_figures(words: list[str]) -> dict[Figure, Measured]:
    """`name=value` or `name=value+-U` (k = 2), in the figure's unit. Raises InputError."""
    stated: dict[Figure, Measured] = {}
    names: dict[str, Figure] = {str(name): name for name in UNITS}
    for word in words:
        name, _, text = word.partition("=")
        value, has_u, expanded_u = text.partition("+-")
        if name not in names:
            raise InputError(Problem("", field="--set", found=repr(name), expected=f"one of {', '.join(names)}"))
        if names[name] in stated:
            raise InputError(Problem("", field="--set", found=f"{name} twice", expected="each figure once"))
        figure = names[name]
        u = _number(expanded_u, word) if has_u else 0.0 if figure == "trips" else None
        k = None if u is None else STATED_K
        stated[figure] = Measured(_number(value, word), u, k, STATED_P, UNITS[figure])
    return stated


def _number(text: str, word: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < 1e9:
        raise InputError(Problem("", field="--set", found=repr(word), expected="name=value or name=value+-U"))
    return value


def graded(word: str, rules: RulesModel, stated: dict[Figure, Measured], pack: str | None) -> Graded:
    """Grade one run, result.json or cycler's file. Raises InputError, VerificationFailed."""
    result, is_verified = _result(word, pack)
    if not result.valid or result.verdict in ("INVALID", "ABORTED"):
        return Graded(result, None, is_verified)
    figures = _figures(result, has_record=is_verified)
    for name, figure in stated.items():
        if name in figures:
            found = f"{name}, which the run measured"
            raise InputError(Problem("", field="--set", found=found, expected="only what the run does not have"))
        figures[name] = figure
    return Graded(result, grade(rules, figures), is_verified)


def _result(word: str, pack: str | None) -> tuple[Result, bool]:
    """The result, and whether its record was verified."""
    path = Path(word)
    if path.is_file() and path.name != DATA_NAME:
        if path.suffix.lower() == ".json":
            return result_from_json(path.read_bytes(), str(path)), False
        spec = None
        if pack is not None:
            source = read_source("packs", pack)
            spec = load_pack(source.text, source.name)
        return analyze_file(path, None, spec), False
    return run_of(word)[1], True


def _figures(result: Result, *, has_record: bool) -> dict[Figure, Measured]:
    """What a result holds. Only a verified record vouches that there were no trips."""
    found: dict[Figure, Measured] = {}
    if result.soh is not None:
        found["soh"] = result.soh
    if result.soce is not None:
        found["soce"] = result.soce
    if result.cell_spread_v is not None:
        found["cell_spread_v"] = result.cell_spread_v
    if has_record:
        found["trips"] = Measured(float(len(result.trips)), 0.0, STATED_K, STATED_P, "1")
    return found
