"""Passports: complete ones fit the published schemas, incomplete ones never do so silently."""

from __future__ import annotations

import json
import random
import re
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft4Validator
from tests.unit.passport_parts import CODE, PREDECESSOR, TODAY, asked, example, facts, facts_text, measured, values

from packbench.core.errors import InputError
from packbench.trace.passport import schema
from packbench.trace.passport.facts import read_facts
from packbench.trace.passport.fill import COMMAND_LINE, fill, measured_paths, passport_identifier
from packbench.trace.passport.schema import KINDS, Kind
from packbench.trace.passport.template import template


def bare_errors(kind: Kind, payload: dict[str, Any]) -> list[str]:
    """By the library alone, on the schemas as published."""
    return [
        error.message
        for model, whole in schema.load(kind).items()
        for error in Draft4Validator(whole).iter_errors(payload[model] if model else payload)
    ]


def test_catenax_asks_for_198_leaf_fields() -> None:
    assert sum(leaf.required for leaf in schema.leaves("catenax")) == 198
    assert len(schema.missing("catenax", {})) == 198


@pytest.mark.parametrize("kind", KINDS)
def test_a_complete_passport_fits_its_schema(kind: Kind) -> None:
    passport = fill(asked(kind), measured(), facts(kind))
    assert passport.missing == ()
    assert passport.problems == ()
    assert passport.complete
    assert bare_errors(kind, passport.payload) == []


@pytest.mark.parametrize("kind", ["batterypass", "catenax"])
def test_every_value_has_its_origin(kind: Kind) -> None:
    passport = fill(asked(kind), measured(), facts(kind))
    for path in measured_paths(kind):
        assert passport.origins[path].originator == "Li"
    for path in values(kind):
        assert passport.origins[path].to_dict() == {
            "originator": "Maker Ltd",
            "date": "2024-05-01",
            "method": "as stated",
            "reference": "data sheet DS-12",
        }


def test_measured_figures_come_in_the_schemas_units_with_their_uncertainty() -> None:
    passport = fill(asked("catenax"), measured(), facts("catenax"))
    dynamic = passport.payload["performance"]["dynamic"]
    assert dynamic["capacity"]["capacity"] == {"value": 85.0, "time": "2026-11-25T20:00:00.5+00:00"}
    assert dynamic["capacity"]["fade"]["value"] == pytest.approx(15.0)
    assert dynamic["energy"]["remaining"]["value"] == pytest.approx(30.6)
    assert dynamic["energy"]["soce"]["value"] == pytest.approx(84.0)
    origin = passport.origins["performance.dynamic.energy.remaining.value"].to_dict()
    assert origin["uncertainty"] == {"U": pytest.approx(0.2), "k": 2.1, "p": 0.95, "unit": "kWh"}
    assert origin["date"] == "2026-11-25T20:00:00.5+00:00"
    assert "run-1" in origin["method"]


def test_the_field_map_carries_date_originator_method_and_uncertainty() -> None:
    passport = fill(asked("din99100"), measured(), facts("din99100"))
    point = passport.payload["performance"]["remainingCapacity"]
    assert point == {
        "value": 85.0,
        "unit": "Ah",
        "date": "2026-11-25",
        "originator": "Li",
        "method": "capacity on bench-1, run run-1",
        "uncertainty": "U = 0.4 Ah (k = 2, p = 0.95)",
    }
    rated = passport.payload["performance"]["ratedCapacity"]
    assert (rated["originator"], rated["date"], rated["unit"]) == ("Maker Ltd", "2024-05-01", "Ah")
    assert passport.payload["identification"] == {
        "batteryIdentifier": CODE,
        "batteryStatus": "repurposed",
        "predecessorPassport": PREDECESSOR,
    }


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_one_required_value_it_is_incomplete_and_says_which(kind: Kind) -> None:
    every = facts(kind)
    # An item's only field takes the item along: then the list is what is missing, by the same path.
    optional = {leaf.path for leaf in schema.leaves(kind) if not leaf.required}
    tried = 0
    for left_out in every:
        general = re.sub(r"\[\d+\]", "[1]", left_out.path)
        passport = fill(asked(kind), measured(), [fact for fact in every if fact is not left_out])
        absent = {leaf.path for leaf in passport.missing}
        if general in optional and left_out.path not in absent:
            assert passport.complete, left_out.path
            continue
        tried += 1
        assert not passport.complete, left_out.path
        shifted = any(problem.field and left_out.path[:-1] in problem.field for problem in passport.problems)
        assert left_out.path in absent or shifted, left_out.path
    assert tried >= {"batterypass": 90, "catenax": 180, "din99100": 2}[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_without_any_measured_figure_it_is_incomplete_and_says_which(kind: Kind) -> None:
    for name in ("capacity_ah", "energy_wh", "soce", "soh"):
        passport = fill(asked(kind), replace(measured(), **{name: None}), facts(kind))
        lacking = {leaf.path for leaf in passport.missing}
        assert lacking, name
        assert lacking <= measured_paths(kind), name


@pytest.mark.parametrize("kind", ["batterypass", "catenax"])
def test_random_cuts_of_a_document_are_never_silent(kind: Kind) -> None:
    """Whatever is taken out of a good document: it is listed, or the document still fits its schema."""
    whole = fill(asked(kind), measured(), facts(kind)).payload
    dice = random.Random(8)
    listed = 0
    for _ in range(100):
        cut = json.loads(json.dumps(whole))
        place: Any = cut
        while True:
            key = dice.choice(list(place) if isinstance(place, dict) else list(range(len(place))))
            inner = place[key]
            if not isinstance(inner, dict | list) or not inner or dice.random() < 0.2:
                del place[key]
                break
            place = inner
        found = [*schema.missing(kind, cut), *schema.problems(kind, cut)]
        listed += bool(found)
        for model in schema.load(kind):
            cut.setdefault(model, {}) if model else None
        assert found or bare_errors(kind, cut) == []
    assert listed > 60


def test_a_status_that_follows_another_passport_needs_it() -> None:
    for kind in KINDS:
        passport = fill(asked(kind, predecessor=None), measured(), facts(kind))
        assert [leaf.path for leaf in passport.missing] == ["(predecessor)"]
        original = fill(asked(kind, status="original", predecessor=None), measured(), facts(kind))
        assert original.complete, kind


def test_remanufactured_means_nine_tenths_of_the_rated_capacity() -> None:
    passport = fill(asked("catenax", status="remanufactured"), measured(), facts("catenax"))
    problem, spread = passport.problems
    assert problem.field == spread.field == "sustainability.status"
    assert problem.found == "remanufactured with 85.0% of the rated capacity"
    assert spread.found == "remanufactured with cells whose spread the run did not measure"


def test_an_invalid_run_measures_nothing() -> None:
    invalid = measured(valid=False, verdict="INVALID", invalid_reasons=("a gap",))
    passport = fill(asked("catenax"), invalid, facts("catenax"))
    assert [problem.found for problem in passport.problems] == ["a gap"]
    assert {leaf.path for leaf in passport.missing} == measured_paths("catenax") - {"identification.idDmc"}


@pytest.mark.parametrize(
    ("path", "value", "found", "expected"),
    [
        ("performance.dynamic.capacity.capacity.value", 99.0, "99.0", "nothing: the bench states 85.0"),
        (
            "operation.manufacturer.manufacturingDate",
            "2023-07-12",
            "'2023-07-12'",
            "2023-07-11, as the battery code says",
        ),
        ("performance.rated.capacity.value", 120.0, "120.0 Ah", "100 Ah, with which"),
        ("performance.rated.energy.value", 40.0, "40.0 kWh", "36.4286 kWh, with which"),
        ("sustainability.status", "original", "it in the facts", "it by --status"),
    ],
)
def test_facts_cannot_overrule_the_bench(path: str, value: object, found: str, expected: str) -> None:
    passport = fill(asked("catenax"), measured(), facts("catenax", {**values("catenax"), path: value}))
    (problem,) = passport.problems
    assert (problem.field, problem.file, problem.found) == (path, "facts.json", found)
    assert str(problem.expected).startswith(expected)
    assert problem.line is not None


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("identification.chemistri", "LFP", "did you mean identification.chemistry or"),
        ("identification.chemistry", " ", "a text"),
        ("identification.category", "ev", "one of SLI, LMT, EV"),
        ("characteristics.physicalDimension.weight.value", "310", "a number"),
        ("operation.manufacturer.manufacturer", "BPNL1", "like ^BPNL"),
        ("materials.active.nickel.recycled", 101, "minimum 0, maximum 100"),
        ("handling.applicable", 1, "true or false"),
        ("identification.identification", "x", "its fields one by one"),
        ("commercial.purpose", ["automotive"], "its items one by one, such as commercial.purpose[1]"),
        ("commercial.purpose[0]", "automotive", "a field of"),
    ],
)
def test_a_wrong_fact_is_told_by_path_and_line(path: str, value: object, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        read_facts(facts_text("catenax", {"identification.idDmc": "x", path: value}), "facts.json", "catenax")
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.field) == ("facts.json", 10, path)
    assert expected in str(problem.expected)


def test_lists_have_no_gaps_and_may_be_stated_as_empty() -> None:
    events = "PerformanceAndDurability.batteryCondition.negativeEvents"
    stated = {path: value for path, value in values("batterypass").items() if not path.startswith(events)}
    assert fill(asked("batterypass"), measured(), facts("batterypass", {**stated, events: []})).complete
    with pytest.raises(InputError, match="one or the other"):
        facts("batterypass", {**stated, events: [], f"{events}[1].negativeEvent": "fire"})
    late = fill(
        asked("batterypass"), measured(), facts("batterypass", {**stated, f"{events}[2].negativeEvent": "fire"})
    )
    assert [(each.field, each.expected) for each in late.problems][:1] == [
        (f"{events}[2].negativeEvent", "item 1 first")
    ]
    assert not late.complete


@pytest.mark.parametrize("kind", KINDS)
def test_the_template_names_every_missing_field_and_reads_as_a_facts_file(kind: Kind) -> None:
    absent = schema.missing(kind, {})
    text = template(kind, absent, schema.missing(kind, {}, wanted=False), TODAY)
    with pytest.raises(InputError) as caught:
        read_facts(text, "facts.yaml", kind)
    assert [problem.field for problem in caught.value.problems] == ["sources[1].values"]
    uncommented = re.sub(r"(?m)^(      )# ([\w.\[\]-]+: .*  # )", r"\1\2", text)
    fields = set(re.findall(r"(?m)^      ([\w.\[\]-]+): .*  # ", uncommented))
    assert {path for path in values(kind) if path in {leaf.path for leaf in absent}} <= fields
    known = {leaf.path for leaf in schema.leaves(kind)}
    assert fields <= known - set(COMMAND_LINE)
    try:
        read_facts(uncommented, "facts.yaml", kind)
    except InputError as error:
        # Blanks are no values: that is all that may be wrong with it.
        assert {problem.field for problem in error.problems} <= fields


def test_the_same_run_gives_the_same_identifier_and_another_gives_another() -> None:
    one, two = asked("catenax"), asked("batterypass")
    assert passport_identifier(one, measured()) == passport_identifier(one, measured())
    names = {passport_identifier(each, run) for each in (one, two) for run in (measured(), measured(hashes={}), None)}
    assert len(names) == 6


def test_the_examples_are_complete_but_for_one_blank() -> None:
    assert schema.problems("catenax", example("catenax")) == []
    (blank,) = schema.problems("batterypass", example("batterypass"))
    assert blank.field == "MaterialComposition.batteryMaterials[1].batteryMaterialIdentifier"
