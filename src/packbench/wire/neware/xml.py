"""The XML of Neware's messages and step files: read with distrust, written as the device writes it.

Owns the hardened parser (bounded size, no document type, hence no entities) and the form of numbers and
attributes. Must not know any command. It exists because the standard library's parser expands what a
document type declares: a few hundred bytes that unfold to gigabytes ("billion laughs"), or to a file of
this machine. Nothing that speaks this protocol sends one, so one is refused before anything is parsed.

Raises ValueError with words for people; the callers say whose fault it is.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from decimal import Decimal
from typing import Final
from xml.sax.saxutils import escape

Element = ET.Element

ABSENT: Final = "--"
"""How the device writes a value that it does not have (aurora-neware, `_auto_convert_type`)."""

_ENTITIES: Final = {'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"}
_UNWRITABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""What XML 1.0 (production 2) has no way to write."""
_WHOLE: Final = re.compile(r"-?[0-9]{1,19}")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,310}(?:\.[0-9]{0,345})?|\.[0-9]{1,345})(?:[eE][+-]?[0-9]{1,3})?")


class _NoDocumentType(ET.TreeBuilder):
    """The second lock: should a document type reach the parser after all, it goes no further."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise ValueError("it declares a document type")


def parse_xml(data: bytes, most_bytes: int) -> Element:
    """The root element of a document of at most `most_bytes`, in UTF-8 whatever it declares.

    Raises ValueError for anything that is not well-formed, is too long or declares a document type.
    """
    if len(data) > most_bytes:
        raise ValueError(f"it has {len(data)} bytes, more than {most_bytes}")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise ValueError(f"it is not UTF-8 at byte {exc.start}") from exc
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise ValueError("it declares a document type")
    # Text, not bytes: the parser then ignores the encoding that the document claims.
    parser = ET.XMLParser(target=_NoDocumentType())
    try:
        parser.feed(text)
        root = parser.close()
    except ET.ParseError as exc:
        raise ValueError(f"it is not well-formed XML: {exc}") from exc
    assert isinstance(root, ET.Element)
    return root


def text_of(element: Element) -> str:
    """The text directly inside an element, without the space around it."""
    return (element.text or "").strip()


def required(element: Element, name: str) -> str:
    """An attribute that must be there. Raises ValueError."""
    value = element.get(name)
    if value is None:
        raise ValueError(f"<{element.tag}> has no {name}")
    return value


def whole(element: Element, name: str) -> int:
    """A whole number that must be there. Raises ValueError."""
    value = maybe_whole(element, name)
    if value is None:
        raise ValueError(f"<{element.tag}> has no {name}")
    return value


def maybe_whole(element: Element, name: str) -> int | None:
    """A whole number; None when absent or `--`. Raises ValueError for anything else."""
    value = element.get(name)
    if value is None or value == ABSENT:
        return None
    if not _WHOLE.fullmatch(value):
        raise ValueError(f"{name} of <{element.tag}> is {value[:40]!r}, not a whole number")
    return int(value)


def number(element: Element, name: str) -> float:
    """A number that must be there. Raises ValueError."""
    value = maybe_number(element, name)
    if value is None:
        raise ValueError(f"<{element.tag}> has no {name}")
    return value


def maybe_number(element: Element, name: str) -> float | None:
    """A finite number; None when absent or `--`. Raises ValueError for anything else."""
    value = element.get(name)
    if value is None or value == ABSENT:
        return None
    # A pattern of our own: float() also takes "nan", "1_0" and digits of other scripts.
    if not _NUMBER.fullmatch(value) or (found := float(value)) in (float("inf"), float("-inf")):
        raise ValueError(f"{name} of <{element.tag}> is {value[:40]!r}, not a number")
    return found


def number_text(value: float | None) -> str:
    """A number as the device writes it: up to 15 digits (more where they are needed to come back), no exponent."""
    if value is None:
        return ABSENT
    text = f"{value:.15g}"
    if float(text) != value:
        text = repr(value)
    return format(Decimal(text), "f") if "e" in text else text


def attributes(*pairs: tuple[str, str | int | float | None]) -> str:
    """Attributes in the order given, each with a space before it; those that are None are left out.

    Raises ValueError for text that XML cannot carry.
    """
    parts: list[str] = []
    for name, value in pairs:
        if value is None:
            continue
        text = number_text(value) if isinstance(value, float) else str(value)
        parts.append(f' {name}="{escape(_writable(text), _ENTITIES)}"')
    return "".join(parts)


def content(text: str) -> str:
    """Text between tags. Raises ValueError for text that XML cannot carry."""
    return escape(_writable(text), {"\r": "&#13;"})


def _writable(text: str) -> str:
    if (bad := _UNWRITABLE.search(text)) is not None:
        raise ValueError(f"XML cannot carry the character U+{ord(bad.group()):04X}")
    return text
