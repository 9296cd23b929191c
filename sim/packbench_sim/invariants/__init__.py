"""The invariants I1 to I14, as seen from the world: plant, wires, the board's messages and the record.

Owns the checks. Must not use what the code under test concluded. `Monitor` watches a world; what compares two runs
(`same_control`, `same_bytes`) and what must be refused (`refusal_missing`) are functions.
"""

from packbench_sim.invariants.limits import refusal_missing, tightest
from packbench_sim.invariants.monitor import Monitor, layers_of
from packbench_sim.invariants.twice import same_bytes, same_control
from packbench_sim.invariants.violation import TEXTS, Violation

__all__ = [
    "TEXTS",
    "Monitor",
    "Violation",
    "layers_of",
    "refusal_missing",
    "same_bytes",
    "same_control",
    "tightest",
]
