"""What of a run's result goes into a passport: each figure in the schemas' units, and what is left out and why.

Owns the choice. A figure is taken only where the schema's definition is what was measured; `left_out` says of every
other one why not. Begin-of-life values are those of the pack file (by which the run computed its fades), or of the
facts file where its originator states that they were measured the same way. Must not know paths of a schema (`paths`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from packbench.analysis.diagnose.fade import AT_S, POWER_SOCS, RESISTANCE_SOC, faded, resistance_near, risen
from packbench.core.diagnostics import Fade, PowerAt
from packbench.core.measured import Measured
from packbench.core.result import Result
from packbench.trace.passport.facts import Fact

NEAR_SOC: Final = 0.05
EXTRAPOLATED_MAX: Final = 2.0
"""House rule: a power capability is no more than so many times the power of the pulse that it was drawn from. A weak
pulse says nothing of a current ten times its own."""
_LIKE_OURS: Final = {
    "resistance": (re.compile(r"\b10 ?s\b"), re.compile(r"\b50 ?%")),
    "power": (re.compile(r"\b10 ?s\b"), re.compile(r"\b80 ?%")),
    "round_trip": (),
}
"""What the method of a begin-of-life fact must say: a resistance after 10 s is no 1 kHz impedance."""
_SAID: Final = {
    "resistance": "the facts file does not say that the initial resistance is one after 10 s at 50 % SOC (its method)",
    "power": "the facts file does not say that the original power is one of 10 s at 80 % SOC (its method)",
    "round_trip": "",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure in a passport's unit."""

    name: str
    """A key of `paths.FIGURES`."""
    measured: Measured
    detail: str = ""
    """Behind the method: what exactly it is."""
    at_soc: float | None = None
    """Percent; of a power."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A figure that a schema has room for and the run does not fill."""

    figure: str
    reason: str


@dataclass(frozen=True, slots=True)
class Taken:
    """What a run gives a passport."""

    figures: tuple[Figure, ...]
    left_out: tuple[LeftOut, ...]


def figures_of(result: Result, begin_of_life: Mapping[str, Fact]) -> Taken:
    """The figures of a valid result. `begin_of_life`: facts by "resistance" (ohm), "power" (W), "round_trip" (%)."""
    figures = list(_headline(result))
    left_out = [
        LeftOut("self_discharge", "measured is the voltage's fall in a rest; asked for is capacity lost in a time"),
        LeftOut("cell_resistance", "measured cell by cell at the beginning of the discharge; asked for is one figure"),
        LeftOut("throughput, full cycles", "of the whole life: only the BMS has counted them"),
    ]
    told = result.diagnostics
    fade = None if told is None else told.fade
    near = None if told is None else resistance_near(told.dc_resistance, RESISTANCE_SOC)
    resistance = None if near is None else near[1]
    at_80, at_20 = (_power_at(fade, soc) for soc in POWER_SOCS)
    if resistance is None:
        left_out.append(LeftOut("resistance", f"the record has no discharge edge near 50 % SOC with {AT_S:g} s of it"))
    else:
        soc = RESISTANCE_SOC if near is None or near[0].soc is None else near[0].soc.value
        figures.append(Figure("resistance", resistance, f"; DC resistance after {AT_S:g} s at {soc:.1%} SOC"))
    if at_80 is not None and (why := _drawn_too_far(result, at_80)) is not None:
        left_out.append(LeftOut("power_80", why))
    if at_20 is not None and (why := _drawn_too_far(result, at_20)) is not None:
        left_out.append(LeftOut("power_20", why))
    told_of = {each.figure for each in left_out}
    for name, power in (("power_80", at_80), ("power_20", at_20)):
        if name in told_of:
            continue
        if power is None:
            soc = name.removeprefix("power_")
            left_out.append(
                LeftOut(name, f"the record has no discharge edge near {soc} % SOC after ten minutes of rest")
            )
        else:
            detail = f"; discharge for {AT_S:g} s down to the cut-off, at {power.soc:.1%} SOC: U_min (OCV - U_min)/R"
            figures.append(Figure(name, power.power_w, detail, power.soc * 100.0))
    trip = None if fade is None else fade.round_trip_efficiency
    if trip is None:
        left_out.append(LeftOut("round_trip", "the record has no charge between two discharges that ended alike"))
    else:
        detail = "; energy out over energy in of the last cycle, at the profile's own rates"
        figures.append(Figure("round_trip", in_percent(trip), detail))
    power_now = None if at_80 is None or "power_80" in told_of else at_80.power_w
    now = {"resistance": resistance, "power": power_now, "round_trip": trip}
    figures += _fades(fade, now, begin_of_life, left_out)
    return Taken(tuple(figures), tuple(left_out))


def cell_spread(result: Result) -> Measured | None:
    """How far the cells' capacities lie apart, a fraction; None: not measured."""
    cells = None if result.diagnostics is None else result.diagnostics.cells
    return None if cells is None else cells.capacity_spread


def in_percent(figure: Measured) -> Measured:
    """A fraction as a passport states it."""
    return _scaled(figure, 100.0, "%")


def _headline(result: Result) -> Iterator[Figure]:
    """Capacity and energy, in Ah, kWh, percent."""
    if result.capacity_ah is not None:
        yield Figure("capacity", result.capacity_ah)
    if result.energy_wh is not None:
        yield Figure("energy", _scaled(result.energy_wh, 1e-3, "kWh"))
    if result.soce is not None:
        yield Figure("soce", in_percent(result.soce), "; of the rated energy in the pack file")
    if result.soh is not None:
        fade = _scaled(result.soh, -100.0, "%", 100.0)
        yield Figure("fade", fade, "; (1 - C / C_BOL) * 100 with the rated capacity in the pack file")


def _power_at(fade: Fade | None, soc: float) -> PowerAt | None:
    powers: Sequence[PowerAt] = () if fade is None else fade.powers
    return next((one for one in powers if abs(one.soc - soc) <= NEAR_SOC), None)


def _drawn_too_far(result: Result, power: PowerAt) -> str | None:
    """Why a power capability is not taken: its pulse was far weaker; None: it is."""
    edges = () if result.diagnostics is None else result.diagnostics.dc_resistance
    most_a = max((abs(edge.after_a) for edge in edges if edge.step == power.step), default=0.0)
    volts = next((step.voltage_end_v for step in result.steps if step.number == power.step), None) or 0.0
    pulse_w = most_a * volts
    if power.power_w.value <= EXTRAPOLATED_MAX * pulse_w:
        return None
    drawn_kw, pulse_kw = power.power_w.value / 1e3, pulse_w / 1e3
    return f"{drawn_kw:.4g} kW would be drawn from a pulse of {pulse_kw:.4g} kW, more than twice it"


def _fades(
    fade: Fade | None, now: Mapping[str, Measured | None], facts: Mapping[str, Fact], left_out: list[LeftOut]
) -> Iterator[Figure]:
    """Rise of resistance and fades of power and efficiency: by the pack file where it states how it was when new."""
    by_pack = {
        "resistance": None if fade is None else fade.resistance_increase,
        "power": None if fade is None else fade.power_fade,
        "round_trip": None if fade is None else fade.round_trip_fade,
    }
    for name, formula in (
        ("resistance", "(R - R_BOL) / R_BOL * 100"),
        ("power", "(1 - P / P_BOL) * 100, at 80 % SOC"),
        ("round_trip", "(1 - RTE / RTE_BOL) * 100"),
    ):
        figure, fact, today = by_pack[name], facts.get(name), now[name]
        if figure is not None and today is not None:
            yield Figure(f"{name}_fade", in_percent(figure), f"; {formula}, begin of life by the pack file")
        elif today is None:
            left_out.append(LeftOut(f"{name}_fade", "there is no figure of today to compare"))
        elif fact is None:
            left_out.append(LeftOut(f"{name}_fade", "neither the pack file nor the facts file states it when new"))
        elif (what := unlike_ours(name, fact)) is not None:
            left_out.append(LeftOut(f"{name}_fade", what))
        else:
            new = float(fact.value) / (100.0 if name == "round_trip" else 1.0)
            figure = risen(today, new) if name == "resistance" else faded(today, new)
            yield Figure(f"{name}_fade", in_percent(figure), f"; {formula}, begin of life by {fact.source.originator}")


def unlike_ours(name: str, fact: Fact) -> str | None:
    """Why a begin-of-life fact cannot be compared with what the bench measures; None: it can."""
    if not float(fact.value) > 0.0:
        return f"the facts file states {fact.value} when new"
    if name == "round_trip" and not 1.5 < float(fact.value) <= 100.0:
        return f"the facts file states an efficiency of {fact.value}: a percentage is needed"
    said = fact.source.method or ""
    return None if all(pattern.search(said) for pattern in _LIKE_OURS[name]) else _SAID[name]


def _scaled(figure: Measured, factor: float, unit: str, offset: float = 0.0) -> Measured:
    wide = None if figure.U is None else figure.U * abs(factor)
    return Measured(offset + factor * figure.value, wide, figure.k, figure.p, unit)
