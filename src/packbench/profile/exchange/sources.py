"""Which format a text is in, and its data with the place of every value.

Owns the recognition by content: a profile of ours, a unicycler protocol, a PyBaMM configuration, or PyBaMM's sentences
as a list of JSON, YAML or Python, or one a line. Must not understand any of them.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal

from packbench.config.document import Document, Mark, Path, list_of, load_document, mapping_of, source_lines
from packbench.core.errors import InputError, Problem
from packbench.profile.exchange.outline import PHASES_MAX

Form = Literal["packbench", "unicycler", "pybamm-config", "pybamm-strings"]

EXPECTED = (
    "a profile of ours, an aurora-unicycler protocol (JSON with method), a PyBaMM experiment "
    "(JSON of to_config() with cycles, or its sentences: a list, or one a line)"
)
_SENTENCE = re.compile(r"""["']?(?:Charge|Discharge|Rest|Hold)\b""")


@dataclass(frozen=True, slots=True)
class Source:
    """A text that has been recognised."""

    form: Form
    document: Document
    """Of sentences: a list of texts and of lists of texts (cycles), by itself or as `steps`."""


def recognise(text: str, file: str) -> Source:
    """Which format it is. Raises InputError for none of them, and for one that cannot be read at all."""
    body = text.removeprefix("\ufeff").lstrip()
    first = next((line for line in body.splitlines() if line.strip() and not line.lstrip().startswith("#")), "").strip()
    if body.startswith("{"):
        return _of_mapping(text, file)
    if first.startswith(("[", "(")):
        return Source("pybamm-strings", _python(text, file))
    if _SENTENCE.match(first):
        return Source("pybamm-strings", _lines(text, file))
    document = load_document(text, file)
    if mapping_of(document.data) is not None:
        return Source(_form(document, "packbench"), document)
    if list_of(document.data) is not None and not document.problems:
        return Source("pybamm-strings", document)
    raise InputError(Problem("not a format that is known", file, 1, 1, "(file)", _shown(first), EXPECTED))


def _of_mapping(text: str, file: str) -> Source:
    try:
        data = json.loads(text.removeprefix("\ufeff"), parse_constant=_no_number, object_pairs_hook=_stated)
    except (ValueError, RecursionError) as error:
        document = _marks(text, file)
        if mapping_of(document.data) is not None and "profile" in document.data:
            return Source("packbench", document)  # braces of YAML
        line, column = (error.lineno, error.colno) if isinstance(error, json.JSONDecodeError) else (1, 1)
        why = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
        raise InputError(Problem("not readable as JSON", file, line, column, "(file)", why, "valid JSON")) from error
    document = replace(_marks(text, file), data=data, problems=())
    return Source(_form(document, None), document)


def _form(document: Document, otherwise: Form | None) -> Form:
    keys = mapping_of(document.data) or {}
    if "profile" in keys:
        return "packbench"
    if "method" in keys:
        return "unicycler"
    if "cycles" in keys or ("steps" in keys and otherwise is None):
        return "pybamm-config"
    if otherwise is not None:
        return otherwise
    raise InputError(document.problem("not a format that is known", (), f"the keys {', '.join(keys)}", EXPECTED))


def _stated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A mapping without its nulls: to both tools they say no more than a key that is not there."""
    return {key: value for key, value in pairs if value is not None}


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _marks(text: str, file: str) -> Document:
    """The places of JSON's values: JSON is YAML, but for tabs. Raises InputError for a key that stands twice."""
    try:
        document = load_document(text.replace("\t", " "), file)
    except InputError:
        return _nowhere(text, file, None)
    if twice := [problem for problem in document.problems if problem.message == "duplicate key"]:
        raise InputError(twice)
    return document


def _nowhere(text: str, file: str, data: Any) -> Document:
    empty: MappingProxyType[Path, Any] = MappingProxyType({})
    return Document(file, data, empty, empty, empty, (), source_lines(text))


def _shown(line: str) -> str:
    return repr(line if len(line) <= 60 else line[:57] + "...") if line else "nothing"


# --- sentences ----------------------------------------------------------------------------------


def _document(text: str, file: str, cycles: list[list[_Said] | _Said]) -> Document:
    """Sentences as a document: data, and the place of each."""
    data: list[Any] = []
    values: dict[Path, Mark] = {(): Mark(1, 1)}
    texts: dict[Path, str] = {}
    for at, cycle in enumerate(cycles):
        several = cycle if isinstance(cycle, list) else [cycle]
        for within, said in enumerate(several):
            path: Path = ("steps", at, within) if isinstance(cycle, list) else ("steps", at)
            values[path], texts[path] = said.mark, said.text
            values.setdefault(("steps", at), said.mark)
        data.append([said.text for said in several] if isinstance(cycle, list) else several[0].text)
    document = _nowhere(text, file, {"steps": data})
    return replace(document, values=MappingProxyType(values), texts=MappingProxyType(texts))


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    mark: Mark


def _lines(text: str, file: str) -> Document:
    """One sentence a line; blocks between blank lines are cycles, when there is a blank line."""
    blocks: list[list[_Said]] = [[]]
    for number, line in enumerate(source_lines(text), start=1):
        said = line.strip()
        if not said:
            blocks.append([])
        elif not said.startswith("#"):
            said = said.rstrip(",").strip().strip("\"'")
            blocks[-1].append(_Said(said, Mark(number, len(line) - len(line.lstrip()) + 1)))
    blocks = [block for block in blocks if block]
    if len(blocks) == 1:
        return _document(text, file, list(blocks[0]))
    return _document(text, file, list(blocks))


def _python(text: str, file: str) -> Document:
    """A list as Python writes it: tuples are cycles, `* 3` repeats, `+` joins."""
    try:
        tree = ast.parse(text.removeprefix("\ufeff").rstrip(), mode="eval")
        cycles = _list(tree.body)
    except _NotAList as error:
        problem = Problem("not a list of steps", file, error.line, error.column, "(file)", error.found, EXPECTED)
        raise InputError(problem) from error
    except SyntaxError as error:
        line, column = error.lineno or 1, error.offset or 1
        problem = Problem("not readable as a list", file, line, column, "(file)", error.msg, EXPECTED)
        raise InputError(problem) from error
    except (ValueError, MemoryError, RecursionError) as error:
        problem = Problem("not readable as a list", file, 1, 1, "(file)", str(error) or "too deep", EXPECTED)
        raise InputError(problem) from error
    return _document(text, file, cycles)


class _NotAList(Exception):
    def __init__(self, node: ast.AST, found: str) -> None:
        self.line = getattr(node, "lineno", 1)
        self.column = getattr(node, "col_offset", 0) + 1
        self.found = found
        super().__init__(found)


def _list(node: ast.expr) -> list[list[_Said] | _Said]:
    items: list[list[_Said] | _Said] = []
    match node:
        case ast.List(elts) | ast.Tuple(elts):
            for part in elts:
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    items.append(_Said(part.value, Mark(part.lineno, part.col_offset + 1)))
                else:
                    items.append(_flat(part))
        case ast.BinOp(left, ast.Add(), right):
            items = [*_list(left), *_list(right)]
        case ast.BinOp(left, ast.Mult(), ast.Constant(int() as count)):
            items = _times(node, _list(left), count)
        case ast.BinOp(ast.Constant(int() as count), ast.Mult(), right):
            items = _times(node, _list(right), count)
        case _:
            raise _NotAList(node, _shown(ast.unparse(node)))
    if len(items) > PHASES_MAX:
        raise _NotAList(node, f"{len(items)} steps")
    return items


def _times(node: ast.AST, items: list[list[_Said] | _Said], count: int) -> list[list[_Said] | _Said]:
    if not 0 <= count * max(1, len(items)) <= PHASES_MAX:
        raise _NotAList(node, f"{len(items)} * {count} steps")
    return items * count


def _flat(node: ast.expr) -> list[_Said]:
    """A cycle: texts alone."""
    cycle: list[_Said] = []
    for item in _list(node):
        if isinstance(item, list):
            raise _NotAList(node, "a cycle within a cycle")
        cycle.append(item)
    return cycle
