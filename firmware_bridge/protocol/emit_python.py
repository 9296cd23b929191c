"""The Python side of the link: packbench_board/codes.py and frames.py, in the form `ruff format` leaves alone.

Owns the form of those modules. Must not know what a message means.
"""

from __future__ import annotations

import textwrap

from firmware_bridge.protocol.spec import BIT_SETS, ENUMS, STRUCT_CODES, WARNING, LinkSpec

LINE_LENGTH = 120


def docstring(text: str, indent: str = "") -> list[str]:
    """A docstring of lines within the line length: a first sentence, then the rest as a paragraph."""
    if len(indent) + len(text) + 6 <= LINE_LENGTH:
        return [f'{indent}"""{text}"""']
    separator = next((mark for mark in (". ", "; ", ": ") if mark in text), ", ")
    head, _, rest = text.partition(separator)
    body = textwrap.wrap(rest[0].upper() + rest[1:], LINE_LENGTH - len(indent))
    return [f'{indent}"""{head.rstrip(".")}.', "", *(indent + line for line in body), f'{indent}"""']


def union(name: str, members: list[str]) -> list[str]:
    """A union type, one member a line where it does not fit."""
    line = f"{name} = {' | '.join(members)}"
    if len(line) <= LINE_LENGTH:
        return [line]
    return [f"{name} = (", f"    {members[0]}", *(f"    | {other}" for other in members[1:]), ")"]


def emit_codes(spec: LinkSpec) -> str:
    """codes.py: the timing and every named number."""
    out = [f'"""Codes and timing of the board\'s link. {WARNING}', ""]
    out += ["Owns the named numbers. Must not know a message: frames.py has those. It exists so that no number of the"]
    out += ["link is written twice.", '"""', "", "from __future__ import annotations", ""]
    out += ["from enum import IntEnum, IntFlag", ""]
    for entry in spec.timing:
        value = f"{entry.value:_}" if entry.value >= 10_000 else str(entry.value)
        out += [f"{entry.name.upper()} = {value}", *docstring(entry.doc)]
    for key, (name, doc) in ENUMS.items():
        out += ["", "", f"class {name}({'IntFlag' if key in BIT_SETS else 'IntEnum'}):", f'    """{doc}"""', ""]
        for entry in spec.enums[key]:
            value = f"0x{entry.value:02X}" if key in BIT_SETS else str(entry.value)
            out += [f"    {entry.name.upper()} = {value}", *docstring(entry.doc, "    ")]
    return "\n".join([*out, ""])


def emit_python(spec: LinkSpec) -> str:
    """frames.py: the messages and their layouts."""
    out = [f'"""Messages of the board\'s link. {WARNING}', ""]
    out += ["Owns the types and the field layouts. Must not know about frames: codec.py makes those. It exists so that"]
    out += ["host and board cannot disagree about a field.", '"""', "", "from __future__ import annotations", ""]
    out += ["from struct import Struct", "from typing import NamedTuple", ""]
    out += [f"VERSION = {spec.version}", f"PROTOCOL_HASH = 0x{spec.protocol_hash:08X}"]
    out += [f"FIRMWARE_HASH = 0x{spec.firmware_hash:08X}", "HEADER_SIZE = 3"]
    out += [f"FRAME_MAX = {spec.frame_max}", '"""Bytes of the longest frame: header, payload, CRC."""']
    for message in spec.messages:
        out += ["", "", f"class {message.camel}(NamedTuple):", *docstring(message.doc, "    ")]
        out += [""] if message.fields else []
        for field in message.fields:
            unit = f" [{field.unit}]" if field.unit else ""
            kind = "bytes" if field.type == "text16" else "int"
            out += [f"    {field.name}: {kind}", *docstring(field.doc + unit, "    ")]
    out += [""]
    for name, side in (("HostMessage", True), ("BoardMessage", False)):
        names = [m.camel for m in spec.messages if m.from_host is side]
        out += ["", *union(name, names), f'"""What {"the host asks" if side else "the board answers"}."""']
    out += ["", "TYPES: dict[type[HostMessage | BoardMessage], int] = {"]
    out += [f"    {m.camel}: 0x{m.id:02X}," for m in spec.messages]
    out += ["}", '"""Message type to its number on the wire."""', "", "FIELDS: dict[int, str] = {"]
    for message in spec.messages:
        out += [f'    0x{message.id:02X}: "{"".join(STRUCT_CODES[f.type] for f in message.fields)}",']
    out += ["}", '"""Number on the wire to the fields as `struct` codes, in order."""', ""]
    out += ["REQUESTS: dict[type[HostMessage], tuple[int, Struct]] = {"]
    for m in spec.messages:
        if m.from_host:
            codes = "".join(STRUCT_CODES[f.type] for f in m.fields)
            out += [f'    {m.camel}: (0x{m.id:02X}, Struct("<BBB{codes}")),']
    out += ["}", '"""Number and layout, header included, of what the host sends."""', ""]
    out += ["ANSWERS: dict[int, tuple[type[BoardMessage], Struct]] = {"]
    for m in spec.messages:
        if not m.from_host:
            codes = "".join(STRUCT_CODES[f.type] for f in m.fields)
            out += [f'    0x{m.id:02X}: ({m.camel}, Struct("<{codes}")),']
    out += ["}", '"""Type and payload layout of what the board sends."""', ""]
    return "\n".join(out)
