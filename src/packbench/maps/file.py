"""Reads a device file (YAML) into a DeviceType.

Owns the file's grammar (docs/devices.md shows it by example) and turns it into the frozen shapes of
`maps/schema.py`. Must not open files (the caller gives the text) and knows no device. Every problem of
a file is reported at once, with its line and column.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator
from pydantic import Field as Key

from packbench.config.document import Document, Path, load_document
from packbench.config.validation import StrictModel, sort_problems, validate
from packbench.core.errors import InputError, Problem
from packbench.maps.conventions import derived, open_questions
from packbench.maps.schema import (
    Addressing,
    Block,
    Capabilities,
    Confirmed,
    DeviceType,
    Field,
    FieldType,
    Golden,
    Kind,
    Line,
    Protocol,
    Scheme,
    WordOrder,
)
from packbench.wire.modbus import Framing


def _address(value: Any) -> Any:
    """Register numbers may be quoted hexadecimal text ("0x1290"), as the makers' lists print them."""
    if isinstance(value, str) and value[:2] in ("0x", "0X"):
        try:
            return int(value, 16)
        except ValueError:
            return value
    return value


Address = Annotated[
    int, BeforeValidator(_address), Key(ge=0, le=0xFFFF, description='0 to 65535, or quoted like "0x1290"')
]


def _octets(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return bytes.fromhex(value)
        except ValueError:
            return value
    return value


Octets = Annotated[bytes, BeforeValidator(_octets), Key(description='bytes in hexadecimal, quoted: "01 03 ..."')]


class _FieldEntry(StrictModel):
    address: Address
    type: FieldType
    count: int = Key(default=1, ge=1, le=250)
    word_order: WordOrder | None = None
    byte: Literal["high", "low"] = "low"
    scale: float = 1.0
    offset: float = 0.0
    full_scale_of: str | None = None
    full_scale_raw: int = Key(default=1, ge=1)
    raw_max: int | None = None
    unit: str = ""
    range: list[float] | None = Key(default=None, min_length=2, max_length=2)
    access: Literal["r", "w", "rw"] = "r"
    sentinels: list[int] = []
    absent: list[int] = []
    bits: dict[str, str] = Key(default={}, description="bit number to name")
    unknown_bits: Literal["report", "ignore"] = "report"
    states: dict[str, str] = Key(default={}, description="raw value to name")
    quantity: str | None = None
    count_from: str | None = None
    mask_from: str | None = None
    unsure: str | None = None


class _BlockEntry(StrictModel):
    address: Address
    count: int = Key(ge=1, le=125)
    function: Literal[3, 4] = 3
    group: str = "poll"
    write_function: Literal[6, 16] = 16
    unsure: str | None = None


class _LineEntry(StrictModel):
    gap_ms: float = Key(default=0.0, ge=0)
    turnaround_ms: float = Key(default=0.0, ge=0)
    reply_timeout_ms: float = Key(default=1000.0, gt=0)
    baudrate: int = Key(default=115_200, gt=0)
    exchanges: int = Key(default=0, ge=0)


class _CapabilitiesEntry(StrictModel):
    min_period_s: float = Key(default=0.0, ge=0)
    voltage_max_v: float | None = Key(default=None, gt=0)
    current_max_a: float | None = Key(default=None, gt=0)
    power_max_w: float | None = Key(default=None, gt=0)
    sinks: bool | None = None
    slew_a_s: float | None = Key(default=None, gt=0)
    voltage_accuracy: float | None = Key(default=None, gt=0, lt=1)
    current_accuracy: float | None = Key(default=None, gt=0, lt=1)
    cells_max: int | None = Key(default=None, gt=0)
    cells_reported: bool = True
    discharges: bool = True
    holds_voltage: bool = True


class _ConfirmedEntry(StrictModel):
    frames: str = ""
    peers: str = ""


class _GoldenEntry(StrictModel):
    framing: Framing | None = None
    source: str
    request: Octets = b""
    reply: Octets = b""
    block: str | None = None
    values: dict[str, Any] = {}
    parameters: dict[str, float] = {}
    refused: int | None = None


class _DeviceFile(StrictModel):
    packbench_device: Literal[1]
    name: str = Key(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str
    kind: Kind
    driver: str = "mapped"
    protocol: Protocol = "modbus"
    links: list[Scheme] = Key(min_length=1)
    unit: int = Key(default=0, ge=0, le=255)
    reply_unit_offset: int = Key(default=0, ge=-255, le=255)
    line: _LineEntry = _LineEntry()
    addressing: Addressing = "register"
    word_order: WordOrder = "high_first"
    max_registers: int = Key(default=125, ge=1, le=125)
    stale_after_s: float = Key(default=1.0, gt=0)
    verified_on_hardware: bool
    sources: list[str] = Key(min_length=1)
    capabilities: _CapabilitiesEntry = _CapabilitiesEntry()
    confirmed: _ConfirmedEntry = _ConfirmedEntry()
    emulated_pack: str | None = None
    options: dict[str, Any] = {}
    coils: dict[str, Address] = {}
    blocks: dict[str, _BlockEntry] = {}
    fields: dict[str, _FieldEntry] = {}
    golden: list[_GoldenEntry] = Key(min_length=1)


@lru_cache(maxsize=64)
def load_device(text: str, file: str) -> DeviceType:
    """Read a device file. Raises InputError with every problem found; `file` is only named in them.

    The same text is read once: a fault campaign opens the same devices thousands of times.
    """
    document = load_document(text, file)
    entry = validate(_DeviceFile, document)
    if problems := _wrong_fields(entry, document):
        raise InputError(problems)
    fields = {name: _field(name, item, entry.word_order) for name, item in entry.fields.items()}
    device = DeviceType(
        name=entry.name,
        title=entry.title,
        kind=entry.kind,
        driver=entry.driver,
        protocol=entry.protocol,
        links=tuple(entry.links),
        unit=entry.unit,
        reply_unit_offset=entry.reply_unit_offset,
        line=Line(
            gap_ns=round(entry.line.gap_ms * 1e6),
            turnaround_ns=round(entry.line.turnaround_ms * 1e6),
            reply_timeout_ns=round(entry.line.reply_timeout_ms * 1e6),
            baudrate=entry.line.baudrate,
            exchanges=entry.line.exchanges,
        ),
        capabilities=Capabilities(**entry.capabilities.model_dump()),
        confirmed=Confirmed(entry.confirmed.frames, entry.confirmed.peers),
        emulated_pack=entry.emulated_pack,
        addressing=entry.addressing,
        max_registers=entry.max_registers,
        stale_after_ns=round(entry.stale_after_s * 1e9),
        verified_on_hardware=entry.verified_on_hardware,
        sources=tuple(entry.sources),
        fields=MappingProxyType(fields),
        blocks=tuple(
            Block(name, item.address, item.count, item.function, item.group, item.write_function, item.unsure)
            for name, item in entry.blocks.items()
        ),
        coils=MappingProxyType(dict(entry.coils)),
        options=MappingProxyType(dict(entry.options)),
        golden=tuple(_golden(item) for item in entry.golden),
    )
    if problems := [*_contradictions(device, document), *open_questions(device, document)]:
        raise InputError(sort_problems(problems))
    return replace(device, capabilities=derived(device))


def _field(name: str, item: _FieldEntry, word_order: WordOrder) -> Field:
    low, high = item.range if item.range is not None else (None, None)
    return Field(
        name=name,
        address=item.address,
        type=item.type,
        count=item.count,
        word_order=item.word_order or word_order,
        byte=item.byte,
        scale=item.scale,
        offset=item.offset,
        full_scale_of=item.full_scale_of,
        full_scale_raw=item.full_scale_raw,
        raw_max=item.raw_max,
        unit=item.unit,
        low=low,
        high=high,
        access=item.access,
        sentinels=tuple(item.sentinels),
        absent=tuple(item.absent),
        names=tuple(sorted((int(bit), name) for bit, name in item.bits.items())),
        unknown_bits=item.unknown_bits,
        states=tuple(sorted((int(raw), word) for raw, word in item.states.items())),
        quantity=item.quantity,
        count_from=item.count_from,
        mask_from=item.mask_from,
        unsure=item.unsure,
    )


def _golden(item: _GoldenEntry) -> Golden:
    return Golden(
        framing=item.framing,
        source=item.source,
        request=item.request,
        reply=item.reply,
        block=item.block,
        values=MappingProxyType(dict(item.values)),
        parameters=MappingProxyType(dict(item.parameters)),
        refused=item.refused,
    )


def _wrong_fields(entry: _DeviceFile, document: Document) -> list[Problem]:
    """What one field says against itself."""
    found: list[Problem] = []
    for name, item in entry.fields.items():
        if item.scale == 0:
            found.append(document.problem("", ("fields", name, "scale"), "0", "any other number"))
        found += _wrong_states(name, item, document)
        top = {"bits16": 15, "bits32": 31}.get(item.type, -1)
        path: Path = ("fields", name, "bits")
        if bool(item.bits) != (top >= 0):
            what = f"{len(item.bits)} names on a {item.type}"
            found.append(document.problem("", path, what, "names on bits16 or bits32"))
        found += [
            document.problem("", (*path, bit), repr(bit), f"a bit number, 0 to {top}", key=True)
            for bit in item.bits
            if top >= 0 and not (bit.isascii() and bit.isdigit() and int(bit) <= top)
        ]
    return found


def _wrong_states(name: str, item: _FieldEntry, document: Document) -> list[Problem]:
    top = {"u8": 0xFF, "u16": 0xFFFF}.get(item.type, -1)
    path: Path = ("fields", name, "states")
    if item.states and (top < 0 or item.count > 1):
        return [document.problem("", path, f"names on {item.count} of {item.type}", "names on one u8 or u16")]
    found = [
        document.problem("", (*path, raw), repr(raw), f"a raw value, 0 to {top}", key=True)
        for raw in item.states
        if not (raw.isascii() and raw.isdigit() and int(raw) <= top)
    ]
    if len(set(item.states.values())) < len(item.states):
        found.append(document.problem("", path, "a name twice", "a name for each raw value"))
    return found


def _contradictions(device: DeviceType, document: Document) -> list[Problem]:
    """What no single entry can see."""
    found: list[Problem] = []

    def wrong(path: Path, what: str, expected: str) -> None:
        found.append(document.problem("", path, what, expected))

    for block in device.blocks:
        here: Path = ("blocks", block.name)
        if block.count > device.max_registers:
            wrong((*here, "count"), str(block.count), f"at most max_registers, {device.max_registers}")
        if device.addressing == "byte_offset" and block.address % 2:
            wrong((*here, "address"), str(block.address), "an even number: this device counts bytes")
    lengths: dict[int, str] = {}
    for block in device.group("poll"):
        if block.count in lengths:
            text = f"{block.count}, the same as {lengths[block.count]}"
            wrong(("blocks", block.name, "count"), text, "a length of its own: a stale reply shows by its length")
        lengths[block.count] = block.name
    for item in device.fields.values():
        place: Path = ("fields", item.name)
        for key, other in (("count_from", item.count_from), ("mask_from", item.mask_from)):
            if other is not None and other not in device.fields:
                wrong((*place, key), repr(other), "the name of a field")
        if item.count > 1 and item.type in ("u8", "bits16", "bits32"):
            wrong((*place, "count"), f"{item.count} of {item.type}", "no arrays of this type")
    return found + _protocol_problems(device, document) + _golden_problems(device, document)


def _protocol_problems(device: DeviceType, document: Document) -> list[Problem]:
    """Registers belong to Modbus, and links to protocols."""
    found: list[Problem] = []
    if (device.protocol == "modbus") is not bool(device.fields):
        what, expected = ("fields", "none without Modbus") if device.fields else ("nothing", "the registers")
        found.append(document.problem("", ("fields",), what, expected, key=True))
    for number, scheme in enumerate(device.links):
        if scheme not in _LINKS_OF.get(device.protocol, _SERIAL):
            expected = " or ".join(_LINKS_OF.get(device.protocol, _SERIAL))
            found.append(document.problem(f"not for {device.protocol}", ("links", number), scheme, expected))
    return found


_SERIAL: tuple[Scheme, ...] = ("serial", "pty")
_LINKS_OF: dict[Protocol, tuple[Scheme, ...]] = {
    "modbus": ("modbus+tcp", "rtu+tcp", "serial", "pty", "scpi+tcp"),
    "scpi": ("scpi+tcp", "serial", "pty"),
    "neware": ("xml+tcp",),
    "gbt27930": ("slcan",),
}
"""A device with registers may speak SCPI on a link of its own (EA)."""


def _golden_problems(device: DeviceType, document: Document) -> list[Problem]:
    found: list[Problem] = []

    def wrong(path: Path, what: str, expected: str) -> None:
        found.append(document.problem("", path, what, expected))

    names = {block.name for block in device.blocks}
    for number, golden in enumerate(device.golden):
        if (golden.framing is not None) is not (device.protocol == "modbus"):
            expected = "rtu or mbap" if golden.framing is None else f"none: {device.protocol} has one framing"
            found.append(document.problem("", ("golden", number, "framing"), str(golden.framing), expected, key=True))
        if device.protocol != "modbus":
            continue
        if golden.block is not None and golden.block not in names:
            wrong(("golden", number, "block"), repr(golden.block), "the name of a block")
        for name in golden.values:
            if name not in device.fields and name not in device.coils:
                wrong(("golden", number, "values", name), repr(name), "the name of a field or coil")
    return found
