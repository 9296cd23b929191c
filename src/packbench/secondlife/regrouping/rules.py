"""What may stand together: rules of regrouping as a file (configs/regrouping).

Owns the file's model and the question which two members a rule keeps apart. Each limit states its source; one that the
members' table has no column for refuses the plan, since a limit that is not looked at is none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from packbench.config.document import load_document
from packbench.config.validation import StrictModel, validate
from packbench.core.errors import InputError, Problem
from packbench.secondlife.regrouping.members import Table


class LimitModel(StrictModel):
    """One limit and where it comes from."""

    at_most: float = Field(gt=0, description="a number above 0")
    source: str = Field(min_length=3, description="where the number comes from, or `house rule`")


class RulesModel(StrictModel):
    """The file."""

    regrouping: str = Field(description="the name of these rules")
    title: dict[str, str] = Field(description="{en: ..., zh: ...}")
    soh_spread_pack: LimitModel | None = Field(None, description="{at_most: fraction, source: ...}")
    dcir_spread_group: LimitModel | None = Field(None, description="{at_most: fraction of the mean, source: ...}")
    ocv_spread_group_v: LimitModel | None = Field(None, description="{at_most: volt, source: ...}")


@dataclass(frozen=True, slots=True)
class Rules:
    """Limits in force; None: this one is not asked for."""

    name: str = "none"
    soh_spread_pack: float | None = None
    """Largest less smallest SOH of a pack's members."""
    dcir_spread_group: float | None = None
    """Largest less smallest resistance of a group's members, as a part of the smallest (they share the current)."""
    ocv_spread_group_v: float | None = None
    """Of a group's members when they are put together: the difference drives a current between them."""
    sources: tuple[tuple[str, str], ...] = ()

    def require(self, table: Table) -> None:
        """Every limit has its column. Raises InputError."""
        needs = (("soh_spread_pack", "soh"), ("dcir_spread_group", "dcir_ohm"), ("ocv_spread_group_v", "ocv_v"))
        problems: list[Problem] = []
        for rule, column in needs:
            missing = np.flatnonzero(~np.isfinite(getattr(table, column)))
            if getattr(self, rule) is not None and missing.size:
                problems.append(
                    Problem(
                        f"the rule {rule} of {self.name} cannot be judged",
                        field=column,
                        found=f"nothing for {table.members[int(missing[0])].id} and {missing.size - 1} more",
                        expected=f"a value of {column} for every member",
                    )
                )
        if problems:
            raise InputError(problems)

    def group_ok(self, table: Table, group: tuple[int, ...]) -> bool:
        """Whether these may be in parallel."""
        places = list(group)
        if self.dcir_spread_group is not None:
            ohm = table.dcir_ohm[places]
            if ohm.max() - ohm.min() > self.dcir_spread_group * ohm.min() * (1 + 1e-12):
                return False
        if self.ocv_spread_group_v is not None:
            return bool(np.ptp(table.ocv_v[places]) <= self.ocv_spread_group_v * (1 + 1e-12))
        return True

    def pack_ok(self, table: Table, pack: tuple[tuple[int, ...], ...]) -> bool:
        """Whether these groups may be in one pack."""
        if self.soh_spread_pack is None:
            return True
        soh = table.soh[[place for group in pack for place in group]]
        return bool(np.ptp(soh) <= self.soh_spread_pack * (1 + 1e-12))

    @property
    def any(self) -> bool:
        """Whether anything is asked for."""
        return any(one is not None for one in (self.soh_spread_pack, self.dcir_spread_group, self.ocv_spread_group_v))


def load_rules(text: str, file: str) -> Rules:
    """Read the text of a rules file. Raises InputError with every problem of it."""
    model = validate(RulesModel, load_document(text, file))
    names = ("soh_spread_pack", "dcir_spread_group", "ocv_spread_group_v")
    limits: dict[str, LimitModel | None] = {name: getattr(model, name) for name in names}
    return Rules(
        model.regrouping,
        **{name: None if limit is None else limit.at_most for name, limit in limits.items()},
        sources=tuple((name, limit.source) for name, limit in limits.items() if limit is not None),
    )
