"""The live line of a run.

Owns the step from what the channel sees to what a person is shown, and how far along that is. The
control loop only leaves its newest state here; a thread of its own prints, because a terminal may
stand still for minutes (a paused pager, Ctrl-S) and nothing of a screen may hold up a stop.
"""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType

from rich.console import RenderableType
from rich.text import Text

from packbench.app.job import Job
from packbench.clock import stopwatch_s
from packbench.core.samples import Snapshot
from packbench.engine.state import EngineState
from packbench.profile.plan import LoopEnd
from packbench.report.terminal import LiveState, LiveView

LOOK_S = 0.1
LEAVE_S = 1.0
"""A terminal that is not read is left alone after this long."""


class Progress:
    """Takes the channel's newest state, and shows one now and then. Use it as a context manager."""

    def __init__(self, view: LiveView, job: Job, expected_s: float) -> None:
        self._view = view
        self._job = job
        self._expected_s = max(expected_s, 1.0)
        self._began_s = stopwatch_s()
        self._total = "" if any(isinstance(step, LoopEnd) for step in job.plan.steps) else str(len(job.plan.steps))
        self._share = 0.0
        self._from_s: float | None = None
        """Of the bench's time: a run that is gone on with has had some already."""
        self._newest: tuple[Snapshot, EngineState] | None = None
        self._asked: deque[Text] = deque()
        self._said: deque[RenderableType] = deque()
        self._asking = False
        """A question stands: the live line makes room for it."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._show, name="packbench-progress", daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(LEAVE_S)

    def __call__(self, snapshot: Snapshot, state: EngineState) -> None:
        """Leave the newest state; the one before is forgotten."""
        self._newest = (snapshot, state)

    def ask(self, question: Text | None) -> None:
        """Have a question (or a remark to it) shown instead of the live line; None: it is answered."""
        if question is not None:
            self._asked.append(question)
        self._asking = question is not None

    def say(self, words: str) -> None:
        """Have it shown what an operator did from elsewhere."""
        self.show(Text(words, style="bold"))

    def show(self, what: RenderableType) -> None:
        """Have it shown once, above the live line."""
        self._said.append(what)

    def _show(self) -> None:
        with self._view:
            while not self._over.wait(LOOK_S):
                self._tell()
                if self._asking:
                    while self._asked:
                        self._view.ask(self._asked.popleft())
                    continue
                newest = self._newest
                if newest is not None and self._view.due():
                    self._view.update(self._state(*newest))
            self._tell()

    def _tell(self) -> None:
        while self._said:
            self._view.ask(self._said.popleft())

    def _state(self, snapshot: Snapshot, state: EngineState) -> LiveState:
        cycler, bms, step = snapshot.cycler, snapshot.bms, state.step
        bench_s = (snapshot.t_ns - state.started_ns) / 1e9
        if self._from_s is None:
            self._from_s = bench_s
        wall_s, bench_here_s = stopwatch_s() - self._began_s, bench_s - self._from_s
        # The expectation may be wrong; the bar may slow down then, but never goes back or claims the end.
        self._share = max(self._share, min(bench_s / self._expected_s, 0.99))
        return LiveState(
            # By what runs: a profile that was edited has other steps than the one that was begun with.
            step_label="" if step.running is None else step.running.label,
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
            speedup=bench_here_s / wall_s if wall_s > 0 else None,
            progress=self._share,
            message="" if step.hold is None else _PAUSED[self._view.lang],
        )


_PAUSED = {"en": "PAUSED", "zh": "已暂停"}
