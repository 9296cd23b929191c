"""The hash chain over everything recorded: which bytes stand for a record, and how they link.

Owns the byte layout that hashes cover. Must not know of SQL, files or threads. It exists so that
a changed, missing, added or moved record is found, and named by its sequence number.

    genesis = sha256(canonical description of the run)
    hash_n  = sha256(hash_(n-1) || bytes of record n)

Events and samples share one numbering (seq, from 1) and one chain, in the order in which they
were recorded, whatever the batches in which they reached the disk: the same inputs give the same
chain. The chain shows damage and later edits; it does not prove who wrote the record (that takes
a signature over the head).

Cell voltages and temperatures are kept as float64: limits were judged on those very numbers, and
3.65 V is not the same number in float32, so a stored row would otherwise contradict the end
condition it triggered.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from packbench.core.records import Event, Row
from packbench.store.meta import RunMeta, canonical_json

NAN: Final = math.nan

_EVENT_HEAD = struct.Struct("<cqqH")
_ROW_HEAD = struct.Struct("<cqqiidddddqddHH")
_TEMPERATURES = {count: struct.Struct(f"<{count}d") for count in range(65)}

sha256 = hashlib.sha256


class EncodedEvent(NamedTuple):
    """An event whose data has been turned into its canonical text."""

    t_ns: int
    kind: str
    data: str
    utf8: bytes


class RowFields(NamedTuple):
    """A row as the samples table holds it (without seq and hash). None stands for "no number"."""

    t_ns: int
    step: int
    cycle: int
    voltage_v: float | None
    cycler_voltage_v: float | None
    current_a: float | None
    step_ah: float | None
    step_wh: float | None
    bms_t_ns: int
    bms_current_a: float | None
    soc: float | None
    cell_voltages: bytes
    temperatures: bytes


def genesis(meta: RunMeta) -> bytes:
    """The hash before the first record."""
    return sha256(meta.canonical()).digest()


def encode_event(event: Event) -> EncodedEvent:
    """Fix an event's data as text. Raises ValueError or TypeError when it is not plain JSON."""
    return encode_data(event.t_ns, event.kind, event.data)


def encode_data(t_ns: int, kind: str, data: Mapping[str, Any]) -> EncodedEvent:
    """Like `encode_event`, from the parts."""
    text = canonical_json(data)
    return EncodedEvent(t_ns, kind, text, text.encode())


def event_bytes(seq: int, event: EncodedEvent) -> bytes:
    """What the hash of an event covers."""
    kind = event.kind.encode()
    return _EVENT_HEAD.pack(b"e", seq, event.t_ns, len(kind)) + kind + event.utf8


def row_fields(row: Row) -> RowFields:
    """A row in the form that survives SQLite unchanged.

    SQLite has neither NaN (it becomes NULL) nor -0.0 (it becomes 0.0): both are settled here,
    before hashing, so that what is read back hashes the same.
    """
    voltage_v = row.voltage_v + 0.0  # -0.0 + 0.0 is 0.0
    cycler_voltage_v = row.cycler_voltage_v + 0.0
    current_a = row.current_a + 0.0
    step_ah = row.step_ah + 0.0
    step_wh = row.step_wh + 0.0
    temperatures = row.temperatures_c
    count = len(temperatures)
    layout = _TEMPERATURES[count] if count in _TEMPERATURES else struct.Struct(f"<{count}d")
    return RowFields(
        row.t_ns,
        row.step,
        row.cycle,
        voltage_v if voltage_v == voltage_v else None,  # noqa: PLR0124 - the quickest test for NaN
        cycler_voltage_v if cycler_voltage_v == cycler_voltage_v else None,  # noqa: PLR0124
        current_a if current_a == current_a else None,  # noqa: PLR0124
        step_ah if step_ah == step_ah else None,  # noqa: PLR0124
        step_wh if step_wh == step_wh else None,  # noqa: PLR0124
        row.bms_t_ns,
        _settled(row.bms_current_a),
        _settled(row.soc),
        row.cell_voltages_v.astype("<f8", copy=False).tobytes(),
        layout.pack(*temperatures),
    )


def row_bytes(seq: int, row: RowFields) -> bytes:
    """What the hash of a row covers."""
    t_ns, step, cycle, volt, cycler, amp, ah, wh, bms_t_ns, bms_amp, soc, cells, temperatures = row
    return (
        _ROW_HEAD.pack(
            b"s",
            seq,
            t_ns,
            step,
            cycle,
            NAN if volt is None else volt,
            NAN if cycler is None else cycler,
            NAN if amp is None else amp,
            NAN if ah is None else ah,
            NAN if wh is None else wh,
            bms_t_ns,
            NAN if bms_amp is None else bms_amp,
            NAN if soc is None else soc,
            len(cells) >> 3,
            len(temperatures) >> 3,
        )
        + cells
        + temperatures
    )


def link(head: bytes, record: bytes) -> bytes:
    """The next hash of the chain."""
    return sha256(head + record).digest()


def _settled(value: float | None) -> float | None:
    if value is None or value != value:  # noqa: PLR0124
        return None
    return value + 0.0
