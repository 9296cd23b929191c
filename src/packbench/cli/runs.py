"""packbench runs: what was recorded, and whether it is still whole."""

from __future__ import annotations

import argparse
from typing import Any

from rich.table import Table
from rich.text import Text

from packbench.app.control_link import is_controlled
from packbench.app.places import DATA_NAME
from packbench.app.records import State, find_run, list_runs, read_result, state_of
from packbench.app.verifying import verify_run, whole_to_dict
from packbench.cli.console import Done, Terminal, error_object
from packbench.cli.runs_kept import add_prune
from packbench.cli.runs_resume import add_resume
from packbench.cli.runs_verified import closure_table, told
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.errors import VerificationFailed
from packbench.report.json_out import result_to_dict
from packbench.report.terminal import step_table, summary
from packbench.store.reader import RunReader


def add(subparsers: Subparsers) -> None:
    """Add the command and its verbs."""
    parser = make_command(
        subparsers, "runs", "Recorded runs: list, show, verify, resume, prune.", "packbench runs list"
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listing = make_command(verbs, "list", "Every run in the data folder.", "packbench runs list --json")
    listing.set_defaults(run_command=_list)
    for name, text, function in (
        ("show", "One run's result, steps and events.", _show),
        ("verify", "Check a run's hash chain, that no sample is missing, and that its energy closes.", _verify),
    ):
        verb = make_command(verbs, name, text, f"packbench runs {name} out/demo")
        verb.add_argument("run", metavar="RUN", help="a run's folder or id")
        verb.set_defaults(run_command=function)
    add_resume(verbs)
    add_prune(verbs)


def _list(_args: argparse.Namespace, _terminal: Terminal) -> Done:
    runs = list_runs()
    table = Table(box=None, pad_edge=False)
    for heading in ("Run", "Started (UTC)", "Serial", "Profile", "Provenance", "Verdict", "Capacity"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    data: list[dict[str, Any]] = []
    for run in runs:
        result = run.result
        capacity = None if result is None or result.capacity_ah is None else result.capacity_ah.value
        verdict = run.problem or (run.state if result is None else result.verdict)
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
                "state": run.state,
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
        meta, result = reader.meta, read_result(folder)
        state = state_of(reader, folder, result)
    data = {
        "ok": True,
        "run_id": meta.run_id,
        "provenance": str(meta.provenance),
        "folder": str(folder),
        "state": state,
        "rows": rows,
        "result": None if result is None else result_to_dict(result),
        "events": events,
    }
    head = Text(f"{meta.run_id} ({meta.provenance}), {rows:,} rows, {len(events):,} events, in {folder}")
    if result is None:
        return Done(data, (head, Text(_how_it_stands(state))))
    return Done(data, (summary(result, terminal.lang), step_table(result, terminal.lang), head))


def _how_it_stands(state: State) -> str:
    """A run without a result, and what can be done with it."""
    if state == "running":
        return "Running: `packbench pause`, `continue`, `jump`, `edit` and `abort` speak to it."
    if state == "cut short":
        return (
            "Cut short: `packbench runs resume RUN` goes on with it if it ran on the wall clock, "
            "`packbench report RUN` makes its result as it is."
        )
    return "Not concluded: `packbench report RUN` makes its result."


def _verify(args: argparse.Namespace, _terminal: Terminal) -> Done:
    folder = find_run(args.run)
    whole = verify_run(folder)
    chain, findings = whole.chain, whole.findings
    data = {
        "ok": not findings,
        "records": chain.records,
        "rows": chain.rows,
        "events": chain.events,
        "log_sha256": chain.log_sha256,
        "sealed": chain.sealed,
        **whole_to_dict(whole),
    }
    if findings:
        failed = VerificationFailed("\n".join(f"{found.where}: {found.what}" for found in findings))
        return Done({**data, **error_object(failed)}, (closure_table(whole), *told(whole)), failed.exit_code)
    text = f"Whole: {chain.rows:,} rows and {chain.events:,} events, chain ends in {chain.log_sha256}"
    shown = Text(
        text if chain.sealed else f"{text} (the run {'goes on' if is_controlled(folder) else 'was cut short'})"
    )
    return Done(data, (closure_table(whole), *told(whole), shown))
