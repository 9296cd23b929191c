"""A pack's second life as sections of a report: grade, applications, value with its tornado, assumptions.

Owns the choice and order of that content. Must not judge or compute; HTML and PDF hold the same by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

from packbench.report.document import Block, Column, Paragraph, Picture, Section, Table
from packbench.report.figures_second_life import draw_tornado, shown_bars
from packbench.report.numbers import ABSENT, NBSP, measured, percent
from packbench.report.second_life_words import (
    amount_text,
    cycles_text,
    figure_text,
    interval_text,
    limiting_words,
    money_text,
    plain_text,
    probability_text,
    reasons_text,
    source_text,
    unit_text,
    years_text,
)
from packbench.report.texts import Lang, comma, name_of, text
from packbench.secondlife.grading.judge import Assessed, Grading
from packbench.secondlife.grading.rules import HIGHER_IS_BETTER, CriterionModel, RulesModel
from packbench.secondlife.value.appraisal import Appraisal, Appraised
from packbench.secondlife.value.worth import PARTS, Worth


@dataclass(frozen=True, slots=True)
class SecondLife:
    """What a report says of a pack's second life."""

    rules: RulesModel
    grading: Grading
    appraisal: Appraisal


def second_life_sections(found: SecondLife | None, lang: Lang) -> list[Section]:
    """The sections; none where nothing was asked, or the result is not to be used."""
    if found is None:
        return []
    appraisal = found.appraisal
    sections = [
        Section("second_life", text("second_life", lang), _grade(found, lang)),
        Section("applications", text("applications", lang), _applications(appraisal, lang)),
    ]
    for one in appraisal.shown:
        if one.worth is not None:
            key = f"worth-{one.profile.application}"
            blocks = _worth(one, one.worth, appraisal.currency, lang)
            sections.append(Section(key, worth_title(appraisal, one, lang), blocks))
    if appraisal.assumed:
        blocks = (_assumptions(appraisal, lang),)
        sections.append(Section("assumptions", text("assumptions", lang), blocks))
    return sections


def title_of(one: Appraised, lang: Lang) -> str:
    """An application's name for people."""
    return one.profile.title.zh if lang == "zh" else one.profile.title.en


def worth_title(appraisal: Appraisal, one: Appraised, lang: Lang) -> str:
    """Whose money is shown, and on what condition."""
    key = "worth_of"
    if one.profile.application == appraisal.candidate:
        key = "worth_of_candidate" if one.match.verdict == "unknown" else "worth_of_other"
    return text(key, lang, title=title_of(one, lang))


def _grade(found: SecondLife, lang: Lang) -> tuple[Block, ...]:
    grading, blocks = found.grading, list[Block]()
    if grading.grade is None:
        names = comma(lang).join(name_of("figure", name, lang) for name in grading.refused)
        blocks.append(Paragraph(text("grade_missing", lang, names=names), "warn"))
    else:
        words = [_grade_words(grading.grade, found.rules, lang)]
        if grading.probabilities is None:
            words.append(text("grade_unknown", lang))
        else:
            odds = comma(lang).join(f"{name} {percent(p)}" for name, p in grading.probabilities.items())
            words.append(text("grade_odds", lang, odds=odds, assured=grading.assured_grade))
        blocks.append(Paragraph("\n".join(words), "note"))
    columns = (
        Column(text("figure", lang), "left", 1.5),
        Column(text("value", lang), "left", 1.3),
        Column(text("grade", lang), "left", 0.8),
        Column(text("criterion_bounds", lang), "left", 4.4),
    )
    criteria = {criterion.figure: criterion for criterion in found.rules.criteria}
    rows = tuple(_criterion(item, criteria[item.figure], lang) for item in grading.criteria)
    near = frozenset(row for row, item in enumerate(grading.criteria) if item.near)
    blocks.append(Table(columns, rows, near, note=text("grade_note", lang)))
    return tuple(blocks)


def _grade_words(name: str, rules: RulesModel, lang: Lang) -> str:
    title = next(grade.title for grade in rules.grades if grade.name == name)
    return text("grade_of", lang, grade=name, title=title.zh if lang == "zh" else title.en)


def _criterion(item: Assessed, criterion: CriterionModel, lang: Lang) -> tuple[str, ...]:
    sign = "≥" if item.figure in HIGHER_IS_BETTER else "≤"
    asked = [
        (f"{bound.grade}{NBSP}{sign}{NBSP}{figure_text(item.figure, bound.value, lang)}", bound.source)
        for bound in criterion.bounds
    ]
    bounds = "\n".join(f"{words}: {source_text(source, lang)}" for words, source in asked)
    if item.value is None:
        value = ABSENT
    else:
        value = figure_text(item.figure, item.value.value, lang) if not item.value.U else measured(item.value).full
    return (name_of("figure", item.figure, lang), value, item.grade or text("not_assessed", lang), bounds)


def _applications(appraisal: Appraisal, lang: Lang) -> tuple[Block, ...]:
    columns = (
        Column(text("application", lang), "left", 1.5),
        Column(text("application_match", lang), "left", 0.9),
        Column(text("probability", lang), "right", 0.9),
        Column(f"{text('life_years', lang)}\n{text('life_cycles', lang)}", "right", 1.9),
        Column(text("worth_value", lang, currency=appraisal.currency), "right", 1.7),
        Column(text("limiting", lang), "left", 2.7),
    )
    rows = tuple(_application(one, lang) for one in appraisal.applications)
    places = enumerate(appraisal.applications)
    chosen = frozenset(row for row, one in places if one.profile.application == appraisal.chosen)
    lives = [one.life for one in appraisal.applications if one.life is not None]
    notes = [text("worth_note", lang)]
    if lives:
        draws = appraisal.draws
        horizon = f"{lives[0].horizon_years:g}"
        notes.insert(0, text("life_note", lang, count=draws.count, seed=draws.seed, horizon=horizon))
    if not appraisal.is_uncertainty_stated:
        notes.append(text("u_left_out", lang))
    blocks: list[Block] = [Table(columns, rows, chosen, note="\n".join(notes))]
    if appraisal.best is None:
        blocks.append(Paragraph(text("none_chosen", lang), "warn"))
    return tuple(blocks)


def _application(one: Appraised, lang: Lang) -> tuple[str, ...]:
    reason = limiting_words(one.match, lang)
    if one.worth is None and one.refused and not (one.match.limiting and one.match.limiting.refused):
        reason += "\n" + text("no_worth", lang, reasons=reasons_text(one.refused, lang))
    return (
        title_of(one, lang),
        name_of("verdict_of", one.match.verdict, lang),
        probability_text(one.match.p),
        ABSENT if one.life is None else f"{_whole(years_text(one.life))}\n{_whole(cycles_text(one.life))}",
        ABSENT if one.worth is None else amount_text(one.worth.amounts["value"]).replace(" (", "\n("),
        reason,
    )


def _whole(words: str) -> str:
    """Kept on one line."""
    return words.replace(" ", NBSP)


def _worth(one: Appraised, worth: Worth, currency: str, lang: Lang) -> tuple[Block, ...]:
    columns = (
        Column(text("part", lang), "left", 2.4),
        Column(text("part_central", lang), "right"),
        Column(text("part_median", lang), "right"),
        Column(text("part_range", lang), "right", 1.4),
    )
    rows: list[tuple[str, ...]] = []
    if worth.usable is not None:
        name = text("part.usable", lang, unit=worth.usable_unit)
        rows.append((name, *_amount(worth, "usable")))
    parts = [part for part in PARTS if part in worth.amounts]
    rows += [(f"{text(f'part.{part}', lang)}{comma(lang)}{currency}", *_amount(worth, part)) for part in parts]
    note = text("p_floor", lang, p=probability_text(worth.p_floor)) if "net" in worth.amounts else ""
    blocks: list[Block] = [Table(columns, tuple(rows), frozenset({len(rows) - 1}), note=note, narrow=True)]
    if shown_bars(worth):
        drawn = draw_tornado(worth, currency, lang)
        if "net" in worth.amounts:
            caption = text("fig.tornado.caption", lang, title=title_of(one, lang))
        else:
            caption = text("fig.tornado.caption_material", lang)
        blocks.append(Picture(drawn.key, text("fig.tornado", lang), caption, drawn.svg))
    return tuple(blocks)


def _amount(worth: Worth, part: str) -> tuple[str, str, str]:
    amount = worth.usable if part == "usable" and worth.usable is not None else worth.amounts[part]
    return money_text(amount.central), money_text(amount.median), interval_text(amount)


def _assumptions(appraisal: Appraisal, lang: Lang) -> Table:
    columns = (
        Column(text("assumption", lang), "left", 2.3),
        Column(text("value", lang), "right", 0.8),
        Column(text("assumption_low", lang), "right", 0.8),
        Column(text("assumption_high", lang), "right", 0.8),
        Column(text("unit", lang), "left", 1.3),
        Column(text("source", lang), "left", 3.5),
    )
    titles = {one.profile.application: title_of(one, lang) for one in appraisal.applications}
    rows: list[tuple[str, ...]] = []
    for one in appraisal.assumed:
        name = name_of("input", one.name, lang)
        if one.group in titles and len(titles) > 1:
            name = f"{titles[one.group]}\n{name}"
        numbers = tuple(plain_text(number) for number in (one.spread.value, one.spread.low, one.spread.high))
        rows.append((name, *numbers, unit_text(one.unit, lang), source_text(one.spread.source, lang)))
    return Table(columns, tuple(rows), note=text("assumptions_note", lang))
