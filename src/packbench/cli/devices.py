"""packbench devices: what can be talked to, and what each has to say."""

from __future__ import annotations

import argparse
from math import isfinite
from pathlib import Path
from typing import Any, cast

from rich.table import Table
from rich.text import Text

from packbench.app.catalogue import Listed, describe, list_devices
from packbench.app.devices import load_type
from packbench.app.emulate import Script, emulate, is_unit, parts_of
from packbench.app.probe import probe
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem, VerificationFailed
from packbench.drivers.golden import check_golden

TIMEOUT_MAX_S = 3600.0
SEED_DIGITS_MAX = 20
"""More would be no seed that anybody writes down again."""


def add(subparsers: Subparsers) -> None:
    """Add the command and its verbs."""
    parser = make_command(
        subparsers, "devices", "Cyclers, BMSs, chambers and meters: list, show, check, probe, emulate.",
        "packbench devices list",
    )  # fmt: skip
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    make_command(
        verbs, "list", "Every device that has a driver or an emulator.", "packbench devices list"
    ).set_defaults(run_command=_list)
    showing = make_command(verbs, "show", "One device: links, options, confirmations.", "packbench devices show jbd")
    showing.add_argument("name", metavar="NAME", help="device file or its name")
    showing.set_defaults(run_command=_show)
    checking = make_command(
        verbs, "check", "Hold a device file against its golden captures.", "packbench devices check jk-pb"
    )
    checking.add_argument("name", metavar="MAP", help="device file or its name")
    checking.set_defaults(run_command=_check)
    probing = make_command(
        verbs,
        "probe",
        "Read devices once. No output is switched; a pack on a charging bus (gbt27930) goes through its handshake.",
        "packbench devices probe jk-pb --url serial:///dev/ttyUSB0 --unit 1",
    )  # fmt: skip
    _add_places(probing)
    probing.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the driver")
    probing.add_argument(
        "--timeout", type=_timeout, metavar="S", help="how long a reply may take (default: the device's)"
    )
    probing.set_defaults(run_command=_probe)
    playing = make_command(
        verbs, "emulate", "Play devices on a real socket or pty, backed by a simulated pack, until SIGTERM or Ctrl-C.",
        "packbench devices emulate ea-psb --url rtu+tcp://127.0.0.1:5025",
    )  # fmt: skip
    _add_places(playing)
    playing.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE",
        help="state that stands still (voltage_v, current_a, soc, cell_voltages_v=3.3,3.4, ...), plant.KEY, ambient_c, "
        "or an option of the device (devices show NAME)",
    )  # fmt: skip
    playing.add_argument("--state", type=Path, metavar="FILE", help="the same as a file, as probe --json prints it")
    playing.add_argument("--pack", metavar="P", help="the pack behind it (default: the device file's)")
    playing.add_argument("--seed", type=_seed, metavar="N", help="give its instruments errors, drawn from this seed")
    playing.set_defaults(run_command=_emulate)


def _add_places(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME[@UNIT]", help="devices on this line")
    parser.add_argument("--url", required=True, metavar="URL", help="as in serial:///dev/ttyUSB0?baudrate=9600")
    parser.add_argument("--unit", type=_units, default=[], metavar="N", help="unit number; several as 1,2 or 1-16")


def _units(text: str) -> list[int]:
    """`3`, `1,2,5` or `1-16`, each from 0 to 255."""
    units: list[int] = []
    for item in text.split(","):
        first, dash, last = item.partition("-")
        bounds = [first, last if dash else first]
        if not all(is_unit(bound) for bound in bounds) or int(bounds[1]) < int(bounds[0]):
            raise argparse.ArgumentTypeError(f"found {text!r}, expected units from 0 to 255, as in 1 or 1,2 or 1-16")
        units += range(int(bounds[0]), int(bounds[1]) + 1)
    return units


def _timeout(text: str) -> float:
    """Seconds: above 0, and no longer than anybody waits."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not (isfinite(seconds) and 0.0 < seconds <= TIMEOUT_MAX_S):
        expected = f"seconds above 0, at most {TIMEOUT_MAX_S:g}"
        raise argparse.ArgumentTypeError(f"found {text!r}, expected {expected}")
    return seconds


def _seed(text: str) -> int:
    """A seed is a whole number from 0."""
    if not (text.isascii() and text.isdigit() and len(text) <= SEED_DIGITS_MAX):
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a whole number from 0")
    return int(text)


def _list(_args: argparse.Namespace, _terminal: Terminal) -> Done:
    table = Table(box=None, pad_edge=False)
    for heading in ("Name", "Device", "Kind", "Links", "Emulator", "Confirmed by"):
        table.add_column(heading)
    devices = list_devices()
    for item in devices:
        emulator = "yes" if item.emulator else "no"
        links = ", ".join(item.url_schemes)
        table.add_row(item.name, item.type.title, item.kind, links, emulator, _confirmed(item))
    return Done({"devices": [describe(item) for item in devices]}, (table,))


def _confirmed(item: Listed) -> str:
    """By which kinds of witness; `devices show` says which."""
    confirmed = item.type.confirmed
    witnesses = (
        ("hardware", item.type.verified_on_hardware),
        ("frames", confirmed.frames),
        ("programs", confirmed.peers),
    )
    return ", ".join(name for name, there in witnesses if there) or "nothing yet"


def _show(args: argparse.Namespace, _terminal: Terminal) -> Done:
    device = load_type(args.name)
    item = Listed(device)
    table = Table(box=None, show_header=False, pad_edge=False)
    shown = describe(item, whole=True)
    for key, value in shown.items():
        table.add_row(Text(key, style="dim"), _lines(value))
    return Done(shown, (table,))


def _lines(value: Any) -> str:
    """A mapping or a list of texts, one a line."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {item}" for key, item in cast("dict[str, Any]", value).items()) or "-"
    if isinstance(value, list):
        return "\n".join(str(item) for item in cast("list[Any]", value)) or "-"
    return _shown(value)


def _shown(value: Any) -> str:
    """A reading: numbers short, a list on one line."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case list():
            return ", ".join(_shown(item) for item in cast("list[Any]", value)) or "none"
        case dict():
            return ", ".join(f"{key} {_shown(item)}" for key, item in cast("dict[str, Any]", value).items())
        case _:
            return str(value)


def _check(args: argparse.Namespace, _terminal: Terminal) -> Done:
    device = load_type(args.name)
    problems = check_golden(device)
    if problems:
        raise VerificationFailed("\n".join(problems))
    count = len(device.golden)
    text = f"{device.name}: {count} golden exchange{'s' if count != 1 else ''} decoded and encoded byte for byte."
    return Done({"ok": True, "name": device.name, "golden": count}, (Text(text, style="green"),))


def _probe(args: argparse.Namespace, _terminal: Terminal) -> Done:
    settings = dict(_setting(word) for word in args.set)
    answer = probe(parts_of(args.names, args.unit), args.url, settings, args.timeout)
    table = Table(box=None, show_header=False, pad_edge=False)
    for entry in answer.get("devices", [answer]):
        for key, value in entry.items():
            if key not in ("ok", "link"):
                table.add_row(Text(key, style="dim"), _shown(value))
    link = {key: value for key, value in answer["link"].items() if key != "latency_us_log2" and value}
    table.add_row(Text("link", style="dim"), ", ".join(f"{value} {key}" for key, value in link.items()))
    return Done(answer, (table,))


def _setting(word: str) -> tuple[str, Any]:
    """A driver's option: a number where it reads as one."""
    key, equals, text = word.partition("=")
    if not equals:
        raise InputError(Problem("", field="--set", found=word, expected="KEY=VALUE"))
    try:
        return key, int(text)
    except ValueError:
        pass
    try:
        return key, float(text)
    except ValueError:
        return key, {"true": True, "false": False}.get(text, text)


def _emulate(args: argparse.Namespace, terminal: Terminal) -> Done:
    script = Script(parts_of(args.names, args.unit), args.url, args.pack, tuple(args.set), args.state, args.seed)
    emulate(script, terminal.ready)
    return Done(None)
