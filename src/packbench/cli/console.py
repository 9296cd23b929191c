"""What a command prints, and where.

Owns stdout and stderr. With --json exactly one object goes to stdout and nothing else; progress
and remarks always go to stderr. No command prints by itself.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console, RenderableType

from packbench.cli.snippets import snippet
from packbench.core.errors import InputError, PackbenchError, Problem, SafetyStop
from packbench.report.texts import Lang

STOPPED = SafetyStop.exit_code
"""A run that safety stopped or refused."""
INTERRUPTED = 130
"""Interrupted, after a safe stop."""


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to."""

    data: dict[str, Any] | None
    """The JSON object of --json; None: it has been printed already (`Terminal.ready`)."""
    renderables: tuple[RenderableType, ...] = ()
    """What a person sees instead."""
    exit_code: int = 0
    warnings: tuple[Problem, ...] = ()
    """What a person sees below that, each with its line."""
    text: str | None = None
    """What goes to stdout as it is, for a file or a pipe; remarks and warnings then go to stderr."""


class Terminal:
    """The two streams of one invocation."""

    def __init__(self, *, as_json: bool, lang: Lang) -> None:
        self.as_json = as_json
        self.lang: Lang = lang
        self._is_told = False
        """Whether stdout has had its one line."""
        # A pipe has no width of its own; this keeps the tables whole in a log.
        width = None if sys.stdout.isatty() else 120
        self.out = Console(file=sys.stdout, width=width, highlight=False)
        self.err = Console(file=sys.stderr, width=None if sys.stderr.isatty() else 120, highlight=False)

    def finish(self, done: Done) -> int:
        """Print the outcome; returns the exit code."""
        if self.as_json and done.data is not None:
            sys.stdout.write(json.dumps(done.data, ensure_ascii=False, allow_nan=False) + "\n")
        elif not self.as_json:
            remarks = self.out if done.text is None else self.err
            if done.text is not None:
                sys.stdout.write(done.text)
            for renderable in done.renderables:
                remarks.print(renderable)
            for warning in done.warnings:
                _tell(remarks, "warning", warning, "yellow")
        return done.exit_code

    def ready(self, data: dict[str, Any]) -> None:
        """Print the one ready line of a command that stays: JSON on stdout, whoever reads."""
        sys.stdout.write(json.dumps({"ready": True, **data, "pid": os.getpid()}, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        self._is_told = True

    def fail(self, error: PackbenchError) -> int:
        """Print an error of ours, in one sentence a problem; returns the exit code."""
        if self.as_json and not self._is_told:
            sys.stdout.write(json.dumps(error_object(error), ensure_ascii=False) + "\n")
        else:
            for problem in _problems(error):
                _tell(self.err, "packbench", problem, "red")
        return error.exit_code


def _tell(console: Console, who: str, problem: Problem, colour: str) -> None:
    """A problem in one sentence, and the line that it is about."""
    for line in str(problem).splitlines():
        console.print(f"{who}: {line}", style=colour, markup=False, soft_wrap=True)
    if (shown := snippet(problem, console.width, f"bold {colour}")) is not None:
        console.print(shown, soft_wrap=True)


def problem_object(problem: Problem) -> dict[str, Any]:
    """The JSON of one problem (DESIGN 10)."""
    return {
        "file": problem.file,
        "line": problem.line,
        "column": problem.column,
        "field": problem.field,
        "found": problem.found,
        "expected": problem.expected,
        "message": str(problem),
    }


def error_object(error: PackbenchError) -> dict[str, Any]:
    """The JSON of an error (DESIGN 10)."""
    return {"ok": False, "code": error.exit_code, "errors": [problem_object(problem) for problem in _problems(error)]}


def _problems(error: PackbenchError) -> tuple[Problem, ...]:
    return error.problems if isinstance(error, InputError) else (Problem(str(error)),)


def language() -> Lang:
    """The language people are spoken to in: PACKBENCH_LANG, en or zh. Raises InputError for another."""
    lang = os.environ.get("PACKBENCH_LANG") or "en"
    match lang:
        case "en" | "zh":
            return lang
        case _:
            raise InputError(f"PACKBENCH_LANG: found {lang!r}, expected 'en' or 'zh'")
