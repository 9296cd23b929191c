"""The pack: cells in series, voltages, heat. The innermost loop of the whole simulation.

Owns the cells' state and how it moves with current and time. Must not know instruments, set-points
or polls. It exists in this form because 10,000 times real time leaves about 10 us for an advance.

Model: Plett's enhanced self-correcting cell (Battery Management Systems I, 2015, ch. 2), two RC
pairs, positive current charging:

    v = OCV(z) + M(z) h + R1(z,T) w1 + R2(z,T) w2 + R0(z,T) i
    w' = (i - w) / tau        (the current through each R; tau constant, equal for all cells)
    z' = (i - leak) / Q,   h' = gamma |i| / Q (sgn i - h)

All cells carry the same current, so w1, w2 and the charge since the last refresh are one number
each for the whole pack: advancing costs scalar arithmetic, exact for constant current over a step
of any length. The cell arrays are needed only when someone looks at cells, and then they are one
matrix product.

Segments: z, T, h and the parameters are brought up to date ("refreshed") every SEGMENT_NS of plant
time on a fixed grid, and whenever the current changes sign. Between refreshes OCV + M h + R w is a
straight line in charge, the tangent at the middle of the segment that the present current will
make, so the error is about OCV'' dz^2 / 8. Measured against 0.05 s steps in the knee at 2 % SOC,
where it is worst: 0.09 mV a cell at C/5, 0.18 mV at C/2, 0.34 mV at 1 C; in the middle below 0.03 mV.
The grid does not depend on who polls when.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp

import numpy as np

from packbench.core.samples import FloatArray
from packbench.core.specs import PackSpec
from packbench_sim.cells import Cells, PlantOptions, draw_cells, plant_options
from packbench_sim.chemistry import SOC_GRID_MIN, SOC_GRID_STEP, chemistry

SEGMENT_NS = 5_000_000_000
KELVIN = 273.15
GAS_CONSTANT_J_MOL_K = 8.314462618
REFERENCE_K = 298.15
RESISTANCE_TEMPERATURE_S = 60.0
"""Arrhenius factors follow the temperature this often: at 0.1 K/min that is 0.5 % of R1."""
_FACTOR_CACHE_MAX = 512


class PackModel:
    """A pack as it truly is. Times are seconds; the caller keeps the clock and the segment grid."""

    def __init__(self, spec: PackSpec, ambient_c: float, options: PlantOptions | None = None) -> None:
        self.spec = spec
        self.options = plant_options(spec.plant, spec.series) if options is None else options
        self.cells: Cells = draw_cells(spec, self.options)
        self._chemistry = chemistry(spec.chemistry)
        n = spec.series
        self.series = n
        # state of the whole pack (exact at any instant)
        self.w1_a = 0.0
        self.w2_a = 0.0
        self.charge_as = 0.0
        """Ampere-seconds since the last refresh, signed."""
        self.throughput_charge_as = 0.0
        self.throughput_discharge_as = 0.0
        self.energy_in_j = 0.0
        """Integral of terminal voltage times current, signed: positive went in."""
        self.dissipated_j = 0.0
        """Heat of R0, R1, R2 so far (whole pack), without entropic heat."""
        # state of the cells (at the last refresh)
        self._place = (self.cells.soc - SOC_GRID_MIN) / SOC_GRID_STEP
        """SOC in steps of the chemistry's grid."""
        self._hysteresis = np.zeros(n)
        self.ambient_c = ambient_c
        self.heater_w = 0.0
        self._surroundings_c = ambient_c + self.cells.ambient_offset_k
        start_c = ambient_c if self.options.initial_temperature_c is None else self.options.initial_temperature_c
        self._excess_k = np.full(n, start_c - ambient_c)
        """Temperature above the cell's surroundings."""
        self.emf_offset_v = np.zeros(n)
        """Extra source voltage of each cell: a fault's handle; refresh after changing it."""
        self.before_refresh: Callable[[], None] | None = None
        """Called before the parameters change: for whoever keeps a state that refers to them."""
        self.generation = 0
        """Counts refreshes: whoever caches per-cell parameters compares it."""
        self._segment_s = 0.0
        self._i2 = 0.0
        self._w1_2 = 0.0
        self._w2_2 = 0.0
        self._factors: dict[float, tuple[float, float, float, float, float, float]] = {}
        self._allocate(n)
        self.refresh(0.0)

    def _allocate(self, n: int) -> None:
        kind, cells = self._chemistry, self.cells
        self._columns = kind.columns()
        found = np.empty((len(self._columns), n))
        self._found = found
        self._found_ocv, self._found_rise, self._found_m, self._found_dudt = found[0], found[1], found[5], found[6]
        self._found_ohms, self._found_ohm_rises = found[2:5], found[7:10]
        self._index = np.empty(n, dtype=np.intp)
        self._a, self._b, self._c = np.empty(n), np.empty(n), np.empty(n)
        block = np.zeros((6, n))
        self.parameters = block[:5]
        """Rows: base V, V per As since refresh, R1, R2, R0 (ohm). cells = (1, q, w1, w2, i) @ parameters."""
        self._base_row, self._slope_row, self._ohms, self._dudt_row = block[0], block[1], block[2:5], block[5]
        self._heat_rows = block[2:6]
        self._ones = np.ones(n)
        self._weights = np.array((1.0, 0.0, 0.0, 0.0, 0.0))
        self._heating = np.empty(4)
        self._moving = np.empty(2)
        steps_per_as = 1.0 / (cells.capacity_as * SOC_GRID_STEP)
        self._steps_per_as = steps_per_as
        self._moves = np.stack((steps_per_as, -cells.leak_a * steps_per_as))
        """Rows: grid steps per As of current, and per second of leaking."""
        self._resistance_factor = np.empty((3, n))
        """Cell factor times Arrhenius, rows R1, R2, R0."""
        self._resistance_due_s = 0.0
        self._ea_over_r = np.array(kind.activation_j_mol)[:, None] / GAS_CONSTANT_J_MOL_K
        self._hysteretic = self.options.hysteresis and kind.hysteresis_gamma > 0.0
        self._gamma_over_q = kind.hysteresis_gamma / cells.capacity_as
        self._currents, self._rises = np.empty(3), np.empty((3, n))
        self._offset_any = False
        self.heat_capacity_j_k = kind.heat_capacity_j_k_ah * self.spec.rated_capacity_ah
        self.tau1_s, self.tau2_s = kind.tau1_s, kind.tau2_s
        self.thermal_tau_s = self.options.thermal_tau_s

    # -- the whole pack, scalar -------------------------------------------------------------

    @property
    def emf_v(self) -> float:
        """Terminal voltage at zero current right now: OCV, hysteresis and polarisation of all cells."""
        return self._base + self._per_as * self.charge_as + self._r1 * self.w1_a + self._r2 * self.w2_a

    def voltage_v(self, current_a: float, series_ohm: float = 0.0) -> float:
        """Voltage right now at `current_a`, seen through `series_ohm` outside the terminals."""
        return (
            self._base
            + self._per_as * self.charge_as
            + self._r1 * self.w1_a
            + self._r2 * self.w2_a
            + (self._r0 + series_ohm) * current_a
        )

    def voltage_at(self, charge_as: float, w1_a: float, w2_a: float, current_a: float) -> float:
        """Terminal voltage for a state of the present segment (what `weights` holds)."""
        return self._base + self._per_as * charge_as + self._r1 * w1_a + self._r2 * w2_a + self._r0 * current_a

    @property
    def r0_ohm(self) -> float:
        """Instantaneous resistance of all cells."""
        return self._r0

    def factors(self, dt_s: float) -> tuple[float, float, float, float, float, float]:
        """exp(-dt/tau1), exp(-dt/tau2), and the integrals of the decays and of their squares."""
        found = self._factors.get(dt_s)
        if found is None:
            if len(self._factors) >= _FACTOR_CACHE_MAX:
                self._factors.clear()
            a1, a2 = exp(-dt_s / self.tau1_s), exp(-dt_s / self.tau2_s)
            found = (
                a1,
                a2,
                self.tau1_s * (1.0 - a1),
                self.tau2_s * (1.0 - a2),
                0.5 * self.tau1_s * (1.0 - a1 * a1),
                0.5 * self.tau2_s * (1.0 - a2 * a2),
            )
            self._factors[dt_s] = found
        return found

    def advance(self, dt_s: float, current_a: float) -> None:
        """Let `current_a` flow for `dt_s` (s, any length); exact for constant current and parameters."""
        a1, a2, c1, c2, e1, e2 = self._factors.get(dt_s) or self.factors(dt_s)
        d1, d2 = self.w1_a - current_a, self.w2_a - current_a
        moved = current_a * dt_s
        i2 = current_a * moved
        self._segment_s += dt_s
        self._i2 += i2
        self._w1_2 += i2 + 2.0 * current_a * d1 * c1 + d1 * d1 * e1
        self._w2_2 += i2 + 2.0 * current_a * d2 * c2 + d2 * d2 * e2
        self.w1_a = current_a + a1 * d1
        self.w2_a = current_a + a2 * d2
        if moved:
            q = self.charge_as
            self.energy_in_j += moved * (
                self._base + self._per_as * (q + 0.5 * moved) + self._r0 * current_a
            ) + current_a * (self._r1 * (moved + d1 * c1) + self._r2 * (moved + d2 * c2))
            self.charge_as = q + moved
            if moved > 0.0:
                self.throughput_charge_as += moved
            else:
                self.throughput_discharge_as -= moved

    def current_to_hold(self, voltage_v: float, series_ohm: float, dt_s: float) -> float:
        """The constant current that puts the far end of `series_ohm` at `voltage_v` in the middle of `dt_s`.

        Second order in dt, so that holding a voltage does not depend on the step.
        """
        half = 0.5 * dt_s
        a1, a2, *_ = self.factors(half)
        free = self._base + self._per_as * self.charge_as + self._r1 * self.w1_a * a1 + self._r2 * self.w2_a * a2
        stiff = self._r0 + series_ohm + self._per_as * half + self._r1 * (1.0 - a1) + self._r2 * (1.0 - a2)
        return (voltage_v - free) / stiff

    def emf_rate_bound_v_s(self, current_a: float) -> float:
        """Upper bound of |d emf/dt| (V/s) at that current, from the present state on."""
        size = abs(current_a)
        return (
            abs(self._per_as) * size
            + self._r1 * (abs(self.w1_a) + size) / self.tau1_s
            + self._r2 * (abs(self.w2_a) + size) / self.tau2_s
        )

    def needs_refresh(self, current_a: float) -> bool:
        """True when the sign of the current is not the one that the present segment was made for."""
        sign = (current_a > 0.0) - (current_a < 0.0)
        return sign != self._sign

    # -- the cells, arrays ------------------------------------------------------------------

    def cell_voltages_v(self, current_a: float) -> FloatArray:
        """True cell voltages, shape (series,), a new array."""
        return self.weights(current_a).dot(self.parameters)

    def weights(self, current_a: float) -> FloatArray:
        """(1, charge, w1, w2, i): the present state against the rows of `parameters`. Reused; do not keep."""
        weights = self._weights
        weights[1] = self.charge_as
        weights[2] = self.w1_a
        weights[3] = self.w2_a
        weights[4] = current_a
        return weights

    @property
    def soc(self) -> FloatArray:
        """True SOC of each cell (charge over its actual capacity), a new array."""
        return SOC_GRID_MIN + SOC_GRID_STEP * (self._place + self.charge_as * self._steps_per_as)

    @property
    def temperature_c(self) -> FloatArray:
        """Temperature of each cell at the last refresh, a new array."""
        return self._excess_k + self._surroundings_c

    @property
    def hysteresis(self) -> FloatArray:
        """Branch of each cell at the last refresh: -1 discharge to +1 charge, a new array."""
        return self._hysteresis.copy()

    @property
    def charge_ah(self) -> float:
        """Charged throughput, Ah."""
        return self.throughput_charge_as / 3600.0

    @property
    def discharge_ah(self) -> float:
        """Discharged throughput, Ah (positive)."""
        return self.throughput_discharge_as / 3600.0

    @property
    def stored_polarisation_j(self) -> float:
        """Energy held in the capacitors of the RC pairs: C u^2 / 2 = tau R w^2 / 2."""
        return 0.5 * (self.tau1_s * self._r1 * self.w1_a * self.w1_a + self.tau2_s * self._r2 * self.w2_a * self.w2_a)

    # -- the segment ------------------------------------------------------------------------

    def set_surroundings(self, ambient_c: float, heater_w: float = 0.0) -> None:
        """Change the ambient, and extra heat into every cell (W a cell). Cells keep their temperature."""
        temperature = self.temperature_c
        self.ambient_c, self.heater_w = ambient_c, heater_w
        level = ambient_c + heater_w * self.thermal_tau_s / self.heat_capacity_j_k
        self._surroundings_c = level + self.cells.ambient_offset_k
        self._excess_k = temperature - self._surroundings_c

    def push_cell(self, cell: int, voltage_v: float, current_a: float) -> None:
        """A fault: from now on `cell` (from 0) has a source voltage that puts it at `voltage_v` now."""
        self.emf_offset_v[cell] += voltage_v - self.cell_voltages_v(current_a).item(cell)
        self._offset_any = True
        self.refresh(current_a)

    def lower_all(self, by_v: float, current_a: float) -> None:
        """Other cells take the place of all: each has so much less source voltage, in V, from now on."""
        self.emf_offset_v -= by_v
        self._offset_any = True
        self.refresh(current_a)

    def warm_cell(self, cell: int, temperature_c: float, current_a: float) -> None:
        """A fault: `cell` (from 0) is at a temperature that the others are not at."""
        self._excess_k[cell] += temperature_c - self.temperature_c.item(cell)
        self.refresh(current_a)

    def rested(self) -> None:
        """Somebody has let the pack cool down to the air around it."""
        self._excess_k[:] = 0.0

    def leave_all(self, current_a: float) -> None:
        """Every cell has its own source voltage again."""
        if self._offset_any:
            self.emf_offset_v[:] = 0.0
            self._offset_any = False
            self.refresh(current_a)

    def leave_cell(self, cell: int, current_a: float) -> None:
        """The fault is over: the cell has its own source voltage again."""
        self.emf_offset_v[cell] = 0.0
        self._offset_any = bool(self.emf_offset_v.any())
        self.refresh(current_a)

    def refresh(self, current_a: float) -> None:
        """Fold the segment into the cells and make the parameters of the next one.

        `current_a` is the current expected next: the parameters are those of the middle of the
        segment that it will make.
        """
        if self.before_refresh is not None:
            self.before_refresh()
        self._resistance_due_s -= self._segment_s
        if self._segment_s > 0.0:
            self._fold()
        if self._resistance_due_s < 1e-3:
            self._heat_resistances()
            self._resistance_due_s = RESISTANCE_TEMPERATURE_S
        self._sign = (current_a > 0.0) - (current_a < 0.0)
        half_as = 0.5e-9 * SEGMENT_NS * current_a
        place, index, base, slope = self._b, self._index, self._base_row, self._slope_row
        np.multiply(self._steps_per_as, half_as, place)
        np.add(place, self._place, place)
        np.copyto(index, place, casting="unsafe")
        self._columns.take(index, 1, self._found, "clip")
        np.subtract(place, index, place)
        np.multiply(place, self._found_rise, place)
        np.add(place, self._found_ocv, base)
        np.multiply(self._found_rise, self._steps_per_as, slope)
        if half_as:
            self._add_resistances(current_a)
        if self._hysteretic:
            self._add_branch(half_as)
        if half_as:
            np.multiply(slope, half_as, self._a)
            np.subtract(base, self._a, base)
        np.multiply(self._found_ohms, self._resistance_factor, self._ohms)
        np.copyto(self._dudt_row, self._found_dudt)
        if self._offset_any:
            np.add(base, self.emf_offset_v, base)
        self._base, self._per_as, self._r1, self._r2, self._r0 = self.parameters.dot(self._ones).tolist()
        self.generation += 1

    def _fold(self) -> None:
        """SOC, branch and temperature up to now, from what flowed since the last refresh."""
        charge, elapsed = self.charge_as, self._segment_s
        self.dissipated_j += self._r0 * self._i2 + self._r1 * self._w1_2 + self._r2 * self._w2_2
        # Heat of R1, R2, R0 and of entropy (T dU/dT I; T as ambient, which is a few percent of a
        # small heat away). Towards ambient + P / hA with hA = C / tau, exact for constant power.
        decay = exp(-elapsed / self.thermal_tau_s)
        kelvin_per_j = (1.0 - decay) * self.thermal_tau_s / (self.heat_capacity_j_k * elapsed)
        heating, a = self._heating, self._a
        heating[0] = self._w1_2 * kelvin_per_j
        heating[1] = self._w2_2 * kelvin_per_j
        heating[2] = self._i2 * kelvin_per_j
        heating[3] = charge * (self.ambient_c + KELVIN) * kelvin_per_j if self.options.entropic_heat else 0.0
        heating.dot(self._heat_rows, a)
        np.multiply(self._excess_k, decay, self._excess_k)
        np.add(self._excess_k, a, self._excess_k)
        if charge and self._hysteretic:
            self._move_branch(self._hysteresis, charge, self._hysteresis)
        moving = self._moving
        moving[0] = charge
        moving[1] = elapsed
        moving.dot(self._moves, a)
        np.add(self._place, a, self._place)
        self.charge_as = self._segment_s = self._i2 = self._w1_2 = self._w2_2 = 0.0

    def _heat_resistances(self) -> None:
        """R(T): the cell's factor times Arrhenius exp(Ea/R (1/T - 1/298.15 K))."""
        inverse = 1.0 / (self.temperature_c + KELVIN) - 1.0 / REFERENCE_K
        np.exp(self._ea_over_r * inverse, out=self._resistance_factor)
        self._resistance_factor *= self.cells.resistance_scale

    def _add_resistances(self, current_a: float) -> None:
        """The slope that the resistances' change with charge adds, at the middle of the segment."""
        a1, a2, *_ = self.factors(0.5e-9 * SEGMENT_NS)
        currents = self._currents
        currents[0] = current_a + a1 * (self.w1_a - current_a)
        currents[1] = current_a + a2 * (self.w2_a - current_a)
        currents[2] = current_a
        np.multiply(self._found_ohm_rises, self._resistance_factor, self._rises)
        currents.dot(self._rises, self._a)
        np.multiply(self._a, self._steps_per_as, self._a)
        np.add(self._slope_row, self._a, self._slope_row)

    def _add_branch(self, half_as: float) -> None:
        """M h and its slope M gamma/Q (1 - sgn h), at the middle of the segment, onto base and slope."""
        branch, spare, base, slope = self._c, self._a, self._base_row, self._slope_row
        if not half_as:
            np.multiply(self._hysteresis, self._found_m, spare)
            np.add(base, spare, base)
            return
        self._move_branch(self._hysteresis, half_as, branch)
        np.multiply(branch, self._found_m, spare)
        np.add(base, spare, base)
        np.multiply(branch, -1.0 if half_as > 0.0 else 1.0, branch)
        np.add(branch, 1.0, branch)
        np.multiply(branch, self._gamma_over_q, branch)
        np.multiply(branch, self._found_m, branch)
        np.add(slope, branch, slope)

    def _move_branch(self, branch: FloatArray, charge_as: float, out: FloatArray) -> None:
        """h -> sgn + (h - sgn) exp(-gamma |q| / Q)."""
        sign = 1.0 if charge_as > 0.0 else -1.0
        decay = self._a
        np.multiply(self._gamma_over_q, -abs(charge_as), decay)
        np.exp(decay, decay)
        np.subtract(branch, sign, out)
        np.multiply(out, decay, out)
        np.add(out, sign, out)
