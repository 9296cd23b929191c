"""What the board says, in words: samples and events with names in place of codes.

Owns that translation. Must not talk to a board: the client does, and the simulation's direct board has no client.
"""

from __future__ import annotations

from typing import NamedTuple

from packbench.core.samples import BoardSample
from packbench_board.codes import EventKind, Input, Output, Phase, Refusal, ResetCause, State, TripCode
from packbench_board.frames import Event, Status

STATES: dict[int, str] = {state.value: state.name.lower() for state in State}
PHASES: dict[int, str] = {phase.value: phase.name.lower() for phase in Phase}
TRIPS: dict[int, str] = {code.value: code.name.lower() for code in TripCode} | {0: ""}
REFUSALS: dict[int, str] = {refusal.value: refusal.name.lower() for refusal in Refusal} | {0: ""}

_AUX_CLOSED = int(Input.AUX_CLOSED)
_NAMES: dict[int, dict[int, str]] = {
    EventKind.BOOT: {cause.value: cause.name.lower() for cause in ResetCause},
    EventKind.STATE: STATES,
    EventKind.PHASE: PHASES,
    EventKind.TRIP: TRIPS,
    EventKind.CAUSE: TRIPS,
    EventKind.REFUSED: REFUSALS,
}
_SIGNED = frozenset({EventKind.ANNOUNCED})


def set_bits(kind: str, value: int) -> tuple[str, ...]:
    """The names of the bits that are set, of "inputs" or "outputs"."""
    names: type[Input | Output] = Input if kind == "inputs" else Output
    return tuple((bit.name or "").lower() for bit in names if value & bit)


class BoardEvent(NamedTuple):
    """One entry of the board's sequence of events."""

    number: int
    uptime_us: int
    t_ns: int | None
    """The host's monotonic time, by the clocks' fit; None when they were never compared."""
    kind: str
    name: str
    """What the code means: a state, a phase, a trip, a refusal; empty where the kind has none."""
    value: int
    words: tuple[str, ...] = ()
    """The bits that are set, where the value is a set of them."""


def board_event(event: Event, t_ns: int | None) -> BoardEvent:
    """An EVENT in words; a code that this host does not know keeps its number."""
    kind = EventKind(event.kind).name.lower() if event.kind in _KINDS else f"kind_{event.kind}"
    names = _NAMES.get(event.kind)
    name = "" if names is None else names.get(event.code, f"code_{event.code}")
    words = set_bits(kind, event.value) if kind in ("inputs", "outputs") else ()
    value = event.value - (1 << 32) if event.kind in _SIGNED and event.value >> 31 else event.value
    return BoardEvent(event.number, event.uptime_us, t_ns, kind, name, value, words)


def board_sample(t_ns: int, status: Status) -> BoardSample:
    """The sample of a STATUS that was in hand at t_ns. A host's trip carries the host's own code in its name."""
    name = TRIPS.get(status.trip_code, f"code_{status.trip_code}")
    if status.trip_code == TripCode.HOST:
        name = f"host_{status.trip_detail}"
    return BoardSample(
        t_ns,
        STATES[status.state],
        status.inputs & _AUX_CLOSED != 0,
        status.trip_code,
        name,
        PHASES.get(status.phase, f"phase_{status.phase}"),
        REFUSALS.get(status.refused, f"code_{status.refused}"),
        status.pack_mv / 1000.0,
        status.cycler_mv / 1000.0,
        status.current_ma / 1000.0,
    )


_KINDS = frozenset(int(kind) for kind in EventKind)
