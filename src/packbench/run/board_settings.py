"""What the interlock board is told before it is armed.

Owns the step from the bench's board layer and the run's limits to the board's own limits. The
board stands behind the host's rules: its limits are the bench's board layer, wider than the run's,
so that a host that is alive always acts first.
"""

from __future__ import annotations

from packbench.core.limits import Limits
from packbench.core.specs import BenchSpec
from packbench_board.settings import BoardSettings


def board_settings(bench: BenchSpec, limits: Limits) -> BoardSettings:
    """The board's configuration. A quantity its layer does not state takes the run's limit."""
    layer = bench.limits.get("board")

    def own(name: str, fallback: float) -> float:
        stated = None if layer is None else getattr(layer, name)
        return fallback if stated is None else float(stated)

    return BoardSettings(
        voltage_max_v=own("pack_voltage_max_v", limits.pack_voltage_max_v),
        voltage_min_v=own("pack_voltage_min_v", limits.pack_voltage_min_v),
        current_max_a=max(
            own("charge_current_max_a", limits.charge_current_max_a),
            own("discharge_current_max_a", limits.discharge_current_max_a),
        ),
        lease_ns=bench.lease_ns,
    )
