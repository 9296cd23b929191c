"""python-can 4.6.1, somebody else's slcan, as a charger on a real pty: our emulator is its adapter and its BMS.

The charger below is written by hand against the standard, frame by frame, and knows nothing of this project: it takes
part in the J1939 transport protocol itself and takes the messages apart with `struct`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.contract.peers import emulated, peer, probed, run_peer

CELLS = [3.601, 3.612, 3.598, 3.605]
STATE = {
    "cell_voltages_v": ",".join(map(str, CELLS)),
    "voltage_v": "346.5",
    "current_a": "25.5",
    "soc": "0.62",
    "temperatures_c": "21.0,33.0",
    "charge_limit_a": "87.5",
    "cycles": "1234",
}
SET = [word for name, text in STATE.items() for word in ("--set", f"{name}={text}")]

CHARGER = """
import json, struct, sys, time
import can

bus = can.Bus(interface="slcan", channel=sys.argv[1], bitrate=250000, sleep_after_open=0)
answers = {"version": bus.get_version(2), "serial": bus.get_serial_number(2)}
last = {}
CM, DT = 0x1CEC56F4, 0x1CEB56F4
TO = 0x1CECF456

def send(can_id, data):
    bus.send(can.Message(arbitration_id=can_id, data=bytes.fromhex(data), is_extended_id=True))

def until(can_id, seconds, say=None, each=0.25, wanted=lambda data: True):
    # What comes under this id; `say` is repeated meanwhile, as the standard wants it.
    end, due = time.monotonic() + seconds, 0.0
    while time.monotonic() < end:
        if say and time.monotonic() >= due:
            send(*say)
            due = time.monotonic() + each
        message = bus.recv(0.02)
        if message is None:
            continue
        last[message.arbitration_id] = bytes(message.data)
        if message.arbitration_id == can_id and wanted(bytes(message.data)):
            return bytes(message.data)
    sys.exit(f"nothing under {can_id:08X}")

def long(group, seconds=5, **words):
    # The message of a group, received by RTS and CTS.
    tail = struct.pack("<I", group)[:3]
    rts = until(CM, seconds, wanted=lambda data: data[0] == 0x10 and data[5:8] == tail, **words)
    size, packets = struct.unpack("<HB", rts[1:4])
    send(TO, (bytes([0x11, packets, 1, 0xFF, 0xFF]) + tail).hex())
    parts = [until(DT, 2, wanted=lambda data: data[0] == number) for number in range(1, packets + 1)]
    send(TO, (bytes([0x13]) + rts[1:4] + b"\\xff" + tail).hex())
    return b"".join(part[1:] for part in parts)[:size]

answers["bhm"] = until(0x182756F4, 5, say=(0x1826F456, "010100")).hex()
answers["brm"] = long(0x0200, say=(0x1801F456, "00ffffffffffffff")).hex()
answers["bcp"] = long(0x0600, say=(0x1801F456, "aaffffffffffffff")).hex()
until(0x100956F4, 5, say=(0x1808F456, "8813d007f00a780f"), wanted=lambda data: data == b"\\xaa")
answers["bcl"] = until(0x181056F4, 5, say=(0x100AF456, "aa")).hex()
ccs = {"say": (0x1812F456, "8813a00f0000fdff"), "each": 0.05}
answers["bcs"] = long(0x1100, **ccs).hex()
# Four cells are 8 bytes, and two sensors 2: single frames.
answers["bmv"] = (last.get(0x1C1556F4) or until(0x1C1556F4, 11, **ccs)).hex()
answers["bmt"] = (last.get(0x1C1656F4) or until(0x1C1656F4, 11, **ccs)).hex()
answers["bsm"] = until(0x181356F4, 2, **ccs).hex()
answers["bst"] = until(0x101956F4, 2, say=(0x101AF456, "0400f0f0"), each=0.01).hex()
answers["bsd"] = until(0x181C56F4, 2, say=(0x101AF456, "0400f0f0"), each=0.01).hex()
send(0x181DF456, "00000000ffffffff")
bus.shutdown()
print(json.dumps(answers))
"""

SILENT = (
    CHARGER[: CHARGER.index('answers["bsm"]')]
    + """
began = time.monotonic()
answers["bst"] = until(0x101956F4, 3).hex()
answers["after"] = time.monotonic() - began
answers["bem"] = until(0x081E56F4, 3).hex()
bus.shutdown()
print(json.dumps(answers))
"""
)


def charge(path: Path, script: str) -> Any:
    done = run_peer(peer("python"), "-c", script, str(path))
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def u16(text: str, at: int) -> int:
    return int.from_bytes(bytes.fromhex(text)[at : at + 2], "little")


def test_python_can_charges_our_bms(tmp_path: Path) -> None:
    line = tmp_path / "can"
    with emulated("gbt27930", "--url", f"slcan://{line}?bitrate=250000", *SET, "--set", "maker=ACME"):
        said = charge(line, CHARGER)
        # And a second time on the same line: the BMS has come to its end and begins anew.
        again = charge(line, CHARGER)
    assert (said["version"], said["serial"]) == ([10, 13], "A123")
    assert u16(said["bhm"], 0) == 4032  # 96 cells x 4.2 V, 0.1 V
    brm = bytes.fromhex(said["brm"])
    assert (len(brm), brm[:4].hex(), brm[8:12]) == (49, "01010006", b"ACME")
    assert (u16(said["brm"], 4), u16(said["brm"], 6)) == (1500, 3504)  # 150 Ah, 350.4 V
    assert int.from_bytes(brm[19:22], "little") == 1234
    assert brm[24:41] == b"PACKBENCH00000001"
    assert len(bytes.fromhex(said["bcp"])) == 13
    assert (u16(said["bcp"], 9), u16(said["bcp"], 11)) == (620, 3465)  # 0.1 %, 0.1 V
    # Charging is negative on the wire: raw 4000 is 0 A.
    assert (u16(said["bcl"], 2), said["bcl"][8:]) == (4000 - 875, "02")
    assert (u16(said["bcs"], 0), u16(said["bcs"], 2)) == (3465, 4000 - 255)
    assert (u16(said["bcs"], 4), int(said["bcs"][12:14], 16)) == (361, 62)  # highest cell 3.61 V, 62 %
    assert [u16(said["bmv"], at) for at in (0, 2, 4, 6)] == [360, 361, 360, 360]
    assert said["bmt"] == bytes((71, 83)).hex()
    # Cell 2 (counted from 1, sent from 0), 33 degC at sensor 2, 21 degC at sensor 1, nothing wrong, charging allowed.
    assert said["bsm"] == "01530147" + "00" + "00d0"
    assert said["bst"] == "400000f0"
    assert said["bsd"] == "3e" + "6801" + "6901" + "47" + "53"
    assert again["bsd"] == said["bsd"]


def test_a_charger_that_falls_silent_is_stopped_after_a_second(tmp_path: Path) -> None:
    line = tmp_path / "can"
    with emulated("gbt27930", "--url", f"slcan://{line}", *SET):
        said = charge(line, SILENT)
    assert 0.6 < said["after"] < 1.8
    assert (said["bst"], said["bem"]) == ("000040f0", "f0f0f1fc")


def test_our_charger_reads_the_same_state(tmp_path: Path) -> None:
    line = tmp_path / "can"
    with emulated("gbt27930", "--url", f"slcan://{line}", *SET, "--set", "rts_limit=3"):
        first, second = (probed("gbt27930", "--url", f"slcan://{line}") for _ in range(2))
    for answer in (first, second):
        assert (answer["voltage_v"], answer["current_a"], answer["soc"]) == (346.5, 25.5, 0.62)
        assert answer["cell_voltages_v"] == [3.6, 3.61, 3.6, 3.6]
        assert (answer["temperatures_c"], answer["alarms"]) == ([21.0, 33.0], [])
        assert answer["charge_limit_a"] == 87.5
        assert not {"discharge_limit_a", "soh", "cycles", "balancing"} & set(answer)
        assert answer["plausible"] is True
        assert answer["link"]["malformed_lines"] == 0


def test_nobody_on_the_bus_is_a_device_error(tmp_path: Path) -> None:
    line = tmp_path / "can"
    with emulated("gbt27930", "--url", f"slcan://{line}", *SET):
        answer = probed(
            "gbt27930", "--url", f"slcan://{line}?bitrate=500000", "--set", "general_timeout_s=0.5", "--set",
            "retries=1", code=4,
        )  # fmt: skip
    assert answer["ok"] is False
    assert "BHM" in answer["errors"][0]["message"]
