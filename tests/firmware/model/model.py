"""One control cycle of the board, and its answers to the host."""

from __future__ import annotations

from binascii import crc_hqx

from tests.firmware.model.board import Seen
from tests.firmware.model.configuration import config_crc, in_range
from tests.firmware.model.sequence import Sequence

from packbench_board import frames as f
from packbench_board.codes import (
    LOAD_BREAK_MAX_US,
    WAKE_HOLD_US,
    EventKind,
    Input,
    Output,
    Phase,
    Refusal,
    State,
    TripCode,
)

WHILE_TRIPPED = (f.Hello, f.StatusQuery, f.Heartbeat, f.Open, f.Trip, f.Reset, f.EventQuery, f.SnapshotQuery)


class Model(Sequence):
    """One board. `act` is one control cycle."""

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
