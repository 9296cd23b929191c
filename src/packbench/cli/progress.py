"""The live line of a run.

Owns the step from what the channel sees to what a person is shown, and how far along that is.
"""

from __future__ import annotations

from packbench.app.job import Job
from packbench.clock import stopwatch_s
from packbench.core.samples import Snapshot
from packbench.engine.state import EngineState
from packbench.profile.plan import LoopEnd
from packbench.report.terminal import LiveState, LiveView


class Progress:
    """Called by the channel with every recorded sample; shows one now and then."""

    def __init__(self, view: LiveView, job: Job, expected_s: float) -> None:
        self._view = view
        self._job = job
        self._expected_s = max(expected_s, 1.0)
        self._began_s = stopwatch_s()
        steps = job.plan.steps
        loops = any(isinstance(step, LoopEnd) for step in steps)
        self._total = "" if loops else str(len(steps))
        self._share = 0.0

    def __call__(self, snapshot: Snapshot, state: EngineState) -> None:
        """Show this moment, unless the last one is too recent."""
        if not self._view.due():
            return
        cycler, bms, step = snapshot.cycler, snapshot.bms, state.step
        bench_s = (snapshot.t_ns - state.started_ns) / 1e9
        wall_s = stopwatch_s() - self._began_s
        # The expectation may be wrong; the bar may slow down then, but never goes back or claims the end.
        self._share = max(self._share, min(bench_s / self._expected_s, 0.99))
        self._view.update(
            LiveState(
                step_label=self._job.plan.steps[step.index].label,
                step_number=step.number,
                steps_total_label=self._total,
                voltage_v=snapshot.pack_voltage_v,
                current_a=None if cycler is None else cycler.current_a,
                cell_min_v=None if bms is None else bms.cell_min_v,
                cell_max_v=None if bms is None else bms.cell_max_v,
                temperature_c=None if bms is None else bms.temperature_max_c,
                step_ah=state.meter.ah,
                cycle=step.cycle,
                bench_time_s=bench_s,
                speedup=bench_s / wall_s if wall_s > 0 else None,
                progress=self._share,
            )
        )
