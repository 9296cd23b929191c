"""aurora-neware, the reference client of the Neware BTS API, against the emulator on a real socket."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent, indent
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.contract.peers import emulated, peer, probed, run_peer

from packbench.core.step_program import CcStep, Protections, Recording, RestStep, StepProgram
from packbench.wire.neware.steps import to_neware_xml

CLIENT = """
import json, sys, time
from aurora_neware import NewareAPI

def until_over(client, pipeline):
    deadline = time.monotonic() + 30
    while (state := client.getchlstatus(pipeline)[pipeline]["status"]) == "working":
        assert time.monotonic() < deadline, "the program does not end"
        time.sleep(0.1)
    return state

said = {}
with NewareAPI("127.0.0.1", int(sys.argv[1])) as client:
"""


def client_says(url: str, script: str, *words: str) -> dict[str, Any]:
    """What a script with the client (`client`) has put into `said`."""
    body = indent(dedent(script).strip(), "    ")
    whole = f"{CLIENT}{body}\nprint(json.dumps(said))\n"
    done = run_peer(peer("python"), "-c", whole, str(urlsplit(url).port), *words)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def step_file(folder: Path, *steps: Any) -> str:
    path = folder / "payload.xml"
    path.write_text(to_neware_xml(StepProgram("peer", steps, Protections(), Recording(0.2))), "utf-8")
    return str(path)


URL = ("--url", "xml+tcp://127.0.0.1:0")


def test_the_client_finds_the_channels_and_reads_the_pack() -> None:
    with emulated("neware-bts8", *URL, "--set", "channels=8", "--set", "subdevid=5") as ready:
        said = client_says(
            ready["url"],
            """
            said["channels"] = client.channel_map
            said["status"] = client.getchlstatus()
            said["now"] = client.inquire("21-5-1")["21-5-1"]
            said["light"] = client.light(["21-5-1", "21-5-8"])
            said["rows"] = client.inquiredf()
            """,
        )
        url = ready["url"]
        probe = probed("neware-bts8", "--url", url, "--set", "channel=21-5-1")
        refused = probed("neware-bts8", "--url", url, code=2)
    assert list(said["channels"]) == [f"21-5-{number}" for number in range(1, 9)]
    assert said["channels"]["21-5-3"] == {
        "ip": "127.0.0.1",
        "devtype": 27,
        "devid": 21,
        "subdevid": 5,
        "Channelid": 3,
        "channel": "true",
    }
    assert {item["status"] for item in said["status"].values()} == {"finish"}
    now = said["now"]
    assert (now["workstatus"], now["step_type"], now["current"], now["barcode"]) == ("finish", None, 0, "")
    assert [(item["chlid"], item["light"]) for item in said["light"]] == [(1, "ok"), (8, "ok")]
    assert {(item["count"], item["testid"]) for item in said["rows"].values()} == {(0, 0)}
    # The same pack, by our own driver.
    assert probe["identity"] == {"model": "Neware BTS85", "serial": "21-5-1"}
    assert probe["voltage_v"] == pytest.approx(now["voltage"], abs=0.01)
    assert 300.0 < probe["voltage_v"] < 400.0
    assert (probe["current_a"], probe["output_on"], probe["regulation"]) == (0.0, False, "off")
    assert (probe["link"]["requests"], probe["link"]["retries"]) == (3, 0)
    assert "27-21-5-1, 27-21-5-2" in refused["errors"][0]["expected"]


def test_the_client_runs_a_program_on_the_pack(tmp_path: Path) -> None:
    steps = (RestStep(0.5), CcStep("discharge", 50.0, until_time_s=3.0), RestStep(0.5))
    with emulated("neware-bts8", *URL) as ready:
        said = client_says(
            ready["url"],
            """
            said["before"] = client.inquire("21-1-1")["21-1-1"]
            said["start"] = client.start("21-1-1", "pack-7", sys.argv[2], sys.argv[3])
            try:
                client.start("21-1-1", "pack-7", sys.argv[2], sys.argv[3])
            except ValueError as error:
                said["second start"] = str(error)
            deadline = time.monotonic() + 30
            while (now := client.inquire("21-1-1")["21-1-1"])["step_type"] != "dc" or now["current"] > -49.9:
                assert time.monotonic() < deadline, now
                time.sleep(0.05)
            said["discharging"] = now
            said["end"] = until_over(client, "21-1-1")
            said["after"] = client.inquire("21-1-1")["21-1-1"]
            said["count"] = client.inquiredf("21-1-1")["21-1-1"]
            said["rows"] = client.download("21-1-1", last_n_points=0)
            said["log"] = client.downloadlog("21-1-1")
            said["steps"] = client.get_steps("21-1-1")
            said["test"] = client.get_testid("21-1-1")["21-1-1"]["full_test_id"]
            said["stop"] = client.stop("21-1-1")
            """,
            step_file(tmp_path, *steps),
            str(tmp_path),
        )
    assert said["start"][0]["start"] == "ok"
    assert "blocked states: {'21-1-1': 'working'}" in said["second start"]
    now = said["discharging"]
    assert (now["workstatus"], now["step_id"], now["barcode"]) == ("working", 2, "pack-7")
    assert now["current"] == pytest.approx(-50.0, abs=0.1)
    # The pack's resistance is in the voltage: the program drives the simulated pack.
    assert now["voltage"] < said["before"]["voltage"] - 1.0
    assert (said["end"], said["after"]["current"]) == ("finish", 0)
    rows = said["rows"]
    count = said["count"]
    assert (count["count"], count["chl"], count["testid"]) == (len(rows["seqid"]), "true", 101)
    assert rows["seqid"] == list(range(1, len(rows["seqid"]) + 1))
    assert sorted(set(rows["stepid"])) == [1, 2, 3]
    discharge = [at for at, kind in enumerate(rows["steptype"]) if kind == "dc"]
    assert rows["testtime"][discharge[-1]] == pytest.approx(3000, abs=200)
    assert rows["curr"][discharge[-1]] == pytest.approx(-50.0, abs=0.1)
    assert rows["cap"][discharge[-1]] == pytest.approx(50.0 * 3.0 / 3600.0, rel=0.1)
    assert [item["log_code"] for item in said["log"]] == [100000, 100001]
    assert [(item["stepid"], item["steptype"]) for item in said["steps"]] == [(1, "rest"), (2, "dc"), (3, "rest")]
    assert said["steps"][1]["cap"] == pytest.approx(rows["cap"][discharge[-1]])
    assert said["test"] == "21-1-1-101"
    assert said["stop"][0]["stop"] == "false"


def test_what_cannot_be_run_is_refused_and_a_client_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.xml"
    nonsense.write_text("hello there")
    with emulated("neware-bts8", *URL) as ready:
        said = client_says(
            ready["url"],
            """
            said["nonsense"] = client.start("21-1-1", "x", sys.argv[2], sys.argv[4])
            said["started"] = client.start("21-1-1", "x", sys.argv[3], sys.argv[4])
            """,
            str(nonsense),
            step_file(tmp_path, CcStep("charge", 50.0, until_time_s=600.0)),
            str(tmp_path),
        )
        assert said["nonsense"][0]["start"] == "false"
        assert said["started"][0]["start"] == "ok"
        # Another connection, and the program is still at it: there is no watchdog.
        probe = probed("neware-bts8", "--url", ready["url"])
        assert (probe["output_on"], probe["regulation"]) == (True, "cc")
        assert probe["current_a"] == pytest.approx(50.0, abs=0.1)
        said = client_says(
            ready["url"],
            """
            said["stop"] = client.stop("21-1-1")
            said["state"] = client.getchlstatus("21-1-1")["21-1-1"]["status"]
            """,
        )
        assert (said["stop"][0]["stop"], said["state"]) == ("ok", "stop")
        assert probed("neware-bts8", "--url", ready["url"])["current_a"] == 0.0


def test_the_client_says_so_when_no_device_is_running() -> None:
    with emulated("neware-bts8", *URL, "--set", "running=0") as ready:
        port = str(urlsplit(ready["url"]).port)
        done = run_peer(peer("python"), "-c", f"{CLIENT}    pass\n", port)
        assert "No devices found" in done.stderr
        assert "no device is running" in probed("neware-bts8", "--url", ready["url"], code=4)["errors"][0]["message"]


def test_a_mistaken_unit_is_merged_by_the_client_and_by_ours() -> None:
    with emulated("neware-bts8", *URL, "--set", "subdevid=5", "--set", "unit_mistake=1") as ready:
        said = client_says(ready["url"], 'said["status"] = client.getchlstatus()')
        assert said["status"]["21-5-1"]["subdevid"] == 5
        assert probed("neware-bts8", "--url", ready["url"])["identity"]["serial"] == "21-5-1"
