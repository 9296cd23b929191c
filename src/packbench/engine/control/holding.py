"""A constant voltage held by the engine, for a cycler that holds none.

Owns one decision: the next current. The pack is a voltage E behind a resistance R (control/source.py), both as the
readings show them. Between two readings, T apart, E drifts by D = dE/dt T while the current stands. So at every reading

    i' = i + (G (V_set - v) - D) / R,        0 <= i' <= the step's current

undoes the drift that is to come and the part G of the error that is there: half of one beyond the voltage (`BACK`), a
fifth of one short of it (`ON`). Magnitudes, for a charge; a discharge is its mirror image.

Stability. With the pack's true response R' to a step of current over one period (its instant resistance, and what
polarisation builds up within T), the error e goes e' = (1 - G R'/R) e: it dies out without a change of sign for
R' <= R / G = 2 R, and at all for R' < 4 R. A command that shows a whole reading late (a slow line) makes it
e'' = e' - G R'/R e: stable for R' < 2 R, and 0.7 of its size from one reading to the next at R' = R. R is learnt from
the first steps of current of every step, and again from every change of 2 % and more: where the true one grows, as at
the end of a discharge, the corrections grow and teach it. Until it is known R is taken to be higher than any pack's
(`HIGH`), which is slow and safe. Polarisation that builds up over many periods is drift: one that grows counts at once,
one that shrinks by and by (`SMOOTH`), so that what follows a rise of current is not built upon.

Before the voltage is reached the same formula asks for more than the step's current and gets that: constant current,
then constant voltage, and no switch between the two that could come late. A step begins with what R at its highest
allows, for one reading: a pack that is full already must not be driven beyond the voltage by the whole drop.

Anti-windup: what is corrected is the command itself where the readings follow it, else the current that flows; no
errors are summed, so that nothing accumulates while a limit holds the current back.

The voltage is passed by no more than `BOUND` of itself; beyond it, the cycler's own clamp stands half-way to the pack's
limit. On the simulated packs of the library (0.5 to 45 degC, C/3 and 1C, polls of 0.5 and 1 s) it was 0.09 % at most,
and 0.5 % where every command showed a whole reading late at 1C and 0.5 degC. Corrections that move it by less than
`QUIET` are not sent: an hour of CV is some hundred commands, and noise is none. Tests: test_engine_holding.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from packbench.engine.control.source import LEARN, LEAST_A, Source
from packbench.engine.control.taper import Taper

BACK = 0.5
"""Of an error beyond the voltage, what one reading corrects."""
ON = 0.2
"""Of an error short of it."""
HIGH = 0.5
"""Of the voltage: a drop at the step's current that no pack has."""
LOW = 0.0005
"""Of it, too: a drop that every pack has, whatever two readings in a row seem to say."""
FIRST = 0.03
"""Of the step's current: the least that a step begins with; less would teach nothing (control/source.py)."""
SMOOTH = 0.2
"""Of a drift that differs from the one known, what counts at once, unless it is faster by more than noise makes it."""
QUIET = 0.0002
"""Of the voltage: a correction that moves it by less is not worth a command; a fiftieth of GB 38031-2025 6.3's
+-1 % [S]."""
FINE = 0.1
"""Of the current: unless it is so much of what flows, so that the end current is met to a tenth."""
FOLLOWS = 0.02
"""Of the step's current: nearer than this, the readings follow the command."""
REACHED = 0.001
"""Of the voltage: nearer than this it is held."""
BOUND = 0.002
"""Of the voltage: how far it may be passed."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Where a held voltage stands."""

    source: Source
    read_ns: int
    """Of the newest reading that counts."""
    commanded_ns: int
    period_s: float = 0.0
    """Between the last two readings."""
    drift_v_s: float = 0.0
    """Of the voltage behind the resistance, towards the one to be held."""
    taper: Taper | None = None


def prior(source: Source, voltage_v: float, most_a: float) -> Source:
    """The pack before anything is known of it but its voltage."""
    return replace(source, resistance_ohm=HIGH * voltage_v / max(most_a, LEAST_A), scale_a=most_a)


def first_current(source: Source, sign: int, voltage_v: float, most_a: float) -> float:
    """The magnitude that a step begins with: to the voltage, were the resistance at its highest; a little at least."""
    room_v = sign * (voltage_v - source.voltage_v)
    return min(max(room_v / source.resistance_ohm, FIRST * most_a), most_a)


def learnt(holding: Holding, sign: int, t_ns: int, voltage_v: float, current_a: float) -> Holding:
    """After a reading of a current that has arrived; both as they are, with their signs."""
    before, seconds = holding.source, (t_ns - holding.read_ns) / 1e9
    source = before.learnt(voltage_v, current_a)
    lowest_ohm = LOW * abs(voltage_v) / max(source.scale_a, LEAST_A)
    if source.resistance_ohm < lowest_ohm:
        source = replace(source, resistance_ohm=lowest_ohm)
    drift_v_s = holding.drift_v_s
    if abs(current_a - before.current_a) <= LEARN * source.scale_a and before.largest_a:
        # An edge says nothing of it: what it shows has just been taken for resistance.
        was_v = before.voltage_v - source.resistance_ohm * before.current_a
        more_v_s = sign * (source.emf_v - was_v) / seconds - drift_v_s
        drift_v_s += (1.0 if more_v_s * seconds > QUIET * abs(voltage_v) else SMOOTH) * more_v_s
        drift_v_s = max(drift_v_s, 0.0)
    return replace(holding, source=source, read_ns=t_ns, period_s=seconds, drift_v_s=drift_v_s)


def next_current(holding: Holding, sign: int, voltage_v: float, most_a: float, driven_a: float) -> float:
    """The magnitude to be commanded from now on; `driven_a`: what was commanded before, `most_a`: what may flow."""
    source = holding.source
    flows_a = sign * source.current_a
    base_a = driven_a if abs(flows_a - driven_a) <= FOLLOWS * source.scale_a else flows_a
    room_v, drift_v = sign * (voltage_v - source.voltage_v), holding.drift_v_s * holding.period_s
    correction_v = (ON if room_v > 0.0 else BACK) * room_v - drift_v
    return min(max(base_a + correction_v / source.resistance_ohm, 0.0), most_a)


def worth_sending(holding: Holding, voltage_v: float, driven_a: float, wanted_a: float) -> bool:
    """Whether a new current moves the voltage enough to be commanded."""
    change_a = abs(wanted_a - driven_a)
    return change_a * holding.source.resistance_ohm >= QUIET * voltage_v or change_a >= FINE * driven_a > 0.0


def held(holding: Holding, sign: int, voltage_v: float) -> bool:
    """Whether the newest reading shows the voltage that is to be held."""
    return sign * (voltage_v - holding.source.voltage_v) <= REACHED * voltage_v
