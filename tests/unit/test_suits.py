"""What a bench's devices cannot do is refused before a run, with the line that asks for it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.wire_parts import device_map

from packbench.app.devices import DeviceTypes
from packbench.app.job import load_job
from packbench.app.suits import Files, unsuited
from packbench.config.bench import load_bench
from packbench.config.document import load_document
from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.maps.schema import DeviceType
from packbench.profile.language.compiler import compile_profile

CONFIGS = Path(__file__).parents[2] / "configs"
BENCH, PACK, PROFILE = (
    (CONFIGS / name).read_text("utf-8")
    for name in ("benches/sim-lv.yaml", "packs/lfp-16s.yaml", "profiles/quick-check.yaml")
)
TAP = '  cell_tap:\n    device: modbus-hv-bms\n    url: "emulated:rtu+tcp"\n    unit: 3\n    reply_timeout: 300 ms\n'
CHARGE_ONLY = """profile: up
title: {en: up, zh: up}
record: {dt: 1 s}
steps:
  - cc_charge:
      {label: up, current: 0.2C, for: 20 s, on_cell_limit: {at: cell_full, action: end}, until: voltage >= pack_full}
  - end
"""


def able(device: DeviceType, **capabilities: Any) -> DeviceType:
    return replace(device, capabilities=replace(device.capabilities, **capabilities))


EA, JK, HV = device_map("ea-psb"), device_map("jk-pb"), device_map("modbus-hv-bms")


def problems(
    cycler: DeviceType = EA, bms: DeviceType = JK, tap: DeviceType | None = None, *, rules: str = "",
    profile: str = PROFILE, bench: str = BENCH, pack: str = PACK,
) -> list[str]:  # fmt: skip
    if tap is not None:
        bench = bench.replace("  board:\n    device", TAP + rules + "  board:\n    device")
    files = Files(load_document(bench, "bench.yaml"), load_document(pack, "pack.yaml"))
    bench_spec, pack_spec = load_bench(bench, "bench.yaml"), load_pack(pack, "pack.yaml")
    plan = compile_profile(profile, "profile.yaml", pack_spec)
    found = unsuited(DeviceTypes(cycler, bms, tap), bench_spec, pack_spec, plan, files)
    return [str(problem) for problem in found]


def test_devices_that_suit_are_no_problem() -> None:
    assert problems() == []
    assert problems(tap=HV) == []


def test_a_poll_that_is_faster_than_the_device() -> None:
    problem, fast = problems(able(EA, min_period_s=0.501))
    assert problem == (
        "bench.yaml:12:11: devices.cycler.poll: faster than the device keeps up with: found 500 ms, "
        "expected at least 501 ms (ea-psb)"
    )
    assert fast == (
        "bench.yaml:13:16: devices.cycler.poll_fast: faster than the device keeps up with: found 100 ms, "
        "expected at least 501 ms (ea-psb)"
    )
    assert problems(able(EA, min_period_s=0.5)) == [fast.replace("501 ms", "500 ms")]
    (problem,) = problems(bms=able(JK, min_period_s=1.001))
    assert problem.startswith("bench.yaml:21:11: devices.bms.poll:")
    assert problem.endswith("found 1 s, expected at least 1.001 s (jk-pb)")
    assert problems(able(EA, min_period_s=0.1), able(JK, min_period_s=1.0)) == []


def test_a_tap_is_asked_as_often_as_the_bms() -> None:
    (problem,) = problems(tap=able(HV, min_period_s=2.0))
    assert problem.startswith("bench.yaml:21:11: devices.bms.poll:")
    assert problem.endswith("at least 2 s (modbus-hv-bms)")


def test_where_a_dead_bms_may_be_done_without_the_cells_must_not_grow_stale_meanwhile() -> None:
    alone = "    bms_required: false\n"
    (problem,) = problems(tap=HV, rules=alone)
    assert problem == (
        "bench.yaml:23:18: devices.bms.stale_after: the cells would be stale while a dead BMS is asked: "
        "found 2.5 s, expected at least 2.65 s"
    )
    assert problems(tap=HV, rules=alone, bench=BENCH.replace("stale_after: 2.5 s", "stale_after: 2.65 s")) == []


@pytest.mark.parametrize(
    ("capability", "key", "column"),
    [("voltage_max_v", "voltage", 24), ("current_max_a", "current", 39), ("power_max_w", "power", 53)],
)
def test_ratings_that_no_such_device_has(capability: str, key: str, column: int) -> None:
    rated = {"voltage": 80.0, "current": 340.0, "power": 10_000.0}[key]
    assert problems(able(EA, **{capability: rated})) == []
    (problem,) = problems(able(EA, **{capability: rated - 1}))
    assert problem.startswith(f"bench.yaml:16:{column}: devices.cycler.ratings.{key}: beyond what the device can do")
    assert f"expected at most {rated - 1:g}" in problem


def test_a_discharge_needs_a_cycler_that_sinks_and_a_bms_that_watches_it() -> None:
    charger, charge_only = able(EA, sinks=False), able(JK, discharges=False)
    (problem,) = problems(charger)
    assert problem.startswith("profile.yaml:15:5: steps[4].cc_discharge: the cycler only charges: found a discharge")
    (problem,) = problems(bms=charge_only)
    assert "nobody watches the pack while it is discharged" in problem
    assert len(problems(charger, charge_only)) == 2
    assert problems(charger, charge_only, profile=CHARGE_ONLY) == []
    assert problems(able(EA, sinks=None)) == [], "nobody knows"


def test_off_does_not_wait_behind_another_device() -> None:
    """An exchange that was begun is not cut short: on the cycler's own line it would hold up an "off"."""
    own = BENCH.replace('"emulated:rtu+tcp"', '"rtu+tcp://192.0.2.1:4001"').replace(
        '"emulated:modbus+tcp"', '"modbus+tcp://192.0.2.1:502"'
    )
    assert own != BENCH
    assert problems(bench=own) == [], "another port of the same gateway is another line"
    shared = re.sub(r'url: "(?:emulated:)?(?:rtu|modbus)\+tcp[^"]*"', 'url: "rtu+tcp://192.0.2.1:4001"', BENCH)
    (problem,) = problems(bench=shared)
    assert "devices.bms.url" in problem
    assert '"cycler off" would have to wait: found the cycler\'s line, with exchanges of up to' in problem
    assert "at most 50 ms" in problem
    quick = shared.replace("reply_timeout: 500 ms", "reply_timeout: 20 ms")
    assert problems(bench=quick, bms=replace(JK, line=replace(JK.line, gap_ns=0))) == []


def test_more_cells_than_the_bms_can_report() -> None:
    assert problems(bms=able(JK, cells_max=16)) == []
    (problem,) = problems(bms=able(JK, cells_max=15))
    assert problem == "pack.yaml:5:9: series: more cells than are watched: found 16, expected at most 15 (jk-pb)"
    # The tap has precedence: what the BMS has room for does not matter, unless the two are compared.
    few = able(JK, cells_max=15)
    assert problems(bms=few, tap=HV) == []
    assert len(problems(bms=few, tap=HV, rules="    cross_check: 20 mV\n")) == 1
    assert len(problems(bms=few, tap=HV, rules="    precedence: bms\n")) == 1
    assert len(problems(tap=able(HV, cells_max=15))) == 1
    assert problems(tap=able(HV, cells_max=15), rules="    precedence: bms\n") == []


def test_cells_that_nobody_reports() -> None:
    blind = able(JK, cells_reported=False, cells_max=None)
    (problem,) = problems(bms=blind)
    assert problem.startswith("bench.yaml:18:13: devices.bms.device: cells nobody watches: found jk-pb, which does not")
    assert problems(bms=blind, tap=HV) == []
    assert problems(bms=blind, tap=HV, rules="    precedence: bms\n") == []
    (problem,) = problems(bms=blind, tap=able(HV, cells_reported=False))
    assert "devices.cell_tap.device: cells nobody watches: found modbus-hv-bms" in problem


def test_a_pack_that_limits_no_cell_needs_none_reported() -> None:
    blind = able(JK, cells_reported=False)
    pack_spec = load_pack(PACK, "pack.yaml")
    limits = replace(pack_spec.limits, cell_voltage_max_v=None, cell_voltage_min_v=None, cell_spread_max_v=None)
    files = Files(load_document(BENCH, "bench.yaml"), load_document(PACK, "pack.yaml"))
    plan = compile_profile(PROFILE, "profile.yaml", pack_spec)
    types, bench = DeviceTypes(EA, blind), load_bench(BENCH, "bench.yaml")
    assert len(unsuited(types, bench, pack_spec, plan, files)) == 1
    assert unsuited(types, bench, replace(pack_spec, limits=limits), plan, files) == []


def test_a_profile_that_sets_a_chamber_wants_a_bench_that_has_one() -> None:
    profile, pack = str(CONFIGS / "profiles/capacity-at-temperature.yaml"), str(CONFIGS / "packs/nmc-96s.yaml")
    with pytest.raises(InputError, match="sim-hv has no climate chamber"):
        load_job(profile, pack, "sim-hv")
    assert load_job(profile, pack, "sim-climate").plan.steps


def test_a_job_with_devices_that_do_not_suit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = (CONFIGS / "devices" / "jk-pb.yaml").read_text("utf-8")
    assert "min_period_s: 0.25" in device
    (tmp_path / "devices").mkdir()
    slow = device.replace("min_period_s: 0.25", "min_period_s: 3")
    (tmp_path / "devices" / "jk-pb.yaml").write_text(slow, "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"sim-lv.yaml:21:11: devices.bms.poll: faster than .* at least 3 s \(jk-pb\)"):
        load_job("quick-check", "lfp-16s", None)


def test_capabilities_are_data_of_the_device_file() -> None:
    assert device_map("modbus-cycler").capabilities.sinks is True
    assert device_map("seplos-v3").capabilities.cells_max == 16
    assert device_map("modbus-hv-bms").capabilities.cells_max == 96, "from its map"
