"""End conditions against the pack and the limits in force.

Owns the judgement of single conditions: a bound that holds from the start, one that safety would meet first.
"""

from __future__ import annotations

from packbench.core.errors import Problem
from packbench.core.specs import PackSpec
from packbench.profile.amounts import constant
from packbench.profile.checking.bounds import SLACK, Bounds
from packbench.profile.checking.pen import Pen
from packbench.profile.plan import AnyStep, Condition, DirectedStep, Goto, LoopEnd, Pause, Rest, Soak, Waveform

RISING_LIMITS: dict[str, str] = {
    "voltage": "pack_voltage_max_v",
    "cell_max": "cell_voltage_max_v",
    "cell_any": "cell_voltage_max_v",
    "cell_spread": "cell_spread_max_v",
    "temperature_max": "temperature_max_c",
}
"""A rising variable to the safety limit that it meets."""
FALLING_LIMITS: dict[str, str] = {
    "voltage": "pack_voltage_min_v",
    "cell_min": "cell_voltage_min_v",
    "cell_any": "cell_voltage_min_v",
    "temperature_min": "temperature_min_c",
}
_CELLS = frozenset({"cell_min", "cell_max", "cell_any"})


def condition_problems(
    step: AnyStep, condition: Condition, pen: Pen, attribute: str, pack: PackSpec, bounds: Bounds
) -> list[Problem]:
    """A bound that holds from the start, or that safety would meet first. One test alone is judged."""
    test = condition.alone
    value = None if test is None else constant(test.value)
    if test is None or value is None or isinstance(step, Goto | LoopEnd | Pause):
        return []
    scale = 1 if test.variable in _CELLS else pack.series if test.variable == "voltage" else None
    if scale is not None and isinstance(step, Rest | Soak | Waveform):
        return []
    charging = isinstance(step, DirectedStep) and step.sign > 0
    discharging = isinstance(step, DirectedStep) and step.sign < 0
    falling = not test.rising
    unit = "V" if scale is not None or test.variable == "cell_spread" else "degC"
    found = f"{condition.text!r} ({value:g} {unit})"
    if scale is not None and discharging and falling and value >= pack.cell_full_v * scale * (1 - SLACK):
        expected = f"less than full, {pack.cell_full_v * scale:g} V: this cut-off is above it"
        return [pen.write(attribute, "impossible limit", found, expected)]
    if scale is not None and charging and not falling and value <= pack.cell_cutoff_v * scale * (1 + SLACK):
        expected = f"more than the cut-off, {pack.cell_cutoff_v * scale:g} V: this holds from the start"
        return [pen.write(attribute, "impossible limit", found, expected)]
    name = (FALLING_LIMITS if falling else RISING_LIMITS).get(test.variable)
    if name is None or (scale is not None and charging == falling):
        return []
    limit, whose = bounds.of(name)
    if limit is None or (value > limit + SLACK * abs(limit) if falling else value < limit - SLACK * abs(limit)):
        return []
    expected = f"{'more' if falling else 'less'} than {limit:g} {unit}, {whose}: safety stops the run there"
    return [pen.write(attribute, "impossible limit", found, expected)]
