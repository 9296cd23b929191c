"""What holds for every test: its own data folder, a fresh font cache, and no task left behind.

A failure is told when it happens, not at the end: a run that is cut short has still said what broke.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

_FONT_CACHE = pytest.StashKey[Path]()
_HOMES = itertools.count(1)
# What asyncio logs, instead of raising, when a task was dropped: the log is the only witness.
_LOST_TASK_MESSAGES = ("was destroyed but it is pending", "exception was never retrieved")


class _TellsAtOnce:
    """Prints each failure as it is reported, in the process that has the terminal."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            terminal = self._config.pluginmanager.get_plugin("terminalreporter")
            assert terminal is not None, "no terminal to tell the failure on"
            terminal.write_line(f"\n{report.when} of {report.nodeid} failed:\n{report.longreprtext}")


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before matplotlib is imported; xdist's workers inherit it."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_TellsAtOnce(config))
        # A stale matplotlib font cache draws blank CJK glyphs.
        config.stash[_FONT_CACHE] = Path(tempfile.mkdtemp(prefix="packbench-mpl-"))
        os.environ["MPLCONFIGDIR"] = str(config.stash[_FONT_CACHE])
    os.environ["MPLBACKEND"] = "agg"
    for name in ("PACKBENCH_CONFIG", "PACKBENCH_LANG", "NO_COLOR", "FORCE_COLOR"):
        os.environ.pop(name, None)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the font cache."""
    folder = config.stash.get(_FONT_CACHE, None)
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder for this test alone (not created): no test sees another's runs, or the user's."""
    home = tmp_path_factory.getbasetemp() / f"home-{next(_HOMES)}"
    monkeypatch.setenv("PACKBENCH_HOME", str(home))
    return home


@pytest.fixture
async def _no_pending_tasks() -> AsyncIterator[None]:
    yield
    current = asyncio.current_task()
    left = [task for task in asyncio.all_tasks() if task is not current]
    names = [repr(task.get_coro()) for task in left]
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    if names:
        pytest.fail("the test left tasks pending: " + ", ".join(names))


class _LostTasks(logging.Handler):
    """Collects asyncio's complaints about dropped tasks."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if any(part in message for part in _LOST_TASK_MESSAGES):
            self.messages.append(message)


@pytest.fixture(autouse=True)
def no_task_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves asyncio tasks pending, on pytest's loop or on one of its own."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_pending_tasks")
    handler = _LostTasks()
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    yield
    logger.removeHandler(handler)
    if handler.messages:
        pytest.fail("asyncio lost a task:\n" + "\n".join(handler.messages))
