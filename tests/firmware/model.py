"""The board's behaviour once more, as a model that can be run: what docs/link.md says, in plain Python.

Independent of the C in what goes wrong most easily: times are unbounded instants (no tick, no wrap), waiting is a
deadline instead of an elapsed time, and what is on follows from one place. test_differential.py has both go through the
same traces and compares every output and every answer.
"""

from __future__ import annotations

from binascii import crc_hqx
from dataclasses import dataclass, field
from struct import Struct

from packbench_board import frames as f
from packbench_board.codes import (
    AUX_TIMEOUT_US,
    EVENTS_AFTER_TRIP,
    EVENTS_MAX,
    FADE_DIVISOR,
    LOAD_BREAK_CURRENT_MA,
    LOAD_BREAK_MAX_US,
    LOOKS_MIN,
    REVERSED_MV,
    WAKE_HOLD_US,
    EventKind,
    Fitted,
    Flag,
    Input,
    Output,
    Phase,
    Refusal,
    ResetCause,
    State,
    TripCode,
)

NO_READING = -0x8000
AT_ONCE = {
    TripCode.SELF_TEST,
    TripCode.RESIDUAL_VOLTAGE,
    TripCode.CONTACTOR_WELDED,
    TripCode.ESTOP,
    TripCode.HVIL,
    TripCode.INTERNAL,
    TripCode.WATCHDOG,
    TripCode.BROWN_OUT,
    TripCode.UNKNOWN_RESET,
}
"""Trips that do not wait for low current."""
WHILE_TRIPPED = (f.Hello, f.StatusQuery, f.Heartbeat, f.Open, f.Trip, f.Reset, f.EventQuery, f.SnapshotQuery)
LOOKING = {Phase.WAKE, Phase.PACK, Phase.RESIDUAL}
"""Steps during which the cycler must be off."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the board's sensors show."""

    inputs: int = 0
    pack_mv: int = 0
    cycler_mv: int = 0
    current_ma: int = 0
    temperatures_dc: tuple[int, int, int, int] = (NO_READING, NO_READING, NO_READING, NO_READING)

    def has(self, which: int) -> bool:
        return bool(self.inputs & which)

    @property
    def low(self) -> bool:
        """Current is known, and low enough to open."""
        return self.has(Input.SENSORS_OK) and abs(self.current_ma) < LOAD_BREAK_CURRENT_MA


@dataclass
class Model:
    """One board. `act` is one control cycle."""

    cause: ResetCause = ResetCause.POWER_ON
    started_us: int = 0
    interrupted: tuple[int, int] = (0, 0)
    """The latch that a reset found: trip and detail."""
    now_us: int = 0
    seen: Seen = field(default_factory=Seen)
    state: State = State.BOOT
    phase: Phase = Phase.NONE
    refused: int = 0
    trip: int = 0
    detail: int = 0
    causes: set[int] = field(default_factory=set)
    state_since_us: int = 0
    phase_since_us: int = 0
    coil: bool = False
    coil_since_us: int = 0
    coil_settled: bool = True
    release_timed: bool = True
    outputs: int = 0
    config: f.Configure | None = None
    kept: f.Configure = field(default_factory=lambda: f.Configure(*[0] * len(f.Configure._fields)))
    """The configuration that was taken last; a reset locks it out, and its limits are still those looked at."""
    host: int = int(Refusal.PROTOCOL_MISMATCH)
    armed: bool = False
    lease_from_us: int = 0
    token: int = 0
    counter: int = 0
    awake: bool = False
    heard_us: int = 0
    key_was_off: bool = False
    proving: bool = False
    tries: int = 0
    held_us: list[int] = field(default_factory=list)
    """Instants at which what the running step waits for was seen, without a break."""
    announced_ma: int = 0
    rest_mv: int = 0
    violated: bool = False
    """By the newest look at the limits, ..."""
    looked_us: int = 0
    """... which was then."""
    evidence: int = 0
    """Time beyond the limits, FADE_DIVISOR for each us, less time within them, 1 for each."""
    ring: list[f.Event] = field(default_factory=list)
    total: int = 0
    since_trip: int = 0
    snapshot: f.Snapshot = field(default_factory=lambda: f.Snapshot(*[0] * len(f.Snapshot._fields)))

    def __post_init__(self) -> None:
        self.now_us = self.coil_since_us = self.started_us
        self._log(EventKind.BOOT, self.cause)

    # -- a cycle -------------------------------------------------------------------------------------------------------

    def act(self, t_us: int, seen: Seen, request: f.HostMessage | None = None) -> f.BoardMessage | None:
        self.now_us = t_us
        changed = seen.inputs != self.seen.inputs
        self.seen = seen
        if changed:
            self._log(EventKind.INPUTS, 0, seen.inputs)
        self._advance()
        if request is None:
            return None
        reply = self._answer(request)
        self._advance()
        return reply

    def _advance(self) -> None:
        before = self.outputs
        if self.state is State.BOOT:
            self._self_test()
        self._watch_inputs()
        self._watch_contact()
        if self.state is State.SAFE and self.armed and self._lease_over():
            self._disarm()
            self._log(EventKind.LAPSED)
        elif self.state is State.PRECHARGE:
            if self._lease_over():
                self._trip(TripCode.LEASE)
            else:
                self._sequence()
        elif self.state is State.CLOSED:
            self._closed()
        if self.state is State.OPENING and (self.seen.low or self.now_us >= self.state_since_us + LOAD_BREAK_MAX_US):
            self._open_now()
        if self.awake and not self.armed and self.now_us >= self.heard_us + WAKE_HOLD_US:
            self.awake = False
        self.outputs = self._wanted()
        if self.outputs != before:
            self._log(EventKind.OUTPUTS, 0, self.outputs)

    def _wanted(self) -> int:
        on = Output(0)
        closing = self.state is State.CLOSED and self.phase is Phase.CLOSING
        for output, wanted in (
            (Output.CONTACTOR, self.coil),
            (Output.PRECHARGE, self.phase is Phase.PRECHARGE or closing),
            (Output.CYCLER_ENABLE, self.armed and self.phase >= Phase.MATCH),
            (Output.ALARM, TripCode.GAS in self.causes),
            (Output.BMS_WAKE, self.config is not None and self.awake),
            (Output.PACK_REQUEST, self.state in (State.PRECHARGE, State.CLOSED, State.OPENING)),
        ):
            on |= output if wanted else Output(0)
        return int(on)

    # -- what it watches -----------------------------------------------------------------------------------------------

    def _self_test(self) -> None:
        self._enter(State.SELF_TEST)
        forced = {ResetCause.WATCHDOG: TripCode.WATCHDOG, ResetCause.BROWN_OUT: TripCode.BROWN_OUT}
        if self.interrupted[0]:
            self._trip(*self.interrupted)
        if self.seen.has(Input.AUX_CLOSED):
            self._trip(TripCode.SELF_TEST)
        if self.cause in forced:
            self._trip(forced[self.cause])
        if not self.trip:
            self._enter(State.SAFE)

    def _watch_inputs(self) -> None:
        for which, code in (
            (Input.ESTOP_OK, TripCode.ESTOP),
            (Input.HVIL_OK, TripCode.HVIL),
            (Input.GAS_OK, TripCode.GAS),
        ):
            if not self.seen.has(which):
                self._trip(code)
        self.key_was_off = self.key_was_off or not self.seen.has(Input.KEY_ON)

    def _watch_contact(self) -> None:
        contact = self.seen.has(Input.AUX_CLOSED)
        if self.coil:
            self.release_timed = False
        elif not contact and not self.release_timed:
            self.release_timed = True
            self._log(EventKind.OPENED, 0, self.now_us - self.coil_since_us)
        self.coil_settled = self.coil_settled or self.now_us >= self.coil_since_us + AUX_TIMEOUT_US
        if self.coil_settled and contact != self.coil:
            self._trip(TripCode.CONTACTOR_WELDED if contact else TripCode.CONTACTOR_DROPPED)

    def _violation(self) -> int:
        seen, config = self.seen, self.kept
        most_ma = config.charge_max_ma if seen.current_ma > 0 else config.discharge_max_ma
        if self.phase in (Phase.CLOSING, Phase.SIGN) and config.sign_timeout_ms:
            most_ma = min(most_ma, config.sign_current_ma)
        if not seen.has(Input.SENSORS_OK):
            return TripCode.SENSOR_INVALID
        if seen.pack_mv > config.voltage_max_mv:
            return TripCode.OVER_VOLTAGE
        if seen.pack_mv < config.voltage_min_mv:
            return TripCode.UNDER_VOLTAGE
        if abs(seen.current_ma) > most_ma:
            return TripCode.OVER_CURRENT
        if config.fitted & Fitted.INSULATION_OK and not seen.has(Input.INSULATION_OK):
            return TripCode.INSULATION
        for number, reading_dc in enumerate(seen.temperatures_dc):
            if config.fitted & (Fitted.TEMPERATURE_1 << number):
                if reading_dc == NO_READING:
                    return TripCode.SENSOR_INVALID
                if reading_dc > config.temperature_max_dc:
                    return TripCode.OVER_TEMPERATURE
                if reading_dc < config.temperature_min_dc:
                    return TripCode.UNDER_TEMPERATURE
        return TripCode.NONE

    def _watch_limits(self) -> bool:
        """Whether nothing is violated; trips when something is, and enough evidence has gathered."""
        code, delay_us, gone_us = self._violation(), self.kept.limit_delay_ms * 1000, self.now_us - self.looked_us
        enough = delay_us * FADE_DIVISOR
        change = gone_us * FADE_DIVISOR if self.violated else -gone_us
        self.evidence = min(max(self.evidence + change, 0), 2 * enough)
        self.violated, self.looked_us = code != TripCode.NONE, self.now_us
        if code != TripCode.NONE and self.evidence >= enough:
            self._trip(code)
        return code == TripCode.NONE

    # -- the arm sequence ----------------------------------------------------------------------------------------------

    def _late(self, limit_ms: int) -> bool:
        return self.now_us >= self.phase_since_us + limit_ms * 1000

    def _agree(self) -> bool:
        return abs(self.seen.pack_mv - self.seen.cycler_mv) < self.kept.precharge_delta_mv

    def _held(self, now: bool) -> bool:
        """Whether it has held without a break for the settling time, and at enough instants."""
        if not now:
            self.held_us = []
        elif self.now_us not in self.held_us:
            self.held_us = [*self.held_us, self.now_us]
        enough = len(self.held_us) >= LOOKS_MIN
        return enough and self.now_us >= self.held_us[0] + self.kept.precharge_settle_ms * 1000

    def _given(self, line: Fitted, which: Input) -> bool:
        return not self.kept.fitted & line or self.seen.has(which)

    def _sequence(self) -> None:  # noqa: PLR0912 - one step below the other, as they follow each other
        config, seen = self.kept, self.seen
        if self.phase is Phase.WAKE:
            if not self.coil_settled:
                pass
            elif self._given(Fitted.BMS_OK, Input.BMS_OK):
                self._go(Phase.PACK)
            elif self._late(config.wake_timeout_ms):
                self._refuse(Refusal.BMS_ASLEEP)
        if self.phase is Phase.PACK:
            known = seen.has(Input.SENSORS_OK)
            closed = self._given(Fitted.PACK_CLOSED, Input.PACK_CLOSED)
            if known and seen.pack_mv < -REVERSED_MV:
                self._refuse(Refusal.REVERSED)
            elif closed and self._violation() == TripCode.NONE:
                self._go(Phase.RESIDUAL)
            elif self._late(config.pack_timeout_ms):
                nothing = not closed or (known and seen.pack_mv < config.voltage_min_mv)
                self._refuse(Refusal.PACK_ABSENT if nothing else Refusal.OUT_OF_LIMITS)
        fine = self.phase < Phase.RESIDUAL or self._watch_limits()
        if self.phase is Phase.RESIDUAL:
            apart = self._held(fine and not self._agree())
            if not config.residual_timeout_ms or apart:
                self._go(Phase.MATCH)
            elif self._late(config.residual_timeout_ms):
                self._trip(TripCode.RESIDUAL_VOLTAGE if fine else self._violation())
        if self.phase is Phase.MATCH:
            matched = self._held(fine and self._agree())
            if not config.match_timeout_ms or matched:
                self._go(Phase.PRECHARGE)
            elif self._late(config.match_timeout_ms):
                self._refuse(Refusal.VOLTAGE_MISMATCH)
        if self.phase is Phase.PAUSE and self._late(config.precharge_pause_ms):
            self._go(Phase.PRECHARGE)
        if self.phase is Phase.PRECHARGE:
            self._precharge(fine)

    def _precharge(self, fine: bool) -> None:
        if self._held(self._agree() and fine):
            self._set_coil(True)
            self._enter(State.CLOSED)
            self._go(Phase.CLOSING)
        elif self._late(self.kept.precharge_timeout_ms):
            self.tries += 1
            if self.tries < self.kept.precharge_tries:
                self._go(Phase.PAUSE)
            else:
                self._refuse(Refusal.PRECHARGE_FAILED)

    def _closed(self) -> None:
        fine = self._watch_limits()
        if self.state is not State.CLOSED:
            return
        if self._lease_over():
            if self.proving:
                self._log(EventKind.PROVED)
                self._begin_opening()
            else:
                self._trip(TripCode.LEASE)
            return
        if self.phase is Phase.CLOSING and self.seen.has(Input.AUX_CLOSED):
            self._go(Phase.SIGN if self.kept.sign_timeout_ms else Phase.DONE)
        if self.phase is Phase.SIGN:
            flows = self.announced_ma != 0 and fine and 2 * abs(self.seen.current_ma) >= abs(self.announced_ma)
            if self._held(flows):
                moved_mv = self.seen.pack_mv - self.rest_mv
                judged = 0 < self.kept.sign_delta_mv <= abs(moved_mv)
                way = self.announced_ma > 0
                right = (self.seen.current_ma > 0) == way and (not judged or (moved_mv > 0) == way)
                if right:
                    self._go(Phase.DONE)
                else:
                    self._refuse(Refusal.SIGN_WRONG)
            elif self._late(self.kept.sign_timeout_ms):
                self._refuse(Refusal.SIGN_ABSENT)

    # -- transitions ---------------------------------------------------------------------------------------------------

    def _lease_over(self) -> bool:
        return not self.armed or self.now_us >= self.lease_from_us + self.kept.lease_ms * 1000

    def _enter(self, state: State) -> None:
        self.state, self.state_since_us = state, self.now_us
        self._log(EventKind.STATE, state)

    def _go(self, phase: Phase) -> None:
        self.phase, self.phase_since_us, self.held_us = phase, self.now_us, []
        self._log(EventKind.PHASE, phase)

    def _refuse(self, why: Refusal) -> None:
        self.refused = int(why)
        self._log(EventKind.REFUSED, why)
        self._begin_opening()

    def _set_coil(self, on: bool) -> None:
        if on != self.coil:
            self.coil, self.coil_since_us, self.coil_settled = on, self.now_us, False

    def _disarm(self) -> None:
        self.armed = self.proving = self.violated = False
        self.evidence = 0

    def _open_now(self) -> None:
        self._set_coil(False)
        self._disarm()
        self.phase = Phase.NONE
        self._enter(State.TRIPPED if self.trip else State.SAFE)

    def _begin_opening(self) -> None:
        if not self.coil:
            self._open_now()
        elif self.state is not State.OPENING:
            self._disarm()
            self._enter(State.OPENING)

    def _trip(self, code: int, detail: int = 0) -> None:
        if not self.trip:
            self.snapshot = self._moment(code, detail)
            self.trip, self.detail, self.key_was_off, self.since_trip = int(code), detail, False, 0
            self._log(EventKind.TRIP, code, detail)
        elif code not in self.causes:
            self._log(EventKind.CAUSE, code, detail)
        self.causes.add(int(code))
        if self.state is not State.TRIPPED:
            if code in AT_ONCE:
                self._open_now()
            else:
                self._begin_opening()

    # -- what it says --------------------------------------------------------------------------------------------------

    def _log(self, kind: EventKind, code: int = 0, value: int = 0) -> None:
        if not self.trip or self.since_trip < EVENTS_AFTER_TRIP:
            uptime_us = self.now_us - self.started_us
            event = f.Event(self.total, 0, uptime_us, int(kind), int(code), value & 0xFFFFFFFF)
            self.ring = [*self.ring, event][-EVENTS_MAX:]
            self.since_trip += 1
        self.total += 1

    def _flags(self) -> int:
        return int(
            (Flag.ARMED if self.armed else 0)
            | (Flag.CONFIGURED if self.config else 0)
            | (0 if self.host else Flag.HOST_MATCHED)
            | (Flag.PROVING if self.proving else 0)
        )

    def _lease_left_ms(self) -> int:
        if not self.armed:
            return 0
        return max(self.lease_from_us + self.kept.lease_ms * 1000 - self.now_us, 0) // 1000

    def _moment(self, code: int, detail: int) -> f.Snapshot:
        seen = self.seen
        return f.Snapshot(
            self.now_us - self.started_us,
            int(code),
            detail,
            int(self.state),
            int(self.phase),
            self._flags(),
            seen.inputs & 0xFFFF,
            self._told_outputs(),
            self._lease_left_ms(),
            self.token,
            self.counter,
            seen.pack_mv,
            seen.cycler_mv,
            seen.current_ma,
            *seen.temperatures_dc,
        )

    def _told_outputs(self) -> int:
        """The outputs as they were set last, but for the coil, which moves within a cycle."""
        return (self.outputs & ~Output.CONTACTOR) | (Output.CONTACTOR if self.coil else 0)

    def _status(self) -> f.Status:
        seen = self.seen
        fitted = [r for n, r in enumerate(seen.temperatures_dc) if self.kept.fitted & (Fitted.TEMPERATURE_1 << n)]
        hottest_dc = NO_READING if not fitted or NO_READING in fitted else max(fitted)
        return f.Status(
            int(self.state),
            int(self.phase),
            self.refused,
            self._flags(),
            seen.inputs & 0xFFFF,
            self._told_outputs(),
            self.trip,
            self.detail,
            self._lease_left_ms(),
            0,
            self.now_us - self.started_us,
            seen.pack_mv,
            seen.cycler_mv,
            seen.current_ma,
            hottest_dc,
            self.total,
        )

    def _answer(self, request: f.HostMessage) -> f.BoardMessage:
        self.heard_us, self.awake = self.now_us, True
        number = f.TYPES[type(request)]
        if self.trip and not isinstance(request, WHILE_TRIPPED):
            return f.Nak(number, int(Refusal.TRIPPED))
        match request:
            case f.Hello(protocol, firmware):
                ours = (f.PROTOCOL_HASH, f.FIRMWARE_HASH)
                mismatch = Refusal.FIRMWARE_MISMATCH if protocol == ours[0] else Refusal.PROTOCOL_MISMATCH
                self.host = 0 if (protocol, firmware) == ours else int(mismatch)
                crc = 0 if self.config is None else config_crc(self.config)
                return f.HelloReply(*ours, crc, self._flags(), self.token)
            case f.StatusQuery():
                return self._status()
            case f.EventQuery(wanted):
                found = next((event for event in self.ring if event.number >= wanted), None)
                event = found or f.Event(self.total, 0, 0, 0, 0, 0)
                return event._replace(total=self.total)
            case f.SnapshotQuery():
                return self.snapshot
            case _:
                refusal = self._do(request)
        if refusal:
            return f.Nak(number, int(refusal))
        return self._status() if isinstance(request, f.Heartbeat) else f.Ack(number)

    def _do(self, request: f.HostMessage) -> int:  # noqa: PLR0912 - one case a request
        """What a request changes; the refusal, or 0."""
        match request:
            case f.Configure():
                return self._configure(request)
            case f.Arm(token, crc):
                return self._arm(token, crc)
            case f.Close():
                return self._close()
            case f.Open():
                if self.state in (State.PRECHARGE, State.CLOSED):
                    self._begin_opening()
                if self.state is State.SAFE:
                    self._disarm()
                return 0
            case f.Heartbeat(token, counter):
                if not self.armed:
                    return 0
                if token != self.token:
                    return Refusal.WRONG_TOKEN
                if counter <= self.counter:
                    return Refusal.OLD_COUNTER
                self.counter, self.lease_from_us, self.proving = counter, self.now_us, False
                return 0
            case f.Trip(code):
                self._trip(TripCode.HOST, code)
                return 0
            case f.Reset(token, operator):
                return self._reset(token, operator)
            case f.Prove():
                if self.state is not State.CLOSED or self.phase not in (Phase.SIGN, Phase.DONE):
                    return Refusal.BAD_STATE
                if not self.seen.low:
                    return Refusal.LOAD
                self.proving = True
                self._log(EventKind.PROOF)
                return 0
            case f.Sign(current_ma):
                if self.state is not State.CLOSED or self.phase is not Phase.SIGN:
                    return Refusal.BAD_STATE
                if not 2 * self.kept.current_noise_ma < abs(current_ma) <= self.kept.sign_current_ma:
                    return Refusal.BAD_VALUE
                self.announced_ma, self.rest_mv, self.held_us = current_ma, self.seen.pack_mv, []
                self._log(EventKind.ANNOUNCED, 0, current_ma)
                return 0
            case _:
                raise AssertionError(request)

    def _configure(self, config: f.Configure) -> int:
        if not in_range(config):
            return Refusal.BAD_VALUE
        if self.config is not None:
            return 0 if config == self.config else Refusal.CONFIG_LOCKED
        if self.state is not State.SAFE:
            return Refusal.BAD_STATE
        self.config = self.kept = config
        self._log(EventKind.CONFIGURED, 0, config_crc(config))
        return 0

    def _arm(self, token: int, crc: int) -> int:
        if self.state is not State.SAFE:
            return Refusal.BAD_STATE
        if self.host:
            return self.host
        if self.config is None:
            return Refusal.NOT_CONFIGURED
        if crc != config_crc(self.config):
            return Refusal.CONFIG_MISMATCH
        if self.armed and token == self.token:
            return 0
        if token <= self.token:
            return Refusal.OLD_TOKEN
        self.armed, self.token, self.counter, self.lease_from_us = True, token, 0, self.now_us
        self._log(EventKind.ARMED, 0, token)
        return 0

    def _close(self) -> int:
        if self.state in (State.PRECHARGE, State.CLOSED):
            return 0
        if self.state is not State.SAFE:
            return Refusal.BAD_STATE
        if not self.armed:
            return Refusal.NOT_ARMED
        self.refused = self.tries = self.announced_ma = 0
        self._enter(State.PRECHARGE)
        self._go(Phase.WAKE)
        return 0

    def _reset(self, token: int, operator: bytes) -> int:
        if self.state not in (State.TRIPPED, State.SAFE):
            return Refusal.BAD_STATE
        if not self.seen.has(Input.KEY_ON) or not self.key_was_off:
            return Refusal.KEY_OFF
        if not operator[0]:
            return Refusal.NO_OPERATOR
        if token <= self.token:
            return Refusal.OLD_TOKEN
        self.trip = self.detail = self.refused = 0
        self.causes, self.token, self.config = set(), token, None
        self.key_was_off = False
        self._disarm()
        self.snapshot = f.Snapshot(*[0] * len(f.Snapshot._fields))
        self._enter(State.SELF_TEST)
        self._enter(State.SAFE)
        self._log(EventKind.RESET, 0, crc_hqx(operator, 0xFFFF))
        return 0


RANGES = {
    "lease_ms": (100, 2000),
    "precharge_settle_ms": (0, 1000),
    "precharge_timeout_ms": (10, 10_000),
    "limit_delay_ms": (0, 20),
    "precharge_delta_mv": (1, 100_000),
    "voltage_max_mv": (1, 2_000_000),
    "voltage_min_mv": (1, 2_000_000),
    "charge_max_ma": (1, 2_000_000),
    "discharge_max_ma": (1, 2_000_000),
    "temperature_max_dc": (-400, 2000),
    "temperature_min_dc": (-400, 2000),
    "precharge_pause_ms": (1, 60_000),
    "precharge_tries": (1, 10),
    "sign_current_ma": (1, 2_000_000),
    "sign_delta_mv": (0, 100_000),
    "current_noise_ma": (0, 100_000),
}
"""The others: at most 60 s."""


def in_range(config: f.Configure) -> bool:
    """Every field within its range, and no limits that contradict each other."""
    for name, value in config._asdict().items():
        low, high = RANGES.get(name, (0, 255 if name == "fitted" else 60_000))
        if not low <= value <= high:
            return False
    return config.voltage_min_mv < config.voltage_max_mv and config.temperature_min_dc < config.temperature_max_dc


def config_crc(config: f.Configure) -> int:
    """CRC-16 of the payload as it stands on the wire."""
    return crc_hqx(Struct("<" + f.FIELDS[f.TYPES[f.Configure]]).pack(*config), 0xFFFF)
