"""Where a waveform stands: which piece runs, what was read before its edge, which read-outs are still to come.

Owns the position in time and the read-outs. Must not command: the step does.

A read-out belongs to the piece in which its time lies, an edge's own instant to the piece before it (18 s after an edge
that another follows after 18 s is the last of the first). It is taken between the two readings of that piece around its
time, by the readings' own times. Where the piece has none on one side, the nearest reading on the other side stands,
and the read-out says when that was taken; where the piece has none at all, there is no read-out. A reading of a
current that is still on its way is of no piece.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from packbench.core.records import ReadOut
from packbench.engine.control.source import Source
from packbench.profile.plan import Segment, Waveform

NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of current whose read-outs are not all taken."""

    piece: int
    """Index of the piece that it begins, from 0, counted on through repeats."""
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
    """Index of the piece that runs, from 0, counted on through repeats."""
    began_ns: int
    """Its edge."""
    until_ns: int
    """When it ends."""
    source: Source
    """By the last reading that counts."""
    seen_ns: int
    """When that was."""
    seen_piece: int
    """Which piece it is of; -1: of the step before."""
    read_ns: int
    """Of the newest reading, whether it counts or not."""
    edges: tuple[Edge, ...] = ()
    read_outs: tuple[ReadOut, ...] = ()


def segment_of(step: Waveform, piece: int) -> Segment:
    """The segment that a counted-on index means."""
    return step.segments[piece % len(step.segments)]


def begun(step: Waveform, source: Source, now_ns: int) -> Wave:
    """The wave at its first edge, by what was read last before it."""
    first = step.segments[0]
    wave = Wave(0, now_ns, now_ns + first.for_ns, source, now_ns, -1, now_ns)
    return replace(wave, edges=_edges(wave, first))


def moved_on(step: Waveform, wave: Wave, now_ns: int) -> Wave | None:
    """The wave at `now_ns`: the same object while its piece lasts; None when the last one is over."""
    while now_ns >= wave.until_ns:
        if wave.piece + 1 >= len(step.segments) * step.repeat:
            return None
        segment = segment_of(step, wave.piece + 1)
        wave = replace(wave, piece=wave.piece + 1, began_ns=wave.until_ns, until_ns=wave.until_ns + segment.for_ns)
        wave = replace(wave, edges=_edges(wave, segment))
    return wave


def _edges(wave: Wave, segment: Segment) -> tuple[Edge, ...]:
    """With the edge that has just been passed, when anything is to be read out after it."""
    if not segment.read_outs_ns:
        return wave.edges
    source = wave.source
    return (*wave.edges, Edge(wave.piece, wave.began_ns, source.voltage_v, source.current_a, segment.read_outs_ns))


def taught(step: Waveform, wave: Wave, t_ns: int, voltage_v: float, current_a: float, commanded_a: float) -> Wave:
    """The wave after a reading, while `commanded_a` is in force: read-outs that lie before it are taken."""
    piece = wave.piece
    if t_ns <= wave.began_ns:
        # Read at the very edge: the last of the piece before.
        piece -= 1
        edges = tuple(
            replace(edge, voltage_v=voltage_v, current_a=current_a) if edge.piece == wave.piece else edge
            for edge in wave.edges
        )
        wave = replace(wave, edges=edges)
    elif not wave.source.arrived(current_a, commanded_a, t_ns - wave.began_ns):
        return replace(wave, read_ns=t_ns)
    read_outs, edges = wave.read_outs, wave.edges
    if edges:
        read_outs, edges = _taken(step, wave, t_ns, Source(voltage_v, current_a), piece)
    source = wave.source.learnt(voltage_v, current_a)
    return Wave(wave.piece, wave.began_ns, wave.until_ns, source, t_ns, piece, t_ns, edges, read_outs)


def ended(step: Waveform, wave: Wave, now_ns: int) -> Wave:
    """The wave at its end: what was to be read out by now is taken from the last reading."""
    read_outs, edges = _taken(step, wave, now_ns, None, -2)
    return replace(wave, edges=edges, read_outs=read_outs)


def _taken(
    step: Waveform, wave: Wave, t_ns: int, after: Source | None, piece: int
) -> tuple[tuple[ReadOut, ...], tuple[Edge, ...]]:
    """The read-outs that lie no later than `t_ns`, with a reading of `piece` then (or none), and what is to come."""
    taken: list[ReadOut] = []
    left: list[Edge] = []
    for edge in wave.edges:
        due = [at_ns for at_ns in edge.due_ns if edge.t_ns + at_ns <= t_ns]
        found = (_read_out(step, wave, edge, at_ns, t_ns, after, piece) for at_ns in due)
        taken += [read_out for read_out in found if read_out is not None]
        rest = edge.due_ns[len(due) :]
        if rest:
            left.append(replace(edge, due_ns=rest) if due else edge)
    return (*wave.read_outs, *taken), tuple(left)


def _read_out(
    step: Waveform, wave: Wave, edge: Edge, at_ns: int, t_ns: int, after: Source | None, piece: int
) -> ReadOut | None:
    """One read-out, from the last reading that counts and the one at `t_ns`, whichever are of its piece."""
    own = _piece_at(step, edge, at_ns)
    before = wave.source if wave.seen_piece == own else None
    if piece != own:
        after = None
    if before is not None and after is not None and t_ns > wave.seen_ns:
        taken_ns = None
        share = (edge.t_ns + at_ns - wave.seen_ns) / (t_ns - wave.seen_ns)
        voltage_v = before.voltage_v + share * (after.voltage_v - before.voltage_v)
        current_a = before.current_a + share * (after.current_a - before.current_a)
    elif after is not None or before is not None:
        source, taken_ns = (before, wave.seen_ns - edge.t_ns) if after is None else (after, t_ns - edge.t_ns)
        assert source is not None
        voltage_v, current_a = source.voltage_v, source.current_a
    else:
        return None
    change_a = current_a - edge.current_a
    ohm = (voltage_v - edge.voltage_v) / change_a if change_a else NAN
    return ReadOut(edge.piece + 1, at_ns, voltage_v, current_a, ohm, taken_ns)


def _piece_at(step: Waveform, edge: Edge, at_ns: int) -> int:
    """The piece in which a time after an edge lies; the instant of the next edge is the last of the piece before."""
    piece = edge.piece
    while at_ns > (for_ns := segment_of(step, piece).for_ns):
        at_ns -= for_ns
        piece += 1
    return piece
