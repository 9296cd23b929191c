"""All diagnostics of one record, and what is absent with its reason.

Owns their order alone. Pure.
"""

from __future__ import annotations

from packbench.analysis.diagnose.evidence import Evidence
from packbench.analysis.diagnose.resistance import dc_resistances
from packbench.core.diagnostics import Absent, Diagnostics


def diagnose(evidence: Evidence) -> Diagnostics:
    """What the record says besides capacity and energy."""
    absent: list[Absent] = []
    resistances = dc_resistances(evidence)
    if not resistances:
        absent.append(
            Absent(
                "dc_resistance",
                "no edge of the current with samples close enough to read a resistance from",
                "没有采样足够密的电流阶跃，无法求直流内阻",
            )
        )
    return Diagnostics(dc_resistance=resistances, absent=tuple(absent))
