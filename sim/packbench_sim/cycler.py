"""The bidirectional cycler: what current it drives into the pack, and what its meters show.

Owns regulation (a voltage held within two current bounds), ramp, power limit and meters. Must not
know registers, polls or profiles. It exists so that the byte-level EA device and the direct driver
show one and the same machine.

The cycler regulates what it measures: with a current gain error g and offset o the true current at
a set-point I is (I - o) / (1 + g), and the same holds for voltage. The source is algebraic: its own
loop (a few ms) is far faster than anything polled here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np

from packbench_sim.errors import PERFECT, ReadingError
from packbench_sim.faults.active import (
    SETPOINT_FAULT_FACTOR,
    TERMINALS_OFF_FACTOR,
    Faults,
)
from packbench_sim.pack import PackModel
from packbench_sim.parts import CyclerReading

HOLD_STEP_S = 1.0
"""Longest step while the voltage is held; the solution is second order in it."""
RAMP_STEP_S = 0.05
SAFE_MAX_S = 5.0
"""Constant current is taken for granted no longer than this before the voltage is looked at again."""
_NOISE_BLOCK = 512


@dataclass(frozen=True, slots=True)
class CyclerRating:
    """The machine's nameplate. SI units."""

    voltage_v: float
    current_a: float
    power_w: float
    slew_a_s: float
    """Current ramp, also to zero. EA PSB 10000: full scale in the order of 30 ms."""
    cable_ohm: float
    """True resistance of the cable between the terminals and the pack, both leads."""
    sense_at_pack: bool
    """True: meter and regulation see the pack's terminals through sense leads."""


class CyclerModel:
    """Implements parts.CyclerPart. `advance` brings the whole plant to an instant."""

    def __init__(
        self,
        pack: PackModel,
        rating: CyclerRating,
        advance: Callable[[int], None],
        *,
        faults: Faults | None = None,
        current_error: ReadingError = PERFECT,
        voltage_error: ReadingError = PERFECT,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.rated_voltage_v = rating.voltage_v
        self.rated_current_a = rating.current_a
        self.rated_power_w = rating.power_w
        self.rating = rating
        self._pack = pack
        self._advance = advance
        self._faults = Faults() if faults is None else faults
        self._ie, self._ve = current_error, voltage_error
        self._imperfect = current_error != PERFECT or voltage_error != PERFECT
        self._noise = noise_pairs(rng) if rng is not None and (current_error.noise or voltage_error.noise) else None
        self._regulated_ohm = 0.0 if rating.sense_at_pack else rating.cable_ohm
        self.output_on = False
        self.enabled = True
        """The hard-wired enable is given; without it the output stays off. A bench with a board takes it away."""
        self.connected = False
        self.current_a = 0.0
        """True current right now, positive into the pack."""
        self.charge_passes = self.discharge_passes = True
        """Whether the pack's own switches let a current of that direction through."""
        self.open_voltage_v = 0.0
        """Voltage at the terminals when nothing is connected and the output is off (residual)."""
        self.set_voltage_v = 0.0
        self.set_source_a = 0.0
        self.set_sink_a = 0.0
        self.off_again = False
        """The newest command said "off" to an output that was off, and nothing else: whoever does that is stopping."""
        self._u = self._low = self._high = 0.0
        self._live = False
        self._settled = True
        self._safe_s = 0.0
        self.on_command: Callable[[int, bool, float, float, float], None] | None = None
        """Told (t_ns, output_on, voltage V, source A, sink A) of every command, before any fault can lose it."""
        self.on_meters: Callable[[int, float, float, bool], None] | None = None
        """Told (t_ns, voltage V, current A, given out) of every reading; some are the device's own alone."""

    # -- commands ---------------------------------------------------------------------------

    def command(
        self,
        t_ns: int,
        *,
        output_on: bool,
        voltage_v: float,
        source_current_a: float,
        sink_current_a: float,
    ) -> None:
        """Absolute set-points from t_ns on; currents are magnitudes, limited to the rating."""
        self._advance(t_ns)
        if self.on_command is not None:
            self.on_command(t_ns, output_on, voltage_v, source_current_a, sink_current_a)
        before = (self.set_voltage_v, self.set_source_a, self.set_sink_a)
        same = before == (voltage_v, source_current_a, sink_current_a)
        self.off_again = same and not output_on and not self.output_on
        if self._faults.ignores_off and not output_on:
            return
        self._obey(output_on, voltage_v, source_current_a, sink_current_a)

    def rogue(self, t_ns: int, *, voltage_v: float, source_current_a: float, sink_current_a: float) -> None:
        """A fault: another master sets what is delivered, and leaves the output as it is."""
        self._advance(t_ns)
        self._obey(self.output_on, voltage_v, source_current_a, sink_current_a)

    def _obey(self, output_on: bool, voltage_v: float, source_current_a: float, sink_current_a: float) -> None:
        self.output_on = output_on and self.enabled
        self.set_voltage_v = min(max(voltage_v, 0.0), self.rated_voltage_v)
        self.set_source_a = min(max(source_current_a, 0.0), self.rated_current_a)
        self.set_sink_a = min(max(sink_current_a, 0.0), self.rated_current_a)
        self.update()

    def update(self) -> None:
        """Take set-points, faults and connection into force. Call after changing any of them."""
        faults = self._faults
        factor = SETPOINT_FAULT_FACTOR if faults.setpoint_ignored else 1.0
        self._u = self._ve.true_for(self.set_voltage_v)
        self._high = self._ie.true_for(self.set_source_a * factor) if self.charge_passes else 0.0
        self._low = self._ie.true_for(-self.set_sink_a * factor) if self.discharge_passes else 0.0
        if faults.overdriven and self.output_on:
            self._high = max(self._high, faults.overdrive_a) if self.set_source_a else self._high
            self._low = min(self._low, -faults.overdrive_a) if self.set_sink_a else self._low
            self._u *= 1.1 if self.set_source_a else 0.9
        self._live = self.output_on and self.connected and not faults.mains_lost
        self._settled = False
        if not self.connected:
            self.current_a = 0.0

    # -- physics ----------------------------------------------------------------------------

    def run(self, dt_s: float) -> None:
        """Drive the pack for dt_s (true seconds). The caller has split at every event."""
        if self._settled:
            if self._safe_s >= dt_s:
                self._safe_s -= dt_s
                self._pack.advance(dt_s, self.current_a)
                return
        else:
            dt_s = self._ramp(dt_s)
            if dt_s <= 0.0:
                return
        if not self._live:
            self._safe_s = float("inf")
            self._pack.advance(dt_s, 0.0)
            return
        self._regulate(dt_s)

    def _regulate(self, dt_s: float) -> None:
        """Settled and live: constant current while the voltage leaves room, else hold the voltage."""
        pack = self._pack
        while dt_s > 0.0:
            current = self.current_a
            room_v = self._room_v(current)
            if room_v > 0.0:
                safe_s = min(room_v / (3.0 * pack.emf_rate_bound_v_s(current) + 1e-12), SAFE_MAX_S)
                if safe_s >= dt_s:
                    self._safe_s = safe_s - dt_s
                    pack.advance(dt_s, current)
                    return
            self._safe_s = 0.0
            step_s = min(dt_s, HOLD_STEP_S)
            held = self._bounded(pack.current_to_hold(self._u, self._regulated_ohm, step_s))
            if pack.needs_refresh(held):
                pack.refresh(held)
            pack.advance(step_s, held)
            self.current_a = self._target_a()
            dt_s -= step_s

    def _room_v(self, current_a: float) -> float:
        """Volts by which the regulated point may still move before the voltage takes over; <= 0: it has."""
        if current_a == self._high and self._high != self._low:
            return self._u - self._regulated_v(current_a) if not self._power_bound(current_a) else 0.0
        if current_a == self._low:
            return self._regulated_v(current_a) - self._u if not self._power_bound(current_a) else 0.0
        return 0.0

    def _regulated_v(self, current_a: float) -> float:
        return self._pack.voltage_v(current_a, self._regulated_ohm)

    def _power_bound(self, current_a: float) -> bool:
        """Nearer than 2 % to the power limit: then the limit is worked out at every step."""
        return abs(current_a) * self._regulated_v(current_a) > 0.98 * self.rated_power_w

    def _target_a(self) -> float:
        """The current at which the source would settle now."""
        if not self._live:
            return 0.0
        pack = self._pack
        return self._bounded((self._u - pack.emf_v) / (pack.r0_ohm + self._regulated_ohm))

    def _bounded(self, current_a: float) -> float:
        current_a = min(max(current_a, self._low), self._high)
        if self._power_bound(current_a):
            most_a = self._power_current_a(charging=current_a > 0.0)
            current_a = min(max(current_a, -most_a), most_a)
        return current_a

    def _power_current_a(self, *, charging: bool) -> float:
        """Magnitude of the current at which |V I| is the rated power: the root of I (E +- R I) = P."""
        pack = self._pack
        emf_v, power_w = pack.emf_v, self.rated_power_w
        ohm = pack.r0_ohm + self._regulated_ohm
        if charging:
            return 2.0 * power_w / (emf_v + sqrt(emf_v * emf_v + 4.0 * ohm * power_w))
        return 2.0 * power_w / (emf_v + sqrt(max(emf_v * emf_v - 4.0 * ohm * power_w, 0.0)))

    def after_refresh(self) -> None:
        """The pack's parameters have just changed: a held voltage is held anew."""
        self._safe_s = 0.0
        if self._settled and self._live and self.current_a not in (self._low, self._high):
            self.current_a = self._target_a()

    def _ramp(self, dt_s: float) -> float:
        """Slew towards the target; returns what is left of dt_s once there."""
        pack = self._pack
        while dt_s > 0.0:
            target = self._target_a()
            away = target - self.current_a
            need_s = abs(away) / self.rating.slew_a_s
            if need_s <= 1e-6:
                self._arrive(target)
                return dt_s
            step_s = min(dt_s, need_s, RAMP_STEP_S)
            after = self.current_a + away * (step_s / need_s)
            mean = 0.5 * (self.current_a + after)
            if pack.needs_refresh(mean):
                pack.refresh(target or mean)
            pack.advance(step_s, mean)
            self.current_a = after
            dt_s -= step_s
        return 0.0

    def _arrive(self, target_a: float) -> None:
        self.current_a = target_a
        self._settled = True
        self._safe_s = 0.0
        if self._pack.needs_refresh(target_a):
            self._pack.refresh(target_a)

    @property
    def pack_voltage_v(self) -> float:
        """True voltage at the pack's terminals right now."""
        return self._pack.voltage_v(self.current_a)

    @property
    def terminal_voltage_v(self) -> float:
        """True voltage at the point the cycler measures."""
        if self.connected:
            return self._pack.voltage_v(self.current_a, self._regulated_ohm)
        if not self.output_on:
            return self.open_voltage_v
        return self._u * TERMINALS_OFF_FACTOR if self._faults.terminals_off else self._u

    # -- meters -----------------------------------------------------------------------------

    def reading(self, t_ns: int, *, given: bool = True) -> CyclerReading:
        """Meter reading at t_ns; `given`: out of the device, in the reply that follows."""
        voltage_v, current_a = self.meters(t_ns, given=given)
        return CyclerReading(voltage_v, current_a, self.output_on, self.regulation())

    def meters(self, t_ns: int, *, given: bool = True) -> tuple[float, float]:
        """(voltage V, current A) as shown at t_ns: gain, offset, noise and resolution included."""
        self._advance(t_ns)
        voltage_v, current_a = self.terminal_voltage_v, self.current_a
        if self._imperfect:
            noise_v, noise_i = next(self._noise) if self._noise is not None else (0.0, 0.0)
            voltage_v = self._ve.shown(voltage_v, noise_v)
            current_a = self._ie.shown(current_a, noise_i)
        if self._faults.scale_wrong:
            voltage_v *= self._faults.scale
        elif self._faults.sense_open:
            voltage_v *= self._faults.sense_factor
        if self._faults.meter_reversed:
            current_a = -current_a
        if self.on_meters is not None:
            self.on_meters(t_ns, voltage_v, current_a, given)
        return voltage_v, current_a

    @property
    def holds_voltage(self) -> bool:
        """Whether its voltage is what it regulates by: a ramp on the way to a current is none of that."""
        return self._settled and self.regulation() == "cv"

    def regulation(self) -> str:
        """Which quantity is held right now: "cc", "cv" or "off"."""
        if not self.output_on:
            return "off"
        if self.connected and self.current_a in (self._high, self._low):
            return "cc"
        return "cv"


def noise_pairs(rng: np.random.Generator) -> Iterator[list[float]]:
    """Standard normal pairs, drawn in blocks."""
    while True:
        yield from rng.standard_normal((_NOISE_BLOCK, 2)).tolist()
