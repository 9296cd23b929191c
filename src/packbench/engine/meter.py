"""Counting charge and energy: trapezoids on the samples' own timestamps.

Between a command and the first reading after it the new reading counts for the whole interval: a cycler's ramp
(tens of milliseconds) is short beside a poll's period, and a trapezoid would count half of the old current.

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
    commanded: bool = False
    """Another current has been commanded since that instant's reading."""

    def extended(self, t_ns: int, current_a: float, voltage_v: float) -> Meter:
        """Totals up to a new reading: the trapezoid between the last one and this one."""
        hours = (t_ns - self.t_ns) / NS_PER_H
        if self.commanded:
            moved_ah = current_a * hours
            return Meter(t_ns, current_a, voltage_v, self.ah + moved_ah, self.wh + moved_ah * voltage_v)
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
        return self.extended(t_ns, self.current_a, self.voltage_v)._replace(commanded=self.commanded)

    def commanded_at(self, t_ns: int) -> Meter:
        """Totals up to a command: what flows from here on is another current."""
        return self.held(t_ns)._replace(commanded=True)

    def restarted(self) -> Meter:
        """The same reading, totals at zero."""
        return Meter(self.t_ns, self.current_a, self.voltage_v, 0.0, 0.0, self.commanded)
