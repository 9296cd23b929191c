"""packbench check: what is wrong, how long, how hot, how far, before any current flows."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.text import Text

from packbench.app.bus_cycle import freshness
from packbench.app.devices import load_types
from packbench.app.disk import room_for
from packbench.app.job import Job, load_job
from packbench.app.operators import Answers, answers_of
from packbench.app.places import runs_home
from packbench.app.rehearsal import Rehearsal, plot_path, rehearse, write_plot
from packbench.cli import check_view as view
from packbench.cli.check_json import bench_object, bounds_object, simulated_object, steps_object
from packbench.cli.console import Done, Terminal, problem_object
from packbench.cli.progress import Progress
from packbench.cli.words import Subparsers, add_answer_option, add_parameter_option, parameters_of
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem
from packbench.profile.checking.estimate import estimate_plan
from packbench.report.terminal import LiveView

DEFAULT_PACK = "nmc-96s"


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "check",
        "Check a profile for a pack and a bench: errors, warnings, duration, charge, energy, temperature, disk space; "
        "with --simulate or --plot the expected run, step by step, on the simulated bench with ideal instruments.",
        "packbench check gbt34015-residual-capacity --pack nmc-96s",
    )
    parser.add_argument("profile", metavar="PROFILE", help="profile file or its name")
    parser.add_argument("--pack", metavar="P", help=f"pack file or its name (default {DEFAULT_PACK}, and said so)")
    parser.add_argument("--bench", metavar="B", help="bench file or its name (default: the pack's)")
    parser.add_argument("--steps", action="store_true", help="what the worst case is of every step, and how it may end")
    parser.add_argument("--simulate", action="store_true", help="run it on the simulated bench, without a record")
    parser.add_argument(
        "--plot",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="FILE",
        help="simulate, and draw the expected curve (.svg or .png; default PROFILE-PACK.svg here)",
    )
    add_parameter_option(parser)
    add_answer_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Check. Errors leave as an InputError, all at once."""
    job = load_job(args.profile, args.pack or DEFAULT_PACK, args.bench, parameters=parameters_of(args))
    answers = answers_of(job.plan, args.answers)
    if args.pack is None and not terminal.as_json:
        terminal.err.print(view.word("default_pack", terminal.lang, pack=DEFAULT_PACK), style="yellow")
    room = room_for(job, runs_home())
    if not room.fits:
        raise InputError(room.problem())
    plot = None if args.plot is None else plot_path(job, None if args.plot == Path() else args.plot, terminal.lang)
    rehearsal = _rehearse(job, answers, terminal) if args.simulate or plot is not None else None
    if plot is not None and rehearsal is not None:
        write_plot(job, rehearsal, plot, terminal.lang)
    bounds = estimate_plan(job.plan, job.pack, job.bench)
    checked = view.Checked(job, bounds, freshness(load_types(job.bench), job.bench), room, rehearsal)
    return _done(checked, plot, args.steps, terminal)


def _rehearse(job: Job, answers: Answers, terminal: Terminal) -> Rehearsal:
    """The simulated part, with a live line where somebody watches a terminal."""
    if not terminal.err.is_terminal:
        return rehearse(job, answers)
    expected_s = estimate_plan(job.plan, job.pack, job.bench).duration_s.expected
    with Progress(LiveView(terminal.err, terminal.lang), job, expected_s) as progress:
        return rehearse(job, answers, progress)


def _done(checked: view.Checked, plot: Path | None, with_steps: bool, terminal: Terminal) -> Done:
    rehearsal, lang = checked.rehearsal, terminal.lang
    shown_path = None if plot is None else str(plot)
    warnings = [*checked.job.warnings, *([checked.room.problem()] if checked.room.is_tight else [])]
    if rehearsal is not None and not rehearsal.completed:
        warnings.append(Problem(view.stopped_words(rehearsal, "en"), file=checked.job.plan.source_file))
    data: dict[str, Any] = {
        "ok": True,
        "errors": [],
        "warnings": [problem_object(warning) for warning in warnings],
        **bounds_object(checked.bounds),
        **bench_object(checked),
    }
    shown: list[RenderableType] = [view.bounds_table(checked, lang)]
    if with_steps:
        data["steps"] = steps_object(checked.bounds)
        shown.append(view.worst_case_table(checked.bounds, lang))
    shown += view.bench_lines(checked, lang)
    if rehearsal is not None:
        data["simulated"] = simulated_object(rehearsal, shown_path)
        shown += view.simulated_lines(rehearsal, shown_path, lang)
    shown.append(Text(view.word("no_errors", lang), style="green"))
    return Done(data, tuple(shown), warnings=tuple(warnings))
