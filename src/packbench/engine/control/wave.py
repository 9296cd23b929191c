"""Where a waveform stands: which segment runs, what was read before its edge, which read-outs are still to come.

Owns the position in time and the read-outs, located between the two samples around them by the samples' own
times. Must not command: the step does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from packbench.core.records import ReadOut
from packbench.engine.control.source import Source
from packbench.profile.plan import Segment, Waveform


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of current whose read-outs are not all taken."""

    piece: int
    """From 1, counted on through repeats."""
    t_ns: int
    voltage_v: float
    """Just before it."""
    current_a: float
    due_ns: tuple[int, ...]
    """Read-outs still to come, after the edge."""


@dataclass(frozen=True, slots=True)
class Wave:
    """The state of a waveform step."""

    piece: int
    """Index of the segment that runs, from 0, counted on through repeats."""
    until_ns: int
    """When it ends."""
    source: Source
    t_ns: int
    """Of the last reading."""
    edges: tuple[Edge, ...] = ()
    read_outs: tuple[ReadOut, ...] = ()


def segment_of(step: Waveform, piece: int) -> Segment:
    """The segment that a counted-on index means."""
    return step.segments[piece % len(step.segments)]


def last_piece(step: Waveform) -> int:
    """The index of the last segment, counted on through repeats."""
    return len(step.segments) * step.repeat - 1


def moved_on(step: Waveform, wave: Wave, now_ns: int) -> Wave | None:
    """The wave at `now_ns`: the same object while its segment lasts; None when the last one is over."""
    while now_ns >= wave.until_ns:
        if wave.piece >= last_piece(step):
            return None
        piece = wave.piece + 1
        segment = segment_of(step, piece)
        edges = wave.edges
        if segment.read_outs_ns:
            source = wave.source
            edges = (*edges, Edge(piece + 1, wave.until_ns, source.voltage_v, source.current_a, segment.read_outs_ns))
        wave = replace(wave, piece=piece, until_ns=wave.until_ns + segment.for_ns, edges=edges)
    return wave


def taught(wave: Wave, t_ns: int, voltage_v: float, current_a: float) -> Wave:
    """The wave after a reading: read-outs that lie before it are taken."""
    read_outs, edges = wave.read_outs, wave.edges
    if edges:
        taken: list[ReadOut] = []
        left: list[Edge] = []
        for edge in edges:
            due = [at_ns for at_ns in edge.due_ns if edge.t_ns + at_ns <= t_ns]
            taken += [_read_out(wave, edge, at_ns, t_ns, voltage_v, current_a) for at_ns in due]
            rest = edge.due_ns[len(due) :]
            if rest:
                left.append(replace(edge, due_ns=rest) if due else edge)
        if taken:
            read_outs, edges = (*read_outs, *taken), tuple(left)
    return replace(wave, source=wave.source.learnt(voltage_v, current_a), t_ns=t_ns, edges=edges, read_outs=read_outs)


def _read_out(wave: Wave, edge: Edge, at_ns: int, t_ns: int, voltage_v: float, current_a: float) -> ReadOut:
    """Between the last reading and this one; not before the edge, where another current flowed."""
    wanted_ns, before = edge.t_ns + at_ns, wave.source
    if wave.t_ns > edge.t_ns and t_ns > wave.t_ns:
        share = (wanted_ns - wave.t_ns) / (t_ns - wave.t_ns)
        voltage_v = before.voltage_v + share * (voltage_v - before.voltage_v)
        current_a = before.current_a + share * (current_a - before.current_a)
    change_a = current_a - edge.current_a
    ohm = (voltage_v - edge.voltage_v) / change_a if change_a else float("nan")
    return ReadOut(edge.piece, at_ns, voltage_v, current_a, ohm)
