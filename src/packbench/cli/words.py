"""Words that several commands share: the options of a command that makes a run, and --json.

Owns their spelling, so that a command line learned once holds everywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from textwrap import fill
from typing import Any

from rich.table import Table
from rich.text import Text

from packbench.app.entering import Entered
from packbench.core.errors import InputError, Problem
from packbench.store.sources import Parameters

Subparsers = Any
"""argparse's subparsers action; its class is private to argparse."""


def command(subparsers: Subparsers, name: str, help_text: str, example: str) -> argparse.ArgumentParser:
    """Add a command with its --json option and an example that works."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        name,
        help=help_text,
        description=fill(help_text),
        # Left as it is: an example that was broken over two lines could not be copied.
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print exactly one JSON object on stdout")
    return parser


def add_run_options(parser: argparse.ArgumentParser, *, default_bench: str | None) -> None:
    """--out, --bench, --seed, --serial, --operator: of every command that makes a run."""
    parser.add_argument("--out", type=Path, metavar="DIR", help="where result, report and data go")
    parser.add_argument("--bench", default=default_bench, metavar="B", help="bench file or its name")
    parser.add_argument("--seed", type=_seed, default=1, metavar="N", help="seed of everything random (default 1)")
    parser.add_argument(
        "--serial", default="", metavar="CODE", help="serial number or battery code of the pack (run: - for a scanner)"
    )
    parser.add_argument("--operator", default="", metavar="NAME", help="who is responsible for the run")
    parser.add_argument("--no-report", action="store_true", help="leave out the HTML and PDF report")


def add_parameter_option(parser: argparse.ArgumentParser) -> None:
    """--with: a parameter of the profile, of every command that takes one."""
    parser.add_argument(
        "--with",
        action="append",
        default=[],
        dest="parameters",
        metavar="NAME=VALUE",
        help="a parameter of the profile, as in soc=50%%",
    )


def add_answer_option(parser: argparse.ArgumentParser) -> None:
    """--answer: a question of the profile answered beforehand."""
    parser.add_argument(
        "--answer",
        action="append",
        default=[],
        dest="answers",
        metavar="LABEL=WORD",
        help="the answer to the question of that pause, given beforehand",
    )


def parameters_of(args: argparse.Namespace) -> Parameters:
    """The --with words as (name, value). Raises InputError for words that are none."""
    given: dict[str, str] = {}
    problems: list[Problem] = []
    for word in args.parameters:
        name, equals, value = (part.strip() for part in str(word).partition("="))
        if not (name and equals and value):
            expected = "NAME=VALUE, such as soc=50 %"
            problems.append(Problem("", field="--with", found=repr(word), expected=expected))
        elif name in given:
            problems.append(Problem("given twice", field=f"--with {name}", found=repr(value), expected="one value"))
        given.setdefault(name, value)
    if problems:
        raise InputError(problems)
    return tuple(given.items())


def _seed(text: str) -> int:
    """A seed is a whole number from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 0")
    return int(text)


def paths_text(paths: dict[str, str], lang: str) -> Table:
    """Where a run's files are, one a line; a path is never broken."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(no_wrap=True, overflow="ignore")
    for key in ("report_html", "report_pdf", "data", "result"):
        if key in paths:
            table.add_row(_PATH_NAMES[lang][key], paths[key])
    return table


def entered_text(entered: Entered, lang: str) -> Text:
    """Where a run is in the ledger, or why it is not."""
    if entered.problem is not None:
        return Text(_NOT_ENTERED[lang].format(file=entered.ledger, problem=entered.problem), style="yellow")
    return Text(_ENTERED[lang][entered.purpose].format(seq=entered.seq, file=entered.ledger), style="dim")


_ENTERED = {
    "en": {"real": "Entry {seq} of the ledger {file}", "test": "Entry {seq} of the ledger marked test, {file}"},
    "zh": {"real": "已记入台账，第 {seq} 条：{file}", "test": "已记入测试台账，第 {seq} 条：{file}"},
}
_NOT_ENTERED = {
    "en": "The run is not in the ledger {file}: {problem}",
    "zh": "本次试验未能记入台账 {file}：{problem}",
}
_PATH_NAMES = {
    "en": {"report_html": "Report (HTML)", "report_pdf": "Report (PDF)", "data": "Data", "result": "Result"},
    "zh": {"report_html": "报告（HTML）", "report_pdf": "报告（PDF）", "data": "数据", "result": "结果"},
}
