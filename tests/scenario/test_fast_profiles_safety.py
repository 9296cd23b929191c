"""A profile that commands every second starves no rule: a cycler that lies is found while it drives."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scenario.library import play_to_a_trip

import packbench_sim.plant

SECONDS = "".join(f", [{at} s, {'-50' if at % 2 else '-20'} A]" for at in range(1, 120))
PROFILES = {
    "one-second pieces": f"  - current_profile: {{points: [[0 s, -20 A]{SECONDS}], until: cell_min <= cell_cutoff}}\n",
    "a loop of short steps": "  - loop:\n      repeat: 60\n      steps:\n"
    "        - cc_discharge: {current: 50 A, for: 1 s, until: cell_min <= cell_cutoff}\n"
    "        - cc_discharge: {current: 20 A, for: 1 s, until: cell_min <= cell_cutoff}\n",
}


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize(
    ("fault", "rule", "within_s"),
    [("sensor.scale", "cell_sum", 15.0), ("power.setpoint", "setpoint_not_followed", 5.0)],
)
def test_a_cycler_that_lies_is_found(
    name: str, fault: str, rule: str, within_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packbench_sim.plant, "SCALE_FAULT_FACTOR", 1.03)
    path = tmp_path / "fast.yaml"
    path.write_text(f"profile: fast\ntitle: {{en: Fast, zh: 快}}\nsteps:\n{PROFILES[name]}", encoding="utf-8")
    trip = play_to_a_trip(str(path), "lfp-16s", f"{fault}@30s")
    assert trip.rule == rule
    # The fault counts from the bench's first instant, the trip from the end of the arm sequence.
    assert 30.0 - 3.0 <= trip.t_ns / 1e9 <= 30.0 + within_s
