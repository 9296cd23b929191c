"""A plan as a PyBaMM experiment: the JSON that `pybamm.Experiment.from_config` reads, or sentences.

Owns what becomes of a phase in PyBaMM's steps, with PyBaMM's signs. PyBaMM simulates one cell: each of the pack's
cells in series is that cell, voltages, powers and resistances are the pack's over their number, currents are the
pack's. All of that is written into the export, under a key of our own that PyBaMM passes over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from packbench.config.fields import LIMIT_KEYS
from packbench.core.errors import InputError
from packbench.core.specs import PackSpec
from packbench.profile.checking.pen import Pen
from packbench.profile.exchange.from_plan import phases_of_plan
from packbench.profile.exchange.leaving import Leaving, Target
from packbench.profile.exchange.outline import PHASES_MAX, Account, Item, Level, Phase, count, tidy, unrolled
from packbench.profile.exchange.pybamm_steps import KELVIN_0C, PybammStep, Table, Termination
from packbench.profile.exchange.pybamm_strings import sentence_of
from packbench.profile.plan import Plan

PYBAMM = Target(
    name="PyBaMM",
    knows="ends by a voltage, a current or a time",
    is_one_cell=True,
    has_temperature=True,
    records_changes=False,
)
EDGE_NS = 1_000_000
"""A jump of a table: PyBaMM goes in straight lines, so it is a line this short."""

_UNSAID = {
    "value": "a table of points",
    "terminations": "a second end beside the time",
    "temperature": "a temperature around the pack",
}
"""What a sentence cannot say."""


@dataclass(frozen=True, slots=True)
class PybammExport:
    """What is written, and what stayed behind."""

    experiment: Any
    """What goes into the file as JSON."""
    text: str
    account: Account


def to_pybamm(plan: Plan, pack: PackSpec, *, strings: bool = False) -> PybammExport:
    """The plan as an experiment for a model of one of the pack's cells.

    Raises InputError when nothing is left of it, and when its rounds written out are more than any tool would take.
    """
    items, account = phases_of_plan(plan, pack, PYBAMM)
    if count(items) > PHASES_MAX:
        found, expected = f"{count(items)} steps, rounds written out", f"at most {PHASES_MAX}: PyBaMM has no loops"
        raise InputError(Pen(-1, plan.source_file, plan.places).write("steps", "too long", found, expected))
    writer = _Writer(Leaving(plan, PYBAMM, pack.rated_capacity_ah, account), pack.series)
    writer.limits()
    cycles = writer.cycles(items)
    if not cycles:
        raise InputError([*account.dropped, writer.leaving.pen(-1).write("steps", "nothing left", "no step", "a step")])
    if strings:
        sentences = [spoken for cycle in cycles if (spoken := writer.sentences(cycle))]
        return PybammExport(sentences, _lines(sentences), account)
    steps = [step for cycle in cycles for _, step in cycle]
    shared = {
        key: value
        for key, value in (("period", steps[0].period_s), ("temperature", steps[0].temperature_k))
        if value is not None and all(_given(step, key) == value for step in steps)
    }
    experiment = {
        "cycles": [[_without(step, shared).config() for _, step in cycle] for cycle in cycles],
        **shared,
        "packbench": _about(plan, pack, account),
    }
    return PybammExport(experiment, _text(experiment), account)


def _given(step: PybammStep, key: str) -> float | None:
    return step.period_s if key == "period" else step.temperature_k


def _without(step: PybammStep, shared: dict[str, float]) -> PybammStep:
    """A step without what the experiment says for all."""
    return replace(
        step,
        period_s=None if "period" in shared else step.period_s,
        temperature_k=None if "temperature" in shared else step.temperature_k,
    )


def _text(experiment: dict[str, Any]) -> str:
    """JSON with one step a line."""
    cycles = ",\n".join(
        "    [\n" + ",\n".join(f"      {json.dumps(step)}" for step in cycle) + "\n    ]"
        for cycle in experiment["cycles"]
    )
    rest = json.dumps({key: value for key, value in experiment.items() if key != "cycles"}, indent=2)
    return f'{{\n  "cycles": [\n{cycles}\n  ],{rest.removeprefix("{")}\n'


def _lines(cycles: list[list[str]]) -> str:
    """JSON with one cycle a line: `[tuple(cycle) for cycle in json.load(file)]` is what `pybamm.Experiment` takes."""
    return "[\n" + ",\n".join(f"  {json.dumps(cycle)}" for cycle in cycles) + "\n]\n"


def _about(plan: Plan, pack: PackSpec, account: Account) -> dict[str, Any]:
    cells = "the cell" if pack.series == 1 else f"each of the {pack.series} cells in series"
    return {
        "profile": plan.name,
        "title": plan.title_en,
        "source_sha256": plan.source_sha256,
        "pack": pack.name,
        "cells_in_series": pack.series,
        "rated_capacity_Ah": pack.rated_capacity_ah,
        "assumed": [
            f"The model is {cells}, all alike: voltages, powers and resistances are the pack's over {pack.series}.",
            f"Currents are the pack's: give the model a nominal cell capacity of {pack.rated_capacity_ah:g} A.h.",
            "C-rates are of the nominal cell capacity. Positive currents and powers discharge, as always in PyBaMM.",
        ],
        "dropped": [str(problem) for problem in account.dropped],
        "changed": [str(problem) for problem in account.warnings],
    }


@dataclass(frozen=True, slots=True)
class _Writer:
    leaving: Leaving
    series: int

    def limits(self) -> None:
        """PyBaMM has no limits of a whole experiment that stop it as a fault."""
        limits = self.leaving.plan.limits
        for name, key in LIMIT_KEYS.items():
            if getattr(limits, name) is not None:
                self.leaving.lose(-1, f"limits.{key}", f"the limit {key}", "steps alone: nothing is watched there")

    def cycles(self, items: tuple[Item, ...]) -> list[list[tuple[Phase, PybammStep]]]:
        """Each round of a loop is a cycle, and so is each step outside one."""
        cycles: list[list[tuple[Phase, PybammStep]]] = []
        for item in items:
            if isinstance(item, Phase):
                steps = self._steps(item)
                if item.is_joined and cycles:
                    cycles[-1] += steps
                elif steps:
                    cycles.append(steps)
                continue
            round_ = [step for phase in unrolled(item.items) for step in self._steps(phase)]
            cycles += [list(round_) for _ in range(item.repeat)] if round_ else []
        return cycles

    def _steps(self, phase: Phase) -> list[tuple[Phase, PybammStep]]:
        step = self._step(phase)
        return [] if step is None else [(phase, step)]

    def _step(self, phase: Phase) -> PybammStep | None:
        step = PybammStep(
            type="rest",
            duration_s=None if phase.time_ns is None else tidy(phase.time_ns / 1e9),
            terminations=self._terminations(phase),
            temperature_k=None if phase.temperature_c is None else tidy(phase.temperature_c + KELVIN_0C),
            period_s=None if phase.recording.period_ns is None else tidy(phase.recording.period_ns / 1e9),
            tags=(phase.label,) if phase.label else (),
        )
        sign = -phase.sign
        match phase.hold:
            case "rest":
                return step
            case "current":
                assert phase.current is not None
                if phase.current.per_hour is not None:
                    return replace(step, type="c-rate", value=sign * phase.current.per_hour)
                return replace(step, type="current", value=sign * tidy(phase.current.current_a))
            case "voltage":
                direction = "charge" if phase.sign > 0 else "discharge"
                return replace(step, type="voltage", value=tidy(phase.value / self.series), direction=direction)
            case "power":
                return replace(step, type="power", value=sign * tidy(phase.value / self.series))
            case "resistance":
                return replace(step, type="resistance", value=tidy(phase.value / self.series))
            case "current_table" | "power_table":
                return self._table(phase, step)

    def _table(self, phase: Phase, step: PybammStep) -> PybammStep | None:
        """Held values as lines with steep edges."""
        is_power = phase.hold == "power_table"
        scale = -1.0 / self.series if is_power else -1.0
        points: list[tuple[float, float]] = []
        for (point_ns, value), (end_ns, _) in pairwise(phase.points):
            start_ns = point_ns + EDGE_NS if point_ns else 0
            if end_ns <= start_ns:
                index = phase.origin[0]
                assert isinstance(index, int)
                found = f"a value held for {(end_ns - start_ns + EDGE_NS) / 1e6:g} ms"
                self.leaving.lose(index, "", found, f"at least {2 * EDGE_NS / 1e6:g} ms: it goes in straight lines")
                return None
            points += [(start_ns / 1e9, tidy(value * scale) + 0.0), (end_ns / 1e9, tidy(value * scale) + 0.0)]
        table: Table = tuple(points)
        return replace(step, type="power" if is_power else "current", value=table)

    def _terminations(self, phase: Phase) -> tuple[Termination, ...]:
        found: list[Termination] = []
        if phase.above_v is not None:
            found.append(Termination("voltage", tidy(phase.above_v / self.series), ">"))
        if phase.below_v is not None:
            found.append(Termination("voltage", tidy(phase.below_v / self.series), "<"))
        if phase.falls_to is not None:
            found.append(_falling(phase.falls_to))
        if phase.rises_to is not None:
            found.append(_rising(phase.rises_to, phase.sign))
        return tuple(found)

    def sentences(self, cycle: list[tuple[Phase, PybammStep]]) -> list[str]:
        """Steps in words; what words cannot say has been noted."""
        spoken: list[str] = []
        for phase, step in cycle:
            text, lost = sentence_of(step)
            index = phase.origin[0]
            assert isinstance(index, int)
            for key in lost:
                self.leaving.lose(index, "", _UNSAID[key], "a sentence: the JSON of to_config() says it")
            if "value" not in lost:
                spoken.append(text)
        return spoken


def _falling(level: Level) -> Termination:
    """A magnitude that falls: PyBaMM's own, without an operator."""
    if level.per_hour is not None:
        return Termination("c-rate", level.per_hour)
    return Termination("current", tidy(level.current_a))


def _rising(level: Level, sign: int) -> Termination:
    """A magnitude that rises: beyond a signed current, where a charge is negative."""
    if sign > 0:
        return Termination("current", -tidy(level.current_a), "<")
    return Termination("current", tidy(level.current_a), ">")
