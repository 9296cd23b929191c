"""The second-life pages of a report: what they say in both languages, and what they leave out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.unit.second_life_parts import AGEING, MONEY, PROFILE, known
from tests.unit.test_grading import RULES
from tests.unit.test_report_data import make_inputs

from packbench.core.result import Measured
from packbench.report.content import build_document
from packbench.report.content_second_life import SecondLife, second_life_sections
from packbench.report.document import Picture, Section, Table
from packbench.report.html import render_html
from packbench.report.second_life_words import source_text, unit_text
from packbench.report.texts import Lang
from packbench.secondlife.applications.profile import load_profile
from packbench.secondlife.draws import Draws
from packbench.secondlife.grading.judge import grade
from packbench.secondlife.grading.rules import Figure
from packbench.secondlife.life.ageing import load_ageing
from packbench.secondlife.value.appraisal import Files, PackFacts, appraise
from packbench.secondlife.value.assumptions import load_money

RECYCLE = "application: recycle\ntitle: {en: Recycling, zh: 回收}\nalways_open: true\n"
WIDE = MONEY.replace("value: 1.0, source", "value: 1.0, low: 0.5, high: 2.0, source")


def second_life(profiles: tuple[str, ...] = (PROFILE, RECYCLE), **figures: float) -> SecondLife:
    files = Files([load_profile(text, "p") for text in profiles], load_ageing(AGEING, "a"), load_money(WIDE, "m"))
    found = known(**figures)
    graded: dict[Figure, Measured] = {"soh": found["soh"].figure}
    return SecondLife(RULES, grade(RULES, graded), appraise(files, found, PackFacts("lfp", 12.0), Draws(1, 200)))


def tables(section: Section) -> list[Table]:
    return [block for block in section.blocks if isinstance(block, Table)]


@pytest.mark.parametrize(
    ("lang", "verdict", "limit", "assumed"),
    [("en", "meets", "at least 70.0", "house"), ("zh", "满足", "要求不低于 70.0", "内部规则")],
)
def test_grade_applications_value_and_assumptions_are_there(lang: Lang, verdict: str, limit: str, assumed: str) -> None:
    sections = {section.key: section for section in second_life_sections(second_life(dcir_rise=0.2), lang)}
    assert list(sections) == ["second_life", "applications", "worth-storage", "assumptions"]
    (criteria,) = tables(sections["second_life"])
    assert criteria.rows[0][2] == "A"
    (applications,) = tables(sections["applications"])
    assert [row[1] for row in applications.rows] == [verdict, verdict]
    assert limit in applications.rows[0][5]
    assert applications.rows[0][3].startswith("10\u00a0(10…10)\n")
    assert applications.strong == frozenset({0})
    (parts,) = tables(sections["worth-storage"])
    assert parts.rows[-1][1] == "3\u202f820"
    (picture,) = [block for block in sections["worth-storage"].blocks if isinstance(block, Picture)]
    assert picture.svg.count("<svg") == 1
    (listed,) = tables(sections["assumptions"])
    assert {row[-1] for row in listed.rows} == {assumed}
    assert len(listed.rows) == len(second_life(dcir_rise=0.2).appraisal.assumed)


def test_a_candidate_is_shown_beside_what_is_met() -> None:
    sections = {section.key: section.title for section in second_life_sections(second_life(), "en")}
    assert sections["worth-recycle"] == "Value as: Recycling"
    assert sections["worth-storage"] == "Value as: a, if what is unknown were met"
    asked = second_life((PROFILE,), soh=0.5)
    assert [section.key for section in second_life_sections(asked, "en")] == ["second_life", "applications"]


def test_nothing_is_said_where_nothing_was_asked() -> None:
    inputs = make_inputs()
    assert not any("second_life" in section.key for section in build_document(inputs, (), "en").sections)
    with_it = build_document(replace(inputs, second_life=second_life(dcir_rise=0.2)), (), "zh")
    keys = [section.key for section in with_it.sections]
    assert keys.index("second_life") < keys.index("assumptions") < keys.index("identity")
    assert "梯次利用" in render_html(with_it)


def test_units_and_sources_are_in_the_readers_language() -> None:
    assert [unit_text(unit, "zh") for unit in ("1", "degC", "a", "CNY/(kWh a)")] == [
        "",
        "°C",
        "年",
        "CNY/(kWh\u00a0年)",
    ]
    assert unit_text("CNY/kWh", "en") == "CNY/kWh"
    assert source_text("house rule: agreed", "zh") == "内部规则: agreed"
    assert source_text("assumption", "zh") == "假设"
    assert source_text("[GB/T 1 3.1] as it says", "zh") == "[GB/T 1 3.1] as it says"
