"""The command line: words in, one of the contract's exit codes out (docs/architecture.md).

Owns the parser and the one place where errors become sentences. Each command is a module of its
own with `add(subparsers)`; a traceback never reaches a user.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from packbench.cli import analyze, check, demo, doctor, export, report, run, runs, schema, simulate
from packbench.cli.console import Done, Terminal, language
from packbench.core.errors import InputError, PackbenchError

COMMANDS = (demo, run, simulate, check, analyze, report, export, runs, doctor, schema)
INTERRUPTED = 130


class _Usage(Exception):
    """argparse found the words wrong; carries what it would have printed."""


class _Parser(argparse.ArgumentParser):
    """argparse that raises instead of printing and leaving, so that --json holds for usage too."""

    def error(self, message: str) -> NoReturn:
        raise _Usage(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="packbench",
        description="Packbench: the open test bench controller for retired EV battery packs.",
        epilog="example: packbench demo",
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    for module in COMMANDS:
        module.add(subparsers)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    words = sys.argv[1:] if argv is None else argv
    terminal = Terminal(as_json="--json" in words, lang="en")
    try:
        terminal.lang = language()
        args = _parser().parse_args(words)
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
