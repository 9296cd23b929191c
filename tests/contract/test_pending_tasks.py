"""The fixtures of tests/conftest.py do fail a test that leaves tasks behind, and let a tidy one pass."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).resolve().parents[1] / "conftest.py"

UNTIDY = """
import asyncio
import gc
import os
from pathlib import Path


async def forgotten():
    await asyncio.sleep(3600)


async def test_tidy():
    task = asyncio.create_task(asyncio.sleep(0))
    await task


async def test_leaves_a_task():
    asyncio.create_task(forgotten())
    await asyncio.sleep(0)


def test_loses_a_task_on_a_loop_of_its_own():
    loop = asyncio.new_event_loop()
    loop.create_task(forgotten())
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    del loop
    gc.collect()


def test_has_a_home_of_its_own():
    home = Path(os.environ["PACKBENCH_HOME"])
    assert not home.exists()
    home.mkdir()


def test_has_another_home():
    assert not Path(os.environ["PACKBENCH_HOME"]).exists()
"""


def test_a_task_left_behind_fails_its_test_and_no_other(tmp_path: Path) -> None:
    shutil.copy(CONFTEST, tmp_path / "conftest.py")
    (tmp_path / "test_untidy.py").write_text(UNTIDY)
    (tmp_path / "pytest.toml").write_text(
        '[pytest]\nasyncio_mode = "auto"\nasyncio_default_fixture_loop_scope = "function"\nfilterwarnings = ["error"]\n'
    )
    options = ["-q", "-rA", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", str(tmp_path), str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    verdicts = {
        line.split("::")[1].split(" ")[0]: line.split(" ")[0] for line in done.stdout.splitlines() if "::" in line
    }
    assert verdicts.pop("test_leaves_a_task") == "ERROR", done.stdout
    assert verdicts.pop("test_loses_a_task_on_a_loop_of_its_own") == "ERROR", done.stdout
    assert set(verdicts) == {"test_tidy", "test_has_a_home_of_its_own", "test_has_another_home"}
    assert set(verdicts.values()) == {"PASSED"}, done.stdout
    assert "forgotten" in done.stdout
