"""The diagnostics of a result as sections: resistance, efficiency, rest, curves, balance, and what is not given.

Owns those tables. Must not know how a table is drawn, nor compute a figure.
"""

from __future__ import annotations

from typing import Final

from packbench.core.diagnostics import DcResistance, Diagnostics
from packbench.core.measured import Measured
from packbench.core.result import Result
from packbench.report.document import Block, Column, Picture, Section, Table
from packbench.report.numbers import ABSENT, NBSP, number, rounded
from packbench.report.texts import Lang, name_of, text

_EDGES_IN_REPORT: Final = 40


def diagnostic_sections(result: Result, pictures: dict[str, Picture], lang: Lang) -> list[Section]:
    """Every section that has something to say."""
    told = result.diagnostics
    if told is None:
        return []
    del pictures
    blocks: list[tuple[str, tuple[Block, ...]]] = [
        ("dcir", (resistance_table(told, lang),) if told.dc_resistance else ()),
        ("not_given", (absent_table(told, lang),) if told.absent else ()),
    ]
    return [Section(key, text(key, lang), found) for key, found in blocks if found]


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


def absent_table(told: Diagnostics, lang: Lang) -> Table:
    """What was looked for and is not given."""
    columns = (Column(text("not_given.figure", lang), "left", 1.4), Column(text("not_given.reason", lang), "left", 4.0))
    rows = tuple(
        (name_of("figure", one.figure, lang), one.reason_zh if lang == "zh" else one.reason_en) for one in told.absent
    )
    return Table(columns, rows)
