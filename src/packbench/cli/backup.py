"""packbench backup: runs copied into one folder or one file, verified."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from packbench.app.keeping_safe import back_up
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "backup",
        "Copy runs into one new folder or .tar file and verify the copy; a run being recorded may be among them.",
        "packbench backup runs-2026-07.tar out/demo",
    )
    parser.add_argument("target", type=Path, metavar="TARGET", help="a new folder, or a new file that ends in .tar")
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="folders or ids of runs (default: all of the data folder)"
    )
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Back up."""

    def tell(name: str) -> None:
        if not terminal.as_json:
            terminal.err.print(f"{name} ...", markup=False)

    manifest = back_up(args.target, args.runs, MonotonicClock().wall(), tell)
    target = str(args.target.absolute())
    size_bytes = sum(entry.size_bytes for each in manifest.runs for entry in each.files)
    data = {
        "ok": True,
        "target": target,
        "made_at": manifest.made_at,
        "size_bytes": size_bytes,
        "runs": [
            {
                "run_id": each.run_id,
                "folder": each.folder,
                "provenance": each.provenance,
                "log_sha256": each.log_sha256,
                "records": each.records,
                "sealed": each.sealed,
                "files": len(each.files),
            }
            for each in manifest.runs
        ],
    }
    cut = sum(not each.sealed for each in manifest.runs)
    text = f"{len(manifest.runs)} runs, {size_bytes / 1e6:.1f} MB, verified, in {target}"
    return Done(data, (Text(f"{text} ({cut} not sealed yet)" if cut else text),))
