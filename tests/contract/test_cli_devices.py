"""`packbench devices` as people and other programs drive it (the command line contract)."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.contract.peers import PACKBENCH, ROOT, emulated, probed, run_peer
from tests.scenario.support import ask

NAMES = (
    "ea-psb", "delta-sm15k", "itech-it6000c", "neware-bts8", "jbd", "daly-a5", "daly-d2", "daly-p81", "jk-4e57",
    "jk-pb", "pylontech", "seplos-v2", "pace", "seplos-v3", "gbt27930", "modbus-hv-bms", "modbus-chamber",
    "modbus-insulation", "eastron-sdm",
)  # fmt: skip
"""The names of the contract."""
VOCABULARY = {
    "ok", "device", "unit", "kind", "identity", "plausible", "link", "voltage_v", "current_a", "soc", "soh",
    "cell_voltages_v", "cell_min_v", "cell_max_v", "temperatures_c", "cycles", "alarms", "charge_limit_a",
    "discharge_limit_a", "balancing", "output_on", "regulation",
}  # fmt: skip


def packbench(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(PACKBENCH), *words], capture_output=True, text=True, timeout=60, check=False, env={**os.environ, **env}
    )


def listed() -> dict[str, dict[str, Any]]:
    done = packbench("devices", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {item["name"]: item for item in json.loads(done.stdout)["devices"]}


def url_for(name: str, schemes: list[str], folder: Path) -> str:
    """A link that can be played here: a socket or a pty, not somebody's serial port."""
    scheme = next(scheme for scheme in schemes if scheme != "serial")
    return f"{scheme}://127.0.0.1:0" if scheme.endswith("+tcp") else f"{scheme}://{folder}/{name}"


def test_the_list_has_every_name_of_the_contract_in_its_words() -> None:
    devices = listed()
    assert set(NAMES) <= set(devices)
    for name in NAMES:
        item = devices[name]
        assert set(item) >= {"name", "kind", "url_schemes", "driver", "emulator", "verified_on_hardware"}
        assert item["emulator"] is True, name
        assert item["driver"] != "none", name
        assert item["verified_on_hardware"] is False, "nobody has said otherwise"
    assert {devices[name]["driver"] for name in ("ant", "tdt")} == {"none"}, "decode only"


@pytest.mark.parametrize("name", NAMES)
def test_every_family_is_emulated_and_probed(name: str, tmp_path: Path) -> None:
    """One vocabulary for all; absent values absent, never zero."""
    item = listed()[name]
    with emulated(name, "--url", url_for(name, item["url_schemes"], tmp_path)) as ready:
        assert ready["ready"] is True
        assert ready["pid"] > 0
        shown = probed(name, "--url", ready["url"])
    assert shown["device"] == name
    assert shown["kind"] == item["kind"]
    assert None not in shown.values()
    assert shown["plausible"] is True
    assert shown["identity"]["model"]
    # A CAN bus has no replies: everybody talks in periods.
    assert shown["link"]["frames_in" if name == "gbt27930" else "replies"] >= 1
    if item["kind"] in ("bms", "cycler"):
        assert set(shown) <= VOCABULARY
        assert shown["voltage_v"] > 2
    if item["kind"] == "bms" and name != "gbt27930":
        assert len(shown["cell_voltages_v"]) >= 4
        assert sum(shown["cell_voltages_v"]) == pytest.approx(shown["voltage_v"], rel=0.01)
        assert 0 < shown["soc"] <= 1
    if name == "gbt27930":
        assert "discharge_limit_a" not in shown, "charge-only"


def test_what_is_stated_is_what_is_read(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"soc": 0.43, "cell_voltages_v": [3.301 + 0.001 * n for n in range(16)], "cycles": 77}))
    line = f"pty://{tmp_path}/line"
    with emulated("jk-pb", "--url", line, "--state", str(state), "--set", "current_a=-12.5", "--unit", "3"):
        shown = probed("jk-pb", "--url", line, "--unit", "3")
    assert shown["soc"] == 0.43
    assert shown["cycles"] == 77
    assert shown["current_a"] == -12.5
    assert shown["cell_voltages_v"] == [round(3.301 + 0.001 * n, 3) for n in range(16)]
    assert shown["voltage_v"] == pytest.approx(sum(shown["cell_voltages_v"]), abs=0.002)
    # A probe's answer is a state file.
    state.write_text(json.dumps(shown))
    with emulated("jk-pb", "--url", line, "--state", str(state)):
        assert probed("jk-pb", "--url", line)["cell_voltages_v"] == shown["cell_voltages_v"]


def test_several_devices_share_a_bus(tmp_path: Path) -> None:
    line = f"pty://{tmp_path}/line"
    with emulated("jk-pb@1", "jk-pb@2", "daly-d2", "seplos-v3@0", "--url", line, "--set", "soc=0.5"):
        answers = probed("jk-pb@1", "daly-d2", "seplos-v3@0", "jk-pb@2", "--url", line)
        nobody = probed("jk-pb@9", "--url", line, "--timeout", "0.1", code=4)
    assert [answer["device"] for answer in answers["devices"]] == ["jk-pb", "daly-d2", "seplos-v3", "jk-pb"]
    assert [answer["soc"] for answer in answers["devices"]] == [0.5] * 4
    assert answers["link"]["timeouts"] == 0
    assert nobody["code"] == 4
    assert "no complete reply within" in nobody["errors"][0]["message"]


def test_the_plant_lives_behind_an_emulator(tmp_path: Path) -> None:
    """A current that was stated flows: the pack is discharged by it."""
    line = f"pty://{tmp_path}/line"
    with emulated("jk-pb", "--url", line, "--set", "current_a=-90", "--set", "plant.initial_soc=0.5"):
        first = probed("jk-pb", "--url", line)
        time.sleep(1.2)
        second = probed("jk-pb", "--url", line)
    assert second["voltage_v"] < first["voltage_v"]


def test_a_killed_emulator_leaves_its_name_free_for_the_next(tmp_path: Path) -> None:
    path = tmp_path / "line"
    process = subprocess.Popen(
        [str(PACKBENCH), "devices", "emulate", "jk-pb", "--url", f"pty://{path}"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["path"] == str(path)
    process.send_signal(signal.SIGKILL)
    process.wait(timeout=10)
    process.stdout.close()
    assert path.is_symlink()
    with emulated("jk-pb", "--url", f"pty://{path}"):
        assert probed("jk-pb", "--url", f"pty://{path}")["ok"] is True
    assert not path.is_symlink()


def test_a_port_in_use_and_a_name_in_use_are_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = packbench("devices", "emulate", "modbus-hv-bms", "--url", f"modbus+tcp://127.0.0.1:{port}")
    assert done.returncode == 4
    assert "ddress already in use" in done.stderr
    (tmp_path / "line").write_text("somebody's file")
    done = packbench("devices", "emulate", "jk-pb", "--url", f"pty://{tmp_path}/line")
    assert done.returncode == 2
    assert (tmp_path / "line").read_text() == "somebody's file"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("probe", "jk-pb", "--url", "modbus+tcp://127.0.0.1:1"), "jk-pb is not reached so"),
        (("probe", "jkpb", "--url", "pty:///x"), "did you mean"),
        (("probe", "jk-pb", "--url", "http://x"), "not a device URL"),
        (("probe", "jk-pb@300", "--url", "pty:///x"), "a unit from 0 to 255"),
        (("probe", "jk-pb", "--url", "pty:///x", "--unit", "a"), "expected units from 0 to 255"),
        (("probe", "jk-pb", "--url", "pty:///x", "--set", "colour=red"), "it has no options"),
        (("emulate", "jk-pb", "--url", "pty:///x/y", "--set", "soc=high"), "expected a number"),
        (("emulate", "jk-pb", "--url", "pty:///x/y", "--set", "colour=red"), "--set"),
        (("emulate", "jk-pb", "--url", "pty:///x/y", "--set", "soc"), "expected KEY=VALUE"),
        (("emulate", "jk-pb", "jk-pb", "--url", "pty:///x/y"), "two devices at one place"),
        (("emulate", "jk-pb", "--url", "pty:///no/such/folder/line"), "No such file"),
        (("emulate", "ant", "--url", "pty:///x/y"), "no emulator plays this device"),
        (("probe", "ant", "--url", "pty:///x/y"), "no driver"),
        (("check", "no-such-map"), "no device of this name"),
    ],
)
def test_bad_input_is_refused_in_the_contract_s_words(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], expected: str
) -> None:
    answer = ask(capsys, "devices", *words)
    assert answer.code == 2, answer
    assert answer.data["ok"] is False
    assert expected in answer.data["errors"][0]["message"]


BMSS = tuple(name for name in NAMES if name not in (
    "ea-psb", "delta-sm15k", "itech-it6000c", "neware-bts8", "modbus-chamber", "modbus-insulation",
    "eastron-sdm",
))  # fmt: skip


def emulate_refused(capsys: pytest.CaptureFixture[str], name: str, *words: str) -> list[dict[str, Any]]:
    """The errors of an emulation that is refused before anybody is told where it is."""
    scheme = {"gbt27930": "slcan", "modbus-hv-bms": "rtu+tcp"}.get(name, "pty")
    url = "rtu+tcp://127.0.0.1:0" if scheme == "rtu+tcp" else f"{scheme}:///no/such/folder/line"
    sets = [part for word in words for part in ("--set", word)]
    answer = ask(capsys, "devices", "emulate", name, "--url", url, *sets)
    assert answer.code == 2, (name, words, answer)
    return answer.data["errors"]


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("soc=nan", "a number from 0 to 1"),
        ("soc=50", "a number from 0 to 1"),
        ("soh=1.5", "a number from 0 to 1"),
        ("voltage_v=1e9", "a number from 0 to 10000"),
        ("current_a=inf", "a number from -10000 to 10000"),
        ("charge_limit_a=-1", "a number from 0 to 10000"),
        ("cycles=-5", "a whole number from 0 to 65535"),
        ("cycles=7.5", "a whole number from 0 to 65535"),
        ("cycles=1e400", "a whole number from 0 to 65535"),
        ("cell_voltages_v=3.3,nan", "numbers from -1 to 10"),
        ("cell_voltages_v=", "numbers from -1 to 10"),
        ("temperatures_c=-300,1e6", "numbers from -60 to 200"),
        ("alarms=Not a name", "names"),
    ],
)
def test_a_state_that_no_pack_can_have_is_refused(capsys: pytest.CaptureFixture[str], word: str, expected: str) -> None:
    (error,) = emulate_refused(capsys, "jbd", word)
    assert error["field"] == f"--set {word.partition('=')[0]}"
    assert error["expected"] == expected


@pytest.mark.parametrize("name", BMSS)
def test_what_a_protocol_has_no_room_for_is_refused_by_name(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Nothing is clipped, left out or called something else, and no emulator is deaf from the start."""
    impossible = {"alarms": "alarms=nosuch", "cell_voltages_v": "cell_voltages_v=" + ",".join(["3.3"] * 300)}
    if name not in ("jbd", "gbt27930"):
        # These two count their sensors in a byte.
        impossible["temperatures_c"] = "temperatures_c=" + ",".join(["25"] * 20)
    if name not in ("jk-pb", "modbus-hv-bms"):
        # These two have 32 bits for them.
        impossible |= {"voltage_v": "voltage_v=9000", "current_a": "current_a=9000"}
    for field, word in impossible.items():
        assert {error["field"] for error in emulate_refused(capsys, name, "soc=0.5", word)} == {field}, word


@pytest.mark.parametrize(("name", "sensors"), [("pylontech", 5), ("pace", 6), ("seplos-v2", 6)])
def test_the_board_s_own_sensors_can_be_stated(name: str, sensors: int, tmp_path: Path) -> None:
    """They are on the wire, for whoever reads them there; our drivers tell of the cells' alone."""
    stated = [20.0 + 3 * number for number in range(sensors)]
    words = ("--set", "temperatures_c=" + ",".join(map(str, stated)))
    with emulated(name, "--url", f"pty://{tmp_path}/line", *words):
        assert set(probed(name, "--url", f"pty://{tmp_path}/line")["temperatures_c"]) < set(stated)


def test_of_a_pack_that_is_too_large_nothing_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, "devices", "emulate", "daly-d2", "--url", "pty:///no/such/folder/line", "--pack", "nmc-96s")
    assert answer.code == 2
    assert answer.data["errors"][0]["field"] == "--pack"


FAILING = """
import sys
from packbench.cli.program import main
from packbench_sim.devices.modbus_slave import ModbusSlave

def fail(*_):
    raise OverflowError("int too big to convert")

ModbusSlave.on_bytes = fail
sys.exit(main(["devices", "emulate", "modbus-chamber", "--url", "modbus+tcp://127.0.0.1:0", "--json"]))
"""


def failing_emulator(folder: Path, stderr: int) -> tuple[subprocess.Popen[str], int]:
    """An emulator that fails at the first byte, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", FAILING], stdout=subprocess.PIPE, stderr=stderr, text=True,
        env={**os.environ, "PACKBENCH_HOME": str(folder)},
    )  # fmt: skip
    assert process.stdout is not None
    return process, int(json.loads(process.stdout.readline())["url"].rpartition(":")[2])


def hung_up_on(port: int) -> None:
    """Send a byte, and wait until the other end has gone."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"\0")
        with contextlib.suppress(ConnectionError):
            assert client.recv(1) == b""


def test_a_device_that_fails_ends_its_emulation_in_one_sentence(tmp_path: Path) -> None:
    """It does not go on deaf; stdout has its one line also with --json."""
    process, port = failing_emulator(tmp_path, subprocess.PIPE)
    hung_up_on(port)
    rest, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert rest == ""
    assert len(errors.splitlines()) == 1
    assert "OverflowError: int too big to convert" in errors


def test_sigterm_stops_an_emulator_whose_stderr_is_full(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        os.set_blocking(writer, False)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(writer, bytes(4096))
        os.set_blocking(writer, True)
        process, port = failing_emulator(tmp_path, writer)
        try:
            hung_up_on(port)
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=10)
        finally:
            process.kill()
            process.communicate(timeout=10)
    finally:
        os.close(reader)
        os.close(writer)


def test_a_state_file_that_is_wrong_names_its_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    for text, expected in (
        ('{"soc": 0.5,\n nonsense}', ":2:2"),
        ('{"colour": "red"}', "expected one of voltage_v"),
        ("[1, 2]", "expected a mapping of values"),
        ('{"cell_voltages_v": 3.3}', "expected numbers"),
    ):
        state.write_text(text)
        answer = ask(capsys, "devices", "emulate", "jk-pb", "--url", f"pty://{tmp_path}/l", "--state", str(state))
        assert answer.code == 2
        assert expected in answer.data["errors"][0]["message"]


def test_nobody_there_is_a_device_error(tmp_path: Path) -> None:
    done = packbench("devices", "probe", "jk-pb", "--url", f"serial://{tmp_path}/nothing", "--json")
    assert done.returncode == 4
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        done = packbench("devices", "probe", "modbus-hv-bms", "--url", f"modbus+tcp://127.0.0.1:{port}", "--json")
    assert done.returncode == 4
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "devices").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_device_file_agrees_with_its_golden_captures(capsys: pytest.CaptureFixture[str], path: Path) -> None:
    answer = ask(capsys, "devices", "check", path.stem)
    assert answer.code == 0, answer
    assert answer.data["golden"] >= 1


def test_a_map_that_disagrees_with_its_capture_fails_the_check(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "devices" / "jk-pb.yaml").read_text("utf-8")
    broken = tmp_path / "broken.yaml"
    # A scale that is wrong by ten, which driver and emulator would both believe.
    broken.write_text(
        text.replace(
            'voltage_v: {address: "0x1290", type: u32, scale: 0.001',
            'voltage_v: {address: "0x1290", type: u32, scale: 0.01',
        )
    )
    assert broken.read_text() != text
    done = run_peer(str(PACKBENCH), "devices", "check", str(broken))
    assert done.returncode == 5
    assert "voltage_v is 528" in done.stderr


def test_show_says_what_is_known(tmp_path: Path) -> None:
    done = packbench("devices", "show", "ea-psb", "--json")
    shown = json.loads(done.stdout)
    assert shown["capabilities"]["sinks"] is True
    assert "actuals_read" in shown["options"]
    assert packbench("devices", "show", "ea-psb").returncode == 0
