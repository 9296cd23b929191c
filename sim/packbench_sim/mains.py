"""What a simulated bench takes from its mains, and gives back: the far side of the cycler.

Owns two counters that only rise. The cycler is as good as stated in both directions, and takes its standby power on a
phase of its own, which a meter that counts by phase sees as taken whatever the others give back. [A] Cables are left
out: they are on the pack's side of the cycler.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

EFFICIENCY: Final = 0.92
"""[A] Order of a bidirectional source's data sheet, each way."""
STANDBY_W: Final = 60.0
"""[A] Cycler, controller and fans."""
_J_PER_WH: Final = 3600.0


class Mains:
    """Counters of an energy meter. It is asked often against the changes of sign: between two readings it nets.

    Args:
        energy_j: Instant to the energy that went into the pack until then, net.
        import_wh, export_wh: What the counters show at the first reading.
        efficiency: Of the cycler, a fraction.
        standby_w: What it takes with its output off.
    """

    def __init__(
        self,
        energy_j: Callable[[int], float],
        *,
        import_wh: float = 0.0,
        export_wh: float = 0.0,
        efficiency: float = EFFICIENCY,
        standby_w: float = STANDBY_W,
    ) -> None:
        self._energy_j = energy_j
        self._import_wh, self._export_wh = import_wh, export_wh
        self._efficiency, self._standby_w = efficiency, standby_w
        self._at_ns: int | None = None
        self._at_j = 0.0

    def counters_wh(self, t_ns: int) -> tuple[float, float]:
        """(imported, exported) at an instant, Wh."""
        now_j = self._energy_j(t_ns)
        if self._at_ns is not None and t_ns > self._at_ns:
            moved_wh = (now_j - self._at_j) / _J_PER_WH
            self._import_wh += self._standby_w * (t_ns - self._at_ns) / 1e9 / _J_PER_WH
            if moved_wh > 0.0:
                self._import_wh += moved_wh / self._efficiency
            else:
                self._export_wh -= moved_wh * self._efficiency
        if self._at_ns is None or t_ns > self._at_ns:
            self._at_ns, self._at_j = t_ns, now_j
        return self._import_wh, self._export_wh
