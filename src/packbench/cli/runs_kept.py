"""packbench runs prune: runs that retention.yaml lets go, shown or deleted."""

from __future__ import annotations

import argparse

from rich.table import Table
from rich.text import Text

from packbench.app.keeping_safe import prune
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock


def add_prune(verbs: Subparsers) -> None:
    """Add the verb."""
    verb = make_command(
        verbs,
        "prune",
        "Delete runs that retention.yaml in the data folder no longer wants kept; without that file, none.",
        "packbench runs prune --dry-run",
    )
    verb.add_argument("--dry-run", action="store_true", help="show what would be deleted and what is kept, and why")
    verb.add_argument("--yes", action="store_true", help="delete measured runs too, where the rules let them go")
    verb.set_defaults(run_command=_prune)


def _prune(args: argparse.Namespace, _terminal: Terminal) -> Done:
    pruned = prune(MonotonicClock().wall(), measured_too=args.yes, only_show=args.dry_run)
    table = Table(box=None, pad_edge=False)
    for heading in ("Run", "", "Why"):
        table.add_column(heading, overflow="fold")
    word = "deleted" if pruned.done else "would be deleted"
    runs: list[dict[str, object]] = []
    for one, folder in zip(pruned.judged, pruned.folders, strict=True):
        table.add_row(folder.name, word if one.delete else "kept", one.reason)
        runs.append(
            {
                "run_id": one.run.run_id,
                "folder": str(folder),
                "provenance": one.run.provenance,
                "delete": one.delete,
                "reason": one.reason,
            }
        )
    rules = None if pruned.rules_file is None else str(pruned.rules_file)
    data = {"ok": True, "dry_run": args.dry_run, "rules": rules, "runs": runs}
    count = sum(one.delete for one in pruned.judged)
    return Done(data, (table if runs else Text("No runs recorded yet."), Text(f"{count} {word}")))
