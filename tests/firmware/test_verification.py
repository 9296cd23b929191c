"""Short forms of what the make targets do at length: lint, coverage, fuzzing; and that they can fail."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from firmware_bridge.firmware.verify import coverage, lint
from firmware_bridge.firmware.verify.fuzzing import TARGETS, Target, build, fuzz
from firmware_bridge.firmware.verify.prove import LEMMAS, PROPERTIES, broken, planted
from firmware_bridge.firmware.verify.tools import CORE

TESTS = [
    f"tests/firmware/test_{name}.py"
    for name in (
        "arm_sequence",
        "sign_and_proof",
        "board_core",
        "board_latch",
        "board_memory",
        "link_vectors",
        "core_conditions",
    )
]
"""What covers the core, without the random ones."""
RUNS = 20_000


def test_no_checker_complains(capsys: pytest.CaptureFixture[str]) -> None:
    assert lint.main() == 0, capsys.readouterr().out


def test_every_branch_and_condition_of_the_core_is_decided(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_CURRENT_TEST"):
        monkeypatch.delenv(name, raising=False)
    assert coverage.main(TESTS) == 0, capsys.readouterr().out


@pytest.mark.parametrize("target", TARGETS, ids=[target.name for target in TARGETS])
def test_random_inputs_find_nothing(target: Target, tmp_path: Path) -> None:
    assert fuzz(build(target.name, folder=tmp_path), target, RUNS, seed=1) == ""


def test_random_sessions_find_a_planted_bug(tmp_path: Path) -> None:
    name, new = "pb_machine.c", "if (low) {"
    old = "if (low || pb_elapsed(core, core->state_since_us, PB_LOAD_BREAK_MAX_US)) {"
    core = tmp_path / "core"
    shutil.copytree(CORE, core)
    text = (core / name).read_text(encoding="utf-8")
    assert text.count(old) == 1
    (core / name).write_text(text.replace(old, new), encoding="utf-8")
    (target,) = [target for target in TARGETS if target.name == "session"]
    assert "deadly signal" in fuzz(build("session", core, tmp_path / "built"), target, 50 * RUNS, seed=1)


def test_every_property_has_a_planted_bug_that_still_applies(tmp_path: Path) -> None:
    """The proof itself takes minutes: `make prove`."""
    names = {f"P{number}" for number in PROPERTIES if number} | {"P4"}
    assert {bug["name"].split()[0] for bug in planted()} == names
    for number, bug in enumerate(planted()):
        assert bug["lemma"] in {f"{lemma.name} {lemma.claim}" for lemma in LEMMAS}
        assert broken(bug, tmp_path / str(number)).is_dir()
