"""packbench runs resume: go on with a run that was cut short."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace

from packbench.app.job import Job
from packbench.app.live import LiveOptions
from packbench.app.operators import answers_of, vouched_for
from packbench.app.records import find_run
from packbench.app.resuming import recorded
from packbench.cli.console import Done, Terminal, error_object
from packbench.cli.operator import TerminalOperator
from packbench.cli.progress import Progress
from packbench.cli.resume_view import compared_table, stood_table
from packbench.cli.run import add_world_option, run_and_tell, world_of
from packbench.cli.words import Subparsers, add_answer_option
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem, SafetyStop
from packbench.run.operator import Nobody
from packbench.run.resuming import GO_ON, QUESTION, Found


def add_resume(verbs: Subparsers) -> None:
    """Add the verb."""
    verb = make_command(
        verbs,
        "resume",
        "Go on with a run that was cut short, in the step in which it stood. The bench is held against the record "
        "first, and a person says that it goes on.",
        "packbench runs resume RUN --operator Li",
    )
    verb.add_argument("run", metavar="RUN", help="a run's folder or id")
    verb.add_argument("--operator", default="", metavar="NAME", help="who is responsible for going on")
    verb.add_argument("--arm", action="store_true", help="go on without asking, when everything matches the record")
    verb.add_argument("--no-report", action="store_true", help="leave out the HTML and PDF report")
    add_answer_option(verb)
    add_world_option(verb)
    verb.set_defaults(run_command=resume)


def resume(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Show where the run stood, hold the bench against it, go on, conclude."""
    folder = find_run(args.run)
    meta, job, where = recorded(folder)
    _require_word(job, args)
    terminal.err.print(stood_table(job, where, terminal.lang))
    compared: list[Found] = []
    answers = answers_of(job.plan, args.answers)
    vouched = vouched_for(job.plan, answers) if args.arm else ()
    word = ((QUESTION, GO_ON),) if args.arm else ()

    def options(progress: Progress) -> LiveOptions:
        asked = TerminalOperator(args.operator, progress.ask, terminal.lang) if sys.stdin.isatty() else Nobody()
        vouches, seed = (*vouched, *word), meta.seed or 1
        told = (meta.run_id, meta.serial, args.operator, seed, (), answers, vouches, asked, where)

        def show(found: Sequence[Found]) -> None:
            compared.extend(found)
            progress.show(compared_table(found, terminal.lang))

        return LiveOptions(*told, world=world_of(args.world), heard=progress.say, compared=show)

    try:
        done = run_and_tell(job, options, folder, terminal, with_report=not args.no_report)
    except SafetyStop as stop:
        if not terminal.as_json:
            raise
        done = Done(error_object(stop), exit_code=stop.exit_code)
    return replace(done, data={**(done.data or {}), "compared": [one._asdict() for one in compared]})


def _require_word(job: Job, args: argparse.Namespace) -> None:
    """A person goes on with a run, or the bench's file allows it without one."""
    if job.bench.resume_automatic and not args.operator.strip():
        return
    problems: list[Problem] = []
    if not args.operator.strip():
        problems.append(Problem("", field="--operator", found="nothing", expected="who is responsible for going on"))
    if not args.arm and not sys.stdin.isatty():
        problems.append(Problem("nobody to ask on this input", field="--arm", found="nothing", expected="--arm"))
    if problems:
        raise InputError(problems)
