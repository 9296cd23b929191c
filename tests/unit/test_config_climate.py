"""Bench and pack files that say something of a climate chamber, an insulation meter, or a fast poll."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem
from packbench.core.specs import BenchSpec, DeviceSpec
from packbench_sim.cells import plant_options

CONFIGS = Path(__file__).parents[2] / "configs"
CLIMATE, HV, NEWARE, PACK = (
    (CONFIGS / name).read_text("utf-8")
    for name in ("benches/sim-climate.yaml", "benches/sim-hv.yaml", "benches/sim-neware.yaml", "packs/nmc-96s.yaml")
)
MS = 1_000_000
S = 1_000 * MS


def bench(text: str = CLIMATE) -> BenchSpec:
    return load_bench(text, "x.yaml")


def changed(text: str, old: str, new: str, *, within: str = "") -> str:
    """The text with one thing changed, the first after `within`."""
    start = text.index(within)
    assert old in text[start:], old
    return text[:start] + text[start:].replace(old, new, 1)


def refused(load: Any, text: str) -> Problem:
    with pytest.raises(InputError) as caught:
        load(text, "x.yaml")
    (problem,) = caught.value.problems
    assert problem.file == "x.yaml"
    assert problem.line is not None
    return problem


def test_a_bench_with_both() -> None:
    spec = bench()
    assert list(spec.devices) == ["cycler", "bms", "board", "chamber", "meter"]
    assert list(spec.fitted) == ["chamber", "meter"]
    assert spec.chamber == DeviceSpec(
        "chamber", "modbus-chamber", "emulated:modbus+tcp", 1, 2 * S, 6 * S, 500 * MS, MappingProxyType({})
    )
    assert spec.meter is not None
    assert (spec.meter.role, spec.meter.device, spec.meter.poll_period_ns) == ("meter", "modbus-insulation", S)


def test_a_bench_without() -> None:
    spec = bench(HV)
    assert (spec.chamber, spec.meter, spec.fitted) == (None, None, {})
    assert list(spec.devices) == ["cycler", "bms", "board"]


def test_a_bench_with_one_of_them() -> None:
    start, end = CLIMATE.index("  # Watched likewise"), CLIMATE.index("board_timing:")
    spec = bench(CLIMATE[:start] + CLIMATE[end:])
    assert list(spec.fitted) == ["chamber"]


@pytest.mark.parametrize(
    ("role", "old", "new", "field", "found", "expected"),
    [
        ("chamber", "stale_after: 6 s", "stale_after: 4 s", "stale_after", "4 s", "reply_timeout, 4.5 s"),
        ("chamber", "reply_timeout: 500 ms", "reply_timeout: 2 s", "reply_timeout", "2 s", "less than poll, 2 s"),
        ("meter", "stale_after: 3 s", "stale_after: 2 s", "stale_after", "2 s", "reply_timeout, 2.5 s"),
        ("meter", 'url: "emulated:modbus+tcp"', 'url: "somewhere"', "url", "'somewhere'", "modbus+tcp://host:port"),
        ("meter", "    unit: 1\n", "", "unit", "nothing", "a unit (slave) number"),
        ("chamber", "poll: 2 s", "poll: 2", "poll", "2 without a unit", "a time"),
        ("chamber", "poll: 2 s", "poll: 2 s\n    poll_fast: 1 s", "poll_fast", "'poll_fast'", ""),
    ],
)  # fmt: skip
def test_what_is_wrong_with_either_is_refused_where_it_stands(
    role: str, old: str, new: str, field: str, found: str, expected: str
) -> None:
    text = changed(CLIMATE, old, new, within=f"  {role}:")
    with pytest.raises(InputError) as caught:
        load_bench(text, "x.yaml")
    problem = next(item for item in caught.value.problems if item.field == f"devices.{role}.{field}")
    assert found in str(problem.found)
    assert expected in str(problem.expected)
    assert problem.line is not None
    # At the value itself, or at the device when it is not there.
    around = text.splitlines()[problem.line - 1]
    assert field in around or role in around


def test_how_often_the_cycler_is_asked_while_things_move_fast() -> None:
    spec = bench().cycler
    assert (spec.poll_period_ns, spec.poll_fast_ns) == (500 * MS, 100 * MS)
    unsaid = bench(changed(CLIMATE, "    poll_fast: 100 ms\n", "")).cycler
    assert (unsaid.stated_fast_ns, unsaid.poll_fast_ns) == (None, 500 * MS), "as ever"
    assert bench(NEWARE).cycler.poll_fast_ns == bench(NEWARE).cycler.poll_period_ns
    assert bench().bms.poll_fast_ns == bench().bms.poll_period_ns
    same = bench(changed(CLIMATE, "poll_fast: 100 ms", "poll_fast: 500 ms")).cycler
    assert same.poll_fast_ns == 500 * MS


def test_a_fast_poll_that_is_slower_is_refused() -> None:
    problem = refused(load_bench, changed(CLIMATE, "poll_fast: 100 ms", "poll_fast: 501 ms"))
    assert (problem.field, problem.found) == ("devices.cycler.poll_fast", "501 ms")
    assert problem.expected == "at most poll, 500 ms"
    zero = refused(load_bench, changed(CLIMATE, "poll_fast: 100 ms", "poll_fast: 0 s"))
    assert "more than 0" in str(zero.expected)


def test_every_shipped_bench_whose_cycler_can_be_asked_faster_says_so() -> None:
    for path in (CONFIGS / "benches").glob("*.yaml"):
        cycler = load_bench(path.read_text("utf-8"), path.name).cycler
        assert (cycler.poll_fast_ns < cycler.poll_period_ns) is (cycler.device != "neware-bts8"), path.stem


def test_what_a_pack_says_of_its_insulation() -> None:
    pack = load_pack(PACK, "x.yaml")
    assert (pack.insulation_min_ohm, pack.insulation_monitor) == (200_000.0, False)
    assert plant_options(pack.plant, pack.series).insulation_ohm == 20e6
    line = next(line for line in PACK.splitlines() if line.startswith("insulation_min"))
    silent = load_pack(PACK.replace(line, "insulation_monitor: true"), "x.yaml")
    assert (silent.insulation_min_ohm, silent.insulation_monitor) == (None, True)
    leaky = load_pack(PACK.replace("  soh: 0.85", "  insulation: 80 kohm\n  soh: 0.85"), "x.yaml")
    assert plant_options(leaky.plant, leaky.series).insulation_ohm == 80_000.0


@pytest.mark.parametrize(
    ("old", "new", "field", "found"),
    [
        ("insulation_min: 200 kohm", "insulation_min: 200", "insulation_min", "200 without a unit"),
        ("insulation_min: 200 kohm", "insulation_min: 0 ohm", "insulation_min", "'0 ohm'"),
        ("insulation_min: 200 kohm", "insulation_min: 500 V", "insulation_min", "'500 V'"),
        ("insulation_min: 200 kohm", "insulation_monitor: maybe", "insulation_monitor", "'maybe'"),
        ("  soh: 0.85", "  insulation: 20\n  soh: 0.85", "plant.insulation", "20 without a unit"),
    ],
)
def test_what_is_wrong_with_it_is_refused(old: str, new: str, field: str, found: str) -> None:
    problem = refused(load_pack, changed(PACK, old, new))
    assert problem.field == field
    assert found in str(problem.found)
