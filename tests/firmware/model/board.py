"""What the board knows, its transitions, and what it says of itself: status, moment of the trip, events."""

from __future__ import annotations

from dataclasses import dataclass, field

from packbench_board import frames as f
from packbench_board.codes import (
    EVENTS_AFTER_TRIP,
    EVENTS_MAX,
    LOAD_BREAK_CURRENT_MA,
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
class Board:
    """What a board knows, how it changes its state, and what it says of it."""

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
