"""packbench backup: runs copied into one folder or one file, verified."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from packbench.app.keeping_safe import back_up
from packbench.cli.console import Done, Terminal, error_object
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.core.errors import VerificationFailed


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

    made = back_up(args.target, args.runs, MonotonicClock().wall(), tell)
    manifest = made.manifest
    target = str(args.target.absolute())
    size_bytes = sum(entry.size_bytes for each in manifest.runs for entry in each.files)
    data = {
        "ok": not made.left_out,
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
        "left_out": [{"folder": str(each.folder), "problem": each.problem} for each in made.left_out],
    }
    cut = sum(not each.sealed for each in manifest.runs)
    text = f"{len(manifest.runs)} runs, {size_bytes / 1e6:.1f} MB, verified, in {target}"
    shown = Text(f"{text} ({cut} not sealed yet)" if cut else text)
    if not made.left_out:
        return Done(data, (shown,))
    failed = VerificationFailed("\n".join(f"{each.folder.name} was left out: {each.problem}" for each in made.left_out))
    return Done({**data, **error_object(failed)}, (shown, Text(str(failed), style="red")), failed.exit_code)
