"""packbench export: a run's samples in the Battery Data Format."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from packbench.app.outputs import require_harmless
from packbench.app.places import DATA_NAME
from packbench.app.records import find_run
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.store.export import export_run
from packbench.store.reader import RunReader

SUFFIXES = {"bdf-csv": ".bdf.csv", "bdf-parquet": ".bdf.parquet"}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "export",
        "Write a run's samples as Battery Data Format CSV or Parquet, every cell a column.",
        "packbench export out/demo --to bdf-csv",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder or id")
    parser.add_argument("--to", choices=sorted(SUFFIXES), required=True, help="the format")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to (default: beside the record)")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, _terminal: Terminal) -> Done:
    """Export."""
    folder = find_run(args.run)
    path = (args.out and require_harmless(args.out)) or folder / f"run{SUFFIXES[args.to]}"
    with RunReader.open(folder / DATA_NAME) as reader:
        written = export_run(reader, args.to, path)
    return Done({"ok": True, "paths": [str(each) for each in written]}, tuple(Text(str(each)) for each in written))
