"""python-daly-bms 0.5.0 and mbpoll, programs of other people, on real ptys against our Daly emulators."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.contract.peers import emulated, peer, probed, run_peer, system_tool

CELLS = [3.776, 3.778, 3.783, 3.779, 3.784, 3.777, 3.778, 3.778, 3.740, 3.775, 3.776, 3.777, 3.778, 3.779]
STATE = {
    "cell_voltages_v": ",".join(map(str, CELLS)),
    "voltage_v": "52.80",
    "current_a": "-12.3",
    "soc": "0.434",
    "temperatures_c": "-5,0,21,22,23,24,25,40",
    "cycles": "321",
    "alarms": "cell_over_voltage,discharge_over_current_warning,short_circuit",
}
SET = [word for name, text in STATE.items() for word in ("--set", f"{name}={text}")]
SEEN = {
    "total_voltage": 52.8,
    # Its comment: negative charges, positive discharges.
    "current": 12.3,
    "soc_percent": 43.4,
}

PRELUDE = """
import json, sys
from dalybms import DalyBMS
bms = DalyBMS(address=int(sys.argv[2]))
bms.connect(sys.argv[1])
"""


def daly_bms(line: Path, *words: str, code: int = 0) -> Any:
    """Its command line program; what it prints."""
    done = run_peer(peer("daly-bms-cli"), "-d", str(line), *words)
    assert done.returncode == code, done.stdout + done.stderr
    return json.loads(done.stdout) if done.stdout else None


def dalybms(line: Path, script: str, address: int = 4) -> Any:
    """A script against its library; 4 is a host on RS-485 (0x40), 8 one on UART (0x80)."""
    done = run_peer(peer("python"), "-c", PRELUDE + script, str(line), str(address))
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def test_daly_bms_reads_everything_that_was_stated(tmp_path: Path) -> None:
    line = tmp_path / "line"
    with emulated("daly-a5", "--url", f"pty://{line}", *SET):
        seen = daly_bms(line, "--all")
    assert seen["soc"] == SEEN
    assert seen["cell_voltage_range"] == {
        "highest_voltage": 3.784,
        "highest_cell": 5,
        "lowest_voltage": 3.74,
        "lowest_cell": 9,
    }
    assert seen["temperature_range"] == {
        "highest_temperature": 40,
        "highest_sensor": 8,
        "lowest_temperature": -5,
        "lowest_sensor": 1,
    }
    mosfets = seen["mosfet_status"]
    assert (mosfets["mode"], mosfets["charging_mosfet"], mosfets["discharging_mosfet"]) == ("discharging", True, True)
    status = seen["status"]
    assert (status["cells"], status["temperature_sensors"], status["cycles"]) == (14, 8, 321)
    assert seen["cell_voltages"] == {str(number): value for number, value in enumerate(CELLS, start=1)}
    assert list(seen["temperatures"].values()) == [-5, 0, 21, 22, 23, 24, 25, 40]
    assert seen["errors"] == [
        # Its list names bit 1 (cell over-voltage, second stage) as it names bit 0.
        "one stage warning of unit over voltage",
        "Discharge over current. Level one alarm",
        "Short circuit protection failure",
    ]


def test_on_uart_every_frame_is_sent(tmp_path: Path) -> None:
    """Its command line cannot ask for cells there (a name it does not know itself); its library can."""
    line = tmp_path / "line"
    script = """
cells = bms._read_request("95", max_responses=16, return_list=True)
sensors = bms._read_request("96", max_responses=3, return_list=True)
print(json.dumps([
    bms.get_soc(), len(cells), bms.get_cell_voltages(cells), len(sensors), bms.get_temperatures(sensors),
]))
"""
    with emulated("daly-a5", "--url", f"pty://{line}", *SET):
        soc, frames, cells, sensor_frames, sensors = dalybms(line, script, address=8)
        ours = probed("daly-a5", "--url", f"pty://{line}", "--set", "host=uart", "--set", "frames=all")
    assert (soc, frames, sensor_frames) == (SEEN, 16, 3)
    assert list(cells.values()) == CELLS == ours["cell_voltages_v"]
    assert list(sensors.values()) == [-5, 0, 21, 22, 23, 24, 25, 40] == ours["temperatures_c"]


def test_what_daly_bms_switches_and_sets_is_what_we_read(tmp_path: Path) -> None:
    line = tmp_path / "line"
    url = f"pty://{line}"
    with emulated("daly-a5", "--url", url, *SET):
        before = probed("daly-a5", "--url", url)
        assert before["current_a"] == -12.3
        assert "charge_limit_a" not in before
        script = """
bms.set_discharge_mosfet(on=False)
off = bms.get_mosfet_status()
bms.set_discharge_mosfet(on=True)
bms.set_charge_mosfet(on=False)
bms.set_soc(87.5)
print(json.dumps([off, bms.get_mosfet_status(), bms.get_soc()]))
"""
        off, on, soc = dalybms(line, script)
        after = probed("daly-a5", "--url", url)
    assert (off["charging_mosfet"], off["discharging_mosfet"]) == (True, False)
    assert (on["charging_mosfet"], on["discharging_mosfet"]) == (False, True)
    assert soc["soc_percent"] == 87.5
    assert (after["soc"], after["charge_limit_a"]) == (0.875, 0.0)
    assert "discharge_limit_a" not in after


def test_a_sleeping_board_fools_another_program_and_not_ours(tmp_path: Path) -> None:
    line = tmp_path / "line"
    words = [*SET, "--set", "current_a=0", "--set", "asleep=1"]
    with emulated("daly-a5", "--url", f"pty://{line}", *words):
        fooled = daly_bms(line, "--soc")
        ours = probed("daly-a5", "--url", f"pty://{line}", code=4)
    assert fooled == {"total_voltage": 0.0, "current": -3000.0, "soc_percent": 0.0}, (
        "its own request, taken for a reply"
    )
    assert "The board sleeps" in ours["errors"][0]["message"]


@pytest.mark.parametrize("boards", [(1, 2)])
def test_a_second_board_on_the_bus_is_not_heard(tmp_path: Path, boards: tuple[int, int]) -> None:
    line = tmp_path / "line"
    names = [f"daly-a5@{number}" for number in boards]
    with emulated(*names, "--url", f"pty://{line}", *SET):
        assert daly_bms(line, "--soc") == SEEN
        answers = probed(*names, "--url", f"pty://{line}")
    assert [answer["unit"] for answer in answers["devices"]] == [1, 2]
    assert answers["link"]["timeouts"] == answers["link"]["foreign_frames"] == 0


def test_mbpoll_reads_the_registers_of_a_d2(tmp_path: Path) -> None:
    line = tmp_path / "line"

    def registers(first: int, count: int) -> list[int]:
        words = ["-m", "rtu", "-b", "9600", "-P", "none", "-a", "210", "-0", "-t", "4", "-1"]
        done = run_peer(system_tool("mbpoll", "mbpoll"), *words, "-r", str(first), "-c", str(count), str(line))
        assert done.returncode == 0, done.stdout + done.stderr
        found = {int(at): int(value) for at, value in re.findall(r"^\[(\d+)\]:\s+(\d+)", done.stdout, re.MULTILINE)}
        return [found[first + at] for at in range(count)]

    with emulated("daly-d2", "--url", f"pty://{line}", *SET):
        assert registers(0, 16) == [*(round(1000 * value) for value in CELLS), 0, 0]
        assert registers(0x20, 8) == [35, 40, 61, 62, 63, 64, 65, 80]
        assert registers(0x28, 5) == [528, 30000 - 123, 434, 3784, 3740]
        assert registers(0x2F, 1) == [2]
        assert registers(0x31, 3) == [14, 8, 321]
        # Faults: bit 1 of 0x3A, bit 2 of 0x3B, bit 2 of 0x3D.
        assert registers(0x3A, 4) == [2, 4, 0, 4]
        ours = probed("daly-d2", "--url", f"pty://{line}")
    assert (ours["current_a"], ours["soc"], ours["cycles"]) == (-12.3, 0.434, 321)
    assert ours["alarms"] == ["cell_over_voltage", "discharge_over_current_warning", "short_circuit"]
