"""Codes for the rest of the program: parse with an error that helps, make from fields, explain.

Owns what `packbench code` says, and the JSON of a code (DESIGN 10: kind, manufacturer, type, chemistry, spec, trace,
made, serial). Must not print.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any, Final

from packbench.core.errors import InputError, Problem
from packbench.trace.codes.code import (
    ALPHANUMERIC,
    DIGITS,
    LAYOUTS,
    TYPES,
    YEAR_CERTAIN_MAX,
    Code,
    Field,
    Form,
    compose,
    date_text,
    read,
)
from packbench.trace.codes.iso15459 import UniqueId, looks_like, read_id
from packbench.trace.codes.repair import Diagnosis, diagnose
from packbench.trace.codes.tables import SOURCES_EN, SOURCES_ZH, CodeTables, tables

FORM_EN: Final[dict[Form, str]] = {
    "original": "GB/T 34014-2017, 24 characters",
    "echelon-18": "GB/T 34014-2017, echelon use, 18 characters",
    "echelon-19": "GB/T 34014-2017, echelon use, 19 characters",
}
FORM_ZH: Final[dict[Form, str]] = {
    "original": "GB/T 34014-2017，24 位",
    "echelon-18": "GB/T 34014-2017 梯次利用，18 位",
    "echelon-19": "GB/T 34014-2017 梯次利用，19 位",
}


def parse(text: str, *, today: date | None = None, table: CodeTables | None = None) -> Code | UniqueId:
    """The code of a text. Raises InputError that names every wrong position and the likely repair."""
    if looks_like(text):
        found = read_id(text, table or tables())
        if isinstance(found, UniqueId):
            return found
        raise InputError(Problem("", field="ISO/IEC 15459 identifier", found=repr(text), expected=found))
    code = read(text)
    if code is not None and (today is None or code.made <= today):
        return code
    raise InputError(problems_of(diagnose(text, today)))


def parse_battery(text: str, *, today: date | None = None) -> Code:
    """Like `parse`, and an identifier that is no battery code is refused."""
    found = parse(text, today=today)
    if isinstance(found, Code):
        return found
    raise InputError(Problem("", field="code", found=f"an identifier of {found.agency_en}", expected="GB/T 34014-2017"))


def problems_of(diagnosis: Diagnosis) -> list[Problem]:
    """One sentence a fault; the last one proposes."""
    problems = [
        Problem("", field=f"position {each.position} ({each.field})", found=repr(each.found), expected=each.expected)
        for each in diagnosis.faults[:8]
    ]
    if not diagnosis.repairs:
        return problems
    meant = " or ".join(diagnosis.repairs)
    problems[-1] = replace(problems[-1], message=f"probably meant: {meant}")
    return problems


def make(
    *,
    manufacturer: str,
    type: str,
    chemistry: str,
    spec: str,
    made: date,
    serial: str,
    trace: str | None = None,
    level: str | None = None,
    echelon: int | None = None,
    table: CodeTables | None = None,
) -> Code:
    """The code of these fields; `echelon` is 18 or 19 for second use. Raises InputError with every wrong field."""
    table = table or tables()
    form: Form = "original" if echelon is None else "echelon-19" if echelon == 19 else "echelon-18"
    type_letter = _type_letter(type)
    battery_type = table.letter(chemistry)
    letters = " or ".join(f"{letter} {fact.chemistry}" for letter, fact in table.battery_types.items())
    problems = [
        *_bad("manufacturer", manufacturer, 3, ALPHANUMERIC, "3 characters of A-Z, 0-9"),
        *([] if type_letter else [_problem("type", type, "pack, module or cell")]),
        *([] if battery_type else [_problem("chemistry", chemistry, letters)]),
        *_bad("spec", spec, 2, ALPHANUMERIC, "2 characters of A-Z, 0-9"),
        *_bad("serial", serial, 7, DIGITS, "7 digits"),
        *_in_date(made),
    ]
    if form == "original":
        problems += _bad("trace", trace or "", 7, ALPHANUMERIC, "7 characters of A-Z, 0-9")
    elif trace:
        problems.append(_problem("trace", trace, "nothing: an echelon-use code has no traceability information"))
    level_letter = None
    if form == "echelon-19":
        level_letter = _type_letter(level or type)
        if level_letter is None:
            problems.append(_problem("level", level or "", "pack, module or cell"))
    if problems:
        raise InputError(problems)
    assert type_letter is not None
    assert battery_type is not None
    trace = trace if form == "original" else None
    code = Code("", form, manufacturer, type_letter, battery_type, spec, trace, made, serial, level_letter)
    return replace(code, text=compose(code))


def echelon_of(code: Code, *, length: int | None = None, table: CodeTables | None = None) -> Code:
    """The echelon-use code of an original one: without its traceability information. The original must be kept."""
    length = length or (table or tables()).echelon_length
    form: Form = "echelon-19" if length == 19 else "echelon-18"
    level = code.type_letter if form == "echelon-19" else None
    bare = replace(code, form=form, trace=None, level=level)
    return replace(bare, text=compose(bare))


def to_dict(code: Code | UniqueId, table: CodeTables | None = None) -> dict[str, Any]:
    """The JSON of a code."""
    table = table or tables()
    if isinstance(code, UniqueId):
        return {
            "code": code.text,
            "kind": "identifier",
            "form": "ISO/IEC 15459",
            "manufacturer": code.company,
            "type": None,
            "chemistry": None,
            "spec": None,
            "trace": None,
            "made": None,
            "serial": code.serial,
            "agency": code.agency_en,
            "scheme": code.scheme,
        }
    return {
        "code": code.text,
        "kind": code.type,
        "form": code.form,
        "manufacturer": code.manufacturer,
        "type": code.type,
        "chemistry": table.chemistry(code.battery_type),
        "spec": code.spec,
        "trace": code.trace,
        "made": code.made.isoformat(),
        "serial": code.serial,
        "type_letter": code.type_letter,
        "battery_type": code.battery_type,
        "echelon": code.is_echelon,
        "level": None if code.level is None else TYPES[code.level],
    }


def explain(code: Code, lang: str = "en", table: CodeTables | None = None) -> list[dict[str, Any]]:
    """What each stretch of a code means: {positions, characters, field, meaning, source, source_text}."""
    table = table or tables()
    fact = table.battery_types.get(code.battery_type)
    zh = lang == "zh"
    lines: list[dict[str, Any]] = []
    at = 0
    meanings: dict[str, Callable[[str], tuple[str, str]]] = {
        "product type": lambda text: (TYPES[text], "C"),
        "battery type": lambda _: (("" if fact is None else fact.zh if zh else fact.en), fact.source if fact else "M"),
        "year": lambda _: (str(code.made.year), "C" if code.made.year <= YEAR_CERTAIN_MAX else "M"),
        "month": lambda _: (str(code.made.month), "C"),
        "day": lambda _: (str(code.made.day), "C"),
        "reuse mark": lambda _: ("梯次利用" if zh else "echelon use", table.echelon_source),
        "level": lambda text: (TYPES[text], "C"),
    }
    for field in LAYOUTS[code.form]:
        text = code.text[at : at + field.length]
        meaning, source = meanings.get(field.name, lambda text: (text, "C"))(text)
        sources = SOURCES_ZH if zh else SOURCES_EN
        lines.append(
            {
                "positions": _positions(at, field),
                "characters": text,
                "field": FIELD_ZH[field.name] if zh else field.name,
                "meaning": meaning,
                "source": source,
                "source_text": sources[source],
            }
        )
        at += field.length
    return lines


FIELD_ZH: Final = {
    "manufacturer": "厂商代码",
    "product type": "产品类型",
    "battery type": "电池类型",
    "specification": "规格代码",
    "traceability information": "追溯信息代码",
    "year": "年",
    "month": "月",
    "day": "日",
    "serial": "序列号",
    "reuse mark": "梯次利用标识",
    "level": "层级",
}


def _positions(at: int, field: Field) -> str:
    return str(at + 1) if field.length == 1 else f"{at + 1}-{at + field.length}"


def _type_letter(word: str) -> str | None:
    """P, M or C of a letter or a word."""
    wanted = word.strip().casefold()
    return next((letter for letter, name in TYPES.items() if wanted in (letter.casefold(), name)), None)


def _bad(field: str, text: str, length: int, allowed: str, expected: str) -> list[Problem]:
    good = len(text) == length and all(character in allowed for character in text)
    return [] if good else [_problem(field, text, expected)]


def _in_date(made: date) -> list[Problem]:
    try:
        date_text(made)
    except ValueError as error:
        return [_problem("made", made.isoformat(), f"a year of {error}")]
    return []


def _problem(field: str, text: str, expected: str) -> Problem:
    return Problem("", field=field, found=repr(text) if text else "nothing", expected=expected)
