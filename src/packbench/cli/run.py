"""packbench run: the main job on a bench."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from packbench.app.conclude import conclude
from packbench.app.disk import require_room
from packbench.app.entering import enter_run, entered_to_dict
from packbench.app.job import Job, load_job
from packbench.app.live import LiveOptions, new_run_id, run_to_end
from packbench.app.operators import Answers, answers_of, unanswered, vouched_for
from packbench.app.places import run_folder, runs_home
from packbench.app.scanning import serial_of
from packbench.cli.console import INTERRUPTED, STOPPED, Done, Terminal
from packbench.cli.operator import TerminalOperator
from packbench.cli.progress import Progress
from packbench.cli.words import (
    Subparsers,
    add_answer_option,
    add_parameter_option,
    add_run_options,
    entered_text,
    parameters_of,
    paths_text,
)
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.core.errors import InputError, Problem
from packbench.engine.prelude import prelude
from packbench.profile.checking.estimate import estimate_plan
from packbench.profile.plan import Pause
from packbench.report.json_out import result_to_dict
from packbench.report.terminal import LiveView, step_table, summary
from packbench.run.operator import Nobody

if TYPE_CHECKING:
    from packbench_sim.faults import Injection


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "run",
        "Run a profile on a bench, on the wall clock: real devices, or emulated ones on real sockets.",
        "packbench run quick-check --bench sim-cell --pack lmo-25ah --serial TEST-1 --operator Li --arm",
    )
    parser.add_argument("profile", metavar="PROFILE", help="profile file or its name")
    parser.add_argument("--pack", required=True, metavar="P", help="pack file or its name")
    parser.add_argument("--arm", action="store_true", help="arm without asking; NAME vouches for the pack")
    parser.add_argument("--fault", action="append", default=[], metavar="ID@TIME", help="as in comms.bms_lost@30s")
    add_world_option(parser)
    add_run_options(parser, default_bench=None)
    add_parameter_option(parser)
    add_answer_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Check, ask, run, conclude."""
    job = load_job(args.profile, args.pack, args.bench, parameters=parameters_of(args))
    args.serial = serial_of(args.serial, sys.stdin, lambda words: terminal.err.print(words, markup=False))
    _require_names(args)
    require_room(job, args.out or runs_home())
    faults = _faults(args)
    answers = answers_of(job.plan, args.answers)
    vouched = vouched_for(job.plan, answers) if args.arm and not sys.stdin.isatty() else ()
    _require_somebody(job, args, (*answers, *vouched))
    if not args.arm:
        _ask(job, args, terminal)

    def options(progress: Progress) -> LiveOptions:
        asked = TerminalOperator(args.operator, progress.ask, terminal.lang) if sys.stdin.isatty() else Nobody()
        run_id = new_run_id(MonotonicClock(), job)
        told = (args.serial, args.operator, args.seed, faults, answers, vouched, asked)
        return LiveOptions(run_id, *told, world=world_of(args.world), heard=progress.say)

    return run_and_tell(job, options, args.out, terminal, with_report=not args.no_report)


def run_and_tell(
    job: Job,
    options: Callable[[Progress], LiveOptions],
    out: Path | None,
    terminal: Terminal,
    *,
    with_report: bool,
) -> Done:
    """Run on the wall clock, conclude, and say how it went."""
    expected_s = estimate_plan(job.plan, job.pack, job.bench).duration_s.expected
    with Progress(LiveView(terminal.err, terminal.lang), job, expected_s) as progress:
        told = options(progress)
        folder = out if told.resumed is not None and out is not None else run_folder(out, told.run_id)
        ended = run_to_end(job, told, folder, progress)
    concluded = conclude(folder, terminal.lang, with_report=with_report)
    entered = enter_run(concluded.result, folder, MonotonicClock().wall())
    result = result_to_dict(concluded.result)
    outcome = ended.outcome
    stopped = outcome.trip is not None or (outcome.finish.verdict == "aborted" and not ended.interrupted)
    data = {
        "ok": not stopped and not ended.interrupted,
        "interrupted": ended.interrupted,
        "log_sha256": concluded.log_sha256,
        "trips": result["trips"],
        "result": result,
        "paths": concluded.paths,
        "ledger": entered_to_dict(entered),
    }
    shown = (
        summary(concluded.result, terminal.lang),
        step_table(concluded.result, terminal.lang),
        paths_text(concluded.paths, terminal.lang),
        entered_text(entered, terminal.lang),
    )
    return Done(data, shown, STOPPED if stopped else INTERRUPTED if ended.interrupted else 0)


def add_world_option(parser: argparse.ArgumentParser) -> None:
    """--world: an emulated bench that runs already. Nobody needs it who has no test of resumption to make."""
    parser.add_argument("--world", type=Path, metavar="FILE", help=argparse.SUPPRESS)


def world_of(file: Path | None) -> dict[str, str] | None:
    """The URLs of an emulated bench, from the file with its ready line. Raises InputError."""
    if file is None:
        return None
    try:
        return dict(json.loads(file.read_text(encoding="utf-8"))["urls"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        expected = "the ready line of an emulated bench"
        raise InputError(Problem("cannot be read", file=str(file), found=str(error), expected=expected)) from error


def _require_names(args: argparse.Namespace) -> None:
    """A run has a pack with a name and a person who answers for it."""
    missing = [
        Problem("", field=f"--{name}", found="nothing", expected=expected)
        for name, expected in (("serial", "the pack's serial number or code"), ("operator", "who is responsible"))
        if not getattr(args, name).strip()
    ]
    if missing:
        raise InputError(missing)


def _faults(args: argparse.Namespace) -> tuple[Injection, ...]:
    if not args.fault:
        return ()
    from packbench_sim.faults import parse_injection

    return tuple(parse_injection(word) for word in args.fault)


def _require_somebody(job: Job, args: argparse.Namespace, answers: Answers) -> None:
    """Without a terminal nobody can be asked: neither to arm nor what the profile asks."""
    if sys.stdin.isatty():
        return
    problems = unanswered(job.plan, answers)
    if not args.arm:
        problems = [Problem("nobody to ask on this input", field="--arm", found="nothing", expected="--arm"), *problems]
    if problems:
        raise InputError(problems)


def _ask(job: Job, args: argparse.Namespace, terminal: Terminal) -> None:
    """Arming is a person's word. What the profile asks before, it asks before the contactor closes."""
    terminal.err.print(f"{job.plan.name} on {args.serial} ({job.pack.name}), bench {job.bench.name}.")
    first = isinstance(prelude(job.plan), Pause)
    terminal.err.print(_ARM[terminal.lang][first])
    if sys.stdin.readline().strip() != "ARM":
        raise InputError("not armed: nothing was switched on")


_ARM = {
    "en": (
        "The cycler will be switched on and the contactor closed. Type ARM to go on:",
        "The cycler will be switched on and, once the first questions are answered, the contactor closed. "
        "Type ARM to go on:",
    ),
    "zh": (
        "充放电设备将接通，接触器将闭合。输入 ARM 继续：",
        "充放电设备将接通；回答开头的问题之后，接触器将闭合。输入 ARM 继续：",
    ),
}
"""Without questions first, and with."""
