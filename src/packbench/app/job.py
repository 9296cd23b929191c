"""A job: a profile, a pack and a bench, read, compiled and checked together.

Owns the reading of the three files.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from dataclasses import replace as _replaced
from math import isfinite
from pathlib import Path
from types import MappingProxyType
from typing import Any

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem
from packbench.core.limits import Limits, LimitSet, merge_limits
from packbench.core.specs import BenchSpec, PackSpec
from packbench.core.step_program import StepProgram
from packbench.files import ConfigKind, find_config, list_configs
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import Most, Plan, SourceFile
from packbench.store.meta import Source
from packbench.store.sources import Parameters, Remembering, UsedFile


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run, with the texts it came from."""

    plan: Plan
    pack: PackSpec
    bench: BenchSpec
    limits: Limits
    warnings: tuple[Problem, ...]
    profile_source: Source
    pack_source: Source
    bench_source: Source
    settings: tuple[str, ...] = ()
    """`--set` words that were applied."""
    program: StepProgram | None = None
    """What the bench's cycler runs by itself; None: it is told every set-point."""
    parameters: Parameters = ()
    """`--with` words that were applied: (name, value)."""
    files: tuple[UsedFile, ...] = ()
    """What the profile names: sub-profiles, tables of points."""


def read_source(kind: ConfigKind, name: str) -> Source:
    """A configuration file's name and text. Raises InputError when it is absent or not text."""
    path = find_config(kind, name)
    return Source(name=_shown(path), text=read_text(path))


def read_text(path: Path) -> str:
    """A file's text. Raises InputError naming the file when it cannot be read as UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        place = Problem("is not UTF-8 text", file=str(path), found=f"byte {error.start}", expected="UTF-8")
        raise InputError(place) from error
    except OSError as error:
        raise InputError(Problem(error.strerror or "cannot be read", file=str(path))) from error


def load_job(
    profile: str,
    pack: str,
    bench: str | None,
    settings: tuple[str, ...] = (),
    parameters: Parameters = (),
) -> Job:
    """Read, compile and check. Every error of every file is reported at once.

    `bench` None: the one that the pack file names.
    `settings`: `plant.KEY=VALUE` or `ambient_c=VALUE`, for simulations.
    `parameters`: (name, value) pairs that replace defaults of the profile's own parameters.
    """
    pack_source = read_source("packs", pack)
    pack_spec, _ = apply_settings(load_pack(pack_source.text, pack_source.name), settings)
    profile_source = read_source("profiles", profile)
    bench_name = bench or pack_spec.default_bench
    if bench_name is None:
        known = ", ".join(list_configs("benches"))
        raise InputError(Problem("the pack file names no bench", field="--bench", found="nothing", expected=known))
    library = Remembering(find_beside, profile_source.name)
    return job_of_texts(
        Texts(profile_source, pack_source, read_source("benches", bench_name), settings, parameters), library
    )


@dataclass(frozen=True, slots=True)
class Texts:
    """What a job is made of."""

    profile: Source
    pack: Source
    bench: Source
    settings: tuple[str, ...]
    parameters: Parameters


def job_of_texts(texts: Texts, library: Remembering) -> Job:
    """Compile and check. Raises InputError with every error of every file."""
    pack_spec, ambient_c = apply_settings(load_pack(texts.pack.text, texts.pack.name), texts.settings)
    plan = compile_profile(texts.profile.text, texts.profile.name, pack_spec, library, dict(texts.parameters))
    bench_spec = load_bench(texts.bench.text, texts.bench.name)
    if ambient_c is not None:
        bench_spec = _replaced(bench_spec, ambient_c=ambient_c)
    report = check_plan(plan, pack_spec, bench_spec)
    if not report.ok:
        raise InputError(list(report.errors))
    # Imported here: both read device files by way of this module.
    from packbench.app.programmed import export
    from packbench.app.suits import holder_of, require_suited

    remarks = require_suited(plan, pack_spec, bench_spec, texts.pack, texts.bench)
    limits = effective_limits(plan, pack_spec, bench_spec)
    plan = _replaced(plan, most=most_of(limits, pack_spec, bench_spec), holds_voltage=holder_of(bench_spec))
    return Job(
        plan,
        pack_spec,
        bench_spec,
        limits,
        (*report.warnings, *remarks),
        texts.profile,
        texts.pack,
        texts.bench,
        texts.settings,
        export(plan, limits, bench_spec),
        texts.parameters,
        library.used,
    )


def effective_limits(plan: Plan, pack: PackSpec, bench: BenchSpec) -> Limits:
    """The tightest of profile, pack and the bench's layers."""
    layers: dict[str, LimitSet] = {"profile": plan.limits, "pack": pack.limits, **bench.limits}
    return merge_limits(layers)


def most_of(limits: Limits, pack: PackSpec, bench: BenchSpec) -> Most:
    """What no set-point may go beyond, also one that a formula comes to during the run."""
    return Most(
        charge_current_a=limits.charge_current_max_a,
        discharge_current_a=limits.discharge_current_max_a,
        voltage_max_v=limits.pack_voltage_max_v,
        voltage_min_v=limits.pack_voltage_min_v,
        power_w=min(pack.max_power_w, float(bench.cycler.settings.get("rated_power_w", pack.max_power_w))),
    )


def find_beside(name: str, beside: str) -> SourceFile:
    """A file that a profile names: beside it or below, else among the profiles.

    Raises InputError when there is none, and for one that lies elsewhere: a profile from somebody else must not read
    this machine's files.
    """
    if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
        expected = "a file beside the profile or in a folder below it, or the name of a profile"
        raise InputError(Problem("a file that lies elsewhere", file=beside, found=repr(name), expected=expected))
    here = Path(beside).parent / name
    path = next((known for known in (here, here.with_name(f"{here.name}.yaml")) if known.is_file()), None)
    if path is None:
        path = find_config("profiles", name)
    text = read_text(path)
    return SourceFile(_shown(path), text, hashlib.sha256(text.encode()).hexdigest())


def apply_settings(pack: PackSpec, settings: tuple[str, ...]) -> tuple[PackSpec, float | None]:
    """Apply `--set` words (`plant.KEY=VALUE`, `ambient_c=VALUE`): the pack, and the ambient if it was named."""
    plant: dict[str, Any] = dict(pack.plant)
    ambient_c: float | None = None
    for word in settings:
        key, _, text = word.partition("=")
        try:
            value = float(text)
            if not isfinite(value):
                raise ValueError
        except ValueError:
            raise InputError(Problem("", field="--set", found=word, expected="KEY=NUMBER")) from None
        name = key.removeprefix("plant.")
        if key == "ambient_c":
            ambient_c = value
        elif key.startswith("plant.") and name in _PLANT_NUMBERS:
            if name == "seed" and (value < 0 or not value.is_integer()):
                raise InputError(Problem("", field=key, found=text, expected="a whole number from 0"))
            plant[name] = int(value) if name == "seed" else value
        else:
            known = ", ".join(["ambient_c", *(f"plant.{known}" for known in _PLANT_NUMBERS)])
            raise InputError(Problem("", field="--set", found=key, expected=f"one of {known}"))
    return _replaced(pack, plant=MappingProxyType(plant)), ambient_c


def _shown(path: Path) -> str:
    """A path as an error or a record shows it: relative to here when it lies below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return path.name if "_configs" in path.parts else str(path)


_PLANT_NUMBERS = (
    "soh",
    "capacity_spread",
    "resistance_factor",
    "resistance_spread",
    "imbalance_sd",
    "initial_soc",
    "self_discharge_per_day",
    "initial_temperature_c",
    "insulation_ohm",
    "seed",
)
