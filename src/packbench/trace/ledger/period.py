"""A period's account: what came in, what it became, what is stored, used and gone, by type; and whether it balances.

Owns the figures that a waste ledger is asked for (type, quantity, flow, storage, utilisation, disposal). Must not set
pages (`report.ledger_pdf`) nor read files: entries come in, figures go out.

    came in = stored + used + made into others + gone          for every type, in pieces

The left side counts entries, the right side what the fold of the states arrives at. Mass is told where it is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from packbench.core.errors import InputError
from packbench.trace.ledger import states
from packbench.trace.ledger.assets import Asset
from packbench.trace.ledger.book import Book
from packbench.trace.ledger.entry import Entry
from packbench.trace.ledger.index import DictAssets

MADE: Final = "made"
"""Out of a whole that was dismantled, or of parts that were regrouped."""
UNANNOUNCED: Final = "by_test"
"""Came in by its first test: nobody had received it."""
FLOWS: Final = (
    states.RECEIVED,
    MADE,
    UNANNOUNCED,
    states.TESTED,
    states.GRADED,
    states.IN_USE,
    states.LEASED,
    states.RETURNED,
    states.DISMANTLED,
    states.REGROUPED,
    states.RECYCLED,
    states.DISPOSED,
    states.HANDED_OVER,
)
Type = tuple[str, str]


@dataclass(slots=True)
class Account:
    """One type (level and chemistry) over a period."""

    level: str
    chemistry: str
    flows: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FLOWS, 0))
    """Pieces, within the period."""
    flows_kg: dict[str, float] = field(default_factory=lambda: dict.fromkeys(FLOWS, 0.0))
    flows_without_mass: dict[str, int] = field(default_factory=lambda: dict.fromkeys(FLOWS, 0))
    """Pieces of no known mass, which are not in the kilograms."""
    opening: int = 0
    """Stored when the period began."""
    stored: int = 0
    used: int = 0
    made_into_others: int = 0
    gone: int = 0
    stored_kg: float = 0.0
    without_mass: int = 0
    """Pieces of no known mass."""
    came_in: int = 0
    """Ever, until the period's end."""

    @property
    def difference(self) -> int:
        """What the balance is off by; 0 unless this program is wrong or an entry was not legal."""
        return self.came_in - self.stored - self.used - self.made_into_others - self.gone


@dataclass(slots=True)
class Period:
    """The account of a period."""

    begin: str
    end: str
    """RFC 3339 or days; the end itself is outside."""
    accounts: dict[Type, Account] = field(default_factory=dict[Type, Account])
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Every flow of the period, one a line: time, code, level, chemistry, quantity, mass_kg, flow, ..."""
    unexplained_kg: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    """(code, kg): of a dismantled whole, what neither its parts nor its residue weigh."""
    conflicts: list[str] = field(default_factory=list[str])
    """Entries that are not legal where they stand; they count for nothing."""
    backdated: list[str] = field(default_factory=list[str])
    """Entries that are dated before one that was entered earlier; they count when they were entered."""
    entries: int = 0
    last: dict[str, Entry] = field(default_factory=dict[str, Entry])
    """Ledger to the newest entry before the period's end: what the account rests on."""

    @property
    def balances(self) -> bool:
        """Whether every type does, and no entry had to be left out."""
        return not self.conflicts and all(each.difference == 0 for each in self.accounts.values())


def account_for(entries: Iterable[Entry], begin: str, end: str) -> Period:
    """Fold all entries until `end` and account for those from `begin` on."""
    period = Period(begin, end)
    kept = DictAssets()
    book = Book(kept)
    opened = False
    newest: dict[str, str] = {}
    for entry in entries:
        # The chain proves the order, and nothing but the writer's word the time: what was entered after an entry cannot
        # have happened before it as far as an account that was closed by then is concerned.
        time = max(entry.time, newest.get(entry.ledger, ""))
        if time > entry.time:
            period.backdated.append(f"entry {entry.seq} of {entry.ledger}: dated {entry.time}, entered after {time}")
        newest[entry.ledger] = time
        if time >= end:
            continue
        period.last[entry.ledger] = entry
        inside = time >= begin
        if inside and not opened:
            opened = True
            _open(period, kept)
        _take(period, book, kept, entry, inside=inside)
    if not opened:
        _open(period, kept)
    for asset in kept.by_code.values():
        _close(_account(period, asset.type), asset)
    return period


def _open(period: Period, kept: DictAssets) -> None:
    for asset in kept.by_code.values():
        _account(period, asset.type).opening += sum(asset.states.get(state, 0) for state in states.AT_HAND)


def _take(period: Period, book: Book, kept: DictAssets, entry: Entry, *, inside: bool) -> None:
    body = entry.body
    codes = {str(body.get("code", "")), *_part_codes(body)}
    before = {code: (dict(kept.by_code[code].states) if code in kept.by_code else None) for code in codes}
    try:
        touched = book.apply(body, entry.seq, entry.time)
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        period.conflicts.append(f"entry {entry.seq} of {entry.ledger}: {error}")
        return
    period.entries += inside
    for code in touched:
        asset = kept.by_code[code]
        account = _account(period, asset.type)
        was = before.get(code)
        if was is None:
            account.came_in += asset.quantity
        if not inside:
            continue
        for flow, quantity in _flows(asset, was, str(body["action"]), code == body.get("code")):
            mass = None if asset.mass_kg is None else asset.mass_kg * quantity
            account.flows[flow] += quantity
            account.flows_kg[flow] += mass or 0.0
            account.flows_without_mass[flow] += quantity if mass is None else 0
            period.lines.append(_line(entry, asset, flow, quantity, mass))
    if inside and body.get("action") == states.DISMANTLED:
        _weigh(period, kept, body)


def _flows(asset: Asset, was: Mapping[str, int] | None, action: str, is_subject: bool) -> Iterator[tuple[str, int]]:
    """What an entry made of an asset, in pieces."""
    if was is None:
        how = {states.RECEIVED: states.RECEIVED, states.RUN: UNANNOUNCED}.get(action, MADE)
        yield how, asset.quantity
        if action == states.RUN:
            yield states.TESTED, asset.quantity
        return
    if action == states.RUN:
        yield states.TESTED, asset.quantity
        return
    if action not in FLOWS:
        return
    if action == states.DISMANTLED and not is_subject:
        yield MADE, sum(asset.states.get(state, 0) - was.get(state, 0) for state in (states.RECEIVED,))
        return
    moved = asset.states.get(action, 0) - was.get(action, 0)
    # Tested where it is used: its state stays.
    yield action, moved if moved > 0 else asset.quantity if action == states.TESTED else moved


def _weigh(period: Period, kept: DictAssets, body: Mapping[str, Any]) -> None:
    whole = kept.by_code[str(body["code"])]
    parts = [kept.by_code[code] for code in _part_codes(body)]
    if whole.mass_kg is None or any(part.mass_kg is None for part in parts):
        return
    weighed = sum((part.mass_kg or 0.0) * part.quantity for part in parts) + float(body.get("residue_kg", 0.0))
    period.unexplained_kg.append((whole.code, whole.mass_kg * body.get("quantity", whole.quantity) - weighed))


def _part_codes(body: Mapping[str, Any]) -> list[str]:
    parts: list[str | dict[str, Any]] = body.get("parts", [])
    return [each if isinstance(each, str) else str(each["code"]) for each in parts]


def _close(account: Account, asset: Asset) -> None:
    for state, quantity in asset.states.items():
        if state in states.AT_HAND:
            account.stored += quantity
            account.stored_kg += (asset.mass_kg or 0.0) * quantity
            account.without_mass += quantity if asset.mass_kg is None else 0
        elif state in states.USED:
            account.used += quantity
        elif state in states.MADE_INTO_OTHERS:
            account.made_into_others += quantity
        else:
            account.gone += quantity


def _account(period: Period, kind: Type) -> Account:
    if kind not in period.accounts:
        period.accounts[kind] = Account(*kind)
    return period.accounts[kind]


def _line(entry: Entry, asset: Asset, flow: str, quantity: int, mass_kg: float | None) -> dict[str, Any]:
    body, last = entry.body, asset.portions[-1]
    return {
        "time": entry.time,
        "ledger": entry.ledger,
        "seq": entry.seq,
        "flow": flow,
        "code": asset.code,
        "level": asset.level,
        "chemistry": asset.chemistry,
        "quantity": quantity,
        "mass_kg": mass_kg,
        "origin": asset.origin,
        "holder": last.holder,
        "location": last.location,
        "application": last.application,
        "grade": asset.grade,
        "by": str(body.get("by", "")),
        "certificate": str(body.get("certificate", "")),
        "operator": str(body.get("operator", "") or ""),
    }


def period_to_dict(period: Period) -> dict[str, Any]:
    """As plain JSON."""
    return {
        "from": period.begin,
        "to": period.end,
        "entries": period.entries,
        "balances": period.balances,
        "types": [
            {
                "level": each.level,
                "chemistry": each.chemistry,
                "opening": each.opening,
                "flows": each.flows,
                "flows_kg": each.flows_kg,
                "flows_without_mass": each.flows_without_mass,
                "stored": each.stored,
                "stored_kg": each.stored_kg,
                "without_mass": each.without_mass,
                "used": each.used,
                "made_into_others": each.made_into_others,
                "gone": each.gone,
                "came_in": each.came_in,
                "difference": each.difference,
            }
            for _, each in sorted(period.accounts.items())
        ],
        "unexplained_kg": [{"code": code, "kg": kg} for code, kg in period.unexplained_kg],
        "last_entries": [
            {"ledger": each.ledger, "seq": each.seq, "time": each.time, "hash": each.hash, "kid": each.key_id}
            for _, each in sorted(period.last.items())
        ],
        "conflicts": period.conflicts,
        "backdated": period.backdated,
    }
