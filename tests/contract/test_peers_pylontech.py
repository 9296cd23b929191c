"""python-pylontech 0.3.3, a program of somebody else's, on a real pty against our Pylontech emulator.

It reads to a newline that no pack sends, so every reply costs it its time-out: two seconds, unless the script shortens
them. All of its calls are here; those that a real US5000 leaves unanswered (its issues 23 and 41) are named.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.contract.peers import emulated, peer, probed, run_peer

CELLS = [3.301, 3.298, 3.305, 3.290, 3.299, 3.300, 3.302, 3.304, 3.303, 3.296, 3.297, 3.300, 3.301, 3.302, 3.299]
STATE = {
    "cell_voltages_v": ",".join(map(str, CELLS)),
    "voltage_v": "49.512",
    "current_a": "-6.1",
    "soc": "0.44",
    "soh": "0.74",
    "temperatures_c": "31,29,29,30,28.5",
    "cycles": "564",
    "charge_limit_a": "55.5",
    "discharge_limit_a": "74",
}
SET = [word for name, text in STATE.items() for word in ("--set", f"{name}={text}")]
"""74 Ah remain of 100 rated: the capacities are in the wide fields."""

SHY = ("pack.get_protocol_version()", "pack.get_manufacturer_info()", "pack.get_module_serial_number()")

PRELUDE = """
import json, sys
import pylontech
pack = pylontech.Pylontech(sys.argv[1])
pack.s.timeout = float(sys.argv[2])
def plain(value):
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items() if str(key)[0] != "_"}
    return [plain(item) for item in value] if isinstance(value, list) else value
def tell(value):
    print()
    print(json.dumps(plain(value)))
"""


def python_pylontech(line: Path, call: str, *, timeout_s: float = 0.4) -> Any:
    """What a call of its library returns. `get_management_info` prints as well, so the last line counts."""
    done = run_peer(peer("python"), "-c", f"{PRELUDE}tell({call})", str(line), str(timeout_s))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def failure(line: Path, call: str) -> str:
    """The last line of its traceback."""
    done = run_peer(peer("python"), "-c", f"{PRELUDE}tell({call})", str(line), "0.4")
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def holds_the_state(found: dict[str, Any]) -> None:
    assert found["CellVoltages"] == pytest.approx(CELLS)
    assert found["NumberOfCells"] == 15
    assert (found["AverageBMSTemperature"], found["GroupedCellsTemperatures"]) == (31.0, [29.0, 29.0, 30.0, 28.5])
    assert (found["Current"], found["Voltage"], found["CycleNumber"]) == (-6.1, 49.512, 564)
    assert (found["RemainingCapacity"], found["TotalCapacity"]) == (32.56, 74.0)


def test_its_calls_read_what_was_stated(tmp_path: Path) -> None:
    line = tmp_path / "line"
    with emulated("pylontech", "--url", f"pty://{line}", *SET):
        # With its own patience, as anybody would call it.
        single = python_pylontech(line, "pack.get_values_single(2)", timeout_s=2)
        group, limits, *parameters, serial, scanned = python_pylontech(
            line,
            "[pack.get_values(), pack.get_management_info(2), pack.get_system_parameters(),"
            " pack.get_system_parameters(2), pack.get_module_serial_number(2), pack.scan_for_batteries(2, 4)]",
        )
        ours = probed("pylontech", "--url", f"pty://{line}")
    assert single["NumberOfModule"] == 2
    holds_the_state(single)
    assert single["StateOfCharge"] == pytest.approx(0.44)
    assert group["NumberOfModules"] == 1
    holds_the_state(group["Module"][0])
    assert group["TotalPower"] == pytest.approx(-6.1 * 49.512)
    assert (limits["ChargeCurrentLimit"], limits["DischargeCurrentLimit"]) == (55.5, -74.0)
    assert (limits["ChargeVoltageLimit"], limits["DischargeVoltageLimit"]) == (pytest.approx(54.75), 37.5)
    assert (limits["status"]["ChargeEnable"], limits["status"]["DischargeEnable"]) == (True, True)
    assert limits["status"]["ShouldCharge"] is False
    assert parameters[0] == parameters[1]
    assert (parameters[0]["CellHighVoltageLimit"], parameters[0]["CellLowVoltageLimit"]) == (3.65, 2.5)
    assert (parameters[0]["ChargeCurrentLimit"], parameters[0]["DischargeCurrentLimit"]) == (100.0, -100.0)
    assert parameters[0]["DischargeHighTemperatureLimit"] == 55.0
    assert serial == {"CommandValue": 2, "ModuleSerialNumber": "PBSIM00000000002"}
    assert scanned == {"2": "PBSIM00000000002"}
    assert ours["cell_voltages_v"] == pytest.approx(CELLS)
    assert (ours["current_a"], ours["soc"]) == (-6.1, pytest.approx(0.44))
    assert (ours["charge_limit_a"], ours["discharge_limit_a"]) == (55.5, 74.0)


def test_its_calls_to_address_0_and_without_a_pack_number(tmp_path: Path) -> None:
    """Older packs answer them, a US5000 says nothing, and `lenient=0` makes ours one."""
    line = tmp_path / "line"
    with emulated("pylontech", "--url", f"pty://{line}"):
        version, maker, serial = python_pylontech(line, f"[{', '.join(SHY)}]")
    assert (version["ver"], version["adr"], version["cid2"]) == (" ", "\0", "\0")
    assert maker["DeviceName"].rstrip("\0") == "US5000SIM"
    assert (maker["SoftwareVersion"], maker["ManufacturerName"].rstrip("-")) == ([1, 0], "Packbench")
    assert serial == {"CommandValue": 2, "ModuleSerialNumber": "PBSIM00000000002"}
    with emulated("pylontech", "--url", f"pty://{line}", *SET, "--set", "lenient=0"):
        for call in SHY:
            assert failure(line, call) == "ValueError: invalid literal for int() with base 16: b''"
        holds_the_state(python_pylontech(line, "pack.get_values_single(2)"))


def test_linked_packs_answer_through_their_master(tmp_path: Path) -> None:
    line = tmp_path / "line"
    with emulated("pylontech", "--url", f"pty://{line}", *SET, "--set", "packs=3"):
        group, third = python_pylontech(line, "[pack.get_values(), pack.get_values_single(4)]")
    assert group["NumberOfModules"] == len(group["Module"]) == 3
    for module in group["Module"]:
        holds_the_state(module)
    assert third["NumberOfModule"] == 4
    holds_the_state(third)


def test_its_length_of_five_digits_is_survived(tmp_path: Path) -> None:
    """46 characters of INFO: the nibbles of LENID add up to 16, and its LCHKSUM is 16 where 0 is meant."""
    line = tmp_path / "line"
    call = "[pack.send_cmd(2, 0x93, b'02' * 23), pack.read_frame(), pack.get_module_serial_number(2)]"
    with emulated("pylontech", "--url", f"pty://{line}"):
        _, refused, serial = python_pylontech(line, call)
    assert refused["cid2"] == "\x03"
    assert serial["ModuleSerialNumber"] == "PBSIM00000000002"
