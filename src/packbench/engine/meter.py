"""Counting charge and energy: trapezoids on the samples' own timestamps.

After a command, the first reading that shows it counts for the whole interval before it: a cycler's ramp (tens of
milliseconds) is short beside a poll's period, and a trapezoid would count half of the old current. A reading that
was on its way when the command was given still shows the old current, and counts as any other.

Owns Ah and Wh. Must not know of steps. Currents are signed: positive charge came into the pack.
Source of the rule: GB/T 34015-2017 asks for the integral of current over at least 50 equal
intervals, or an integrator; every sample of the cycler is used, recorded or not.
"""

from __future__ import annotations

from typing import NamedTuple

NS_PER_H = 3.6e12
MOVED = 0.1
"""A reading shows a command when it has gone this part of the way: less is the old current and its noise; at a
voltage clamp it never goes all of it."""
ON_ITS_WAY_NS = 250_000_000
"""A reading this soon after a command may still show the old current, and the new one flows right after it. One that
comes later and does so says nothing of when the current changes: then a trapezoid is as good as anything."""


class Meter(NamedTuple):
    """Totals since the meter was made, and the reading they run up to."""

    t_ns: int
    """The instant the totals run up to."""
    current_a: float
    voltage_v: float
    ah: float
    wh: float
    wanted_a: float | None = None
    """Commanded, and not seen in a reading yet; None: what is read is what was commanded."""
    wanted_ns: int = 0
    """When it was."""

    def extended(self, t_ns: int, current_a: float, voltage_v: float) -> Meter:
        """Totals up to a new reading: the trapezoid between the last one and this one."""
        hours = (t_ns - self.t_ns) / NS_PER_H
        wanted_a = self.wanted_a
        if wanted_a is not None and abs(current_a - self.current_a) >= MOVED * abs(wanted_a - self.current_a):
            wanted_a = None
            if self.t_ns - self.wanted_ns <= ON_ITS_WAY_NS:
                moved_ah = current_a * hours
                return Meter(t_ns, current_a, voltage_v, self.ah + moved_ah, self.wh + moved_ah * voltage_v)
        return Meter(
            t_ns,
            current_a,
            voltage_v,
            self.ah + 0.5 * (self.current_a + current_a) * hours,
            self.wh + 0.5 * (self.current_a * self.voltage_v + current_a * voltage_v) * hours,
            wanted_a,
            self.wanted_ns,
        )

    def held(self, t_ns: int) -> Meter:
        """Totals up to an instant without a reading: the last one held, or what was commanded since."""
        if t_ns <= self.t_ns:
            return self
        unread = self.wanted_a is not None and self.wanted_ns >= self.t_ns
        current_a = self.wanted_a if unread and self.wanted_a is not None else self.current_a
        hours = (t_ns - self.t_ns) / NS_PER_H
        moved_ah = current_a * hours
        return self._replace(t_ns=t_ns, ah=self.ah + moved_ah, wh=self.wh + moved_ah * self.voltage_v)

    def commanded(self, t_ns: int, current_a: float) -> Meter:
        """Totals up to a command: what flows from here on is this current."""
        return self.held(t_ns)._replace(wanted_a=current_a, wanted_ns=t_ns)

    def withdrawn(self, flowing_a: float) -> Meter:
        """The current that was decided on has not been commanded: the one from before flows on."""
        return self._replace(wanted_a=flowing_a) if self.wanted_a else self

    def restarted(self) -> Meter:
        """The same reading and command, totals at zero."""
        return self._replace(ah=0.0, wh=0.0)
