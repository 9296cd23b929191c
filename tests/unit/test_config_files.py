"""Pack and bench files: the packaged library is sound, and broken ones are refused with their place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from packbench.app.job import find_beside, load_job
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.core.limits import merge_limits
from packbench.core.specs import BenchSpec, PackSpec
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile
from packbench_sim.cells import plant_options

CONFIGS = Path(__file__).parents[2] / "configs"
PACK_FILES = sorted(CONFIGS.glob("packs/*.yaml"))
BENCH_FILES = sorted(CONFIGS.glob("benches/*.yaml"))
PROFILE_FILES = sorted(CONFIGS.glob("profiles/*.yaml"))


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


PACKS = {path.stem: load_pack(text_of(path), path.name) for path in PACK_FILES}
BENCHES = {path.stem: load_bench(text_of(path), path.name) for path in BENCH_FILES}


def test_the_library_is_complete():
    types = {"nmc-96s", "lfp-45s-176ah", "lfp-16s", "lmo-25ah"}
    assert set(PACKS) >= types | {f"{name}-new" for name in types}
    assert set(BENCHES) >= {"sim-hv", "sim-mv", "sim-lv", "sim-cell", "example-real"}
    assert {path.stem for path in PROFILE_FILES} >= {"gbt34015-residual-capacity", "quick-check", "single-discharge"}


@pytest.mark.parametrize("stem", PACKS)
def test_a_pack_is_named_as_its_file_and_its_bench_exists(stem):
    pack = PACKS[stem]
    assert pack.name == stem
    assert pack.title and pack.title_zh
    assert pack.default_bench in BENCHES


@pytest.mark.parametrize("stem", BENCHES)
def test_a_bench_is_named_as_its_file_and_promises_what_the_design_asks(stem):
    bench = BENCHES[stem]
    assert bench.name == stem
    assert (bench.heartbeat_period_ns, bench.lease_ns) == (200_000_000, 500_000_000)
    # A programmed cycler has nothing newer to say: its device file.
    assert bench.cycler.poll_period_ns == (5_000_000_000 if stem == "sim-neware" else 500_000_000)
    assert (bench.bms.poll_period_ns, bench.bms.stale_after_ns) == (1_000_000_000, 2_500_000_000)
    assert bench.accuracy("cycler", "current_a").gain > 0.0
    assert bench.accuracy("bms", "cell_voltage_v").offset > 0.0
    assert bench.accuracy("cycler", "time").gain == pytest.approx(50e-6)
    for instrument in bench.instruments:
        assert date.fromisoformat(instrument.calibrated_on) < date.fromisoformat(instrument.due_on)
    if stem.startswith("sim-"):
        # Due well after the virtual epoch of 2026-01-01: a simulated run never becomes invalid by it.
        assert all(instrument.due_on > "2027-01-01" for instrument in bench.instruments)
        assert all(device.url.startswith("emulated:") for device in (bench.cycler, bench.bms, bench.board))


CANNOT = {
    ("pulse-test", "lfp"): "its pulses of 1.5C are beyond the pack's limit: --with rate=0.6C",
    ("pulse-test", "nmc"): "likewise",
    ("iec61960-dc-resistance", "nmc"): "0.9 It at 400 V is beyond sim-hv's 30 kW",
    ("iec61960-dc-resistance", "lfp-45s"): "0.9 It at 160 V is beyond sim-mv's 15 kW",
}
"""(profile, beginning of a pack's name): what the pack or its own bench cannot do of it."""
FITTED = {"capacity-at-temperature": "chamber", "ul1974-intake": "meter"}
"""Profiles that want more of a bench."""
CLIMATE = {"sim-hv": "sim-climate", "sim-mv": "sim-climate", "sim-lv": "sim-climate-lv"}
"""A bench, and its like with a chamber and a meter; for a cell there is none."""


def bench_for(profile: str, pack: PackSpec) -> BenchSpec | None:
    """The bench on which a profile can run with a pack; None: there is none."""
    assert pack.default_bench is not None
    if any(profile == name and pack.name.startswith(start) for name, start in CANNOT):
        return None
    if profile not in FITTED:
        return BENCHES[pack.default_bench]
    return BENCHES.get(CLIMATE.get(pack.default_bench, ""))


@pytest.mark.parametrize("stem", PACKS)
@pytest.mark.parametrize("profile", PROFILE_FILES, ids=lambda path: path.stem)
def test_every_profile_is_checked_clean_on_every_pack_that_can(stem, profile):
    pack = PACKS[stem]
    bench = bench_for(profile.stem, pack)
    if bench is None:
        with pytest.raises(InputError):
            load_job(str(profile), stem, pack.default_bench)
        return
    limits = merge_limits({"pack": pack.limits, **bench.limits})
    plan = compile_profile(text_of(profile), str(profile), pack, find_beside)
    report = check_plan(plan, pack, bench, limits)
    assert report.errors == ()
    # The rest of 30 min is a pack's; for a cell the checker says that the standard's is 1 h.
    allowed = {"short rest"} if pack.series == 1 else set[str]()
    if profile.stem == "programmed-capacity" and pack.series > 1:
        # It is for cyclers that see no cells; on a pack the checker says what that means.
        allowed.add("no per-cell limit")
    assert {warning.message for warning in report.warnings} <= allowed


@pytest.mark.parametrize("profile", PROFILE_FILES, ids=lambda path: path.stem)
def test_every_profile_runs_on_at_least_two_packs(profile):
    assert sum(bench_for(profile.stem, pack) is not None for pack in PACKS.values()) >= 2


@pytest.mark.parametrize("stem", PACKS)
def test_the_simulator_understands_every_plant_section(stem):
    pack = PACKS[stem]
    options = plant_options(pack.plant, pack.series)
    assert options.seed == pack.plant["seed"]
    assert len({spec.plant["seed"] for spec in PACKS.values()}) == len(PACKS), "each pack draws cells of its own"
    assert [weak.cell for weak in options.weak_cells] == [weak["cell"] for weak in pack.plant["weak_cells"]]
    assert (options.cycles > 500) == (not stem.endswith("-new"))
    assert (options.soh < 0.9) == (not stem.endswith("-new"))


def test_units_have_become_si():
    pack = PACKS["nmc-96s"]
    assert (pack.series, pack.rated_capacity_ah, pack.rated_energy_wh) == (96, 150.0, pytest.approx(52_560.0))
    assert pack.limits.cell_spread_max_v == pytest.approx(0.8)
    assert pack.plant["weak_cells"][0]["cell"] == 37
    bench = BENCHES["sim-hv"]
    assert bench.cable_resistance_ohm == pytest.approx(0.004)
    assert bench.accuracy("cycler", "current_a").offset == pytest.approx(0.04)
    assert bench.accuracy("cycler", "current_a").gain == pytest.approx(0.001)
    assert bench.accuracy("bms", "temperature_c").offset == pytest.approx(1.0)
    assert bench.cycler.settings["rated_power_w"] == 30_000.0
    assert dict(bench.alarm_policy) == {"cell_spread": "log"}


PACK_TEXT = text_of(CONFIGS / "packs/nmc-96s.yaml")
BENCH_TEXT = text_of(CONFIGS / "benches/sim-hv.yaml")

BROKEN_PACKS = {
    "cut-off above full": ("cell_cutoff: 2.8 V", "cell_cutoff: §4.3 V", "cell_cutoff", "4.3 V", "less than cell_full"),
    "full outside the chemistry": ("cell_full: 4.2 V", "cell_full: §5 V", "cell_full", "5 V", "2.3 to 4.45 V"),
    "bare number": (
        "rated_capacity: 150 Ah",
        "rated_capacity: §150",
        "rated_capacity",
        "150 without a unit",
        "a charge",
    ),
    "energy for capacity": (
        "rated_capacity: 150 Ah",
        "rated_capacity: §150 Wh",
        "rated_capacity",
        "'150 Wh', an energy",
        "a charge",
    ),
    "energy that cannot be": (
        "rated_energy: 52.56 kWh",
        "rated_energy: §5.256 kWh",
        "rated_energy",
        "5256 Wh",
        "52560 Wh",
    ),
    "chemistry unknown": ("chemistry: nmc", "chemistry: §nca", "chemistry", "'nca'", "'nmc', 'lfp' or 'lmo'"),
    "limit inside the working range": (
        "pack_voltage_max: 406 V",
        "pack_voltage_max: §400 V",
        "limits.pack_voltage_max",
        "400 V",
        "at least series x cell_full, 403.2 V",
    ),
    "cell limit inside": (
        "cell_voltage_min: 2.5 V",
        "cell_voltage_min: §2.9 V",
        "limits.cell_voltage_min",
        "2.9 V",
        "at most cell_cutoff, 2.8 V",
    ),
    "limits crossed": (
        "temperature_min: 0 degC",
        "temperature_min: §60 degC",
        "limits.temperature_min",
        "60",
        "less than temperature_max",
    ),
    "weak cell beyond": ("cell: 37", "cell: §97", "plant.weak_cells[1].cell", "97", "1 to 96"),
    "plant key unknown": (
        "imbalance_sd:",
        "§imbalance:",
        "plant.imbalance",
        "'imbalance'",
        "did you mean 'imbalance_sd'?",
    ),
    "soh in percent": ("soh: 0.85 ", "soh: §85 ", "plant.soh", "'85'", "1.2 or less"),
    "series as text": ("series: 96", "series: §96s", "series", "'96s'", "the number of cells in series"),
}

BROKEN_BENCHES = {
    "stale too soon": (
        "stale_after: 1.5 s",
        "stale_after: §1 s",
        "devices.cycler.stale_after",
        "1 s",
        "at least 2 x poll + reply_timeout, 1.2 s",
    ),
    "time-out longer than poll": (
        "reply_timeout: 80 ms\n    stale_after: 500 ms",
        "reply_timeout: §200 ms\n    stale_after: 700 ms",
        "devices.board.reply_timeout",
        "200 ms",
        "less than poll",
    ),
    "heartbeat too slow": (
        "heartbeat: 200 ms",
        "heartbeat: §250 ms",
        "board_timing.heartbeat",
        "250 ms",
        "less than half the lease, 250 ms",
    ),
    "lease too long": ("lease: 500 ms ", "lease: §2 s ", "board_timing.lease", "2 s", "500 ms or less"),
    "day that does not exist": (
        "due_on: 2035-06-30        #",
        "due_on: §2035-06-31        #",
        "instruments[1].due_on",
        "'2035-06-31'",
        "a day that exists",
    ),
    "due before calibrated": (
        "due_on: 2035-06-30        #",
        "due_on: §2025-06-30        #",
        "instruments[1].due_on",
        "2025-06-30",
        "a day after calibrated_on",
    ),
    "url unknown": (
        'url: "emulated:pty"',
        'url: §"http://x"',
        "devices.board.url",
        "'http://x'",
        "modbus+tcp://host:port",
    ),
    "quantity missing": (
        "      cell_voltage: {gain: 0.02 %, offset: 2 mV, resolution: 1 mV, noise: 0.3 mV}\n",
        "",
        "instruments[2].quantities.cell_voltage",
        "nothing",
        "the accuracy of the bms's cell voltage",
    ),
    "instrument missing": ("  - name: bms\n", "  - name: meter\n", "instruments", "nothing", "an instrument named bms"),
    "perfect instrument": (
        "voltage: {gain: 0.05 %, offset: 60 mV, resolution: 20 mV, noise: 10 mV}",
        "§voltage: {noise: 10 mV}",
        "instruments[1].quantities.voltage",
        "gain 0, offset 0",
        "no instrument is without error",
    ),
    "offset without unit": (
        "offset: 40 mA",
        "offset: §40",
        "instruments[1].quantities.current.offset",
        "40 without a unit",
        "a current",
    ),
    "gain as bare number": (
        "gain: 0.1 %, offset: 40 mA",
        "gain: §0.001, offset: 40 mA",
        "instruments[1].quantities.current.gain",
        "0.001 without a unit",
        "a ratio",
    ),
    "rate in a bench": (
        "cable: {charge_current_max: 150 A",
        "cable: {charge_current_max: §1C",
        "limits.cable.charge_current_max",
        "'1C'",
        "a bench has no rated capacity",
    ),
    "limit beyond the rating": (
        "cycler: {pack_voltage_max: 500 V",
        "cycler: {pack_voltage_max: §600 V",
        "limits.cycler.pack_voltage_max",
        "600",
        "500 or less",
    ),
    "alarm policy": ("cell_spread: log ", "cell_spread: §ignore ", "alarms.cell_spread", "'ignore'", "'stop' or 'log'"),
    "ratings missing": (
        "    ratings: {voltage: 500 V, current: 180 A, power: 30 kW}   # PSB 10500-180 4U [M]\n",
        "",
        "devices.cycler.ratings",
        "nothing",
        "a mapping {voltage",
    ),
    "sense point": (
        "sense_point: cycler",
        "sense_point: §somewhere",
        "wiring.sense_point",
        "'somewhere'",
        "'pack' or 'cycler'",
    ),
    "unit out of range": ("unit: 1\n", "unit: §300\n", "devices.bms.unit", "'300'", "255 or less"),
}


def refused(load, text: str, old: str, new: str, field: str, found: str, expected: str) -> None:
    assert text.count(old) == 1, old
    broken = text.replace(old, new)
    place = None
    if "§" in broken:
        before = broken[: broken.index("§")]
        place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
        broken = broken.replace("§", "")
    with pytest.raises(InputError) as caught:
        load(broken, "x.yaml")
    problems = caught.value.problems
    assert len(problems) == 1, "\n".join(str(problem) for problem in problems)
    (problem,) = problems
    assert problem.field == field, str(problem)
    assert found in str(problem.found), str(problem)
    assert expected in str(problem.expected), str(problem)
    assert problem.file == "x.yaml" and problem.line is not None
    if place is not None:
        assert (problem.line, problem.column) == place


@pytest.mark.parametrize("name", BROKEN_PACKS)
def test_broken_packs(name):
    refused(load_pack, PACK_TEXT, *BROKEN_PACKS[name])


@pytest.mark.parametrize("name", BROKEN_BENCHES)
def test_broken_benches(name):
    refused(load_bench, BENCH_TEXT, *BROKEN_BENCHES[name])
