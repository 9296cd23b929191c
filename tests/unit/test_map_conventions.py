"""What a map must say by name: each question that only an "if" could answer is refused, with its place."""

from __future__ import annotations

import pytest
from tests.unit.wire_parts import DEVICES

from packbench.core.errors import InputError
from packbench.maps.file import load_device

HEAD = """packbench_device: 1
name: own
title: An engineer's own device
kind: {kind}
links: [serial, pty]
unit: 1
verified_on_hardware: false
sources: ["a manual"]
golden:
  - {{framing: rtu, source: "a manual", reply: "01 83 02 C0 F1", refused: 2}}
"""
CYCLER = (
    HEAD.format(kind="cycler")
    + """
coils: {output: 1, remote: 0}
blocks:
  live: {address: 0, count: 4}
  setpoint: {address: 10, count: 3, group: setpoint}
fields:
  state: {address: 0, type: bits16, quantity: flags, unknown_bits: ignore, bits: {0: output_on}}
  regulation: {address: 1, type: u16, states: {0: "off", 1: cc, 2: cv}}
  voltage_v: {address: 2, type: u16, scale: 0.01}
  current_a: {address: 3, type: s16, scale: 0.1}
  set_voltage_v: {address: 10, type: u16, scale: 0.01, access: rw}
  source_current_a: {address: 11, type: u16, scale: 0.1, access: rw}
  sink_current_a: {address: 12, type: u16, scale: 0.1, access: rw}
"""
)
CHAMBER = (
    HEAD.format(kind="chamber")
    + """
blocks:
  live: {address: 0, count: 3}
  setpoint: {address: 10, count: 1, group: setpoint, write_function: 6}
fields:
  temperature_c: {address: 0, type: s16, scale: 0.1}
  setpoint_c: {address: 1, type: s16, scale: 0.1}
  running: {address: 2, type: u16}
  run: {address: 20, type: u16, access: w}
  set_temperature_c: {address: 10, type: s16, scale: 0.1, access: rw}
"""
)
METER = (
    HEAD.format(kind="meter")
    + """
blocks:
  live: {address: 0, count: 3}
fields:
  insulation_ohm: {address: 0, type: u32}
  lead: {address: 2, type: u16, quantity: none}
"""
)
BMS = (
    HEAD.format(kind="bms")
    + """
blocks:
  live: {address: 0, count: 10}
  more: {address: 20, count: 5}
fields:
  pack: {address: 0, type: u16, scale: 0.01, quantity: voltage_v}
  first: {address: 1, type: u16, count: 4, scale: 0.001, quantity: cell_voltages_v, count_from: cells}
  cells: {address: 5, type: u16}
  warn: {address: 6, type: bits16, quantity: alarms, bits: {0: over_temperature}}
  second: {address: 20, type: u16, count: 4, scale: 0.001, quantity: cell_voltages_v}
"""
)
MAPS = {"cycler": CYCLER, "chamber": CHAMBER, "meter": METER, "bms": BMS}


def refusal(text: str) -> str:
    with pytest.raises(InputError) as refused:
        load_device(text, "own.yaml")
    return str(refused.value)


@pytest.mark.parametrize("kind", MAPS)
def test_a_map_that_says_enough_is_taken(kind: str) -> None:
    assert load_device(MAPS[kind], "own.yaml").kind == kind


@pytest.mark.parametrize(
    ("kind", "old", "new", "complaint"),
    [
        ("cycler", "output: 1, ", "", "coils: found no output"),
        ("cycler", "{0: output_on}", "{0: ready}", "fields: found nothing that says output_on"),
        ("cycler", 'states: {0: "off", 1: cc, 2: cv}', "quantity: none", "what is regulated"),
        ("cycler", "2: cv", "2: busy", "18:39: fields.regulation.states: found busy, cc, off, expected cc and cv"),
        ("cycler", "{0: output_on}", "{0: output_on, 1: cc, 2: cv}", "found as bits and as a field"),
        ("cycler", "current_a: {address: 3, type: s16", "current_a: {address: 3, type: u16", "fields.current_a.type"),
        ("cycler", "voltage_v: {address: 2", "volts: {address: 2", "found no polled voltage_v"),
        ("cycler", "count: 3, group: setpoint", "count: 3, group: other", "no block of the group setpoint"),
        (
            "cycler",
            "setpoint: {address: 10, count: 3, group: setpoint}",
            "setpoint: {address: 10, count: 1, group: setpoint}\n  currents: {address: 11, count: 2, group: setpoint}",
            "one write, one moment",
        ),
        ("cycler", "sink_current_a: {address: 12", "sinks_a: {address: 12", "expected set_current_a (signed), or"),
        ("cycler", "sink_current_a: {address: 12", "set_current_a: {address: 12", "positive charges"),
        ("cycler", "set_voltage_v: {address: 10", "volts_v: {address: 10", "no set_voltage_v"),
        ("cycler", "count: 3, group: setpoint", "count: 4, group: setpoint", "a field for each register"),
        ("cycler", "group: setpoint}", "group: setpoint, function: 4}", "what is written is read back"),
        ("cycler", "group: setpoint}", "group: setpoint, write_function: 6}", "16 for more than one register"),
        ("cycler", "scale: 0.1, access: rw}\n  sink", "scale: 0.1}\n  sink", "fields.source_current_a.access: found r"),
        ("chamber", "run: {address: 20, type: u16, access: w}", "spare: {address: 20, type: u16}", "no run"),
        ("chamber", "run: {address: 20, type: u16, access: w}", "run: {address: 20, type: s16, access: w}", "a u16"),
        ("chamber", "run: {address: 20, type: u16, access: w}", "run: {address: 20, type: u16}", "access r"),
        ("chamber", "  running", "  walking", "nothing that says running"),
        ("chamber", "temperature_c: {address: 0, type: s16", "temperature_c: {address: 0, type: u16", "found u16"),
        ("chamber", "  setpoint_c", "  goal", "no polled setpoint_c"),
        ("chamber", "  set_temperature_c", "  goal", "set_temperature_c alone"),
        ("chamber", "fields:", "coils: {run: 0}\nfields:", "run as a coil and as a register"),
        ("meter", "insulation_ohm:", "insulation:", "15:3: fields.insulation: found insulation, expected a name that"),
        ("meter", "type: u32}", "type: u32, quantity: none}", "found no polled number"),
        ("meter", "quantity: none", "quantity: insulation_ohm", "a second insulation_ohm beside insulation_ohm"),
        ("meter", "quantity: none}", "count: 1, quantity: leads_v}\n  x_v: {address: 0, type: u16, count: 2}", "1: a"),
        ("bms", "quantity: voltage_v", "quantity: voltage", "fields.pack.quantity: found 'voltage', expected one of"),
        ("bms", "cells: {address: 5", "cells: {address: 24", "a field of the same block, live"),
        ("bms", "cells: {address: 5, type: u16}", "cells: {address: 5, type: u16, quantity: voltage_v}", "a second"),
        ("bms", "type: bits16, quantity: alarms, bits: {0: over_temperature}", "type: u16, quantity: alarms", "bits"),
        ("bms", "type: u16, scale: 0.01, quantity: v", "type: char, count: 2, quantity: v", "one number"),
        ("bms", "{address: 0, count: 10}", "{address: 0, count: 10, group: once}", "expected"),
        ("bms", "kind: bms", "kind: bms\nprotocol: jbd", "it has no registers"),
    ],
)
def test_an_open_question_is_refused_with_its_place(kind: str, old: str, new: str, complaint: str) -> None:
    text = MAPS[kind]
    assert old in text
    if complaint == "expected":
        text = text.replace("{address: 20, count: 5}", "{address: 20, count: 5, group: once}")
        complaint = "found none that is polled"
    found = refusal(text.replace(old, new, 1))
    assert complaint in found, found
    assert found.startswith("own.yaml:"), found


def test_every_question_of_a_map_is_told_at_once() -> None:
    found = refusal(CYCLER.replace("output: 1, ", "").replace("type: s16", "type: u16"))
    assert len(found.splitlines()) == 2, found


def test_what_a_bms_s_map_holds_is_what_it_can_report() -> None:
    device = load_device(BMS, "own.yaml")
    assert (device.capabilities.cells_reported, device.capabilities.cells_max) == (True, 8)
    stated = load_device(BMS + "capabilities: {cells_max: 6}\n", "own.yaml")
    assert stated.capabilities.cells_max == 6
    without = load_device(BMS.replace("quantity: cell_voltages_v", "quantity: none"), "own.yaml")
    assert (without.capabilities.cells_reported, without.capabilities.cells_max) == (False, None)


def test_a_device_with_a_driver_of_its_own_may_call_things_what_it_likes() -> None:
    text = (DEVICES / "ea-psb.yaml").read_text("utf-8")
    assert load_device(text, "ea-psb.yaml").driver == "ea-psb"
    found = refusal(text.replace("driver: ea-psb", "driver: mapped").replace("scpi+tcp, ", ""))
    assert "nothing that says output_on" in found
