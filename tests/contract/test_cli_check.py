"""packbench check: the contract's object, the simulated part beside the bounds, carets, and what is refused."""

from __future__ import annotations

import json
import math
import re
import shutil
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest
from rich.cells import cell_len
from tests.scenario.support import ask, fresh, one_object

from packbench.app.job import load_job
from packbench.cli.console import Terminal
from packbench.cli.program import main
from packbench.core.errors import InputError

CONFIGS = Path(__file__).parents[2] / "configs"
CONTRACT = {"ok", "errors", "warnings", "duration_s", "charge_ah", "energy_wh", "temperature_c"}
QUICK = ("check", "quick-check", "--pack", "lfp-16s")
BAD = """profile: bad
title: {zh: 退役电池包, colour: red, en: Bad}
steps:
  - rest: {label: settle, for: 5 min}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every check in a folder of its own, with nothing of the user's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PACKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("PACKBENCH_LANG", raising=False)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> tuple[str, str]:
    """stdout and stderr of a check that a person reads."""
    capsys.readouterr()
    assert main(list(words)) == code
    captured = capsys.readouterr()
    return captured.out, captured.err


# -------------------------------------------------------------- the contract


def test_the_object_keeps_the_contract_s_keys(capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, *QUICK)
    assert (answer.code, answer.data["ok"], answer.data["errors"]) == (0, True, [])
    assert set(answer.data) >= CONTRACT
    assert "simulated" not in answer.data
    for name in ("duration_s", "charge_ah", "energy_wh", "temperature_c"):
        span = answer.data[name]
        assert set(span) == {"min", "expected", "max"}
        assert span["min"] <= span["expected"] <= span["max"]


def test_what_was_held_against_the_bench_is_told(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    data = ask(capsys, *QUICK).data
    assert [source["source"] for source in data["bus"]] == ["cycler", "bms", "board"]
    assert all(0 < source["cycle_s"] < source["oldest_s"] <= source["stale_after_s"] for source in data["bus"])
    assert data["record"]["folder"] == str(here)
    assert 86 <= data["record"]["rows"] < 200
    out, _ = said(capsys, *QUICK)
    assert "BMS 2.25/2.50 s" in out
    assert f"({data['record']['rows']} samples)" in out


def test_errors_are_the_contract_s_object_also_with_a_simulation(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    (here / "bad.yaml").write_text(BAD, "utf-8")
    answer = ask(capsys, "check", "bad.yaml", "--simulate", "--plot", "bad.svg")
    assert (answer.code, set(answer.data)) == (2, {"ok", "code", "errors"})
    assert not (here / "bad.svg").exists(), "nothing is simulated that may not run"


# -------------------------------------------------------- what bounds say of steps


def test_every_step_s_worst_case_is_told_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("check", "single-discharge", "--pack", "lfp-16s", "--steps")
    assert "steps" not in ask(capsys, *words[:-1]).data
    steps = ask(capsys, *words).data["steps"]
    assert [step["kind"] for step in steps] == ["cccv_charge", "rest", "cc_discharge"]
    for step in steps:
        for name in ("duration_s", "charge_ah", "energy_wh", "power_w", "temperature_c"):
            span = step[name]
            assert span["min"] <= span["expected"] <= span["max"], (step["label"], name)
        assert step["fires"] is None or step["may_end"] == [step["fires"]]
    rest, discharge = steps[1:]
    assert rest["duration_s"] == pytest.approx({"min": 1800.0, "expected": 1800.0, "max": 1800.0})
    assert discharge["charge_ah"]["max"] < 0 < discharge["duration_s"]["min"]
    assert "cell_min <= cell_cutoff" in discharge["may_end"]
    out, _ = said(capsys, *words)
    assert "lowest cell ≤ cut-off or voltage ≤ cut-off" in " ".join(out.split())


# -------------------------------------------------------- the simulated part


def test_the_simulated_part_is_within_the_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, *QUICK, "--simulate")
    assert answer.code == 0
    data, simulated = answer.data, answer.data["simulated"]
    assert set(simulated) >= {
        "duration_s", "temperature_max_c", "charge_ah", "energy_wh", "steps", "wall_seconds", "plot",
    }  # fmt: skip
    assert simulated["plot"] is None
    for name, value in (
        ("duration_s", simulated["duration_s"]),
        ("charge_ah", simulated["charge_ah"]),
        ("temperature_c", simulated["temperature_max_c"]),
    ):
        assert data[name]["min"] * 0.99 - 0.5 <= value <= data[name]["max"] * 1.01 + 0.5
    assert (simulated["completed"], simulated["verdict"], simulated["trip"]) == (True, "pass", None)
    assert 0 < simulated["wall_seconds"] < 60
    steps = simulated["steps"]
    assert [step["label"] for step in steps] == ["settle", "nudge-up", "between", "nudge-down", "relax"]
    assert [step["duration_s"] for step in steps] == pytest.approx([5, 20, 10, 20, 25], abs=0.6)
    assert [step["end_reason"] for step in steps] == [f"step_time >= {s} s" for s in (5, 20, 10, 20, 25)]
    # 20 A for 20 s, up and down again.
    assert [step["charge_ah"] for step in steps] == pytest.approx([0, 1 / 9, 0, -1 / 9, 0], abs=0.006)
    assert simulated["charged_ah"] == pytest.approx(1 / 9, abs=0.002)
    assert simulated["charge_ah"] == pytest.approx(simulated["charged_ah"] + simulated["discharged_ah"])
    assert simulated["energy_wh"] == pytest.approx(52.7 * simulated["charge_ah"], rel=0.02)


def test_it_leaves_no_record(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    assert ask(capsys, *QUICK, "--simulate").code == 0
    assert list(here.rglob("*")) == []


def test_which_condition_ends_a_discharge(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """A retired cell at 1C: the fall to the cut-off ends it, long before the time limit."""
    (here / "down.yaml").write_text(
        "profile: down\ntitle: {en: Down, zh: 放}\nrecord: {dt: 5 s}\nsteps:\n"
        "  - cc_discharge: {label: down, current: 1C, until: [cell_min <= cell_cutoff, {when: step_time >= 80 min}]}\n",
        "utf-8",
    )
    simulated = ask(capsys, "check", "down.yaml", "--pack", "lmo-25ah", "--simulate").data["simulated"]
    (step,) = simulated["steps"]
    assert step["end_reason"] == "cell_min <= cell_cutoff"
    assert step["end_cell"] == 1
    assert step["cell_min_end_v"] <= 2.71
    assert simulated["discharged_ah"] == pytest.approx(-step["charge_ah"], rel=0.01)
    out, _ = said(capsys, "check", "down.yaml", "--pack", "lmo-25ah", "--simulate")
    assert "cell 1 ≤ cut-off" in out


def test_a_simulated_run_that_safety_stops_is_a_warning(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """The pack is colder than its maker allows: nothing in the profile says so, the simulated bench does."""
    bench = (CONFIGS / "benches" / "sim-lv.yaml").read_text("utf-8")
    assert "ambient: 25 degC" in bench
    (here / "cold.yaml").write_text(bench.replace("ambient: 25 degC", "ambient: -15 degC"), "utf-8")
    words = (*QUICK, "--bench", "cold.yaml", "--plot", "cold.png")
    answer = ask(capsys, *words)
    assert (answer.code, answer.data["ok"]) == (0, True)
    simulated = answer.data["simulated"]
    assert simulated["completed"] is False
    assert simulated["trip"]["rule"] == "temperature_low"
    (warning,) = [item["message"] for item in answer.data["warnings"] if "simulated run stopped" in item["message"]]
    assert simulated["trip"]["text_en"] in warning
    assert (here / "cold.png").read_bytes()[:4] == b"\x89PNG", "the curve up to there"
    out, _ = said(capsys, *words)
    assert "The simulated run stopped after" in out


# ----------------------------------------------------------------- the picture


def test_the_picture_is_named_after_profile_and_pack(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    answer = ask(capsys, *QUICK, "--plot")
    assert answer.data["simulated"]["plot"] == "quick-check-lfp-16s.svg"
    drawn = here / "quick-check-lfp-16s.svg"
    assert ElementTree.fromstring(drawn.read_text("utf-8")).tag.endswith("svg")
    out, _ = said(capsys, *QUICK, "--plot")
    assert "Plot: quick-check-lfp-16s.svg" in out


def test_the_same_check_draws_the_same_picture(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    pictures: list[str] = []
    for name in ("a.svg", "b.svg"):
        assert ask(capsys, *QUICK, "--plot", name).code == 0
        # Names of clip paths hang on the last bit of a layout that a warm font cache changes.
        pictures.append(re.sub(r"\bp[0-9a-f]{10}\b", "", (here / name).read_text("utf-8")))
    assert pictures[0] == pictures[1]


@pytest.mark.parametrize(("name", "found"), [("a.pdf", "a.pdf"), ("a", "a"), ("no/such/folder/a.svg", "no/such")])
def test_a_picture_that_cannot_be_made_is_refused_before_it_is_simulated(
    name: str, found: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("packbench.cli.check.rehearse", lambda *_: pytest.fail("simulated"))
    answer = ask(capsys, *QUICK, "--plot", name)
    assert answer.code == 2
    (problem,) = answer.data["errors"]
    assert problem["field"] == "--plot"
    assert found in problem["found"]


def test_both_languages(capsys: pytest.CaptureFixture[str], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    english, _ = said(capsys, *QUICK, "--plot", "en.svg")
    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    chinese, _ = said(capsys, *QUICK, "--plot", "zh.svg")
    assert "Duration / h" in english
    assert "历时 / h" in chinese
    assert "非实测数据" in chinese
    assert "Duration" not in chinese
    assert (here / "en.svg").read_text("utf-8") != (here / "zh.svg").read_text("utf-8")


# ---------------------------------------------------------------------- carets


def test_a_person_sees_the_line_and_the_suggestion(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    (here / "bad.yaml").write_text(BAD.replace("colour: red, en: Bad", "en_: Bad"), "utf-8")
    out, err = said(capsys, "check", "bad.yaml", "--pack", "lfp-16s", code=2)
    assert out == ""
    sentence, source, caret = err.splitlines()
    assert sentence.startswith("packbench: bad.yaml:2:20: title.en_: unknown key: found 'en_', expected one of en, zh")
    assert source == "   2 | title: {zh: 退役电池包, en_: Bad}"
    assert caret.index("^") == cell_len(source[: source.index("en_")]), "two cells for each Chinese character"
    assert caret.endswith("^~~ did you mean 'en'?")


@pytest.mark.parametrize("kind", ["packs", "benches", "devices"])
def test_every_kind_of_file_shows_its_line(kind: str, capsys: pytest.CaptureFixture[str], here: Path) -> None:
    """A pack, a bench and a device file, found by their bare names in the working directory."""
    name, old, new, column = {
        "packs": ("lfp-16s", "series: 16", "series: sixteen", 9),
        "benches": ("sim-lv", "reply_timeout: 500 ms", "reply_timeout: 500", 20),
        "devices": ("jk-pb", "gap_ms: 30", "gap_ms: -30", 16),
    }[kind]
    text = (CONFIGS / kind / f"{name}.yaml").read_text("utf-8")
    assert text.count(old) == 1
    (here / kind).mkdir()
    (here / kind / f"{name}.yaml").write_text(text.replace(old, new), "utf-8")
    _, err = said(capsys, *QUICK, code=2)
    number = next(at for at, line in enumerate(text.splitlines(), start=1) if old in line)
    lines = err.splitlines()
    at = next(at for at, line in enumerate(lines) if f"{kind}/{name}.yaml:{number}:{column}: " in line)
    assert lines[at + 1] == f"{number:>4} | " + text.splitlines()[number - 1].replace(old, new)
    assert lines[at + 2].index("^") == len("   0 | ") + column - 1


def test_warnings_show_their_lines_too(capsys: pytest.CaptureFixture[str], here: Path) -> None:
    text = "profile: slow\ntitle: {en: S, zh: 慢}\nrecord: {dt: 20 s}\nsteps:\n  - rest: {for: 10 min}\n"
    (here / "slow.yaml").write_text(text, "utf-8")
    out, _ = said(capsys, "check", "slow.yaml", "--pack", "lfp-16s")
    lines = out.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("warning: slow.yaml:5:5: steps[1].rest"))
    assert lines[at + 1] == "   5 |   - rest: {for: 10 min}"
    assert lines[at + 2].startswith("     |     ^ expected 15 s or less")


def test_the_line_is_the_one_that_was_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever mends the file while it is being checked sees the line that was judged."""
    (here / "bad.yaml").write_text(BAD, "utf-8")
    with pytest.raises(InputError) as caught:
        load_job("bad.yaml", "lfp-16s", None)
    (here / "bad.yaml").unlink()
    Terminal(as_json=False, lang="en").fail(caught.value)
    assert "   2 | title: {zh: 退役电池包, colour: red, en: Bad}" in capsys.readouterr().err


def test_no_colours_without_a_terminal_and_nothing_drawn_beside_json(here: Path) -> None:
    (here / "bad.yaml").write_text(BAD, "utf-8")
    piped = fresh("check", "bad.yaml", home=here / "home", cwd=here)
    for done in (piped, fresh("check", "bad.yaml", home=here / "home", cwd=here, NO_COLOR="1", FORCE_COLOR="1")):
        assert done.returncode == 2
        assert "\x1b[3" not in done.stderr, "no colour"
        assert "^~~~~~ expected one of en, zh" in done.stderr
    as_json = fresh("check", "bad.yaml", "--json", home=here / "home", cwd=here)
    assert as_json.stderr == ""
    assert one_object(as_json.stdout)["ok"] is False
    assert "source_line" not in as_json.stdout


# ------------------------------------------------------------------------ disk


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.mark.parametrize(("command", "fits"), [("check", True), ("check", False)])
def test_disk_space(
    command: str, fits: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    needed: int = ask(capsys, command, *QUICK[1:]).data["record"]["bytes"]
    free = needed if fits else needed - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, free))
    answer = ask(capsys, command, *QUICK[1:])
    found: list[dict[str, Any]] = answer.data["warnings" if fits else "errors"]
    assert answer.code == (0 if fits else 2)
    (problem,) = [item for item in found if item["field"] == "disk space"]
    assert ("takes most of" if fits else "does not fit on") in problem["message"]


@pytest.mark.parametrize("command", [("run", "--serial", "A", "--operator", "Li", "--arm"), ("simulate",)])
def test_a_run_is_refused_before_it_begins(
    command: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(10**12, 0, 10**6))
    answer = ask(capsys, command[0], *QUICK[1:], *command[1:], "--out", str(here / "out"))
    assert (answer.code, answer.data["errors"][0]["field"]) == (2, "disk space")
    assert not (here / "out").exists()


def test_no_number_in_the_object_is_other_than_json_has(capsys: pytest.CaptureFixture[str]) -> None:
    answer = ask(capsys, *QUICK, "--simulate")
    assert all(map(math.isfinite, _numbers(answer.data)))
    json.dumps(answer.data, allow_nan=False)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in _numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [float(value)] if isinstance(value, int | float) and not isinstance(value, bool) else []
