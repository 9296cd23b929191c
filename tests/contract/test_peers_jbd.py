"""bmstools 1.2.0, a JBD program of somebody else's, on a real pty against our emulator."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.contract.peers import emulated, peer, probed, run_peer

CELLS = [3.301, 3.298, 3.305, 3.290, 3.299, 3.300, 3.302, 3.304]
STATE = {
    "cell_voltages_v": ",".join(map(str, CELLS)),
    "voltage_v": "26.40",
    "current_a": "-4.25",
    "soc": "0.62",
    "temperatures_c": "-2.5,23.0",
    "cycles": "1234",
    "alarms": "cell_under_voltage,short_circuit",
    "balancing": "true",
    "charge_limit_a": "40",
    "discharge_limit_a": "62.5",
}
SET = [word for name, text in STATE.items() for word in ("--set", f"{name}={text}")]

PRELUDE = """
import json, sys
import serial
from bmstools.jbd import JBD
board = JBD(serial.Serial(sys.argv[1], 9600))
"""


def bmstools(path: Path, script: str) -> Any:
    done = run_peer(peer("python"), "-c", PRELUDE + script, str(path))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("extended", ["0", "1"])
def test_bmstools_reads_what_was_stated(tmp_path: Path, extended: str) -> None:
    line = tmp_path / "line"
    with emulated("jbd", "--url", f"pty://{line}", *SET, "--set", f"extended={extended}"):
        basic, cells, device = bmstools(line, "print(json.dumps(board.readInfo()))")
    assert [cells[f"cell{number}_mv"] for number in range(8)] == [round(1000 * value) for value in CELLS]
    assert device == {"device_name": "JBD-SP20S004-L16S-150A-B"}
    assert (basic["pack_mv"], basic["pack_ma"], basic["cap_pct"]) == (26400, -4250, 62)
    assert (basic["cur_cap"], basic["full_cap"], basic["cycle_cnt"]) == (62000, 100000, 1234)
    assert (basic["ntc_cnt"], basic["ntc0"], basic["ntc1"], basic["ntc2"]) == (2, -2.5, 23.0, None)
    assert (basic["cell_cnt"], basic["chg_fet_en"], basic["dsg_fet_en"]) == (8, True, True)
    assert [name for name in basic if name.endswith("_err") and basic[name]] == ["cuvp_err", "sc_err"]
    assert [number for number in range(32) if basic[f"bal{number}"]] == [2]
    assert (basic["year"], basic["month"], basic["day"]) == (2022, 3, 28)


def test_what_bmstools_writes_is_what_it_and_we_read_later(tmp_path: Path) -> None:
    line = tmp_path / "line"
    with emulated("jbd", "--url", f"pty://{line}", *SET):
        before = bmstools(line, "print(json.dumps(board.readEeprom(), default=str))")
        assert (before["chgoc"], before["dsgoc"], before["cell_cnt"]) == (40000, -62500, 8)
        assert (before["design_cap"], before["cycle_cnt"], before["mfg_name"]) == (100000, 1234, "DGJBD")
        assert probed("jbd", "--url", f"pty://{line}", "--set", "limits_from=eeprom")["charge_limit_a"] == 40.0
        written = 'board.writeEeprom({"covp": 3700, "chgoc": 25000, "barcode": "PB-0001"})\n'
        after = bmstools(line, written + "print(json.dumps(board.readEeprom(), default=str))")
        assert {name: after[name] for name in before if before[name] != after[name]} == {
            "covp": 3700,
            "chgoc": 25000,
            "barcode": "PB-0001",
            # Leaving factory mode with saving clears the counters: bmstools' clearErrors does nothing else.
            "cuvp_err_cnt": 0,
            "sc_err_cnt": 0,
        }
        assert (before["cuvp_err_cnt"], before["sc_err_cnt"]) == (1, 1)
        assert probed("jbd", "--url", f"pty://{line}", "--set", "limits_from=eeprom")["charge_limit_a"] == 25.0


def test_what_bmstools_switches_is_off_for_us(tmp_path: Path) -> None:
    line = tmp_path / "line"
    with emulated("jbd", "--url", f"pty://{line}", *SET):
        switch = "board.chgDsgEnable({0}, {1})\nprint(json.dumps(board.readBasicInfo()))"
        for charge, discharge in ((False, True), (True, False), (True, True)):
            basic = bmstools(line, switch.format(charge, discharge))
            assert (basic["chg_fet_en"], basic["dsg_fet_en"]) == (charge, discharge)
            ours = probed("jbd", "--url", f"pty://{line}", "--set", "limits_from=eeprom")
            assert (ours["charge_limit_a"], ours["discharge_limit_a"]) == (40.0 * charge, 62.5 * discharge)
            assert ("mos_software_lock" in ours["alarms"]) is not (charge and discharge)
