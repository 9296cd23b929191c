"""The pack as its terminals show it: a voltage behind a resistance, learnt from changes of current.

Owns the estimate that turns a power, a load resistance or a voltage to hold into a current, so that the first command
after an edge is right to the resistance's error rather than to the whole drop. Must not know a step.

A change of current teaches by its size: `w = dI^2 / (dI^2 + (LEARN * largest)^2)` of the way to what it shows, where
`largest` is the largest change that has taught so far. The first one counts for 99 %, after a whole edge a correction
of 5 % for a fifth; less than 2 % of the step's current may be the readings' noise and teaches nothing. A reading in the
middle of a ramp teaches nothing either and is not built upon: a device may have taken its voltage and its current at
two moments.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

LEARN = 0.1
LEAST = 0.02
LEAST_A = 0.001
"""A smaller change of current is none that any cycler of packs could show."""
NEAR = 0.02
"""A current has arrived when it is within this part of the change that was commanded."""
ARRIVED_NS = 1_000_000_000
"""After this long it has, wherever it is: at a clamp it stays short of its set-point."""


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of the pack at its terminals."""

    voltage_v: float
    current_a: float
    """Of the last reading that counts; positive charges."""
    resistance_ohm: float = 0.0
    """0: nothing is known."""
    scale_a: float = 0.0
    """The largest current that has been read, or is to be."""
    largest_a: float = 0.0
    """The largest change that has taught; 0: none has."""

    @property
    def emf_v(self) -> float:
        """The voltage behind the resistance."""
        return self.voltage_v - self.resistance_ohm * self.current_a

    def learnt(self, voltage_v: float, current_a: float) -> Source:
        """After a reading of a current that has arrived."""
        change_a = current_a - self.current_a
        scale_a = max(self.scale_a, abs(current_a), abs(self.current_a))
        resistance_ohm, largest_a = self.resistance_ohm, self.largest_a
        if abs(change_a) > max(LEAST * scale_a, LEAST_A):
            largest_a = max(largest_a, abs(change_a))
            shown_ohm = max((voltage_v - self.voltage_v) / change_a, 0.0)
            weight = change_a * change_a / (change_a * change_a + (LEARN * largest_a) ** 2)
            resistance_ohm += weight * (shown_ohm - resistance_ohm)
        return Source(voltage_v, current_a, resistance_ohm, scale_a, largest_a)

    def arrived(self, current_a: float, commanded_a: float, since_ns: int) -> bool:
        """Whether a reading `since_ns` after a command shows the current that was commanded."""
        change_a = max(abs(commanded_a), abs(self.current_a))
        return since_ns >= ARRIVED_NS or abs(current_a - commanded_a) <= NEAR * change_a

    def current_for_power(self, power_w: float) -> float:
        """The current at which V I is `power_w` (positive charges): the root of I (E + R I) = P nearer to 0.

        Where the pack cannot give that power at all, the current of its greatest power. NaN, which is no set-point, for
        readings that show no pack: one without a voltage.
        """
        emf_v, ohm = self.emf_v, self.resistance_ohm
        if not emf_v > 0.0:
            return float("nan")
        if ohm <= 0.0:
            return power_w / emf_v
        under = emf_v * emf_v + 4.0 * ohm * power_w
        return -emf_v / (2.0 * ohm) if under < 0.0 else 2.0 * power_w / (emf_v + sqrt(under))

    def current_for_resistance(self, load_ohm: float) -> float:
        """The (discharge) current that a load resistance draws: negative."""
        return -self.emf_v / (load_ohm + self.resistance_ohm)
