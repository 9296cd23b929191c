"""Grading of runs: a run, a result or a cycler's file brought together with a rules file and what was stated.

Owns the look-up. Must not judge: that is `secondlife.grading`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from packbench.analysis.importer import analyze_file
from packbench.app.job import apply_settings, read_source
from packbench.app.places import DATA_NAME
from packbench.app.proven import run_of
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem
from packbench.core.result import Measured, Result
from packbench.core.specs import PackSpec
from packbench.files import find_config
from packbench.report.json_out import result_from_json
from packbench.secondlife.grading.judge import Grading, grade
from packbench.secondlife.grading.rules import UNITS, Figure, RulesModel, load_rules
from packbench.store.reader import RunReader

_Name = TypeVar("_Name", bound=str)

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


@dataclass(frozen=True, slots=True)
class Subject:
    """What a word of the command line names."""

    result: Result
    is_record_verified: bool
    """The figures come from a record whose chain and signature were checked."""
    pack: PackSpec | None
    """None: nobody said what pack it is."""


def rules_of(name: str) -> tuple[RulesModel, Path]:
    """The rules file of that name or path. Raises InputError."""
    path = find_config("grading", name)
    try:
        return load_rules(path.read_text(encoding="utf-8"), str(path)), path
    except UnicodeDecodeError as error:
        raise InputError(Problem("", str(path), found="no UTF-8 text", expected="a rules file")) from error


def stated_figures(words: list[str]) -> dict[Figure, Measured]:
    """What rules may speak of, as `stated` reads it."""
    return stated(words, UNITS)


def stated(words: list[str], units: Mapping[_Name, str]) -> dict[_Name, Measured]:
    """`name=value` or `name=value+-U` (k = 2), in the figure's unit. Raises InputError."""
    stated: dict[_Name, Measured] = {}
    names: dict[str, _Name] = {str(name): name for name in units}
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
        stated[figure] = Measured(_number(value, word), u, k, STATED_P, units[figure])
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
    subject = subject_of(word, pack)
    if not may_be_judged(subject.result):
        return Graded(subject.result, None, subject.is_record_verified)
    return Graded(subject.result, grade(rules, figures_of(subject, stated)), subject.is_record_verified)


def may_be_judged(result: Result) -> bool:
    """Whether its figures may be used at all."""
    return result.valid and result.verdict not in ("INVALID", "ABORTED")


def figures_of(subject: Subject, stated: Mapping[Figure, Measured]) -> dict[Figure, Measured]:
    """What rules may speak of: measured, and stated where it was not measured. Raises InputError."""
    figures = _figures(subject.result, has_record=subject.is_record_verified)
    refuse_measured(stated, figures)
    return figures | dict(stated)


def refuse_measured(stated: Collection[str], measured: Collection[str]) -> None:
    """Raises InputError for a stated figure that the run measured."""
    for name in stated:
        if name in measured:
            found = f"{name}, which the run measured"
            raise InputError(Problem("", field="--set", found=found, expected="only what the run does not have"))


def subject_of(word: str, pack: str | None) -> Subject:
    """The result of a run, a result.json or a cycler's file, and its pack. Raises InputError, VerificationFailed."""
    path = Path(word)
    if path.is_file() and path.name != DATA_NAME:
        spec = None
        if pack is not None:
            source = read_source("packs", pack)
            spec = load_pack(source.text, source.name)
        if path.suffix.lower() == ".json":
            return Subject(result_from_json(path.read_bytes(), str(path)), False, spec)
        return Subject(analyze_file(path, None, spec), False, spec)
    folder, result, _is_test = run_of(word)
    return Subject(result, True, recorded_pack(folder))


def recorded_pack(folder: Path) -> PackSpec:
    """The pack as a run's record has it."""
    with RunReader.open(folder / DATA_NAME) as reader:
        meta = reader.meta
    settings = tuple(str(word) for word in meta.extra.get("settings", ()))
    return apply_settings(load_pack(meta.pack.text, meta.pack.name), settings)[0]


def _figures(result: Result, *, has_record: bool) -> dict[Figure, Measured]:
    """What a result holds. Only a verified record vouches that there were no trips."""
    found: dict[Figure, Measured] = {}
    if result.soh is not None:
        found["soh"] = result.soh
    if result.soce is not None:
        found["soce"] = result.soce
    if result.cell_spread_v is not None:
        found["cell_spread_v"] = result.cell_spread_v
    fade = None if result.diagnostics is None else result.diagnostics.fade
    if fade is not None and fade.resistance_increase is not None:
        found["dcir_rise"] = fade.resistance_increase
    if has_record:
        found["trips"] = Measured(float(len(result.trips)), 0.0, STATED_K, STATED_P, "1")
    return found
