"""packbench pause, continue, jump, edit, abort: an operator's word to a running test."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.text import Text

from packbench.app.control_link import ask
from packbench.app.edits import drafted, profile_of
from packbench.app.job import read_source
from packbench.app.places import DATA_NAME
from packbench.app.records import find_run
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem
from packbench.run.controls import Kind, Request, require_complete
from packbench.store.reader import RunReader

_HELP: dict[Kind, tuple[str, str]] = {
    "pause": (
        "Hold a running test: output off, the step stays current and keeps its charge; the contactor stays closed.",
        "packbench pause RUN --operator Li --why 'look at a lug'",
    ),
    "continue": ("Let a paused test go on in the same step.", "packbench continue RUN --operator Li"),
    "jump": (
        "End the running step and go on with another one, which the checker must allow.",
        "packbench jump RUN --to discharge --operator Li --why 'charged enough'",
    ),
    "edit": (
        "Give a running test a changed profile, from its next step on. What has been executed, and the running step, "
        "must be the same in it.",
        "packbench edit RUN --profile longer-rest.yaml --operator Li --why 'longer rest'",
    ),
    "abort": ("Stop a running test safely, for good.", "packbench abort RUN --operator Li --why smell"),
}


def add(subparsers: Subparsers) -> None:
    """Add the five commands."""
    for kind, (text, example) in _HELP.items():
        parser = make_command(subparsers, kind, text, example)
        parser.add_argument("run", metavar="RUN", help="a running test's folder or id")
        parser.add_argument("--operator", default="", metavar="NAME", help="who answers for it")
        parser.add_argument("--why", default="", metavar="TEXT", help="why, for the record")
        if kind == "jump":
            parser.add_argument("--to", default="", metavar="STEP", help="the label of the step to go on with")
        if kind == "edit":
            parser.add_argument("--profile", default="", metavar="P", help="the changed profile's file, or its name")
        parser.set_defaults(run_command=run, kind=kind)


def run(args: argparse.Namespace, _terminal: Terminal) -> Done:
    """Say it, and show what came of it."""
    kind: Kind = args.kind
    folder = find_run(args.run)
    told = Request(kind, args.operator, args.why, getattr(args, "to", ""), {"name": getattr(args, "profile", "")})
    if kind == "edit" and not args.profile:
        told = Request(kind, args.operator, args.why)
    require_complete(told)
    warnings: tuple[Problem, ...] = ()
    if kind == "edit":
        profile, warnings = _changed(folder, args.profile)
        told = Request(kind, args.operator, args.why, profile=profile)
    done = ask(folder, told)
    data = {"ok": True, "request": kind, "run": str(folder), "operator": args.operator, "why": args.why, **done}
    return Done(data, (Text(_in_words(kind, args, done)),), warnings=warnings)


def _changed(folder: Path, name: str) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """The changed profile as it is sent, compiled and checked here first: a mistake is told with its place."""
    source = read_source("profiles", name)
    with RunReader.open(folder / DATA_NAME) as reader:
        meta = reader.meta
    job = drafted(meta, source)
    if job.program is not None:
        raise InputError("a program that a cycler runs by itself cannot be edited")
    return profile_of(job), job.warnings


def _in_words(kind: Kind, args: argparse.Namespace, done: dict[str, Any]) -> str:
    at = f"step {done['number']} ({done['step']}), cycle {done['cycle']}" if done else "before its first step"
    match kind:
        case "pause":
            off = "the output is off" if done.get("output_off") else "the cycler has not acknowledged its off yet"
            return f"Paused in {at}: {off}, the contactor stays closed. `packbench continue` goes on."
        case "continue":
            return f"Goes on in {at}."
        case "jump":
            return f"Jumped: now at {at}."
        case "edit":
            before, after = str(done.get("sha256_before", ""))[:12], str(done.get("sha256_after", ""))[:12]
            return f"Edited in {at}: the profile {before} is now {after}, from the next step on."
        case "abort":
            return f"Aborted in {at}: the output goes off, the contactor opens, the record is sealed."
