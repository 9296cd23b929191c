"""A BMS that speaks GB/T 27930-2015 on CAN, behind an slcan adapter, backed by the simulated pack.

Owns the vehicle's side of a charging session: what it says when, its time-outs (a charger that is silent for 1 s while
charging is answered with BST and BEM), and its contactors, which it closes for a session and opens at its end. A
fault of silence is the BMS's: the adapter goes on answering, as a bus without a BMS would look.

    idle          waits for CHM (or CRM: the 2011 edition has no CHM)
    greeting      BHM              until CRM
    identifying   BRM              until CRM AA
    configuring   BCP              until CML
    preparing     BRO 00, BRO AA   until CRO AA
    charging      BCL, BCS, BSM, and BMV, BMT every 10 s
    stopping      BST              until CST
    reporting     BSD              until CSD
    complaining   BEM 5 times      then idle

Sources: GB/T 27930-2015 as in `packbench.wire.gbt27930.messages`; BEM five times is what the BMS of a trace does
(ru5t/gbt27930-CAN-parser, candump2.log), 10 ms from one packet to the next that of another (hybtalented, input.txt).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, Literal

from packbench.core.errors import BadReply, InputError, Problem
from packbench.core.specs import PackSpec
from packbench.wire.can import j1939_transport as transport
from packbench.wire.can.frame import DATA_MAX, CanFrame
from packbench.wire.can.j1939_transport import TransportSettings, TransportState
from packbench.wire.gbt27930.frames import BITRATE, BMS, CHARGER, KINDS, frame_of, message_in, message_of, payload_of
from packbench.wire.gbt27930.messages import (
    BEM_CAUSES,
    BST_CAUSES,
    NOT_YET,
    READY,
    Bcl,
    Bcp,
    Bcs,
    Bem,
    Bhm,
    Bmt,
    Bmv,
    Brm,
    Bro,
    Bsd,
    Bsm,
    Bst,
    Ccs,
    Cem,
    Chm,
    Cml,
    Crm,
    Cro,
    Csd,
    Cst,
    GbtMessage,
    states,
)
from packbench_sim.devices.gbt27930_words import Plate, Words
from packbench_sim.devices.slcan_adapter import SlcanAdapter
from packbench_sim.parts import BmsPart
from packbench_sim.playing import Player, Playing, Silent, Switches

_MS: Final = 1_000_000
_S: Final = 1_000_000_000
OUTPUT_MAX: Final = 65_536
"""Bytes kept for a host that reads nothing."""
_BST_NS: Final = 50 * _MS
"""BST goes on for so long after CST has come (in the trace BSD follows 60 ms later)."""
_CSD_HEARD_NS: Final = 500 * _MS
"""BSD goes on for so long after CSD has come."""
_LOOK_NS: Final = 100 * _MS
"""How often a silent BMS finds out whether it still is."""

Phase = Literal[
    "idle", "greeting", "identifying", "configuring", "preparing", "charging", "stopping", "reporting", "complaining"
]
_TALK: Final[dict[Phase, tuple[type[GbtMessage], ...]]] = {
    "idle": (),
    "greeting": (Bhm,),
    "identifying": (Brm,),
    "configuring": (Bcp,),
    "preparing": (Bro,),
    "charging": (Bcl, Bcs, Bsm, Bmv, Bmt),
    "stopping": (Bst,),
    "reporting": (Bsd,),
    "complaining": (Bem,),
}
_MISSED: Final[dict[Phase, tuple[str, int]]] = {
    "greeting": ("crm_00", 30 * _S),
    "identifying": ("crm_aa", 5 * _S),
    "configuring": ("cts_cml", 5 * _S),
    "preparing": ("cro", 60 * _S),
    "charging": ("ccs", 1 * _S),
    "stopping": ("cst", 5 * _S),
    "reporting": ("csd", 10 * _S),
    "complaining": ("", 1250 * _MS),
}
"""What has to come in a phase, and how long it is waited for (figure A.6); "charging" since the last CCS."""
_CONNECTED: Final = ("preparing", "charging", "stopping")
_LISTS: Final = (Bmv, Bmt)
_ENDS: Final = (Cst, Csd)


class Gbt27930Device:
    """`parts.TalkingDevice` of a BMS on CAN.

    Args:
        part: The simulated BMS.
        pack: The pack behind it.
        plate: What it says of itself.
        pinned: Messages that are said exactly so, instead of what the pack would have it say.
        cells: Whether it sends BMV and BMT, which are optional.
        ready_after_ns: How long it says BRO 00 before BRO AA.
        stop_soc: It ends charging at this state of charge; None: never by itself.
        transport_settings: Times of its long messages, and byte 5 of its RTS.
        silent: A fault: while it returns True, the BMS neither hears nor speaks.
        switches: What its contactors do to the plant.
    """

    def __init__(
        self,
        part: BmsPart,
        pack: PackSpec,
        *,
        plate: Plate | None = None,
        pinned: Iterable[GbtMessage] = (),
        cells: bool = True,
        ready_after_ns: int = 300 * _MS,
        stop_soc: float | None = None,
        transport_settings: TransportSettings | None = None,
        silent: Silent | None = None,
        switches: Switches | None = None,
    ) -> None:
        self.adapter = SlcanAdapter(BITRATE)
        self.phase: Phase = "idle"
        self._part = part
        self._words = Words(pack, plate or Plate())
        self._pinned = {type(message): message for message in pinned}
        self._lists = cells
        self._ready_after_ns = ready_after_ns
        self._stop_soc = stop_soc
        self._silent = silent
        self._switches = switches
        self._tp = TransportState(BMS, transport_settings or TransportSettings())
        self._output = bytearray()
        self._since_ns = 0
        self._due: dict[type[GbtMessage], int] = {}
        self._heard_ns: dict[type[GbtMessage], int] = {}
        """When a message came last; of those that end a session, when first."""
        self._waiting: list[GbtMessage] = []
        """Long messages that wait for the one before."""
        self._cause = ""
        self._missed = ""

    # ------------------------------------------------------------- parts.TalkingDevice

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        """The adapter's replies; what the BMS says is in `take_output`."""
        replies, frames = self.adapter.on_bytes(data)
        for frame in frames:
            self._hear(t_ns, frame)
        return replies

    def tick(self, t_ns: int) -> int | None:
        """Say what is due, give up what did not come."""
        if self._is_silent(t_ns):
            return t_ns + _LOOK_NS
        self._pass_time(t_ns)
        self._say(t_ns)
        return self._wake_ns()

    def take_output(self) -> bytes:
        output = bytes(self._output)
        self._output.clear()
        return output

    def stop(self, t_ns: int, cause: str) -> None:
        """End charging for this cause out of BST_CAUSES."""
        self._cause = cause
        self._enter(t_ns, "stopping")

    # ----------------------------------------------------------------------- hearing

    def _is_silent(self, t_ns: int) -> bool:
        return self._silent is not None and self._silent(t_ns)

    def _hear(self, t_ns: int, frame: CanFrame) -> None:
        if self._is_silent(t_ns):
            return
        step = transport.advance(self._tp, frame, t_ns)
        self._tp = step.state
        self._send(step.frames)
        try:
            message = message_in(frame)
            if step.message is not None:
                message = message_of(*step.message[:4])
        except BadReply:
            # A charger that counts differently: what it says is not understood.
            return
        if message is not None:
            if type(message) in _ENDS:
                self._heard_ns.setdefault(type(message), t_ns)
            else:
                self._heard_ns[type(message)] = t_ns
            self._obey(t_ns, message)

    def _obey(self, t_ns: int, message: GbtMessage) -> None:
        """What a message of the charger changes."""
        phase = self.phase
        match message:
            case Chm() if phase != "greeting":
                self._enter(t_ns, "greeting")
            case Crm(state=said) if said == NOT_YET and phase not in ("identifying", "complaining"):
                self._enter(t_ns, "identifying")
            case Crm(state=said) if said == READY and phase == "identifying":
                self._enter(t_ns, "configuring")
            case Cml() if phase == "configuring":
                self._enter(t_ns, "preparing")
            case Cro(state=said) if said == READY and phase == "preparing" and self._is_ready(t_ns):
                self._enter(t_ns, "charging")
            case Cst() if phase in ("identifying", "configuring", "preparing", "charging"):
                self.stop(t_ns, "charger_stopped")
            case Cem() if phase not in ("idle", "complaining"):
                self._enter(t_ns, "idle")
            case _:
                pass

    # -------------------------------------------------------------------------- time

    def _enter(self, t_ns: int, phase: Phase) -> None:
        """Begin a phase; its messages are due at once. The contactors follow."""
        was_connected = self.phase in _CONNECTED
        self.phase, self._since_ns = phase, t_ns
        kinds = [kind for kind in _TALK[phase] if self._lists or kind not in _LISTS]
        if phase == "stopping" and self._missed:
            kinds.append(Bem)
        self._due = dict.fromkeys(kinds, t_ns)
        # What was on its way belongs to the phase before; the next RTS takes its place.
        self._waiting.clear()
        self._tp = replace(self._tp, sending=())
        if phase in ("idle", "greeting", "identifying"):
            self._cause = self._missed = ""
            self._heard_ns.clear()
        if self._switches is not None and (phase in _CONNECTED) != was_connected:
            self._switches(t_ns, phase in _CONNECTED, phase in _CONNECTED)

    def _is_ready(self, t_ns: int) -> bool:
        return t_ns - self._since_ns >= self._ready_after_ns

    def _deadline_ns(self) -> int | None:
        """When the phase ends by itself."""
        if self.phase == "idle":
            return None
        if self.phase == "stopping" and Cst in self._heard_ns:
            return max(self._since_ns, self._heard_ns[Cst]) + _BST_NS
        if self.phase == "reporting" and Csd in self._heard_ns:
            return self._heard_ns[Csd] + _CSD_HEARD_NS
        since_ns = self._heard_ns.get(Ccs, self._since_ns) if self.phase == "charging" else self._since_ns
        return since_ns + _MISSED[self.phase][1]

    def _pass_time(self, t_ns: int) -> None:
        deadline_ns = self._deadline_ns()
        if deadline_ns is not None and t_ns >= deadline_ns:
            self._expire(t_ns)
        stop_soc = self._stop_soc
        if self.phase == "charging" and stop_soc is not None and self._part.reading(t_ns).soc >= stop_soc:
            self.stop(t_ns, "soc_reached")

    def _expire(self, t_ns: int) -> None:
        if self.phase == "complaining" or (self.phase == "reporting" and Csd in self._heard_ns):
            self._enter(t_ns, "idle")
        elif self.phase == "stopping" and Cst in self._heard_ns:
            self._enter(t_ns, "reporting")
        elif self.phase == "charging":
            self._missed = "ccs"
            self.stop(t_ns, "other_fault")
        else:
            self._missed = self._missed or _MISSED[self.phase][0]
            self._enter(t_ns, "complaining")

    def _wake_ns(self) -> int | None:
        instants = list(self._due.values())
        if (deadline_ns := self._deadline_ns()) is not None:
            instants.append(deadline_ns)
        if (tp_ns := transport.wake_ns(self._tp)) is not None:
            instants.append(tp_ns)
        return min(instants, default=None)

    # ----------------------------------------------------------------------- talking

    def _say(self, t_ns: int) -> None:
        step = transport.advance(self._tp, None, t_ns)
        self._tp = step.state
        self._send(step.frames)
        for kind, at_ns in list(self._due.items()):
            if at_ns <= t_ns:
                period_ns = KINDS[kind].period_ms * _MS
                self._due[kind] = at_ns + ((t_ns - at_ns) // period_ns + 1) * period_ns
                self._queue(self._message(t_ns, kind))
        if self._waiting and not transport.is_sending(self._tp, CHARGER):
            kind, payload = payload_of(self._waiting.pop(0))
            step = transport.send(self._tp, CHARGER, kind.pgn, payload, t_ns)
            self._tp = step.state
            self._send(step.frames)

    def _queue(self, message: GbtMessage) -> None:
        """A short message goes out; a long one waits for its turn, in which its newest version is sent."""
        if len(payload_of(message)[1]) <= DATA_MAX:
            self._send((frame_of(message),))
            return
        self._waiting = [item for item in self._waiting if type(item) is not type(message)]
        self._waiting.append(message)

    def _send(self, frames: Iterable[CanFrame]) -> None:
        for frame in frames:
            line = self.adapter.line_of(frame)
            if len(self._output) + len(line) <= OUTPUT_MAX:
                self._output += line

    def _message(self, t_ns: int, kind: type[GbtMessage]) -> GbtMessage:
        """What the BMS says of one kind now."""
        if kind in self._pinned:
            return self._pinned[kind]
        if kind is Bhm:
            return self._words.bhm()
        if kind is Bro:
            return Bro(READY if self._is_ready(t_ns) else NOT_YET)
        if kind is Bst:
            return Bst(states(BST_CAUSES, self._cause))
        if kind is Bem:
            return Bem(states(BEM_CAUSES, self._missed))
        return self._words.measured(kind, self._part.reading(t_ns))


def _make(playing: Playing) -> Gbt27930Device:
    brm_bytes = round(playing.option("brm_bytes", 49))
    if brm_bytes not in (41, 49):
        found = playing.text("brm_bytes", "")
        raise InputError(Problem("", field="--set brm_bytes", found=found, expected="41 or 49"))
    plate = Plate(_text(playing, "maker", "PKBH", 4), _text(playing, "vin", "PACKBENCH00000001", 17), brm_bytes)
    stop_soc = playing.option("stop_soc", 2.0)
    limit = min(max(round(playing.option("rts_limit", 0xFF)), 1), 0xFF)
    return Gbt27930Device(
        playing.bms,
        playing.pack,
        plate=plate,
        cells=playing.option("cells", 1) != 0,
        ready_after_ns=round(playing.option("ready_after_s", 0.3) * _S),
        stop_soc=stop_soc if stop_soc <= 1.0 else None,
        transport_settings=TransportSettings(rts_limit=limit),
        silent=playing.silent,
        switches=playing.switches,
    )


def _text(playing: Playing, name: str, default: str, size: int) -> str:
    """A text of so many characters; a shorter one is filled with blanks."""
    text = playing.text(name, default)
    if not text.isascii() or len(text) > size:
        raise InputError(Problem("", field=f"--set {name}", found=text, expected=f"up to {size} ASCII characters"))
    return text.ljust(size)


play_gbt27930 = Player(
    _make,
    {
        "cells": "0: sends no BMV and BMT (both are optional)",
        "ready_after_s": "seconds of BRO 00 before BRO AA (default 0.3)",
        "stop_soc": "ends charging at this state of charge (default: never by itself)",
        "brm_bytes": "41 or 49 (default): the standard has both",
        "rts_limit": "byte 5 of its RTS: packets it sends on one CTS (default 255)",
        "maker": "4 characters of BRM",
        "vin": "17 characters of BRM",
    },
)
