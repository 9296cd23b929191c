"""The pack as its terminals show it: a voltage behind a resistance, learnt from the last step of current.

Owns the estimate that turns a power or a load resistance into a current, so that the first command after an edge
is right to the resistance's error rather than to the whole drop. Must not know a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

LEARN_A = 1.0
"""A change of current smaller than this teaches nothing."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of the pack at its terminals."""

    voltage_v: float
    current_a: float
    """Of the last reading; positive charges."""
    resistance_ohm: float = 0.0
    heading: int = 0
    """Which way the current was going when it was last sent anew: 1, -1; 0: it has been sent once."""

    @property
    def emf_v(self) -> float:
        """The voltage behind the resistance."""
        return self.voltage_v - self.resistance_ohm * self.current_a

    def learnt(self, voltage_v: float, current_a: float) -> Source:
        """After a reading; the resistance moves when the current did."""
        change_a = current_a - self.current_a
        resistance_ohm = self.resistance_ohm
        if abs(change_a) >= LEARN_A:
            resistance_ohm = max((voltage_v - self.voltage_v) / change_a, 0.0)
        return Source(voltage_v, current_a, resistance_ohm, self.heading)

    def current_for_power(self, power_w: float) -> float:
        """The current at which V I is `power_w` (positive charges): the root of I (E + R I) = P nearer to 0.

        Where the pack cannot give that power at all, the current of its greatest power.
        """
        emf_v, ohm = self.emf_v, self.resistance_ohm
        if ohm <= 0.0:
            return power_w / emf_v
        under = emf_v * emf_v + 4.0 * ohm * power_w
        return -emf_v / (2.0 * ohm) if under < 0.0 else 2.0 * power_w / (emf_v + sqrt(under))

    def current_for_resistance(self, load_ohm: float) -> float:
        """The (discharge) current that a load resistance draws: negative."""
        return -self.emf_v / (load_ohm + self.resistance_ohm)
