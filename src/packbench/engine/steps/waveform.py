"""Waveforms: pulse trains, profiles of current or power, in time alone."""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.control import Wave
from packbench.engine.control.wave import Edge, moved_on, segment_of, taught
from packbench.engine.effects import Drive
from packbench.engine.state import StepState
from packbench.engine.steps.logic import NOTHING, Beginning, Ending, Outcome
from packbench.engine.steps.power import CHANGE, source_at
from packbench.profile.amounts import constant
from packbench.profile.plan import Waveform

AT_CLAMP_NS = 1_000_000_000
"""A regulation other than of current in the first moment of a segment is its ramp."""


class WaveformLogic:
    """Segment after segment by the clock; at a clamp the cycler holds the voltage, or the step ends."""

    def begin(self, step: Waveform, snapshot: Snapshot, now_ns: int) -> Beginning:
        first = step.segments[0]
        source = source_at(snapshot)
        edges: tuple[Edge, ...] = ()
        if first.read_outs_ns:
            edges = (Edge(1, now_ns, source.voltage_v, source.current_a, first.read_outs_ns),)
        wave = Wave(0, now_ns + first.for_ns, source, now_ns, edges)
        return Beginning(_drive(step, wave), wave)

    def watch(self, step: Waveform, state: StepState, snapshot: Snapshot, now_ns: int) -> Outcome:
        before, cycler = state.control, snapshot.cycler
        assert isinstance(before, Wave)
        wave = before
        if cycler is not None and cycler.t_ns > wave.t_ns:
            wave = taught(wave, cycler.t_ns, snapshot.pack_voltage_v, cycler.current_a)
        moved = moved_on(step, wave, now_ns)
        if moved is None:
            return Outcome(control=wave, ending=Ending("the waveform's end"))
        began_ns = moved.until_ns - segment_of(step, moved.piece).for_ns
        if (
            step.on_limit == "end"
            and cycler is not None
            and cycler.regulation == "cv"
            and cycler.t_ns - began_ns >= AT_CLAMP_NS
        ):
            return Outcome(control=moved, ending=Ending("a clamp of the waveform"))
        drive = _drive(step, moved)
        changed = moved.piece != before.piece or _differs(drive, state.drive)
        if changed:
            return Outcome(drive=drive, control=moved)
        return NOTHING if moved is before else Outcome(control=moved)

    def due_ns(self, step: Waveform, state: StepState) -> int | None:
        assert isinstance(state.control, Wave)
        return state.control.until_ns


def _drive(step: Waveform, wave: Wave) -> Drive:
    """The command of the segment that runs."""
    value = constant(segment_of(step, wave.piece).value)
    high_v, low_v = constant(step.clamp_high_v), constant(step.clamp_low_v)
    assert value is not None and high_v is not None and low_v is not None
    current_a = value if step.quantity == "current" or value == 0.0 else wave.source.current_for_power(value)
    return Drive(current_a, low_v if current_a < 0.0 else high_v)


def _differs(drive: Drive, current: Drive | None) -> bool:
    return current is None or abs(drive.current_a - current.current_a) > CHANGE * abs(current.current_a)
