"""What the interlock board is told: its limits by direction, and a sign pulse that its sensor can tell from noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from packbench.config.bench import load_bench
from packbench.core.errors import InputError
from packbench.core.limits import Limits, LimitSet
from packbench.core.specs import BenchSpec
from packbench.run.board_settings import board_settings, pulse_a

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "benches"


def bench(noise_ma: float | None = None, tolerance_a: float = 0.0) -> BenchSpec:
    text = (CONFIGS / "sim-cell.yaml").read_text(encoding="utf-8")
    found = load_bench(text, "sim-cell.yaml")
    options = dict(found.board.settings) | ({} if noise_ma is None else {"current_noise_ma": noise_ma})
    board = replace(found.board, settings=MappingProxyType(options))
    layers = dict(found.limits) | {"board": LimitSet()}
    return replace(found, board=board, limits=MappingProxyType(layers), setpoint_tolerance_a=tolerance_a)


def limits(charge_a: float, discharge_a: float) -> Limits:
    return Limits(4.3, 2.0, 4.3, 2.0, charge_a, discharge_a, 50.0, 0.0, 2.0, 0.5)


def test_each_direction_of_the_current_keeps_its_own_limit() -> None:
    message = board_settings(bench(), limits(20.0, 60.0)).message()
    assert (message.charge_max_ma, message.discharge_max_ma) == (20_000, 60_000)


@pytest.mark.parametrize(
    ("noise_ma", "limit_a", "expected_a"), [(None, 40.0, 0.4), (None, 8.0, 0.125), (200.0, 40.0, 0.5), (0.0, 8.0, 0.08)]
)
def test_the_pulse_is_one_percent_or_what_the_sensor_can_tell_from_noise(
    noise_ma: float | None, limit_a: float, expected_a: float
) -> None:
    assert pulse_a(bench(noise_ma), limits(limit_a, 2 * limit_a)) == pytest.approx(expected_a)


def test_the_board_takes_the_pulse_that_is_given() -> None:
    found, run = bench(200.0), limits(40.0, 40.0)
    message = board_settings(found, run).message()
    assert 2 * message.current_noise_ma < pulse_a(found, run) * 1000.0 <= message.sign_current_ma


def test_a_pulse_that_is_lost_in_noise_refuses_the_run() -> None:
    with pytest.raises(InputError) as raised:
        board_settings(bench(50.0), limits(2.0, 2.0))
    (problem,) = raised.value.problems
    assert (problem.field, problem.found) == ("devices.board.settings.current_noise_ma", "50")
    assert str(problem.expected).startswith("less than 50:")
    assert board_settings(bench(50.0), limits(2.0, 2.0), stepped=False).sign_timeout_ns == 0


@pytest.mark.parametrize("noise_ma", [-1, 100_001, True, "50 mA"])
def test_a_noise_that_is_none_is_refused(noise_ma: object) -> None:
    with pytest.raises(InputError) as raised:
        board_settings(bench(noise_ma), limits(40.0, 40.0))  # type: ignore[arg-type]
    assert [problem.expected for problem in raised.value.problems] == ["0 to 100000"]
