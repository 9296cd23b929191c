"""packbench report: result and report of a recorded run, made anew from its record."""

from __future__ import annotations

import argparse

from packbench.app.conclude import conclude
from packbench.app.entering import enter_run, entered_to_dict
from packbench.app.records import find_run
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers, entered_text, paths_text
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.report.terminal import summary
from packbench.report.texts import Lang


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "report",
        "Make result.json and the HTML and PDF report of a recorded run, from its record.",
        "packbench report out/demo --lang zh",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder or id")
    parser.add_argument("--lang", choices=("en", "zh"), help="language (default: PACKBENCH_LANG, else en)")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Conclude the run again."""
    lang: Lang = args.lang or terminal.lang
    folder = find_run(args.run)
    concluded = conclude(folder, lang)
    # A run whose controller did not live to its end enters the ledger here; one that is there is found again.
    entered = enter_run(concluded.result, folder, MonotonicClock().wall())
    data = {"ok": True, "run_id": concluded.result.run_id, "paths": concluded.paths, "ledger": entered_to_dict(entered)}
    shown = (summary(concluded.result, lang), paths_text(concluded.paths, lang), entered_text(entered, lang))
    return Done(data, shown)
