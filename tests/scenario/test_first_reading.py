"""A profile begins on what the cycler has read of the pack, not on what it read before the contactor closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from packbench.app.job import load_job
from packbench.app.virtual import Level, Options, simulate

PROFILE = """profile: first-reading
title: {en: "What is read first", zh: "首次读数"}
record: {dt: 1 s}
steps:
  - set: {open: voltage}
  - rest: {for: 5 s}
  - cp_discharge: {power: 20 W, for: 10 s, until: voltage <= pack_cutoff}
  - end
"""


@pytest.mark.parametrize("level", ["object", "bytes"])
def test_the_first_step_knows_the_packs_voltage(level: Level, tmp_path: Path) -> None:
    path = tmp_path / "first-reading.yaml"
    path.write_text(PROFILE, encoding="utf-8")
    job = load_job(str(path), "lmo-25ah-new", "sim-cell")
    done = simulate(job, Options(level=level, perfect=True), tmp_path / "run", lambda *_: None)
    finish = done.outcome.finish
    assert (finish.verdict, done.outcome.trip) == ("pass", None)
    # LMO at half its charge (packbench_sim/chemistry.py).
    assert dict(finish.variables)["open"] == pytest.approx(3.622, abs=0.005)
