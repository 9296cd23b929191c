"""packbench doctor: what this machine lacks, and the command that mends it."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict, dataclass
from importlib.util import find_spec

import apsw
from rich.table import Table

from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.core.errors import PackbenchError
from packbench.files import data_home, packaged_configs
from packbench.store.database import require_safe_sqlite
from packbench.trace.keyring import bench_key
from packbench_board.core import load


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at."""

    name: str
    ok: bool
    found: str
    mend: str | None = None


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(subparsers, "doctor", "What this machine lacks, and how to mend it.", "packbench doctor")
    parser.set_defaults(run_command=run)


def run(_args: argparse.Namespace, _terminal: Terminal) -> Done:
    """Look at everything a run, a report and an export need."""
    findings = [_python(), _board(), _sqlite(), _configs(), _data(), _extra("report", "matplotlib", "typst")]
    findings += [_extra("data", "python_calamine", "pyarrow"), _extra("trace", "zxingcpp", "jsonschema", "joserfc")]
    findings += [_font(), _key()]
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        mark = "[green]ok[/]" if finding.ok else "[red]missing[/]"
        table.add_row(mark, finding.name, finding.found, finding.mend or "")
    ok = all(finding.ok for finding in findings)
    return Done({"ok": ok, "findings": [asdict(finding) for finding in findings]}, (table,), 0 if ok else 1)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return Finding("Python", sys.version_info >= (3, 11), version, None)


def _board() -> Finding:
    try:
        load()
    except PackbenchError as error:
        return Finding("board core", False, str(error), "make setup")
    return Finding("board core", True, "loaded")


def _sqlite() -> Finding:
    try:
        require_safe_sqlite()
    except PackbenchError as error:
        return Finding("SQLite", False, str(error), "make setup")
    return Finding("SQLite", True, apsw.sqlite_lib_version())


def _configs() -> Finding:
    folder = packaged_configs()
    count = sum(1 for _ in folder.rglob("*.yaml"))
    return Finding("configurations", count > 0, f"{count} files", None if count else "make setup")


def _data() -> Finding:
    home = data_home()
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return Finding("data folder", False, f"{home}: {error.strerror}", "set PACKBENCH_HOME to a writable folder")
    return Finding("data folder", True, str(home))


def _extra(extra: str, *modules: str) -> Finding:
    missing = [module for module in modules if find_spec(module) is None]
    mend = f"pip install 'packbench[{extra}]'" if missing else None
    return Finding(f"extra {extra}", not missing, ", ".join(missing or modules), mend)


def _key() -> Finding:
    """The key that signs runs and ledger entries; made here, so that it is there when a run needs it."""
    try:
        key = bench_key(MonotonicClock().wall())
    except (PackbenchError, OSError) as error:
        return Finding("bench key", False, str(error), "packbench ledger key rotate --revoke --reason TEXT")
    return Finding("bench key", True, key.key_id)


def _font() -> Finding:
    if find_spec("matplotlib") is None:
        return Finding(
            "Chinese font", False, "not looked for without the extra report", "apt-get install fonts-noto-cjk"
        )
    from packbench.report.fonts import cjk_font

    font = cjk_font()
    if font is None:
        return Finding("Chinese font", False, "none found", "apt-get install fonts-noto-cjk")
    return Finding("Chinese font", True, str(font.file))
