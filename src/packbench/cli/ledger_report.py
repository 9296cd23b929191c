"""packbench ledger report: a period's account as CSV and PDF."""

from __future__ import annotations

import argparse
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from rich.table import Table
from rich.text import Text

from packbench.app.ledgers import opened
from packbench.app.outputs import require_harmless
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem
from packbench.report.ledger_account import ACCOUNT_CSV, headings, summary_rows, write_account
from packbench.trace.ledger.entries import entries_of
from packbench.trace.ledger.home import REAL, TEST, ledger_path
from packbench.trace.ledger.period import account_for, period_to_dict

_FIRST, _LAST = date(2000, 1, 1), date(2999, 12, 31)


def add_report(verbs: Subparsers) -> None:
    """Add the verb."""
    parser = make_command(
        verbs,
        "report",
        "A period's account by type: quantity, flow, storage, utilisation, disposal, and whether it balances.",
        "packbench ledger report --from 2026-01-01 --to 2026-12-31 --out account --test",
    )
    parser.add_argument("--from", dest="begin", required=True, metavar="YYYY-MM-DD", help="the first day (UTC)")
    parser.add_argument("--to", dest="end", required=True, metavar="YYYY-MM-DD", help="the last day (UTC)")
    parser.add_argument("--ledger", type=Path, metavar="FILE", help="another ledger than the bench's own")
    parser.add_argument("--test", action="store_true", help="the bench's ledger marked test")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where account.csv, entries.csv and account.pdf go")
    parser.set_defaults(run_command=_report)


def _report(args: argparse.Namespace, terminal: Terminal) -> Done:
    begin, end = _day("--from", args.begin), _day("--to", args.end)
    if end < begin:
        raise InputError(Problem("", field="--to", found=args.end, expected=f"a day from {args.begin} on"))
    path = args.ledger or ledger_path(TEST if args.test else REAL)
    with opened(path) as ledger:
        purpose, name = ledger.purpose, str(ledger.opening.body.get("name"))
        period = account_for(entries_of(path), _instant(begin), _instant(end + timedelta(days=1)))
    paths: dict[str, str] = {}
    if args.out is not None:
        require_harmless(args.out / ACCOUNT_CSV)
        title = (name, purpose, begin.isoformat(), end.isoformat())
        paths = write_account(period, title, args.out, terminal.lang)
    rows = summary_rows(period, terminal.lang)
    table = Table(box=None, pad_edge=False, show_header=False)
    # Types side by side: there are few of them, and many flows.
    for number, heading in enumerate(headings(terminal.lang)):
        table.add_row(heading, *(row[number] for row in rows), style="bold" if number < 2 else None)
    told = [Text(each, style="yellow") for each in (*period.conflicts[:10], *period.backdated[:10])]
    told += [
        Text(f"{code}: {kg:+.2f} kg unexplained", style="yellow")
        for code, kg in period.unexplained_kg
        if abs(kg) > 0.005
    ]
    told += [Text(place, style="dim") for place in paths.values()]
    data = {"ok": period.balances, "purpose": purpose, **period_to_dict(period), "lines": period.lines, "paths": paths}
    return Done(data, (table, *told), 0 if period.balances else 5)


def _day(field: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InputError(Problem("", field=field, found=repr(text), expected="YYYY-MM-DD")) from error
    if not _FIRST <= day <= _LAST:
        raise InputError(Problem("", field=field, found=text, expected=f"a day from {_FIRST} to {_LAST}"))
    return day


def _instant(day: date) -> str:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat(timespec="microseconds")
