"""Going on with a step that stood still: held by an operator, or cut short and resumed.

Owns what the step's second beginning keeps and what it makes anew. Kept: its number, its totals, its own time, its
settled formulas, and how far a cell's limit has tapered its charge, since a pack that is nearly full must not be met
with the whole current again. Anew: the command, and what its controller learns from the readings. A waveform is begun
from its first piece, for a pulse with a hole in it is none.
"""

from __future__ import annotations

from dataclasses import replace
from math import copysign, isfinite

from packbench.core.samples import Snapshot
from packbench.engine.control import Control, Followed, Holding, Taper
from packbench.engine.effects import Drive, Effect, Note, OutputOff
from packbench.engine.entering import SETTLE_NS
from packbench.engine.permitted import beyond
from packbench.engine.state import NOT_HELD, EngineState
from packbench.engine.steps import logic_of
from packbench.engine.walk import slopes_of, stop
from packbench.profile.plan import End, Plan, Waveform


def reenter(
    plan: Plan, state: EngineState, snapshot: Snapshot, now_ns: int, taper_a: float | None = None
) -> tuple[EngineState, tuple[Effect, ...]]:
    """The running step goes on. `taper_a`: the most that a cell's limit has left of its current (`tapered_to`)."""
    step = state.step
    running = step.running
    assert running is not None
    # What flowed while it stood still was counted, or was not seen: the meter goes on from no current.
    meter = state.meter._replace(t_ns=now_ns, current_a=0.0, voltage_v=snapshot.pack_voltage_v, wanted_a=None)
    state = state._replace(meter=meter, before=None, meter_before=None)
    if isinstance(running, End):
        return state, (OutputOff(),)
    beginning = logic_of(plan, running).begin(running, snapshot, now_ns)
    drive, control = beginning.drive, beginning.control
    if taper_a is not None and drive is not None and control is not None:
        control = _with_taper(control, Taper(taper_a, now_ns))
        drive = Drive(copysign(min(abs(drive.current_a), taper_a), drive.current_a), drive.voltage_v)
    if drive is not None and (reason := beyond(drive, plan.most)) is not None:
        return stop(plan, state, snapshot, now_ns, f"step {running.label} cannot go on: {reason}")
    effects: list[Effect] = [OutputOff() if drive is None else drive, *beginning.effects]
    began_ns, started_ns = step.began_ns, step.started_ns
    if isinstance(running, Waveform):
        # Its own time with it: a train begun anew would else be too long for it.
        began_ns, started_ns = step.first_ns, now_ns
        effects.append(Note("step_begun_anew", f"step {running.label}: its waveform begins at its first piece"))
    if drive is not None:
        state = state._replace(meter=meter.commanded(now_ns, drive.current_a))
    step = replace(
        step,
        started_ns=started_ns,
        began_ns=began_ns,
        drive=drive,
        fresh_ns=now_ns + SETTLE_NS,
        held_since_ns=(NOT_HELD,) * len(running.until),
    )
    return state._replace(step=step, slopes=slopes_of(step), control=control), tuple(effects)


def held_again(state: EngineState, now_ns: int, taper_a: float | None) -> EngineState:
    """A step that stood still when its run was cut short still does; what a cell has taken from its charge is kept."""
    return state if taper_a is None else state._replace(control=Taper(taper_a, now_ns))


def tapered_to(control: Control | None) -> float | None:
    """The most that a cell's limit has left of a step's current; None: no cell has been at its limit."""
    taper = control.taper if isinstance(control, Holding | Followed) else control
    return taper.current_a if isinstance(taper, Taper) and isfinite(taper.current_a) else None


def _with_taper(control: Control, taper: Taper) -> Control:
    if isinstance(control, Holding | Followed):
        return control if control.taper is None else replace(control, taper=taper)
    return taper if isinstance(control, Taper) else control
