"""The simulated interlock board: the same C core as the real one, in virtual time, driving the plant's contactor.

Owns the board's wiring in the simulated world: which measurements and inputs the core sees, and where its outputs go.
Must not decide anything the firmware decides. Two faces: SimBoard on a byte stream, DirectBoard without bytes for
object level; both step the same core and differ by frames alone.

Virtual time has no control loop at 1 kHz. The core is stepped when bytes arrive and when it asked to be stepped (lease,
precharge, opening, delays), so its own limits are looked at with every heartbeat; `sample_period_ns` makes it look more
often, for scenarios about the board's own reaction times.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NoReturn

from packbench.clock import Clock
from packbench.core.errors import BadReply, DeviceRefused
from packbench.core.samples import BoardSample
from packbench.drivers.protocols import Identity
from packbench_board.client import check_hello, operator_bytes, require_untripped
from packbench_board.clock_fit import ClockFit
from packbench_board.codes import IDLE_US, Flag, Input, Output, Phase, Refusal, ResetCause, State
from packbench_board.core import HostCore, Measured
from packbench_board.frames import (
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    Arm,
    BoardMessage,
    Close,
    Event,
    EventQuery,
    Heartbeat,
    Hello,
    HelloReply,
    HostMessage,
    Nak,
    Open,
    Prove,
    Reset,
    Sign,
    Snapshot,
    SnapshotQuery,
    Status,
    StatusQuery,
    Trip,
)
from packbench_board.settings import BoardSettings, config_crc
from packbench_board.words import BoardEvent, board_event, board_sample
from packbench_sim.parts import ContactorPart

NS_PER_US = 1000
TICK_MASK = 0xFFFFFFFF
CYCLE_NS = 1_000_000
"""How often a real board's core is stepped."""
RUSHES_MAX = 100
IDLE_NS = IDLE_US * NS_PER_US
NEVER_NS = 1 << 62
"""Later than any run: nothing is pending."""
HEALTHY_INPUTS = int(Input.ESTOP_OK | Input.HVIL_OK | Input.GAS_OK | Input.SENSORS_OK | Input.INSULATION_OK)
"""No fault, key not turned."""
WATCHDOG_NS = 250_000_000
"""After the last feed (faults catalogue, host.mcu_hang): the latest at which a hanging microcontroller is reset."""
SLOW = 0.6
"""Of its right frequency: an oscillator that was set up for another crystal."""
TEMPERATURES_EVERY_NS = 1_000_000_000
"""How often the board's own temperature sensors are read: no faster than a pack can change."""

_STATES = {int(state): state for state in State}
_PHASES = {int(phase): phase for phase in Phase}
_AUX_CLOSED = int(Input.AUX_CLOSED)
_CONTACTOR = int(Output.CONTACTOR)
_PRECHARGE = int(Output.PRECHARGE)
_ENABLE = int(Output.CYCLER_ENABLE)
_CHAIN = int(Input.ESTOP_OK | Input.HVIL_OK)
"""Emergency stop, interlock loop and door: in series with the coil's supply and the cycler's enable, in hardware."""
_ANSWERS = ((int(Output.BMS_WAKE), int(Input.BMS_OK)), (int(Output.PACK_REQUEST), int(Input.PACK_CLOSED)))
"""What the pack answers to an output with, at once: its BMS is awake, its own contactors are closed."""


class SimBoard:
    """A board on a byte stream (packbench_sim.parts.WireDevice).

    Args:
        contactor: what the coil moves and the sensors see.
        on_enable: told (t_ns, enabled) when the hard-wired enable of the cycler changes.
        on_precharge: told (t_ns, closed) when the precharge relay changes.
        start_ns: when it is switched on.
        boot_tick_us: value of the board's free-running 32-bit tick at t = 0; its wrap is reached as on a real one.
        sample_period_ns: how often the board looks at its sensors by itself; None: only when something happens.
        temperatures_c: its own sensors on the pack, in degC.
    """

    def __init__(
        self,
        contactor: ContactorPart,
        *,
        on_enable: Callable[[int, bool], None] | None = None,
        on_precharge: Callable[[int, bool], None] | None = None,
        start_ns: int = 0,
        boot_tick_us: int = 0,
        sample_period_ns: int | None = None,
        temperatures_c: Callable[[], Sequence[float]] | None = None,
    ) -> None:
        self._contactor = contactor
        self._on_enable = on_enable
        self._on_precharge = on_precharge
        self._boot_tick_us = boot_tick_us
        self._sample_period_ns = sample_period_ns
        self._temperatures_c = temperatures_c
        self._temperatures_ns = 0
        self._core = HostCore((start_ns // NS_PER_US + boot_tick_us) & TICK_MASK)
        self._outputs = 0
        self._answered = 0
        """Inputs that the pack answers the outputs with."""
        self._driven = 0
        """What gets through the hard-wired chain of the outputs."""
        self.halted = False
        """The microcontroller stands still: its outputs stay as they are, and only the hard-wired chain acts."""
        self._slow_ns: int | None = None
        """Since when its oscillator is slow; None: it keeps time."""
        self._reset_ns = NEVER_NS
        """When the hardware watchdog resets a halted core."""
        self._due_ns = 0
        self._promised_ns = 0
        self._rushes = 0
        """Steps in a row after which the core wanted the next one at once."""
        self._idle_until_ns = start_ns + IDLE_NS
        self.on_earlier: Callable[[int], None] | None = None
        """Called with an instant that is earlier than what `tick` returned last, for whoever holds the timer."""
        self._inputs_changed = False
        self.on_heard: Callable[[int, bytes, bytes], None] | None = None
        """Told (t_ns, bytes received, bytes sent) of every exchange."""
        self.on_asked: Callable[[int, HostMessage, BoardMessage], None] | None = None
        """The same at object level."""
        self.on_driven: Callable[[int, int], None] | None = None
        """Told (t_ns, bits of `Output`) when what its outputs do to the world changes, before it does."""
        self.on_reboot: Callable[[int], None] | None = None
        """Told when the watchdog has reset it: it remembers nothing but its latch."""
        self.inputs = HEALTHY_INPUTS
        """Discrete inputs besides the auxiliary contact; faults and the key switch change them (`set_input`)."""

    @property
    def outputs(self) -> int:
        """Bits of `Output` as the core commands them."""
        return self._outputs

    @property
    def state(self) -> State:
        """As the core has it; its own account, not what it says on the wire."""
        return _STATES[self._core.state]

    @property
    def phase(self) -> Phase:
        """How far the arm sequence is, likewise."""
        return _PHASES[self._core.phase]

    def set_input(self, which: Input, level: bool) -> None:
        """Turn the key, press the emergency stop (estop_ok False), open the door; seen at once."""
        self.inputs = self.inputs | which if level else self.inputs & ~which
        self._inputs_changed = True
        self._due_ns = 0
        self._tell_earlier()

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        """Feed received bytes; returns what the board sends."""
        if self.halted:
            self._drive(t_ns)
            if t_ns >= self._reset_ns:
                self._reboot(t_ns)
            else:
                self._due_ns = self._reset_ns
            return b""
        tick_us, inputs, measured = self._seen(t_ns)
        sent = self._core.step(tick_us, inputs, measured, data)
        self._act(t_ns, t_ns // NS_PER_US)
        if self.on_heard is not None and (data or sent):
            self.on_heard(t_ns, data, sent)
        return sent

    def hang(self, t_ns: int) -> None:
        """The microcontroller hangs, interrupts off: its outputs stay until the watchdog has reset it."""
        self.halted = True
        self._due_ns = self._reset_ns = t_ns + WATCHDOG_NS
        self._tell_earlier()

    def run_slow(self, t_ns: int) -> None:
        """From now on its oscillator is at `SLOW` of what it should be, and all its times are so much longer."""
        self._slow_ns = t_ns
        self._due_ns = 0
        self._tell_earlier()

    def keep_time(self, t_ns: int) -> None:
        """Somebody has mended its oscillator: it starts anew, and its tick is where it would have been."""
        if self._slow_ns is not None:
            self._slow_ns = None
            self._reboot(t_ns, ResetCause.PIN)
            self._tell_earlier()

    def _tick_us(self, t_ns: int) -> int:
        """Its free-running tick at an instant."""
        own_ns = t_ns if self._slow_ns is None else self._slow_ns + round((t_ns - self._slow_ns) * SLOW)
        return (own_ns // NS_PER_US + self._boot_tick_us) & TICK_MASK

    def look_often(self, period_ns: int | None) -> None:
        """Have it look at its sensors by itself, as a real one does at 1 kHz; None: only when something happens."""
        self._sample_period_ns = period_ns
        self._due_ns = 0
        self._tell_earlier()

    def power_cycle(self, t_ns: int) -> None:
        """Somebody switches it off and on: it has forgotten its configuration, and its latch."""
        self._reboot(t_ns, ResetCause.POWER_ON)
        self._tell_earlier()

    def _reboot(self, t_ns: int, cause: ResetCause = ResetCause.WATCHDOG) -> None:
        """A core that has just been started; of what it knew, a latch alone outlasts a reset (not a power cycle)."""
        self.halted = False
        kept = (0, 0) if cause is ResetCause.POWER_ON else self._core.latch
        self._core = HostCore(self._tick_us(t_ns), reset_cause=cause, kept=kept)
        self._temperatures_ns = 0
        self._outputs = 0
        self._due_ns = t_ns + NS_PER_US
        if self.on_reboot is not None:
            self.on_reboot(t_ns)
        self._drive(t_ns)

    def ask(self, t_ns: int, request: HostMessage) -> BoardMessage:
        """One request without frames, at object level."""
        tick_us, inputs, measured = self._seen(t_ns)
        reply = self._core.message(tick_us, inputs, measured, request)
        self._act(t_ns, t_ns // NS_PER_US)
        if self.on_asked is not None:
            self.on_asked(t_ns, request, reply)
        return reply

    def _seen(self, t_ns: int) -> tuple[int, int, tuple[float, float, float]]:
        """(tick, inputs, measurements) at an instant, after an idle time has been gone through."""
        contactor = self._contactor
        inputs = self.inputs | self._answered
        if contactor.is_closed(t_ns):
            inputs |= _AUX_CLOSED
        measured = contactor.measure(t_ns)
        if self._temperatures_c is not None and t_ns >= self._temperatures_ns:
            self._temperatures_ns = t_ns + TEMPERATURES_EVERY_NS
            self._core.set_temperatures(self._temperatures_c())
        if t_ns > self._idle_until_ns:
            self._catch_up(t_ns, inputs, measured)
        return self._tick_us(t_ns), inputs, measured

    def tick(self, t_ns: int) -> int | None:
        """Step the core when that is due; returns when it is due next, None when nothing is pending.

        A heartbeat moves that on: called too early it costs nothing and says the new instant, so one timer a lease is
        enough. What brings it forward (close, a pressed emergency stop) is told to `on_earlier`.
        """
        if t_ns >= self._due_ns:
            self.on_bytes(t_ns, b"")
            self._rushes = self._rushes + 1 if self._due_ns <= t_ns + NS_PER_US else 0
            if self._rushes >= RUSHES_MAX:
                # A core that always wants to be stepped at once is stepped as often as a real one is.
                self._due_ns = t_ns + CYCLE_NS
        self._promised_ns = self._due_ns
        return None if self._due_ns == NEVER_NS else self._due_ns

    def _catch_up(self, t_ns: int, inputs: int, measured: Measured) -> None:
        """Step a core that was idle so long that its 32-bit tick could have come round unseen.

        Its own control loop would have; nothing was pending, so what it saw meanwhile is what it sees now.
        """
        for idle_ns in range(self._idle_until_ns, t_ns, IDLE_NS):
            self._core.step(self._tick_us(idle_ns), inputs, measured)

    def _act(self, t_ns: int, now_us: int) -> None:
        """Carry out what the core commands, and note when it wants to be stepped again."""
        core = self._core
        next_us = core.next_us
        if self._slow_ns is not None and next_us != IDLE_US:
            next_us = round(next_us / SLOW)
        due_ns = NEVER_NS if next_us == IDLE_US else (now_us + next_us) * NS_PER_US
        self._idle_until_ns = t_ns + IDLE_NS
        if self._sample_period_ns is not None and due_ns > t_ns + self._sample_period_ns:
            due_ns = t_ns + self._sample_period_ns
        # The core's tick counts whole microseconds: what is due within this one is due in the next.
        self._due_ns = due_ns if due_ns > t_ns else t_ns + NS_PER_US
        if core.outputs != self._outputs or self._inputs_changed:
            self._outputs = core.outputs
            self._answered = sum(answer for output, answer in _ANSWERS if core.outputs & output)
            self._drive(t_ns)
        if self._due_ns < self._promised_ns:
            self._tell_earlier()

    def _drive(self, t_ns: int) -> None:
        """What the outputs do to the world: coil and enable only through the hard-wired chain."""
        self._inputs_changed = False
        driven = self._outputs
        if self.inputs & _CHAIN != _CHAIN:
            driven &= ~(_CONTACTOR | _ENABLE)
        changed = driven ^ self._driven
        self._driven = driven
        if changed and self.on_driven is not None:
            self.on_driven(t_ns, driven)
        if changed & _ENABLE and self._on_enable is not None:
            self._on_enable(t_ns, driven & _ENABLE != 0)
        if changed & _PRECHARGE and self._on_precharge is not None:
            self._on_precharge(t_ns, driven & _PRECHARGE != 0)
        if changed & _CONTACTOR:
            self._contactor.drive(t_ns, closed=driven & _CONTACTOR != 0)

    def _tell_earlier(self) -> None:
        self._promised_ns = self._due_ns
        if self.on_earlier is not None:
            self.on_earlier(self._due_ns)


class Deadlines:
    """Lets the board's own deadlines pass: steps it when it is due, on a loop whose timers cannot be cancelled.

    Args:
        board: the board; its `on_earlier` is taken.
        now_ns: the loop's time.
        at_ns: calls back at an instant.
    """

    def __init__(
        self, board: SimBoard, now_ns: Callable[[], int], at_ns: Callable[[int, Callable[[], None]], None]
    ) -> None:
        self._board = board
        self._now_ns = now_ns
        self._at_ns = at_ns
        self._due_ns = -1
        board.on_earlier = self._set
        self._set(0)

    def _set(self, due_ns: int) -> None:
        self._due_ns = max(due_ns, self._now_ns())
        self._at_ns(self._due_ns, self._fire)

    def _fire(self) -> None:
        t_ns = self._now_ns()
        if t_ns == self._due_ns:  # else an earlier one has taken its place since
            due_ns = self._board.tick(t_ns)
            if due_ns is not None:
                self._set(due_ns)


class DirectBoard:
    """The board at object level (packbench.drivers.protocols.Board): the same C core, without bytes and transport."""

    def __init__(self, board: SimBoard, clock: Clock, settings: BoardSettings) -> None:
        self._ask = board.ask
        self.clock = ClockFit()
        self._now_ns = clock.now_ns
        self._settings = settings
        self._token = 0
        self._counter = 0
        self._crc = 0
        self._heard = 0

    async def identify(self) -> Identity:
        hello = self._hello()
        check_hello(hello, None)
        require_untripped(await self.read())
        if not hello.flags & Flag.CONFIGURED:
            self._command(self._settings.message())
            hello = self._hello()
        self._crc = config_crc(self._settings.message())
        check_hello(hello, self._crc)
        return Identity("packbench-board", "", f"{hello.firmware_hash:08x}")

    async def arm(self, token: int) -> None:
        self._command(Arm(token, self._crc))
        self._token = token
        self._counter = 0

    async def close(self) -> None:
        self._command(Close())

    async def open(self) -> None:
        self._command(Open())

    async def trip(self, code: int) -> None:
        self._command(Trip(min(max(code, 0), 0xFFFF)))

    async def reset(self, operator: str) -> None:
        """Leave the latch; needs the key turned from off to on since the trip."""
        self._command(Reset(self._hello().last_token + 1, operator_bytes(operator)))

    async def prove(self) -> None:
        self._command(Prove())

    async def announce(self, current_a: float) -> None:
        self._command(Sign(round(current_a * 1000.0)))

    async def snapshot(self) -> Snapshot | None:
        """What the board saw when it tripped."""
        answer = self._command(SnapshotQuery())
        return answer if isinstance(answer, Snapshot) and answer.trip_code else None

    async def log(self) -> tuple[BoardEvent, ...]:
        """Events that were not fetched before."""
        found: list[BoardEvent] = []
        while isinstance(answer := self._command(EventQuery(self._heard)), Event) and answer.number < answer.total:
            self._heard = answer.number + 1
            found.append(board_event(answer, self.clock.host_ns(answer.uptime_us)))
        return tuple(found)

    async def heartbeat(self) -> BoardSample:
        self._counter += 1
        t_ns = self._now_ns()
        return self._sample(t_ns, self._ask(t_ns, Heartbeat(self._token, self._counter)))

    async def read(self) -> BoardSample:
        t_ns = self._now_ns()
        return self._sample(t_ns, self._ask(t_ns, StatusQuery()))

    def _sample(self, t_ns: int, answer: BoardMessage) -> BoardSample:
        if not isinstance(answer, Status):
            _refused(answer)
        self.clock.add(t_ns, answer.uptime_us)
        return board_sample(t_ns, answer)

    def _command(self, request: HostMessage) -> BoardMessage:
        answer = self._ask(self._now_ns(), request)
        return _refused(answer) if isinstance(answer, Nak) else answer

    def _hello(self) -> HelloReply:
        answer = self._command(Hello(PROTOCOL_HASH, FIRMWARE_HASH))
        if not isinstance(answer, HelloReply):
            raise BadReply(f"board: {answer!r} is no answer to a greeting")
        return answer


def _refused(answer: BoardMessage) -> NoReturn:
    if isinstance(answer, Nak):
        raise DeviceRefused(f"board refused: {Refusal(answer.code).name.lower()}")
    raise BadReply(f"board: {answer!r} is not the answer")
