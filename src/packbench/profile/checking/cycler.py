"""Set-points against the bench's cycler: what it can give, what it can hold, what it can tell apart.

Owns the ratings and the accuracy class. Must not know the pack's limits (`setpoints` does). A power supply's rating
is three numbers, and the third is met first: 180 A and 500 V may be 30 kW.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packbench.core.errors import Problem
from packbench.core.specs import Accuracy, BenchSpec, PackSpec
from packbench.profile.amounts import Amount, constant
from packbench.profile.checking.bounds import SLACK
from packbench.profile.checking.pen import Pen
from packbench.profile.checking.setpoints import piece_attribute
from packbench.profile.plan import (
    AnyStep,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    Waveform,
)

CONTROL_ERROR = 0.01
"""GB 38031-2025 6.3: process control error of current and voltage +-1 % [S]."""
END_ERROR = 0.05
"""Of a current that ends a step: ours [M]."""


@dataclass(frozen=True, slots=True)
class SetPoint:
    """What a step asks for, and the current and power that it comes to at the worst voltage."""

    attribute: str
    what: str
    at_v: float
    current_a: float
    power_w: float

    def found(self, text: str) -> str:
        """What it says, and what that comes to where it says something else."""
        return self.what if self.what == text else f"{self.what}, at {self.at_v:g} V {text}"


def cycler_problems(step: AnyStep, pen: Pen, pack: PackSpec, bench: BenchSpec) -> list[Problem]:
    """Set-points beyond the ratings of the cycler, or of the pack's power; currents that it cannot tell from 0."""
    ratings, whose = bench.cycler.settings, f"the rating of {bench.name}'s cycler"
    rated_a, rated_w = ratings.get("rated_current_a"), ratings.get("rated_power_w")
    beyond: list[Problem] = []
    for point in _set_points(step, pen, pack):
        if rated_a is not None and point.current_a > rated_a * (1 + SLACK):
            beyond.append(_beyond(pen, point, f"{point.current_a:.5g} A", f"at most {rated_a:g} A, {whose}"))
        for most_w, who in ((rated_w, whose), (pack.max_power_w, "the pack's max_power")):
            if most_w is not None and point.power_w > most_w * (1 + SLACK):
                beyond.append(_beyond(pen, point, f"{point.power_w:.0f} W", f"at most {most_w:g} W, {who}"))
        if beyond:
            break  # the first piece of a long train or table is enough
    return [*beyond, *_too_small(step, pen, bench)]


def _beyond(pen: Pen, point: SetPoint, comes_to: str, expected: str) -> Problem:
    return pen.write(point.attribute, "set-point beyond a limit", point.found(comes_to), expected)


def _set_points(step: AnyStep, pen: Pen, pack: PackSpec) -> Iterator[SetPoint]:
    """What a step asks for, each with its worst voltage."""
    full_v, cutoff_v = pack.cell_full_v * pack.series, pack.cell_cutoff_v * pack.series
    match step:
        case ConstantCurrent() | ConstantVoltage():
            current_a = constant(step.current_a)
            if current_a is not None:
                held_v = constant(step.voltage_v) if isinstance(step, ConstantVoltage) and step.sign > 0 else None
                yield _of_current("current", current_a, full_v if held_v is None else held_v)
        case ConstantPower():
            power_w = constant(step.power_w)
            if power_w is not None:
                yield _of_power("power", power_w, cutoff_v)
        case ConstantResistance():
            ohm = constant(step.resistance_ohm)
            if ohm is not None:
                yield SetPoint("resistance", f"{ohm:g} ohm", full_v, full_v / ohm, full_v**2 / ohm)
        case Waveform():
            for position, segment in enumerate(step.segments):
                value, where = abs(constant(segment.value) or 0.0), piece_attribute(step, position, pen)
                yield (
                    _of_power(where, value, cutoff_v) if step.quantity == "power" else _of_current(where, value, full_v)
                )
        case _:
            return


def _of_current(attribute: str, current_a: float, at_v: float) -> SetPoint:
    return SetPoint(attribute, f"{current_a:.5g} A", at_v, current_a, current_a * at_v)


def _of_power(attribute: str, power_w: float, at_v: float) -> SetPoint:
    return SetPoint(attribute, f"{power_w:.0f} W", at_v, power_w / at_v, power_w)


def _too_small(step: AnyStep, pen: Pen, bench: BenchSpec) -> list[Problem]:
    """Currents within what the cycler cannot tell from 0."""
    accuracy = accuracy_of(bench, "cycler", "current_a")
    if accuracy is None:
        return []
    least_a = max(accuracy.offset, accuracy.resolution)
    problems: list[Problem] = []
    for attribute, amount in _small_currents(step, pen):
        current_a = constant(amount)
        if current_a is not None and 0.0 < abs(current_a) <= least_a:
            expected = f"more than {least_a:g} A, which {bench.name}'s cycler cannot tell from 0"
            problems.append(pen.write(attribute, "within the cycler's error", f"{abs(current_a):g} A", expected))
    return problems


def accuracy_warnings(step: AnyStep, pen: Pen, bench: BenchSpec) -> list[Problem]:
    """Currents and voltages of which the cycler's own error is a large part."""
    return [*_inexact_currents(step, pen, bench), *_inexact_voltage(step, pen, bench)]


def _inexact_voltage(step: AnyStep, pen: Pen, bench: BenchSpec) -> list[Problem]:
    accuracy = accuracy_of(bench, "cycler", "voltage_v")
    held_v = constant(step.voltage_v) if isinstance(step, ConstantVoltage) else None
    if accuracy is None or not held_v or (error := error_of(accuracy, held_v)) <= CONTROL_ERROR * held_v:
        return []
    found = f"{held_v:g} V, to {error / held_v * 100:.2g} %"
    expected = f"a voltage that {bench.name}'s cycler knows to {CONTROL_ERROR * 100:g} % (GB 38031-2025 6.3 [S])"
    return [pen.write("voltage", "within the cycler's error", found, expected)]


def _inexact_currents(step: AnyStep, pen: Pen, bench: BenchSpec) -> list[Problem]:
    accuracy = accuracy_of(bench, "cycler", "current_a")
    if accuracy is None:
        return []
    least_a = max(accuracy.offset, accuracy.resolution)
    warnings: list[Problem] = []
    for attribute, amount in _small_currents(step, pen):
        current_a = abs(constant(amount) or 0.0)
        ends = attribute.endswith("end_current")
        part = END_ERROR if ends else CONTROL_ERROR
        error = error_of(accuracy, current_a)
        if current_a <= least_a or error <= part * current_a:
            continue
        source = "ours [M]" if ends else "GB 38031-2025 6.3 [S]"
        found = f"{current_a:g} A, to {error / current_a * 100:.2g} %"
        expected = f"a current that {bench.name}'s cycler knows to {part * 100:g} % ({source})"
        warnings.append(pen.write(attribute, "within the cycler's error", found, expected))
    return warnings


def _small_currents(step: AnyStep, pen: Pen) -> Iterator[tuple[str, Amount]]:
    """Currents that are set, and those that end a step."""
    if isinstance(step, ConstantCurrent | ConstantVoltage):
        yield "current", step.current_a
    if isinstance(step, ConstantVoltage) and step.end_current_a is not None:
        yield "end_current", step.end_current_a
    if isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower) and step.cell_limit is not None:
        yield "on_cell_limit.end_current", step.cell_limit.end_current_a
    if isinstance(step, Waveform) and step.kind == "pulse":
        for position, segment in enumerate(step.segments):
            yield piece_attribute(step, position, pen), segment.value


def accuracy_of(bench: BenchSpec, instrument: str, quantity: str) -> Accuracy | None:
    """What an instrument states of a quantity; None where it states nothing."""
    try:
        return bench.accuracy(instrument, quantity)
    except KeyError:
        return None


def error_of(accuracy: Accuracy, value: float) -> float:
    """The bound of one reading's error."""
    return accuracy.gain * abs(value) + accuracy.offset
