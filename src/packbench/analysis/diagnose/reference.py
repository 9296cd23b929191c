"""The capacity as it would be at 25 degC, beside the measured one.

Owns the coefficient, and that it is an assumption. Pure. No source at hand states it for aged cells of these types at
C/5 near room temperature, so it is a house assumption with a wide bound, in words wherever it is shown.
"""

from __future__ import annotations

from packbench.analysis.diagnose.evidence import Evidence, figure, temperature_at
from packbench.analysis.extremes import standard_bound
from packbench.analysis.uncertainty import combine
from packbench.core.diagnostics import AtReference
from packbench.core.measured import Contribution

REFERENCE_C = 25.0
COEFFICIENT_PER_K = 0.003
"""Relative change of capacity a kelvin [A]: a few tenths of a percent near room temperature."""
COEFFICIENT_BOUND_PER_K = 0.003
"""Rectangular [A]: from none at all to twice as much."""
FARTHEST_K = 15.0
"""Beyond this the change is no straight line, and nothing is given."""
SOURCE_EN = "assumption of this project, 0.3 % a kelvin between 0 and 0.6 %: no source states it for these cells"
SOURCE_ZH = "本项目假设：每开尔文 0.3 %（0 至 0.6 % 之间），这些电芯无文献数据"


def at_reference(evidence: Evidence) -> AtReference | None:
    """C25 = C / (1 + a (T - 25 degC)); None without a capacity, a temperature, or too far away."""
    capacity, counted = evidence.capacity_ah, evidence.counted
    if capacity is None or counted is None:
        return None
    span = evidence.spans[counted]
    temperature = temperature_at(evidence, span.low, span.high)
    if temperature is None or abs(temperature.value - REFERENCE_C) > FARTHEST_K:
        return None
    away_k = temperature.value - REFERENCE_C
    factor = 1.0 + COEFFICIENT_PER_K * away_k
    value = capacity.value / factor
    u_coefficient = standard_bound(COEFFICIENT_BOUND_PER_K, "rectangular")
    lines = None
    if capacity.U is not None and capacity.k is not None and temperature.U is not None and temperature.k is not None:
        u_k = temperature.U / temperature.k
        lines = (
            Contribution("capacity", capacity.U / capacity.k / factor, None, correlated=True),
            Contribution("temperature", value * COEFFICIENT_PER_K / factor * u_k, None, correlated=True),
            Contribution("coefficient", value * abs(away_k) / factor * u_coefficient, None, correlated=True),
        )
    coefficient = combine(COEFFICIENT_PER_K, (Contribution("assumption", u_coefficient, None, correlated=True),), "1/K")
    return AtReference(REFERENCE_C, figure(value, lines, "Ah"), temperature, coefficient, SOURCE_EN, SOURCE_ZH)
