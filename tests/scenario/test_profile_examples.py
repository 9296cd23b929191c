"""Every example of docs/profiles.md runs to its end on a simulated pack, and does what the page says of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.scenario.library import Played, play

DOC = (Path(__file__).parents[2] / "docs/profiles.md").read_text(encoding="utf-8")
EXAMPLES = {
    re.search(r"^profile: (\S+)", text, flags=re.MULTILINE)[1]: text  # type: ignore[index]
    for text in re.findall(r"```yaml\n(.*?)```", DOC, flags=re.DOTALL)
}


def discharged(played: Played) -> None:
    assert played.record("discharge").charge_ah == pytest.approx(played.true_ah("discharge"), rel=0.005)


def agreed(played: Played) -> None:
    capacities = [abs(record.charge_ah) for record in played.steps if record.label == "discharge"]
    assert max(capacities[-2:]) - min(capacities[-2:]) <= 0.03 * played.job.pack.rated_capacity_ah


def pulsed(played: Played) -> None:
    assert [record.label for record in played.steps].count("pulse") == 2
    assert played.variables["resistance_10s"] == pytest.approx(played.began("pulse").resistance_ohm(10.0), rel=0.03)


def relaxed(played: Played) -> None:
    assert "abs(dV/dt) <= 1 mV/min" in played.record("relax").end_reason
    assert played.variables["open_circuit_voltage"] == pytest.approx(played.ended("relax").voltage_v, rel=0.001)


def powered(played: Played) -> None:
    held = played.record("full-power")
    hours = (held.ended_ns - held.started_ns) / 3600e9
    assert -held.energy_wh / hours == pytest.approx(0.3 * played.job.pack.max_power_w, rel=0.01)


def driven(played: Played) -> None:
    (drive,) = [record for record in played.steps if record.kind == "power_profile"]
    assert drive.ended_ns - drive.started_ns == 300 * 10**9
    assert drive.energy_wh < 0


def answered(played: Played) -> None:
    assert [record.kind for record in played.steps] == ["cc_charge"], "the question came before the run"


def set_low(played: Played) -> None:
    assert played.variables["soc_by_charge"] == pytest.approx(0.3, abs=0.01)


def soaked(played: Played) -> None:
    cold = played.began("pulse")
    assert all(abs(each - 15.0) < 2.5 for each in cold.temperatures_c)
    assert played.variables["resistance_cold"] == pytest.approx(cold.resistance_ohm(10.0), rel=0.03)


def held(played: Played) -> None:
    load = next(record for record in played.steps if record.kind == "cr_discharge")
    assert -load.current_end_a == pytest.approx(load.voltage_end_v / 10.0, rel=0.01)


SAID: dict[str, Callable[[Played], None]] = {
    "one-discharge": discharged,
    "until-they-agree": agreed,
    "resistance-by-soc": pulsed,
    "relaxed-voltage": relaxed,
    "power-capability": powered,
    "short-drive": driven,
    "asked-first": answered,
    "at-thirty-percent": set_low,
    "cold-pulse": soaked,
    "held-and-loaded": held,
}


def test_every_example_is_here() -> None:
    assert set(EXAMPLES) == set(SAID)


@pytest.mark.parametrize("name", SAID)
def test_an_example_runs_and_does_what_is_said(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_text(EXAMPLES[name], encoding="utf-8")
    SAID[name](play(str(path), "lfp-16s", "sim-climate-lv"))
