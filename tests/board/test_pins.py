"""The NUCLEO's pins: the C code and the file that the documents are made from say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from packbench_board.codes import Input, Output

BOARD = Path(__file__).resolve().parents[2] / "firmware_bridge" / "firmware" / "boards" / "stm32f446"
PINS = yaml.safe_load((BOARD / "pins.yaml").read_text(encoding="utf-8"))
DEFINE = re.compile(r"^#define PIN_(\w+) P([A-C])\((\d+)u\)$", re.MULTILINE)

TAKEN = {
    "PA13": "SWDIO",
    "PA14": "SWCLK",
    "PA15": "JTDI, pulled up in reset",
    "PB3": "SWO",
    "PB4": "NJTRST, pulled up in reset",
    "PB2": "BOOT1",
    "PA5": "LD2",
    "PC13": "B1",
    "PC14": "LSE",
    "PC15": "LSE",
}
"""Pins that the NUCLEO uses itself, or that do not float in reset."""
MORPHO = (
    "CN7-1 PC10|CN7-2 PC11|CN7-21 PB7|CN7-28 PA0|CN7-30 PA1|CN7-32 PA4|CN7-34 PB0|CN7-35 PC2|CN7-36 PC1|CN7-37 PC3",
    "CN7-38 PC0|CN10-1 PC9|CN10-2 PC8|CN10-3 PB8|CN10-4 PC6|CN10-5 PB9|CN10-6 PC5|CN10-16 PB12|CN10-17 PB6|CN10-19 PC7",
    "CN10-21 PA9|CN10-23 PA8|CN10-24 PB1|CN10-25 PB10|CN10-26 PB15|CN10-28 PB14|CN10-29 PB5|CN10-30 PB13|CN10-34 PC4",
)
"""UM1724, tables of the connectors."""


def test_the_c_code_has_the_pins_of_the_file() -> None:
    defined = {
        name.lower(): f"P{port}{number}"
        for name, port, number in DEFINE.findall((BOARD / "pb_pins.h").read_text(encoding="utf-8"))
    }
    assert defined == {row["signal"]: row["pin"] for row in PINS["pins"]}


def test_no_pin_has_two_uses() -> None:
    used = [row["pin"] for row in PINS["pins"]]
    assert len(set(used)) == len(used)
    assert not set(used) & set(TAKEN)


def test_pins_come_out_where_the_file_says() -> None:
    where = {place.split()[0]: place.split()[1] for places in MORPHO for place in places.split("|")}
    for row in PINS["pins"]:
        if row["direction"] != "serial":
            assert where[row["connector"]] == row["pin"], row


def test_every_signal_of_the_core_has_a_pin_and_a_safe_level() -> None:
    rows = {direction: [] for direction in ("input", "output", "analog", "serial")}
    for row in PINS["pins"]:
        rows[row["direction"]].append(row)
    assert [row["signal"] for row in rows["output"]] == [str(output.name).lower() for output in Output]
    inputs = {str(which.name).lower() for which in Input} - {"sensors_ok", "aux_closed"} | {"mirror"}
    assert {row["signal"] for row in rows["input"]} == inputs
    assert {row["safe"] for row in rows["output"]} == {0}, "what a chip without supply or program drives"
    assert {row["safe"] for row in rows["input"]} == {1}, "what a broken wire does not give"
    assert all(row["note"] for row in PINS["pins"])


@pytest.mark.parametrize("name", ["pins.yaml", "pb_board.h"])
def test_it_says_that_nobody_has_tried_it(name: str) -> None:
    """Whoever has run it on a board changes both, and this test."""
    assert PINS["verified_on_hardware"] is False
    assert "verified_on_hardware: false" in (BOARD / name).read_text(encoding="utf-8")
