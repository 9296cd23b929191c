"""A drive cycle that commands every second, through the whole program: followed, and not followed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scenario.support import S, Witness, ask

CYCLE = (20, -35, 25, -40, -18, 30, -12, 45, 15, -30)
"""A, one a second: none of them near 0."""
TOLERANCE_S = 2.0 + 1.0 + 0.5
"""Two seconds beyond the band (faults catalogue, power.setpoint), an edge that says nothing, and a poll."""


def profile(folder: Path, every_s: float, repeat: int) -> str:
    """A current that changes every so many seconds."""
    points = ", ".join(f"[{turn * every_s:g} s, {current} A]" for turn, current in enumerate((*CYCLE, 0)))
    path = folder / "cycle.yaml"
    path.write_text(
        "profile: cycle\ntitle: {en: cycle, zh: cycle}\nrecord: {dt: 1 s}\nsteps:\n"
        "  - rest: {for: 5 s}\n"
        f"  - current_profile: {{label: drive, points: [{points}], repeat: {repeat}}}\n"
        "  - rest: {for: 5 s}\n",
        encoding="utf-8",
    )
    return str(path)


@pytest.mark.parametrize("level", ["object", "bytes"])
@pytest.mark.parametrize("every_s", [1.0, 0.4])
def test_a_cycle_that_is_followed_trips_nothing(
    every_s: float, level: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    name = profile(tmp_path, every_s, repeat=30)
    words = ("simulate", name, "--pack", "lfp-16s", "--level", level, "--out", str(tmp_path / "out"), "--no-report")
    answer = ask(capsys, *words)
    assert answer.code == 0, answer.data
    assert answer.data["trips"] == []


@pytest.mark.parametrize("level", ["object", "bytes"])
def test_a_cycle_that_is_not_followed_stops_in_time(
    level: str, capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    name = profile(tmp_path, 1.0, repeat=30)
    words = ("simulate", name, "--pack", "lfp-16s", "--level", level, "--out", str(tmp_path / "out"), "--no-report")
    answer = ask(capsys, *words, "--fault", "power.setpoint@40.3")
    assert answer.code == 3
    (trip,) = answer.data["trips"]
    assert trip["rule"] == "setpoint_not_followed"
    (witness,) = witnesses
    witness.assert_safe()
    assert 0 < (witness.output_off_ns() - witness.fault_ns) / S <= TOLERANCE_S
