"""Builds the document: what a report says about one result, in one language.

Owns the choice and order of content. Must not know HTML, typst or files. It exists so that the two
renderings cannot drift apart. A figure that is absent is said to be absent, never left blank.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

from packbench.core.result import Measured, Result
from packbench.report.content_diagnostics import diagnostic_sections
from packbench.report.content_profile import (
    ended_words,
    has_read_outs,
    profile_facts,
    pulse_table,
    question_table,
    title_of,
    variable_table,
)
from packbench.report.content_second_life import second_life_sections
from packbench.report.content_tables import (
    budget_table,
    gap_table,
    hash_table,
    identity_table,
    instrument_table,
    limit_table,
    repeat_table,
    step_table,
)
from packbench.report.document import Alarm, Block, Document, Drawn, Fact, Paragraph, Picture, Section, Tone
from packbench.report.explain import PROFILES_END
from packbench.report.inputs import ReportInputs
from packbench.report.numbers import ABSENT, as_number, duration, measured, number, unit_of_limit, with_unit
from packbench.report.texts import Lang, comma, name_of, text

_TONES: Final[dict[str, Tone]] = {"PASS": "good", "FAIL": "bad", "INVALID": "warn", "ABORTED": "warn"}

NOT_AT_REST = frozenset({"contactor_not_open", "contactor_unknown", "current_not_off"})
"""Trips found when a run was over (run/stopping.py): the bench is not safe to walk up to."""


def build_document(inputs: ReportInputs, drawn: tuple[Drawn, ...], lang: Lang) -> Document:
    """The whole report as data."""
    result = inputs.result
    pictures = {one.key: _picture(one, lang) for one in drawn}
    if result.subject == "capacity":
        facts = (measured_fact("capacity", result.capacity_ah, lang), *headline_facts(result, lang))
    else:
        facts = profile_facts(result, lang)
    own_words = result.verdict == "FAIL" and result.end_reason not in ("", PROFILES_END)
    return Document(
        lang=lang,
        title=title_of(result, lang),
        subtitle=inputs.profile_title_zh if lang == "zh" else inputs.profile_title_en,
        run_label=text("run", lang),
        run_id=result.run_id,
        made_with=f"{text('product', lang)} {inputs.software_version}",
        page_of=text("page_of", lang),
        watermark=None if result.provenance == "measured" else name_of("provenance", result.provenance, lang),
        provenance=name_of("provenance", result.provenance, lang),
        provenance_note=name_of("provenance_note", result.provenance, lang),
        verdict=name_of("verdict", result.verdict, lang),
        verdict_note=ended_words(result, lang) if own_words else name_of("verdict_note", result.verdict, lang),
        verdict_tone=_TONES.get(result.verdict, "warn"),
        alarms=tuple(_alarm(trip, lang) for trip in result.trips),
        facts=facts,
        identity=_head_identity(inputs, lang),
        footnote=text("u_footnote", lang) if _has_uncertainty(result) else "",
        sections=tuple(section for section in _sections(inputs, pictures, lang) if section.blocks),
        ended_at=result.ended_at,
    )


def measured_fact(key: str, figure: Measured | None, lang: Lang, note: str = "") -> Fact:
    """A measured figure with its uncertainty as the note; in words when it is absent."""
    if figure is None:
        return Fact(text(key, lang), text("not_determined", lang))
    shown = measured(figure)
    parts = [shown.note(lang), note] if note else [shown.note(lang)]
    return Fact(text(key, lang), shown.with_unit, "\n".join(parts))


def headline_facts(result: Result, lang: Lang) -> tuple[Fact, ...]:
    """What the headline says besides verdict and capacity; a figure that is absent is left out."""
    figures = (("energy", result.energy_wh, ""), ("soh", result.soh, "soh_note"), ("soce", result.soce, "soce_note"))
    facts = [
        measured_fact(key, figure, lang, text(note, lang) if note else "")
        for key, figure, note in figures
        if figure is not None
    ]
    if result.weakest_cell is not None:
        facts.append(weakest_fact(result, lang))
    if result.cell_spread_v is not None:
        facts.append(measured_fact("spread", result.cell_spread_v, lang, text("spread_note", lang)))
    return tuple(facts)


def weakest_fact(result: Result, lang: Lang) -> Fact:
    """The cell that ends the discharge and what the next would still give."""
    weakest = result.weakest_cell
    if weakest is None:
        return Fact(text("weakest_cell", lang), ABSENT)
    if weakest.margin_ah is None:
        margin = text("margin_unknown", lang)
    else:
        margin = text("margin", lang, margin=measured(weakest.margin_ah).full)
    if weakest.decided is False:
        margin += "\n" + text("not_decided", lang, other=weakest.next_index)
    return Fact(text("weakest_cell", lang), text("cell_n", lang, index=weakest.index), margin)


def temperature_max_c(result: Result) -> float | None:
    """Highest temperature of all steps; None when nobody measured one."""
    found = [step.temperature_max_c for step in result.steps if step.temperature_max_c is not None]
    found = [value for value in found if math.isfinite(value)]
    return max(found, default=None)


def run_duration_s(result: Result) -> float | None:
    """From start to end by the wall clock; the sum of the steps when the times do not parse."""
    try:
        started, ended = datetime.fromisoformat(result.started_at), datetime.fromisoformat(result.ended_at)
        return (ended - started).total_seconds()
    except (ValueError, TypeError):
        return sum(step.duration_s for step in result.steps) if result.steps else None


def invalid_words(result: Result, lang: Lang) -> tuple[str, ...]:
    """Why the result does not count, without what the trips say anyway."""
    in_chinese = lang == "zh" and len(result.invalid_reasons_zh) == len(result.invalid_reasons)
    reasons = result.invalid_reasons_zh if in_chinese else result.invalid_reasons
    said = [str(trip.get(key)) for trip in result.trips for key in ("text_en", "text_zh")]
    return tuple(reason for reason in reasons if not any(words in reason for words in said))


def trip_words(trip: dict[str, object], lang: Lang) -> str:
    """A trip's own text in the reader's language; the rule's name when it has none."""
    return str(trip.get(f"text_{lang}") or trip.get("text_en") or trip.get("rule") or ABSENT)


def _sections(inputs: ReportInputs, pictures: dict[str, Picture], lang: Lang) -> list[Section]:
    result = inputs.result
    curves: list[Block] = [pictures[key] for key in ("spread", "end") if key in pictures]
    budget: list[Block] = []
    if result.capacity_ah is not None and result.capacity_ah.budget:
        budget = [budget_table(result.capacity_ah, lang)]
        if "budget" in pictures:
            budget.append(pictures["budget"])
    overview: list[Block] = [pictures["overview"]] if "overview" in pictures else [Paragraph(text("fig.none", lang))]
    instruments: Block = (
        instrument_table(inputs.instruments, result, lang)
        if inputs.instruments
        else Paragraph(text("no_instruments", lang), "warn")
    )
    return [
        Section("why", text("why", lang), _why(result, lang)),
        Section("questions", text("questions", lang), (question_table(result, lang),) if result.answers else ()),
        Section("read_outs", text("read_outs", lang), (variable_table(result, lang),) if result.variables else ()),
        Section("pulses", text("pulse_read_outs", lang), (pulse_table(result, lang),) if has_read_outs(result) else ()),
        Section("overview", text("fig.overview", lang), tuple(overview)),
        Section("steps", text("steps", lang), (step_table(result, lang),) if result.steps else ()),
        Section("cells", text("fig.spread", lang), tuple(curves)),
        Section("gaps", text("gaps", lang), (gap_table(result, lang),) if result.gaps else ()),
        Section(
            "repeats",
            text("repeat_capacities", lang),
            (repeat_table(result, lang),) if result.capacities_ah else (),
        ),
        Section("budget", text("budget", lang), tuple(budget)),
        *diagnostic_sections(result, pictures, lang),
        *second_life_sections(inputs.second_life, lang),
        Section("limits", text("limits", lang), (limit_table(result, lang),) if result.limits else ()),
        Section("instruments", text("instruments", lang), (instruments,)),
        Section("identity", text("identity", lang), (identity_table(inputs, lang),)),
        Section("hashes", text("hashes", lang), (hash_table(result, lang),) if result.hashes else ()),
    ]


def _why(result: Result, lang: Lang) -> tuple[Block, ...]:
    blocks: list[Block] = [Paragraph(ended_words(result, lang))]
    weakest = result.weakest_cell
    if weakest is not None and weakest.margin_ah is not None:
        margin = measured(weakest.margin_ah).full
        if weakest.decided is False:
            words = text("why_weakest_undecided", lang, index=weakest.index, other=weakest.next_index, margin=margin)
        else:
            words = text("why_weakest", lang, index=weakest.index, margin=margin)
        blocks.append(Paragraph(words))
    if result.imbalance_limited:
        blocks.append(Paragraph(text("imbalance_limited", lang), "warn"))
    reasons = invalid_words(result, lang)
    if reasons:
        body = text("invalid_reasons", lang) + "\n" + "\n".join(f"• {reason}" for reason in reasons)
        blocks.append(Paragraph(body, "warn"))
    if result.notes:
        notes = [note.text_zh if lang == "zh" else note.text_en for note in result.notes]
        blocks.append(Paragraph(text("notes", lang) + "\n" + "\n".join(f"• {note}" for note in notes), "note"))
    return tuple(blocks)


def _alarm(trip: dict[str, object], lang: Lang) -> Alarm:
    unit = str(trip.get("unit") or unit_of_limit(str(trip.get("rule", ""))))
    facts: list[str] = []
    when, value, limit = (as_number(trip.get(name)) for name in ("t_s", "value", "limit"))
    if when is not None:
        facts.append(text("trip_at", lang, time=duration(when)))
    if value is not None:
        facts.append(text("trip_value", lang, value=with_unit(value, unit)))
    if limit is not None:
        facts.append(text("trip_limit", lang, limit=with_unit(limit, unit)))
    names = [str(name) for name in (trip.get("rule"), trip.get("fault_id")) if name]
    if names:
        facts.append(text("trip_rule", lang, rule=" / ".join(names)))
    # What a stop promises is no longer true when the contactor or the output would not follow.
    done = "trip_not_at_rest" if trip.get("rule") in NOT_AT_REST else "trip_done"
    return Alarm(text("trip_title", lang), trip_words(trip, lang), tuple(facts), text(done, lang))


def _picture(drawn: Drawn, lang: Lang) -> Picture:
    caption = text(f"fig.{drawn.key}.caption", lang, cycle=drawn.cycle if drawn.cycle is not None else ABSENT)
    return Picture(drawn.key, text(f"fig.{drawn.key}", lang), caption, drawn.svg)


def _head_identity(inputs: ReportInputs, lang: Lang) -> tuple[Fact, ...]:
    result = inputs.result
    rated = ""
    if inputs.pack is not None:
        rated = comma(lang).join(
            (
                f"{with_unit(inputs.pack.rated_capacity_ah, 'Ah')}",
                f"{number(inputs.pack.rated_energy_wh / 1e3, 2)} kWh",
            )
        )
    facts = [
        Fact(text("serial", lang), result.serial or text("not_stated", lang)),
        Fact(text("pack", lang), inputs.pack_title or result.pack),
        Fact(text("rated", lang), rated or text("not_stated", lang)),
        Fact(text("bench", lang), inputs.bench_title or result.bench or text("not_stated", lang)),
        Fact(text("operator", lang), result.operator or text("not_stated", lang)),
        Fact(text("started", lang), moment(result.started_at)),
        Fact(text("duration", lang), duration(run_duration_s(result))),
        Fact(text("temperature_max", lang), with_unit(temperature_max_c(result), "°C", 3)),
    ]
    return tuple(facts)


def moment(rfc3339: str) -> str:
    """A time for people: seconds, and the offset as it is recorded."""
    try:
        return datetime.fromisoformat(rfc3339).isoformat(sep=" ", timespec="seconds")
    except ValueError:
        return rfc3339 or ABSENT


def _has_uncertainty(result: Result) -> bool:
    figures = (result.capacity_ah, result.energy_wh, result.soh, result.soce, result.cell_spread_v)
    return any(figure is not None and measured(figure).expanded_u is not None for figure in figures)
