"""What each variable of the profile language means at a moment.

Owns `READERS` and whose reading each variable is; adding a variable is one line there and one in profile/amounts.py.
A variable whose source is absent reads NaN, and every comparison with NaN is false: absence never ends a step by
itself (staleness is the safety rules' business).

Between two steps (in a `set`, a `goto` with a condition, a loop's `until`, the amounts of the step that begins) the
step's own variables are those of the step that has just ended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

from packbench.core.records import StepRecord
from packbench.core.samples import BmsSample, Snapshot
from packbench.engine.slopes import since
from packbench.engine.state import EngineState
from packbench.profile.amounts import READINGS, cell_number
from packbench.profile.plan import SLOPE_WINDOW_NS

NAN = float("nan")


class Reading(NamedTuple):
    """What a condition or a formula looks at."""

    state: EngineState
    snapshot: Snapshot
    now_ns: int
    window_ns: int = SLOPE_WINDOW_NS
    """Over which rates are taken."""
    since_ns: int = -1
    """What the cycler and the BMS read no later than this is not looked at: it is of the step before."""


Reader = Callable[[Reading], float]


def _current(reading: Reading) -> float:
    cycler = reading.snapshot.cycler
    return NAN if cycler is None or cycler.t_ns <= reading.since_ns else abs(cycler.current_a)


def _power(reading: Reading) -> float:
    cycler = reading.snapshot.cycler
    if cycler is None or cycler.t_ns <= reading.since_ns:
        return NAN
    return abs(cycler.current_a * reading.snapshot.pack_voltage_v)


def _voltage(reading: Reading) -> float:
    cycler = reading.snapshot.cycler
    return NAN if cycler is None or cycler.t_ns <= reading.since_ns else reading.snapshot.pack_voltage_v


def _bms_sample(reading: Reading) -> BmsSample | None:
    bms = reading.snapshot.bms
    return None if bms is None or bms.t_ns <= reading.since_ns else bms


def _bms(attribute: str) -> Reader:
    def read(reading: Reading) -> float:
        bms = _bms_sample(reading)
        return NAN if bms is None else getattr(bms, attribute)

    return read


def _spread(reading: Reading) -> float:
    bms = _bms_sample(reading)
    return NAN if bms is None else bms.cell_max_v - bms.cell_min_v


def _temperature_spread(reading: Reading) -> float:
    bms = _bms_sample(reading)
    return NAN if bms is None else bms.temperature_max_c - bms.temperature_min_c


def _soc(reading: Reading) -> float:
    bms = _bms_sample(reading)
    return NAN if bms is None or bms.soc is None else bms.soc


def _chamber(reading: Reading) -> float:
    chamber = reading.snapshot.chamber
    return NAN if chamber is None else chamber.temperature_c


def _insulation(reading: Reading) -> float:
    meter = reading.snapshot.meter
    return NAN if meter is None else meter.values.get("insulation_ohm", NAN)


def _voltage_rate(reading: Reading) -> float:
    cycler = reading.snapshot.cycler
    if cycler is None or (past := since(reading.state.slopes, cycler.t_ns, reading.window_ns)) is None:
        return NAN
    return (reading.snapshot.pack_voltage_v - past.voltage_v) / ((cycler.t_ns - past.t_ns) / 1e9)


def _temperature_rate(reading: Reading) -> float:
    cycler, bms = reading.snapshot.cycler, reading.snapshot.bms
    if cycler is None or bms is None or (past := since(reading.state.slopes, cycler.t_ns, reading.window_ns)) is None:
        return NAN
    return (bms.temperature_max_c - past.temperature_c) / ((cycler.t_ns - past.t_ns) / 60e9)


def _ended(reading: Reading) -> StepRecord | None:
    """The step that has just ended, while none runs."""
    step = reading.state.step
    return step.closing if step.running is None else None


def _step_time(reading: Reading) -> float:
    record = _ended(reading)
    began_ns, now_ns = reading.state.step.started_ns, reading.now_ns
    return (now_ns - began_ns if record is None else record.ended_ns - record.started_ns) / 1e9


def _step_ah(reading: Reading) -> float:
    record = _ended(reading)
    return abs(reading.state.meter.ah if record is None else record.charge_ah)


def _step_wh(reading: Reading) -> float:
    record = _ended(reading)
    return abs(reading.state.meter.wh if record is None else record.energy_wh)


READERS: dict[str, Reader] = {
    "voltage": _voltage,
    "current": _current,
    "power": _power,
    "step_time": _step_time,
    "cycle_time": lambda reading: (reading.now_ns - reading.state.step.cycle_started_ns) / 1e9,
    "test_time": lambda reading: (reading.now_ns - reading.state.started_ns) / 1e9,
    "step_ah": _step_ah,
    "step_wh": _step_wh,
    "cycle_ah": lambda reading: abs(reading.state.step.cycle_ah + reading.state.meter.ah),
    "cycle_wh": lambda reading: abs(reading.state.step.cycle_wh + reading.state.meter.wh),
    "test_ah": lambda reading: abs(reading.state.step.test_ah + reading.state.meter.ah),
    "test_wh": lambda reading: abs(reading.state.step.test_wh + reading.state.meter.wh),
    "cell_max": _bms("cell_max_v"),
    "cell_min": _bms("cell_min_v"),
    "cell_spread": _spread,
    "temperature_max": _bms("temperature_max_c"),
    "temperature_min": _bms("temperature_min_c"),
    "temperature_spread": _temperature_spread,
    "chamber_temperature": _chamber,
    "insulation": _insulation,
    "soc": _soc,
    "cycle": lambda reading: float(reading.state.step.cycle),
    "dV/dt": _voltage_rate,
    "abs(dV/dt)": lambda reading: abs(_voltage_rate(reading)),
    "dT/dt": _temperature_rate,
}
"""`cell_any` is cell_max or cell_min, by its operator (conditions)."""

assert {*READERS, "cell_any"} == set(READINGS), "the language and the engine know the same variables"

TIMES = frozenset({"step_time", "cycle_time", "test_time"})
"""Variables that move without a reading."""

Source = Literal["cycler", "bms", "chamber", "meter", "counted", "none"]
"""Whose reading a variable is; "counted": the meter's, of all the cycler's readings; "none": it moves without one."""
_SOURCES: dict[str, Source] = {
    "step_time": "none",
    "cycle_time": "none",
    "test_time": "none",
    "cycle": "none",
    "chamber_temperature": "chamber",
    "insulation": "meter",
    "soc": "bms",
}


def source_of(variable: str) -> Source:
    """Whose reading a variable is."""
    if variable in _SOURCES:
        return _SOURCES[variable]
    if variable.endswith(("_ah", "_wh")):
        return "counted"
    return "bms" if variable.startswith(("cell_", "temperature_")) else "cycler"


def read_ns(source: Source, state: EngineState, snapshot: Snapshot) -> int | None:
    """When a source was read; None: it never was, or is none."""
    match source:
        case "counted":
            return state.meter.t_ns
        case "cycler":
            sample = snapshot.cycler
        case "bms":
            sample = snapshot.bms
        case "chamber":
            sample = snapshot.chamber
        case "meter":
            sample = snapshot.meter
        case "none":
            return None
    return None if sample is None else sample.t_ns


def reader_of(variable: str) -> Reader:
    """The reader of a variable, `cell_N` included. Raises KeyError for an unknown one."""
    number = cell_number(variable)
    return READERS[variable] if number is None or variable in READERS else _cell(number)


def _cell(number: int) -> Reader:
    def read(reading: Reading) -> float:
        bms = _bms_sample(reading)
        if bms is None or number > bms.cell_voltages_v.size:
            return NAN
        return bms.cell_voltages_v.item(number - 1)

    return read
