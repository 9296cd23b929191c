"""What a reviewer would remark on: each at its place, with its source; and nothing where there is nothing to say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from tests.unit.profile_mutants.bases import BASE, RICH, beside

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.errors import Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import Accuracy
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile

CONFIGS = Path(__file__).parents[2] / "configs"


def read(path: str) -> str:
    return (CONFIGS / path).read_text(encoding="utf-8")


PACK = load_pack(read("packs/nmc-96s.yaml"), "nmc-96s.yaml")
COLD = replace(PACK, limits=replace(PACK.limits, temperature_min_c=-20.0))
CELL = load_pack(read("packs/lmo-25ah.yaml"), "lmo.yaml")
BENCH = load_bench(read("benches/sim-hv.yaml"), "sim-hv.yaml")
CELL_BENCH = load_bench(read("benches/sim-cell.yaml"), "sim-cell.yaml")
HEAD = "profile: t\ntitle: {en: T, zh: 测}\n"
GATED = HEAD + "result: {capacity_of: d, temperature: [17 degC, 37 degC]}\n"
WORST = {"may not begin", "may be aborted by max_time", "may get too hot", "more power than the cycler has"}
"""Of the worst case, which has tests of its own."""
ENDS = "until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]"
CHARGE = (
    "  - cccv_charge: {label: c, current: 1 I3, voltage: pack_full, end_current: 0.05 I1,"
    " on_cell_limit: {at: cell_full, action: taper, end_current: 0.05 I1}}\n"
)
DISCHARGE = f"  - cc_discharge: {{label: d, current: 1 I5, {ENDS}}}\n"
PULSE = "  - pulse: {label: p, train: [{discharge: 0.2C, for: 10 s}, {rest: 40 s}], read_outs: [10 s]}\n"


def remarks(text: str, head: str = HEAD, pack=PACK, bench=BENCH) -> list[Problem]:
    """The remarks on these steps, which have no error."""
    plan = compile_profile(f"{head}steps:\n{text}", "t.yaml", pack, beside)
    report = check_plan(plan, pack, bench)
    assert report.errors == ()
    return [problem for problem in report.warnings if problem.message not in WORST]


@pytest.mark.parametrize("base", [BASE, RICH], ids=["base", "rich"])
def test_nothing_to_say(base):
    climate = load_bench(read("benches/sim-climate.yaml"), "sim-climate.yaml")
    report = check_plan(compile_profile(base, "base.yaml", PACK, beside), PACK, climate)
    assert {problem.message for problem in report.warnings} <= WORST


STEPS = {
    # Cells.
    "a charge that watches the pack alone": (
        "  - §cccv_charge: {current: 1 I3, voltage: pack_full, end_current: 10 A}\n",
        "no per-cell limit",
        "the weakest cell fills first (ours [M])",
    ),
    "a discharge that watches the pack alone": (
        "  - §cc_discharge: {current: 1 I5, until: voltage <= pack_cutoff}\n",
        "no per-cell limit",
        "the weakest cell empties first (ours [M])",
    ),
    "a power that watches the pack alone": (
        "  - §cp_discharge: {power: 10 kW, until: voltage <= pack_cutoff}\n",
        "no per-cell limit",
        "the weakest cell empties first (ours [M])",
    ),
    "a long waveform that watches nothing": (
        "  - §current_profile: {points: [[0 s, -0.3C], [1 h, 0 A]]}\n",
        "no per-cell limit",
        "until cell_min <= cell_cutoff",
    ),
    "a waveform that repeats a little": (
        "  - §current_profile: {points: [[0 s, 0.1C], [1 min, 0 A], [2 min, 0 A]], repeat: 20}\n",
        "no per-cell limit",
        "until cell_max >= cell_full",
    ),
    "a cell below the maker's cut-off": (
        "  - cc_discharge: {current: 1 I5, until: §cell_min <= 2.6 V}\n",
        "below the maker's cut-off",
        "2.8 V (the pack file)",
    ),
    "the pack below the maker's cut-off": (
        "  - cc_discharge: {current: 1 I5, until: [cell_min <= cell_cutoff, §voltage <= 265 V]}\n",
        "below the maker's cut-off",
        "268.8 V (the pack file)",
    ),
    # Recording.
    "slow recording": (
        "  - rest: {for: 1 h, record: {dt: §1 min}}\n",
        "slow recording",
        "15 s or less (GB 38031-2025 6.4 [S])",
    ),
    "recording faster than polling": (
        "  - rest: {for: 1 h, record: {dt: §100 ms}}\n",
        "recording faster than polling",
        "0.5 s",
    ),
    "an edge recorded faster than polling": (
        "  - rest: {for: 1 h, record: {dt: 5 s, around: {after: 5 s, dt: §10 ms}}}\n",
        "recording faster than polling",
        "0.1 s",
    ),
    # Instruments.
    "an end current within the error": (
        "  - cccv_charge: {current: 1 I3, voltage: pack_full, end_current: §600 mA, until: cell_max >= cell_full}\n",
        "within the cycler's error",
        "sim-hv's cycler knows to 5 % (ours [M])",
    ),
    "a set-point within the error": (
        f"  - cc_discharge: {{current: §4 A, for: 1 h, {ENDS}}}\n",
        "within the cycler's error",
        "sim-hv's cycler knows to 1 % (GB 38031-2025 6.3 [S])",
    ),
    "a cell so near the limit that safety may be first": (
        "  - cc_charge: {current: C/5, on_cell_limit: {at: §cell_full, action: end},"
        " protect: {cell_voltage_max: 4.202 V}}\n",
        "safety may be first",
        "0.0028 V from it, the error of sim-hv's bms",
    ),
    "a voltage so near the limit that safety may be first": (
        "  - cv_charge: {voltage: §403 V, current: 10 A, end_current: 5 A, protect: {pack_voltage_max: 403.2 V},"
        " on_cell_limit: {at: cell_full, action: end}}\n",
        "safety may be first",
        "the error of sim-hv's cycler",
    ),
    "a soak closer than the thermometers know": (
        "  - soak: {temperature: 25 degC, within: §0.5 K, stable_for: 1 h}\n",
        "within the sensors' error",
        "more than 1 K, the error of sim-hv's sensors",
    ),
    "a rate finer than the voltmeter": (
        "  - rest: {until: §abs(dV/dt) <= 0.1 mV/min, for: 4 h}\n",
        "finer than the instrument",
        "over: 1.2e+04 s or more; sim-hv resolves 0.02 V",
    ),
    "a rate finer than the thermometer": (
        "  - rest: {until: §dT/dt <= 0.05 K/min, for: 4 h}\n",
        "finer than the instrument",
        "over: 120 s or more; sim-hv resolves 0.1 K",
    ),
    "a read-out before the cycler is asked": (
        "  - pulse: {train: [{discharge: 0.2C, for: 10 s}], read_outs: §[50 ms, 10 s]}\n",
        "read before the cycler is asked",
        "every 0.1 s",
    ),
    "a piece too short to be seen": (
        "  - pulse: {train: [§{discharge: 0.2C, for: 50 ms}, {rest: 1 s}]}\n",
        "over before a reading shows it",
        "every 0.1 s",
    ),
    "a window within the thermometer's error": (
        "  - rest: {until: §{all: [temperature_min >= 25 degC, temperature_max <= 26 degC]}, for: 4 h}\n",
        "a window within the error",
        "wider than twice the error of sim-hv's bms, 2 degC",
    ),
    "clamps within the voltmeter's error": (
        "  - pulse: {train: [{discharge: 0.2C, for: 10 s}], clamp_low: §350 V, clamp_high: 350.2 V}\n",
        "a window within the error",
        "wider than twice the error of sim-hv's cycler",
    ),
    # Jumps and questions.
    "a goto to the next step": ("  - §goto: r\n  - rest: {label: r, for: 1 h}\n", "a goto to the next step", "anyway"),
    "answers that change nothing": (
        "  - pause:\n      prompt: {en: A, zh: 问}\n      answers: §{a: {en: A, zh: 甲}, b: {en: B, zh: 乙}}\n",
        "answers that change nothing",
        "a goto for one of them",
    ),
    "a constant voltage without an end current": (
        "  - §cv_charge: {voltage: 390 V, current: 10 A, for: 1 h, on_cell_limit: {at: cell_full, action: end}}\n",
        "a constant voltage without an end current",
        "0.05 I1 (GB 38031-2025 7.1.1 [S])",
    ),
    # Order.
    "a pulse in motion": (
        DISCHARGE + PULSE.replace("pulse", "§pulse"),
        "no rest before a pulse",
        "30 min: ISO 12405-4:2018 [C]",
    ),
    "an open-circuit voltage in motion": (
        DISCHARGE + "  - set: {ocv: §voltage}\n",
        "no rest before an open-circuit voltage",
        "GB 38031-2025 7.2.2, a pack [S]",
    ),
    "an open-circuit voltage of a discharge": (
        DISCHARGE + "  - rest: {for: 1 h}\n  - set: {ocv: §voltage(d)}\n",
        "no rest before an open-circuit voltage",
        "the voltage after a rest",
    ),
    "a step that may have been passed over": (
        "  - goto: {to: after, when: soc <= 50 %}\n" + DISCHARGE + "  - rest: {label: after, for: 1 h}\n"
        "  - set: {q: §ah(d)}\n",
        "may not have run",
        "a step that every way to here passes",
    ),
}


@pytest.mark.parametrize("name", STEPS)
def test_a_remark_on_steps(name):
    text, message, source = STEPS[name]
    before = (HEAD + "steps:\n" + text).partition("§")[0]
    (remark,) = remarks(text.replace("§", ""))
    assert remark.message == message
    assert remark.expected is not None and source in remark.expected
    assert (remark.line, remark.column) == (before.count("\n") + 1, len(before) - before.rfind("\n"))


RESULTS = {
    "a result at any temperature": (
        CHARGE + "  - rest: {for: 30 min}\n" + DISCHARGE,
        HEAD + "result: {capacity_of: d}\n",
        "temperature: [17 degC, 37 degC] in the result, or a soak before it (GB 38031-2025 6.1.1 [S])",
    ),
    "a result from a pack that may not be full": (
        CHARGE.replace("pack_full", "390 V") + "  - rest: {for: 30 min}\n" + DISCHARGE,
        GATED,
        "a charge to pack_full or cell_full before it (GB 38031-2025 7.1.2 [S])",
    ),
    "short rest": (
        CHARGE + "  - rest: {for: 10 min}\n" + DISCHARGE,
        GATED,
        "at least 30 min (GB 38031-2025 7.2.2, a pack [S])",
    ),
}


@pytest.mark.parametrize("message", RESULTS)
def test_a_remark_on_what_a_result_needs(message):
    text, head, expected = RESULTS[message]
    (remark,) = remarks(text, head)
    assert (remark.message, remark.expected) == (message, expected)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (DISCHARGE, "nothing charges the pack before it"),
        (CHARGE.replace("1 I3,", "1 I3, for: 1 h,") + "  - rest: {for: 30 min}\n" + DISCHARGE, "'c' comes before it"),
        (
            "  - goto: {to: r, when: soc >= 90 %}\n" + CHARGE + "  - rest: {label: r, for: 30 min}\n" + DISCHARGE,
            "nothing charges the pack before it",
        ),
        (CHARGE + "  - rest: {for: 30 min}\n" + PULSE + "  - rest: {for: 30 min}\n" + DISCHARGE, "'p' comes before it"),
    ],
)
def test_a_pack_that_may_not_be_full(text, found):
    (remark,) = remarks(text, GATED)
    assert (remark.message, remark.found) == ("a result from a pack that may not be full", found)


def test_a_short_rest_is_one_where_a_result_depends_on_it():
    steps = CHARGE + "  - rest: {for: 10 min}\n" + DISCHARGE
    assert remarks(steps) == []
    half_hour = steps.replace("10 min", "30 min")
    assert remarks(half_hour, GATED) == []
    (cell,) = remarks(half_hour, GATED, CELL, CELL_BENCH)
    assert (cell.message, cell.found) == ("short rest", "30 min")
    assert cell.expected == "at least 60 min (GB 38031-2025 7.1.1, a cell [S])"
    # What only a condition ends is not known to be short.
    assert remarks(steps.replace("for: 10 min", "until: temperature_max <= 30 degC"), GATED) == []
    # A variable that is set in between is no rest.
    (between,) = remarks(CHARGE + "  - set: {x: 1}\n  - rest: {for: 1 min}\n" + DISCHARGE, GATED)
    assert between.message == "short rest"


def test_a_soak_gates_a_result():
    soak = "  - soak: {temperature: 25 degC, within: 2 K, stable_for: 1 h}\n"
    assert remarks(CHARGE + soak + DISCHARGE, GATED.replace(", temperature: [17 degC, 37 degC]", "")) == []


def test_charging_below_freezing():
    (remark,) = remarks(CHARGE, HEAD, COLD)
    assert (remark.message, remark.found) == ("charging below 0 degC", "-20 degC, the pack's temperature_min")
    assert remarks(CHARGE, HEAD + "limits: {temperature_min: 0 degC}\n", COLD) == []
    assert remarks(DISCHARGE, HEAD, COLD) == []
    (pulse,) = remarks(PULSE.replace("discharge: 0.2C", "charge: 0.2C"), HEAD, COLD)
    assert pulse.message == "charging below 0 degC"


def test_a_limit_that_the_bench_is_met_before():
    bench = replace(BENCH, limits=MappingProxyType({**BENCH.limits, "cable": LimitSet(pack_voltage_max_v=400.0)}))
    head = HEAD + "limits: {pack_voltage_max: 404 V}\n"
    (remark,) = remarks("  - rest: {for: 1 h}\n", head, PACK, bench)
    assert str(remark) == (
        "t.yaml:3:28: limits.pack_voltage_max: limit never met: found 404 V, "
        "expected within 400 V, the cable's pack_voltage_max of sim-hv, which is met first"
    )
    (step,) = remarks("  - rest: {for: 1 h, protect: {pack_voltage_max: 403 V}}\n", HEAD, PACK, bench)
    assert (step.field, step.column) == ("steps[1].rest.protect.pack_voltage_max", 50)
    assert remarks("  - rest: {for: 1 h}\n", HEAD, PACK, bench) == [], "the pack's own limits are nobody's mistake"


def test_a_board_that_would_trip_first():
    bench = replace(BENCH, limits=MappingProxyType({**BENCH.limits, "board": LimitSet(charge_current_max_a=140.0)}))
    (remark,) = remarks("  - rest: {for: 1 h}\n", HEAD, PACK, bench)
    assert (remark.message, remark.found) == ("limits not nested", "charge_current_max 140 A, the board's")
    assert remarks("  - rest: {for: 1 h}\n", HEAD + "limits: {charge_current_max: 130 A}\n", PACK, bench) == []


def test_a_voltage_that_the_cycler_does_not_know_well():
    steps = "  - cccv_charge: {current: C/2, voltage: pack_full, end_current: 0.1C}\n"
    assert remarks(steps, HEAD, CELL, CELL_BENCH) == []
    poor = next(known for known in CELL_BENCH.instruments if known.name == "cycler")
    quantities = MappingProxyType({**poor.quantities, "voltage_v": Accuracy(0.001, 0.05)})
    bench = replace(CELL_BENCH, instruments=(replace(poor, quantities=quantities),))
    remark = next(
        remark for remark in remarks(steps, HEAD, CELL, bench) if remark.field == "steps[1].cccv_charge.voltage"
    )
    assert (remark.message, remark.found) == ("within the cycler's error", "4.2 V, to 1.3 %")


def test_no_remark_where_the_instruments_are_good_enough():
    steps = (
        "  - rest: {until: {when: abs(dV/dt) <= 6 mV/min, over: 10 min}, for: 4 h}\n"
        f"  - cc_discharge: {{current: 5 A, for: 1 h, {ENDS}}}\n"
        "  - rest: {for: 1 h}\n" + PULSE.replace("[10 s]", "[100 ms, 10 s]") + "  - current_profile:\n"
        "      points: [[0 s, -0.3C], [1 min, 0.3C], [2 min, 0 A]]\n      repeat: 100\n"
    )
    assert remarks(steps) == []


def test_a_bench_without_instruments_says_nothing_of_them():
    bench = replace(BENCH, instruments=())
    assert remarks(f"  - cc_discharge: {{current: 20 mA, for: 1 h, {ENDS}}}\n", HEAD, PACK, bench) == []
    assert remarks("  - rest: {until: abs(dV/dt) <= 0.1 mV/min, for: 4 h}\n", HEAD, PACK, bench) == []
