"""The instruments' errors of one run, drawn from the bench file's own accuracy statements.

Owns the step from `core.specs.Accuracy` to one gain, one offset, a noise and a resolution. Must
not know physics. It exists so that the errors a simulated run suffers and the budget that the
analysis states come from the same numbers; a validation over many seeds then tests the budget.

How an Accuracy is read (GUM 4.3.7; the analysis must read it the same way):

* gain and offset are independent of each other, drawn once a run, constant over it;
* "rectangular": uniform within +-bound; "normal": standard deviation bound / 2 (k = 2);
* reading = true * (1 + gain) + offset + noise (normal, a new one each reading), rounded to resolution;
* "cell_voltage_v" of the BMS: the gain is common to all cells (one reference in the front end),
  the offset is independent from cell to cell;
* "temperature_c" of the BMS: one gain and one offset common to all sensors;
* "time": a gain of the clock alone; clock time = true time * (1 + gain);
* the cable's resistance: normal about the bench's value with its standard uncertainty, once a run.

Each quantity has a generator of its own (seeded by run seed and name), so that adding a quantity
does not change the others.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from packbench.core.samples import FloatArray
from packbench.core.specs import Accuracy, BenchSpec


@dataclass(frozen=True, slots=True)
class ReadingError:
    """One quantity's errors in one run. All zero: a perfect instrument."""

    gain: float = 0.0
    offset: float = 0.0
    noise: float = 0.0
    resolution: float = 0.0

    def true_for(self, reading: float) -> float:
        """The true value at which the instrument shows `reading` (without noise)."""
        return (reading - self.offset) / (1.0 + self.gain)

    def shown(self, true: float, unit_noise: float = 0.0) -> float:
        """What the instrument shows; `unit_noise` is a standard normal draw."""
        value = true * (1.0 + self.gain) + self.offset + unit_noise * self.noise
        return round(value / self.resolution) * self.resolution if self.resolution else value


PERFECT = ReadingError()


@dataclass(frozen=True, slots=True, eq=False)
class InstrumentErrors:
    """Everything that is wrong with one bench in one run. Make it with `draw` or `none`."""

    cycler_current: ReadingError
    cycler_voltage: ReadingError
    bms_cell: ReadingError
    """Gain, noise and resolution of all cells; its offset is 0: see `bms_cell_offset_v`."""
    bms_cell_offset_v: FloatArray
    """shape (series,)"""
    bms_voltage: ReadingError
    bms_current: ReadingError
    bms_temperature: ReadingError
    board_voltage: ReadingError
    board_current: ReadingError
    time_gain: float
    cable_resistance_error_ohm: float
    soc_error: float
    """Of the BMS's own estimate at the start; not an instrument, sd 2 % of SOC [A]."""
    perfect: bool
    """Truth run: no error, no noise, no rounding."""

    @classmethod
    def none(cls, series: int) -> InstrumentErrors:
        """Perfect instruments for `series` cells: no gain, offset, noise or rounding anywhere."""
        return cls(
            cycler_current=PERFECT,
            cycler_voltage=PERFECT,
            bms_cell=PERFECT,
            bms_cell_offset_v=np.zeros(series),
            bms_voltage=PERFECT,
            bms_current=PERFECT,
            bms_temperature=PERFECT,
            board_voltage=PERFECT,
            board_current=PERFECT,
            time_gain=0.0,
            cable_resistance_error_ohm=0.0,
            soc_error=0.0,
            perfect=True,
        )

    @classmethod
    def draw(cls, bench: BenchSpec, series: int, seed: int) -> InstrumentErrors:
        """Draw the errors of run `seed` from the accuracies of `bench`; a quantity nobody states is perfect."""
        cell = _stated(bench, "bms", "cell_voltage_v")
        cell_draw = _draw_error(bench, "bms", "cell_voltage_v", seed)
        if cell is None:
            offsets = np.zeros(series)
        else:
            rng = _rng(seed, "bms.cell_voltage_v.offset")
            offsets = _draw(cell.offset, cell.distribution, rng, series)
        clock = _time_accuracy(bench)
        time_gain = 0.0
        if clock is not None:
            time_gain = float(_draw(clock.gain, clock.distribution, _rng(seed, "time"), 1)[0])
        cable = bench.cable_resistance_u_ohm * float(_rng(seed, "cable").standard_normal())
        return cls(
            cycler_current=_draw_error(bench, "cycler", "current_a", seed),
            cycler_voltage=_draw_error(bench, "cycler", "voltage_v", seed),
            bms_cell=ReadingError(cell_draw.gain, 0.0, cell_draw.noise, cell_draw.resolution),
            bms_cell_offset_v=offsets,
            bms_voltage=_draw_error(bench, "bms", "voltage_v", seed),
            bms_current=_draw_error(bench, "bms", "current_a", seed),
            bms_temperature=_draw_error(bench, "bms", "temperature_c", seed),
            board_voltage=_draw_error(bench, "board", "voltage_v", seed),
            board_current=_draw_error(bench, "board", "current_a", seed),
            time_gain=time_gain,
            cable_resistance_error_ohm=max(cable, -bench.cable_resistance_ohm),
            soc_error=0.02 * float(_rng(seed, "soc").standard_normal()),
            perfect=False,
        )


def _rng(seed: int, name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, crc32(name.encode())])))


def noise_generator(seed: int, name: str) -> np.random.Generator:
    """The generator of one instrument's reading noise in run `seed`."""
    return _rng(seed, f"noise.{name}")


def _draw(bound: float, distribution: str, rng: np.random.Generator, count: int) -> FloatArray:
    if distribution == "rectangular":
        return bound * rng.uniform(-1.0, 1.0, count)
    return 0.5 * bound * rng.standard_normal(count)


def _stated(bench: BenchSpec, instrument: str, quantity: str) -> Accuracy | None:
    for candidate in bench.instruments:
        if candidate.name == instrument:
            return candidate.quantities.get(quantity)
    return None


def _time_accuracy(bench: BenchSpec) -> Accuracy | None:
    for candidate in bench.instruments:
        found = candidate.quantities.get("time")
        if found is not None:
            return found
    return None


def _draw_error(bench: BenchSpec, instrument: str, quantity: str, seed: int) -> ReadingError:
    accuracy = _stated(bench, instrument, quantity)
    if accuracy is None:
        return PERFECT
    rng = _rng(seed, f"{instrument}.{quantity}")
    gain = float(_draw(accuracy.gain, accuracy.distribution, rng, 1)[0])
    offset = float(_draw(accuracy.offset, accuracy.distribution, rng, 1)[0])
    return ReadingError(gain, offset, accuracy.noise, accuracy.resolution)
