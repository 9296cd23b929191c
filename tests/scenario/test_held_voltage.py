"""A bench whose cycler holds no voltage: the engine does, through the whole program, and safety agrees with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scenario.library import play

from packbench.app.job import load_job

BENCHES = Path(__file__).parents[2] / "configs/benches"


def without_cv(folder: Path, name: str) -> str:
    """A bench file whose cycler does not hold a voltage, and whose simulated one does not either but at its clamp."""
    text = (BENCHES / f"{name}.yaml").read_text(encoding="utf-8")
    changed = text.replace("    ratings: {", "    settings: {holds_voltage: false}\n    ratings: {", 1)
    assert changed != text
    path = folder / f"{name}.yaml"
    path.write_text(changed, encoding="utf-8")
    return str(path)


def test_the_bench_file_says_who_holds_the_voltage(tmp_path: Path) -> None:
    assert load_job("full-charge", "nmc-96s", None).plan.holds_voltage == "cycler"
    assert load_job("full-charge", "nmc-96s", without_cv(tmp_path, "sim-hv")).plan.holds_voltage == "engine"


@pytest.mark.parametrize(
    ("pack", "bench"), [("nmc-96s-new", "sim-hv"), ("lmo-25ah", "sim-cell"), ("lfp-16s", "sim-lv")]
)
def test_a_full_charge_is_the_same_whoever_holds_the_voltage(pack: str, bench: str, tmp_path: Path) -> None:
    settings = ("plant.initial_soc=0.8",)
    own = play("full-charge", pack, bench, settings=settings)
    ours = play("full-charge", pack, without_cv(tmp_path, bench), settings=settings)
    theirs, held = own.record("cccv"), ours.record("cccv")
    # The tail ends on a noisy reading of the current: 0.6 % between two draws.
    assert held.charge_ah == pytest.approx(theirs.charge_ah, rel=0.0075)
    full_v = ours.job.pack.cell_full_v * ours.job.pack.series
    assert held.voltage_end_v <= full_v * 1.002
