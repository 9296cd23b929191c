"""The charger's side of a GB/T 27930-2015 session, as a pure state machine.

Owns what is said when: handshake, parameters, charging and its end, every period, every time-out, what is tried
again and what is not. `advance(state, frame or None, now)` gives the next state, the frames to send and when it
wants to be called again. Must not do I/O or read a clock (`run/charger` is its shell), nor make any current: the
bench's cycler does that, and this session only tells the BMS so.

    HANDSHAKE    CHM              until BHM
    IDENTIFY     CRM 00           until BRM
    RECOGNISED   CRM AA           until BCP
    PARAMETERS   CTS, CML         until BRO AA
    READY        CRO 00           until `Wants.ready`
    STARTING     CRO AA           until BCL and BCS
    CHARGING     CCS              until somebody stops
    STOPPING     CST              until BSD
    STATISTICS   CSD              for a while
    ENDED
    ERROR        CEM for a while, then IDENTIFY again; after `retries`, or when charging was under way:
    FAILED

A fault while charging ends the session for good: what a fault has switched off stays off until somebody begins
anew. A BMS that begins anew by itself (BHM, BRM while charging) has reset, and counts as lost.
Source: GB/T 27930-2015, chapters 8 to 10, figures A.1 to A.12, appendix C (see `wire/gbt27930_messages`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, NamedTuple

from packbench.core.errors import BadReply
from packbench.drivers.gbt27930_heard import Heard, faults
from packbench.drivers.gbt27930_session import BEFORE_CHARGING, UNDER_WAY, ChargerState, Phase, Wants, enter, say
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.wire.can import j1939_transport as transport
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939_transport import TransportState
from packbench.wire.gbt27930.frames import BMS, CHARGER, KINDS, message_in, message_of
from packbench.wire.gbt27930.messages import (
    CEM_CAUSES,
    READY,
    Bcl,
    Bcp,
    Bcs,
    Bem,
    Bhm,
    Brm,
    Bro,
    Bsd,
    Bsm,
    Bst,
    GbtMessage,
    causes,
)


class Step(NamedTuple):
    """What one call gives."""

    state: ChargerState
    frames: tuple[CanFrame, ...]
    wake_ns: int | None
    """When to call again without a frame; None: never."""


def begin(settings: ChargerSettings, now_ns: int) -> ChargerState:
    """A new session, nothing said yet."""
    tp = TransportState(CHARGER, settings.transport)
    first = Phase.HANDSHAKE if settings.edition == "2015" else Phase.IDENTIFY
    return enter(ChargerState(settings, first, now_ns, Wants(permit=settings.permit), tp=tp), first, now_ns)


def advance(state: ChargerState, frame: CanFrame | None, now_ns: int) -> Step:
    """Take a received frame (whatever is not a BMS's is ignored), or let time pass. Never raises."""
    tp = transport.advance(state.tp, frame, now_ns)
    state = replace(state, tp=tp.state)
    try:
        message = None
        if tp.message is not None:
            message = message_of(tp.message.source, tp.message.destination, tp.message.pgn, tp.message.payload)
        elif frame is not None:
            message = message_in(frame)
    except BadReply:
        state, message = replace(state, malformed=state.malformed + 1), None
    # What a charger says (another one, or an adapter that hands back what it sends) is nothing to go by.
    if message is not None and KINDS[type(message)].source == BMS:
        state = _hear(replace(state, heard=state.heard.having(now_ns, message)), message, now_ns)
    state = _pass_time(state, now_ns)
    state, said = say(state, now_ns)
    return Step(state, (*tp.frames, *said), _wake_ns(state))


# --------------------------------------------------------------------------------- hearing


def _hear(state: ChargerState, message: GbtMessage, now_ns: int) -> ChargerState:
    """What a message of the BMS changes."""
    phase = state.phase
    match message:
        case Bhm() if phase is Phase.HANDSHAKE:
            return enter(state, Phase.IDENTIFY, now_ns)
        case Brm() if phase is Phase.IDENTIFY:
            return enter(state, Phase.RECOGNISED, now_ns)
        case Bcp() if phase is Phase.RECOGNISED:
            return enter(state, Phase.PARAMETERS, now_ns)
        case Bro(state=said) if phase is Phase.PARAMETERS and said == READY:
            return enter(state, Phase.READY, now_ns)
        case Bhm() | Brm() if phase in UNDER_WAY:
            return _fail(state, "the BMS has begun anew while it was charged", (), now_ns)
        case Bsm() if phase in UNDER_WAY and state.settings.stop_on_fault and (found := faults(message)):
            return _stop(state, "fault", f"the BMS reports {', '.join(found)}", now_ns)
        case Bst() if phase in (Phase.PARAMETERS, Phase.READY, *UNDER_WAY):
            why = ", ".join(causes(message)) or "no cause given"
            return _stop(state, "bms_stopped", f"the BMS stopped charging: {why}", now_ns)
        case Bsd() if phase is Phase.STOPPING:
            return enter(state, Phase.STATISTICS, now_ns)
        case Bem() if phase in (Phase.RECOGNISED, Phase.PARAMETERS, Phase.READY, *UNDER_WAY):
            why = ", ".join(causes(message)) or "no cause given"
            return _fail(state, f"the BMS missed {why}", (), now_ns)
        case _:
            return _go_on(state, now_ns)


def _go_on(state: ChargerState, now_ns: int) -> ChargerState:
    """From one phase to the next by what has come together."""
    heard = state.heard
    if state.phase is Phase.READY and state.wants.ready:
        bro = heard.message(Bro)
        if bro is not None and bro.state == READY:
            return enter(state, Phase.STARTING, now_ns)
    if state.phase is Phase.STARTING and heard.get(Bcl) is not None and heard.get(Bcs) is not None:
        return replace(enter(state, Phase.CHARGING, now_ns), charging_ns=now_ns, counted_ns=now_ns)
    return state


def _stop(state: ChargerState, cause: str, reason: str, now_ns: int) -> ChargerState:
    """Begin the end of the session: CST for this cause."""
    early = state.phase not in UNDER_WAY
    wants = replace(state.wants, stop=cause)
    return enter(replace(state, wants=wants, reason=reason, early=early), Phase.STOPPING, now_ns)


def _fail(state: ChargerState, reason: str, missed: tuple[str, ...], now_ns: int) -> ChargerState:
    """Something did not come, or should not have: tell the BMS, and begin anew or give up."""
    # What no other handshake may mend is over for good: `_pass_time` sees that by the attempts used up.
    attempt = state.attempt if state.phase in BEFORE_CHARGING else state.settings.retries
    state = replace(state, reason=reason, missed=missed, attempt=attempt)
    return enter(state, Phase.ERROR, now_ns)


# ------------------------------------------------------------------------------------ time


def _pass_time(state: ChargerState, now_ns: int) -> ChargerState:
    """What the shell wants, and what did not come in time."""
    if state.wants.stop is not None and state.phase in BEFORE_CHARGING:
        # Nobody waits for a charger that was never recognised.
        begun = state.phase not in (Phase.HANDSHAKE, Phase.IDENTIFY)
        return _stop(state, state.wants.stop, "", now_ns) if begun else enter(state, Phase.ENDED, now_ns)
    if state.wants.stop is not None and state.phase in UNDER_WAY:
        return _stop(state, state.wants.stop, "", now_ns)
    if state.wants.stop is not None and state.phase is Phase.ERROR:
        return enter(state, Phase.FAILED, now_ns)
    state = _go_on(state, now_ns)
    if now_ns < _deadline(state).at_ns:
        return state
    return _expired(state, now_ns)


class _Deadline(NamedTuple):
    """What has to come by when."""

    at_ns: int
    missed: str


_NEVER: Final = _Deadline(1 << 62, "")


def _deadline(state: ChargerState) -> _Deadline:
    """The earliest thing that has to come in this phase, or the phase's own end."""
    settings, since_ns, general_ns = state.settings, state.since_ns, state.settings.general_timeout_ns

    def after(kind: type[GbtMessage], timeout_ns: int) -> int:
        item = state.heard.get(kind)
        return (since_ns if item is None else max(item.t_ns, since_ns)) + timeout_ns

    match state.phase:
        case Phase.HANDSHAKE:
            return _Deadline(since_ns + general_ns, "bhm")
        case Phase.IDENTIFY:
            return _Deadline(since_ns + general_ns, "brm")
        case Phase.RECOGNISED:
            return _Deadline(since_ns + general_ns, "bcp")
        case Phase.PARAMETERS:
            return _Deadline(min(after(Bro, general_ns), since_ns + settings.bro_timeout_ns), "bro")
        case Phase.READY:
            return _Deadline(after(Bro, general_ns), "bro")
        case Phase.STARTING:
            missed = "bcl" if state.heard.get(Bcl) is None else "bcs"
            return _Deadline(since_ns + general_ns, missed)
        case Phase.CHARGING:
            return min(
                _Deadline(after(Bcl, settings.bcl_timeout_ns), "bcl"),
                _Deadline(after(Bcs, settings.bcs_timeout_ns), "bcs"),
                _Deadline(after(Bsm, general_ns), "bsm"),
            )
        case Phase.STOPPING:
            if state.early:
                return _Deadline(since_ns + settings.early_stop_ns, "")
            if state.heard.get(Bst) is None:
                return _Deadline(since_ns + general_ns, "bst")
            return _Deadline(since_ns + settings.bsd_timeout_ns, "bsd")
        case Phase.STATISTICS:
            return _Deadline(since_ns + settings.csd_time_ns, "")
        case Phase.ERROR:
            return _Deadline(since_ns + settings.cem_time_ns, "")
        case _:
            return _NEVER


def _expired(state: ChargerState, now_ns: int) -> ChargerState:
    """The phase's deadline has passed."""
    match state.phase:
        case Phase.STATISTICS:
            return enter(state, Phase.ENDED, now_ns)
        case Phase.STOPPING if state.early:
            return enter(state, Phase.ENDED, now_ns)
        case Phase.ERROR if state.attempt >= state.settings.retries:
            return enter(state, Phase.FAILED, now_ns)
        case Phase.ERROR:
            # Annex C: begun anew with the identification; a handshake that was had is not had again.
            bhm = state.heard.get(Bhm)
            greeted = bhm is not None or state.settings.edition == "2011"
            heard = Heard() if bhm is None else Heard((bhm,))
            again = replace(state, attempt=state.attempt + 1, heard=heard, missed=())
            return enter(again, Phase.IDENTIFY if greeted else Phase.HANDSHAKE, now_ns)
        case _:
            missed = _deadline(state).missed
            known = (missed,) if missed in CEM_CAUSES else ()
            return _fail(state, f"the BMS sent no {missed.upper()} in time ({state.phase})", known, now_ns)


def _wake_ns(state: ChargerState) -> int | None:
    instants = [item.at_ns for item in state.due]
    deadline_ns = _deadline(state).at_ns
    if deadline_ns < _NEVER.at_ns:
        instants.append(deadline_ns)
    tp_ns = transport.wake_ns(state.tp)
    if tp_ns is not None:
        instants.append(tp_ns)
    return min(instants, default=None)
