"""What a reviewer would remark on in one step by itself: it may run, and somebody should have a look.

Owns the warnings about single steps, each with its source: [S] a secondary source of the standard's text, [M] ours.
What depends on the order of steps is `course`'s.
"""

from __future__ import annotations

from packbench.core.errors import Problem
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.amounts import cell_number, constant
from packbench.profile.checking.bounds import SLACK, Bounds
from packbench.profile.checking.cycler import accuracy_of, accuracy_warnings, error_of
from packbench.profile.checking.ends import HIGHEST, LOWEST
from packbench.profile.checking.pen import Pen, lasting_text
from packbench.profile.checking.setpoints import piece_attribute
from packbench.profile.plan import (
    AnyStep,
    ConstantCurrent,
    ConstantPower,
    ConstantVoltage,
    DirectedStep,
    DrivenStep,
    End,
    Goto,
    InstantStep,
    Pause,
    Segment,
    Soak,
    Test,
    Waveform,
)

RECORD_MAX_NS = 15_000_000_000
"""GB 38031-2025 6.4: log interval <= 15 s [S]."""
HELD_MAX_NS = 60_000_000_000
"""Held for longer, a bound does not end a step before the pack is far beyond it. Ours [M]."""
SWING = 0.02
"""Of the rated capacity: a waveform that moves less one way is over before a cell is anywhere else. Ours [M]."""


def step_warnings(
    step: AnyStep, index: int, pen: Pen, pack: PackSpec, bench: BenchSpec | None, bounds: Bounds
) -> list[Problem]:
    """Remarks on one step."""
    warnings: list[Problem] = []
    if isinstance(step, Goto) and step.target == index + 1:
        expected = "a later step, or no goto: the run goes there anyway"
        warnings.append(pen.write("", "a goto to the next step", step.label, expected))
    if isinstance(step, Pause) and len(step.answers) > 1 and all(answer.goto is None for answer in step.answers):
        expected = "a goto for one of them, or one answer alone"
        warnings.append(pen.write("answers", "answers that change nothing", f"{len(step.answers)} answers", expected))
    if isinstance(step, InstantStep | End | Pause):
        return warnings
    warnings += _recording(step, pen, bench)
    if isinstance(step, DrivenStep):
        warnings += _cells(step, pen, pack)
        warnings += _cold(step, pen, bounds)
        warnings += _held_too_long(step, pen)
    if isinstance(step, ConstantVoltage) and step.end_current_a is None:
        expected = "end_current, such as 0.05 I1 (GB 38031-2025 7.1.1 [S])"
        warnings.append(pen.write("", "a constant voltage without an end current", "only conditions end it", expected))
    if bench is not None:
        warnings += accuracy_warnings(step, pen, bench)
        warnings += _margins(step, pen, bench, bounds)
        warnings += _windows(step, pen, bench)
        warnings += _slopes(step, pen, bench)
        if isinstance(step, Waveform):
            warnings += _too_quick(step, pen, bench)
        if isinstance(step, Soak):
            warnings += _soak(step, pen, bench)
    return warnings


def _recording(step: AnyStep, pen: Pen, bench: BenchSpec | None) -> list[Problem]:
    warnings: list[Problem] = []
    if step.record.dt_ns > RECORD_MAX_NS:
        found = f"a sample every {step.record.dt_ns / 1e9:g} s"
        warnings.append(pen.write("record.dt", "slow recording", found, "15 s or less (GB 38031-2025 6.4 [S])"))
    if bench is None:
        return warnings
    around, cycler = step.record.around, bench.cycler
    poll_ns = cycler.poll_fast_ns if isinstance(step, Waveform) else cycler.poll_period_ns
    asked = [("record.dt", step.record.dt_ns, poll_ns)]
    if around is not None:
        asked.append(("record.around.dt", around.dt_ns, cycler.poll_fast_ns))
    for attribute, dt_ns, least_ns in asked:
        if dt_ns < least_ns:
            found = f"a sample every {dt_ns / 1e9:g} s"
            expected = f"at least the cycler's poll period, {least_ns / 1e9:g} s"
            warnings.append(pen.write(attribute, "recording faster than polling", found, expected))
    return warnings


# --- cells ------------------------------------------------------------------------------------------


def _cells(step: DrivenStep, pen: Pen, pack: PackSpec) -> list[Problem]:
    """A step with current that watches the pack alone, or goes below the maker's cut-off."""
    warnings: list[Problem] = []
    limited = isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower) and step.cell_limit is not None
    for charging in _ways(step, pack):
        watching = _watching(step, ("cell_max" if charging else "cell_min", "cell_any"), rising=charging)
        if pack.series > 1 and not watching and not (charging and limited):
            what = "a charge" if charging else "a discharge"
            expected = "on_cell_limit, or until cell_max: the weakest cell fills first (ours [M])"
            if isinstance(step, Waveform):
                what += " by a waveform"
                expected = f"until {'cell_max >= cell_full' if charging else 'cell_min <= cell_cutoff'} (ours [M])"
            elif not charging:
                expected = "until cell_min <= cell_cutoff: the weakest cell empties first (ours [M])"
            warnings.append(pen.write("", "no per-cell limit", f"{what} that watches the pack alone", expected))
        if not charging:
            warnings += _below_cutoff(watching, 1, pen, pack)
            warnings += _below_cutoff(_watching(step, ("voltage",), rising=False), pack.series, pen, pack)
    return warnings


def _watching(step: AnyStep, variables: tuple[str, ...], *, rising: bool) -> list[tuple[str, Test]]:
    """The tests of a step on some variables from one side."""
    return [
        (f"until.{at}.tests.{order}", test)
        for at, until in enumerate(step.until)
        if until.for_ns <= HELD_MAX_NS
        for order, test in enumerate(until.tests)
        if test.variable in variables and test.rising == rising
    ]


def _below_cutoff(tests: list[tuple[str, Test]], cells: int, pen: Pen, pack: PackSpec) -> list[Problem]:
    least_v = pack.cell_cutoff_v * cells
    return [
        pen.write(
            attribute,
            "below the maker's cut-off",
            f"{value_v:g} V",
            f"at least the maker's cut-off, {least_v:g} V (the pack file)",
        )
        for attribute, test in tests
        if (value_v := constant(test.value)) is not None and value_v < least_v * (1 - SLACK)
    ]


def _ways(step: DrivenStep, pack: PackSpec) -> list[bool]:
    """Which ways current flows long enough to move a cell: True charges."""
    if isinstance(step, DirectedStep):
        return [step.sign > 0]
    moved = _swings(step.segments, step.repeat)
    volts = pack.cell_cutoff_v * pack.series if step.quantity == "power" else 1.0
    least = SWING * pack.rated_capacity_ah * volts
    return [charging for charging, most in zip((True, False), moved, strict=True) if most > least]


def _swings(segments: tuple[Segment, ...], repeat: int) -> tuple[float, float]:
    """The most that a waveform moves up, and down, from anywhere in it, in Ah or Wh; a formula counts as nothing."""
    total = rise = fall = low = high = 0.0
    for _ in range(min(repeat, 2)):
        for segment in segments:
            total += (constant(segment.value) or 0.0) * segment.for_ns / 3.6e12
            low, high = min(low, total), max(high, total)
            rise, fall = max(rise, total - low), max(fall, high - total)
    net = total / min(repeat, 2) * repeat
    return max(rise, net), max(fall, -net)


def _cold(step: DrivenStep, pen: Pen, bounds: Bounds) -> list[Problem]:
    """A charge that the limits allow below freezing."""
    if isinstance(step, DirectedStep):
        charges = step.sign > 0
    else:
        charges = any((constant(segment.value) or 0.0) > 0.0 for segment in step.segments)
    limit_c, whose = bounds.of("temperature_min_c")
    if not charges or limit_c is None or limit_c >= 0.0:
        return []
    expected = "protect: {temperature_min: 0 degC}, unless the maker allows it: lithium plates (ours [M])"
    return [pen.write("", "charging below 0 degC", f"{limit_c:g} degC, {whose}", expected)]


def _held_too_long(step: DrivenStep, pen: Pen) -> list[Problem]:
    """Bounds of voltage or temperature that must hold for long, while the current goes on."""
    held = frozenset[str]() if isinstance(step, ConstantVoltage) else frozenset({"voltage"})
    warnings: list[Problem] = []
    for at, condition in enumerate(step.until):
        bounding = [
            test
            for test in condition.tests
            if test.variable in held
            or (test.variable.startswith(("cell_", "temperature_m")) and test.variable != "cell_spread")
        ]
        if bounding and condition.for_ns > HELD_MAX_NS:
            found = f"{bounding[0].variable} beyond its bound for {lasting_text(condition.for_ns / 1e9)}, with current"
            expected = f"at most {lasting_text(HELD_MAX_NS / 1e9)} (ours [M])"
            warnings.append(pen.write(f"until.{at}.for", "held too long", found, expected))
    return warnings


# --- instruments ------------------------------------------------------------------------------------


def _margins(step: AnyStep, pen: Pen, bench: BenchSpec, bounds: Bounds) -> list[Problem]:
    """Ends so near a safety limit that the instruments' error may reach it first."""
    asked = [
        (f"until.{at}.tests.{order}", test.variable, test.rising, constant(test.value))
        for at, until in enumerate(step.until)
        for order, test in enumerate(until.tests)
    ]
    if isinstance(step, ConstantVoltage):
        asked.append(("voltage", "voltage", step.sign > 0, constant(step.voltage_v)))
    if isinstance(step, ConstantCurrent | ConstantVoltage | ConstantPower) and step.cell_limit is not None:
        asked.append(("on_cell_limit.at", "cell_max", True, constant(step.cell_limit.voltage_v)))
    warnings: list[Problem] = []
    for attribute, variable, rising, value in asked:
        name = (HIGHEST if rising else LOWEST).get(variable)
        error, whose_error = _error(bench, variable, value)
        if name is None or value is None or error is None:
            continue
        limit, whose = bounds.of(name)
        if limit is not None and 0.0 < abs(limit - value) <= error:
            unit = "degC" if name.endswith("_c") else "V"
            found = f"{value:g} {unit}, {abs(limit - value):.2g} {unit} from {whose}"
            expected = f"more than {error:.2g} {unit} from it, the error of {bench.name}'s {whose_error}"
            warnings.append(pen.write(attribute, "safety may be first", found, expected))
    return warnings


def _windows(step: AnyStep, pen: Pen, bench: BenchSpec) -> list[Problem]:
    """Two bounds so near each other that the instrument cannot tell on which side of them it is."""
    pairs: list[tuple[str, str, float, float]] = []
    for at, until in enumerate(step.until):
        known = [(test, value) for test in until.tests if (value := constant(test.value)) is not None]
        pairs += [
            (f"until.{at}", low.variable, least, most)
            for low, least in known
            for high, most in known
            if low.rising and not high.rising and _family(low.variable) == _family(high.variable) != ""
        ]
    if isinstance(step, Waveform) and pen.states("clamp_low"):
        least, most = constant(step.clamp_low_v), constant(step.clamp_high_v)
        if least is not None and most is not None:
            pairs.append(("clamp_low", "voltage", least, most))
    warnings: list[Problem] = []
    for attribute, variable, least, most in pairs:
        error, whose = _error(bench, variable, most)
        if error is not None and 0.0 <= most - least < 2 * error:
            unit = "degC" if variable.startswith("temperature") else "V"
            found = f"{least:g} to {most:g} {unit}"
            expected = f"wider than twice the error of {bench.name}'s {whose}, {2 * error:.2g} {unit}"
            warnings.append(pen.write(attribute, "a window within the error", found, expected))
    return warnings


def _family(variable: str) -> str:
    """What is read by one instrument, and may be compared."""
    if variable in ("temperature_min", "temperature_max"):
        return "temperature"
    if variable in ("cell_min", "cell_max") or cell_number(variable) is not None:
        return "cell"
    return "voltage" if variable == "voltage" else ""


def _error(bench: BenchSpec, variable: str, value: float | None) -> tuple[float | None, str]:
    """The error of whoever reads a variable."""
    if value is None:
        return None, ""
    if variable == "voltage":
        accuracy = accuracy_of(bench, "cycler", "voltage_v")
        return (None if accuracy is None else error_of(accuracy, value)), "cycler"
    quantity = "temperature_c" if variable.startswith("temperature") else "cell_voltage_v"
    instrument = "cell_tap" if bench.cell_tap is not None and bench.cell_tap.precedence == "tap" else "bms"
    accuracy = accuracy_of(bench, instrument, quantity) or accuracy_of(bench, "bms", quantity)
    return (None if accuracy is None else error_of(accuracy, value)), instrument.replace("_", " ")


def _slopes(step: AnyStep, pen: Pen, bench: BenchSpec) -> list[Problem]:
    """Rates of change over a window in which the instrument shows no change at all."""
    warnings: list[Problem] = []
    for at, condition in enumerate(step.until):
        for order, test in enumerate(condition.tests):
            resolution, dimension = _resolution(bench, test)
            value = constant(test.value)
            if resolution is None or value is None or value == 0.0:
                continue
            change = abs(value) * condition.window_ns / (1e9 if dimension == "V" else 60e9)
            if change < resolution:
                window = resolution / abs(value) * (1 if dimension == "V" else 60)
                found = f"{condition.text!r} over {condition.window_ns / 1e9:g} s: {change:.2g} {dimension}"
                expected = f"over: {window:.3g} s or more; {bench.name} resolves {resolution:g} {dimension}"
                warnings.append(pen.write(f"until.{at}.tests.{order}", "finer than the instrument", found, expected))
    return warnings


def _resolution(bench: BenchSpec, test: Test) -> tuple[float | None, str]:
    if test.variable in ("dV/dt", "abs(dV/dt)"):
        accuracy, unit = accuracy_of(bench, "cycler", "voltage_v"), "V"
    elif test.variable == "dT/dt":
        accuracy, unit = accuracy_of(bench, "bms", "temperature_c"), "K"
    else:
        return None, ""
    return (accuracy.resolution if accuracy is not None else None), unit


def _too_quick(step: Waveform, pen: Pen, bench: BenchSpec) -> list[Problem]:
    """Pieces and read-outs that come before the cycler has been asked."""
    fast_ns = bench.cycler.poll_fast_ns
    asked = f"every {fast_ns / 1e9:g} s, as {bench.name}'s cycler is asked at its fastest"
    for position, segment in enumerate(step.segments):
        where = piece_attribute(step, position, pen)
        early = [at_ns for at_ns in segment.read_outs_ns if at_ns < fast_ns]
        if early:
            stated = f"{where}.read_outs" if pen.states(f"{where}.read_outs") else "read_outs"
            found = f"a read-out {early[0] / 1e9:g} s after its edge"
            return [pen.write(stated, "read before the cycler is asked", found, f"at least {asked}")]
        if segment.for_ns < fast_ns:
            found = f"{segment.for_ns / 1e9:g} s"
            return [pen.write(where, "over before a reading shows it", found, f"pieces longer than {asked}")]
    return []


def _soak(step: Soak, pen: Pen, bench: BenchSpec) -> list[Problem]:
    accuracy = accuracy_of(bench, "bms", "temperature_c")
    if accuracy is None or step.within_k > accuracy.offset:
        return []
    expected = f"more than {accuracy.offset:g} K, the error of {bench.name}'s sensors"
    return [pen.write("within", "within the sensors' error", f"{step.within_k:g} K", expected)]
