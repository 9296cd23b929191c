"""The plant: pack, cycler, contactor and BMS as one thing that time passes for.

Owns the only clock of the physics (`advance_to`), the order of events in it, and the injection of
faults. Must not know wires, drivers or profiles. It exists so that every device asks for "now" and
gets the same instant, whoever asks first, and asking again for the same instant costs nothing.

Time is the bench computer's monotonic clock. It runs (1 + time_gain) times as fast as true time, so
a true duration is the clock's duration over (1 + time_gain).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.core.specs import BenchSpec, PackSpec
from packbench_sim.bms import BmsModel
from packbench_sim.contactor import ContactorModel
from packbench_sim.cycler import CyclerModel, CyclerRating
from packbench_sim.errors import InstrumentErrors, noise_generator
from packbench_sim.faults.active import (
    APART,
    COLD,
    COOLING_FAULT_K_MIN,
    DEEP_CELL_V,
    ESTOP,
    FAULT_FLAGS,
    FORBIDS,
    LEAK_OHM,
    METER,
    OVERDRIVE_A,
    RUNAWAY_K_MIN,
    SCALE_FAULT_FACTOR,
    SENSE_LOW_FACTOR,
    SENSE_OPEN_FACTOR,
    SILENT_METER,
    SLIGHT_FLAGS,
    SLIGHT_SCALE_FACTOR,
    SLIGHTLY_APART_V,
    SLIGHTLY_BEYOND_K,
    SLIGHTLY_BEYOND_V,
    SWITCHES_HOT,
    WEAK_CELL_BEYOND_V,
    Faults,
    Injection,
)
from packbench_sim.pack import SEGMENT_NS, PackModel

FULL_SCALE_RAMP_S = 0.03
"""Time of a cycler's full current swing when the bench does not state slew_a_s. [A]"""
WATCHDOG_S = 1.5
"""A cycler that hears nothing for this long switches off by itself (settings: watchdog_s; 0: it does not)."""


class Plant:
    """One bench's physics. Every part advances the whole plant to the instant it is asked about."""

    def __init__(
        self,
        spec: PackSpec,
        bench: BenchSpec,
        errors: InstrumentErrors,
        *,
        seed: int,
        start_ns: int = 0,
        injections: Iterable[Injection] = (),
        bms_period_ns: int | None = None,
    ) -> None:
        """`seed` draws the reading noise (the errors are drawn already); injections count from start_ns.

        `bms_period_ns` None: `measure_period_s` of the BMS's settings, or measuring on demand.
        """
        self.spec, self.bench, self.errors = spec, bench, errors
        self.faults = Faults()
        self.now_ns = start_ns
        self.on_fault: Callable[[str], None] | None = None
        """Told the id of each fault, for what is not the plant's: the board's inputs."""
        self.on_repair: Callable[[str], None] | None = None
        """The same of each that is repaired."""
        self._passes = (True, True)
        """What the pack's own switches let through before a fault opened them."""
        self.pack = PackModel(spec, bench.ambient_c)
        self._s_per_ns = 1e-9 / (1.0 + errors.time_gain)
        cycler_rating = _rating(bench, errors)
        self.cycler = CyclerModel(
            self.pack,
            cycler_rating,
            self.advance_to,
            faults=self.faults,
            current_error=errors.cycler_current,
            voltage_error=errors.cycler_voltage,
            rng=noise_generator(seed, "cycler"),
        )
        self.contactor = ContactorModel(
            self.pack,
            self.cycler,
            self.advance_to,
            release_ns=bench.contactor_release_ns,
            faults=self.faults,
            voltage_error=errors.board_voltage,
            current_error=errors.board_current,
            on_change=self._plan,
        )
        if bms_period_ns is None:
            bms_period_ns = round(float(bench.bms.settings.get("measure_period_s", 0.0)) * 1e9)
        self._bms_period_ns = bms_period_ns
        self.bms = BmsModel(
            self.pack,
            self.cycler,
            self.advance_to,
            errors,
            faults=self.faults,
            rng=noise_generator(seed, "bms"),
            period_ns=bms_period_ns,
        )
        self.bms.start(start_ns)
        self._segment_end_ns = start_ns + SEGMENT_NS
        self._events: list[tuple[int, int, Callable[[], None]]] = []
        self._event_count = 0
        self._next_ns = 0
        for injection in injections:
            self._at(start_ns + injection.at_ns, lambda fault_id=injection.fault_id: self.inject(fault_id))
        self._plan()

    # -- time -------------------------------------------------------------------------------

    def advance_to(self, t_ns: int) -> None:
        """Let time pass until t_ns; an instant that is not after the present costs nothing."""
        now_ns = self.now_ns
        if t_ns <= now_ns:
            return
        if t_ns < self._next_ns and not self._bms_period_ns:
            self.cycler.run((t_ns - now_ns) * self._s_per_ns)
            self.now_ns = t_ns
            return
        while self._next_ns <= t_ns:
            self._span(self._next_ns)
            self._happen()
        self._span(t_ns)

    def _span(self, t_ns: int) -> None:
        """No event until t_ns. The BMS's newest cycle boundary in it is kept as its measurement."""
        period_ns = self._bms_period_ns
        if period_ns:
            boundary_ns = t_ns - t_ns % period_ns
            if boundary_ns > self.now_ns:
                self.cycler.run((boundary_ns - self.now_ns) * self._s_per_ns)
                self.now_ns = boundary_ns
                self.bms.capture(boundary_ns)
        elapsed_ns = t_ns - self.now_ns
        if elapsed_ns > 0:
            self.cycler.run(elapsed_ns * self._s_per_ns)
            self.now_ns = t_ns

    def _happen(self) -> None:
        """Everything due at this instant, in a fixed order: segment, contactor, scheduled events."""
        now_ns = self.now_ns
        if self._segment_end_ns <= now_ns:
            self.pack.refresh(self.cycler.current_a)
            self.cycler.after_refresh()
            self._segment_end_ns += SEGMENT_NS
        if self.contactor.due_ns is not None and self.contactor.due_ns <= now_ns:
            self.contactor.follow(now_ns)
        while self._events and self._events[0][0] <= now_ns:
            heapq.heappop(self._events)[2]()
        self._plan()

    def _plan(self) -> None:
        """Work out the next instant at which something happens by itself."""
        following = self._segment_end_ns
        if self.contactor.due_ns is not None:
            following = min(following, self.contactor.due_ns)
        if self._events:
            following = min(following, self._events[0][0])
        self._next_ns = following

    def _at(self, t_ns: int, action: Callable[[], None]) -> None:
        self._event_count += 1
        heapq.heappush(self._events, (t_ns, self._event_count, action))

    # -- what devices do to the pack --------------------------------------------------------

    def set_switches(self, t_ns: int, charge: bool, discharge: bool) -> None:
        """The BMS's own switches: which direction of current they let through from t_ns on."""
        self.advance_to(t_ns)
        self.cycler.charge_passes, self.cycler.discharge_passes = charge, discharge
        self.cycler.update()

    def set_ambient(self, t_ns: int, ambient_c: float) -> None:
        """The air around the pack from t_ns on."""
        self.advance_to(t_ns)
        self.pack.set_surroundings(ambient_c, self.pack.heater_w)

    def insulation_ohm(self, t_ns: int) -> float:
        """Between the pack and its case, at an instant."""
        self.advance_to(t_ns)
        return LEAK_OHM if self.faults.insulation_lost else self.pack.options.insulation_ohm

    def energy_in_j(self, t_ns: int) -> float:
        """What went into the pack until an instant, net."""
        self.advance_to(t_ns)
        return self.pack.energy_in_j

    # -- faults -----------------------------------------------------------------------------

    def schedule(self, injection: Injection) -> None:
        """Inject a fault `injection.at_ns` after the present instant."""
        self._at(self.now_ns + injection.at_ns, lambda: self.inject(injection.fault_id))
        self._plan()

    def inject(self, fault_id: str, *, slight: bool = False, form: str = "") -> None:
        """Make a fault of the catalogue true from now on. Raises InputError for an unknown id.

        `slight`: where a row comes in sizes, so little of it that one rule of the host's alone can tell, and neither
        the BMS's own alarms nor the board's limits. `form`: another one of those than the usual (`faults.active`).
        """
        flag = SLIGHT_FLAGS.get(fault_id) if slight else None
        flag = flag or FAULT_FLAGS.get(fault_id)
        if flag is None:
            raise InputError(
                Problem("", field="fault", found=repr(fault_id), expected=f"one of {', '.join(FAULT_FLAGS)}")
            )
        setattr(self.faults, flag, True)
        self._size(fault_id, slight=slight, form=form)
        if self.on_fault is not None:
            self.on_fault(fault_id)
        match fault_id:
            case "power.setpoint" | "power.overcurrent":
                self.cycler.update()
            case "power.cooling" if form == SWITCHES_HOT:
                self.faults.cooling_lost, self.faults.switches_hot = False, True
            case "power.cooling" if slight:
                self._warm_spot(cold=form == COLD)
            case "power.cooling" | "pack.runaway":
                rate = COOLING_FAULT_K_MIN if fault_id == "power.cooling" else RUNAWAY_K_MIN
                self.pack.set_surroundings(self.pack.ambient_c, self.pack.heat_capacity_j_k * rate / 60.0)
            case "sensor.weak_cell":
                self._push_cell(SLIGHTLY_BEYOND_V if slight else WEAK_CELL_BEYOND_V, apart=form == APART)
            case "pack.deep_cell":
                self._move_cell(DEEP_CELL_V)
            case "power.load_dump":
                self._passes = (self.cycler.charge_passes, self.cycler.discharge_passes)
                self.set_switches(self.now_ns, charge=False, discharge=False)
            case "power.opened_hot":
                self.contactor.drop(self.now_ns)
            case "power.mains":
                self.faults.cycler_silent = True
                self.cycler.output_on = False
                self.cycler.update()
            case "comms.cycler_lost":
                watchdog_s = float(self.bench.cycler.settings.get("watchdog_s", WATCHDOG_S))
                if watchdog_s:
                    self._at(self.now_ns + round(watchdog_s * 1e9), self._watchdog)
                    self._plan()
            case _:
                pass

    def _size(self, fault_id: str, *, slight: bool, form: str) -> None:
        """How far off the cycler is, where that is what is wrong; or that nobody looks, where it is that."""
        if form == FORBIDS:
            self.faults.overdriven, self.faults.forbids = False, True
        elif fault_id == "sensor.scale":
            self.faults.scale = SLIGHT_SCALE_FACTOR if slight else SCALE_FAULT_FACTOR
        elif fault_id == "sensor.sense_lead":
            self.faults.sense_factor = self._low_share() if slight else SENSE_OPEN_FACTOR
        elif fault_id == "power.overcurrent":
            self.faults.overdrive_a = self._between_limits_a() if slight else OVERDRIVE_A
        elif fault_id == "pack.hvil":
            self.faults.estop_pressed = form == ESTOP
        elif form == METER:
            self.faults.bms_reversed, self.faults.meter_reversed = False, True
        elif form == SILENT_METER:
            self.faults.insulation_lost, self.faults.meter_silent = False, True

    def repair(self, fault_id: str) -> None:
        """Make a fault untrue again. What it has done to the pack meanwhile stays done."""
        setattr(self.faults, FAULT_FLAGS[fault_id], False)
        if fault_id in SLIGHT_FLAGS:
            setattr(self.faults, SLIGHT_FLAGS[fault_id], False)
        if fault_id == "sensor.scale":
            self.faults.scale = 1.0
        elif fault_id == "power.overcurrent":
            self.faults.overdrive_a, self.faults.forbids = 0.0, False
        elif fault_id == "pack.insulation":
            self.faults.meter_silent = False
        elif fault_id == "sensor.sign":
            self.faults.meter_reversed = False
        elif fault_id == "sensor.sense_lead":
            self.faults.sense_factor = 1.0
        if self.on_repair is not None:
            self.on_repair(fault_id)
        match fault_id:
            case "power.setpoint" | "power.overcurrent":
                self.cycler.update()
            case "power.cooling" | "pack.runaway":
                self.faults.switches_hot = False
                # Cooled down, too, before anybody goes on with it.
                self.pack.set_surroundings(self.pack.ambient_c, 0.0)
            case "sensor.weak_cell" | "pack.deep_cell":
                self.pack.leave_cell(self.spec.series // 2, self.cycler.current_a)
                self.cycler.update()
            case "power.load_dump":
                self.set_switches(self.now_ns, *self._passes)
            case "power.mains":
                self.faults.cycler_silent = False
            case "power.weld":
                self.contactor.follow_coil(self.now_ns)
            case _:
                pass

    def _between_limits_a(self) -> float:
        """A current that the pack or the cable must not carry, and that the board lets pass."""
        layers = {"pack": self.spec.limits, **self.bench.limits}
        stated = {
            name: min(one.charge_current_max_a or OVERDRIVE_A, one.discharge_current_max_a or OVERDRIVE_A)
            for name, one in layers.items()
        }
        return 0.5 * (min(stated.values()) + stated.get("board", OVERDRIVE_A))

    def _low_share(self) -> float:
        """What leaves the cycler a reading just below the pack's lowest voltage."""
        lowest_v = self.spec.limits.pack_voltage_min_v
        return SENSE_OPEN_FACTOR if lowest_v is None else SENSE_LOW_FACTOR * lowest_v / self.cycler.terminal_voltage_v

    def _warm_spot(self, *, cold: bool) -> None:
        """The cell under one sensor is past the maker's limit."""
        limits = self.spec.limits
        limit_c = limits.temperature_min_c if cold else limits.temperature_max_c
        if limit_c is not None:
            goal_c = limit_c + (-SLIGHTLY_BEYOND_K if cold else SLIGHTLY_BEYOND_K)
            self.pack.warm_cell(self.bms.first_sensor_at, goal_c, self.cycler.current_a)

    def _push_cell(self, beyond_v: float, *, apart: bool) -> None:
        """One cell goes past the maker's limit, in the direction in which the current drives it.

        `apart`: within its limits, and further from the others than they may be.
        """
        limits = self.spec.limits
        current_a = self.cycler.current_a
        if apart:
            goal_v = float(self.true_cell_voltages_v.max()) - (limits.cell_spread_max_v or 0.0) - SLIGHTLY_APART_V
        elif current_a >= 0.0:
            goal_v = (limits.cell_voltage_max_v or self.spec.cell_full_v) + beyond_v
        else:
            goal_v = (limits.cell_voltage_min_v or self.spec.cell_cutoff_v) - beyond_v
        self._move_cell(goal_v)

    def _move_cell(self, goal_v: float) -> None:
        self.pack.push_cell(self.spec.series // 2, goal_v, self.cycler.current_a)
        self.cycler.update()

    def _watchdog(self) -> None:
        self.cycler.output_on = False
        self.cycler.update()

    # -- truth ------------------------------------------------------------------------------

    @property
    def true_current_a(self) -> float:
        """Current into the pack right now."""
        return self.cycler.current_a

    @property
    def true_voltage_v(self) -> float:
        """Voltage at the pack's terminals right now."""
        return self.cycler.pack_voltage_v

    @property
    def true_cell_voltages_v(self) -> FloatArray:
        """Cell voltages right now, shape (series,), a new array."""
        return self.pack.cell_voltages_v(self.cycler.current_a)

    @property
    def true_charge_ah(self) -> float:
        """Charged throughput since the start."""
        return self.pack.charge_ah

    @property
    def true_discharge_ah(self) -> float:
        """Discharged throughput since the start, positive."""
        return self.pack.discharge_ah

    @property
    def true_energy_wh(self) -> float:
        """Integral of pack voltage times current since the start, signed: positive went in."""
        return self.pack.energy_in_j / 3600.0


def _rating(bench: BenchSpec, errors: InstrumentErrors) -> CyclerRating:
    settings = bench.cycler.settings
    missing = [key for key in ("rated_voltage_v", "rated_current_a", "rated_power_w") if key not in settings]
    if missing:
        raise InputError(
            [Problem("", field=f"cycler.{key}", found="nothing", expected="the cycler's rating") for key in missing]
        )
    current_a = float(settings["rated_current_a"])
    return CyclerRating(
        voltage_v=float(settings["rated_voltage_v"]),
        current_a=current_a,
        power_w=float(settings["rated_power_w"]),
        slew_a_s=float(settings.get("slew_a_s", current_a / FULL_SCALE_RAMP_S)),
        cable_ohm=bench.cable_resistance_ohm + errors.cable_resistance_error_ohm,
        sense_at_pack=bench.sense_point == "pack",
    )
