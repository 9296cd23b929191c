"""Whatever devices a bench has, an undisturbed run on it and a stop break no invariant.

A check that knew only one protocol's rounding, or one device's way of answering, would cry out here.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.campaign.invariants_rig import watched
from tests.scenario.test_every_device import BMS, CYCLERS

from packbench.files import packaged_configs


def bench_with(folder: Path, role: str, device: str, scheme: str, unit: int) -> str:
    """A bench file like sim-lv with another device."""
    text = (packaged_configs() / "benches" / "sim-lv.yaml").read_text("utf-8")
    pattern = rf'(  {role}:\n    device: )\S+(\n    url: "emulated:)[^"]+("\n    unit: )\d+'
    text, count = re.subn(pattern, rf"\g<1>{device}\g<2>{scheme}\g<3>{unit}", text)
    assert count == 1
    (folder / "own.yaml").write_text(text, "utf-8")
    return str(folder / "own.yaml")


def check(tmp_path: Path, bench: str) -> None:
    """A run to its end, and one that trips."""
    run = watched(tmp_path / "whole", pack="lfp-16s", bench=bench)
    assert run.words == []
    assert run.outcome.finish.verdict == "pass"
    run = watched(tmp_path / "tripped", pack="lfp-16s", bench=bench, faults=(("sensor.weak_cell", 45.0),))
    assert run.words == []
    assert run.outcome.trip is not None


@pytest.mark.parametrize(("device", "scheme", "unit", "_model"), CYCLERS.values(), ids=CYCLERS)
def test_every_cycler(tmp_path: Path, device: str, scheme: str, unit: int, _model: str) -> None:
    check(tmp_path, bench_with(tmp_path, "cycler", device, scheme, unit))


@pytest.mark.parametrize("device", BMS)
def test_every_bms(tmp_path: Path, device: str) -> None:
    check(tmp_path, bench_with(tmp_path, "bms", device, "serial", BMS[device][0]))
