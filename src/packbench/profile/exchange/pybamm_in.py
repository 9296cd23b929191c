"""A PyBaMM experiment in phases: the JSON of `to_config()`, or sentences.

Owns what PyBaMM's steps mean for the pack, with our signs: one model cell is each of the pack's cells in series, so
voltages, powers and resistances are multiplied by their number; currents are the pack's, C-rates are of its rated
capacity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from packbench.config.document import Document, Path, list_of
from packbench.config.validation import check_model, sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.specs import PackSpec
from packbench.core.units import UnitError
from packbench.profile.exchange.outline import PHASES_MAX, Account, Item, Level, Phase, Recording, Rounds, Sign, tidy
from packbench.profile.exchange.pybamm_steps import (
    KELVIN_0C,
    ExperimentModel,
    PybammStep,
    Table,
    Termination,
    read_step,
)
from packbench.profile.exchange.pybamm_strings import FORM, parse_string, sentence_of
from packbench.profile.exchange.sources import Source
from packbench.profile.exchange.waveforms import POINTS_MAX

CANNOT = "packbench cannot carry this"
EDGE_NS = 1_001_000
"""A line of a table that is no longer than this is a jump."""
DAY_S = 86_400.0
PERIOD_MAX = 64
"""Cycles of one round that is looked for."""

Cycle = tuple[tuple[PybammStep, Path], ...]


def from_pybamm(source: Source, pack: PackSpec) -> tuple[tuple[Item, ...], Account]:
    """The experiment in phases, and what stayed behind. Raises InputError with everything that is wrong with it."""
    reader = _Reader(source.document, pack)
    cycles = reader.sentences() if source.form == "pybamm-strings" else reader.configuration()
    if reader.problems:
        raise InputError(sort_problems(reader.problems))
    items: list[Item] = []
    for cycles_alike, repeat in _rounds(cycles):
        steps = [known for cycle in cycles_alike for known in cycle]
        phases = [phase for step, path in steps if (phase := reader.phase(step, path)) is not None]
        if repeat > 1 and phases:
            items.append(Rounds(repeat=repeat, items=tuple(phases), origin=steps[0][1]))
        else:
            items += phases
    return tuple(items), reader.account


def _rounds(cycles: list[Cycle]) -> Iterator[tuple[list[Cycle], int]]:
    """Cycles that come again and again, and how often: tuples times three, or a loop that was written out."""
    names: dict[tuple[PybammStep, ...], int] = {}
    ids = [names.setdefault(tuple(step for step, _ in cycle), len(names)) for cycle in cycles]
    at = 0
    while at < len(ids):
        period, repeat = 1, 1
        for tried in range(1, min(PERIOD_MAX, (len(ids) - at) // 2) + 1):
            times, block = 1, ids[at : at + tried]
            while ids[at + times * tried : at + (times + 1) * tried] == block:
                times += 1
            if times > 1 and times * tried > period * repeat:
                period, repeat = tried, times
        yield cycles[at : at + period], repeat
        at += period * repeat


@dataclass(slots=True)
class _Reader:
    document: Document
    pack: PackSpec
    problems: list[Problem] = field(default_factory=list[Problem])
    account: Account = field(default_factory=Account)

    # --- the experiment as a whole ----------------------------------------------------------------

    def sentences(self) -> list[Cycle]:
        """A list of texts; a list within it is a cycle."""
        cycles: list[Cycle] = []
        root: Path = () if list_of(self.document.data) is not None else ("steps",)
        for at, item in enumerate(list_of(self.document.at(root)) or []):
            inner = list_of(item)
            paths: list[tuple[object, Path]] = [(item, (*root, at))]
            if inner is not None:
                paths = [(text, (*root, at, within)) for within, text in enumerate(inner)]
            cycle = [(step, path) for text, path in paths if (step := self._sentence(text, path)) is not None]
            cycles.append(tuple(cycle))
        return self._some([cycle for cycle in cycles if cycle])

    def _sentence(self, text: object, path: Path) -> PybammStep | None:
        if not isinstance(text, str):
            self.problems.append(self.document.problem("", path, self.document.found(path), FORM))
            return None
        try:
            return parse_string(text)
        except UnitError as error:
            self.problems.append(self.document.problem("", path, error.found, error.expected))
            return None

    def configuration(self) -> list[Cycle]:
        """`cycles`, or the older `steps`, each step with what the experiment says for all."""
        model, problems = check_model(ExperimentModel, self.document, ())
        self.problems += problems
        if model is None:
            return []
        for at in range(len(model.termination or ())):
            several = list_of(self.document.at(("termination",))) is not None
            path: Path = ("termination", at) if several else ("termination",)
            self._lose(path, "an end of the whole experiment", "ends of its steps")
        key = "cycles" if model.cycles is not None else "steps"
        cycles: list[Cycle] = []
        for at, item in enumerate(list_of(self.document.at((key,))) or []):
            inner = list_of(item) if key == "cycles" else None
            if key == "cycles" and inner is None:
                self.problems.append(self.document.problem("", (key, at), self.document.found((key, at)), "a list"))
            paths: list[Path] = [(key, at, within) for within in range(len(inner or ()))] if inner else [(key, at)]
            cycle: list[tuple[PybammStep, Path]] = []
            for path in paths if inner or key == "steps" else []:
                step, wrong = read_step(self.document, path)
                self.problems += wrong
                if step is not None:
                    period_s = model.period if step.period_s is None else step.period_s
                    kelvin = model.temperature if step.temperature_k is None else step.temperature_k
                    cycle.append((replace(step, period_s=period_s, temperature_k=kelvin), path))
            if cycle:
                cycles.append(tuple(cycle))
        return self._some(cycles)

    def _some(self, cycles: list[Cycle]) -> list[Cycle]:
        steps = sum(len(cycle) for cycle in cycles)
        if not self.problems and not 0 < steps <= PHASES_MAX:
            expected = f"a list of steps, at least one and at most {PHASES_MAX}"
            self.problems.append(self.document.problem("", (), f"{steps} steps", expected))
        return cycles

    # --- one step -------------------------------------------------------------------------------

    def phase(self, step: PybammStep, path: Path) -> Phase | None:
        """The step in our terms; None, and noted, where there is nothing of ours for it."""
        if step.start_time is not None:
            self._lose((*path, "start_time"), "a step that waits for a date", "steps one after the other")
        if not step.skip_ok:
            self._lose(
                (*path, "skip_ok"), "a step that must not be skipped", "a step that ends at once when it is over"
            )
        phase = self._held(step, path)
        if phase is None:
            return None
        phase = self._ended(step, path, phase)
        if len(step.tags) > 1:
            self.account.warnings.append(self._remark((*path, "tags"), "of several tags the first becomes the label"))
        period_ns = None if step.period_s is None else round(step.period_s * 1e9)
        return replace(
            phase,
            recording=Recording(period_ns),
            temperature_c=None if step.temperature_k is None else tidy(step.temperature_k - KELVIN_0C),
            label=step.tags[0] if step.tags else "",
            said=_said(step),
            origin=path,
        )

    def _held(self, step: PybammStep, path: Path) -> Phase | None:
        value, series = step.value, self.pack.series
        if isinstance(value, str):
            self._lose((*path, "value"), f"{value!r}, a parameter that PyBaMM is given later", "a number")
            return None
        if isinstance(value, tuple):
            return self._table(step, value, path)
        sign: Sign = -1 if value > 0.0 else 1
        match step.type:
            case "rest":
                return Phase(hold="rest")
            case "current" | "c-rate" | "power" if value == 0.0:
                return Phase(hold="rest")
            case "current":
                return Phase(hold="current", sign=sign, current=Level(abs(value)))
            case "c-rate":
                rated_ah = self.pack.rated_capacity_ah
                return Phase(hold="current", sign=sign, current=Level(abs(value) * rated_ah, abs(value)))
            case "voltage" if value > 0.0:
                way: dict[str | None, Sign] = {"charge": 1, "discharge": -1}
                return Phase(hold="voltage", sign=way.get(step.direction, 0), value=tidy(value * series))
            case "power":
                return Phase(hold="power", sign=sign, value=tidy(abs(value) * series))
            case "resistance" if value > 0.0:
                return Phase(hold="resistance", sign=-1, value=tidy(value * series))
            case _:
                self._lose((*path, "value"), f"a {step.type} of {value:g}", "a charge or a discharge of more than 0")
                return None

    def _table(self, step: PybammStep, table: Table, path: Path) -> Phase | None:
        """Lines from point to point; those of no length are jumps, the others are held at their middle."""
        if step.type not in ("current", "c-rate", "power"):
            self._lose((*path, "value"), f"a {step.type} that follows a table", "a current or a power that does")
            return None
        scale = {"current": 1.0, "c-rate": self.pack.rated_capacity_ah, "power": self.pack.series}[step.type]
        repeated = _repeated(table, step.duration_s)
        if repeated is None:
            self._lose((*path, "duration"), "a table repeated too often", f"at most {POINTS_MAX} points in all")
            return None
        held: list[tuple[int, int, float]] = []
        is_bent = False
        for (start_s, start), (end_s, end) in pairwise(repeated):
            start_ns, end_ns = round(start_s * 1e9), round(end_s * 1e9)
            if end_ns - start_ns <= EDGE_NS and start != end and held:
                continue
            begin_ns = held[-1][1] if held else 0
            is_bent = is_bent or start != end
            held.append((begin_ns, end_ns, -(start + end) / 2 * scale))
        if is_bent:
            found = "values that change in a straight line from point to point"
            self._lose((*path, "value"), found, "values that are held (the middle of each line is)")
        points = [(begin_ns, tidy(value)) for begin_ns, _, value in held]
        hold = "power_table" if step.type == "power" else "current_table"
        return Phase(hold=hold, points=(*points, (held[-1][1], 0.0)))

    # --- ends -----------------------------------------------------------------------------------

    def _ended(self, step: PybammStep, path: Path, phase: Phase) -> Phase:
        for at, termination in enumerate(step.terminations):
            phase = self._terminated(step, termination, phase, (*path, "terminations", at))
        if phase.points:
            return phase
        if step.duration_s is not None:
            return replace(phase, time_ns=round(step.duration_s * 1e9))
        if not phase.has_end:
            default_s = DAY_S
            if step.type == "c-rate" and isinstance(step.value, float) and step.value != 0.0:
                default_s = 2 * 3600.0 / abs(step.value)
            message = f"it has no end of its own: after {default_s:g} s, PyBaMM's default"
            self.account.warnings.append(self._remark(path, message))
            return replace(phase, time_ns=round(default_s * 1e9))
        return phase

    def _terminated(self, step: PybammStep, termination: Termination, phase: Phase, path: Path) -> Phase:
        if termination.type == "voltage":
            leads = {"charge": ">", "discharge": "<"}.get(step.leads or "")
            operator = termination.operator or leads
            value_v = tidy(termination.value * self.pack.series)
            if operator == ">":
                return replace(phase, above_v=value_v if phase.above_v is None else min(value_v, phase.above_v))
            if operator == "<":
                return replace(phase, below_v=value_v if phase.below_v is None else max(value_v, phase.below_v))
            message = "left out: PyBaMM passes over a voltage without < or > where no direction is given"
            self.account.warnings.append(self._remark(path, message))
            return phase
        level = Level(abs(termination.value))
        if termination.type == "c-rate":
            level = Level(abs(termination.value) * self.pack.rated_capacity_ah, abs(termination.value))
        is_signed = termination.operator is not None and termination.type == "current"
        sign: Sign = phase.sign or (-1 if termination.value > 0.0 else 1)
        if is_signed and (termination.value > 0.0) != (sign < 0):
            self._lose(path, f"a current {termination.operator} {termination.value:g} A", "an end that can come")
            return phase
        # PyBaMM's current is negative in a charge: there the one that rises falls.
        rises = is_signed and (termination.operator == ">") == (sign < 0)
        if is_signed and phase.hold == "voltage":
            phase = replace(phase, sign=sign)
        if rises:
            return replace(phase, rises_to=level)
        known = phase.falls_to
        return phase if known is not None and known.current_a > level.current_a else replace(phase, falls_to=level)

    # --- notes ----------------------------------------------------------------------------------

    def _lose(self, path: Path, found: str, expected: str) -> None:
        self.account.dropped.append(self.document.problem(CANNOT, path, found, expected))

    def _remark(self, path: Path, message: str) -> Problem:
        problem = self.document.problem(message, path, "", "")
        return replace(problem, found=None, expected=None)


def _said(step: PybammStep) -> str:
    if isinstance(step.value, tuple):
        return f"a table of {len(step.value)} points"
    return step.description if step.description is not None else sentence_of(step)[0].strip()


def _repeated(table: Table, duration_s: float | None) -> Table | None:
    """The table for as long as the step lasts, as PyBaMM repeats it: the first line's time lies between its ends.

    None: it would come to too many points.
    """
    if duration_s is None or duration_s == table[-1][0]:
        return table
    gap_s = table[1][0] - table[0][0]
    points = list(table)
    rounds = 1
    if len(table) * (duration_s / table[-1][0] + 1) > POINTS_MAX:
        return None
    while points[-1][0] < duration_s:
        points += [(at_s + (table[-1][0] + gap_s) * rounds, value) for at_s, value in table]
        rounds += 1
    kept = [point for point in points if point[0] < duration_s]
    (before_s, before), (after_s, after) = kept[-1], points[len(kept)]
    value = before + (after - before) * (duration_s - before_s) / (after_s - before_s)
    return (*kept, (duration_s, value))
