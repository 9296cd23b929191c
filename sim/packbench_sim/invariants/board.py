"""I1, I3 and I4: what the board lets happen, judged by the messages that reached it and by what its contactor did.

Owns an account of its own of tokens, counters, the lease and precharge. Must not ask the board, nor use anything the
firmware concluded except its plain answers (an arming that was acknowledged, a status that says "tripped").

I1. Seen: every frame that reached the board (decoded here a second time), coil, contact and current in the plant. A
    heartbeat counts when its token is the newest acknowledged arming's and its counter rose; the arming itself counts
    as one, since it starts the lease. Violated when the coil is on later than 600 ms after the newest, or 1 A flows
    later than that plus the contactor's release time. No tolerance: the promise is lease 500 ms + load break 80 ms,
    and the state is judged up to the very instant at which anything changes it.
I3. Seen: edges of the coil and of the cycler's output. Each "on" needs an acknowledged arming whose token is greater
    than every token used before the last opening or trip, whichever came later. No tolerance. Where operators' words
    are told (`words_required`), one must have been said since the last trip and in this controller's life.
I4. Seen: each closing of the contact. The volts across it, as the board's own sensors show them (its gain and offset
    without the reading's noise), are at most the configured difference, with 2 % and 20 mV for what moves during the
    pull-in time; and the precharge relay was commanded on throughout the configured settling time before the coil was.
"""

from __future__ import annotations

from binascii import crc_hqx

from packbench_board import cobs
from packbench_board.codec import CRC_START
from packbench_board.codes import Flag, Output, Phase, State
from packbench_board.frames import (
    ANSWERS,
    REQUESTS,
    VERSION,
    Ack,
    Arm,
    BoardMessage,
    Configure,
    Heartbeat,
    HostMessage,
    Reset,
    Status,
)
from packbench_sim.invariants.violation import MS, NEVER_NS, Report, Violation
from packbench_sim.world import World

HEARTBEAT_MAX_NS = 600 * MS
FLOWS_A = 1.0
"""Less than this through the contact is no output."""
CLOSING_SHARE = 0.02
CLOSING_V = 0.02

_REQUESTS = {number: (kind, layout) for kind, (number, layout) in REQUESTS.items()}
_PRECHARGE, _PROVING, _TRIPPED = int(Output.PRECHARGE), int(Flag.PROVING), int(State.TRIPPED)
_LONGEST = 512
"""A block without a delimiter is noise from here on."""


def host_message(block: bytes) -> tuple[int, HostMessage] | None:
    """(sequence, message) of one received block without its delimiter; None: no frame of this link."""
    found = bytearray(block)
    if len(found) < 4 or not cobs.decode(found) or crc_hqx(found[1:], CRC_START) != 0 or found[1] != VERSION:
        return None
    known = _REQUESTS.get(found[2])
    if known is None or len(found) - 3 != known[1].size:
        return None
    return found[3], known[0]._make(known[1].unpack_from(found, 1)[3:])


def board_message(block: bytes) -> tuple[int, BoardMessage] | None:
    """The same for what the board sends."""
    # Straight from the core: no line has had a chance to change it, so its CRC says nothing here.
    found = bytearray(block)
    if len(found) < 4 or not cobs.decode(found) or found[1] != VERSION:
        return None
    known = ANSWERS.get(found[2])
    if known is None or len(found) - 6 != known[1].size:
        return None
    return found[3], known[0]._make(known[1].unpack_from(found, 4))


class BoardWatch:
    """Follows one board. `due_ns`: when it wants to be asked (`overdue`), in case nothing happens before."""

    def __init__(self, world: World, report: Report) -> None:
        self._plant = world.plant
        self._cycler, self._contactor = world.plant.cycler, world.plant.contactor
        self._report = report
        self._release_ns = world.plant.bench.contactor_release_ns
        self._received = bytearray()
        self._configured: Configure | None = None
        self._token = 0
        """Of the newest acknowledged arming."""
        self._counter = 0
        self._highest = 0
        """Of all tokens used."""
        self._floor = 0
        """Of those used before the last opening or trip."""
        self._armed_anew = False
        self._beat_ns = -NEVER_NS
        """The newest valid heartbeat."""
        self._precharge_ns: int | None = None
        """Since when the relay is commanded on."""
        self._settled = False
        """Precharge had gone on long enough when the coil went on."""
        self.phase = int(Phase.NONE)
        """As the newest status says it."""
        self.proving = False
        self.due_ns = NEVER_NS
        self.valid_heartbeats = 0
        self.words_required = False
        """What operators say is told: each closing then needs a word since the last trip, and in this life."""
        self.word_said = False

    # -- what reaches the board --------------------------------------------------------------

    def exchanged(self, data: bytes, sent: bytes) -> list[tuple[HostMessage, BoardMessage]]:
        """The whole exchanges in bytes that the board took, and in what it sent upon them."""
        if not self._received and data.find(0) == len(data) - 1 and sent.find(0) == len(sent) - 1:
            # One whole frame each way: what nearly every exchange is.
            alone, answered = host_message(data[:-1]), board_message(sent[:-1])
            if alone is not None and answered is not None:
                return [(alone[1], answered[1])] if alone[0] == answered[0] else []
        self._received += data
        *blocks, rest = bytes(self._received).split(b"\0")
        self._received = bytearray(rest[-_LONGEST:])
        asked = {found[0]: found[1] for block in blocks if (found := host_message(block)) is not None}
        answers = [answer for block in sent.split(b"\0") if block and (answer := board_message(block)) is not None]
        return [(asked[sequence], answer) for sequence, answer in answers if sequence in asked]

    def on_asked(self, t_ns: int, request: HostMessage, reply: BoardMessage) -> bool:
        """One request and its answer; whether it was a heartbeat that renews."""
        if isinstance(reply, Status):
            self.phase, self.proving = reply.phase, reply.flags & _PROVING != 0
            if reply.state == _TRIPPED or reply.trip_code:
                self._disarmed()
                self.word_said = False
            if isinstance(request, Heartbeat):
                return self._heartbeat(t_ns, request)
        elif isinstance(reply, Ack):
            if isinstance(request, Arm):
                self._arm(t_ns, request.token)
            elif isinstance(request, Reset):
                self._highest = max(self._highest, request.token)
            elif isinstance(request, Configure):
                self._configured = request
        return False

    def _heartbeat(self, t_ns: int, beat: Heartbeat) -> bool:
        if beat.token != self._token or beat.counter <= self._counter:
            return False
        self._counter = beat.counter
        self._renewed(t_ns)
        return True

    def _arm(self, t_ns: int, token: int) -> None:
        if token > self._floor and token > self._highest:
            self._armed_anew = True
            self._token, self._counter = token, 0
            self._renewed(t_ns)
        self._highest = max(self._highest, token)

    def _renewed(self, t_ns: int) -> None:
        self.valid_heartbeats += 1
        self._beat_ns = t_ns
        self._look_when_due()

    def life_ended(self) -> None:
        """The controller is gone, and the word that it had been given with it."""
        self.word_said = False

    def rebooted(self, _t_ns: int) -> None:
        """The board's microcontroller was reset: it has no token, and none of those used before counts."""
        self._token = self._counter = self._highest = self._floor = 0
        self._armed_anew = False

    def _disarmed(self) -> None:
        self._floor = self._highest
        self._armed_anew = False

    # -- what the world does -----------------------------------------------------------------

    def on_driven(self, t_ns: int, outputs: int) -> None:
        """The board's outputs change."""
        if not outputs & _PRECHARGE:
            self._precharge_ns = None
        elif self._precharge_ns is None:
            self._precharge_ns = t_ns

    def on_coil(self, t_ns: int, closed: bool) -> None:
        """The coil is switched."""
        if not closed:
            self._disarmed()
        else:
            settle_ns = 0 if self._configured is None else self._configured.precharge_settle_ms * MS
            since_ns = self._precharge_ns
            self._settled = since_ns is not None and t_ns - since_ns >= settle_ns - MS
            self._require_armed(t_ns, "the coil")
        self._look_when_due()

    def on_output(self, t_ns: int) -> None:
        """The cycler's output goes from off to on."""
        self._require_armed(t_ns, "the cycler's output")
        self._look_when_due()

    def _require_armed(self, t_ns: int, what: str) -> None:
        if not self._armed_anew:
            text = f"{what} went on with no arming newer than the last opening or trip"
            self._report(Violation("I3", t_ns, text, {"token": self._token, "newer_than": self._floor}))
        elif self.words_required and not self.word_said:
            self._report(Violation("I3", t_ns, f"{what} went on without an operator's word", {"token": self._token}))

    def on_move(self, t_ns: int, closes: bool, across_v: float, _current_a: float) -> None:
        """The contact moves."""
        self._look_when_due()
        if not closes:
            return
        configured = self._configured
        most_v = 0.0 if configured is None else configured.precharge_delta_mv / 1000.0
        data = {"across_v": across_v, "most_v": most_v}
        if not across_v <= most_v * (1.0 + CLOSING_SHARE) + CLOSING_V:
            self._report(Violation("I4", t_ns, f"closed with {across_v:.2f} V across, {most_v:.2f} V allowed", data))
        if not self._settled:
            self._report(Violation("I4", t_ns, "closed without having been precharged for the settling time", data))

    def look(self) -> None:
        """Something may have made current flow: judge it at the next tick that is late."""
        self._look_when_due()

    # -- time --------------------------------------------------------------------------------

    def _look_when_due(self) -> None:
        late_ns = self._beat_ns + HEARTBEAT_MAX_NS
        self.due_ns = late_ns if self._contactor.coil else late_ns + self._release_ns

    def overdue(self, now_ns: int) -> None:
        """Time has come to `now_ns`, later than `due_ns`: what has held until now is judged."""
        late_ns = self._beat_ns + HEARTBEAT_MAX_NS
        age_s = (now_ns - self._beat_ns) / 1e9
        self.due_ns = NEVER_NS
        if self._contactor.coil:
            text = f"the coil is on {min(age_s, 1e6):.3f} s after the last valid heartbeat"
            data = {"age_s": age_s, "coil": True, "current_a": self.flowing_a(now_ns)}
            self._report(Violation("I1", now_ns, text, data))
        elif now_ns > late_ns + self._release_ns:
            current_a = self.flowing_a(now_ns)
            if abs(current_a) >= FLOWS_A:
                text = f"{current_a:.1f} A flow {min(age_s, 1e6):.3f} s after the last valid heartbeat"
                self._report(Violation("I1", now_ns, text, {"age_s": age_s, "current_a": current_a}))
        else:
            self.due_ns = late_ns + self._release_ns

    def flowing_a(self, now_ns: int) -> float:
        """The true current. The plant is brought to now only where what it last knew would be a violation."""
        if abs(self._cycler.current_a) >= FLOWS_A:
            self._plant.advance_to(now_ns)
        return self._cycler.current_a if self._contactor.closed else 0.0
