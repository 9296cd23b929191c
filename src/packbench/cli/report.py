"""packbench report: result and report of a recorded run, made anew from its record."""

from __future__ import annotations

import argparse

from packbench.app.conclude import conclude
from packbench.app.entering import enter_run, entered_to_dict
from packbench.app.grading import stated
from packbench.app.holding import held
from packbench.app.records import find_run
from packbench.app.second_life import DEFAULT_RULES, Named, second_life_by
from packbench.app.worth import DEFAULT_ASSUMPTIONS, DEFAULT_LIFE, STATABLE
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers, entered_text, paths_text
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.report.terminal import summary
from packbench.report.texts import Lang
from packbench.secondlife.draws import COUNT, SEED, Draws


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "report",
        "Make result.json and the HTML and PDF report of a recorded run, from its record, with what it says of "
        "a second life: grade, applications, remaining life and value.",
        "packbench report out/demo --lang zh",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder or id")
    parser.add_argument("--lang", choices=("en", "zh"), help="language (default: PACKBENCH_LANG, else en)")
    parser.add_argument("--no-second-life", action="store_true", help="leave out grade, applications and value")
    parser.add_argument("--rules", default=DEFAULT_RULES, metavar="R", help="grading rules (configs/grading)")
    parser.add_argument(
        "--application", metavar="NAME|FILE", help="one application (configs/applications; default: all)"
    )
    parser.add_argument(
        "--assumptions", default=DEFAULT_ASSUMPTIONS, metavar="NAME|FILE", help="prices and costs (configs/value)"
    )
    parser.add_argument(
        "--life", default=DEFAULT_LIFE, metavar="NAME|FILE", help="parameters of the ageing model (configs/life)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a figure the run does not have, in its unit, as in dcir_rise=0.35+-0.05 (U, k = 2)",
    )
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Conclude the run again."""
    lang: Lang = args.lang or terminal.lang
    folder = find_run(args.run)
    second_life_of = None
    if not args.no_second_life:
        named = Named(stated(args.set, STATABLE), args.rules, args.life, args.assumptions, args.application)
        second_life_of = second_life_by(named, Draws(SEED, COUNT))
    with held(folder):
        # Of a run that is going on there is nothing to conclude, nor to enter into a ledger.
        concluded = conclude(folder, lang, second_life_of=second_life_of)
    # A run whose controller did not live to its end enters the ledger here; one that is there is found again.
    entered = enter_run(concluded.result, folder, MonotonicClock().wall())
    data = {"ok": True, "run_id": concluded.result.run_id, "paths": concluded.paths, "ledger": entered_to_dict(entered)}
    shown = (summary(concluded.result, lang), paths_text(concluded.paths, lang), entered_text(entered, lang))
    return Done(data, shown)
