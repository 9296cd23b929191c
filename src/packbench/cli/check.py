"""packbench check: what is wrong, how long, how hot, how far, before any current flows."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from rich.table import Table
from rich.text import Text

from packbench.app.job import load_job
from packbench.cli.console import Done, Terminal, problem_object
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.profile.checking.estimate import estimate_plan

DEFAULT_PACK = "nmc-96s"


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "check",
        "Check a profile for a pack and a bench: errors, warnings, duration, charge, energy, temperature.",
        "packbench check gbt34015-residual-capacity --pack nmc-96s",
    )
    parser.add_argument("profile", metavar="PROFILE", help="profile file or its name")
    parser.add_argument("--pack", metavar="P", help=f"pack file or its name (default {DEFAULT_PACK}, and said so)")
    parser.add_argument("--bench", metavar="B", help="bench file or its name (default: the pack's)")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Check. Errors leave as an InputError, all at once."""
    job = load_job(args.profile, args.pack or DEFAULT_PACK, args.bench)
    if args.pack is None and not terminal.as_json:
        terminal.err.print(f"No --pack: checked for {DEFAULT_PACK}.", style="yellow")
    bounds = estimate_plan(job.plan, job.pack, job.bench)
    data: dict[str, Any] = {
        "ok": True,
        "errors": [],
        "warnings": [problem_object(warning) for warning in job.warnings],
        **asdict(bounds),
    }
    table = Table(title=f"{job.plan.name} on {job.pack.name}, {job.bench.name}", title_justify="left")
    for heading in ("", "least", "expected", "most"):
        table.add_column(heading, justify="left" if not heading else "right")
    hours = bounds.duration_s
    table.add_row("Duration / h", *(f"{value / 3600:.2f}" for value in (hours.min, hours.expected, hours.max)))
    for name, span in (
        ("Charge moved / Ah", bounds.charge_ah),
        ("Energy moved / Wh", bounds.energy_wh),
        ("Temperature / degC", bounds.temperature_c),
    ):
        table.add_row(name, *(f"{value:.1f}" for value in (span.min, span.expected, span.max)))
    warnings = [Text(f"warning: {warning}", style="yellow") for warning in job.warnings]
    return Done(data, (table, *warnings, Text("No errors.", style="green")))
