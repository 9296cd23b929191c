"""Unique identifiers by ISO/IEC 15459, as an EU battery passport's identifier may be one.

    25S UN 123456789 PACK0001      data identifier, issuing agency, company number, serial
    (01)04012345123456(21)A1       GS1: trade item and serial, with the item's check digit
    (8004)4012345ABC               GS1: individual asset

Owns the outer structure: which agency issued, what remains as the serial. Must not validate company numbers: their
registers are the agencies'. The agencies known are configuration (configs/codes, source M).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from packbench.trace.codes.tables import CodeTables

LENGTH_MAX: Final = 50
DATA_IDENTIFIERS: Final = ("25S",)
_BODY: Final = re.compile(r"[A-Z0-9*+\-./()!]{3,50}")
_GS1_TRADE: Final = re.compile(r"\(01\)(\d{14})\(21\)([!-z]{1,20})")
_GS1_ASSET: Final = re.compile(r"\(8004\)([!-z]{1,30})")


@dataclass(frozen=True, slots=True)
class UniqueId:
    """An identifier, as far as it can be taken apart without its agency's register."""

    text: str
    scheme: str
    """Data identifier or GS1 application identifiers."""
    agency: str
    agency_en: str
    company: str | None
    """None: where the company's number ends is only known to its agency."""
    serial: str


def looks_like(text: str) -> bool:
    """Whether a text announces itself as one."""
    return text.startswith((*DATA_IDENTIFIERS, "(01)", "(8004)"))


def read_id(text: str, tables: CodeTables) -> UniqueId | str:
    """The identifier, or what is wrong with the text."""
    if (trade := _GS1_TRADE.fullmatch(text)) is not None:
        if not _check_digit_holds(trade[1]):
            return f"the trade item number's check digit is {trade[1][-1]}, expected {_check_digit(trade[1][:-1])}"
        return UniqueId(text, "01, 21", "GS1", "GS1", trade[1], trade[2])
    if (asset := _GS1_ASSET.fullmatch(text)) is not None:
        return UniqueId(text, "8004", "GS1", "GS1", None, asset[1])
    scheme = next((each for each in DATA_IDENTIFIERS if text.startswith(each)), "")
    body = text.removeprefix(scheme)
    if not _BODY.fullmatch(body):
        return f"3 to {LENGTH_MAX} characters of A-Z, 0-9 and - . / + * ( ) ! are allowed"
    for prefix in sorted(tables.issuers, key=len, reverse=True):
        if body.startswith(prefix):
            issuer = tables.issuers[prefix]
            rest = body[len(prefix) :]
            if len(rest) <= issuer.length:
                return f"{issuer.en}: {issuer.length} characters of company number and a serial are expected"
            company = rest[: issuer.length] if issuer.length else None
            return UniqueId(text, scheme, prefix, issuer.en, company, rest[issuer.length :])
    if body[0].isdigit():
        return UniqueId(text, scheme, body[0], "GS1", None, body[1:])
    return f"no issuing agency begins like this; known: {', '.join(sorted(tables.issuers))}, digits (GS1)"


def _check_digit(digits: str) -> int:
    """GS1's modulo 10: from the right, weights 3 and 1 in turn."""
    total = sum(int(digit) * (3 if index % 2 == 0 else 1) for index, digit in enumerate(reversed(digits)))
    return -total % 10


def _check_digit_holds(digits: str) -> bool:
    return _check_digit(digits[:-1]) == int(digits[-1])
