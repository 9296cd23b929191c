"""What a profile found by itself: its variables, the read-outs of its pulses, the operator's answers.

Owns those tables and facts. Must not know how a table is drawn, nor compute a figure.
"""

from __future__ import annotations

from typing import Final

from packbench.core.result import Result
from packbench.report.document import Column, Fact, Table
from packbench.report.explain import end_reason_words, sentence
from packbench.report.numbers import ABSENT, number, quantity
from packbench.report.texts import Lang, name_of, text

_PULSES_IN_REPORT: Final = 240
_FACTS: Final = 6
"""Read-outs beside the verdict; the table has them all."""


def title_of(result: Result, lang: Lang) -> str:
    """What the report is of."""
    return text("title" if result.subject == "capacity" else "title_profile", lang)


def ended_words(result: Result, lang: Lang) -> str:
    """How the run ended, as one sentence: by the profile's own words where it has any."""
    if lang == "zh" and result.end_reason_zh and not result.trips:
        return sentence(result.end_reason_zh, lang)
    return sentence(end_reason_words("safety" if result.trips else result.end_reason, lang), lang)


def variable_facts(result: Result) -> tuple[Fact, ...]:
    """Each variable of the profile with its value, in the order in which they were given one."""
    return tuple(
        Fact(variable_words(name), quantity(variable.value, variable.unit))
        for name, variable in result.variables.items()
    )


def variable_words(name: str) -> str:
    """A variable's name for people; that of a sub-profile's says whose it is."""
    return name.replace("_", " ").replace(".", " · ")


def profile_facts(result: Result, lang: Lang) -> tuple[Fact, ...]:
    """What stands beside the verdict of a run that is not about a capacity."""
    facts = variable_facts(result)[:_FACTS]
    count = sum(len(step.read_outs) for step in result.steps)
    if facts or not count:
        return facts
    return (Fact(text("pulse_read_outs", lang), text("read_outs_count", lang, count=count)),)


def variable_table(result: Result, lang: Lang) -> Table:
    """Each variable of the profile."""
    columns = (Column(text("read_out", lang), "left", 2.2), Column(text("value", lang), "right"))
    return Table(columns, tuple((fact.label, fact.value) for fact in variable_facts(result)), narrow=True)


def has_read_outs(result: Result) -> bool:
    """Whether there is anything in `pulse_table`."""
    return any(step.read_outs for step in result.steps)


def pulse_table(result: Result, lang: Lang) -> Table:
    """Voltage and resistance at the stated times after each edge of each pulse."""
    columns = (
        Column(text("step", lang), "left", 2.0),
        Column(text("cycle", lang), "right", 0.8),
        Column(text("piece", lang), "right", 0.8),
        Column(text("after_edge", lang), "right", 1.5),
        Column(text("read_voltage", lang), "right", 1.3),
        Column(text("read_current", lang), "right", 1.3),
        Column(text("read_resistance", lang), "right", 1.5),
    )
    rows = [
        (
            step.label,
            str(step.cycle) if step.cycle > 0 else ABSENT,
            str(one.piece),
            f"{one.at_s:g}",
            number(one.voltage_v, 2 if abs(one.voltage_v) >= 100 else 4),
            number(one.current_a, 2),
            ABSENT if one.resistance_ohm is None else number(1e3 * one.resistance_ohm, 3),
        )
        for step in result.steps
        for one in step.read_outs
    ]
    note = text("pulse_note", lang)
    if len(rows) > _PULSES_IN_REPORT:
        note += "\n" + text("read_outs_left_out", lang, shown=_PULSES_IN_REPORT, all=len(rows))
    return Table(columns, tuple(rows[:_PULSES_IN_REPORT]), note=note)


def question_table(result: Result, lang: Lang) -> Table:
    """What the operator was asked and said."""
    columns = (
        Column(text("question", lang), "left", 3.6),
        Column(text("answer", lang), "left", 1.8),
        Column(text("answered_by", lang), "left", 1.2),
    )
    rows = tuple(
        (
            one.prompt_zh if lang == "zh" else one.prompt_en,
            one.text_zh if lang == "zh" else one.text_en,
            name_of("answered_by", one.by, lang) if one.by else ABSENT,
        )
        for one in result.answers
    )
    return Table(columns, rows)
