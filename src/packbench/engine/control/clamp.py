"""Whether the cycler's own voltage clamp holds the current back.

Owns that one question: what is commanded at a clamp changes nothing, and a controller must not wind up against it.
"""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.effects import Drive

WITHIN = 0.005
"""Of the clamp's voltage: nearer than this is at it, for a cycler that does not say what it regulates."""
SHORT = 0.02
"""Of the commanded current: a current that is this much less is held back."""


def at_clamp(drive: Drive, snapshot: Snapshot) -> bool:
    """Whether the newest reading stands at the clamp of a command whose ramp is over."""
    cycler = snapshot.cycler
    if cycler is None or drive.current_a == 0.0:
        return False
    if cycler.regulation != "unknown":
        return cycler.regulation == "cv"
    sign = 1.0 if drive.current_a > 0.0 else -1.0
    short = sign * (drive.current_a - cycler.current_a) > SHORT * abs(drive.current_a)
    return short and sign * (snapshot.pack_voltage_v - drive.voltage_v) >= -WITHIN * drive.voltage_v
