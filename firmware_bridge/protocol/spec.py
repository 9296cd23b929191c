"""link.yaml, read and checked: the one source of the board's link.

Owns the shape of the source and its checks, and the two hashes that both ends compare before arming. Must not hold a
message, a code or a number of its own; those are in link.yaml.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "link.yaml"
FIRMWARE = HERE.parent / "firmware"
CORE = FIRMWARE / "core"

SIZES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i16": 2, "i32": 4, "text16": 16}
STRUCT_CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i16": "h", "i32": "i", "text16": "16s"}
RANGES = {
    "u8": (0, 0xFF),
    "u16": (0, 0xFFFF),
    "u32": (0, 0xFFFFFFFF),
    "u64": (0, 0xFFFFFFFFFFFFFFFF),
    "i16": (-0x8000, 0x7FFF),
    "i32": (-0x80000000, 0x7FFFFFFF),
    "text16": (0, 0),
}
ENUMS = {
    "states": ("State", "What the board is doing."),
    "phases": ("Phase", "How far the arm sequence is."),
    "trips": ("TripCode", "Why the board tripped."),
    "refusals": ("Refusal", "Why the board refused a request."),
    "inputs": ("Input", "Discrete inputs, one bit each; a broken wire reads as the unsafe value."),
    "outputs": ("Output", "Outputs as commanded, one bit each."),
    "flags": ("Flag", "Bits of `flags`."),
    "fitted": ("Fitted", "Optional inputs and sensors, one bit each."),
    "resets": ("ResetCause", "Why the board started."),
    "events": ("EventKind", "What the board remembers, with its code and value."),
}
BIT_SETS = frozenset({"inputs", "outputs", "flags", "fitted"})
WARNING = "Generated from link.yaml by generate.py; do not edit."


@dataclass(frozen=True, slots=True)
class Named:
    """One named number: a state, a code, a bit, a time."""

    name: str
    value: int
    doc: str
    load_break: bool = True


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a message."""

    name: str
    type: str
    unit: str
    min: int
    max: int
    doc: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message."""

    name: str
    id: int
    from_host: bool
    doc: str
    fields: tuple[Field, ...]

    @property
    def camel(self) -> str:
        return "".join(part.capitalize() for part in self.name.split("_"))

    @property
    def size(self) -> int:
        return sum(SIZES[field.type] for field in self.fields)


@dataclass(frozen=True, slots=True)
class LinkSpec:
    """link.yaml, read and checked."""

    name: str
    version: int
    protocol_hash: int
    firmware_hash: int
    timing: tuple[Named, ...]
    enums: dict[str, tuple[Named, ...]]
    messages: tuple[Message, ...]

    @property
    def frame_max(self) -> int:
        """Header, largest payload, CRC."""
        return 5 + max(message.size for message in self.messages)


def without_docs(node: Any) -> Any:
    """The same tree without its texts, so that mending a sentence does not change the protocol hash."""
    if isinstance(node, dict):
        return {key: without_docs(value) for key, value in node.items() if key != "doc"}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(node, list):
        return [without_docs(item) for item in node]  # pyright: ignore[reportUnknownVariableType]
    return node


def hash32(data: bytes) -> int:
    """The first 32 bits of SHA-256."""
    return int.from_bytes(hashlib.sha256(data).digest()[:4], "big")


def firmware_hash(firmware: Path) -> int:
    """Hash of the hand-written sources of core and ports, linker scripts included: what a board must be built from.

    One hash for all ports: a host cannot know which of them it talks to. Compiler and flags are not in it.
    """
    digest = hashlib.sha256()
    paths = [path for folder in ("core", "boards") for path in (firmware / folder).rglob("*.*")]
    for path in sorted(paths):
        if path.suffix in (".c", ".h", ".ld") and not path.name.startswith("pb_link_gen."):
            name = path.relative_to(firmware).as_posix()
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return int.from_bytes(digest.digest()[:4], "big")


def read_field(raw: dict[str, Any]) -> Field:
    """One field; ValueError when its range does not fit its type."""
    low, high = RANGES[raw["type"]]
    field = Field(
        raw["name"], raw["type"], raw.get("unit", ""), raw.get("min", low), raw.get("max", high), raw["doc"].strip()
    )
    if not low <= field.min <= field.max <= high:
        raise ValueError(f"field {field.name}: {field.min}..{field.max} does not fit {field.type}")
    return field


def read_spec(source: Path = SOURCE, firmware: Path = FIRMWARE) -> LinkSpec:
    """Read link.yaml; ValueError for a doubled id or name, a range that does not fit, a frame COBS cannot carry."""
    raw: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
    enums = {
        key: tuple(Named(r["name"], r["value"], r["doc"], r.get("load_break", True)) for r in raw[key]) for key in ENUMS
    }
    messages = tuple(
        Message(m["name"], m["id"], m["from"] == "host", m["doc"], tuple(map(read_field, m.get("fields", []))))
        for m in raw["messages"]
    )
    spec = LinkSpec(
        raw["name"],
        raw["version"],
        hash32(json.dumps(without_docs(raw), sort_keys=True).encode()),
        firmware_hash(firmware),
        tuple(Named(t["name"], t["value"], t["doc"]) for t in raw["timing"]),
        enums,
        messages,
    )
    for key, entries in [*enums.items(), ("messages", tuple(Named(m.name, m.id, m.doc) for m in messages))]:
        if len({e.name for e in entries}) < len(entries) or len({e.value for e in entries}) < len(entries):
            raise ValueError(f"{key}: a name or a value occurs twice")
    if any(trip.value > 31 for trip in enums["trips"]):
        raise ValueError("trips: codes above 31 do not fit the mask of immediate trips")
    if spec.frame_max > 253:
        raise ValueError("a frame of more than 253 bytes does not fit one COBS block")
    return spec
