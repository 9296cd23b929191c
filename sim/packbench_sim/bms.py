"""The pack's BMS, measurement side: what it believes about the cells.

Owns its sensors' errors, its own coulomb count, alarms and dynamic limits. Must not know frames or
registers. It exists so that the byte-level BMS devices and the direct driver report one BMS.

Gain, offset and resolution are folded into the pack's parameter matrix once a segment, so that a
measurement of all cells is one matrix product, one addition of noise and one rounding.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from packbench.core.samples import FloatArray
from packbench_sim.cycler import CyclerModel, noise_pairs
from packbench_sim.errors import InstrumentErrors, ReadingError
from packbench_sim.faults.active import OPEN_SENSOR_C, SENTINEL_V, Faults
from packbench_sim.pack import PackModel
from packbench_sim.parts import BmsReading

_NOISE_BLOCK = 64
ALARM_BEYOND_V = 0.03
"""Cell alarms stand this far beyond the maker's limits: a BMS warns after the bench has acted."""
ALARM_BEYOND_K = 5.0
DERATE_K = 5.0
"""Dynamic limits fall linearly to zero over the last degrees before a temperature limit."""
SOC_RESOLUTION = 0.001
SOH_RESOLUTION = 0.01
VOLTAGE_RESOLUTION_V = 0.1
CURRENT_RESOLUTION_A = 0.1
TEMPERATURE_RESOLUTION_C = 0.1
CELL_RESOLUTION_V = 0.001


Measurement = tuple[FloatArray, float, float, FloatArray, float, float, int, tuple[str, ...], float, float, bool]
"""The fields of BmsReading, in order: building the dataclass costs 2 us, which object level can save."""


class BmsModel:
    """Implements parts.BmsPart.

    `period_ns` is the BMS's own measurement cycle on the plant's clock: a reading shows the values
    of the newest whole cycle. 0: it measures when asked.
    """

    def __init__(
        self,
        pack: PackModel,
        cycler: CyclerModel,
        advance: Callable[[int], None],
        errors: InstrumentErrors,
        *,
        faults: Faults | None = None,
        rng: np.random.Generator | None = None,
        period_ns: int = 0,
    ) -> None:
        self.period_ns = period_ns
        self._pack, self._cycler, self._advance = pack, cycler, advance
        self._faults = Faults() if faults is None else faults
        self._errors = errors
        perfect = errors.perfect
        self._cell_lsb = 0.0 if perfect else errors.bms_cell.resolution or CELL_RESOLUTION_V
        self._cell_unit = self._cell_lsb or 1.0
        self._voltage_lsb = 0.0 if perfect else errors.bms_voltage.resolution or VOLTAGE_RESOLUTION_V
        self._current_lsb = 0.0 if perfect else errors.bms_current.resolution or CURRENT_RESOLUTION_A
        self._temperature_lsb = 0.0 if perfect else errors.bms_temperature.resolution or TEMPERATURE_RESOLUTION_C
        self._rng = rng
        self._noisy = rng is not None and errors.bms_cell.noise > 0.0
        self._noise = np.zeros((_NOISE_BLOCK, pack.series))
        self._noise_at = _NOISE_BLOCK
        both = errors.bms_voltage.noise or errors.bms_current.noise
        self._pack_noise = noise_pairs(rng) if rng is not None and both else None
        self._matrix = np.empty((5, pack.series))
        self._generation = -1
        self._cell_offset = errors.bms_cell_offset_v / self._cell_unit
        self._captured: tuple[int, FloatArray, float] | None = None
        self._newest: Measurement | None = None
        self._reading: BmsReading | None = None
        self._newest_ns = -1
        self.on_measurement: Callable[[int, Measurement], None] | None = None
        """Told every measurement given out, and when."""
        if period_ns:
            pack.before_refresh = self._settle
        self._init_limits()
        sensors = max(1, pack.spec.temperature_sensors)
        self._sensor_cells = ((np.arange(sensors) + 0.5) * pack.series / sensors).astype(np.intp)
        self.first_sensor_at = int(self._sensor_cells[0])
        """The cell, from 0, that the first temperature sensor sits at."""
        self._temperatures: FloatArray = np.zeros(sensors)
        self._soc_start = float(np.mean(pack.soc)) + errors.soc_error
        options = pack.options
        self._estimated_as = 3600.0 * pack.spec.rated_capacity_ah * options.soh
        self._soh = options.soh if perfect else round(options.soh / SOH_RESOLUTION) * SOH_RESOLUTION
        self._started_ns = 0

    def _init_limits(self) -> None:
        spec = self._pack.spec
        limits = spec.limits
        self.over_voltage_v = (limits.cell_voltage_max_v or spec.cell_full_v) + ALARM_BEYOND_V
        self.under_voltage_v = (limits.cell_voltage_min_v or spec.cell_cutoff_v) - ALARM_BEYOND_V
        hot, cold = limits.temperature_max_c, limits.temperature_min_c
        self._hot_c = 60.0 if hot is None else hot
        self._cold_c = -20.0 if cold is None else cold
        rated_a = spec.rated_capacity_ah
        self._charge_max_a = limits.charge_current_max_a or rated_a
        self._discharge_max_a = limits.discharge_current_max_a or rated_a
        self._charge_limit_a, self._discharge_limit_a = self._charge_max_a, self._discharge_max_a
        self._temperature_alarms: tuple[str, ...] = ()

    # -- the measurement cycle --------------------------------------------------------------

    def start(self, t_ns: int) -> None:
        """The plant's first instant: the BMS counts from here."""
        self._started_ns = t_ns

    def capture(self, t_ns: int) -> None:
        """Keep the state of this instant as the newest measurement (worked out when asked for)."""
        current = self._cycler.current_a
        self._captured = (t_ns, self._pack.weights(current).copy(), self._charge_moved_as())

    def _settle(self) -> None:
        """Work out a kept measurement before the pack's parameters change under it."""
        if self._captured is not None:
            self._measure_captured()

    def reading(self, t_ns: int) -> BmsReading:
        """The newest measurement at t_ns."""
        newest = self.measurement(t_ns)
        if self._reading is None:
            self._reading = BmsReading(*newest)
        return self._reading

    def measurement(self, t_ns: int) -> Measurement:
        """The same as `reading`, as a plain tuple."""
        self._advance(t_ns)
        newest = self._newest
        if newest is None or not self._faults.frozen:
            if self._captured is None and (newest is None or not (self.period_ns or self._newest_ns == t_ns)):
                self.capture(t_ns)
            if self._captured is not None:
                newest = self._measure_captured()
        assert newest is not None
        if self.on_measurement is not None:
            self.on_measurement(t_ns, newest)
        return newest

    def _measure_captured(self) -> Measurement:
        captured = self._captured
        assert captured is not None
        self._captured = self._reading = None
        t_ns, weights, moved_as = captured
        self._newest_ns = t_ns
        self._newest = newest = self._measure(t_ns, weights, moved_as)
        return newest

    def _charge_moved_as(self) -> float:
        return self._pack.throughput_charge_as - self._pack.throughput_discharge_as

    # -- measuring --------------------------------------------------------------------------

    def _measure(self, t_ns: int, weights: FloatArray, moved_as: float) -> Measurement:
        pack, errors = self._pack, self._errors
        if self._generation != pack.generation:
            self._new_segment()
        cells = weights.dot(self._matrix)
        if self._noisy:
            cells += self._next_noise()
        if self._cell_lsb:
            np.rint(cells, cells)
            np.multiply(cells, self._cell_unit, cells)
        highest = cells.item(cells.argmax())
        lowest = cells.item(cells.argmin())
        temperatures = self._temperatures
        if self._faults.any_reading:
            cells, temperatures = self._misread(cells, temperatures)
        cells.setflags(write=False)
        q, w1, w2, current_a = weights.item(1), weights.item(2), weights.item(3), weights.item(4)
        noise_v, noise_i = next(self._pack_noise) if self._pack_noise is not None else (0.0, 0.0)
        voltage_v = pack.voltage_at(q, w1, w2, current_a)
        soc = (
            self._soc_start
            + (
                moved_as * (1.0 + errors.bms_current.gain)
                + errors.bms_current.offset * (t_ns - self._started_ns) * 1e-9
            )
            / self._estimated_as
        )
        soc = min(max(soc, 0.0), 1.0)
        alarms, charge_a, discharge_a = self._temperature_alarms, self._charge_limit_a, self._discharge_limit_a
        if highest > self.over_voltage_v:
            alarms, charge_a = (*alarms, "cell_over_voltage"), 0.0
        if self._faults.switches_hot:
            alarms = (*alarms, "mos_over_temperature")
        if lowest < self.under_voltage_v:
            alarms, discharge_a = (*alarms, "cell_under_voltage"), 0.0
        if self._faults.forbids:
            charge_a = discharge_a = 0.0
        return (
            cells,
            _shown(voltage_v, errors.bms_voltage, noise_v, self._voltage_lsb),
            _shown(
                -current_a if self._faults.bms_reversed else current_a,
                errors.bms_current,
                noise_i,
                self._current_lsb,
            ),
            temperatures,
            soc if errors.perfect else round(soc / SOC_RESOLUTION) * SOC_RESOLUTION,
            self._soh,
            pack.options.cycles,
            alarms,
            charge_a,
            discharge_a,
            self._faults.balancing,
        )

    def _misread(self, cells: FloatArray, temperatures: FloatArray) -> tuple[FloatArray, FloatArray]:
        """What a fault of its own sensors makes of a measurement."""
        faults = self._faults
        if faults.cells_missing:
            cells = cells[: int(len(cells) * 0.85)]
        if faults.sentinel:
            cells = cells.copy()
            cells[len(cells) // 3] = SENTINEL_V
        if faults.thermo_open:
            temperatures = temperatures.copy()
            temperatures[0] = OPEN_SENSOR_C
        return cells, temperatures

    def _next_noise(self) -> FloatArray:
        if self._noise_at == _NOISE_BLOCK:
            assert self._rng is not None
            self._rng.standard_normal(out=self._noise)
            self._noise *= self._errors.bms_cell.noise / self._cell_unit
            self._noise_at = 0
        row = self._noise[self._noise_at]
        self._noise_at += 1
        return row

    def _new_segment(self) -> None:
        """Fold the sensors' errors into the parameters; measure temperatures (a slower loop in a BMS too)."""
        pack, errors = self._pack, self._errors
        self._generation = pack.generation
        np.multiply(pack.parameters, (1.0 + errors.bms_cell.gain) / self._cell_unit, self._matrix)
        np.add(self._matrix[0], self._cell_offset, self._matrix[0])
        error, unit = errors.bms_temperature, self._temperature_lsb or 1.0
        shown = pack.temperature_c.take(self._sensor_cells)
        np.multiply(shown, (1.0 + error.gain) / unit, shown)
        np.add(shown, error.offset / unit, shown)
        if error.noise and self._rng is not None:
            shown += error.noise / unit * self._rng.standard_normal(len(shown))
        if self._temperature_lsb:
            np.rint(shown, shown)
            np.multiply(shown, unit, shown)
        shown.setflags(write=False)
        self._temperatures = shown
        listed = shown.tolist()
        hottest, coldest = max(listed), min(listed)
        alarms: tuple[str, ...] = ()
        if hottest > self._hot_c + ALARM_BEYOND_K:
            alarms = (*alarms, "over_temperature")
        if coldest < self._cold_c - ALARM_BEYOND_K:
            alarms = (*alarms, "under_temperature")
        self._temperature_alarms = alarms
        derate = min(1.0, max(0.0, min(self._hot_c - hottest, coldest - self._cold_c) / DERATE_K))
        self._charge_limit_a = self._charge_max_a * derate
        self._discharge_limit_a = self._discharge_max_a * derate


def _shown(true: float, error: ReadingError, unit_noise: float, resolution: float) -> float:
    """As ReadingError.shown, with a resolution that a BMS has even where the bench file states none."""
    value = true * (1.0 + error.gain) + error.offset + unit_noise * error.noise
    return round(value / resolution) * resolution if resolution else value
