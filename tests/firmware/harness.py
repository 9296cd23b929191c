"""A board's core on a test's own clock, with a contactor and sensors that do what they are told."""

from __future__ import annotations

from packbench_board.codes import Input, Output, ResetCause, State
from packbench_board.core import HostCore
from packbench_board.frames import (
    FIRMWARE_HASH,
    PROTOCOL_HASH,
    Ack,
    Arm,
    BoardMessage,
    Close,
    Configure,
    Heartbeat,
    Hello,
    HelloReply,
    HostMessage,
    Nak,
    Status,
    StatusQuery,
)

HEALTHY = int(Input.ESTOP_OK | Input.HVIL_OK | Input.GAS_OK | Input.SENSORS_OK)
CONFIG = Configure(
    lease_ms=500,
    precharge_settle_ms=20,
    precharge_timeout_ms=1000,
    limit_delay_ms=10,
    precharge_delta_mv=5_000,
    voltage_max_mv=403_200,
    voltage_min_mv=268_800,
    charge_max_ma=110_000,
    discharge_max_ma=110_000,
    temperature_max_dc=600,
    temperature_min_dc=-200,
    wake_timeout_ms=1000,
    pack_timeout_ms=1000,
    residual_timeout_ms=0,
    match_timeout_ms=0,
    precharge_pause_ms=100,
    precharge_tries=1,
    sign_timeout_ms=0,
    sign_current_ma=3_000,
    sign_delta_mv=0,
    current_noise_ma=0,
    fitted=0,
)
"""The shortest arm sequence: precharge, then closed. Tests of its other steps turn them on."""
RELEASE_US = 20_000
OPERATOR = b"Li Wei".ljust(16, b"\0")


class Rig:
    """Steps the core exactly when it asks to be stepped, and remembers when the coil moved."""

    def __init__(
        self, tick_us: int = 0, cause: ResetCause = ResetCause.POWER_ON, kept: tuple[int, int] = (0, 0)
    ) -> None:
        self.t_us = tick_us
        """Does not wrap; the core is shown its low 32 bits."""
        self.core = HostCore(tick_us, reset_cause=cause, kept=kept)
        self.inputs = HEALTHY
        self.pack_v, self.cycler_v, self.current_a = 360.0, 360.0, 0.0
        self.aux_follows = True
        self.coil_changes: list[tuple[int, bool]] = []
        self.enable_off_us: int | None = None
        self._coil = self._enable = False
        self._aux_at_us = tick_us

    def _sensors(self) -> tuple[int, int, tuple[float, float, float]]:
        if self.aux_follows and self.t_us >= self._aux_at_us:
            closed = Input.AUX_CLOSED if self._coil else 0
            self.inputs = self.inputs & ~Input.AUX_CLOSED | closed
        return self.t_us & 0xFFFFFFFF, self.inputs, (self.pack_v, self.cycler_v, self.current_a)

    def _watch(self) -> None:
        assert self.core.next_us > 0, "the core asked to be stepped again without time passing"
        coil = bool(self.core.outputs & Output.CONTACTOR)
        enable = bool(self.core.outputs & Output.CYCLER_ENABLE)
        if coil != self._coil:
            self._coil = coil
            self._aux_at_us = self.t_us + RELEASE_US
            self.coil_changes.append((self.t_us, coil))
        if self._enable and not enable:
            self.enable_off_us = self.t_us
        self._enable = enable

    def step(self, received: bytes = b"") -> bytes:
        sent = self.core.step(*self._sensors(), received)
        self._watch()
        return sent

    def ask(self, request: HostMessage) -> BoardMessage:
        reply = self.core.message(*self._sensors(), request)
        self._watch()
        return reply

    def run(self, duration_us: int) -> None:
        """Let time pass; the board's control loop runs every millisecond, and exactly when due."""
        end_us = self.t_us + duration_us
        while self.t_us < end_us:
            self.t_us = min(self.t_us + min(self.core.next_us, 1000), end_us)
            self.step()

    def turn_key(self) -> None:
        """From off to on, as a person does."""
        self.inputs &= ~Input.KEY_ON
        self.step()
        self.inputs |= Input.KEY_ON
        self.step()

    def status(self) -> Status:
        status = self.ask(StatusQuery())
        assert isinstance(status, Status)
        return status

    @property
    def state(self) -> State:
        return State(self.status().state)

    @property
    def coil(self) -> bool:
        return self._coil

    def greet(self) -> HelloReply:
        hello = self.ask(Hello(PROTOCOL_HASH, FIRMWARE_HASH))
        assert isinstance(hello, HelloReply)
        return hello

    def arm(self, token: int, config: Configure = CONFIG) -> BoardMessage:
        self.greet()
        self.ask(config)
        return self.ask(Arm(token, self.greet().config_crc))

    def beat(self, token: int, counter: int) -> BoardMessage:
        return self.ask(Heartbeat(token, counter))

    def close(self, token: int = 1, config: Configure = CONFIG) -> None:
        """From power-up (or a reset board) to a closed contactor."""
        assert isinstance(self.arm(token, config), Ack)
        assert isinstance(self.ask(Close()), Ack)
        self.run(config.precharge_settle_ms * 1000 + RELEASE_US + 2000)
        assert self.state is State.CLOSED
        assert self.coil


def refusal(message: BoardMessage) -> int:
    """The code of a NAK; fails for anything else."""
    assert isinstance(message, Nak), message
    return message.code
