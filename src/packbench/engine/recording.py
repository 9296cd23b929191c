"""When a reading is worth writing down, and how often a step needs one.

Owns the record rule: time, voltage, current or temperature moved enough since the last row; finer around every edge of
the set-point. Pure.
"""

from __future__ import annotations

from math import inf
from typing import NamedTuple

from packbench.engine.control import Taper, Wave
from packbench.engine.state import EngineState
from packbench.profile.plan import RecordRule, Waveform

SLACK_MIN_NS, SLACK_MAX_NS = 1_000_000, 10_000_000
SLACK_SHARE = 50
"""See `slack_ns`."""
NEAR_NS = 1_000_000_000
"""So near to a read-out's instant, and to the edges it counts from, every reading that can be had is wanted."""


class Looked(NamedTuple):
    """What the record rule looks at of a reading."""

    t_ns: int
    """From the start of the run."""
    voltage_v: float
    current_a: float
    temperature_c: float
    """Of the hottest sensor; NaN without one."""


def due(rule: RecordRule, last: Looked | None, now: Looked, since_edge_ns: int) -> bool:
    """Whether a reading is to be recorded, given the last one that was, of the same execution (None: the first)."""
    dt_ns = _dt_ns(rule, since_edge_ns)
    if last is None or now.t_ns - last.t_ns >= dt_ns - slack_ns(dt_ns):
        return True
    if rule.dv_v is not None and abs(now.voltage_v - last.voltage_v) >= rule.dv_v:
        return True
    if rule.di_a is not None and abs(now.current_a - last.current_a) >= rule.di_a:
        return True
    return rule.dt_k is not None and abs(now.temperature_c - last.temperature_c) >= rule.dt_k


def slack_ns(dt_ns: int) -> int:
    """How early a reading may be: a poll that is a hair early must not wait for the next one, as long again perhaps.

    A row at the end of a command lies a few milliseconds off the polls' grid.
    """
    return max(SLACK_MIN_NS, min(dt_ns // SLACK_SHARE, SLACK_MAX_NS))


def edge_ns(state: EngineState) -> int:
    """When the set-point of the running step last changed: its beginning, a piece of a waveform, a taper's step.

    What a followed power or a held voltage is corrected by is no edge.
    """
    control = state.control
    if state.step.hold is not None:
        return state.step.hold.since_ns
    if isinstance(control, Wave):
        return control.began_ns
    if isinstance(control, Taper) and control.current_a < inf:
        return control.changed_ns
    return state.step.started_ns


def wanted_poll_ns(state: EngineState, now_ns: int) -> int | None:
    """How often the cycler is to be read for what the running step records and reads out; None: as usual.

    Only waveforms and steps with finer recording around their edges ask for more than the usual period, as the check
    reckons (profile/checking/recording.py). 0: as often as can be.
    """
    running = None if state.step.hold is not None else state.step.running
    around = None if running is None else running.record.around
    if running is None or (around is None and not isinstance(running, Waveform)):
        return None
    wanted_ns = [running.record.dt_ns] if isinstance(running, Waveform) else []
    control = state.control
    until_ns = control.until_ns if isinstance(control, Wave) else None
    if around is not None:
        after = now_ns - edge_ns(state) < around.after_ns
        before = until_ns is not None and until_ns - now_ns <= around.before_ns
        if after or before:
            wanted_ns.append(around.dt_ns)
    if isinstance(running, Waveform) and isinstance(control, Wave) and _reads_out(running, control, now_ns):
        wanted_ns.append(0)
    return min(wanted_ns, default=None)


def _reads_out(step: Waveform, wave: Wave, now_ns: int) -> bool:
    """Whether a read-out's instant is near, or an edge that one counts from or that ends a piece with one."""
    instants = [edge.t_ns + at_ns for edge in wave.edges for at_ns in edge.due_ns]
    instants += [edge.t_ns for edge in wave.edges]
    following = (wave.piece + 1) % len(step.segments)
    if step.segments[following].read_outs_ns:
        instants.append(wave.until_ns)
    return any(abs(at_ns - now_ns) <= NEAR_NS for at_ns in instants)


def _dt_ns(rule: RecordRule, since_edge_ns: int) -> int:
    around = rule.around
    return rule.dt_ns if around is None or since_edge_ns > around.after_ns else min(rule.dt_ns, around.dt_ns)
