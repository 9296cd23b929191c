"""Counting charge and energy: trapezoids on the samples' own timestamps.

Owns Ah and Wh. Must not know of steps. Currents are signed: positive charge came into the pack.
Source of the rule: GB/T 34015-2017 asks for the integral of current over at least 50 equal
intervals, or an integrator; every sample of the cycler is used, recorded or not.
"""

from __future__ import annotations

from typing import NamedTuple

NS_PER_H = 3.6e12


class Meter(NamedTuple):
    """Totals since the meter was made, and the reading they run up to."""

    t_ns: int
    """The instant the totals run up to."""
    current_a: float
    voltage_v: float
    ah: float
    wh: float

    def extended(self, t_ns: int, current_a: float, voltage_v: float) -> Meter:
        """Totals up to a new reading: the trapezoid between the last one and this one."""
        hours = (t_ns - self.t_ns) / NS_PER_H
        return Meter(
            t_ns,
            current_a,
            voltage_v,
            self.ah + 0.5 * (self.current_a + current_a) * hours,
            self.wh + 0.5 * (self.current_a * self.voltage_v + current_a * voltage_v) * hours,
        )

    def held(self, t_ns: int) -> Meter:
        """Totals up to an instant without a reading of its own: the last values, held."""
        if t_ns <= self.t_ns:
            return self
        return self.extended(t_ns, self.current_a, self.voltage_v)

    def restarted(self) -> Meter:
        """The same reading, totals at zero."""
        return Meter(self.t_ns, self.current_a, self.voltage_v, 0.0, 0.0)
