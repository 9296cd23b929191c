"""What a bench's chamber and meter cannot do, or a bench without them, is refused before a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.unit.wire_parts import device_map

from packbench.app.devices import DeviceTypes, load_types
from packbench.app.suits import Files, unsuited
from packbench.config.bench import load_bench
from packbench.config.document import load_document
from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.maps.schema import DeviceType
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile

CONFIGS = Path(__file__).parents[2] / "configs"
CLIMATE, HV, PACK = (
    (CONFIGS / name).read_text("utf-8")
    for name in ("benches/sim-climate.yaml", "benches/sim-hv.yaml", "packs/nmc-96s.yaml")
)
CHAMBER, METER = device_map("modbus-chamber"), device_map("modbus-insulation")
QUIET = """profile: warm
title: {en: warm, zh: warm}
record: {dt: 10 s}
steps:
  - rest: {label: first, for: 10 s}
  - end
"""
WARM = QUIET.replace(
    "  - end",
    """  - chamber: {temperature: 40 degC}
  - soak: {label: soak, temperature: 45 degC, within: 2 K, stable_for: 1 h}
  - rest: {label: watch, for: 10 s, until: [chamber_temperature <= 20 degC, insulation < 1 Mohm]}
  - chamber: {stop: true}
  - end""",
)


def able(device: DeviceType, **capabilities: Any) -> DeviceType:
    return replace(device, capabilities=replace(device.capabilities, **capabilities))


def problems(
    bench: str = CLIMATE, profile: str = WARM, *, chamber: DeviceType = CHAMBER, meter: DeviceType = METER
) -> list[str]:
    files = Files(load_document(bench, "bench.yaml"), load_document(PACK, "pack.yaml"))
    bench_spec, pack_spec = load_bench(bench, "bench.yaml"), load_pack(PACK, "pack.yaml")
    plan = compile_profile(profile, "profile.yaml", pack_spec)
    fitted = {"chamber": chamber, "meter": meter}
    types = DeviceTypes(
        device_map("ea-psb"), device_map("modbus-hv-bms"), **{role: fitted[role] for role in bench_spec.fitted}
    )
    return [str(problem) for problem in unsuited(types, bench_spec, pack_spec, plan, files)]


def test_a_bench_that_has_them_suits() -> None:
    assert problems() == []
    assert problems(HV, QUIET) == []


def test_a_profile_that_wants_what_the_bench_has_not() -> None:
    found = problems(HV)
    assert [text.split(": ")[0] for text in found] == [
        f"profile.yaml:{place}" for place in ("6:5", "7:5", "8:45", "8:77", "9:5")
    ]
    chambers = [text for text in found if "sim-hv has no climate chamber" in text]
    assert len(chambers) == 4
    assert "expected a bench that has one" in chambers[0]
    (meter,) = [text for text in found if "sim-hv has no insulation meter" in text]
    assert "found insulation" in meter


def test_a_meter_that_measures_something_else_is_no_insulation_meter() -> None:
    fields = {name: item for name, item in METER.fields.items() if name != "insulation_ohm"}
    (problem,) = problems(meter=replace(METER, fields=fields))
    assert "sim-climate has no insulation meter" in problem


def test_a_set_point_that_the_chamber_has_not() -> None:
    item = CHAMBER.fields["set_temperature_c"]
    cool, just = (
        replace(CHAMBER, fields={**CHAMBER.fields, "set_temperature_c": replace(item, high=high)})
        for high in (44.0, 45.0)
    )
    (problem,) = problems(chamber=cool)
    assert "beyond what the device can do: found 45 degC, expected -40 to 44 degC (modbus-chamber)" in problem
    assert problem.startswith("profile.yaml:7:")
    assert problems(chamber=just) == []


@pytest.mark.parametrize(("role", "period_s"), [("chamber", 2), ("meter", 1)])
def test_a_poll_that_is_faster_than_either(role: str, period_s: int) -> None:
    def slow(least_s: float) -> list[str]:
        if role == "chamber":
            return problems(chamber=able(CHAMBER, min_period_s=least_s))
        return problems(meter=able(METER, min_period_s=least_s))

    assert slow(period_s) == []
    (problem,) = [text for text in slow(period_s + 0.5) if ".poll:" in text]
    assert f"devices.{role}.poll: faster than the device keeps up with: found {period_s} s" in problem


def test_off_does_not_wait_behind_either() -> None:
    place = '"emulated:modbus+tcp://192.0.2.1:502"'
    cycler_and_chamber = CLIMATE.replace('"emulated:modbus+tcp"', place, 1)
    start = cycler_and_chamber.index("  chamber:")
    shared = cycler_and_chamber[:start] + cycler_and_chamber[start:].replace('"emulated:modbus+tcp"', place, 1)
    (problem,) = [text for text in problems(shared) if "off" in text]
    assert problem.endswith(
        'devices.chamber.url: "cycler off" would have to wait: found the cycler\'s line, with exchanges of up to '
        "505 ms, expected a line of its own, or at most 50 ms"
    )


@pytest.mark.parametrize("role", ["chamber", "meter"])
def test_a_device_of_another_kind_has_no_place_there(role: str) -> None:
    name = {"chamber": "modbus-chamber", "meter": "modbus-insulation"}[role]
    with pytest.raises(InputError, match=rf"devices\.{role}\.device: found modbus-hv-bms, a bms, expected a {role}"):
        load_types(load_bench(CLIMATE.replace(f"device: {name}", "device: modbus-hv-bms"), "bench.yaml"))
    types = load_types(load_bench(CLIMATE, "bench.yaml"))
    assert types.by_role[role].name == name


def test_two_insulation_monitors_at_once_are_remarked_on() -> None:
    own = PACK.replace("insulation_min: 200 kohm ", "insulation_monitor: true\ninsulation_min: 200 kohm ")

    def warned(pack: str, bench: str) -> list[str]:
        pack_spec, bench_spec = load_pack(pack, "pack.yaml"), load_bench(bench, "bench.yaml")
        plan = compile_profile(QUIET, "profile.yaml", pack_spec)
        return [str(warning) for warning in check_plan(plan, pack_spec, bench_spec).warnings]

    (warning,) = warned(own, CLIMATE)
    assert (
        "two insulation monitors active at once: found the pack's own, and sim-climate's modbus-insulation" in warning
    )
    assert warned(own, HV) == warned(PACK, CLIMATE) == []
