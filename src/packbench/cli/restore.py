"""packbench restore: a backup's runs put back, verified before and after."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from packbench.app.keeping_safe import restore
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "restore",
        "Put the runs of a backup back, verified; a run that is there already is never written over.",
        "packbench restore runs-2026-07.tar --to restored",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="a backup: its folder or its .tar file")
    parser.add_argument("--to", type=Path, metavar="DIR", help="where the runs' folders go (default: the data folder)")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, _terminal: Terminal) -> Done:
    """Restore."""
    restored = restore(args.source, args.to)
    runs = [
        {"run_id": each.run_id, "folder": str(folder), "log_sha256": each.log_sha256, "sealed": each.sealed}
        for each, folder in zip(restored.manifest.runs, restored.folders, strict=True)
    ]
    shown = tuple(Text(str(folder)) for folder in restored.folders)
    return Done({"ok": True, "made_at": restored.manifest.made_at, "runs": runs}, shown)
