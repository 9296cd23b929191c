"""Pulse trains and tables of points in phases.

Owns how a train becomes one current after the other, and a table stays a table. Must not know a format's keys.
"""

from __future__ import annotations

from dataclasses import replace

from packbench.profile.exchange.ends import Ends
from packbench.profile.exchange.leaving import Leaving
from packbench.profile.exchange.outline import Item, Level, Phase, Rounds, Sign
from packbench.profile.exchange.tree import Rounds as InRounds
from packbench.profile.plan import Waveform

POINTS_MAX = 100_000
"""Points of a table, its repeats written out."""


def train(index: int, step: Waveform, phase: Phase, leaving: Leaving, rounds: InRounds) -> list[Item] | None:
    """A pulse train as one current after the other; None when only the run knows one of them."""
    values = _values(index, step, leaving, rounds)
    if values is None:
        return None
    for position, condition in enumerate(step.until):
        leaving.lose(index, f"until.{position}", condition.text, "pieces that end by time alone")
    pieces: list[Item] = []
    for position, (segment, value) in enumerate(zip(step.segments, values, strict=True)):
        sign: Sign = 1 if value > 0 else -1 if value < 0 else 0
        level: Level | None = None
        if sign:
            key = f"train.{position}.{'charge' if sign > 0 else 'discharge'}"
            current = abs(value)
            level = leaving.level(index, key, current, rounds)
        joined = position > 0 and step.repeat == 1
        held = "current" if sign else "rest"
        pieces.append(replace(phase, hold=held, sign=sign, current=level, time_ns=segment.for_ns, is_joined=joined))
    if step.repeat == 1:
        return pieces
    return [Rounds(repeat=step.repeat, items=tuple(pieces), label=f"{step.label}-train", origin=phase.origin)]


def table(
    index: int, step: Waveform, phase: Phase, leaving: Leaving, rounds: InRounds, ends: Ends
) -> list[Item] | None:
    """A table of points as it is, its repeats written out; None when it is too long for that."""
    values = _values(index, step, leaving, rounds)
    if values is None:
        return None
    if len(values) * step.repeat > POINTS_MAX:
        found = f"{len(values) * step.repeat} points"
        leaving.lose(index, "repeat", found, f"at most {POINTS_MAX}, the repeats written out")
        return None
    points: list[tuple[int, float]] = []
    at_ns = 0
    for _ in range(step.repeat):
        for segment, value in zip(step.segments, values, strict=True):
            points.append((at_ns, value))
            at_ns += segment.for_ns
    points.append((at_ns, 0.0))
    hold = "power_table" if step.quantity == "power" else "current_table"
    return [ends.on(replace(phase, hold=hold, points=tuple(points)))]


def _values(index: int, step: Waveform, leaving: Leaving, rounds: InRounds) -> list[float] | None:
    """The segments' values, and what every waveform leaves behind."""
    for key in ("clamp_high", "clamp_low"):
        if leaving.states(index, key):
            leaving.lose(index, key, "a voltage at which the cycler goes no further", "a step that ends there")
    if step.on_limit == "end":
        leaving.lose(index, "on_limit", "an end at a clamp", leaving.target.knows)
    if any(segment.read_outs_ns for segment in step.segments):
        leaving.lose(index, "read_outs", "read-outs after an edge", "samples at a steady pace")
    values = [leaving.known(index, "", segment.value, rounds) for segment in step.segments]
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None
