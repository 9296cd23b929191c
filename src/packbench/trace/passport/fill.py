"""A passport filled: what a run measured, what its battery code says, what others state, and what is still missing.

Owns which figure goes into which field, with originator, date, method and uncertainty. Must not invent: a field without
a source stays out and is listed. What the bench measured cannot be overruled by a fact.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from packbench.core.errors import Problem
from packbench.core.result import Result
from packbench.trace.codes.code import read
from packbench.trace.passport import schema
from packbench.trace.passport.consistency import from_the_future, other_beginnings, other_ratings
from packbench.trace.passport.facts import Fact
from packbench.trace.passport.figures import Figure, LeftOut, cell_spread, figures_of
from packbench.trace.passport.footprint_fields import TOTAL, CarbonFigures, complaints, fields_of, life_of
from packbench.trace.passport.origin import Origin, stated_u, text_of_u
from packbench.trace.passport.paths import (
    ALWAYS,
    BEGIN_OF_LIFE,
    COMPONENT,
    FIGURES,
    INITIAL_POWER,
    INITIAL_RESISTANCE,
    POWER_SOC,
    POWER_TIME,
    Place,
)
from packbench.trace.passport.schema import Kind, Leaf

STATUSES: Final = ("original", "repurposed", "re-used", "remanufactured", "waste")
FOLLOWS: Final = ("repurposed", "re-used", "remanufactured")
"""Statuses whose battery had a passport before (DIN DKE SPEC 99100, 5.2)."""
REMANUFACTURED_SOH_MIN: Final = 0.90
REMANUFACTURED_SPREAD_MAX: Final = 0.03
"""Capacity restored to at least 90 % of rated, cells at most 3 % apart (DIN DKE SPEC 99100, 3)."""
PREDECESSOR: Final = "(predecessor)"
_NO_PREDECESSOR: Final = f"urn:uuid:{uuid.UUID(int=0)}"
_STATUS_PATH: Final[dict[Kind, str]] = {
    "batterypass": "GeneralProductInformation.batteryStatus",
    "catenax": "sustainability.status",
    "din99100": "identification.batteryStatus",
}
_BATTERYPASS_STATUS: Final[dict[str, str]] = dict(
    zip(STATUSES, ("Original", "Repurposed", "Reused", "Remanufactured", "Waste"), strict=True)
)
_ID_PATH: Final[dict[Kind, str]] = {
    "batterypass": "GeneralProductInformation.productIdentifier",
    "catenax": "identification.idDmc",
    "din99100": "identification.batteryIdentifier",
}
_MADE_PATH: Final[dict[Kind, str]] = {
    "batterypass": "GeneralProductInformation.manufacturingDate",
    "catenax": "operation.manufacturer.manufacturingDate",
}
COMMAND_LINE: Final[dict[str, str]] = {
    **dict.fromkeys(_STATUS_PATH.values(), "--status"),
    **dict.fromkeys(("metadata.predecessor", "identification.predecessorPassport", PREDECESSOR), "--predecessor"),
}
"""Fields that whoever issues the passport states, not a facts file: what follows from them is checked."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a passport is asked for, beside the facts."""

    kind: Kind
    code: str
    today: str
    """YYYY-MM-DD."""
    originator: str
    """Who measured: the operator at the bench."""
    status: str | None = None
    predecessor: str | None = None
    """Identifier of the passport before."""
    carbon: CarbonFigures | None = None
    """The footprint that was asked to be in it."""


@dataclass(frozen=True, slots=True)
class Passport:
    """A passport, whole or not."""

    kind: Kind
    identifier: str
    payload: dict[str, Any]
    origins: dict[str, Origin]
    missing: tuple[Leaf, ...]
    problems: tuple[Problem, ...]
    """What is there and does not fit."""
    predecessor: str | None
    provenance: str | None
    """Of the run; None: there is none."""
    left_out: tuple[LeftOut, ...] = ()
    """What the run does not fill, and why."""

    @property
    def complete(self) -> bool:
        """Whether every required field is there and fits."""
        return not self.missing and not self.problems


@dataclass(slots=True)
class _Filling:
    asked: Asked
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    origins: dict[str, Origin] = field(default_factory=dict[str, Origin])
    problems: list[Problem] = field(default_factory=list[Problem])
    left_out: tuple[LeftOut, ...] = ()

    def put(self, path: str, value: Any, origin: Origin) -> None:
        self.values[path] = value
        self.origins[path] = origin


def fill(asked: Asked, result: Result | None, facts: Sequence[Fact]) -> Passport:
    """A passport from a run's result (None: there is no run) and the facts of others."""
    filling = _Filling(asked)
    identifier = passport_identifier(asked, result)
    _issued(filling, identifier)
    if result is not None:
        _measured(filling, result, _begin_of_life(asked.kind, facts))
    _footprint(filling)
    own = dict(filling.values)
    _coded(filling, facts)
    for fact in facts:
        if fact.path in COMMAND_LINE:
            filling.problems.append(fact.problem("it in the facts", f"it by {COMMAND_LINE[fact.path]}"))
        elif fact.path in own:
            filling.problems.append(fact.problem(repr(fact.value), f"nothing: the bench states {own[fact.path]!r}"))
        else:
            _take(filling, fact)
    filling.problems += from_the_future(facts, asked.today)
    if result is not None:
        filling.problems += other_ratings(asked.kind, result, facts)
    payload = _nested(filling)
    absent = schema.missing(asked.kind, payload)
    status = asked.status
    if status in FOLLOWS and asked.predecessor is None:
        text = "the passport that this one follows"
        absent = [each for each in absent if each.path != "metadata.predecessor"]
        absent.append(Leaf(PREDECESSOR, "an identifier, by --predecessor", True, {}, text))
    lacking = {each.path for each in absent}
    misfits = [each for each in schema.problems(asked.kind, payload) if not _is_below(each.field or "", lacking)]
    return Passport(
        asked.kind,
        identifier,
        payload,
        filling.origins,
        tuple(absent),
        (*filling.problems, *misfits),
        asked.predecessor,
        None if result is None else result.provenance,
        filling.left_out,
    )


def measured_paths(kind: Kind) -> frozenset[str]:
    """The fields that every run of the bench fills in, besides the battery's name."""
    pairs = [FIGURES[kind][name] for name in ALWAYS]
    found = {_ID_PATH[kind], *(path for pair in pairs for path in pair if path is not None)}
    if kind == "din99100":
        bases = [value.removesuffix(".value") for value, _ in pairs]
        found |= {f"{base}.{name}" for base in bases for name in ("unit", "originator", "method", "uncertainty")}
    return frozenset(found)


def passport_identifier(asked: Asked, result: Result | None) -> str:
    """A version 4 UUID that follows from what the passport is made of: made again, it is the same passport's."""
    log = "" if result is None else result.hashes.get("log_sha256", result.run_id)
    seed = "\n".join((asked.kind, asked.code, log, asked.status or "", asked.predecessor or ""))
    made = uuid.UUID(bytes=hashlib.sha256(seed.encode()).digest()[:16], version=4)
    return f"urn:packbench:{made.hex}" if asked.kind == "batterypass" else f"urn:uuid:{made}"


def _issued(filling: _Filling, identifier: str) -> None:
    """What whoever issues the passport says."""
    asked = filling.asked
    issuing = Origin(asked.originator, asked.today, "stated when the passport was made")
    filling.put(_ID_PATH[asked.kind], asked.code, issuing)
    if asked.status is not None:
        word = _BATTERYPASS_STATUS[asked.status] if asked.kind == "batterypass" else asked.status
        filling.put(_STATUS_PATH[asked.kind], word, issuing)
    if asked.kind == "batterypass":
        filling.put("GeneralProductInformation.batteryPassportIdentifier", identifier, issuing)
    elif asked.kind == "catenax":
        filling.put("specVersion", schema.NAMES["catenax"], issuing)
        filling.put("metadata.passportIdentifier", identifier, issuing)
        filling.put("metadata.issueDate", asked.today, issuing)
        if asked.predecessor is not None:
            filling.put("metadata.predecessor", asked.predecessor, issuing)
        elif asked.status == "original":
            how = "no passport before this one: the dummy value that the schema asks for"
            filling.put("metadata.predecessor", _NO_PREDECESSOR, Origin(asked.originator, asked.today, how))
    elif asked.predecessor is not None:
        filling.put("identification.predecessorPassport", asked.predecessor, issuing)


def _measured(filling: _Filling, result: Result, begin_of_life: Mapping[str, Fact]) -> None:
    asked = filling.asked
    if not result.valid:
        found = "; ".join(result.invalid_reasons) or result.verdict
        filling.problems.append(
            Problem("the run counts for nothing", field=f"run {result.run_id}", found=found, expected="a valid run")
        )
        return
    if asked.status == "remanufactured":
        filling.problems += _not_remanufactured(result, _STATUS_PATH[asked.kind])
    taken = figures_of(result, begin_of_life)
    places = FIGURES[asked.kind]
    filling.left_out = taken.left_out
    filling.problems += other_beginnings(taken.figures, begin_of_life)
    for figure in taken.figures:
        if figure.name in places:
            _put_figure(filling, figure, places[figure.name], result)


def _put_figure(filling: _Filling, figure: Figure, place: Place, result: Result) -> None:
    kind, (value_path, time_path), measured = filling.asked.kind, place, figure.measured
    method = f"{result.profile} on {result.bench or 'a bench'}, run {result.run_id}{figure.detail}"
    origin = Origin(filling.asked.originator, result.ended_at, method, stated_u(measured))
    filling.put(value_path, round(measured.value, 6), origin)
    if kind == "din99100":
        base = value_path.removesuffix(".value")
        stated = {"unit": measured.unit, "originator": origin.originator, "method": method}
        stated |= {"date": result.ended_at[:10], "uncertainty": text_of_u(measured)}
        for name, text in stated.items():
            if text is not None:
                filling.put(f"{base}.{name}", text, origin)
        return
    if time_path is not None:
        filling.put(time_path, result.ended_at, origin)
    if kind == "batterypass" and figure.name == "resistance_fade":
        filling.put(COMPONENT, "pack", origin)
    if kind == "batterypass" and figure.at_soc is not None:
        filling.put(POWER_SOC, round(figure.at_soc, 2), origin)
        filling.put(POWER_TIME, result.ended_at, origin)


def _not_remanufactured(result: Result, field: str) -> Iterator[Problem]:
    """DIN DKE SPEC 99100, clause 3: 90 % of the rated capacity, and cells that lie no further than 3 % apart."""
    why = "DIN DKE SPEC 99100, clause 3"
    if result.soh is not None and result.soh.value < REMANUFACTURED_SOH_MIN:
        found = f"remanufactured with {result.soh.value:.1%} of the rated capacity"
        yield Problem(why, field=field, found=found, expected=f"at least {REMANUFACTURED_SOH_MIN:.0%}")
    spread = cell_spread(result)
    if spread is None or spread.value > REMANUFACTURED_SPREAD_MAX:
        found = "cells whose spread the run did not measure" if spread is None else f"cells {spread.value:.1%} apart"
        expected = f"capacities of the cells at most {REMANUFACTURED_SPREAD_MAX:.0%} apart"
        yield Problem(why, field=field, found=f"remanufactured with {found}", expected=expected)


def _begin_of_life(kind: Kind, facts: Sequence[Fact]) -> dict[str, Fact]:
    """What makers state of the battery when new, as far as the bench measures the same."""
    by_path = {fact.path: fact for fact in facts}
    found = {name: by_path[path] for name, path in BEGIN_OF_LIFE[kind].items() if path in by_path}
    if kind == "batterypass":
        for base, which, wanted, value, name in (
            (INITIAL_RESISTANCE, "batteryComponent", "pack", "ohmicResistance", "resistance"),
            (INITIAL_POWER, "atSoC", 80.0, "powerCapabilityAt", "power"),
        ):
            for path, fact in by_path.items():
                item = path.removesuffix(f".{which}")
                if item != path and item.startswith(f"{base}[") and fact.value == wanted:
                    new = by_path.get(f"{item}.{value}")
                    found |= {} if new is None else {name: new}
    return found


def _footprint(filling: _Filling) -> None:
    """The carbon footprint of the life that the passport is about."""
    asked, given = filling.asked, filling.asked.carbon
    if given is None:
        return
    life = life_of(asked.status)
    if life is None:
        found, expected = asked.status or "no status", "original, repurposed, re-used or remanufactured, by --status"
        filling.problems.append(Problem("whose footprint?", field=TOTAL[asked.kind], found=found, expected=expected))
        return
    for path, value, origin in fields_of(asked.kind, given, life, asked.originator, asked.today):
        filling.put(path, value, origin)
    filling.problems += complaints(asked.kind, given, life)


def _coded(filling: _Filling, facts: Sequence[Fact]) -> None:
    """The day on which the battery was made, as its code says; a fact that says another day is a contradiction."""
    asked = filling.asked
    code, path = read(asked.code), _MADE_PATH.get(asked.kind)
    if code is None or code.is_echelon or path is None:
        return
    made = code.made.isoformat()
    stated = next((fact for fact in facts if fact.path == path), None)
    if stated is None:
        how = "GB/T 34014-2017, characters 15 to 17"
        value = made
        if asked.kind == "batterypass":
            value, how = f"{made}T00:00:00Z", f"{how}; the code says the day, the time of day is filled up with zeros"
        filling.put(path, value, Origin(f"maker {code.manufacturer}, by the battery code", made, how))
    elif not str(stated.value).startswith(made):
        filling.problems.append(stated.problem(repr(stated.value), f"{made}, as the battery code says"))


def _take(filling: _Filling, fact: Fact) -> None:
    source = fact.source
    origin = Origin(source.originator, source.date, source.method or "as stated", source.uncertainty, source.reference)
    filling.put(fact.path, fact.value, origin)
    if filling.asked.kind == "din99100" and fact.path.endswith(".value"):
        base = fact.path.removesuffix(".value")
        place = schema.at("din99100", cast("schema.Keys", schema.split(f"{base}.unit"))) or {}
        stated = {"unit": place["enum"][0], "date": source.date, "originator": source.originator}
        stated |= {
            name: text for name, text in (("method", source.method), ("uncertainty", source.uncertainty)) if text
        }
        for name, text in stated.items():
            filling.values.setdefault(f"{base}.{name}", text)
            filling.origins.setdefault(f"{base}.{name}", origin)


def _nested(filling: _Filling) -> dict[str, Any]:
    """Values by path as one document; lists in the order of their numbers, which may have no gap."""
    root: dict[str, Any] = {}
    for path, value in sorted(filling.values.items(), key=lambda pair: _sort_key(pair[0])):
        keys = schema.split(path) or ()
        place: Any = root
        for position, key in enumerate(keys):
            is_last = position + 1 == len(keys)
            empty: Any = value if is_last else [] if isinstance(keys[position + 1], int) else {}
            if isinstance(key, int):
                items = cast("list[Any]", place)
                if key > len(items) or (is_last and key < len(items)):
                    found, wanted = f"item {key + 1}", f"item {len(items) + 1} first"
                    filling.problems.append(Problem("", field=path, found=found, expected=wanted))
                    break
                if key == len(items):
                    items.append(empty)
                place = items[key]
            else:
                place = cast("dict[str, Any]", place).setdefault(key, empty)
            if not is_last and not isinstance(place, dict | list):
                filling.problems.append(Problem("", field=path, found="a value around it", expected="one or the other"))
                break
    return root


def _sort_key(path: str) -> tuple[tuple[int, str], ...]:
    return tuple((key, "") if isinstance(key, int) else (-1, key) for key in schema.split(path) or ())


def _is_below(path: str, lacking: set[str]) -> bool:
    """Whether a schema's complaint is about something that is on the list of what is missing."""
    return any(each == path or each.startswith((f"{path}.", f"{path}[")) for each in lacking)
