"""How long every sensor has been near the temperature that a soak waits for.

Owns one decision: stable, or not yet. A sensor that leaves the window starts the time anew.
"""

from __future__ import annotations

from dataclasses import dataclass

NEVER = -1


@dataclass(frozen=True, slots=True)
class Soaking:
    """Since when everything has been within the window."""

    since_ns: int = NEVER


def watched(
    soaking: Soaking, temperatures_c: tuple[float, ...], target_c: float, within_k: float, t_ns: int
) -> Soaking:
    """The soak after a reading of all sensors; the same object when nothing changes. No sensor is not near."""
    near = bool(temperatures_c) and all(abs(value - target_c) <= within_k for value in temperatures_c)
    if not near:
        return soaking if soaking.since_ns == NEVER else Soaking()
    return soaking if soaking.since_ns != NEVER else Soaking(t_ns)
