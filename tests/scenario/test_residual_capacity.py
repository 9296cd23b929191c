"""The main job: what comes out of a pack, against what the plant knows went out of it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import ask

import packbench_sim.world
from packbench.analysis.student import coverage_factor
from packbench.app.conclude import conclude
from packbench.app.job import load_job
from packbench.app.virtual import Options, simulate
from packbench.core.result import Measured, Result
from packbench.core.samples import Snapshot
from packbench.engine.state import EngineState
from packbench.report.json_out import result_to_dict
from packbench.store.reader import RunReader
from packbench_sim.world import World

RATED_AH = 150.0
AGREEMENT = 0.03
"""Of the rated capacity: the profile's own."""


@dataclass(frozen=True, slots=True)
class Perfect:
    """The whole profile on the 96s pack with instruments that do not err, and what the plant gave."""

    folder: Path
    result: Result
    true_ah: tuple[float, ...]
    """Charge that left the pack in each discharge step, from the plant's own counter."""
    true_wh: tuple[float, ...]


@pytest.fixture(scope="module")
def perfect(tmp_path_factory: pytest.TempPathFactory) -> Perfect:
    folder = tmp_path_factory.mktemp("perfect")
    job = load_job("gbt34015-residual-capacity", "nmc-96s", None)
    worlds: list[World] = []
    build = packbench_sim.world.build_parts
    counters: dict[int, list[tuple[float, float]]] = {}

    def watched(*args: Any, **words: Any) -> World:
        worlds.append(build(*args, **words))
        return worlds[-1]

    def observe(_snapshot: Snapshot, state: EngineState) -> None:
        plant = worlds[0].plant
        counters.setdefault(state.step.number, []).append((plant.true_discharge_ah, plant.true_energy_wh))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packbench_sim.world, "build_parts", watched)
        simulated = simulate(job, Options(level="object", perfect=True), folder, observe)
    assert simulated.outcome.trip is None
    result = conclude(folder, "en", with_report=False).result
    # A discharge begins and ends with a rest, during which the plant's counters stand still.
    numbers = [step.number for step in result.steps if step.kind == "cc_discharge"]
    before = [counters[number - 1][-1] for number in numbers]
    after = [counters[number + 1][-1] for number in numbers]
    return Perfect(
        folder,
        result,
        tuple(late[0] - early[0] for early, late in zip(before, after, strict=True)),
        tuple(early[1] - late[1] for early, late in zip(before, after, strict=True)),
    )


def measured(figure: Measured | None) -> Measured:
    assert figure is not None
    return figure


def assert_welch_satterthwaite(figure: dict[str, Any]) -> None:
    """U = k u_c, and k is Student's for the effective degrees of freedom (GUM G.4.2), computed anew."""
    variance = math.fsum(line["standard_u"] ** 2 for line in figure["budget"])
    denominator = math.fsum(line["standard_u"] ** 4 / line["dof"] for line in figure["budget"] if line["dof"])
    dof = variance**2 / denominator if denominator else None
    assert figure["p"] == 0.95
    assert figure["k"] == pytest.approx(coverage_factor(dof, 0.95), rel=1e-6)
    assert figure["U"] == pytest.approx(figure["k"] * math.sqrt(variance), rel=1e-6)


def test_perfect_instruments_find_what_the_pack_gave(perfect: Perfect) -> None:
    result = perfect.result
    assert result.capacities_ah == pytest.approx(perfect.true_ah, rel=1e-3)
    assert measured(result.capacity_ah).value == pytest.approx(math.fsum(perfect.true_ah) / 2, rel=1e-3)
    assert measured(result.energy_wh).value == pytest.approx(math.fsum(perfect.true_wh) / 2, rel=1e-3)
    assert measured(result.soh).value == pytest.approx(measured(result.capacity_ah).value / RATED_AH)
    assert 0.80 < measured(result.soh).value < 0.82


def test_two_consecutive_capacities_agree_and_their_mean_counts(perfect: Perfect) -> None:
    result = perfect.result
    assert result.agreeing_cycles == (1, 2)
    one, two = result.capacities_ah
    assert abs(one - two) <= AGREEMENT * RATED_AH
    assert measured(result.capacity_ah).value == pytest.approx((one + two) / 2)


def test_the_weakest_cell_is_the_one_that_was_made_weak(perfect: Perfect) -> None:
    weakest = perfect.result.weakest_cell
    assert weakest is not None
    assert weakest.index == 37
    assert weakest.reason == "cell_min <= cell_cutoff"
    assert 0.0 < measured(weakest.margin_ah).value < 5.0
    discharges = [step for step in perfect.result.steps if step.kind == "cc_discharge"]
    assert [step.end_cell for step in discharges] == [37, 37]
    assert all(step.cell_min_end_v == pytest.approx(2.8, abs=0.05) for step in discharges)
    spread = measured(perfect.result.cell_spread_v)
    ends = discharges[-1]
    assert ends.cell_max_end_v is not None
    assert ends.cell_min_end_v is not None
    assert spread.value == pytest.approx(ends.cell_max_end_v - ends.cell_min_end_v)


def test_the_result_says_how_sure_it_is_and_what_it_rests_on(perfect: Perfect) -> None:
    result = perfect.result
    assert (result.verdict, result.valid, result.releasing) == ("PASS", True, False)
    assert result.imbalance_limited is False  # the profile tapers at a full cell instead of ending
    figures = result_to_dict(result)
    for name in ("capacity_ah", "energy_wh", "soh", "soce"):
        assert_welch_satterthwaite(figures[name])
    # Two discharges leave one degree of freedom, and k says so.
    assert [line["dof"] for line in figures["capacity_ah"]["budget"] if line["name"] == "repeatability"] == [1.0]
    assert figures["capacity_ah"]["k"] > coverage_factor(None) + 1e-5
    assert figures["capacity_ah"]["U"] < 0.005 * RATED_AH
    job = load_job("gbt34015-residual-capacity", "nmc-96s", None)
    for name, source in (("profile", job.profile_source), ("pack", job.pack_source), ("bench", job.bench_source)):
        assert result.hashes[f"{name}_sha256"] == hashlib.sha256(source.text.encode()).hexdigest()
    with RunReader.open(perfect.folder / "run.db") as reader:
        assert reader.verify(result.hashes["log_sha256"]).sealed
    # The tightest layer of every limit, and who stated it.
    limits = result.limits
    assert limits["cell_voltage_max_v"] == {"value": 4.25, "unit": "V", "origin": "pack"}
    assert all(set(limit) == {"value", "unit", "origin"} for limit in limits.values())
    assert {"pack_voltage_max_v", "cell_voltage_min_v", "charge_current_max_a", "temperature_max_c"} <= set(limits)


# -- on the 16s pack, down to the bytes ------------------------------------------------------------

SHORT = """
profile: short-capacity
title: {{en: "Short capacity", zh: "短容量试验"}}
record: {{dt: 5 s}}
result: {{capacity_of: down}}
steps:
  - loop:
      repeat: 4
      until: capacity within 2 % of rated for 2 cycles
      steps:
        - cc_charge:
            label: up
            current: 1 I1
            for: 3 min
            on_cell_limit: {{at: cell_full, action: {action}}}
            until: voltage >= pack_full
        - rest: {{for: 1 min}}
        - cc_discharge: {{label: down, current: 1 I1, {down}}}
        - rest: {{for: 1 min}}
  - end: {{verdict: pass}}
"""
TO_THE_CUTOFF = "until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]"
TAPER = "taper, end_current: 5 A"


def short_run(
    capsys: pytest.CaptureFixture[str],
    folder: Path,
    *,
    level: str,
    soc: float,
    action: str,
    down: str,
    within: str = "2 %",
) -> dict[str, Any]:
    profile = folder / "short.yaml"
    profile.write_text(SHORT.format(action=action, down=down), encoding="utf-8")
    words = ("simulate", str(profile), "--pack", "lfp-16s", "--level", level, "--set", f"plant.initial_soc={soc}")
    answer = ask(capsys, *words, "--out", str(folder / "out"), "--no-report")
    assert answer.code == 0, answer
    return answer.data


def test_the_jk_bench_at_byte_level_repeats_until_two_agree(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Modbus RTU to a JK PB map: the first discharge also takes what was in the pack, so it cannot agree."""
    data = short_run(capsys, tmp_path, level="bytes", soc=0.06, action=TAPER, down=TO_THE_CUTOFF)
    result = data["result"]
    first, second, third = result["capacities_ah"]
    assert first > second + 0.02 * 100.0
    assert abs(second - third) <= 0.02 * 100.0
    assert result["agreeing_cycles"] == [2, 3]
    assert result["capacity_ah"]["value"] == pytest.approx((second + third) / 2)
    assert result["capacity_ah"]["value"] == pytest.approx(data["truth"]["capacity_ah"], rel=0.01)
    assert result["weakest_cell"]["index"] == data["truth"]["ending_cell"]
    for name in ("capacity_ah", "energy_wh", "soh", "soce"):
        assert_welch_satterthwaite(result[name])
    lines = {line["name"]: line for line in result["capacity_ah"]["budget"]}
    assert lines["repeatability"]["dof"] == 1.0  # two discharges leave one
    assert lines["repeatability"]["standard_u"] == pytest.approx(abs(second - third) / 2, rel=1e-3)
    # Three polls and five heartbeats a second, on real periods.
    assert data["polls"] == pytest.approx(3 * data["bench_seconds"], rel=0.02)
    assert data["heartbeats"] == pytest.approx(5 * data["bench_seconds"], rel=0.02)


@pytest.mark.parametrize(("action", "limited"), [("end", True), (TAPER, False)])
def test_a_charge_that_one_cell_ended_is_marked(
    action: str, limited: bool, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    down = "for: 2 min, until: cell_min <= cell_cutoff"
    result = short_run(capsys, tmp_path, level="object", soc=0.97, action=action, down=down)["result"]
    charges = [step for step in result["steps"] if step["label"] == "up"]
    assert all(step["cell_max_end_v"] > 3.64 for step in charges), "no cell became full: the test proves nothing"
    assert result["imbalance_limited"] is limited
