"""A pack's second life: a run, a result or a cycler's file brought together with applications, ageing and money.

Owns the look-up of files and of the pack's figures. Must not judge: that is `secondlife`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from packbench.app.grading import STATED_K, STATED_P, Subject, figures_of, may_be_judged, refuse_measured, subject_of
from packbench.core.errors import InputError, Problem
from packbench.core.result import Measured, Result
from packbench.core.specs import PackSpec
from packbench.files import ConfigKind, find_config, list_configs
from packbench.secondlife.applications.match import Known
from packbench.secondlife.applications.profile import LIFE, UNITS, Asked, load_profile
from packbench.secondlife.draws import Draws
from packbench.secondlife.grading.rules import UNITS as GRADED
from packbench.secondlife.grading.rules import Figure
from packbench.secondlife.life.ageing import load_ageing
from packbench.secondlife.value.appraisal import Appraisal, Files, PackFacts, appraise
from packbench.secondlife.value.assumptions import load_money

DEFAULT_LIFE: Final = "ageing"
DEFAULT_ASSUMPTIONS: Final = "assumptions"
STATABLE: Final[dict[Asked, str]] = {name: unit for name, unit in UNITS.items() if name not in LIFE}
"""What an operator may state, besides what the run measured."""
_WHOLE_DISCHARGE: Final = 0.8
"""A discharge of at least this much of the measured energy shows a power that the pack holds."""
_Model = TypeVar("_Model")


@dataclass(frozen=True, slots=True)
class Read:
    """The files of an appraisal and where they are."""

    files: Files
    paths: dict[str, str]


@dataclass(frozen=True, slots=True)
class Valued:
    """One pack; `appraisal` None: an invalid result, which is not valued."""

    subject: Subject
    appraisal: Appraisal | None


def read_files(application: str | None, life: str, assumptions: str) -> Read:
    """The files by name or path; without an application, all there are. Raises InputError with what is wrong."""
    ageing, ageing_path = _read("life", life, load_ageing)
    money, money_path = _read("value", assumptions, load_money)
    names = [application] if application is not None else list(list_configs("applications"))
    profiles = [_read("applications", name, load_profile)[0] for name in names]
    profiles.sort(key=lambda profile: (profile.always_open, profile.application))
    for profile in profiles:
        if not profile.always_open and profile.application not in money.prices:
            field = f"prices.{profile.application}"
            raise InputError(Problem("", str(money_path), field=field, found="nothing", expected="its price"))
    return Read(Files(profiles, ageing, money), {"life": str(ageing_path), "assumptions": str(money_path)})


def _read(kind: ConfigKind, name: str, load: Callable[[str, str], _Model]) -> tuple[_Model, Path]:
    path = find_config(kind, name)
    try:
        return load(path.read_text(encoding="utf-8"), str(path)), path
    except UnicodeDecodeError as error:
        raise InputError(Problem("", str(path), found="no UTF-8 text", expected="a YAML file")) from error


def valued(word: str, read: Read, stated: Mapping[Asked, Measured], pack: str | None, draws: Draws) -> Valued:
    """Value one run, result.json or cycler's file. Raises InputError, VerificationFailed."""
    subject = subject_of(word, pack)
    return Valued(subject, appraisal_of(subject, read, stated, draws))


def appraisal_of(subject: Subject, read: Read, stated: Mapping[Asked, Measured], draws: Draws) -> Appraisal | None:
    """Match, life and value in every application; None for a result whose figures may not be used."""
    if not may_be_judged(subject.result):
        return None
    return appraise(read.files, known_of(subject, stated), _facts(subject), draws)


def known_of(subject: Subject, stated: Mapping[Asked, Measured]) -> dict[Asked, Known]:
    """What is known of a pack: measured, shown by the test, allowed by its maker, or stated."""
    graded: dict[Figure, Measured] = {name: stated[name] for name in GRADED if name in stated}
    found: dict[Asked, Known] = {}
    for name, figure in figures_of(subject, graded).items():
        found[name] = Known(figure)
    energy, pack = subject.result.energy_wh, subject.pack
    if energy is not None:
        found["energy_kwh"] = Known(_scaled(energy, 1e-3, "kWh"))
    if pack is not None and pack.limits.temperature_min_c is not None:
        found["temperature_min_c"] = Known(_exact(pack.limits.temperature_min_c, "degC"))
    if pack is not None and pack.limits.temperature_max_c is not None:
        found["temperature_max_c"] = Known(_exact(pack.limits.temperature_max_c, "degC"))
    more: dict[Asked, Measured] = {name: figure for name, figure in stated.items() if name not in GRADED}
    refuse_measured(more, found)
    if (shown := shown_w_per_kwh(subject.result)) is not None:
        # A power that was held is held at the least; a stated one says how much more there is.
        found["continuous_w_per_kwh"] = Known(_exact(shown, "W/kWh"), is_lower_bound=True)
        found["peak_w_per_kwh"] = Known(_exact(shown, "W/kWh"), is_lower_bound=True)
    for name, figure in more.items():
        found[name] = Known(figure)
    return found


def shown_w_per_kwh(result: Result) -> float | None:
    """The mean power of the most powerful whole discharge over the measured energy; None: there was none."""
    energy = result.energy_wh
    if energy is None or not energy.value > 0.0:
        return None
    powers = [
        -step.energy_wh * 3600.0 / step.duration_s
        for step in result.steps
        if -step.energy_wh >= _WHOLE_DISCHARGE * energy.value and step.duration_s > 0.0
    ]
    return max(powers) * 1e3 / energy.value if powers else None


def _facts(subject: Subject) -> PackFacts:
    pack: PackSpec | None = subject.pack
    if pack is not None:
        return PackFacts(pack.chemistry, pack.rated_energy_wh / 1e3)
    energy, soce = subject.result.energy_wh, subject.result.soce
    has_both = energy is not None and soce is not None and soce.value > 0.0
    return PackFacts(None, energy.value / soce.value / 1e3 if has_both and energy and soce else None)


def _scaled(figure: Measured, factor: float, unit: str) -> Measured:
    u = None if figure.U is None else figure.U * factor
    return Measured(figure.value * factor, u, figure.k, figure.p, unit)


def _exact(value: float, unit: str) -> Measured:
    return Measured(value, 0.0, STATED_K, STATED_P, unit)
