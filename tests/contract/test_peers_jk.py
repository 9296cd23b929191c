"""JK programs of others: jkctl 0.2.0 on our PB emulator and our driver on its simulator; mpp-solar 0.16.56 on 4E57."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.peers import emulated, peer, probed, pty_pair, run_peer

CELLS = [3.301, 3.298, 3.305, 3.290, 3.299, 3.300, 3.302, 3.304]
STATE = {
    "cell_voltages_v": ",".join(map(str, CELLS)),
    "voltage_v": "26.4",
    "current_a": "-4.25",
    "soc": "0.62",
    "soh": "0.81",
    "temperatures_c": "-2.5,23",
    "cycles": "1234",
    "alarms": "cell_under_voltage,discharge_short_circuit",
    "balancing": "true",
    "charge_limit_a": "40",
    "discharge_limit_a": "62.5",
}
SET = [word for name, text in STATE.items() for word in ("--set", f"{name}={text}")]


def jkctl(line: Path, *words: str) -> Any:
    done = run_peer(peer("jkctl"), *words, "--port", str(line), "--id", "1", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


# ------------------------------------------------- their client, our emulator


def test_jkctl_reads_what_was_stated(tmp_path: Path) -> None:
    line = tmp_path / "line"
    with emulated("jk-pb", "--url", f"pty://{line}", *SET):
        status, cells, info, alarms = (jkctl(line, command) for command in ("status", "cells", "info", "alarms"))
    assert (status["batVol"], status["batCurrent"], status["batWatt"]) == (26.4, -4.25, 112.2)
    assert (status["socRelativeStateOfCharge"], status["sOCSOH"], status["socCycleCount"]) == (62, 81, 1234)
    assert (status["socCapabilityRemain"], status["socFullChargeCapacity"]) == (50.22, 81.0)
    assert (status["batTemp1"], status["batTemp2"], status["equStatus"]) == (-2.5, 23.0, 1)
    assert (status["chargeStatus"], status["dischargeStatus"]) == (1, 1)
    assert [cell["voltage_v"] for cell in cells["cells"]] == CELLS
    assert (cells["highest_cell"], cells["lowest_cell"], cells["delta_v"]) == (3, 4, 0.015)
    assert (info["model"], info["software_version"], info["serial_number"]) == ("JK_PB2A16S20P", "15.24", "JK-SIM-0001")
    assert [alarm["bit"] for alarm in alarms] == [11, 14]


def test_what_jkctl_writes_is_what_it_and_we_read_later(tmp_path: Path) -> None:
    line = tmp_path / "line"
    with emulated("jk-pb", "--url", f"pty://{line}", *SET):
        before = jkctl(line, "settings")
        assert (before["timBatCOC"], before["timBatDcOC"], before["cellCount"]) == (40.0, 62.5, 8)
        _do(line, "settings", "set", "timBatCOC=25", "volCellOV=3.6")
        after = jkctl(line, "settings")
        assert {name: after[name] for name in before if before[name] != after[name]} == {
            "timBatCOC": 25.0,
            "volCellOV": 3.6,
        }
        assert probed("jk-pb", "--url", f"pty://{line}")["charge_limit_a"] == 25.0
        _do(line, "discharge", "off")
        assert jkctl(line, "status")["dischargeStatus"] == 0
        assert probed("jk-pb", "--url", f"pty://{line}")["discharge_limit_a"] == 0.0


def _do(line: Path, *words: str) -> None:
    done = run_peer(peer("jkctl"), *words, "--port", str(line), "--id", "1")
    assert done.returncode == 0, done.stdout + done.stderr


def test_jkctl_sets_the_clock_of_one_board_on_a_bus_of_three(tmp_path: Path) -> None:
    line = tmp_path / "line"
    with emulated("jk-pb", "--unit", "1,4,15", "--url", f"pty://{line}"):
        found = run_peer(peer("jkctl"), "scan", "--port", str(line))
        done = run_peer(peer("jkctl"), "time", "sync", "--port", str(line), "--id", "4")
        clocks = [run_peer(peer("jkctl"), "time", "show", "--port", str(line), "--id", unit) for unit in ("4", "15")]
    assert [row.split()[::4] for row in found.stdout.splitlines() if "JK_PB2A16S20P" in row] == [
        ["1", "JK-SIM-0001"],
        ["4", "JK-SIM-0004"],
        ["15", "JK-SIM-0015"],
    ]
    assert done.returncode == 0, done.stderr
    (year,) = re.findall(r"Set the clock to (\d{4})-", done.stdout)
    assert [clock.stdout[:5] == f"{year}-" for clock in clocks] == [True, False]


# ------------------------------------------------- their simulator, our driver


@contextlib.contextmanager
def simulating(line: str, unit: str) -> Generator[None]:
    """`jkctl simulate` on one end of a line, ended by an interrupt."""
    process = subprocess.Popen(
        [peer("jkctl"), "simulate", "--port", line, "--id", unit], stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        assert "listening" in process.stderr.readline()
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        (
            "1",
            {
                "voltage_v": 52.8,
                "current_a": -12.345,
                "soc": 0.87,
                "soh": 1.0,
                "cycles": 12,
                "temperatures_c": [24.0, 24.5],
                "alarms": [],
                "balancing": False,
                "charge_limit_a": 100.0,
                "discharge_limit_a": 150.0,
                "identity": {"model": "JK_PB2A16S20P", "serial": "JK-SIM-0001", "firmware": "15.41"},
            },
        ),
        (
            "2",
            {
                "current_a": 8.2,
                "soc": 0.91,
                "temperatures_c": [25.5, 26.0],
                "balancing": True,
                "identity": {"model": "JK_PB1A16S15P", "serial": "JK-SIM-0002", "firmware": "14.28"},
            },
        ),
        ("3", {"current_a": -41.6, "soc": 0.58, "temperatures_c": [46.5, 45.0], "alarms": ["over_temperature"]}),
    ],
)
def test_our_driver_reads_jkctl_s_boards(tmp_path: Path, unit: str, expected: dict[str, Any]) -> None:
    with pty_pair(tmp_path) as (left, right), simulating(right, unit):
        read = probed("jk-pb", "--url", f"pty://{left}", "--unit", unit)
    assert {name: read.get(name) for name in expected} == expected
    assert len(read["cell_voltages_v"]) == 16
    assert read["plausible"] is True
    assert (read["link"]["timeouts"], read["link"]["crc_errors"]) == (0, 0)
    if unit == "1":
        assert read["cell_voltages_v"][:4] == [3.301, 3.298, 3.303, 3.300]


# ------------------------------------------------------------- 4E57


@pytest.mark.parametrize("current_a", [-7.52, 12.34])
def test_mpp_solar_reads_a_4e57_board(tmp_path: Path, current_a: float) -> None:
    """It knows boards of 16 cells, by position, and reads everything with the command for one item."""
    line = tmp_path / "line"
    cells = [round(3.281 + 0.002 * number, 3) for number in range(16)]
    state = {
        "cell_voltages_v": ",".join(map(str, cells)),
        "voltage_v": "52.80",
        "current_a": str(current_a),
        "soc": "0.62",
        "temperatures_c": "21,24",
        "cycles": "1234",
        "alarms": "cell_under_voltage,low_capacity",
        "balancing": "true",
        "charge_limit_a": "0",
    }
    words = [word for name, text in state.items() for word in ("--set", f"{name}={text}")]
    with emulated("jk-4e57", "--url", f"pty://{line}", *words):
        ask = ("-p", str(line), "--porttype", "jkserial", "-b", "115200", "-P", "JKSERIAL", "-c", "getBalancerData")
        done = run_peer(peer("mpp-solar"), *ask, "-o", "json")
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    assert [read[f"voltage_cell{number:02}"] for number in range(1, 17)] == cells
    assert (read["battery_voltage"], read["battery_current"], read["percent_remain"]) == (52.8, current_a, 62)
    assert (read["mos_temp"], read["battery_t1"], read["battery_t2"]) == (21, 21, 24)
    assert (read["cycle_count"], read["cells_connected"], read["capacity_setting"]) == (1234, 16.0, 100)
    assert (read["battery_warning_message"], read["battery_status_information"]) == ("0801", "0006")
