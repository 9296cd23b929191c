"""A code that was typed or scanned wrongly: which characters are wrong, and what was probably meant.

Owns the search for repairs. GB/T 34014 has no check digit: what its alphabets, its calendar and today's date allow,
nobody can catch (docs/traceability.md has the measured rates). A repair is a proposal and never taken by itself.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

from packbench.trace.codes.code import CHARACTERS, DATE_AT, FORMS, Fault, faults_of, read

LOOKS_LIKE: Final[dict[str, str]] = {
    "O": "0",
    "0": "OD",
    "I": "1",
    "1": "IL",
    "L": "1",
    "Q": "0",
    "S": "5",
    "5": "S",
    "B": "8",
    "8": "B",
    "Z": "2",
    "2": "Z",
    "G": "6C",
    "6": "G",
    "D": "0",
    "U": "V",
    "V": "U",
    "N": "M",
    "W": "M",
    "7": "1",
    "T": "7",
    "F": "P",
    "R": "P",
    "K": "X",
    "E": "3",
    "A": "4",
}
"""What a character is often read or typed for, most probable first."""
REPAIRS_MAX: Final = 5
_DASHES: Final = str.maketrans("", "", " \t\r\n-_./\u00b7\u2010\u2011\u2012\u2013\u2014\u3000\u200b\ufeff")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a text as a code; no faults: nothing."""

    text: str
    faults: tuple[Fault, ...]
    repairs: tuple[str, ...]
    """Valid codes that were probably meant, the likeliest first; every one of them, when they are few."""

    @property
    def likely(self) -> str | None:
        """The one repair, when no other is as likely."""
        return self.repairs[0] if len(self.repairs) == 1 else None


def tidy(text: str) -> str:
    """As a keyboard or an input method may have spoiled it: full width to half, capitals, no separators."""
    return unicodedata.normalize("NFKC", text).upper().translate(_DASHES)


def diagnose(text: str, today: date | None = None) -> Diagnosis:
    """What is wrong with a text. With `today`, a code made later than that is wrong, too."""
    faults = _faults(text, today)
    if not faults:
        return Diagnosis(text, (), ())
    tidied = tidy(text)
    if tidied != text and not _faults(tidied, today):
        return Diagnosis(text, tuple(faults), (tidied,))
    found = list(dict.fromkeys(each for each in _candidates(tidied, today)))
    return Diagnosis(text, tuple(faults), tuple(found[:REPAIRS_MAX]))


def _faults(text: str, today: date | None) -> list[Fault]:
    if len(text) not in FORMS:
        return [_length_fault(text)]
    faults = faults_of(text)
    if not faults and today is not None:
        code = read(text)
        if code is not None and code.made > today:
            at = DATE_AT[code.form]
            expected = f"a day until {today}; it says {code.made}"
            return [Fault(at + 1, "year", text[at : at + 3], expected)]
    return faults


def _length_fault(text: str) -> Fault:
    """Where a missing or an additional character shows first: the place from which nothing fits any more."""
    near = min(FORMS, key=lambda length: (abs(length - len(text)), -length))
    fields = CHARACTERS[FORMS[near]]
    position = len(text) + 1
    for index, (character, field) in enumerate(zip(text, fields, strict=False)):
        if character not in field.allowed:
            position = index + 1
            break
    position = min(position, near + 1)
    found = f"{len(text)} characters"
    return Fault(position, "length", found, "24 characters, or 18 or 19 of an echelon-use code")


def _candidates(text: str, today: date | None) -> Iterator[str]:
    """Valid codes near a text: look-alikes first, then neighbours swapped, then one character too many or too few."""
    if len(text) in FORMS:
        fixed = _look_alikes(text, today)
        if fixed:
            yield from fixed
            return
        yield from (each for each in _swapped(text) if not _faults(each, today))
        return
    if len(text) - 1 in FORMS:
        yield from (each for each in _without_one(text) if not _faults(each, today))
    elif len(text) + 1 in FORMS:
        # The missing character itself is unknown wherever its place allows more than one.
        yield from (each for each in _with_one(text) if not _faults(each, today))


def _look_alikes(text: str, today: date | None) -> list[str]:
    """Every wrong character replaced by one that looks like it and that its place allows; [] when that fails."""
    fields = CHARACTERS[FORMS[len(text)]]
    options: list[str] = [text]
    wrong = {fault.position - 1 for fault in faults_of(text)}
    for index in sorted(wrong):
        allowed = [each for each in LOOKS_LIKE.get(text[index], "") if each in fields[index].allowed]
        options = [each[:index] + new + each[index + 1 :] for each in options for new in allowed][:64]
    return [each for each in options if not _faults(each, today)]


def _swapped(text: str) -> Iterator[str]:
    for index in range(len(text) - 1):
        if text[index] != text[index + 1]:
            yield text[:index] + text[index + 1] + text[index] + text[index + 2 :]


def _without_one(text: str) -> Iterator[str]:
    for index in range(len(text)):
        yield text[:index] + text[index + 1 :]


def _with_one(text: str) -> Iterator[str]:
    fields = CHARACTERS[FORMS[len(text) + 1]]
    for index in range(len(text) + 1):
        allowed = fields[index].allowed
        if len(allowed) == 1:
            yield text[:index] + allowed + text[index:]
