"""The carbon footprint that `packbench carbon` computes, as fields of a passport.

Owns which life's figure a passport shows, in which fields, and what its factors allow it to claim. A figure that rests
on an assumption is shown, and makes the passport a draft: a declaration cannot rest on it.

    original                              the first life
    repurposed, re-used, remanufactured   the second
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from packbench.core.errors import Problem
from packbench.core.measured import Measured
from packbench.trace.carbon.factors import STAGES
from packbench.trace.carbon.footprint import Footprint, Life
from packbench.trace.passport.origin import Origin, stated_u, text_of_u
from packbench.trace.passport.schema import Kind

UNIT: Final = "kg CO2e/kWh"
_BATTERYPASS: Final = "CarbonFootprintForBatteries"
_CATENAX: Final = "sustainability.carbonFootprint"
_CATENAX_STAGES: Final[dict[str, str]] = dict(
    zip(
        STAGES,
        (
            "raw material acquisition and pre-processing",
            "main product production",
            "distribution",
            "end of life and recycling",
        ),
        strict=True,
    )
)
TOTAL: Final[dict[Kind, str]] = {
    "batterypass": f"{_BATTERYPASS}.batteryCarbonFootprint",
    "catenax": f"{_CATENAX}[1].value",
    "din99100": "carbonFootprint.total.value",
}
"""The field that a complaint about the whole is about."""


@dataclass(frozen=True, slots=True)
class CarbonFigures:
    """A footprint and what it rests on, for a passport."""

    footprint: Footprint
    factors: str
    """Name of the factors file and what it calls itself."""


def life_of(status: str | None) -> Life | None:
    """The life that a passport of this status is about; None: of no life that is still to be lived, or not stated."""
    if status == "original":
        return "first_life"
    return "second_life" if status in ("repurposed", "re-used", "remanufactured") else None


def fields_of(
    kind: Kind, given: CarbonFigures, life: Life, originator: str, today: str
) -> Iterator[tuple[str, Any, Origin]]:
    """Each field with its value and origin."""
    found = given.footprint
    basis = ", ".join(f"{each.name} ({each.basis})" for each in found.sources_of(life))
    method = (
        f"packbench carbon, allocation {found.rule}: kg CO2e per kWh delivered in the "
        f"{life.replace('_', ' ')}; factors and their basis: {basis}"
    )

    def origin(figure: Measured) -> Origin:
        return Origin(originator, today, method, {**stated_u(figure), "unit": UNIT}, given.factors)

    total = found.per_kwh(life)
    stages = [(stage, found.per_kwh(life, stage)) for stage in STAGES]
    if kind == "batterypass":
        yield TOTAL[kind], round(total.value, 6), origin(total)
        kg = found.kg(life)
        whole = Origin(originator, today, f"{method}; for the whole battery", stated_u(kg), given.factors)
        yield f"{_BATTERYPASS}.absoluteCarbonFootprint", round(kg.value, 6), whole
        for number, (stage, figure) in enumerate(stages, 1):
            base = f"{_BATTERYPASS}.carbonFootprintPerLifecycleStage[{number}]"
            yield f"{base}.lifecycleStage", stage, origin(figure)
            yield f"{base}.carbonFootprint", round(figure.value, 6), origin(figure)
    elif kind == "catenax":
        for number, (stage, figure) in enumerate(stages, 1):
            base = f"{_CATENAX}[{number}]"
            yield f"{base}.value", round(figure.value, 6), origin(figure)
            yield f"{base}.lifecycle", _CATENAX_STAGES[stage], origin(figure)
            yield f"{base}.unit", "kg CO2e / kWh", origin(figure)
            yield f"{base}.type", "Climate Change Total", origin(figure)
    else:
        named = [("total", total), *((f"{stage[0].lower()}{stage[1:]}", figure) for stage, figure in stages)]
        for name, figure in named:
            base, said = f"carbonFootprint.{name}", origin(figure)
            yield f"{base}.value", round(figure.value, 6), said
            yield f"{base}.unit", UNIT, said
            yield f"{base}.date", today, said
            yield f"{base}.originator", originator, said
            yield f"{base}.method", method, said
            yield f"{base}.uncertainty", text_of_u(Measured(figure.value, figure.U, figure.k, figure.p, UNIT)), said


def complaints(kind: Kind, given: CarbonFigures, life: Life) -> Iterator[Problem]:
    """What keeps a passport with this footprint a draft."""
    assumed = [each.name for each in given.footprint.sources_of(life) if each.basis == "assumption"]
    if assumed:
        yield Problem(
            "a footprint cannot be declared on assumptions",
            field=TOTAL[kind],
            found=f"assumed in {given.factors}: {', '.join(assumed)}",
            expected="factors that are measured, declared or from literature",
        )
