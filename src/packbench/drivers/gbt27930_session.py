"""A GB/T 27930 session as a charger sees it, and what it says in each phase.

Owns the state of a session and the messages that are due in it, with their periods. What moves it from phase to
phase is `drivers/gbt27930`'s. Must not do I/O or read a clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, NamedTuple

from packbench.drivers.gbt27930_heard import Heard, charging_allowed
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939_transport import TransportState
from packbench.wire.gbt27930.frames import CHARGER, frame_of
from packbench.wire.gbt27930.messages import (
    CEM_CAUSES,
    CST_CAUSES,
    NORMAL,
    NOT_YET,
    READY,
    SET,
    Bcs,
    Bsm,
    Ccs,
    Cem,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    Cts,
    GbtMessage,
    states,
)

_NS_PER_S: Final = 1_000_000_000
_MINUTES_MAX_S: Final = 600 * 60.0


class Phase(StrEnum):
    """Where a session is; see the table in `drivers/gbt27930`."""

    HANDSHAKE = "handshake"
    IDENTIFY = "identify"
    RECOGNISED = "recognised"
    PARAMETERS = "parameters"
    READY = "ready"
    STARTING = "starting"
    CHARGING = "charging"
    STOPPING = "stopping"
    STATISTICS = "statistics"
    ENDED = "ended"
    ERROR = "error"
    FAILED = "failed"


BEFORE_CHARGING: Final = (Phase.HANDSHAKE, Phase.IDENTIFY, Phase.RECOGNISED, Phase.PARAMETERS, Phase.READY)
UNDER_WAY: Final = (Phase.STARTING, Phase.CHARGING)
OVER: Final = (Phase.ENDED, Phase.FAILED)


@dataclass(frozen=True, slots=True)
class Wants:
    """What the shell wants; it may change at any moment."""

    ready: bool = True
    """The charger's output is ready: CRO AA may be said."""
    permit: bool = True
    """CCS may say "charging"; it never does while the BMS forbids it."""
    stop: str | None = None
    """End the session, for this cause out of CST_CAUSES."""
    output: tuple[float, float] | None = None
    """(V, A) at the charger's output, for CCS; None: what the BMS measures is said back to it."""

    def __post_init__(self) -> None:
        if self.stop is not None and self.stop not in CST_CAUSES:
            raise ValueError(f"a charger does not stop for {self.stop!r}")


class Due(NamedTuple):
    """A message that is repeated, and when next."""

    kind: type[GbtMessage]
    at_ns: int


@dataclass(frozen=True, slots=True)
class ChargerState:
    """A session; `drivers/gbt27930.begin` makes it."""

    settings: ChargerSettings
    phase: Phase
    since_ns: int
    """When the phase began."""
    wants: Wants = field(default_factory=Wants)
    due: tuple[Due, ...] = ()
    heard: Heard = field(default_factory=Heard)
    """Since the handshake began."""
    tp: TransportState = field(default_factory=lambda: TransportState(CHARGER))
    attempt: int = 0
    """How often the handshake was begun anew."""
    reason: str = ""
    """Why the session is over, or the last attempt was: words for people; empty while all is well."""
    missed: tuple[str, ...] = ()
    """For CEM, out of CEM_CAUSES."""
    early: bool = False
    """Stopped before the BMS charged."""
    charging_ns: int | None = None
    """When charging began."""
    energy_ws: float = 0.0
    """Given since then, by what CCS said."""
    counted_ns: int = 0
    malformed: int = 0
    """Messages of a length that they cannot have."""

    @property
    def permitted(self) -> bool:
        """Whether the BMS is told, and allows, that it is being charged."""
        bsm = self.heard.message(Bsm)
        return self.phase is Phase.CHARGING and self.wants.permit and bsm is not None and charging_allowed(bsm)


# --------------------------------------------------------------------------------- talking

_TALK: Final[dict[Phase, tuple[type[GbtMessage], ...]]] = {
    Phase.HANDSHAKE: (Chm,),
    Phase.IDENTIFY: (Crm,),
    Phase.RECOGNISED: (Crm,),
    Phase.PARAMETERS: (Cts, Cml),
    Phase.READY: (Cro,),
    Phase.STARTING: (Cro,),
    Phase.CHARGING: (Ccs,),
    Phase.STOPPING: (Cst,),
    Phase.STATISTICS: (Csd,),
    Phase.ERROR: (Cem,),
}


def enter(state: ChargerState, phase: Phase, now_ns: int) -> ChargerState:
    """Begin a phase: everything it says is due at once."""
    # A time-out of something that CEM has no word for (BHM, BSM) is not told.
    silent = phase is Phase.ERROR and not state.missed
    due = () if silent else tuple(Due(kind, now_ns) for kind in _TALK.get(phase, ()))
    return replace(state, phase=phase, since_ns=now_ns, due=due)


def say(state: ChargerState, now_ns: int) -> tuple[ChargerState, list[CanFrame]]:
    """The messages that are due. One that was missed is not made up for."""
    frames: list[CanFrame] = []
    due: list[Due] = []
    for item in state.due:
        if item.at_ns > now_ns:
            due.append(item)
            continue
        if item.kind is Ccs:
            state = _count_energy(state, now_ns)
        frames.append(frame_of(_message(state, item.kind, now_ns)))
        period_ns: int = getattr(state.settings, f"{item.kind.__name__.lower()}_period_ns")
        due.append(Due(item.kind, item.at_ns + ((now_ns - item.at_ns) // period_ns + 1) * period_ns))
    return replace(state, due=tuple(due)), frames


def _message(state: ChargerState, kind: type[GbtMessage], now_ns: int) -> GbtMessage:
    """What the charger says of one kind now."""
    settings = state.settings
    old = settings.edition == "2011"
    if kind is Crm:
        word = NOT_YET if state.phase is Phase.IDENTIFY else READY
        return Crm(word, settings.charger_number, settings.region)
    if kind is Cts:
        return Cts()
    if kind is Cml:
        volts = (settings.voltage_max_v, settings.voltage_min_v)
        return Cml(*volts, settings.current_max_a, settings.current_min_a, 6 if old else 8)
    if kind is Cro:
        return Cro(READY if state.phase is Phase.STARTING else NOT_YET)
    if kind is Ccs:
        voltage_v, current_a = _output(state)
        permit = SET if state.permitted else NORMAL
        return Ccs(voltage_v, current_a, _elapsed_s(state, now_ns), permit, length=6 if old else settings.ccs_bytes)
    if kind is Cst:
        return Cst(states(CST_CAUSES, state.wants.stop or "condition_reached"))
    if kind is Csd:
        energy_wh = min(state.energy_ws / 3600, 1_000_000.0)
        return Csd(_elapsed_s(state, now_ns), energy_wh, settings.charger_number)
    if kind is Cem:
        return Cem(states(CEM_CAUSES, *state.missed))
    return Chm()


def _output(state: ChargerState) -> tuple[float, float]:
    """(V, A) at the charger's output as CCS can carry them."""
    bcs = state.heard.message(Bcs)
    voltage_v, current_a = state.wants.output or (0.0, 0.0)
    if state.wants.output is None and bcs is not None:
        voltage_v, current_a = bcs.voltage_v or 0.0, bcs.current_a or 0.0
    return min(max(voltage_v, 0.0), 6553.4), min(max(current_a, -400.0), 400.0)


def _elapsed_s(state: ChargerState, now_ns: int) -> float:
    if state.charging_ns is None:
        return 0.0
    return min((now_ns - state.charging_ns) // (60 * _NS_PER_S) * 60.0, _MINUTES_MAX_S)


def _count_energy(state: ChargerState, now_ns: int) -> ChargerState:
    """What CCS says the charger gives, added up for CSD."""
    voltage_v, current_a = _output(state)
    given_ws = voltage_v * max(current_a, 0.0) * (now_ns - state.counted_ns) / _NS_PER_S
    return replace(state, energy_ws=state.energy_ws + given_ws, counted_ns=now_ns)
