"""The diagnostics of a result as sections: resistance, efficiency, rest, curves, balance, and what is not given.

Owns those tables. Must not know how a table is drawn, nor compute a figure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from packbench.core.diagnostics import Balance, DcResistance, Diagnostics
from packbench.core.measured import Measured
from packbench.core.result import Result
from packbench.report.document import Block, Column, Fact, Paragraph, Picture, Section, Table
from packbench.report.numbers import ABSENT, NBSP, measured, number, rounded, with_unit
from packbench.report.texts import Lang, comma, name_of, text

_EDGES_IN_REPORT: Final = 40
_CELLS_IN_REPORT: Final = 10
_SUMMARY_AT_S: Final = 10.0
_REST_TIMES_S: Final = (10.0, 60.0, 600.0, 1800.0, 3600.0)


def diagnostic_sections(result: Result, pictures: dict[str, Picture], lang: Lang) -> list[Section]:
    """Every section that has something to say."""
    told = result.diagnostics
    if told is None:
        return []
    blocks: list[tuple[str, tuple[Block, ...]]] = [
        ("dcir", (resistance_table(told, lang),) if told.dc_resistance else ()),
        ("efficiency", (efficiency_table(told, lang),) if told.efficiency else ()),
        ("relaxation", (relaxation_table(told, lang),) if told.relaxation else ()),
        ("self_discharge", (self_discharge_table(told, lang),) if told.self_discharge else ()),
        ("at_reference", _at_reference(told, lang)),
        ("balance", _balance(told, lang)),
        ("cells_spread", (cells_table(told, lang),) if told.cells is not None else ()),
        ("fade", (fade_table(told, lang),) if told.fade is not None else ()),
        ("curves", tuple(pictures[key] for key in ("derivatives", "ocv") if key in pictures)),
        ("not_given", (absent_table(told, lang),) if told.absent else ()),
    ]
    at = "" if told.at_reference is None else f"{told.at_reference.reference_c:g}"
    return [Section(key, text(key, lang, at=at), found) for key, found in blocks if found]


def diagnostic_facts(result: Result, lang: Lang) -> tuple[Fact, ...]:
    """The few diagnostics that a summary has room for; the report and result.json have the rest."""
    told = result.diagnostics
    if told is None:
        return ()
    facts: list[Fact] = []
    edge = min(told.dc_resistance, key=_from_the_middle, default=None)
    if edge is not None:
        read = next((one for one in edge.read_outs if one.at_s == _SUMMARY_AT_S), edge.read_outs[-1])
        words = text("dcir.fact", lang, ohm=f"{_on_one_line(read.resistance_ohm, 1e3)}{NBSP}mΩ", at=f"{read.at_s:g}")
        if edge.soc is not None:
            words += comma(lang) + text("dcir.fact_soc", lang, soc=number(100.0 * edge.soc.value, 0))
        facts.append(Fact(text("dcir", lang), words))
    if told.efficiency:
        last = told.efficiency[-1]
        both = (_on_one_line(last.coulombic, 100.0), _on_one_line(last.energy, 100.0))
        facts.append(
            Fact(text("efficiency_fact", lang), text("efficiency_fact.both", lang, charge=both[0], energy=both[1]))
        )
    if told.cells is not None and told.cells.capacity_spread is not None:
        facts.append(Fact(text("capacity_spread", lang), measured(told.cells.capacity_spread).full))
    if told.balance is not None and told.balance.limited_by != "unknown":
        facts.append(Fact(text("balance", lang), _balance_words(told.balance, lang)))
    return tuple(facts)


def _from_the_middle(edge: DcResistance) -> tuple[bool, float]:
    """Discharge before charge, then the nearest to half full, where resistances are compared."""
    return edge.after_a > 0.0, 1.0 if edge.soc is None else abs(edge.soc.value - 0.5)


def resistance_table(told: Diagnostics, lang: Lang) -> Table:
    """The DC resistances, one row an edge, one column a time."""
    edges = _some(told.dc_resistance)
    times_s = sorted({one.at_s for edge in edges for one in edge.read_outs})
    columns = (
        Column(text("step_no", lang), "right", 0.6),
        Column(text("dcir.current", lang), "right", 1.7),
        Column(text("dcir.temperature", lang), "right", 0.9),
        Column(text("dcir.soc", lang), "right", 0.9),
        *(Column(text("dcir.after", lang, at=f"{at_s:g}"), "right", 1.3) for at_s in times_s),
    )
    rows = tuple(_edge_row(edge, times_s) for edge in edges)
    note = text("dcir.note", lang)
    if len(edges) < len(told.dc_resistance):
        note += "\n" + text("dcir.left_out", lang, shown=len(edges), all=len(told.dc_resistance))
    return Table(columns, rows, note=note)


def _some(edges: tuple[DcResistance, ...]) -> tuple[DcResistance, ...]:
    """All of few; of many those spread evenly over the record."""
    if len(edges) <= _EDGES_IN_REPORT:
        return edges
    return tuple(edges[place * len(edges) // _EDGES_IN_REPORT] for place in range(_EDGES_IN_REPORT))


def _edge_row(edge: DcResistance, times_s: list[float]) -> tuple[str, ...]:
    read = {one.at_s: one.resistance_ohm for one in edge.read_outs}
    return (
        str(edge.step),
        f"{number(edge.before_a, 1)} → {number(edge.after_a, 1)}",
        ABSENT if edge.temperature_c is None else number(edge.temperature_c.value, 1),
        ABSENT if edge.soc is None else number(100.0 * edge.soc.value, 1),
        *(_scaled(read.get(at_s), 1e3) for at_s in times_s),
    )


def _scaled(figure: Measured | None, scale: float) -> str:
    """Value over its uncertainty, in two lines, in another unit."""
    if figure is None:
        return ABSENT
    expanded = None if figure.U is None else figure.U * scale
    shown = rounded(figure.value * scale, expanded, figure.k, figure.p, "")
    return shown.value if shown.expanded_u is None else f"{shown.value}\n±{NBSP}{shown.expanded_u}"


def efficiency_table(told: Diagnostics, lang: Lang) -> Table:
    """Coulombic and energy efficiency, one row a cycle."""
    columns = (
        Column(text("cycle", lang), "right", 0.7),
        Column(text("efficiency.steps", lang), "left", 1.2),
        Column(text("efficiency.coulombic", lang), "right", 1.4),
        Column(text("efficiency.energy", lang), "right", 1.4),
    )
    rows = tuple(
        (
            str(one.cycle),
            ", ".join(str(number_) for number_ in (*one.charge_steps, *one.discharge_steps)),
            _on_one_line(one.coulombic, 100.0),
            _on_one_line(one.energy, 100.0),
        )
        for one in told.efficiency
    )
    return Table(columns, rows, note=text("efficiency.note", lang), narrow=True)


def relaxation_table(told: Diagnostics, lang: Lang) -> Table:
    """The rests, one row each."""
    shown = told.relaxation[:_EDGES_IN_REPORT]
    times_s = sorted({one.at_s for rest in shown for one in rest.voltages if one.at_s in _REST_TIMES_S})
    columns = (
        Column(text("step_no", lang), "right", 0.6),
        Column(text("relaxation.after", lang), "right", 1.0),
        *(Column(text("relaxation.at", lang, at=f"{at_s:g}"), "right", 1.1) for at_s in times_s),
        Column(text("relaxation.tau", lang), "right", 1.3),
        Column(text("relaxation.settled", lang), "right", 1.2),
    )
    rows: list[tuple[str, ...]] = []
    for rest in shown:
        read = {one.at_s: one.voltage_v for one in rest.voltages}
        voltages = (_scaled(read.get(at_s), 1.0) for at_s in times_s)
        fitted = (_scaled(rest.time_constant_s, 1.0), _scaled(rest.settled_v, 1.0))
        rows.append((str(rest.step), number(rest.after_a, 1), *voltages, *fitted))
    return Table(columns, tuple(rows), note=text("relaxation.note", lang))


def self_discharge_table(told: Diagnostics, lang: Lang) -> Table:
    """The long rests' slopes."""
    columns = (
        Column(text("step_no", lang), "right", 0.6),
        Column(text("self_discharge.hours", lang), "right", 0.9),
        Column(text("self_discharge.pack", lang), "right", 1.4),
        Column(text("self_discharge.cell", lang), "right", 1.2),
        Column(text("self_discharge.cell_slope", lang), "right", 1.8),
    )
    rows: list[tuple[str, ...]] = []
    for one in told.self_discharge:
        cell = ABSENT if one.fastest_cell is None else str(one.fastest_cell)
        if one.decided is False:
            cell = text("self_discharge.not_decided", lang, index=one.fastest_cell)
        slopes = (_on_one_line(one.slope_v_day, 1e3), cell, _on_one_line(one.cell_slope_v_day, 1e3))
        rows.append((str(one.step), number(one.duration_h, 1), *slopes))
    return Table(columns, tuple(rows), narrow=True)


def _at_reference(told: Diagnostics, lang: Lang) -> tuple[Block, ...]:
    found = told.at_reference
    if found is None:
        return ()
    words = text(
        "at_reference.words",
        lang,
        capacity=measured(found.capacity_ah).full,
        temperature=measured(replace(found.temperature_c, unit="°C")).full,
        coefficient=_on_one_line(found.coefficient_per_k, 100.0),
        source=found.source_zh if lang == "zh" else found.source_en,
    )
    return (Paragraph(words),)


def _balance(told: Diagnostics, lang: Lang) -> tuple[Block, ...]:
    found = told.balance
    return () if found is None else (Paragraph(_balance_words(found, lang), "plain" if found.full else "warn"),)


def _balance_words(found: Balance, lang: Lang) -> str:
    words = text(
        f"balance.{found.limited_by}",
        lang,
        cell=found.discharge_cell,
        full=found.charge_cell,
        empty=found.discharge_cell,
        current=with_unit(found.charge_end_a, "A", 3),
    )
    if found.gain_ah is not None and found.balanced_ah is not None and found.limited_by != "cell":
        balanced, gain = measured(found.balanced_ah).full, measured(found.gain_ah).full
        words += " " + text("balance.gain", lang, balanced=balanced, gain=gain)
        if found.decided is False:
            words += " " + text("balance.not_decided", lang)
    return words


def cells_table(told: Diagnostics, lang: Lang) -> Table:
    """The smallest cells with capacity and resistance; the spreads in the note."""
    found = told.cells
    if found is None:
        return Table((), ())
    ordered = sorted(found.cells, key=lambda one: float("inf") if one.capacity_ah is None else one.capacity_ah.value)
    shown = ordered[:_CELLS_IN_REPORT]
    columns = (
        Column(text("cells_spread.cell", lang), "right", 0.7),
        Column(text("cells_spread.capacity", lang), "right", 1.4),
        Column(text("cells_spread.resistance", lang), "right", 1.4),
    )
    rows = tuple(
        (str(one.index), _on_one_line(one.capacity_ah, 1.0), _on_one_line(one.resistance_ohm, 1e3)) for one in shown
    )
    note = text(
        "cells_spread.note",
        lang,
        shown=len(shown),
        all=len(found.cells),
        capacity=ABSENT if found.capacity_spread is None else measured(found.capacity_spread).full,
        resistance=ABSENT if found.resistance_spread is None else measured(found.resistance_spread).full,
        at=ABSENT if found.resistance_at_s is None else f"{found.resistance_at_s:g}",
        step=ABSENT if found.resistance_step is None else found.resistance_step,
    )
    return Table(columns, rows, note=note, narrow=True)


def fade_table(told: Diagnostics, lang: Lang) -> Table:
    """The EU's figures."""
    found = told.fade
    if found is None:
        return Table((), ())
    columns = (Column(text("item", lang), "left", 3.0), Column(text("value", lang), "right", 1.6))
    figures = (
        ("capacity_fade", found.capacity_fade),
        ("resistance_increase", found.resistance_increase),
        ("power_fade", found.power_fade),
        ("round_trip_efficiency", found.round_trip_efficiency),
        ("round_trip_fade", found.round_trip_fade),
    )
    rows = [(text(f"fade.{key}", lang), ABSENT if one is None else measured(one).full) for key, one in figures]
    rows += [
        (text("fade.power", lang, soc=number(100.0 * one.soc, 0)), measured(one.power_w).full) for one in found.powers
    ]
    return Table(columns, tuple(rows), note=text("fade.note", lang), narrow=True)


def _on_one_line(figure: Measured | None, scale: float) -> str:
    return _scaled(figure, scale).replace("\n", NBSP)


def absent_table(told: Diagnostics, lang: Lang) -> Table:
    """What was looked for and is not given."""
    columns = (Column(text("not_given.figure", lang), "left", 1.4), Column(text("not_given.reason", lang), "left", 4.0))
    rows = tuple(
        (name_of("figure", one.figure, lang), one.reason_zh if lang == "zh" else one.reason_en) for one in told.absent
    )
    return Table(columns, rows)
