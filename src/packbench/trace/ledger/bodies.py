"""The body of an entry: which fields an action takes, of which type.

Owns the shape that `ledger add` and imported lines are checked against, with an error for every wrong field. Must not
know the state of anything (`book` judges that).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final, cast

from packbench.core.errors import InputError, Problem
from packbench.trace.ledger import states
from packbench.trace.ledger.assets import LEVELS

CODE_MAX: Final = 80
TEXT_MAX: Final = 2000
QUANTITY_MAX: Final = 10**9


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= CODE_MAX and value.isprintable() and value == value.strip()


def _is_text(value: Any) -> bool:
    """Printable: an escape sequence in a holder's name would be carried out by whoever's terminal lists it."""
    return isinstance(value, str) and len(value.strip()) > 0 and len(value) <= TEXT_MAX and value.isprintable()


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value <= QUANTITY_MAX


def _is_mass(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 < value < 1e6


def _is_residue(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 <= value < 1e6


def _is_day(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _is_parts(value: Any) -> bool:
    return isinstance(value, list) and value != [] and all(_part_is_good(each) for each in cast("list[Any]", value))


def _is_codes(value: Any) -> bool:
    if not isinstance(value, list):
        return False
    codes = cast("list[Any]", value)
    return bool(codes) and all(_is_code(each) for each in codes) and len({str(each) for each in codes}) == len(codes)


def _is_obligations(value: Any) -> bool:
    return isinstance(value, list) and all(_obligation_is_good(each) for each in cast("list[Any]", value))


_Check = tuple[Callable[[Any], bool], str]
CODE: Final[_Check] = (_is_code, f"a code of up to {CODE_MAX} printable characters")
TEXT: Final[_Check] = (_is_text, f"a printable text of up to {TEXT_MAX} characters")
COUNT: Final[_Check] = (_is_count, "a whole number from 1")
MASS: Final[_Check] = (_is_mass, "a mass in kg above 0")
RESIDUE: Final[_Check] = (_is_residue, "a mass in kg from 0")
DAY: Final[_Check] = (_is_day, "a day, YYYY-MM-DD")
LEVEL: Final[_Check] = (lambda value: value in LEVELS, f"one of {', '.join(LEVELS)}")
STATE: Final[_Check] = (lambda value: value in states.STATES, f"one of {', '.join(states.STATES)}")
PARTS: Final[_Check] = (_is_parts, "a list of {code, level, quantity, chemistry, mass_kg}")
CODES: Final[_Check] = (_is_codes, "a list of different codes")
OBLIGATIONS: Final[_Check] = (_is_obligations, "a list of {name, text, due}")
ANYTHING: Final[_Check] = (lambda _: True, "")

_EVERY: Final[dict[str, _Check]] = {
    "quantity": COUNT,
    "from": STATE,
    "holder": TEXT,
    "location": TEXT,
    "operator": TEXT,
    "note": TEXT,
    "reference": TEXT,
}
_NEW: Final[dict[str, _Check]] = {
    "level": LEVEL,
    "chemistry": TEXT,
    "mass_kg": MASS,
    "origin": TEXT,
    "predecessor": CODE,
}
_MORE: Final[dict[str, dict[str, _Check]]] = {
    states.RECEIVED: _NEW,
    states.GRADED: {"grade": TEXT, "scheme": TEXT},
    states.DISMANTLED: {"parts": PARTS, "residue_kg": RESIDUE},
    states.REGROUPED: {"parts": CODES, **_NEW},
    states.IN_USE: {"application": TEXT},
    states.LEASED: {"application": TEXT, "due": DAY, "obligations": OBLIGATIONS},
    states.HANDED_OVER: {"obligations": OBLIGATIONS},
    states.RECYCLED: {"by": TEXT, "certificate": TEXT},
    states.DISPOSED: {"by": TEXT, "certificate": TEXT},
    states.FULFILLED: {"obligation": TEXT},
    states.NOTED: {"refers_to": COUNT},
}
_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    states.RECEIVED: ("holder",),
    states.GRADED: ("grade",),
    states.DISMANTLED: ("parts",),
    states.REGROUPED: ("parts",),
    states.IN_USE: ("application", "holder"),
    states.LEASED: ("application", "holder", "due"),
    states.HANDED_OVER: ("holder",),
    states.FULFILLED: ("obligation",),
    states.NOTED: ("note",),
}
_PART: Final[dict[str, _Check]] = {"code": CODE, "level": LEVEL, "quantity": COUNT, "chemistry": TEXT, "mass_kg": MASS}
_OBLIGATION: Final[dict[str, _Check]] = {"name": TEXT, "text": TEXT, "due": DAY, "who": TEXT}


def problems_of(body: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with the shape of a body that `ledger add` was given."""
    action = body.get("action")
    if action not in states.OF_A_BATTERY:
        return [Problem("", field="action", found=repr(action), expected=f"one of {', '.join(states.OF_A_BATTERY)}")]
    allowed = {**_EVERY, **_MORE.get(action, {}), "action": ANYTHING, "code": CODE}
    problems = [
        Problem("", field=name, found="nothing", expected=allowed[name][1])
        for name in ("code", *_NEEDED.get(action, ()))
        if name not in body
    ]
    for name, value in body.items():
        if name not in allowed:
            expected = f"one of {', '.join(sorted(allowed))}"
            problems.append(Problem(f"{action} has no such field", field=name, found=repr(name), expected=expected))
        elif not allowed[name][0](value):
            problems.append(Problem("", field=name, found=repr(value)[:80], expected=allowed[name][1]))
    return problems


def require_shape(body: Mapping[str, Any]) -> None:
    """Refuse a body whose fields cannot mean anything, whoever signed it. Raises InputError."""
    action = body.get("action")
    if action == states.RUN:
        wrong = [name for name in ("code", "run_id") if not isinstance(body.get(name, ""), str)]
        problems = [Problem("", field=name, found=repr(body[name])[:80], expected="a text") for name in wrong]
        if not body.get("run_id"):
            problems.append(Problem("", field="run_id", found="nothing", expected="the run's id"))
    elif action in (states.OPENED, states.KEY_ROTATED, states.KEY_REVOKED):
        problems = []
    else:
        problems = problems_of(body)
    if problems:
        raise InputError(problems)


def _part_is_good(part: Any) -> bool:
    return _fits(part, _PART, "code")


def _obligation_is_good(obligation: Any) -> bool:
    return _fits(obligation, _OBLIGATION, "name")


def _fits(value: Any, fields: dict[str, _Check], key: str) -> bool:
    if not isinstance(value, dict):
        return False
    given = cast("dict[str, Any]", value)
    return key in given and all(name in fields and fields[name][0](each) for name, each in given.items())
