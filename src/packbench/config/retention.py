"""retention.yaml: for how long runs are kept, by where their numbers came from.

Owns the model of that file and its reading. Must not know any run (`store.retention` judges them). Strict like every
other file; a provenance that it does not name is kept for ever, and without the file everything is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from pydantic import Field

from packbench.config.document import load_document
from packbench.config.fields import ReadBy
from packbench.config.validation import StrictModel, validate
from packbench.config.written import text
from packbench.core.units import UnitError

FOR_EVER: Final = "forever"
YEAR_DAYS: Final = 366
"""A year of keeping: never too short."""
_DAYS_MAX: Final = 100 * YEAR_DAYS
_EXPECTED: Final = "a whole number of days or years, such as 30 days or 10 years, or forever"
_KEEP: Final = re.compile(r"([1-9][0-9]{0,4})\s*(d|days?|years?)")


@dataclass(frozen=True, slots=True)
class KeepRule:
    """What holds for the runs of one provenance."""

    days: int | None
    """From a run's end on; None: for ever."""
    asks: bool = False
    """A person's word is needed besides: what was measured cannot be made again."""


_FOR_EVER_RULE: Final = KeepRule(None, asks=True)


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """The file: a rule for each provenance."""

    rules: Mapping[str, KeepRule]
    require_backup: bool = True
    """A run that is in no backup is kept."""

    def of(self, provenance: str) -> KeepRule:
        """The rule for runs of a provenance; one that is not known here is kept for ever."""
        return self.rules.get(provenance, _FOR_EVER_RULE)


def _keep(value: Any) -> int:
    """Days; 0 stands for ever. Raises UnitError."""
    if value == FOR_EVER:
        return 0
    match = _KEEP.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise UnitError(repr(value), _EXPECTED)
    days = int(match[1]) * (YEAR_DAYS if match[2].startswith("y") else 1)
    if days > _DAYS_MAX:
        raise UnitError(repr(value), "at most 100 years, or forever")
    return days


_PATTERN = rf"^\s*{_KEEP.pattern}\s*$|^{FOR_EVER}$"
KeepDays = Annotated[int, ReadBy(_keep, text(_PATTERN, "30 days", "10 years", FOR_EVER, name="keep"))]


class KeepModel(StrictModel):
    """For how long, by provenance."""

    measured: KeepDays = Field(0, description=_EXPECTED)
    emulated: KeepDays = Field(0, description=_EXPECTED)
    simulated: KeepDays = Field(0, description=_EXPECTED)


class RetentionModel(StrictModel):
    """The file as a whole."""

    keep: KeepModel = Field(description="a mapping of measured, emulated and simulated to a time")
    require_backup: bool = Field(True, description="true or false")


def load_retention(text: str, file: str) -> RetentionRules:
    """Read the text of a retention.yaml. Raises InputError with every problem of it."""
    model = validate(RetentionModel, load_document(text, file))
    keep = model.keep
    rules = {
        "measured": KeepRule(keep.measured or None, asks=True),
        "emulated": KeepRule(keep.emulated or None),
        "simulated": KeepRule(keep.simulated or None),
    }
    return RetentionRules(rules, model.require_backup)
