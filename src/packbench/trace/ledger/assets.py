"""What a ledger knows of one code: its type, its portions, where they are, what it came from and became.

Owns the record of an asset. A lot (cells without codes of their own) is one code with a quantity, parts of which may be
in different states: a portion is what shares state, holder, place and use. Must not judge what may happen (`book`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

LEVELS = ("pack", "module", "cell")


@dataclass(slots=True)
class Portion:
    """A number of pieces that are in the same place for the same purpose."""

    state: str
    quantity: int
    holder: str = ""
    location: str = ""
    application: str = ""
    since: str = ""

    def same_place(self, other: Portion) -> bool:
        """Whether both may become one."""
        mine = (self.state, self.holder, self.location, self.application)
        return mine == (other.state, other.holder, other.location, other.application)


@dataclass(slots=True)
class Obligation:
    """What a lease or a hand-over binds somebody to."""

    name: str
    who: str
    due: str
    """YYYY-MM-DD; "" without a day."""
    text: str
    seq: int
    """Of the entry that made it."""
    fulfilled: str = ""
    """When; "": it is open."""


@dataclass(slots=True)
class Asset:
    """One code."""

    code: str
    level: str
    chemistry: str
    quantity: int
    mass_kg: float | None
    """Of one piece."""
    origin: str
    first_seen: str
    """How it came in: received, made (of parts, or out of a whole) or run (a test was the first that was heard)."""
    portions: list[Portion] = field(default_factory=list[Portion])
    grade: str = ""
    predecessor: str = ""
    """The original code of an echelon-use product."""
    parents: list[str] = field(default_factory=list[str])
    children: list[str] = field(default_factory=list[str])
    obligations: list[Obligation] = field(default_factory=list[Obligation])
    runs: list[str] = field(default_factory=list[str])

    @property
    def type(self) -> tuple[str, str]:
        """(level, chemistry): by this a ledger balances."""
        return self.level, self.chemistry

    @property
    def states(self) -> dict[str, int]:
        """How many pieces are in which state."""
        found: dict[str, int] = {}
        for portion in self.portions:
            found[portion.state] = found.get(portion.state, 0) + portion.quantity
        return found

    @property
    def open_obligations(self) -> list[Obligation]:
        """Those that nobody has fulfilled yet."""
        return [each for each in self.obligations if not each.fulfilled]

    def settle(self) -> None:
        """Join portions that are in the same place, drop empty ones."""
        kept: list[Portion] = []
        for portion in self.portions:
            twin = next((each for each in kept if each.same_place(portion)), None)
            if twin is not None:
                twin.quantity += portion.quantity
            elif portion.quantity:
                kept.append(portion)
        self.portions = kept


def asset_to_dict(asset: Asset) -> dict[str, Any]:
    """As plain JSON."""
    return {**asdict(asset), "states": asset.states}


def asset_to_json(asset: Asset) -> str:
    """For the index."""
    return json.dumps(asdict(asset), ensure_ascii=False)


def asset_from_json(text: str) -> Asset:
    """Its inverse."""
    found: dict[str, Any] = json.loads(text)
    found["portions"] = [Portion(**each) for each in found["portions"]]
    found["obligations"] = [Obligation(**each) for each in found["obligations"]]
    return Asset(**found)
