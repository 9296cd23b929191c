"""I8, reading by reading: what is counted between two of them is what they say.

Owns a second count of charge and energy, from the readings that the host decides on. Must not use the engine's meter.

I8 (g). Seen: each reading that was counted, and the totals with it. Between two readings of one step, with no command
    so near that the current may have been on its way, charge and energy grow by the trapezoid of the two. Tolerance:
    rounding.
"""

from __future__ import annotations

from typing import NamedTuple

from packbench.core.samples import Snapshot
from packbench.engine.state import EngineState
from packbench_sim.invariants.violation import MS, Report, Violation

QUIET_NS = 500 * MS
"""A command so long before the earlier reading has been followed by then."""
ROUNDING = 1e-9
NS_PER_H = 3.6e12


class _Counted(NamedTuple):
    number: int
    t_ns: int
    current_a: float
    power_w: float
    ah: float
    wh: float


class Recount:
    """Follows one controller after another."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._last: _Counted | None = None
        self._commanded_ns = -1

    def forget(self) -> None:
        """Another controller."""
        self._last = None

    def on_command(self, t_ns: int) -> None:
        """A command reaches the cycler."""
        self._commanded_ns = t_ns

    def observe(self, snapshot: Snapshot, state: EngineState) -> None:
        """A reading was counted."""
        cycler, meter, last = snapshot.cycler, state.meter, self._last
        commanded = meter.wanted_a is not None and meter.wanted_ns == meter.t_ns
        if cycler is None or meter.t_ns != cycler.t_ns or commanded:
            # Counted up to another instant: by a command (which may come in that of the reading), or by a step's end.
            self._last = None
            return
        power_w = cycler.current_a * snapshot.pack_voltage_v
        now = _Counted(state.step.number, meter.t_ns, cycler.current_a, power_w, meter.ah, meter.wh)
        if last is None or last.number != now.number or last.t_ns < now.t_ns:
            self._last = now
        if last is None or last.number != now.number or last.t_ns >= now.t_ns:
            return
        if self._commanded_ns > last.t_ns - QUIET_NS:
            return
        hours = (now.t_ns - last.t_ns) / NS_PER_H
        for what, grown, expected in (
            ("Ah", now.ah - last.ah, 0.5 * (last.current_a + now.current_a) * hours),
            ("Wh", now.wh - last.wh, 0.5 * (last.power_w + now.power_w) * hours),
        ):
            if abs(grown - expected) > ROUNDING:
                text = f"step {now.number}: between two readings {expected:.7g} {what} flowed, {grown:.7g} were counted"
                self._report(Violation("I8", now.t_ns, text, {"counted": grown, "flowed": expected}))
