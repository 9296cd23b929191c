"""A rehearsal against the plant's own counters, and what it costs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from packbench.app.job import load_job
from packbench.app.rehearsal import plot_path, rehearse, write_plot
from packbench.core.errors import InputError
from packbench.report.course import SERIES

PROFILE = """profile: there-and-back
title: {en: There and back, zh: 往返}
record: {dt: 5 s}
steps:
  - cc_discharge: {label: down, current: 0.5C, for: 30 min, until: cell_min <= cell_cutoff}
  - rest: {label: between, for: 10 min}
  - cc_charge: {label: up, current: 0.5C, for: 10 min, on_cell_limit: {at: cell_full, action: end}, until: voltage >= pack_full}
"""  # noqa: E501


def test_totals_steps_and_curve_agree(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(PROFILE, "utf-8")
    job = load_job(str(tmp_path / "p.yaml"), "lmo-25ah", None)
    seen: list[float] = []
    found = rehearse(job, observe=lambda snapshot, _state: seen.append(snapshot.pack_voltage_v))
    assert found.completed
    assert [step.label for step in found.steps] == ["down", "between", "up"]
    down, between, up = found.steps
    assert found.discharged_ah == pytest.approx(12.5 * 0.5, abs=0.02)
    assert found.charged_ah == pytest.approx(12.5 / 6, abs=0.02)
    assert down.charge_ah == pytest.approx(-found.discharged_ah, abs=0.01)
    assert up.charge_ah == pytest.approx(found.charged_ah, abs=0.01)
    assert between.charge_ah == pytest.approx(0.0, abs=0.01)
    assert found.energy_wh == pytest.approx(abs(down.energy_wh) + up.energy_wh, rel=0.01), "throughput"
    assert found.duration_s == pytest.approx(50 * 60, abs=3)

    lines = {name: found.curve.line(index) for index, name in enumerate(SERIES)}
    assert (lines["voltage_v"][1][0], lines["voltage_v"][1][-1]) == (seen[0], seen[-1])
    assert (lines["voltage_v"][1].min(), lines["voltage_v"][1].max()) == (min(seen), max(seen))
    assert lines["temperature_c"][1].max() == found.temperature_max_c
    assert lines["chamber_c"][1].size == 0, "this bench has none"
    assert np.all(lines["cell_min_v"][1] <= lines["cell_max_v"][1])
    currents = lines["current_a"][1]
    assert set(np.round(currents, 1)) >= {-12.5, 0.0, 12.5}


def test_where_a_picture_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    job = load_job("quick-check", "lfp-16s", None)
    assert plot_path(job, None, "en") == Path("quick-check-lfp-16s.svg")
    assert plot_path(job, Path("x.PNG"), "en") == Path("x.PNG")
    for wanted in ("x.pdf", "x", "no/x.svg"):
        with pytest.raises(InputError, match="--plot"):
            plot_path(job, Path(wanted), "en")
    found = rehearse(job)
    for name in ("a.svg", "a.png"):
        write_plot(job, found, Path(name), "zh")
        assert Path(name).stat().st_size > 10_000


def test_the_same_rehearsal_is_the_same(tmp_path: Path) -> None:
    job = load_job("quick-check", "lfp-16s", None)
    one, two = rehearse(job), rehearse(job)
    assert one.steps == two.steps
    for index in range(len(SERIES)):
        for first, second in zip(one.curve.line(index), two.curve.line(index), strict=True):
            assert np.array_equal(first, second)
