"""The JSON of a grade and of a value: what the commands print, and its JSON Schemas.

Owns names and nesting. Must not compute. It exists so that what is printed and what the schema promises stand in one
place; numbers are rounded as in result.json.
"""

from __future__ import annotations

from typing import Any

from packbench.core.result import Measured, Result
from packbench.report.json_out import SIGNIFICANT_DIGITS
from packbench.report.second_life_words import both_languages
from packbench.secondlife.applications.match import Match, Outcome
from packbench.secondlife.grading.judge import Grading
from packbench.secondlife.life.remaining import Life, Range, Refused
from packbench.secondlife.value.appraisal import Appraisal, Appraised, Assumed
from packbench.secondlife.value.worth import Amount, Bar, Worth


def head_to_dict(result: Result, *, is_record_verified: bool) -> dict[str, Any]:
    """Which result is judged, and how it came to be."""
    return {
        "run_id": result.run_id,
        "serial": result.serial,
        "provenance": result.provenance,
        "record_verified": is_record_verified,
        "verdict": result.verdict,
    }


def reasons_of(result: Result) -> list[str]:
    """Why a result is not judged."""
    return list(result.invalid_reasons) or [result.verdict]


def grading_to_dict(result: Result, grading: Grading | None, *, is_record_verified: bool) -> dict[str, Any]:
    """One pack's grade."""
    data: dict[str, Any] = {
        **head_to_dict(result, is_record_verified=is_record_verified),
        "grade": grading.grade if grading else None,
        "refused": list(grading.refused) if grading else reasons_of(result),
    }
    if grading is None:
        return {**data, "probabilities": None, "assured_grade": None, "borderline": False, "criteria": []}
    return {
        **data,
        "probabilities": grading.probabilities,
        "assured_grade": grading.assured_grade,
        "borderline": grading.borderline,
        "criteria": [
            {
                "figure": item.figure,
                "required": item.required,
                "assessed": item.grade is not None,
                "value": measured_to_dict(item.value),
                "grade": item.grade,
                "probabilities": item.probabilities,
                "near": [
                    {"grade": near.grade, "bound": near.bound, "source": near.source, "p_reached": near.p_reached}
                    for near in item.near
                ],
            }
            for item in grading.criteria
        ],
    }


def measured_to_dict(value: Measured | None) -> dict[str, Any] | None:
    """A figure without its budget."""
    if value is None:
        return None
    return {"value": value.value, "U": value.U, "k": value.k, "p": value.p, "unit": value.unit}


def appraisal_to_dict(
    result: Result, appraisal: Appraisal | None, paths: dict[str, str], *, is_record_verified: bool
) -> dict[str, Any]:
    """One pack's second life."""
    best = appraisal.best if appraisal else None
    return {
        **head_to_dict(result, is_record_verified=is_record_verified),
        "chosen": appraisal.chosen if appraisal else None,
        "candidate": appraisal.candidate if appraisal else None,
        "value": None if best is None or best.worth is None else _amount(best.worth.amounts["value"]),
        "refused": reasons_of(result) if appraisal is None else [],
        "uncertainty_stated": appraisal is not None and appraisal.is_uncertainty_stated,
        "applications": [_application(one) for one in appraisal.applications] if appraisal else [],
        "assumptions": [_assumed(one) for one in appraisal.assumed] if appraisal else [],
        "paths": paths,
    }


def _application(one: Appraised) -> dict[str, Any]:
    return {
        "application": one.profile.application,
        "match": _match(one.match),
        "life": None if one.life is None else _life(one.life),
        "worth": None if one.worth is None else _worth(one.worth),
        "refused": [_refused(reason) for reason in one.refused],
    }


def _match(match: Match) -> dict[str, Any]:
    limiting = None
    if match.limiting is not None:
        limiting = {"figure": match.limiting.figure, **both_languages(match)}
    return {
        "verdict": match.verdict,
        "p": _rounded(match.p),
        "limiting": limiting,
        "requirements": [_outcome(outcome) for outcome in match.outcomes],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "figure": outcome.figure,
        "at_least" if outcome.higher_is_better else "at_most": outcome.bound,
        "source": outcome.source,
        "verdict": outcome.verdict,
        "p": _rounded(outcome.p),
        "value": measured_to_dict(outcome.value),
        "lower_bound": outcome.is_lower_bound,
        "refused": [_refused(reason) for reason in outcome.refused],
    }


def _refused(reason: Refused) -> dict[str, str]:
    return {"key": reason.key, "text_en": reason.text_en, "text_zh": reason.text_zh}


def _life(life: Life) -> dict[str, Any]:
    return {
        "years": _range(life.years),
        "cycles": _range(life.cycles),
        "end_of_life_soh": life.end_of_life_soh,
        "horizon_years": life.horizon_years,
        "p_beyond_horizon": _rounded(life.p_beyond_horizon),
        "p_knee_first": _rounded(life.p_knee_first),
    }


def _worth(worth: Worth) -> dict[str, Any]:
    return {
        **{part: _amount(amount) for part, amount in worth.amounts.items()},
        "usable": None if worth.usable is None else {"unit": worth.usable_unit, **_amount(worth.usable)},
        "p_floor": _rounded(worth.p_floor),
        "tornado": [_bar(bar) for bar in worth.tornado],
    }


def _bar(bar: Bar) -> dict[str, Any]:
    numbers = ("low", "high", "net_at_low", "net_at_high", "value_at_low", "value_at_high")
    return {"input": bar.name, **{name: _rounded(getattr(bar, name)) for name in numbers}}


def _range(found: Range) -> dict[str, Any]:
    return {"p5": _rounded(found.p5), "median": _rounded(found.median), "p95": _rounded(found.p95)}


def _amount(amount: Amount) -> dict[str, Any]:
    return {name: _rounded(getattr(amount, name)) for name in ("central", "median", "p5", "p95")}


def _assumed(one: Assumed) -> dict[str, Any]:
    spread = one.spread
    return {
        "group": one.group,
        "name": one.name,
        "value": spread.value,
        "low": spread.low,
        "high": spread.high,
        "unit": one.unit,
        "source": spread.source,
        "assumption": spread.is_assumed,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{SIGNIFICANT_DIGITS}g}") + 0.0
