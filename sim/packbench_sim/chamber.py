"""The climate chamber itself, whoever talks to it: its air is the air around the simulated pack.

Owns the air and what it was told: while it runs its air goes to the set-point at a limited rate, then settles with a
time constant; stopped, it drifts to the room. Must not know a wire. It exists apart from the emulator so that a run
without bytes meets the same chamber.
"""

from __future__ import annotations

from math import exp
from typing import Final

from packbench_sim.playing import Surroundings

RATE_K_MIN: Final = 3.0
"""[A] A test chamber with a pack in it, in either direction."""
SETTLE_S: Final = 60.0
"""[A] Time constant near the set-point: where the controller leaves full power."""
ROOM_S: Final = 3600.0
"""[A] Time constant of the closed, stopped chamber towards the room."""


class ChamberAir:
    """The air in the chamber. Temperatures in degC; exact for a step of any length."""

    def __init__(self, room_c: float, t_ns: int, *, rate_k_min: float, settle_s: float) -> None:
        self.temperature_c = room_c
        self._room_c = room_c
        self._rate_k_s = rate_k_min / 60.0
        self._settle_s = settle_s
        self._t_ns = t_ns

    def advance_to(self, t_ns: int, goal_c: float | None) -> None:
        """Let time pass with the set-point `goal_c`; None: it is stopped."""
        elapsed_s = (t_ns - self._t_ns) / 1e9
        if elapsed_s <= 0.0:
            return
        self._t_ns = t_ns
        if goal_c is None:
            self.temperature_c = self._room_c + (self.temperature_c - self._room_c) * exp(-elapsed_s / ROOM_S)
            return
        away_k = goal_c - self.temperature_c
        # At full power until what is left would be settled by the time constant at no more than that rate.
        full_s = max(abs(away_k) / self._rate_k_s - self._settle_s, 0.0)
        ramp_s = min(elapsed_s, full_s)
        left_k = away_k - (self._rate_k_s * ramp_s if away_k > 0 else -self._rate_k_s * ramp_s)
        self.temperature_c = goal_c - left_k * exp(-(elapsed_s - ramp_s) / self._settle_s)


class ClimateChamber:
    """A chamber in a room. Every call names its instant and lets time pass up to it.

    Args:
        room_c: The room around it, where its air and its set-point begin, degC.
        surroundings: Told of the air each time.
        rate_k_min: The fastest it heats or cools, K/min.
        settle_s: Time constant near the set-point, s.
    """

    def __init__(
        self,
        room_c: float,
        surroundings: Surroundings,
        *,
        rate_k_min: float = RATE_K_MIN,
        settle_s: float = SETTLE_S,
    ) -> None:
        self.goal_c = room_c
        """Its set-point, whether it runs or not."""
        self.running = False
        self._surroundings = surroundings
        self._air = ChamberAir(room_c, 0, rate_k_min=rate_k_min, settle_s=settle_s)

    def temperature_c(self, t_ns: int) -> float:
        """Of its air, at an instant."""
        self._air.advance_to(t_ns, self.goal_c if self.running else None)
        self._surroundings(t_ns, self._air.temperature_c)
        return self._air.temperature_c

    def set_goal(self, t_ns: int, goal_c: float) -> None:
        """Change the set-point; it goes there if it runs."""
        self.temperature_c(t_ns)
        self.goal_c = goal_c

    def run(self, t_ns: int, on: bool) -> None:
        """Begin to condition, or stop."""
        self.temperature_c(t_ns)
        self.running = on
