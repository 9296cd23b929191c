"""The template of a facts file: every field that is missing, with type, unit, choices and the schema's own words.

Owns its text. It is YAML whose values are commented out: filled in line by line it becomes a facts file.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from textwrap import wrap

from packbench.trace.passport import schema
from packbench.trace.passport.fill import COMMAND_LINE
from packbench.trace.passport.schema import Kind, Leaf

_WIDTH = 110
_TEXT_MAX = 330


def template(kind: Kind, absent: Sequence[Leaf], optional: Sequence[Leaf], today: str) -> str:
    """The text of a facts file to fill in. `absent`: required fields; `optional`: the rest."""
    absent, optional = _stated_ones(kind, absent), _stated_ones(kind, optional)
    lines = [
        f"# Facts for a passport: {schema.NAMES[kind]}",
        "# Take the # off a line and put the value in. A second item of a list is the same path with [2].",
        "# A required list that is truly empty is stated as such: path: []",
        '# What others state goes under a source of its own: copy the block that begins with "- originator".',
        "",
        f"passport: {kind}",
        "sources:",
        "  - originator: WHO STATES THIS  # required: the maker, an authority, a laboratory",
        f'    date: "{today}"  # required: when it was stated',
        "    # reference: document, edition, page",
        "    # method: how the values were got, such as a standard and its clause",
        "    # uncertainty: as the originator states it",
        "    values:",
        f"      # ---- required: {len(absent)} fields ----",
    ]
    for leaf in absent:
        lines += _field(leaf)
    if optional:
        lines.append(f"      # ---- optional: {len(optional)} fields ----")
        for leaf in optional:
            lines += _field(leaf)
    return "\n".join(lines) + "\n"


def _stated_ones(kind: Kind, found: Sequence[Leaf]) -> list[Leaf]:
    """What a person writes: a data point of the field map takes date, originator and the rest from its source."""
    values = {leaf.path.removesuffix("value") for leaf in found if leaf.path.endswith(".value")}
    whole = kind != "din99100"
    return [leaf for leaf in found if whole or leaf.path.endswith(".value") or _base(leaf.path) not in values]


def _base(path: str) -> str:
    return path[: path.rfind(".") + 1]


def _field(leaf: Leaf) -> list[str]:
    if leaf.path in COMMAND_LINE:
        return ["", f"      # ({leaf.path} is stated on the command line: {COMMAND_LINE[leaf.path]})"]
    text = leaf.text if len(leaf.text) <= _TEXT_MAX else leaf.text[: _TEXT_MAX - 3] + "..."
    words = [f"      # {line}" for line in wrap(text.encode("ascii", "replace").decode(), _WIDTH)]
    return ["", *words, f"      # {leaf.path}: {_blank(leaf)}  # {leaf.expected}"]


def _blank(leaf: Leaf) -> str:
    if "enum" in leaf.rules:
        return json.dumps(leaf.rules["enum"][0])
    return {"number": "0.0", "boolean": "false"}.get(leaf.type, '""')
