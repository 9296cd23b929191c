"""packbench analyze: residual capacity and the rest, from any cycler's file."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from rich.text import Text

from packbench.analysis.importer import analyze_file
from packbench.app.job import read_source
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.config.pack import load_pack
from packbench.report.curves_out import write_curves
from packbench.report.json_out import result_to_dict
from packbench.report.terminal import step_table, summary


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "analyze",
        "Read any cycler's file (BDF, Neware, Nebula, Arbin, Maccor, a pack log, your own column map) and say what the "
        "cell or pack holds.",
        "packbench analyze export.xlsx --pack lmo-25ah",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the file to analyse")
    parser.add_argument("--columns", metavar="NAME|FILE", help="column map (default: chosen by the file's headers)")
    parser.add_argument("--pack", metavar="P", help="pack file or its name, for the rated capacity and the limits")
    parser.add_argument(
        "--curves",
        type=Path,
        metavar="DIR",
        help="also write the OCV, ICA and DVA curves there as ocv.csv, derivatives.csv",
    )
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Analyse and show."""
    pack = None
    if args.pack is not None:
        source = read_source("packs", args.pack)
        pack = load_pack(source.text, source.name)
    result = analyze_file(args.file, args.columns, pack)
    if args.curves is not None:
        result = replace(result, paths={**result.paths, **write_curves(result.diagnostics, args.curves)})
    zh = terminal.lang == "zh"
    notes = [Text(f"- {note.text_zh if zh else note.text_en}") for note in result.notes]
    return Done(result_to_dict(result), (summary(result, terminal.lang), step_table(result, terminal.lang), *notes))
