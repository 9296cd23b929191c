"""The rows of a run: which reading becomes one, of which step, and when it goes to the record.

Owns the last recorded reading and the readings that wait (recording_window). Must not judge nor decide: the channel
hands over what it has decided on. A row belongs to the step that was running when its reading came, and rows go on in
order of time, none twice.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from packbench.core.records import Row
from packbench.core.samples import CyclerSample, Snapshot
from packbench.engine.recording import Looked, due, edge_ns
from packbench.engine.state import EngineState
from packbench.engine.walk import high_of
from packbench.profile.plan import Plan
from packbench.run.recording_window import RecordingWindow

_NO_CELLS = np.empty(0)


class Rows:
    """Makes rows of readings and hands on those that are to be recorded."""

    def __init__(self, plan: Plan, put: Callable[[Row], None]) -> None:
        self._plan = plan
        self._put = put
        self._window = RecordingWindow(plan)
        self._last: Looked | None = None
        self._execution = 0
        """Of which the last one was."""
        self._newest_ns = -1

    def reading(self, before: EngineState, snapshot: Snapshot, after: EngineState, *, force: bool) -> None:
        """A reading, or the end of a step: `before` is the state that it came into, `after` what it made of it."""
        cycler, step = snapshot.cycler, before.step
        t_ns = snapshot.t_ns - before.started_ns
        if cycler is None or not step.number or t_ns <= self._newest_ns:
            return
        looked = Looked(t_ns, snapshot.pack_voltage_v, cycler.current_a, high_of(snapshot))
        last = self._last if self._execution == step.number else None
        rule = self._plan.steps[step.index].record
        wanted = force or due(rule, last, looked, snapshot.t_ns - edge_ns(before))
        if wanted:
            self._last, self._execution = looked, step.number
        if wanted or self._window.keeps:
            self._newest_ns = t_ns
            self._hand_on(self._window.add(_row(before, snapshot, cycler, after), wanted=wanted))

    def follow(self, plan: Plan) -> None:
        """The running test goes on with another plan."""
        self._plan = plan
        self._window.widen(plan)

    def moved(self, before: EngineState, after: EngineState) -> None:
        """The engine has gone on: a set-point may have changed."""
        at_ns, running = edge_ns(after), after.step.running
        changed = after.step.number != before.step.number or at_ns != edge_ns(before)
        if changed and running is not None and running.record.around is not None:
            self._window.edge(at_ns - after.started_ns, running.record.around)

    def flush(self) -> None:
        """The run is over, or stops: what waits goes to the record."""
        self._hand_on(self._window.flush())

    def _hand_on(self, rows: list[Row]) -> None:
        for row in rows:
            self._put(row)


def _row(before: EngineState, snapshot: Snapshot, cycler: CyclerSample, after: EngineState) -> Row:
    step, bms = before.step, snapshot.bms
    ah, wh = after.meter.ah, after.meter.wh
    if after.step.number != step.number:
        record = after.step.past.get(step.index)
        if record is not None and record.number == step.number:
            ah, wh = record.charge_ah, record.energy_wh
    return Row(
        t_ns=snapshot.t_ns - before.started_ns,
        step=step.index + 1,
        cycle=step.cycle,
        voltage_v=snapshot.pack_voltage_v,
        cycler_voltage_v=cycler.voltage_v,
        current_a=cycler.current_a,
        step_ah=ah,
        step_wh=wh,
        bms_t_ns=-1 if bms is None else bms.t_ns - before.started_ns,
        cell_voltages_v=_NO_CELLS if bms is None else bms.cell_voltages_v,
        temperatures_c=() if bms is None else bms.temperatures_c,
        bms_current_a=None if bms is None else bms.current_a,
        soc=None if bms is None else bms.soc,
    )
