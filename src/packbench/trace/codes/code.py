"""GB/T 34014-2017 battery codes: text to fields and back.

    001 P B 00 5000001 D7B 0500007        24 characters
    |   | | |  |       |   `- serial, 7 digits
    |   | | |  |       `- year, month, day (no I, O, Q)
    |   | | |  `- traceability information (extension structure 1)
    |   | | `- specification code
    |   | `- battery type (configs/codes)
    |   `- P pack, M module, C cell
    `- manufacturer

The echelon-use forms leave out the traceability information: 17 characters and R (18), or R and P, M or C (19).

Owns lengths, alphabets and dates (structure: confirmed by Catena-X's schema and published codes). Must not guess at
what a wrong code may have meant (`repair` does) nor know what a battery type's letter means (`tables`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, NamedTuple

Form = Literal["original", "echelon-18", "echelon-19"]

DIGITS: Final = "0123456789"
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALPHANUMERIC: Final = DIGITS + LETTERS
MONTHS: Final = "123456789ABC"
DAYS: Final = "123456789ABCDEFGHJKLMNPRSTUVWXY"
"""Exactly 31: A is 10, H 17, J 18, N 22, P 23, R 24, Y 31."""
YEARS: Final = DAYS
"""The same: 1 is 2011, A 2020; what stands for years after 2036 is not certain (U skipped or not)."""
YEAR_FIRST: Final = 2011
YEAR_CERTAIN_MAX: Final = 2036
TYPES: Final = {"P": "pack", "M": "module", "C": "cell"}
BATTERY_TYPES: Final = "ABCDEFGZ"


class Field(NamedTuple):
    """A stretch of a code: its name, length, and what each of its characters may be."""

    name: str
    length: int
    allowed: str
    expected: str


_HEAD: Final = (
    Field("manufacturer", 3, ALPHANUMERIC, "A-Z or 0-9"),
    Field("product type", 1, "PMC", "P, M or C"),
    Field("battery type", 1, BATTERY_TYPES, "A to G, or Z"),
    Field("specification", 2, ALPHANUMERIC, "A-Z or 0-9"),
)
_TRACE: Final = Field("traceability information", 7, ALPHANUMERIC, "A-Z or 0-9")
_TAIL: Final = (
    Field("year", 1, YEARS, "1-9 or A-Y without I, O and Q"),
    Field("month", 1, MONTHS, "1-9, A, B or C"),
    Field("day", 1, DAYS, "1-9 or A-Y without I, O and Q"),
    Field("serial", 7, DIGITS, "0-9"),
)
_REUSE: Final = Field("reuse mark", 1, "R", "R")
_LEVEL: Final = Field("level", 1, "PMC", "P, M or C")

LAYOUTS: Final[dict[Form, tuple[Field, ...]]] = {
    "original": (*_HEAD, _TRACE, *_TAIL),
    "echelon-18": (*_HEAD, *_TAIL, _REUSE),
    "echelon-19": (*_HEAD, *_TAIL, _REUSE, _LEVEL),
}
FORMS: Final[dict[int, Form]] = {24: "original", 18: "echelon-18", 19: "echelon-19"}
CHARACTERS: Final[dict[Form, tuple[Field, ...]]] = {
    form: tuple(field for field in layout for _ in range(field.length)) for form, layout in LAYOUTS.items()
}
"""The field of each character."""
DATE_AT: Final[dict[Form, int]] = {"original": 14, "echelon-18": 7, "echelon-19": 7}
"""Index of the year, from 0."""


@dataclass(frozen=True, slots=True)
class Code:
    """A valid code. Made by `read` or `make` only."""

    text: str
    form: Form
    manufacturer: str
    type_letter: str
    battery_type: str
    """Its letter."""
    spec: str
    trace: str | None
    """None: an echelon-use code has none."""
    made: date
    serial: str
    level: str | None = None
    """Of a 19-character echelon-use code: P, M or C behind the R."""

    @property
    def type(self) -> str:
        """pack, module or cell."""
        return TYPES[self.type_letter]

    @property
    def is_echelon(self) -> bool:
        """Whether the battery was given this code for its second use."""
        return self.form != "original"


class Fault(NamedTuple):
    """One thing wrong with a code."""

    position: int
    """From 1."""
    field: str
    found: str
    expected: str


def faults_of(text: str) -> list[Fault]:
    """Every character that its place does not allow, and a date that does not exist. Empty: the code is valid.

    The length must be one of `FORMS`; the caller looks at it first.
    """
    form = FORMS[len(text)]
    found = [
        Fault(index + 1, field.name, character, field.expected)
        for index, (character, field) in enumerate(zip(text, CHARACTERS[form], strict=True))
        if character not in field.allowed
    ]
    at = DATE_AT[form]
    if not any(at < fault.position <= at + 3 for fault in found) and date_of(text[at : at + 3]) is None:
        year, month, _ = (YEARS.index(text[at]) + YEAR_FIRST, MONTHS.index(text[at + 1]) + 1, 0)
        found.append(Fault(at + 3, "day", text[at + 2], f"a day of {year}-{month:02}"))
    return found


def read(text: str) -> Code | None:
    """The code of a text; None when it is no valid one, by length, alphabet or calendar."""
    form = FORMS.get(len(text))
    if form is None or faults_of(text):
        return None
    parts: dict[str, str] = {}
    at = 0
    for field in LAYOUTS[form]:
        parts[field.name] = text[at : at + field.length]
        at += field.length
    made = date_of(text[DATE_AT[form] : DATE_AT[form] + 3])
    assert made is not None
    return Code(
        text,
        form,
        parts["manufacturer"],
        parts["product type"],
        parts["battery type"],
        parts["specification"],
        parts.get("traceability information"),
        made,
        parts["serial"],
        parts.get("level"),
    )


def date_of(three: str) -> date | None:
    """The date of year, month and day characters; None when there is no such day."""
    if three[0] not in YEARS or three[1] not in MONTHS or three[2] not in DAYS:
        return None
    try:
        return date(YEARS.index(three[0]) + YEAR_FIRST, MONTHS.index(three[1]) + 1, DAYS.index(three[2]) + 1)
    except ValueError:
        return None


def date_text(made: date) -> str:
    """Its three characters. Raises ValueError for a year that has no character."""
    offset = made.year - YEAR_FIRST
    if not 0 <= offset < len(YEARS):
        raise ValueError(f"{YEAR_FIRST} to {YEAR_FIRST + len(YEARS) - 1}")
    return YEARS[offset] + MONTHS[made.month - 1] + DAYS[made.day - 1]


def compose(code: Code) -> str:
    """The text that a code's fields give: the inverse of `read`."""
    head = code.manufacturer + code.type_letter + code.battery_type + code.spec
    tail = date_text(code.made) + code.serial
    match code.form:
        case "original":
            return head + (code.trace or "") + tail
        case "echelon-18":
            return head + tail + "R"
        case "echelon-19":
            return head + tail + "R" + (code.level or "")
