"""packbench runs: what was recorded, and whether it is still whole."""

from __future__ import annotations

import argparse
from typing import Any

from rich.table import Table
from rich.text import Text

from packbench.app.conclude import DATA_NAME
from packbench.app.records import find_run, list_runs, read_result
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.report.json_out import result_to_dict
from packbench.report.terminal import step_table, summary
from packbench.store.reader import RunReader


def add(subparsers: Subparsers) -> None:
    """Add the command and its verbs."""
    parser = make_command(subparsers, "runs", "Recorded runs: list, show, verify.", "packbench runs list")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = make_command(verbs, "list", "Every run in the data folder.", "packbench runs list --json")
    listing.set_defaults(run_command=_list)
    for name, text, function in (
        ("show", "One run's result, steps and events.", _show),
        ("verify", "Check a run's hash chain from the first record to the last.", _verify),
    ):
        verb = make_command(verbs, name, text, f"packbench runs {name} out/demo")
        verb.add_argument("run", metavar="RUN", help="a run's folder or id")
        verb.set_defaults(run_command=function)


def _list(_args: argparse.Namespace, _terminal: Terminal) -> Done:
    runs = list_runs()
    table = Table(box=None, pad_edge=False)
    for heading in ("Run", "Started (UTC)", "Serial", "Profile", "Provenance", "Verdict", "Capacity"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    data: list[dict[str, Any]] = []
    for run in runs:
        result = run.result
        capacity = None if result is None or result.capacity_ah is None else result.capacity_ah.value
        verdict = run.problem or ("not concluded" if result is None else result.verdict)
        shown = "" if capacity is None else f"{capacity:.2f} Ah"
        table.add_row(
            run.folder.name,
            run.started_at[:16].replace("T", " "),
            run.serial,
            run.profile,
            run.provenance,
            verdict,
            shown,
        )
        data.append(
            {
                "run_id": run.run_id,
                "folder": str(run.folder),
                "provenance": run.provenance,
                "started_at": run.started_at,
                "serial": run.serial,
                "profile": run.profile,
                "verdict": None if result is None else result.verdict,
                "capacity_ah": capacity,
                "problem": run.problem,
            }
        )
    return Done({"ok": True, "runs": data}, (table if runs else Text("No runs recorded yet."),))


def _show(args: argparse.Namespace, terminal: Terminal) -> Done:
    folder = find_run(args.run)
    with RunReader.open(folder / DATA_NAME) as reader:
        events = [event._asdict() for event in reader.events()]
        rows = len(reader.rows())
        meta = reader.meta
    result = read_result(folder)
    data = {
        "ok": True,
        "run_id": meta.run_id,
        "provenance": str(meta.provenance),
        "folder": str(folder),
        "rows": rows,
        "result": None if result is None else result_to_dict(result),
        "events": events,
    }
    head = Text(f"{meta.run_id} ({meta.provenance}), {rows:,} rows, {len(events):,} events, in {folder}")
    if result is None:
        return Done(data, (head, Text("Not concluded: packbench report RUN makes its result.")))
    return Done(data, (summary(result, terminal.lang), step_table(result, terminal.lang), head))


def _verify(args: argparse.Namespace, _terminal: Terminal) -> Done:
    folder = find_run(args.run)
    result = read_result(folder)
    expected = None if result is None else result.hashes.get("log_sha256")
    with RunReader.open(folder / DATA_NAME) as reader:
        verified = reader.verify(expected)
        sealed = reader.sealed
    data = {
        "ok": True,
        "records": verified.records,
        "rows": verified.rows,
        "events": verified.events,
        "log_sha256": verified.log_sha256,
        "sealed": sealed,
    }
    text = f"Whole: {verified.rows:,} rows and {verified.events:,} events, chain ends in {verified.log_sha256}"
    return Done(data, (Text(text if sealed else f"{text} (the run was cut short)"),))
