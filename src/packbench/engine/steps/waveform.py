"""Waveforms: pulse trains, profiles of current or power, in time alone."""

from __future__ import annotations

from packbench.core.samples import Snapshot
from packbench.engine.control import Wave
from packbench.engine.control.clamp import at_clamp
from packbench.engine.control.followed import CHANGE, source_at
from packbench.engine.control.wave import begun, ended, moved_on, segment_of, taught
from packbench.engine.effects import Drive
from packbench.engine.state import EngineState
from packbench.engine.steps.logic import NOTHING, Beginning, Ending, Outcome
from packbench.profile.amounts import constant
from packbench.profile.plan import Waveform

AT_CLAMP_NS = 1_000_000_000
"""A regulation other than of current in the first moment of a piece is its ramp."""


class WaveformLogic:
    """Piece after piece by the clock; at a clamp the cycler holds the voltage, or the step ends."""

    def begin(self, step: Waveform, snapshot: Snapshot, now_ns: int) -> Beginning:
        wave = begun(step, source_at(snapshot), now_ns)
        return Beginning(_drive(step, wave), wave)

    def watch(self, step: Waveform, state: EngineState, snapshot: Snapshot, now_ns: int) -> Outcome:
        before, drive, cycler = state.control, state.step.drive, snapshot.cycler
        assert isinstance(before, Wave) and drive is not None
        wave, clamped = before, False
        if cycler is not None and cycler.t_ns > wave.read_ns:
            wave = taught(step, wave, cycler.t_ns, snapshot.pack_voltage_v, cycler.current_a, drive.current_a)
            clamped = cycler.t_ns - wave.began_ns >= AT_CLAMP_NS and at_clamp(drive, snapshot)
        moved = moved_on(step, wave, now_ns)
        if moved is None:
            return Outcome(control=ended(step, wave, wave.until_ns), ending=Ending("the waveform's end"))
        if clamped and step.on_limit == "end":
            return Outcome(control=moved, ending=Ending("a clamp of the waveform"))
        if moved.piece != before.piece or (moved is not before and _follows(step, moved, drive, clamped=clamped)):
            return Outcome(drive=_drive(step, moved), control=moved)
        return NOTHING if moved is before else Outcome(control=moved)

    def due_ns(self, step: Waveform, state: EngineState) -> int | None:
        assert isinstance(state.control, Wave)
        return state.control.until_ns


def _drive(step: Waveform, wave: Wave) -> Drive:
    """The command of the piece that runs."""
    value = constant(segment_of(step, wave.piece).value)
    high_v, low_v = constant(step.clamp_high_v), constant(step.clamp_low_v)
    assert value is not None and high_v is not None and low_v is not None
    current_a = value if step.quantity == "current" or value == 0.0 else wave.source.current_for_power(value)
    return Drive(current_a, low_v if current_a < 0.0 else high_v)


def _follows(step: Waveform, wave: Wave, drive: Drive, *, clamped: bool) -> bool:
    """Whether a power asks for another current by now; at a clamp none would flow."""
    if step.quantity != "power" or clamped:
        return False
    return abs(_drive(step, wave).current_a - drive.current_a) > CHANGE * abs(drive.current_a)
