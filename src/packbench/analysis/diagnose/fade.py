"""The EU's figures of fade: capacity, power, resistance, round-trip efficiency against begin of life.

Owns the formulas (Regulation (EU) 2023/1542 Annex VII, as DIN DKE SPEC 99100:2025-02 writes them): fade = 1 - X/X_BOL,
increase = (R - R_BOL)/R_BOL. Begin of life is what the pack file states as its maker's data; for the capacity it is the
rated one. What the file does not state, or the record does not carry, is absent. Pure.
"""

from __future__ import annotations

from packbench.analysis.diagnose.evidence import Evidence, without_budget
from packbench.analysis.uncertainty import COVERAGE_P, combine, scaled
from packbench.core.diagnostics import CycleEfficiency, DcResistance, Fade, PowerAt
from packbench.core.measured import Contribution, Measured

AT_S = 10.0
POWER_SOCS = (0.8, 0.2)
RESISTANCE_SOC = 0.5
NEAR_SOC = 0.05
"""A resistance counts for a state of charge this near to it."""
REST_S = 600.0
"""The voltage before an edge stands for the open-circuit voltage after so long a rest."""


def fade_of(evidence: Evidence, edges: tuple[DcResistance, ...], cycles: tuple[CycleEfficiency, ...]) -> Fade | None:
    """What there is of them; None without a pack file or anything to say."""
    pack = evidence.pack
    if pack is None:
        return None
    capacity = evidence.capacity_ah
    resistance = resistance_near(edges, RESISTANCE_SOC)
    powers = tuple(one for one in (_power(evidence, edges, soc) for soc in POWER_SOCS) if one is not None)
    at_80 = next((one for one in powers if abs(one.soc - POWER_SOCS[0]) <= NEAR_SOC), None)
    round_trip = cycles[-1].energy if cycles else None
    found = Fade(
        capacity_fade=None if capacity is None else faded(capacity, pack.rated_capacity_ah),
        resistance_increase=None
        if resistance is None or pack.bol_resistance_ohm is None
        else risen(resistance[1], pack.bol_resistance_ohm),
        power_fade=None if at_80 is None or pack.bol_power_w is None else faded(at_80.power_w, pack.bol_power_w),
        round_trip_efficiency=round_trip,
        round_trip_fade=_faded_trip(round_trip, pack.bol_round_trip_efficiency),
        powers=powers,
    )
    return None if found == Fade(None, None, None, None, None, ()) else found


def faded(figure: Measured, new: float) -> Measured:
    """1 - X/X_BOL, X_BOL exact; k and budget stay the figure's own."""
    part = scaled(figure, new, "1")
    return Measured(1.0 - part.value, part.U, part.k, part.p, "1", part.budget)


def _faded_trip(round_trip: Measured | None, new: float | None) -> Measured | None:
    return None if round_trip is None or new is None else faded(round_trip, new)


def risen(figure: Measured, new: float) -> Measured:
    """(X - X_BOL)/X_BOL, X_BOL exact; k and budget stay the figure's own."""
    part = scaled(figure, new, "1")
    return Measured(part.value - 1.0, part.U, part.k, part.p, "1", part.budget)


def resistance_near(edges: tuple[DcResistance, ...], soc: float) -> tuple[DcResistance, Measured] | None:
    """The discharge edge nearest to a state of charge, with its resistance after AT_S."""
    near: list[tuple[float, DcResistance, Measured]] = []
    for edge in edges:
        if edge.soc is None or edge.after_a >= 0.0 or abs(edge.soc.value - soc) > NEAR_SOC:
            continue
        near += [(abs(edge.soc.value - soc), edge, one.resistance_ohm) for one in edge.read_outs if one.at_s == AT_S]
    if not near:
        return None
    _, edge, figure = min(near, key=lambda each: each[0])
    return edge, figure


def _power(evidence: Evidence, edges: tuple[DcResistance, ...], soc: float) -> PowerAt | None:
    """U_min (OCV - U_min)/R: what the pack can give for 10 s without passing its cut-off."""
    rested = tuple(edge for edge in edges if edge.rest_before_s >= REST_S)
    found, pack = resistance_near(rested, soc), evidence.pack
    if found is None or pack is None:
        return None
    edge, ohm = found
    row = max(int(evidence.rows.t_s.searchsorted(edge.t_s)) - 1, 0)
    least_v, open_v = pack.cell_cutoff_v * pack.series, float(evidence.rows.voltage_v[row])
    value = least_v * (open_v - least_v) / ohm.value
    soc_value = soc if edge.soc is None else edge.soc.value
    if ohm.U is None or ohm.k is None or evidence.meters is None:
        return PowerAt(soc_value, Measured(value, None, None, COVERAGE_P, "W"), ohm, edge.step)
    voltage = evidence.meters.voltage
    u_v = (voltage.gain * open_v + voltage.offset) / 3.0**0.5
    lines = (
        Contribution("resistance", value * ohm.U / ohm.k / ohm.value, None, correlated=True),
        Contribution("voltage", least_v * u_v / ohm.value, None, correlated=True),
    )
    return PowerAt(soc_value, without_budget(combine(value, lines, "W")), ohm, edge.step)
