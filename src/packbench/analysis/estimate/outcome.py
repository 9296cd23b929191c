"""What an estimate says, whatever it was made from.

Owns the shape of `packbench estimate`'s JSON. An estimate has no verdict and releases nothing: its provenance is that
of the file it was made from, and `basis` says that it is an estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from packbench.core.result import Measured, Note


@dataclass(frozen=True, slots=True)
class Estimated:
    """A figure with its prediction interval; U is the wider half, k what multiplied the standard deviation."""

    measured: Measured
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        m = self.measured
        interval = [self.low, self.high]
        return {"value": m.value, "U": m.U, "k": m.k, "p": m.p, "unit": m.unit, "interval": interval}


@dataclass(frozen=True, slots=True)
class CellEstimate:
    """Of one cell, or of the pack as a whole."""

    name: str
    rows: tuple[int, ...]
    """Of the file, from 1; empty where it was not one row a test."""
    capacity_ah: Estimated | None
    soh: Estimated | None
    refusals: tuple[Note, ...] = ()
    """Why there is no figure."""
    unlike: tuple[Note, ...] = ()
    """In what the cell differs from the rest of its file."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "rows": list(self.rows),
            "capacity_ah": None if self.capacity_ah is None else self.capacity_ah.as_dict(),
            "soh": None if self.soh is None else self.soh.as_dict(),
            "refusals": [note_dict(note) for note in self.refusals],
            "unlike": [note_dict(note) for note in self.unlike],
        }


@dataclass(frozen=True, slots=True)
class Estimate:
    """Everything `packbench estimate FILE` says."""

    kind: str
    """pulses, window or session."""
    method: str
    file: str
    sha256: str
    provenance: str
    model: dict[str, Any]
    """Name, data with hash and licence, how good it was on cells left out."""
    cells: tuple[CellEstimate, ...]
    pack: CellEstimate | None = None
    notes: tuple[Note, ...] = ()
    details: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def refused(self) -> bool:
        """Whether there is no figure at all."""
        asked = (*self.cells, *(() if self.pack is None else (self.pack,)))
        return all(one.capacity_ah is None for one in asked)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": self.kind,
            "basis": "estimate",
            "method": self.method,
            "provenance": self.provenance,
            "file": self.file,
            "sha256": self.sha256,
            "refused": self.refused,
            "pack": None if self.pack is None else self.pack.as_dict(),
            "cells": [cell.as_dict() for cell in self.cells],
            "model": self.model,
            "notes": [note_dict(note) for note in self.notes],
            "details": self.details,
        }


def estimated(value: float, low: float, high: float, sd: float, p: float, unit: str) -> Estimated:
    """A figure from its interval and the standard deviation behind it."""
    half = max(high - value, value - low)
    return Estimated(Measured(value, half, half / sd if sd > 0.0 else None, p, unit), low, high)


def note_dict(note: Note) -> dict[str, str]:
    """For JSON."""
    return {"key": note.key, "text_en": note.text_en, "text_zh": note.text_zh}
