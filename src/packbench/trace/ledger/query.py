"""Questions to a ledger: a code's history, what it came from and became, what a holder has, what is still owed.

Owns the answers as plain JSON. Must not print. Everything comes through the index and the lines that it points to.
"""

from __future__ import annotations

from typing import Any, Final

from packbench.core.errors import InputError, Problem
from packbench.trace.ledger.assets import Asset, asset_to_dict
from packbench.trace.ledger.entry import Entry
from packbench.trace.ledger.file import Ledger

DEPTH_MAX: Final = 12
"""Of a family: packs of packs of packs."""


def entry_to_dict(entry: Entry) -> dict[str, Any]:
    """An entry as an answer shows it."""
    return {
        "ledger": entry.ledger,
        "seq": entry.seq,
        "time": entry.time,
        "kid": entry.key_id,
        "hash": entry.hash,
        **entry.body,
    }


def history(ledger: Ledger, code: str) -> dict[str, Any]:
    """Everything about a code: its entries, its state, what it came from and became. Raises InputError."""
    if not code.isprintable():
        raise InputError(Problem("", field="code", found=repr(code)[:80], expected="printable characters"))
    asset = ledger.index.get(code)
    places = ledger.index.places(code)
    if asset is None and not places:
        near = ledger.index.similar(code)
        expected = f"one of {', '.join(near)}" if near else "a code that the ledger knows"
        raise InputError(Problem("", field="code", found=repr(code)[:80], expected=expected))
    entries = [entry_to_dict(ledger.read(place.at, place.length)) for place in places]
    family: dict[str, Any] = {"came_from": [], "became": []}
    if asset is not None:
        family = {
            "came_from": _family(ledger, asset, "parents", 0, set()),
            "became": _family(ledger, asset, "children", 0, set()),
        }
    return {"code": code, "asset": None if asset is None else asset_to_dict(asset), "entries": entries, **family}


def _family(ledger: Ledger, asset: Asset, way: str, depth: int, seen: set[str]) -> list[dict[str, Any]]:
    """A tree of relatives, each once; one that is its own ancestor (parts that came back) is not followed again."""
    if depth >= DEPTH_MAX:
        return []
    tree: list[dict[str, Any]] = []
    for code in getattr(asset, way):
        relative = ledger.index.get(code)
        if relative is None:
            tree.append({"code": code, "states": {}})
            continue
        again = code in seen
        seen.add(code)
        tree.append(
            {
                "code": code,
                "level": relative.level,
                "states": relative.states,
                way: [] if again else _family(ledger, relative, way, depth + 1, seen),
            }
        )
    return tree


def of_holder(ledger: Ledger, holder: str) -> dict[str, Any]:
    """Everything that a holder has or had last. Raises InputError for one that nobody heard of."""
    assets = ledger.index.held_by(holder) if holder.isprintable() else []
    if not assets:
        known = ", ".join(ledger.index.holders()[:10]) or "none yet"
        raise InputError(Problem("", field="--holder", found=repr(holder)[:80], expected=f"one of {known}"))
    rows = [
        {"code": asset.code, "level": asset.level, "chemistry": asset.chemistry, "grade": asset.grade, **_portion(each)}
        for asset in assets
        for each in asset.portions
        if each.holder == holder
    ]
    return {"holder": holder, "assets": rows}


def obligations(ledger: Ledger, today: str) -> dict[str, Any]:
    """What is still owed, by day; `today` (YYYY-MM-DD) tells what is overdue."""
    rows = [
        {
            "code": asset.code,
            "name": each.name,
            "who": each.who,
            "due": each.due,
            "text": each.text,
            "seq": each.seq,
            "overdue": bool(each.due) and each.due < today,
        }
        for asset in ledger.index.bound()
        for each in asset.open_obligations
    ]
    return {"obligations": sorted(rows, key=lambda row: (row["due"] or "9999", row["code"]))}


def _portion(portion: Any) -> dict[str, Any]:
    return {
        "state": portion.state,
        "quantity": portion.quantity,
        "location": portion.location,
        "application": portion.application,
        "since": portion.since,
    }
