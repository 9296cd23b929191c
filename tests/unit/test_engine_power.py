"""Constant power by a current that is worked out anew: right on average, seldom sent, not turned round by noise."""

from __future__ import annotations

import random

import numpy as np
import pytest

from packbench.core.limits import LimitSet
from packbench.core.samples import CyclerSample, Snapshot, bms_sample
from packbench.engine.advance import advance, start
from packbench.engine.effects import Drive
from packbench.profile.plan import Condition, ConstantPower, End, Plan, RecordRule, Test

S = 1_000_000_000
HOUR_S = 3600
RECORD = RecordRule(dt_ns=S)
OHM = 0.004


def at_power(power_w: float, sign: int) -> Plan:
    step = ConstantPower(
        label="power",
        kind="cp",
        until=(Condition((Test("step_time", ">=", 1e6),), 0, None, "never"),),
        record=RECORD,
        max_time_ns=10**9 * S,
        sign=1 if sign > 0 else -1,
        power_w=power_w,
        clamp_voltage_v=5.0,
    )
    end = End(label="end", kind="end", until=(), record=RECORD, max_time_ns=HOUR_S * S)
    return Plan("p", "p", "p", (step, end), LimitSet(), None, "", "p.yaml")


def run(sign: int, *, noise_v: float = 0.0) -> tuple[list[float], list[float]]:
    """(power at the terminals, every second; every commanded current) while the source goes from 4.1 V by 0.8 V."""
    noise = random.Random(1)
    plan = at_power(40.0, sign)
    emf_v, current_a = 3.7 - sign * 0.4, 0.0
    powers: list[float] = []
    commands: list[float] = []

    def reading(t_s: int) -> Snapshot:
        shown_v = emf_v + OHM * current_a + noise.gauss(0.0, noise_v)
        sample = CyclerSample(t_s * S, shown_v, current_a, True, "cc")
        return Snapshot(t_s * S, sample, bms_sample(t_s * S, np.array([shown_v]), (25.0,)), None, shown_v)

    state, effects = start(plan, reading(0), 0)
    for t_s in range(1, HOUR_S + 1):
        for effect in effects:
            if isinstance(effect, Drive):
                current_a = effect.current_a
                commands.append(current_a)
        emf_v += sign * 0.8 / HOUR_S
        powers.append((emf_v + OHM * current_a) * current_a)
        state, effects = advance(plan, state, reading(t_s), t_s * S)
    return powers, commands


@pytest.mark.parametrize("sign", [-1, 1], ids=["discharge", "charge"])
def test_the_mean_power_is_the_one_asked_for(sign: int) -> None:
    powers, commands = run(sign)
    settled = powers[10:]
    assert sum(settled) / len(settled) == pytest.approx(sign * 40.0, rel=5e-5)
    assert max(abs(power - sign * 40.0) for power in settled) < 40.0 * 0.0005
    assert 300 < len(commands) < 600


def test_noise_about_a_current_that_is_ahead_does_not_turn_it_round() -> None:
    _, commands = run(-1, noise_v=0.0003)
    turns = sum(
        1
        for one, two, three in zip(commands[2:], commands[3:], commands[4:], strict=False)
        if (two - one) * (three - two) < 0
    )
    assert turns < len(commands) / 10
    assert len(commands) < 1000
