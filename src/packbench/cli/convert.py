"""packbench convert: profiles from and to PyBaMM and aurora-unicycler."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from packbench.app.job import find_beside, read_source, read_text
from packbench.app.outputs import require_harmless
from packbench.cli.check import DEFAULT_PACK
from packbench.cli.console import Done, Terminal, problem_object
from packbench.cli.words import Subparsers, add_parameter_option, parameters_of
from packbench.cli.words import command as make_command
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem
from packbench.profile.exchange.convert import NAMES, Converted, Wishes, convert


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "convert",
        "Convert a profile to a PyBaMM experiment or an aurora-unicycler protocol, or one of those to a profile. "
        "The format of FILE is known by its content. What cannot be carried is listed, and refuses the whole "
        "unless --lossy drops it.",
        "packbench convert quick-check --to pybamm --pack nmc-96s",
    )
    parser.add_argument("file", metavar="FILE", help="a file of any of the three formats, or the name of a profile")
    parser.add_argument("--to", choices=sorted(NAMES), required=True, help="the format wanted")
    parser.add_argument("--lossy", action="store_true", help="drop what cannot be carried, and list it")
    parser.add_argument("--pack", metavar="P", help=f"pack file or its name (default {DEFAULT_PACK}, and said so)")
    parser.add_argument("--strings", action="store_true", help="with --to pybamm: sentences, one list of them a cycle")
    parser.add_argument(
        "--voltages",
        choices=("pack", "cell"),
        help="whose voltages a unicycler protocol states (default pack; a PyBaMM model's are a cell's)",
    )
    add_parameter_option(parser)
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="where to (default: stdout)")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Convert."""
    if args.strings and args.to != "pybamm":
        raise InputError(Problem("", field="--strings", found=f"--to {args.to}", expected="--to pybamm"))
    pack_source = read_source("packs", args.pack or DEFAULT_PACK)
    pack = load_pack(pack_source.text, pack_source.name)
    path = Path(args.file).expanduser()
    if path.is_file():
        text, file = read_text(path), str(path)
    else:
        source = read_source("profiles", args.file)
        text, file = source.text, source.name
    wishes = Wishes(args.to, args.lossy, args.strings, args.voltages == "cell", parameters_of(args))
    converted = convert(text, file, pack, wishes, find_beside)
    if args.voltages is not None and converted.source != "unicycler":
        found = f"{NAMES[converted.source]}, whose voltages are known"
        raise InputError(Problem("", field="--voltages", found=found, expected=NAMES["unicycler"]))
    if args.pack is None and not terminal.as_json:
        terminal.err.print(f"No --pack: converted for {DEFAULT_PACK}.", style="yellow")
    if args.out is not None:
        require_harmless(args.out).write_text(converted.text, encoding="utf-8")
    return _done(converted, args.out)


def _done(converted: Converted, out: Path | None) -> Done:
    account = converted.account
    data: dict[str, Any] = {
        "ok": True,
        "format": converted.target,
        "from": converted.source,
        **({"text": converted.text} if converted.experiment is None else {"experiment": converted.experiment}),
        "dropped": [problem_object(problem) for problem in account.dropped],
        "warnings": [problem_object(problem) for problem in account.warnings],
    }
    if out is not None:
        data["paths"] = [str(out)]
    dropped = [replace(problem, message=f"dropped: {problem.message}") for problem in account.dropped]
    text = converted.text if out is None else f"{out}\n"
    return Done(data, warnings=(*dropped, *account.warnings), text=text)
