"""What may happen to a battery, module or cell, and what state it is in afterwards.

    received -> stored | tested | graded | dismantled | returned | recycled | disposed | handed_over
    stored   -> the same, and (once graded) regrouped | in_use | leased
    tested   -> like stored
    graded   -> like stored
    in_use, leased -> returned | tested | recycled | disposed | handed_over
    returned -> like received
    regrouped -> (its new pack is dismantled) received
    handed_over -> received: it came back, or another bench's ledger goes on
    dismantled, recycled, disposed: the end; only the parts of a dismantled one go on

Owns the legal transitions. Must not keep anything. Second use (in_use, leased, regrouped) asks for a grade on record:
who puts a battery to use without having judged it does so outside of this ledger.
"""

from __future__ import annotations

from typing import Final

RECEIVED: Final = "received"
STORED: Final = "stored"
TESTED: Final = "tested"
GRADED: Final = "graded"
DISMANTLED: Final = "dismantled"
REGROUPED: Final = "regrouped"
IN_USE: Final = "in_use"
LEASED: Final = "leased"
RETURNED: Final = "returned"
RECYCLED: Final = "recycled"
DISPOSED: Final = "disposed"
HANDED_OVER: Final = "handed_over"

STATES: Final = (
    RECEIVED,
    STORED,
    TESTED,
    GRADED,
    DISMANTLED,
    REGROUPED,
    IN_USE,
    LEASED,
    RETURNED,
    RECYCLED,
    DISPOSED,
    HANDED_OVER,
)
STATES_ZH: Final[dict[str, str]] = {
    RECEIVED: "已接收",
    STORED: "在库",
    TESTED: "已检测",
    GRADED: "已分级",
    DISMANTLED: "已拆解",
    REGROUPED: "已重组",
    IN_USE: "梯次利用中",
    LEASED: "租赁中",
    RETURNED: "已退回",
    RECYCLED: "已再生利用",
    DISPOSED: "已处置",
    HANDED_OVER: "已移交",
}

_AT_HAND: Final = frozenset(
    {STORED, TESTED, GRADED, DISMANTLED, REGROUPED, IN_USE, LEASED, RETURNED, RECYCLED, DISPOSED, HANDED_OVER}
)
_IN_THE_FIELD: Final = frozenset({RETURNED, TESTED, RECYCLED, DISPOSED, HANDED_OVER})
NEXT: Final[dict[str, frozenset[str]]] = {
    RECEIVED: _AT_HAND,
    STORED: _AT_HAND,
    TESTED: _AT_HAND,
    GRADED: _AT_HAND,
    RETURNED: _AT_HAND - {RETURNED},
    IN_USE: _IN_THE_FIELD,
    LEASED: _IN_THE_FIELD,
    REGROUPED: frozenset({RECEIVED}),
    HANDED_OVER: frozenset({RECEIVED}),
    DISMANTLED: frozenset(),
    RECYCLED: frozenset(),
    DISPOSED: frozenset(),
}
NEEDS_A_GRADE: Final = frozenset({REGROUPED, IN_USE, LEASED})
AT_HAND: Final = (RECEIVED, STORED, TESTED, GRADED, RETURNED)
"""In the house: what a period's report calls stored."""
USED: Final = (IN_USE, LEASED)
"""Utilised."""
MADE_INTO_OTHERS: Final = (DISMANTLED, REGROUPED)
GONE: Final = (RECYCLED, DISPOSED, HANDED_OVER)

# What an entry may do besides bringing its battery into the state of the same name.
MOVED: Final = "moved"
FULFILLED: Final = "fulfilled"
NOTED: Final = "noted"
RUN: Final = "run"
OPENED: Final = "opened"
KEY_ROTATED: Final = "key_rotated"
KEY_REVOKED: Final = "key_revoked"
OF_A_BATTERY: Final = (*STATES, MOVED, FULFILLED, NOTED)
"""What `ledger add` takes; runs enter by themselves, keys by `ledger key`."""
ACTIONS: Final = (*OF_A_BATTERY, RUN, OPENED, KEY_ROTATED, KEY_REVOKED)


def is_legal(before: str, after: str) -> bool:
    """Whether a battery in one state may be brought into the other."""
    return after in NEXT[before]


def expected_after(before: str) -> str:
    """The legal ones, for a sentence."""
    legal = sorted(NEXT[before])
    return ", ".join(legal) if legal else "nothing: this is the end"
