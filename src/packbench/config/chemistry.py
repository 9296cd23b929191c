"""What a cell chemistry allows at all: the windows beyond which a number must be a mistake.

Owns plausibility alone. A pack's own limits come from its maker and are tighter; these windows only
catch an LFP pack given NMC voltages, or a decimal point in the wrong place.

Sources: open-circuit end points and abuse limits as the field uses them; no standard states them
for all makers, so they are [M] (from memory, unconfirmed) and deliberately wide.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Chemistry:
    """Voltage window of one cell (V) and the temperature window of a test (degC)."""

    name: str
    cell_min_v: float
    cell_max_v: float
    nominal_v: float
    """Used for estimates only, never for control."""
    temperature_min_c: float = -40.0
    temperature_max_c: float = 80.0


CHEMISTRIES: dict[str, Chemistry] = {
    "nmc": Chemistry("nmc", 2.3, 4.45, 3.65),
    "lfp": Chemistry("lfp", 1.8, 3.90, 3.20),
    "lmo": Chemistry("lmo", 2.3, 4.40, 3.60),
}
