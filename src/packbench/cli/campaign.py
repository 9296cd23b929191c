"""packbench campaign: a simulated bench that is broken on purpose, by the thousand."""

from __future__ import annotations

import argparse
import math
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem

if TYPE_CHECKING:
    from packbench_sim.campaign.report import TrialReport
    from packbench_sim.campaign.tally import Tally

FOUND = 5
"""Verification failed: an invariant or a promise was broken."""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "campaign",
        "Break a simulated bench on purpose: faults drawn from seeds, in every state of the controller. The invariants "
        "are checked at every tick, and each fault's promised reaction against its budget.",
        "packbench campaign --seeds 4 --minutes 5",
    )
    parser.add_argument("--seeds", type=_whole(1), default=20, metavar="N", help="how many trials (default 20)")
    parser.add_argument(
        "--first-seed", type=_whole(0), default=1, metavar="N", help="the first trial's seed (default 1)"
    )
    parser.add_argument(
        "--minutes", type=_minutes, default=10.0, metavar="M", help="of the bench, a trial (default 10)"
    )
    parser.add_argument("--faults", default="all", metavar="ID,...", help="faults to draw from (default all)")
    parser.add_argument(
        "--pairs", action="store_true", help="two faults at a time: invariants are judged, a fault's own promise is not"
    )
    parser.add_argument(
        "--processes", type=_whole(1), default=None, metavar="N", help="how many at once (default: all cores)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="keep each trial's report here; go on from there")
    parser.add_argument("--no-shrink", action="store_true", help="leave violations as they were found")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Run the trials, sum them up, shrink what was violated."""
    from packbench_sim.campaign.runner import run_campaign
    from packbench_sim.campaign.shrink import shrunk
    from packbench_sim.campaign.spec import TrialSpec
    from packbench_sim.campaign.tally import Tally
    from packbench_sim.faults.catalogue import BUDGETS_NS

    rows = _rows(args.faults)
    seeds = range(args.first_seed, args.first_seed + args.seeds)
    specs = [TrialSpec(seed, args.minutes, rows, args.pairs) for seed in seeds]
    tally = Tally({name: None if budget_ns is None else budget_ns / 1e9 for name, budget_ns in BUDGETS_NS.items()})
    with _progress(terminal) as progress:
        task = progress.add_task("trials", total=len(specs), violations=0)

        def told(report: TrialReport) -> None:
            tally.add(report)
            progress.update(task, advance=1, violations=len(tally.violations))

        run_campaign(specs, args.processes or os.cpu_count() or 1, args.out, told)
    if not args.no_shrink:
        tally.violations = shrunk(tally.violations, {spec.seed: spec for spec in specs})
    tally.violations.sort(key=lambda found: (found.seed, found.t_s))
    data: dict[str, Any] = {"ok": not tally.violations, "pairs": args.pairs, **tally.as_dict()}
    shown = (_table(tally, promised=not args.pairs), _summary(tally))
    return Done(data, shown, FOUND if tally.violations else 0)


def _rows(words: str) -> tuple[str, ...]:
    from packbench_sim.faults.catalogue import BY_ID, INJECTABLE

    if words == "all":
        return INJECTABLE
    rows: list[str] = []
    problems: list[Problem] = []
    for word in (part.strip() for part in words.split(",")):
        row = BY_ID.get(word)
        if row is None:
            expected = f"one of {', '.join(INJECTABLE)}"
            problems.append(Problem("no such fault", field="--faults", found=repr(word), expected=expected))
        elif row.pending or not row.states:
            why = row.pending or "it is made true in every trial"
            problems.append(Problem("cannot be drawn", field="--faults", found=repr(word), expected=why))
        else:
            rows.append(word)
    if problems:
        raise InputError(problems)
    return tuple(row for row in INJECTABLE if row in rows)


def _progress(terminal: Terminal) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("violations: {task.fields[violations]}"),
        console=terminal.err,
        disable=not sys.stderr.isatty(),
    )


def _table(tally: Tally, *, promised: bool) -> Table:
    """`promised`: each fault came alone, so that what followed can be held against its promise."""
    table = Table(box=None, pad_edge=False)
    judged = ("Held", "p99 / s", "Worst / s", "Budget / s") if promised else ()
    for heading in ("Fault", "Injected", *judged, "States"):
        words = heading in ("Fault", "States")
        table.add_column(heading, justify="left" if words else "right", no_wrap=heading != "States")
    for row, states in sorted(tally.injections.items()):
        count = sum(states.values())
        held = tally.held[row]
        cells = (Text(str(held), style="" if held == count else "red"), *_figures(tally, row))
        table.add_row(
            row,
            str(count),
            *(cells if promised else ()),
            Text(", ".join(f"{state} {number}" for state, number in sorted(states.items())), style="dim"),
        )
        for form in (name for name in sorted(tally.latencies) if promised and name.startswith(f"{row}/")):
            table.add_row(form, "", "", *_figures(tally, form), "")
    return table


def _figures(tally: Tally, name: str) -> list[str]:
    found = tally.latencies[name].as_dict() if name in tally.latencies else {}
    figures = [found.get(figure) for figure in ("p99_s", "worst_s", "budget_s")]
    return ["" if figure is None else f"{figure:.3g}" for figure in figures]


def _summary(tally: Tally) -> Text:
    data = tally.as_dict()
    text = Text()
    rate = data["simulated_years_per_cpu_hour"]
    text.append(
        f"\n{tally.seeds} trials, {data['simulated_hours']:.1f} hours of the bench, {tally.lives} lives of a "
        f"controller ({tally.resumed} resumed), {sum(sum(each.values()) for each in tally.injections.values())} faults"
    )
    text.append(f", {rate:.2f} bench years an hour of CPU\n" if rate else "\n")
    if not tally.violations:
        return text.append("No violation.", style="green")
    text.append(f"{len(tally.violations)} violations:\n", style="bold red")
    for found in tally.violations[:20]:
        text.append(f"  {found.of}", style="red").append(f" seed {found.seed}, {found.t_s:.3f} s: {found.text}\n")
        if found.faults:
            text.append(f"    faults: {', '.join(found.faults)}\n", style="dim")
        text.append(f"    {found.command}\n", style="dim")
    return text


def _whole(least: int) -> Callable[[str], int]:
    def parse(word: str) -> int:
        if not word.isdecimal() or int(word) < least:
            raise argparse.ArgumentTypeError(f"found {word!r}, expected a whole number from {least}")
        return int(word)

    return parse


def _minutes(word: str) -> float:
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not 0.1 <= value <= 600.0:
        raise argparse.ArgumentTypeError(f"found {word!r}, expected minutes from 0.1 to 600")
    return value
