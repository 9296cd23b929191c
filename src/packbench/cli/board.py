"""packbench board: what the interlock board says, and its reset by a named person."""

from __future__ import annotations

import argparse
from typing import Any

from rich.table import Table
from rich.text import Text

from packbench.app.board import reset, show
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem

URL = "serial:///dev/serial/by-id/usb-BOARD?baudrate=460800"
SHOWN = ("state", "phase", "trip", "refused", "pack_v", "cycler_v", "current_a", "hottest_c", "uptime_s", "firmware")


def add(subparsers: Subparsers) -> None:
    """Add the command and its verbs."""
    parser = make_command(
        subparsers, "board", "The interlock board: show what it sees and remembers, or reset it.",
        f"packbench board show --url {URL}",
    )  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    showing = make_command(
        verbs, "show", "State, inputs, outputs, the moment of its trip and its events.",
        f"packbench board show --url {URL}",
    )  # fmt: skip
    resetting = make_command(
        verbs,
        "reset",
        "Leave the latch of a trip. The cause must be gone, and the board's key turned from off to on since.",
        f"packbench board reset --url {URL} --operator Li",
    )
    for each in (showing, resetting):
        each.add_argument("--url", required=True, metavar="URL", help="where the board is, as in the bench file")
    resetting.add_argument("--operator", required=True, metavar="NAME", help="who resets it")
    showing.set_defaults(run_command=_show)
    resetting.set_defaults(run_command=_reset)


def _show(args: argparse.Namespace, _terminal: Terminal) -> Done:
    return _told(show(args.url))


def _reset(args: argparse.Namespace, _terminal: Terminal) -> Done:
    if not args.operator.strip():
        raise InputError(Problem("a reset is somebody's decision", field="--operator", found="", expected="a name"))
    return _told(reset(args.url, args.operator.strip()))


def _told(data: dict[str, Any]) -> Done:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name in SHOWN:
        if data[name] not in ("", None, "none"):
            table.add_row(name, Text(str(data[name])))
    for name in ("inputs", "outputs"):
        table.add_row(name, Text(", ".join(data[name]) or "none"))
    events = Table(box=None, pad_edge=False)
    for heading in ("uptime s", "event", "", ""):
        events.add_column(heading)
    for event in data["events"]:
        what = ", ".join(event["words"]) or (str(event["value"]) if event["value"] else "")
        events.add_row(f"{event['uptime_us'] / 1e6:.6f}", event["kind"], event["name"], Text(what))
    return Done(data, (table, events))
