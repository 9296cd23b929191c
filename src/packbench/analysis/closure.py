"""Whether charge and energy close: what the rows add up to, what the steps say, what the result says.

Owns the comparison. Three counts of one thing are held against each other: the trapezoid over a step's rows, the
step's own Ah and Wh (which the engine counted over every reading, recorded or not), and the result's figures.

What the rows cannot say. Only some readings become rows (the step's recording rule), so their trapezoid differs from
the engine's count by what happened between two rows. Between two neighbouring rows with the currents a and b the
current lay between a and b, or at what was commanded meanwhile (every command is in the log): a rule that records
nothing in between means that a reading of another kind was not due. The trapezoid takes (a + b) / 2, so it is wrong by
at most the largest |x - (a + b) / 2| over all of these x, times the time between the rows. `unrecorded` is the sum of
these bounds over the step. It is small where the current is steady (half of the noise between two rows), and large
where it jumps often between rows that are far apart, as in a waveform that was recorded coarsely: then the rows say
little, and the figure says so. The same holds for the power, with the products of all currents and both voltages.
Before its first row a step is taken to have held the first row's values, after its last row the last row's.
Time inside a gap counts for nothing: what flowed there is nobody's figure. A step that was over before any reading
became a row can have counted no more than the largest current commanded in it for as long as it lasted, and lasts no
longer than `ROWLESS_S`: the first reading of a step is a row.

A step closes when |rows - step| <= 0.1 % of the step's figure + `unrecorded` + `TIMING_S` of the step's largest value
(a row bears the instant at which its reading was judged, which is that much after the reading at most) + the noise of
one reading for the time before the first row and after the last.

A sum over a long step hides a jump in it, such as a charge that was counted twice when a run was resumed. So each
row's own count is held against the next one's as well: between two rows it must go on by their trapezoid, within what
may have happened between these two, 0.1 % of the step's largest value for that time, and the noise of the readings
(`NOISE_FACTOR` times what neighbouring rows differ by); and the last row's must be the step's.

What this does not cover: a recording rule without a bound on current (`dI`) also leaves out a dip that begins and ends
between two rows and that nobody commanded. A record in which such a dip is worth more than 0.1 % of the step does not
close, and cannot be told from one that was counted wrongly.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from packbench.analysis.continuity import Finding, RowTimes, of_step
from packbench.analysis.table import SECONDS_PER_HOUR
from packbench.core.records import Gap, StepRecord
from packbench.core.result import Result
from packbench.core.samples import FloatArray

WITHIN_REL: Final = 1e-3
TIMING_S: Final = 0.02
LEAST: Final = 2e-5
"""Ah and Wh that are not told apart: what a rest of few rows comes to is the noise of one reading (0.07 A s)."""
EFFECT_NS: Final = 500_000_000
"""So long after its entry in the log a command may change what flows."""
SAME_REL: Final = 1e-7
"""Figures that are copies of each other may differ by the digits that result.json keeps, not more."""
NOISE_FACTOR, NOISE_QUANTILE = 3.0, 0.95
"""Of the differences between neighbouring rows of a step: about eight standard deviations of one reading's noise."""
USUAL_FACTOR = 6.0
"""Of their median over the whole run: six. A step of few rows does not show its noise itself."""
ROWLESS_S: Final = 1.0
"""A step of this length has had a reading, whatever the cycler's poll period is."""
NS: Final = 1e9


class Command(NamedTuple):
    """A current that was commanded: an output-off commands 0."""

    t_ns: int
    current_a: float


@dataclass(frozen=True, slots=True, eq=False)
class RowValues:
    """Rows as columns, each shape (n,), in the order of time."""

    times: RowTimes
    voltage_v: FloatArray
    current_a: FloatArray
    step_ah: FloatArray
    """Counted since the step began, as the row says."""
    step_wh: FloatArray


@dataclass(frozen=True, slots=True)
class Jump:
    """Where a step's count goes on by more than what flowed, or less."""

    from_ns: int
    to_ns: int
    counted: float
    by_rows: float
    allowed: float


@dataclass(frozen=True, slots=True)
class Closed:
    """One quantity of one step."""

    stored: float
    """By the step's record."""
    by_rows: float
    unrecorded: float
    """The most that the recording rule can have left out."""
    allowed: float
    jump: Jump | None = None
    """The first one between two rows; None: the count goes on with what flowed, and ends at `stored`."""

    @property
    def difference(self) -> float:
        """Rows less step."""
        return self.by_rows - self.stored

    @property
    def holds(self) -> bool:
        """Whether they agree."""
        return abs(self.difference) <= self.allowed and self.jump is None


@dataclass(frozen=True, slots=True, eq=False)
class Between:
    """What lies between the marks of a step (its start, its rows, its end), each shape (n - 1,)."""

    marks_ns: NDArray[np.int64]
    """shape (n,)"""
    middle: FloatArray
    """The trapezoid's value."""
    spread: FloatArray
    """By how much that may be wrong."""
    hours: FloatArray
    """Without gaps."""
    values: FloatArray
    """shape (n,): at the marks."""
    noise: float
    """Of one reading."""


@dataclass(frozen=True, slots=True)
class StepClosure:
    """One executed step."""

    number: int
    label: str
    rows: int
    charge_ah: Closed
    energy_wh: Closed


@dataclass(frozen=True, slots=True)
class Closure:
    """What was found."""

    steps: tuple[StepClosure, ...]
    findings: tuple[Finding, ...]


def check_closure(
    rows: RowValues,
    steps: Sequence[StepRecord],
    gaps: Sequence[Gap],
    commands: Sequence[Command],
    result: Result | None = None,
    counted_step: int | None = None,
) -> Closure:
    """Judge a run's charge and energy.

    Args:
        rows: All of them.
        steps: In the order in which they ended.
        gaps: Stretches without data.
        commands: In the order of time.
        result: What was concluded from the run; None: nothing yet.
        counted_step: Index of the plan's step, from 1, whose discharges the result's capacity and energy are the mean
            of; None: the profile has none.
    """
    noise = _noise(rows)
    closed = [_step(rows, record, gaps, commands, noise) for record in steps]
    findings = [finding for step in closed for finding in _disagreements(step)]
    if result is not None:
        findings += _against_result(steps, result, counted_step)
    return Closure(tuple(closed), tuple(findings))


def _noise(rows: RowValues) -> tuple[float, float]:
    """By how much one reading of current, and of power, may differ from the next row's: a run's usual difference."""
    together = np.diff(rows.times.step) == 0
    usual: list[float] = []
    for values in (rows.current_a, rows.current_a * rows.voltage_v):
        apart = np.abs(np.diff(values))[together]
        apart = apart[np.isfinite(apart)]
        usual.append(USUAL_FACTOR * float(np.median(apart)) if apart.size else 0.0)
    return usual[0], usual[1]


def _step(
    rows: RowValues,
    record: StepRecord,
    gaps: Sequence[Gap],
    commands: Sequence[Command],
    noise: tuple[float, float],
) -> StepClosure:
    at = np.flatnonzero(of_step(rows.times, record) & np.isfinite(rows.current_a) & np.isfinite(rows.voltage_v))
    if not at.size:
        return _without_rows(record, gaps, commands, noise[0])
    t_ns, amperes, volts = rows.times.t_ns[at], rows.current_a[at], rows.voltage_v[at]
    # The ends, with the first and the last row's values held to them.
    marks_ns = np.concatenate(([record.started_ns], t_ns, [record.ended_ns]))
    amperes = np.concatenate((amperes[:1], amperes, amperes[-1:]))
    volts = np.concatenate((volts[:1], volts, volts[-1:]))
    seen_s = _seen_s(marks_ns, gaps)
    left_a, right_a = amperes[:-1], amperes[1:]
    left_w, right_w = left_a * volts[:-1], right_a * volts[1:]
    middle_a, middle_w = 0.5 * (left_a + right_a), 0.5 * (left_w + right_w)
    spread_a = np.abs(right_a - middle_a)
    corners_w = (left_w, right_w, left_a * volts[1:], right_a * volts[:-1])
    spread_w = np.max([np.abs(each - middle_w) for each in corners_w], axis=0)
    others = _other_currents(marks_ns, rows, int(at[0]), gaps, commands)
    for index, current_a in others:
        spread_a[index] = max(spread_a[index], abs(current_a - middle_a[index]))
        for volt in (volts[index], volts[index + 1]):
            spread_w[index] = max(spread_w[index], abs(current_a * volt - middle_w[index]))
    hours = seen_s / SECONDS_PER_HOUR
    return StepClosure(
        record.number,
        record.label,
        int(at.size),
        _closed(record.charge_ah, rows.step_ah[at], Between(marks_ns, middle_a, spread_a, hours, amperes, noise[0])),
        _closed(
            record.energy_wh, rows.step_wh[at], Between(marks_ns, middle_w, spread_w, hours, amperes * volts, noise[1])
        ),
    )


def _without_rows(record: StepRecord, gaps: Sequence[Gap], commands: Sequence[Command], noise_a: float) -> StepClosure:
    """A step that was over before a reading became a row: it can have counted what was commanded, and no more."""
    marks_ns = np.array([record.started_ns, record.ended_ns])
    told = [
        each.current_a for each in commands if each.t_ns - record.started_ns >= -EFFECT_NS and each.t_ns <= marks_ns[1]
    ]
    most_a = max(abs(each) for each in (*told, record.current_end_a, noise_a) if np.isfinite(each))
    charge_ah = most_a * min(float(_seen_s(marks_ns, gaps).sum()), ROWLESS_S) / SECONDS_PER_HOUR
    energy_wh = charge_ah * abs(record.voltage_end_v) if np.isfinite(record.voltage_end_v) else 0.0
    ah, wh = (
        Closed(stored, 0.0, most, abs(stored) * WITHIN_REL + most + LEAST)
        for stored, most in ((record.charge_ah, charge_ah), (record.energy_wh, energy_wh))
    )
    return StepClosure(record.number, record.label, 0, ah, wh)


def _closed(stored: float, counts: FloatArray, between: Between) -> Closed:
    unrecorded = float((between.spread * between.hours).sum())
    timing = TIMING_S / SECONDS_PER_HOUR * float(np.abs(between.values).max())
    # Before the first row and behind the last one a single value stands for readings that are not there.
    ends = between.noise * float(between.hours[0] + between.hours[-1])
    allowed = WITHIN_REL * abs(stored) + unrecorded + timing + ends + LEAST
    by_rows = float((between.middle * between.hours).sum())
    return Closed(stored, by_rows, unrecorded, allowed, _jump(stored, counts, between, timing))


def _jump(stored: float, counts: FloatArray, between: Between, timing: float) -> Jump | None:
    """The first stretch between two rows in which the count does not go on as it should."""
    moved = np.diff(np.concatenate(([0.0], counts, [stored])))
    largest = float(np.abs(between.values).max())
    own = NOISE_FACTOR * float(np.quantile(np.abs(np.diff(between.values)), NOISE_QUANTILE))
    noise = max(own, between.noise)
    allowed = (between.spread + noise + WITHIN_REL * largest) * between.hours + timing + SAME_REL * abs(stored)
    flowed = between.middle * between.hours
    at = np.flatnonzero(np.abs(moved - flowed) > allowed)
    if not at.size:
        return None
    first = int(at[0])
    from_ns, to_ns = between.marks_ns[first : first + 2].tolist()
    return Jump(from_ns, to_ns, float(moved[first]), float(flowed[first]), float(allowed[first]))


def _seen_s(marks_ns: NDArray[np.int64], gaps: Sequence[Gap]) -> FloatArray:
    """shape (n - 1,): the time between two marks that lies in no gap."""
    seen_ns = np.diff(marks_ns)
    for gap in gaps:
        hidden_ns = np.minimum(marks_ns[1:], gap.ended_ns) - np.maximum(marks_ns[:-1], gap.started_ns)
        seen_ns = seen_ns - np.maximum(hidden_ns, 0)
    return seen_ns / NS


def _other_currents(
    marks_ns: NDArray[np.int64],
    rows: RowValues,
    first: int,
    gaps: Sequence[Gap],
    commands: Sequence[Command],
) -> list[tuple[int, float]]:
    """(interval, current) of currents that may have flowed between two marks besides those of its two rows."""
    found: list[tuple[int, float]] = []
    if first > 0:
        # What the step before left flowing, until the first reading of this one.
        found.append((0, float(rows.current_a[first - 1])))
    last = marks_ns.size - 2
    for command in commands:
        # A command belongs to the interval it was given in, and changes what flows in no earlier one.
        at = int(np.searchsorted(marks_ns, command.t_ns, side="right")) - 1
        if 0 <= at <= last and command.t_ns <= marks_ns[-1]:
            found.append((at, command.current_a))
            # It is logged before it is sent: given just before a mark, it changes what flows only behind that.
            if at < last and marks_ns[at + 1] - command.t_ns < EFFECT_NS:
                found.append((at + 1, command.current_a))
    for gap in gaps:
        # Before a gap and after it the output may have been off for a while.
        touched = np.flatnonzero((marks_ns[1:] > gap.started_ns) & (marks_ns[:-1] < gap.ended_ns))
        found += [(int(at), 0.0) for at in touched]
    return [(at, current_a) for at, current_a in found if np.isfinite(current_a)]


def _disagreements(step: StepClosure) -> list[Finding]:
    findings: list[Finding] = []
    for name, unit, closed in (("charge", "Ah", step.charge_ah), ("energy", "Wh", step.energy_wh)):
        if (jump := closed.jump) is not None:
            what = (
                f"its {name} goes on by {jump.counted:.6g} {unit} from {jump.from_ns / NS:.3f} s to "
                f"{jump.to_ns / NS:.3f} s, where {jump.by_rows:.6g} {unit} flowed ({jump.allowed:.3g} {unit} explained)"
            )
            findings.append(Finding(f"{name}_count", f"step {step.number} ({step.label})", what))
        if abs(closed.difference) > closed.allowed:
            what = (
                f"its {name} is {closed.stored:.6g} {unit} by its record and {closed.by_rows:.6g} {unit} by its "
                f"{step.rows} rows: {abs(closed.difference):.3g} {unit} apart, {closed.allowed:.3g} {unit} explained"
            )
            findings.append(Finding(f"{name}_closure", f"step {step.number} ({step.label})", what))
    return findings


def _against_result(steps: Sequence[StepRecord], result: Result, counted_step: int | None) -> list[Finding]:
    findings: list[Finding] = []
    if len(result.steps) != len(steps):
        what = f"it has {len(result.steps)} steps, the record {len(steps)}"
        findings.append(Finding("result_steps", "result.json", what))
    for record, shown in zip(steps, result.steps, strict=False):
        for name, stored, told in (
            ("charge_ah", record.charge_ah, shown.charge_ah),
            ("energy_wh", record.energy_wh, shown.energy_wh),
        ):
            if not _same(stored, told):
                what = f"{name} of step {record.number} is {told:.9g}, by the record {stored:.9g}"
                findings.append(Finding("result_steps", "result.json", what))
    return findings + _against_figures(steps, result, counted_step)


def _against_figures(steps: Sequence[StepRecord], result: Result, counted_step: int | None) -> list[Finding]:
    """Capacity and energy are means of consecutive discharges: of those that agree, where the result names them."""
    discharges = [record for record in steps if record.step == counted_step]
    sets = [discharges[low:high] for low in range(len(discharges)) for high in range(low + 1, len(discharges) + 1)]
    if result.agreeing_cycles:
        sets = [each for each in sets if tuple(record.cycle for record in each) == result.agreeing_cycles]
    findings: list[Finding] = []
    for name, figure in (("capacity_ah", result.capacity_ah), ("energy_wh", result.energy_wh)):
        if figure is None:
            continue
        means = [
            sum(abs(one.charge_ah if name == "capacity_ah" else one.energy_wh) for one in each) / len(each)
            for each in sets
        ]
        if not any(abs(figure.value - mean) <= WITHIN_REL * mean for mean in means):
            counted = ", ".join(f"{mean:.6g}" for mean in means[:4]) or "no discharge"
            what = f"{name} is {figure.value:.6g}, by the steps it counts {counted}"
            findings.append(Finding("result_figures", "result.json", what))
    return findings


def _same(left: float, right: float) -> bool:
    return abs(left - right) <= SAME_REL * max(abs(left), abs(right))
