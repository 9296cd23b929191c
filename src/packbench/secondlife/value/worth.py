"""What one pack is worth in one application: the money of each draw, its spread, and what moves it most.

Owns the arithmetic:
    earned = price x usable energy x depth of discharge x (cycles a year) x years, each year discounted,
    net    = earned - test - regroup - logistics - warranty share x earned,
    value  = the larger of net and material.
Usable energy falls in a straight line from what was measured to what is left at the end; years end with the life or
where nobody pays any more. The tornado moves one input at a time to its low and its high end, the others at their
values. Must not judge whether the application takes the pack: that is `match`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from packbench.core.result import Measured
from packbench.core.samples import FloatArray
from packbench.secondlife.applications.match import drawn
from packbench.secondlife.draws import quantiles
from packbench.secondlife.life.remaining import Ended, ended
from packbench.secondlife.spread import Spread
from packbench.secondlife.value.assumptions import Per

STATE: Final = "measured_state"
"""The measured SOH and energy, together; in standard uncertainties of each."""
SOH_LEAST: Final = 1e-6
"""A draw below is none; keeps a ratio finite."""
_UNDISCOUNTED: Final = 1e-9
PARTS: Final = ("earned", "test", "regroup", "logistics", "warranty", "net", "material", "value")


@dataclass(frozen=True, slots=True)
class Case:
    """One pack in one application. Money in the file's currency, energy in kWh, SOH a fraction."""

    soh: Measured
    energy_kwh: Measured
    rated_kwh: float
    per: Per
    end_of_life_soh: float
    horizon_years: float
    spreads: Mapping[str, Spread]
    """Ageing, service, costs, `price` and `material_per_kwh` by name; all but the measured state."""

    def central(self) -> dict[str, float]:
        """Every input at its value."""
        return {STATE: 0.0, **{name: spread.value for name, spread in self.spreads.items()}}

    def ends(self) -> dict[str, tuple[float, float]]:
        """The low and high end of every input that has a range; of the measured state, its U."""
        found = {name: (spread.low, spread.high) for name, spread in self.spreads.items() if spread.low < spread.high}
        if self.soh.U and self.soh.k:
            found[STATE] = (-self.soh.k, self.soh.k)
        return found


@dataclass(frozen=True, slots=True)
class Amount:
    """A sum of money: with every input at its value, and over the draws."""

    central: float
    median: float
    p5: float
    p95: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the tornado."""

    name: str
    low: float
    high: float
    """The input's ends, in its own unit."""
    net_at_low: float
    net_at_high: float
    value_at_low: float
    value_at_high: float

    @property
    def span(self) -> float:
        """How far it moves the net."""
        return abs(self.net_at_high - self.net_at_low)


@dataclass(frozen=True, slots=True)
class Worth:
    """The money of one pack in one application."""

    amounts: Mapping[str, Amount]
    """By the names of `PARTS`; for recycling `material` and `value` alone."""
    usable: Amount | None
    """Delivered, or held ready, over the remaining life; None: recycling."""
    usable_unit: str
    """kWh, or kWh a."""
    p_floor: float
    """Share of the draws in which the material is worth more than the second life."""
    tornado: tuple[Bar, ...]
    """Largest span first."""


def money(case: Case, inputs: Mapping[str, FloatArray], end: Ended | None = None) -> dict[str, FloatArray]:
    """The parts of each draw's value, and `usable`.

    `inputs` hold the case's names and the state; `end` the life of each draw where it is known already.
    """
    state = inputs[STATE]
    soh = np.maximum(drawn(case.soh, state), SOH_LEAST)
    energy_kwh = np.maximum(drawn(case.energy_kwh, state), 0.0)
    if end is None:
        end = ended({**inputs, "soh": soh}, case.end_of_life_soh, case.horizon_years)
    years = np.minimum(end.years, inputs["years_max"])
    left = np.maximum(1.0 - end.fade.loss(years), 0.0)
    mean_kwh = energy_kwh * 0.5 * (1.0 + np.minimum(left / soh, 1.0))
    a_year = mean_kwh * inputs["depth_of_discharge"]
    if case.per == "kwh":
        a_year = a_year * inputs["cycles_per_year"]
    earned = inputs["price"] * a_year * _annuity(inputs["discount_rate"], years)
    test = inputs["test_per_pack"]
    regroup = inputs["regroup_per_kwh"] * case.rated_kwh
    logistics = inputs["logistics_per_kwh"] * case.rated_kwh
    warranty = inputs["warranty_share"] * earned
    net = earned - test - regroup - logistics - warranty
    material = inputs["material_per_kwh"] * case.rated_kwh
    return {
        "earned": earned,
        "test": test,
        "regroup": regroup,
        "logistics": logistics,
        "warranty": warranty,
        "net": net,
        "material": material,
        "value": np.maximum(net, material),
        "usable": a_year * years,
    }


def _annuity(rate: FloatArray, years: FloatArray) -> FloatArray:
    """Worth today of one a year over so many years, paid all along at whole-year discount."""
    safe = np.maximum(rate, _UNDISCOUNTED)
    return np.where(rate > _UNDISCOUNTED, -np.expm1(-years * np.log1p(safe)) / safe, years)


def worth(case: Case, inputs: Mapping[str, FloatArray], end: Ended | None = None) -> Worth:
    """The spread over the draws, and the tornado; arguments as of `money`."""
    over = money(case, inputs, end)
    names, scenarios = _scenarios(case)
    at = money(case, scenarios)
    amounts = {part: _amount(float(at[part][0]), over[part]) for part in PARTS}
    bars = [
        Bar(
            name,
            *case.ends()[name],
            *(float(at["net"][1 + 2 * row + end]) for end in (0, 1)),
            *(float(at["value"][1 + 2 * row + end]) for end in (0, 1)),
        )
        for row, name in enumerate(names)
    ]
    return Worth(
        amounts,
        _amount(float(at["usable"][0]), over["usable"]),
        "kWh" if case.per == "kwh" else "kWh a",
        float((over["material"] > over["net"]).mean()),
        tuple(sorted(bars, key=lambda bar: (-bar.span, bar.name))),
    )


def material_worth(per_kwh: Spread, rated_kwh: float, u: FloatArray) -> Worth:
    """What recycling brings: the material and nothing else."""
    amount = _amount(per_kwh.value * rated_kwh, per_kwh.at(u) * rated_kwh)
    low, high = per_kwh.low * rated_kwh, per_kwh.high * rated_kwh
    bars = (Bar("material_per_kwh", per_kwh.low, per_kwh.high, low, high, low, high),) if low < high else ()
    return Worth({"material": amount, "value": amount}, None, "kWh", 1.0, bars)


def _scenarios(case: Case) -> tuple[list[str], dict[str, FloatArray]]:
    """The inputs that are moved, and a column of all scenarios: the central one, then low and high of each."""
    ends = case.ends()
    names = list(ends)
    columns = {name: np.full(1 + 2 * len(names), value) for name, value in case.central().items()}
    for row, name in enumerate(names):
        columns[name][1 + 2 * row : 3 + 2 * row] = ends[name]
    return names, columns


def _amount(central: float, over: FloatArray) -> Amount:
    p5, median, p95 = quantiles(over, 0.05, 0.5, 0.95)
    return Amount(central, median, p5, p95)
