"""The reference page of the link, docs/link.md.

Owns the form of that page. Must not say anything that link.yaml does not.
"""

from __future__ import annotations

from firmware_bridge.protocol.spec import BIT_SETS, ENUMS, RANGES, WARNING, LinkSpec

FRAME_TEXT = """\
A frame is COBS(header, payload, CRC) followed by one `0x00`. The header is version, type and sequence, one byte each;
a reply carries the sequence of its request. Payload fields are little-endian and packed, in the order given.
CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xFFFF) covers header and payload and is sent most significant byte first,
so that the CRC over the whole frame is zero. The board speaks only when asked. A block with a wrong CRC or version is
dropped in silence and counted; an unknown type or a wrong length is refused.
"""


def emit_docs(spec: LinkSpec) -> str:
    """docs/link.md."""
    out = ["# The link between host and board", "", f"<!-- {WARNING} -->", ""]
    out += [f"Protocol `{spec.name}`, version {spec.version}, hash `{spec.protocol_hash:08x}`.", ""]
    out += [*FRAME_TEXT.splitlines(), ""]
    out += ["## Messages", ""]
    for message in spec.messages:
        side = "host to board" if message.from_host else "board to host"
        out += [f"### {message.name.upper()} (`0x{message.id:02X}`, {side})", "", message.doc, ""]
        if message.fields:
            out += ["| field | type | unit | range | meaning |", "|---|---|---|---|---|"]
            for f in message.fields:
                limits = "" if (f.min, f.max) == RANGES[f.type] else f"{f.min} to {f.max}"
                out += [f"| `{f.name}` | {f.type} | {f.unit} | {limits} | {f.doc} |"]
            out += [""]
    for key, (_, doc) in ENUMS.items():
        out += [f"## {key.capitalize()}", "", doc, ""]
        trips = key == "trips"
        out += ["| code | name | opens | meaning |" if trips else "| code | name | meaning |"]
        out += ["|---|---|---|---|" if trips else "|---|---|---|"]
        for e in spec.enums[key]:
            code = f"`0x{e.value:02X}`" if key in BIT_SETS else str(e.value)
            order = ("after low current, bounded | " if e.load_break else "at once | ") if trips else ""
            out += [f"| {code} | `{e.name}` | {order}{e.doc} |"]
        out += [""]
    out += ["## Timing", "", "| constant | value | meaning |", "|---|---|---|"]
    out += [f"| `{t.name}` | {t.value} | {t.doc} |" for t in spec.timing] + [""]
    return "\n".join(out)
