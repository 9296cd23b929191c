"""The limits in force at a moment: the run's, tightened by the step's own `protect`.

Owns that merge, worked out once a step so that a sample costs nothing for it.
"""

from __future__ import annotations

from dataclasses import fields

from packbench.core.limits import Limits, LimitSet, merge_limits
from packbench.engine.state import EngineState
from packbench.profile.plan import Plan


class StepLimits:
    """Gives the effective limits; a step's `protect` counts once its delay is over."""

    def __init__(self, limits: Limits, plan: Plan) -> None:
        base = LimitSet(**{field.name: getattr(limits, field.name) for field in fields(LimitSet)})
        self._base = limits
        self._steps = tuple(
            None if step.protect == LimitSet() else merge_limits({"run": base, f"step {step.label}": step.protect})
            for step in plan.steps
        )
        self._delays_ns = tuple(step.protect_delay_ns for step in plan.steps)

    def at(self, engine: EngineState | None, now_ns: int) -> Limits:
        """The limits in force now."""
        if engine is None:
            return self._base
        tightened = self._steps[engine.step.index]
        if tightened is None or now_ns - engine.step.started_ns < self._delays_ns[engine.step.index]:
            return self._base
        return tightened
