"""What a value looks like in a file, as JSON Schema: so that an editor marks `3.65` without its unit.

Owns the patterns of quantities, made from the table of units in `core.units`. Must not refuse anything itself: the
readers in `fields` do, with words; a pattern may only be as strict as they are, never stricter. The patterns keep to
what ECMA 262 and Python's `re` read alike.
"""

from __future__ import annotations

import re
from typing import Any

from packbench.core.units import UNITS, Dimension

Written = dict[str, Any]
"""A JSON Schema of one value."""
NAMED = "$named"
"""Key of a name under which a schema that stands in many places may be defined once; it is no JSON Schema's."""

NUMBER = r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
RATE = rf"C\s*/\s*[0-9]+(?:\.[0-9]+)?|{NUMBER}\s*C|(?:{NUMBER}\s*)?I[135t]"

_EXAMPLES: dict[Dimension, list[str]] = {
    "voltage": ["3.65 V", "20 mV"],
    "current": ["30 A", "1 I3", "C/3"],
    "power": ["30 kW"],
    "time": ["30 s", "10 min", "1 h 30 min"],
    "charge": ["150 Ah"],
    "energy": ["52.6 kWh"],
    "temperature": ["25 degC"],
    "temperature_difference": ["2 K"],
    "temperature_rate": ["0.1 K/min"],
    "voltage_rate": ["0.1 mV/min"],
    "resistance": ["2 mohm"],
    "ratio": ["3 %"],
}


def quantity_pattern(dimension: Dimension) -> str:
    """The pattern of a quantity of one dimension, without anchors."""
    units = sorted((unit for unit, (known, _) in UNITS.items() if known == dimension), key=len, reverse=True)
    one = rf"{NUMBER}\s*(?:{'|'.join(re.escape(unit) for unit in units)})"
    if dimension == "time":
        return rf"{one}(?:\s+{one})*"
    return f"{one}|{RATE}" if dimension == "current" else one


def quantity(dimension: Dimension, *words: str, or_else: str = "", name: str = "") -> Written:
    """A quantity as text, one of some words, or whatever the pattern `or_else` finds anywhere in it."""
    pattern = rf"^\s*(?:{quantity_pattern(dimension)})\s*$"
    name = name or dimension.replace("_", "-")
    if not words:
        return text(f"{pattern}|{or_else}" if or_else else pattern, *_EXAMPLES[dimension], name=name)
    literal = {"type": "string", "pattern": f"{pattern}|{or_else}" if or_else else pattern}
    examples = [*words, *_EXAMPLES[dimension]]
    return {NAMED: name, "anyOf": [{"enum": list(words)}, literal], "examples": examples}


def text(pattern: str, *examples: str, name: str = "") -> Written:
    """A text of a pattern."""
    written: Written = {"type": "string", "pattern": pattern, "examples": list(examples)}
    return {NAMED: name, **written} if name else written
