"""The tables of a report, each from a result to plain strings.

Owns rows, columns and their order. Must not know how a table is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from packbench.core.result import Measured, Result, StepResult
from packbench.core.specs import Accuracy, Instrument
from packbench.report.document import Column, Table
from packbench.report.explain import end_reason_short, end_reason_words, with_bound
from packbench.report.inputs import ReportInputs
from packbench.report.numbers import (
    ABSENT,
    as_number,
    duration,
    measured,
    milli,
    number,
    percent,
    unit_of_limit,
    with_unit,
)
from packbench.report.texts import Lang, name_of, text

_KWH_FROM_WH: Final = 10_000.0
"""From here on the step table shows kWh."""
_STEPS_IN_REPORT: Final = 200
_FOUR_DECIMALS_BELOW: Final = 100.0
"""Ah or Wh: a cell's work-step table keeps the decimals of the cycler's own export."""


@dataclass(frozen=True, slots=True)
class _StepShape:
    """How the step table shows its figures, the same in every row."""

    energy_scale: float
    charge_decimals: int
    energy_decimals: int


def longest_steps(result: Result, most: int) -> tuple[StepResult, ...]:
    """The `most` longest steps in the order of their execution; a pulse test has thousands of short ones."""
    if len(result.steps) <= most:
        return result.steps
    ranked = sorted(range(len(result.steps)), key=lambda position: (-result.steps[position].duration_s, position))
    return tuple(result.steps[position] for position in sorted(ranked[:most]))


def step_table(result: Result, lang: Lang, most: int = _STEPS_IN_REPORT) -> Table:
    """The executed steps in order: all of them, or the `most` longest and a note that says so."""
    steps = longest_steps(result, most)
    in_kwh = _largest(step.energy_wh for step in result.steps) >= _KWH_FROM_WH
    shape = _StepShape(
        energy_scale=1e-3 if in_kwh else 1.0,
        charge_decimals=3 if _largest(step.charge_ah for step in result.steps) >= _FOUR_DECIMALS_BELOW else 4,
        energy_decimals=3 if in_kwh or _largest(step.energy_wh for step in result.steps) >= _FOUR_DECIMALS_BELOW else 4,
    )
    columns = (
        Column(text("step_no", lang), "right", 0.62),
        Column(text("step", lang), "left", 2.1),
        Column(text("cycle", lang), "right", 0.7),
        Column(text("duration", lang), "right", 1.05),
        Column(text("charge_ah", lang), "right", 1.1),
        Column(text("energy_kwh" if in_kwh else "energy_wh", lang), "right", 1.15),
        Column(text("voltage_end", lang), "right", 1.1),
        Column(text("current_end", lang), "right", 1.1),
        Column(text("cells_end", lang), "right", 1.3),
        Column(text("temp_max", lang), "right", 0.95),
        Column(text("end_reason", lang), "left", 2.7),
    )
    columns = tuple(replace(column, label=column.label.replace(" / ", "\n/ ")) for column in columns)
    rows = tuple(_step_row(step, step_reason(step, result, lang), lang, shape) for step in steps)
    note = text("steps_note", lang)
    if len(steps) < len(result.steps):
        note += "\n" + text("steps_left_out", lang, shown=len(steps), all=len(result.steps))
    return Table(columns, rows, note=note)


def _largest(values: Iterable[float]) -> float:
    return max((abs(value) for value in values if math.isfinite(value)), default=0.0)


def step_reason(step: StepResult, result: Result, lang: Lang, *, short: bool = False) -> str:
    """Why a step ended; a step that a trip ended carries the trip's own words."""
    for trip in result.trips:
        if step.end_reason == trip.get("text_en"):
            return text("trip_title", lang) if short else str(trip.get(f"text_{lang}") or step.end_reason)
    words = end_reason_short if short else end_reason_words
    return words(with_bound(step), lang, step.end_cell)


def _step_row(step: StepResult, reason: str, lang: Lang, shape: _StepShape) -> tuple[str, ...]:
    kind = name_of("kind", step.kind, lang)
    if step.label.casefold() in {kind.casefold(), step.kind}:
        label = kind
    else:
        # "rest-charged" need not say "rest" again.
        label = step.label if kind.casefold() in step.label.casefold() else f"{step.label}\n{kind}"
    if step.cell_min_end_v is None or step.cell_max_end_v is None:
        cells = ABSENT
    else:
        cells = f"{number(step.cell_min_end_v, 3)}–{number(step.cell_max_end_v, 3)}"
    return (
        str(step.number),
        label,
        str(step.cycle) if step.cycle > 0 else ABSENT,
        duration(step.duration_s),
        number(step.charge_ah, shape.charge_decimals),
        number(step.energy_wh * shape.energy_scale, shape.energy_decimals),
        number(step.voltage_end_v, 2 if step.voltage_end_v is not None and step.voltage_end_v >= 10 else 3),
        number(step.current_end_a, 2),
        cells,
        number(step.temperature_max_c, 1),
        reason,
    )


def repeat_table(result: Result, lang: Lang) -> Table:
    """Capacity of each repeat, and which of them make the result."""
    columns = (
        Column(text("repeat", lang), "right", 0.6),
        Column(text("capacity_col", lang), "right"),
        Column(text("deviation", lang), "right", 1.9),
        Column(text("counts", lang), "left", 1.7),
    )
    mean = result.capacity_ah.value if result.capacity_ah is not None else float("nan")
    rows: list[tuple[str, ...]] = []
    for position, capacity in enumerate(result.capacities_ah, start=1):
        deviation = 100 * (capacity / mean - 1) if mean else float("nan")
        counted = text("yes" if position in result.agreeing_cycles else "no", lang)
        rows.append((str(position), number(capacity, 3), _signed(deviation, 2), counted))
    strong = frozenset(cycle - 1 for cycle in result.agreeing_cycles)
    return Table(columns, tuple(rows), strong, narrow=True)


def budget_table(capacity: Measured, lang: Lang) -> Table:
    """The uncertainty budget of the capacity, largest contribution first (GUM 8)."""
    columns = (
        Column(text("component", lang), "left", 3.6),
        Column(text("standard_u", lang), "right", 1.6),
        Column(text("share", lang), "right", 1.2),
        Column(text("dof", lang), "right", 1.2),
        Column(text("correlated", lang), "left", 1.2),
    )
    lines = sorted(capacity.budget, key=lambda line: (-abs(line.standard_u), line.name))
    variance = sum(line.standard_u**2 for line in lines)
    rows = [
        (
            name_of("budget", line.name, lang),
            milli(line.standard_u),
            percent(line.standard_u**2 / variance if variance else None),
            "∞" if line.dof is None else with_unit(line.dof, "", 3),
            text(f"correlated.{str(line.correlated).lower()}", lang),
        )
        for line in lines
    ]
    shown = measured(capacity)
    rows.append((text("combined", lang), milli(math.sqrt(variance)), percent(1.0), "", ""))
    if shown.expanded_u is not None:
        label = text("expanded", lang, k=shown.k, p=shown.p)
        rows.append((label, ABSENT if capacity.U is None else milli(capacity.U), "", "", ""))
    return Table(columns, tuple(rows), frozenset(range(len(lines), len(rows))))


def limit_table(result: Result, lang: Lang) -> Table:
    """Limits in force and the layer each came from."""
    columns = (
        Column(text("limit", lang), "left", 2.2),
        Column(text("value", lang), "right"),
        Column(text("origin", lang), "left", 1.4),
    )
    rows: list[tuple[str, ...]] = []
    for name, entry in result.limits.items():
        fields = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {"value": entry}
        unit = _unit(str(fields.get("unit") or unit_of_limit(name)))
        shown = with_unit(as_number(fields.get("value")), unit)
        origin = str(fields.get("origin") or "")
        rows.append((name_of("limit", name, lang), shown, name_of("origin", origin, lang) or ABSENT))
    return Table(columns, tuple(rows), note=text("limits_note", lang), narrow=True)


def instrument_table(instruments: tuple[Instrument, ...], result: Result, lang: Lang) -> Table:
    """Instruments with their paper trail; an overdue one is set off."""
    columns = (
        Column(text("instrument", lang), "left", 1.0),
        Column(text("instrument_serial", lang), "left", 1.3),
        Column(text("certificate", lang), "left", 1.6),
        Column(text("calibrated_on", lang), "left", 1.1),
        Column(text("due_on", lang), "left", 1.1),
        Column(text("accuracy", lang), "left", 2.9),
    )
    rows: list[tuple[str, ...]] = []
    strong: set[int] = set()
    for position, instrument in enumerate(instruments):
        due = instrument.due_on
        # ISO dates compare as text; the run counts as a whole day.
        if due and due < result.ended_at[:10]:
            strong.add(position)
            due = f"{due}\n{text('overdue', lang)}"
        accuracies = "\n".join(
            f"{name_of('quantity', name, lang)}: {_accuracy_words(name, accuracy, lang)}"
            for name, accuracy in instrument.quantities.items()
        )
        rows.append(
            (
                name_of("instrument", instrument.name, lang),
                instrument.serial or ABSENT,
                instrument.certificate or ABSENT,
                instrument.calibrated_on or ABSENT,
                due or ABSENT,
                accuracies or ABSENT,
            )
        )
    return Table(columns, tuple(rows), frozenset(strong))


def _accuracy_words(name: str, accuracy: Accuracy, lang: Lang) -> str:
    parts: list[str] = []
    if accuracy.gain:
        parts.append(text("accuracy.reading", lang, gain=with_unit(100 * accuracy.gain, "%", 3)))
    if accuracy.offset:
        parts.append(_small(accuracy.offset, unit_of_limit(name)))
    if len(parts) > 1:
        return f"± ({' + '.join(parts)})"
    return f"± {parts[0]}" if parts else ABSENT


def _small(value: float, unit: str) -> str:
    if unit in {"V", "A"} and abs(value) < 0.1:
        return with_unit(1e3 * value, f"m{unit}", 3)
    return with_unit(value, unit, 3)


def gap_table(result: Result, lang: Lang) -> Table:
    """Stretches without data."""
    columns = (
        Column(text("gap_from", lang), "right"),
        Column(text("gap_to", lang), "right"),
        Column(text("gap_reason", lang), "left", 3.0),
    )
    rows = tuple(
        (
            _moment_s(gap.get("started_s")),
            _moment_s(gap.get("ended_s")),
            str(gap.get(f"reason_{lang}") or gap.get("reason") or ABSENT),
        )
        for gap in result.gaps
    )
    return Table(columns, rows, note=text("gaps_note", lang), narrow=True)


def _moment_s(value: object) -> str:
    return duration(as_number(value))


def hash_table(result: Result, lang: Lang) -> Table:
    """What was hashed and to what."""
    columns = (Column(text("hash_of", lang), "left", 1.0), Column("SHA-256", "left", 4.5, mono=True))
    return Table(columns, tuple((name_of("hash", name, lang), value) for name, value in result.hashes.items()))


def identity_table(inputs: ReportInputs, lang: Lang) -> Table:
    """Everything that tells this run from any other."""
    result = inputs.result
    pairs = [
        ("run", result.run_id),
        ("serial", result.serial),
        ("profile", result.profile),
        ("pack", result.pack),
        ("bench", result.bench),
        ("operator", result.operator),
        ("provenance", name_of("provenance", result.provenance, lang)),
        ("releasing", text("yes" if result.releasing else "no", lang)),
        ("seed", None if result.seed is None else str(result.seed)),
        ("started", result.started_at),
        ("ended", result.ended_at),
        ("wall_time", None if inputs.wall_seconds is None else f"{number(inputs.wall_seconds, 1)} s"),
        ("software", f"{text('product', lang)} {inputs.software_version}"),
        ("schema", result.schema_version),
    ]
    columns = (Column(text("item", lang), "left", 1.0), Column(text("value", lang), "left", 4.5))
    rows = [(text(key, lang), value) for key, value in pairs if value]
    rows += [(text("parameter_n", lang, name=name), value) for name, value in result.parameters.items()]
    return Table(columns, tuple(rows))


def _signed(value: float, decimals: int) -> str:
    shown = number(value, decimals)
    return f"+{shown}" if math.isfinite(value) and value > 0 and float(f"{value:.{decimals}f}") else shown


def _unit(unit: str) -> str:
    return {"degC": "°C", "C": "°C", "K/min": "K/min"}.get(unit, unit)
