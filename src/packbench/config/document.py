"""Strict YAML: one document, plain words, every value with its line and column.

Owns reading text into plain data plus the place of each value, and the refusal of everything that
YAML 1.1 would silently read as something else: `1e-3` (text), `off` (false), `1:30` (90), `0123`
(83), a duplicate key (the last one wins). Anchors, aliases, merge keys and tags are refused too:
each value stands once, where it is read. Must not know what the data means (`config.validation`).

Built on libyaml's events rather than on a loader: no resolver guesses, and 1,000 steps take tens
of milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any, cast

import yaml

from packbench.core.errors import InputError, Problem

Path = tuple[str | int, ...]
"""Keys and list indices (from 0) from the root to a value."""

_DEPTH_MAX = 40
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]*(?:[eE][-+][0-9]+)?|[-+]?\.[0-9]+(?:[eE][-+][0-9]+)?")
_EXPONENT = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*)?[eE][-+]?[0-9]+")
_SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
_OCTAL = re.compile(r"[-+]?0[0-9]+(?:\.[0-9]*)?")
_RADIX = re.compile(r"[-+]?0[xob][0-9a-fA-F_]+")
_UNDERSCORE = re.compile(r"[-+]?[0-9][0-9_]*_[0-9_.]*")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LINE_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_BOOL_WORDS = frozenset({"yes", "no", "on", "off", "y", "n"})


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in the file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Document:
    """A file's data with the place of every value and key, and what was refused while reading."""

    file: str
    data: Any
    """dict, list, str, int, float, bool or None."""
    values: Mapping[Path, Mark]
    keys: Mapping[Path, Mark]
    """Where the key of a mapping's value stands, by the value's path."""
    texts: Mapping[Path, str]
    """Scalars as the author wrote them (quotes removed)."""
    problems: tuple[Problem, ...] = ()
    lines: tuple[str, ...] = ()
    """The file's lines, as marks count them."""

    def nearest(self, path: Path) -> Path:
        """The deepest existing value on the way to `path`; parts the file does not have are left out."""
        found: Path = ()
        for part in path:
            if (*found, part) in self.values:
                found = (*found, part)
        return found

    def mark(self, path: Path, *, key: bool = False) -> Mark:
        """Where the value (or its key) at `path` stands, or the nearest thing around it."""
        if key and path in self.keys:
            return self.keys[path]
        if path in self.values:
            return self.values[path]
        near = self.nearest(path)
        return self.keys.get(near) or self.values.get(near) or Mark(1, 1)

    def problem(
        self, message: str, path: Path, found: str, expected: str, *, at: Path | None = None, key: bool = False
    ) -> Problem:
        """A Problem about `path`, pointing at it (or at the value `at`)."""
        mark = self.mark(path if at is None else at, key=key)
        where = field_text(path)
        return Problem(message, self.file, mark.line, mark.column, where, found, expected, self.line(mark))

    def line(self, mark: Mark) -> str | None:
        """The line that a mark is on; None where the file has none."""
        return _line(self.lines, mark.line)

    def found(self, path: Path) -> str:
        """What stands at `path`, for people."""
        if path in self.texts:
            text = self.texts[path]
            return repr(text if len(text) <= 60 else text[:57] + "...") if text else "nothing"
        value = self.at(path)
        if isinstance(value, dict | list):
            kind = "mapping" if isinstance(value, dict) else "list"
            return f"a {kind}" if value else f"an empty {kind}"
        return "nothing"

    def at(self, path: Path) -> Any:
        """The data at `path`; None when the file has nothing there."""
        value = self.data
        for part in path:
            if isinstance(part, str):
                value = (mapping_of(value) or {}).get(part)
            else:
                items = list_of(value) or []
                value = items[part] if part < len(items) else None
        return value


def mapping_of(value: Any) -> dict[str, Any] | None:
    """The value as a mapping, None when it is none."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None


def list_of(value: Any) -> list[Any] | None:
    """The value as a list, None when it is none."""
    return cast("list[Any]", value) if isinstance(value, list) else None


def field_text(path: Path) -> str:
    """A path as people read it: `steps[1].loop.repeat`, list items counted from 1."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return text or "(file)"


def load_document(text: str, file: str) -> Document:
    """Read one YAML document.

    Raises InputError when the text is no YAML at all; typing traps are kept in `problems`, so that
    validation reports them together with everything else that is wrong with the file.
    """
    lines = source_lines(text)
    if tabs := _tabs(lines, file):
        raise InputError(tabs)
    reader = _Reader(file, lines)
    try:
        data = reader.read(text)
    except yaml.MarkedYAMLError as error:
        raise InputError([*reader.problems, _syntax_problem(error, lines, file)]) from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        problem = Problem("not readable as YAML", file, 1, 1, "(file)", "a character YAML does not allow", "UTF-8 text")
        raise InputError(problem) from error
    return Document(
        file,
        data,
        MappingProxyType(reader.values),
        MappingProxyType(reader.keys),
        MappingProxyType(reader.texts),
        tuple(reader.problems),
        lines,
    )


def source_lines(text: str) -> tuple[str, ...]:
    """A text's lines as YAML counts them, by its own kinds of line break; a byte order mark is no column."""
    return tuple(_LINE_BREAK.split(text.removeprefix("\ufeff")))


def _line(lines: tuple[str, ...], number: int) -> str | None:
    return lines[number - 1] if 0 < number <= len(lines) else None


def _tabs(lines: tuple[str, ...], file: str) -> list[Problem]:
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        if "\t" in indent:
            column = indent.index("\t") + 1
            problems.append(
                Problem("YAML is indented with spaces", file, number, column, "(indent)", "a tab", "spaces", line)
            )
    return problems


def _syntax_problem(error: yaml.MarkedYAMLError, lines: tuple[str, ...], file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    number = mark.line + 1 if mark is not None else 1
    column = mark.column + 1 if mark is not None else 1
    line = _line(lines, number)
    rest = (line or "")[column - 1 :].strip()
    found = repr(rest[:40]) if rest else "the end of the line"
    detail = " ".join(part for part in (error.context, error.problem) if part)
    return Problem("not readable as YAML", file, number, column, "(syntax)", found, f"valid YAML ({detail})", line)


class _Reader:
    """Builds plain data from libyaml's events and notes every place on the way."""

    def __init__(self, file: str, lines: tuple[str, ...]) -> None:
        self.file = file
        self.lines = lines
        self.values: dict[Path, Mark] = {}
        self.keys: dict[Path, Mark] = {}
        self.texts: dict[Path, str] = {}
        self.problems: list[Problem] = []

    def read(self, text: str) -> Any:
        events: Iterator[Any] = iter(cast("Any", yaml).parse(text, Loader=yaml.CSafeLoader))
        data: Any = None
        documents = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self.refuse(event, (), "a second document (---)", "one document a file")
                    break
                data = self.node(next(events), events, ())
        if not documents:
            self.values[()] = Mark(1, 1)
        return data

    def refuse(self, event: Any, path: Path, found: str, expected: str, message: str = "") -> None:
        number, column = event.start_mark.line + 1, event.start_mark.column + 1
        line = _line(self.lines, number)
        self.problems.append(Problem(message, self.file, number, column, field_text(path), found, expected, line))

    def node(self, event: Any, events: Iterator[Any], path: Path) -> Any:
        mark = event.start_mark
        self.values[path] = Mark(mark.line + 1, mark.column + 1)
        if len(path) > _DEPTH_MAX:
            raise yaml.MarkedYAMLError(None, None, f"nested deeper than {_DEPTH_MAX} levels", mark)
        if isinstance(event, yaml.AliasEvent):
            self.refuse(event, path, f"the alias *{event.anchor}", "the value itself, written out")
            return None
        if event.anchor is not None:
            self.refuse(event, path, f"the anchor &{event.anchor}", "the value itself, written out where it is used")
        if event.tag is not None and event.tag != "!":
            self.refuse(event, path, f"the tag {event.tag}", "no tags")
        if isinstance(event, yaml.ScalarEvent):
            return self.scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            items: list[Any] = []
            while not isinstance(event := next(events), yaml.SequenceEndEvent):
                items.append(self.node(event, events, (*path, len(items))))
            return items
        return self.mapping(events, path)

    def mapping(self, events: Iterator[Any], path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.key(event, events, path)
            if key is None:
                self.node(next(events), events, (*path, "?"))
                continue
            here = (*path, key)
            if key in data:
                first = self.keys[here].line
                found = f"a second {key!r} (the first is on line {first})"
                self.refuse(event, here, found, "each key once", "duplicate key")
                self.node(next(events), events, (*path, f"{key} (again)"))  # its own traps are told too
                continue
            self.keys[here] = Mark(event.start_mark.line + 1, event.start_mark.column + 1)
            data[key] = self.node(next(events), events, here)
        return data

    def key(self, event: Any, events: Iterator[Any], path: Path) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            self.refuse(event, path, "a key that is no word", "a word as key")
            self.skip(event, events)
            return None
        if event.value == "<<" and not event.style:
            self.refuse(event, (*path, "<<"), "a merge key (<<)", "the values themselves, written out")
            return None
        if not event.style and not event.value:
            self.refuse(event, path, "an empty key", "a word as key")
            return None
        text = str(event.value)
        if not event.style and (trap := typing_trap(text)) is not None:
            if text.lower() in _BOOL_WORDS:
                trap = f"another word, or {text!r} in quotes (YAML 1.1 makes a truth value of it)"
            self.refuse(event, (*path, text), f"the key {text}", trap, "YAML reads this as something else")
        return text

    def skip(self, event: Any, events: Iterator[Any]) -> None:
        depth = 0
        while True:
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth == 0:
                return
            event = next(events)

    def scalar(self, event: Any, path: Path) -> Any:
        text = str(event.value)
        self.texts[path] = text
        if event.style:
            return text
        if text in ("", "~", "null"):
            return None
        if text == "true":
            return True
        if text == "false":
            return False
        if (trap := typing_trap(text)) is not None:
            self.refuse(event, path, text, trap, "YAML reads this as something else")
            return text
        if _INT.fullmatch(text):
            return int(text) if len(text) <= 18 else float(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text


def typing_trap(text: str) -> str | None:
    """What to write instead of a plain scalar that YAML 1.1 would misread; None when it is safe."""
    if _FLOAT.fullmatch(text) or _INT.fullmatch(text):
        return None
    if text.lower() in _BOOL_WORDS:
        return f"true or false, or {text!r} in quotes (YAML 1.1 makes a truth value of it)"
    if text.lower() in ("true", "false", "null"):
        return text.lower()
    if _EXPONENT.fullmatch(text) and isfinite(float(text)):
        return f"{_plain(float(text))} (YAML 1.1 makes text of it)"
    if _SEXAGESIMAL.fullmatch(text):
        return "a time with its unit, such as 90 min or 1 h 30 min (YAML 1.1 counts this in sixties)"
    if _OCTAL.fullmatch(text):
        return f"{text.lstrip('+-0') or '0'} without the leading zero (YAML 1.1 makes an octal number of it)"
    if _RADIX.fullmatch(text) or _UNDERSCORE.fullmatch(text):
        return "a decimal number in plain digits"
    if _NOT_FINITE.fullmatch(text) or _EXPONENT.fullmatch(text):
        return "a finite number"
    return None


def _plain(value: float) -> str:
    """A number in both spellings that YAML reads as a number: `0.001 or 1.0e-3`."""
    mantissa, exponent = f"{value:e}".split("e")
    digits = mantissa.rstrip("0")
    digits += "0" if digits.endswith(".") else ""
    scientific = f"{digits}e{int(exponent):+d}"
    if 1e-6 <= abs(value) < 1e15:
        decimal = f"{value:.15f}".rstrip("0").rstrip(".") if abs(value) < 1 else f"{value:.6f}".rstrip("0").rstrip(".")
        return f"{decimal} or {scientific}"
    return scientific
