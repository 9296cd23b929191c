"""The release gates: nothing that was not measured releases a pack, and nobody claims a measurement lightly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.scenario.support import ask

from packbench.analysis.verdict import Signature, may_enter, may_release
from packbench.app.job import Job, load_job
from packbench.app.live import LiveOptions, _meta
from packbench.clock import MonotonicClock
from packbench.core.samples import Provenance

ROLES = ("cycler", "bms", "board")
REAL_URLS = {
    "cycler": "modbus+tcp://192.0.2.1:502",
    "bms": "modbus+tcp://192.0.2.2:502",
    "board": "serial:///dev/ttyACM0",
}
OPTIONS = LiveOptions(run_id="r", serial="s", operator="o", seed=7)
PROFILE = """profile: nearly-empty
title: {en: "The last of a cell", zh: "电芯余量"}
record: {dt: 2 s}
result: {capacity_of: down}
steps:
  - cc_discharge: {label: down, current: 0.5C, until: cell_min <= cell_cutoff}
  - end: {verdict: pass}
"""


def job_with(emulated: tuple[str, ...]) -> Job:
    """The simulated cell bench with real addresses, except for the roles that are played."""
    job = load_job("quick-check", "lmo-25ah", "sim-cell")
    devices = {
        role: getattr(job.bench, role) if role in emulated else replace(getattr(job.bench, role), url=REAL_URLS[role])
        for role in ROLES
    }
    return replace(job, bench=replace(job.bench, **devices))


@pytest.mark.parametrize("emulated", [(), *((role,) for role in ROLES), ("cycler", "bms"), ROLES], ids="+".join)
def test_a_run_is_measured_only_when_no_device_is_played(emulated: tuple[str, ...]) -> None:
    job = job_with(emulated)
    meta = _meta(job, OPTIONS, MonotonicClock())
    assert meta.provenance is (Provenance.EMULATED if emulated else Provenance.MEASURED)
    assert meta.seed == (7 if emulated else None)


@pytest.mark.parametrize("verdict", ["PASS", "FAIL", "INVALID", "ABORTED"])
@pytest.mark.parametrize("provenance", list(Provenance))
def test_only_a_measured_pass_releases(provenance: Provenance, verdict: str) -> None:
    passed = provenance is Provenance.MEASURED and verdict == "PASS"
    bench = Signature("kid", by_bench=True)
    assert may_release(str(provenance), verdict, capacity=True, signature=bench) is passed
    assert may_release(str(provenance), verdict, capacity=False, signature=bench) is False
    for unsigned in (None, Signature("kid"), Signature("kid", by_bench=True, problem_en="revoked")):
        assert may_release(str(provenance), verdict, capacity=True, signature=unsigned) is False


@pytest.mark.parametrize("provenance", list(Provenance))
def test_only_what_was_measured_enters_a_real_ledger(provenance: Provenance) -> None:
    assert may_enter("real", str(provenance)) is (provenance is Provenance.MEASURED)
    assert may_enter("test", str(provenance)) is True


def test_a_simulated_pass_releases_nothing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    profile = tmp_path / "nearly-empty.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    words = ("simulate", str(profile), "--pack", "lmo-25ah", "--level", "object", "--set", "plant.initial_soc=0.3")
    answer = ask(capsys, *words, "--out", str(tmp_path / "out"))
    result = answer.data["result"]
    assert (result["verdict"], result["valid"]) == ("PASS", True)
    assert (result["provenance"], result["releasing"]) == ("simulated", False)
    # The mark is on the page as well.
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "SIMULATED" in page.upper()
