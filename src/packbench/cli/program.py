"""The command line: words in, one of the contract's exit codes out (docs/architecture.md).

Owns the parser and the one place where errors become sentences. Each command is a module of its
own with `add(subparsers)`; a traceback never reaches a user.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import NoReturn

from packbench.cli.console import INTERRUPTED, Done, Terminal, language
from packbench.core.errors import InputError, PackbenchError
from packbench.files import data_home

COMMANDS = (
    "demo",
    "run",
    "simulate",
    "campaign",
    "check",
    "convert",
    "profile",
    "devices",
    "board",
    "analyze",
    "estimate",
    "regroup",
    "grade",
    "value",
    "report",
    "export",
    "runs",
    "pause",
    "continue",
    "jump",
    "edit",
    "abort",
    "backup",
    "restore",
    "code",
    "ledger",
    "passport",
    "carbon",
    "audit",
    "doctor",
    "schema",
)
"""Each is the module of that name in this package, or of the name in `_TOGETHER`."""
_TOGETHER: dict[str, str] = dict.fromkeys(("pause", "continue", "jump", "edit", "abort"), "control")


class _Usage(Exception):
    """argparse found the words wrong; carries what it would have printed."""


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of printing and leaving, so that --json holds for usage too."""

    def error(self, message: str) -> NoReturn:
        raise _Usage(f"{message} (see {self.prog} --help)")


def _parser(words: list[str]) -> argparse.ArgumentParser:
    """The parser of the command that the words name (loading all takes longer); of all when they name none."""
    parser = _Parser(
        prog="packbench",
        description="Packbench: the open test bench controller for retired EV battery packs.",
        epilog="example: packbench demo",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    named = [word for word in words[:1] if word in COMMANDS]
    for module in dict.fromkeys(_TOGETHER.get(name, name) for name in named or COMMANDS):
        import_module(f"packbench.cli.{module}").add(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = sys.argv[1:] if argv is None else argv
    terminal = Terminal(as_json="--json" in words, lang="en")
    try:
        terminal.lang = language()
        args = _parser(words).parse_args(words)
        command: Callable[[argparse.Namespace, Terminal], Done] = args.run_command
        return terminal.finish(command(args, terminal))
    except _Usage as usage:
        return terminal.fail(InputError(str(usage)))
    except PackbenchError as error:
        return terminal.fail(error)
    except KeyboardInterrupt:
        terminal.err.print("packbench: interrupted", style="yellow")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`| head`): nothing is left to say, and nowhere to say it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return terminal.fail(PackbenchError(f"{place}{error.strerror or error}"))
    except Exception as error:  # noqa: BLE001 - the last resort: a person gets a sentence, the file gets the rest
        kept = _keep_traceback()
        return terminal.fail(PackbenchError(f"this is a defect of packbench ({type(error).__name__}: {error}); {kept}"))


def _keep_traceback() -> str:
    """Write the traceback where a report can quote it; says where."""
    path = data_home() / "defect.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(traceback.format_exc(), encoding="utf-8")
    except OSError:
        return "its details could not be kept"
    return f"its details are in {path}"
