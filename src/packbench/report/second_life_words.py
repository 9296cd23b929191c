"""A second life in words: figures with their units, what limits an application, money, ranges.

Owns formatting that terminal, report and JSON share. Must not judge or compute.
"""

from __future__ import annotations

import re
from typing import Final

from packbench.core.result import Measured
from packbench.report.numbers import ABSENT, NBSP, measured, number, percent, significant, with_unit
from packbench.report.texts import LANGS, Lang, name_of, text
from packbench.secondlife.applications.match import Match, Outcome
from packbench.secondlife.life.remaining import Life, Range, Refused
from packbench.secondlife.value.worth import Amount, Bar

_PERCENT: Final = frozenset({"soh", "soce", "dcir_rise", "self_discharge_per_month"})
_UNITS: Final[dict[str, str]] = {
    "energy_kwh": "kWh",
    "continuous_w_per_kwh": "W/kWh",
    "peak_w_per_kwh": "W/kWh",
    "cell_spread_v": "V",
    "insulation_ohm_per_v": "Ω/V",
    "temperature_min_c": "°C",
    "temperature_max_c": "°C",
}
_YEARS: Final = frozenset({"life_years", "age_years"})
_YEAR: Final[dict[Lang, str]] = {"en": "a", "zh": "年"}
MONEY_DIGITS: Final = 3
"""More would be noise of the draws."""


def figure_text(name: str, value: float, lang: Lang) -> str:
    """A figure's number in its unit."""
    if name in _PERCENT:
        return percent(value)
    if name in _YEARS:
        return with_unit(value, _YEAR[lang], 3)
    return with_unit(value, _UNITS.get(name, ""), 4)


def measured_text(name: str, value: Measured, lang: Lang) -> str:
    """A figure with its uncertainty where it states one."""
    if not value.U:
        return figure_text(name, value.value, lang)
    if name in _PERCENT or name == "cell_spread_v":
        return measured(value).full
    shown = figure_text(name, value.U, lang).split(NBSP, maxsplit=1)[0]
    return f"{figure_text(name, value.value, lang)}{NBSP}±{NBSP}{shown}"


def limiting_words(match: Match, lang: Lang) -> str:
    """What decides an application, in one line."""
    return text("limit_words.open", lang) if match.limiting is None else outcome_words(match.limiting, lang)


def both_languages(match: Match) -> dict[str, str]:
    """What decides an application, for a file."""
    return {f"text_{lang}": limiting_words(match, lang).replace(NBSP, " ") for lang in LANGS}


def outcome_words(outcome: Outcome, lang: Lang) -> str:
    """One requirement and what the pack has."""
    figure = name_of("figure", outcome.figure, lang)
    if outcome.refused:
        return text("limit_words.refused", lang, figure=figure, reasons=reasons_text(outcome.refused, lang))
    side = "least" if outcome.higher_is_better else "most"
    kind = "shown" if outcome.is_lower_bound and outcome.verdict == "unknown" else "fails"
    key = f"limit_words.unknown_{side}" if outcome.value is None else f"limit_words.{kind}_{side}"
    return text(
        key,
        lang,
        figure=figure,
        value=ABSENT if outcome.value is None else measured_text(outcome.figure, outcome.value, lang),
        bound=figure_text(outcome.figure, outcome.bound, lang),
        source=source_text(outcome.source, lang),
    )


def reasons_text(refused: tuple[Refused, ...], lang: Lang) -> str:
    """Why something is not stated."""
    return ("；" if lang == "zh" else "; ").join(one.text_zh if lang == "zh" else one.text_en for one in refused)


def probability_text(p: float | None) -> str:
    """A probability; a dash where it is unknown."""
    return percent(p, 0) if p is not None and (0.01 <= p <= 0.99 or p in (0.0, 1.0)) else percent(p)


def years_text(life: Life) -> str:
    """Median and range of the years; ≥ where more than half of the draws pass the horizon."""
    at_least = f"≥{NBSP}" if life.p_beyond_horizon > 0.5 else ""
    return f"{at_least}{plain_text(life.years.median)} ({_range(life.years)})"


def cycles_text(life: Life) -> str:
    """Median and range of the cycles."""
    return f"{plain_text(life.cycles.median)} ({_range(life.cycles)})"


def amount_text(amount: Amount) -> str:
    """Median and 90 % interval of a sum."""
    return f"{money_text(amount.median)} ({interval_text(amount)})"


def interval_text(amount: Amount) -> str:
    """The 90 % interval of a sum."""
    return f"{money_text(amount.p5)}…{money_text(amount.p95)}"


def money_text(value: float) -> str:
    """A sum with three significant digits and thousands apart."""
    rounded = float(f"{value:.{MONEY_DIGITS}g}")
    if abs(rounded) >= 1000.0:
        return f"{rounded:,.0f}".replace("-", "−").replace(",", "\u202f")
    return number(rounded, 0) if abs(rounded) >= 100.0 else significant(rounded, MONEY_DIGITS)


def bar_text(bar: Bar, lang: Lang) -> str:
    """An input and its ends."""
    name = name_of("input", bar.name, lang)
    return name if bar.name == "measured_state" else f"{name}: {plain_text(bar.low)}…{plain_text(bar.high)}"


def unit_text(unit: str, lang: Lang) -> str:
    """A unit for people; nothing for a number without one."""
    shown = {"1": "", "degC": "°C", "1/1000 cycles": text("unit.per_1000_cycles", lang)}.get(unit, unit)
    return re.sub(r"\ba\b", _YEAR[lang], shown).replace(" ", NBSP)


def source_text(source: str, lang: Lang) -> str:
    """Where a number comes from; the two words that a file marks its own numbers with in the reader's language."""
    for word in ("house rule", "house", "assumption"):
        if source == word or source.startswith(f"{word}:"):
            return text(f"source.{word}", lang) + source.removeprefix(word)
    return source


def _range(found: Range) -> str:
    return f"{plain_text(found.p5)}…{plain_text(found.p95)}"


def plain_text(value: float) -> str:
    """A number as it was written, to three digits."""
    return f"{float(f'{value:.3g}'):g}".replace("-", "−") if abs(value) < 1e4 else money_text(value)
