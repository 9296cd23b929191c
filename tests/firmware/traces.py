"""Random traces for the board: mostly a sensible host and a healthy bench, with everything that may go wrong among it.

Owns the generator and the comparison of model and C core on a trace. A trace is data (a start and a list of steps), so
that one that disagrees can be cut down and printed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from tests.firmware.harness import OPERATOR
from tests.firmware.model import Model, Seen, config_crc

from packbench_board import frames as f
from packbench_board.codes import EventKind, Input, Phase, ResetCause, State, TripCode
from packbench_board.core import HostCore

HEALTHY = int(
    Input.ESTOP_OK
    | Input.HVIL_OK
    | Input.GAS_OK
    | Input.SENSORS_OK
    | Input.INSULATION_OK
    | Input.BMS_OK
    | Input.PACK_CLOSED
)
BASE = f.Configure(
    500, 20, 300, 10, 5000, 403_200, 268_800, 110_000, 90_000, 600, -200, 200, 200, 0, 0, 100, 2, 0, 3000, 0, 50, 0
)
DELAYS_US = (0, 1, 500, 1000, 5000, 9999, 10_000, 20_000, 50_000, 79_999, 80_000, 100_000, 200_000, 499_999, 500_000)
WRAP = 1 << 32


class Step(NamedTuple):
    """Time passes, the sensors show something, and perhaps something is asked."""

    after_us: int
    seen: Seen
    request: f.HostMessage | None


class Trace(NamedTuple):
    """One board from its start."""

    tick_us: int
    cause: ResetCause
    kept: tuple[int, int]
    """The latch that a reset found."""
    steps: tuple[Step, ...]


class Host:
    """Plays the bench and the host while the trace is made; follows a model to know what would be sensible."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.cause = dice.choices(list(ResetCause), (20, 1, 1, 1, 1))[0]
        self.tick_us = dice.choice((0, 12_345, WRAP - 1, WRAP - dice.randrange(1, 3_000_000)))
        found = (dice.choice(list(TripCode)), dice.choice((0, 7)))
        self.kept = found if self.cause is not ResetCause.POWER_ON and dice.random() < 0.7 else (0, 0)
        self.model = Model(self.cause, self.tick_us, self.kept)
        self.config = self._config()
        self.seen = Seen(HEALTHY, 360_000, dice.choice((360_000, 0)), 0, (250, 250, 250, 250))
        self.token = 0
        self.wildness = dice.choice((0.0, 0.01, 0.05, 0.3))
        self.lasting = dice.choice((0.0, 0.3))
        self.flowing_ma = dice.choice((0, 0, 50_000, -50_000))
        self.delays_us = DELAYS_US[: dice.choice((9, 12, len(DELAYS_US)))]
        self.t_us = self.tick_us

    def _config(self) -> f.Configure:
        dice, some = self.dice, {}
        for name, values in (
            ("residual_timeout_ms", (0, 50)),
            ("match_timeout_ms", (0, 50)),
            ("sign_timeout_ms", (0, 200)),
            ("sign_delta_mv", (0, 100)),
            ("fitted", (0, 0xFF, 0x17, 0x30)),
            ("limit_delay_ms", (0, 10, 20)),
            ("precharge_tries", (1, 2, 3)),
            ("lease_ms", (100, 500)),
        ):
            some[name] = dice.choice(values)
        return BASE._replace(**some)

    def trace(self, length: int) -> Trace:
        steps: list[Step] = []
        for _ in range(length):
            self._bench()
            step = Step(self.dice.choice(self.delays_us), self.seen, self._request())
            self.t_us += step.after_us
            self.model.act(self.t_us, step.seen, step.request)
            steps.append(step)
        return Trace(self.tick_us, self.cause, self.kept, tuple(steps))

    def _bench(self) -> None:
        """A bench that does its part, and with the wildness of this trace something that it should not."""
        dice, model = self.dice, self.model
        inputs, pack_mv, current_ma = HEALTHY, 360_000, 0
        readings = [250] * 4
        cycler_mv = 0 if model.phase in (Phase.WAKE, Phase.PACK, Phase.RESIDUAL, Phase.NONE) else pack_mv
        if model.coil:
            inputs |= Input.AUX_CLOSED
        if model.phase is Phase.SIGN:
            current_ma = model.announced_ma
        elif model.phase is Phase.DONE:
            current_ma = self.flowing_ma
        if model.trip and dice.random() < 0.5:
            inputs |= Input.KEY_ON
        if dice.random() < self.wildness:
            inputs ^= dice.choice(list(Input))
        if dice.random() < self.wildness:
            pack_mv = dice.choice((403_200, 403_201, 268_800, 268_799, 359_850, 360_150, 0, -1000, -1001))
        if dice.random() < self.wildness:
            cycler_mv = pack_mv + dice.choice((0, 4999, -4999, 5000, -5000, -360_000))
        if dice.random() < self.wildness:
            current_ma = dice.choice(
                (999, -999, 1000, 1500, -1500, 3000, 3001, -3001, 110_000, 110_001, -90_000, -90_001, -100_000)
            )
        if dice.random() < self.wildness:
            readings = [dice.choice((250, 250, 600, 601, -200, -201, -0x8000)) for _ in range(4)]
        if dice.random() < self.lasting:
            # What was seen before lasts: a violation has its delay to wait for.
            return
        self.seen = Seen(
            int(inputs), pack_mv, cycler_mv, current_ma, (readings[0], readings[1], readings[2], readings[3])
        )

    def _request(self) -> f.HostMessage | None:
        dice, model = self.dice, self.model
        if dice.random() < 0.2:
            return None
        if dice.random() < self.wildness:
            return self._anything()
        if model.trip:
            self.token = model.token + 1
            return dice.choice((f.Reset(self.token, OPERATOR), f.StatusQuery(), f.EventQuery(dice.randrange(90))))
        if model.state is State.SAFE:
            if model.host:
                return f.Hello(f.PROTOCOL_HASH, f.FIRMWARE_HASH)
            if model.config is None:
                return self.config
            if not model.armed:
                return f.Arm(model.token + 1, config_crc(model.config))
            return f.Close()
        if model.phase is Phase.SIGN and dice.random() < 0.4:
            return f.Sign(dice.choice((1500, -1500)))
        if model.state is State.CLOSED and dice.random() < 0.1:
            return f.Prove()
        return f.Heartbeat(model.token, model.counter + 1)

    def _anything(self) -> f.HostMessage:
        dice, model = self.dice, self.model
        crc = 0 if model.config is None else config_crc(model.config)
        return dice.choice(
            (
                f.Hello(dice.choice((0, f.PROTOCOL_HASH)), dice.choice((0, f.FIRMWARE_HASH))),
                self.config._replace(lease_ms=dice.choice((99, 100, 2000, 2001))),
                self.config._replace(voltage_min_mv=dice.choice((0, 403_199, 403_200))),
                self.config._replace(temperature_min_dc=dice.choice((-401, 599, 600))),
                f.Arm(max(model.token + dice.choice((-1, 0, 1)), 0), dice.choice((crc, crc ^ 1))),
                f.Close(),
                f.Open(),
                f.Heartbeat(max(model.token + dice.choice((-1, 0, 1)), 0), model.counter + dice.choice((0, 1, 5))),
                f.Trip(dice.choice((0, 7, 65_535))),
                f.StatusQuery(),
                f.Reset(max(model.token + dice.choice((0, 1)), 0), dice.choice((OPERATOR, bytes(16)))),
                f.Prove(),
                f.Sign(dice.choice((0, 1, 100, -100, 101, -101, 3000, -3000, 3001, -3001))),
                f.EventQuery(dice.randrange(200)),
                f.SnapshotQuery(),
            )
        )


def make_trace(seed: int) -> Trace:
    """The trace of a seed."""
    dice = Random(seed)
    return Host(dice).trace(dice.randrange(20, 90))


def disagreement(trace: Trace, library: Any = None, seen: Counter[str] | None = None) -> str:
    """What differs between model and core; empty when nothing does. `seen` counts what was reached."""
    model = Model(trace.cause, trace.tick_us, trace.kept)
    core = HostCore(trace.tick_us & (WRAP - 1), library, trace.cause, trace.kept)
    t_us = trace.tick_us
    for number, step in enumerate(trace.steps):
        t_us += step.after_us
        core.set_temperatures([None if r == -0x8000 else r / 10.0 for r in step.seen.temperatures_dc])
        measured = (step.seen.pack_mv / 1000.0, step.seen.cycler_mv / 1000.0, step.seen.current_ma / 1000.0)
        wanted = model.act(t_us, step.seen, step.request)
        got: f.BoardMessage | None = None
        if step.request is None:
            core.step(t_us & (WRAP - 1), step.seen.inputs, measured)
        else:
            got = core.message(t_us & (WRAP - 1), step.seen.inputs, measured, step.request)
        if got != wanted or core.outputs != model.outputs:
            return (
                f"step {number}: asked {step.request}\n model: {wanted}, outputs {model.outputs:#x}, {model.state.name}"
                f"/{model.phase.name}\n core:  {got}, outputs {core.outputs:#x}"
            )
        if seen is not None:
            seen[f"state {model.state.name}"] += 1
            seen[f"phase {model.phase.name}"] += 1
            seen[f"trip {model.trip}"] += 1
            if isinstance(wanted, f.Nak):
                seen[f"refusal {wanted.code}"] += 1
            if model.refused:
                seen[f"refusal {model.refused}"] += 1
    if seen is not None:
        seen.update(f"event {EventKind(event.kind).name}" for event in model.ring)
    return ""


def shrunk(trace: Trace, library: Any = None) -> Trace:
    """The same disagreement with fewer steps: what can be left out is."""
    steps: Sequence[Step] = trace.steps
    position = 0
    while position < len(steps):
        fewer = (*steps[:position], *steps[position + 1 :])
        if disagreement(trace._replace(steps=fewer), library):
            steps = fewer
        else:
            position += 1
    return trace._replace(steps=tuple(steps))
