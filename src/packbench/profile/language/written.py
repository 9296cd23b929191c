"""What the small texts of the language look like, as JSON Schema: values, formulas, conditions.

Owns the patterns that an editor checks while a profile is written. Must not refuse anything itself (`values`,
`conditions` do, with words): a pattern accepts all that they accept, and of formulas only knows that a text is one.
A recursive part is named by `shared`, and becomes a reference when the whole is put together (`json_schema`).
"""

from __future__ import annotations

import re

from packbench.config.written import NAMED, Written, quantity, quantity_pattern, text
from packbench.core.units import Dimension
from packbench.profile.amounts import READINGS
from packbench.profile.language.formula import FORMULA_MARKS

SHARED = "$shared"
"""Key of a placeholder for a definition that several places refer to."""
VARIABLE_NAME = r"[a-z][a-z0-9_]*"
PMAX = r"[0-9.]+\s*%\s*Pmax"
COUNT = r"[1-9][0-9]{0,5}"

_USER = r"\$[a-z0-9_.-]+"
_OPERATOR = r"\s*(?:[<>]=|[<>](?!=)|≥|≤)\s*"
_FORMULA = rf".*(?:{FORMULA_MARKS}).*"
_WORDS: dict[Dimension, str] = {
    "charge": "rated",
    "energy": "rated_energy",
    "power": rf"{PMAX}|Pmax",
}


def shared(name: str) -> Written:
    """A reference to a definition of the whole schema."""
    return {SHARED: name}


def amount(dimension: Dimension, *words: str, name: str = "") -> Written:
    """A value of a step: a literal with its unit, a word of the pack, or a formula."""
    or_else = FORMULA_MARKS if dimension != "power" else rf"^\s*{PMAX}\s*$|{FORMULA_MARKS}"
    return quantity(dimension, *words, or_else=or_else, name=f"{name or dimension.replace('_', '-')}-amount")


PACK_VOLTAGE = amount("voltage", "pack_full", "pack_cutoff", name="pack-voltage")
CELL_VOLTAGE = amount("voltage", "cell_full", "cell_cutoff", name="cell-voltage")
ANY_AMOUNT: Written = {
    NAMED: "any-amount",
    "type": ["string", "number"],
    "pattern": r"\S",
    "examples": ["50 %", "1 I3", "0.1 * $capacity"],
}
"""A value of whatever dimension."""
NAMED_VARIABLE = text(f"^{VARIABLE_NAME}$", "capacity")


def condition_pattern() -> str:
    """`variable operator value`, the unit after the variable's own dimension."""
    alternatives = [rf"{_USER}{_OPERATOR}\S.*", rf"cycle{_OPERATOR}(?:{COUNT}|\$.*)"]
    alternatives += [
        rf"(?:{'|'.join(variables)}){_OPERATOR}(?:{values}|{_FORMULA})" for values, variables in _by_values().items()
    ]
    return rf"^\s*(?:{'|'.join(alternatives)})\s*$"


def _by_values() -> dict[str, list[str]]:
    """Patterns of values to the variables that are compared with them."""
    found: dict[str, list[str]] = {}
    for name, dimension in READINGS.items():
        if dimension is None:
            continue
        values = quantity_pattern(dimension)
        if name == "voltage":
            values += "|pack_full|pack_cutoff"
        elif name in ("cell_max", "cell_min", "cell_any"):
            values += "|cell_full|cell_cutoff"
        elif dimension in _WORDS:
            values += f"|{_WORDS[dimension]}"
        variable = r"abs\(\s*dV/dt\s*\)" if name == "abs(dV/dt)" else re.escape(name)
        found.setdefault(values, []).append(variable)
    of_a_cell = next(variables for variables in found.values() if "cell_any" in variables)
    of_a_cell.append("cell_[1-9][0-9]*")
    return found


CONDITION = text(
    condition_pattern(), "cell_min <= cell_cutoff", "step_ah >= 10 Ah", "voltage <= pack_cutoff", name="condition-text"
)
AGREEMENT = text(
    r"^\s*(?:capacity|energy)(?:\s+of\s+\S+)?\s+within\s+.+\s+for\s+[1-9][0-9]*\s+cycles\s*$",
    "capacity within 3 % of rated for 2 cycles",
    name="agreement",
)


def point(dimension: Dimension) -> Written:
    """One of a table's `points`."""
    values = amount(dimension, "Pmax") if dimension == "power" else amount(dimension)
    return {"type": "array", "prefixItems": [quantity("time"), values], "minItems": 2, "maxItems": 2, "items": False}
