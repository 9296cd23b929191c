"""What a run file says about itself, and its one canonical text.

Owns the description of a run that opens its hash chain. Must not hold anything that is only known
at the end: that goes into events. It exists so that nobody can change whose pack it was, or where
the record came from, without breaking every hash after it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from packbench.core.errors import InputError
from packbench.core.samples import Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One configuration file as it was used: name and full text, so that a run explains itself."""

    name: str
    text: str

    @property
    def sha256(self) -> str:
        """Hex digest of the UTF-8 text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunMeta:
    """Everything known when a run starts."""

    run_id: str
    provenance: Provenance
    serial: str
    profile: Source
    pack: Source
    bench: Source
    software_version: str
    started_at: datetime
    """Wall clock; must carry a zone, is stored in UTC."""
    origin_ns: int
    """Monotonic instant of the run's t_ns = 0."""
    seed: int | None = None
    operator: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """JSON values that need no column of their own (limits in force, devices, level)."""

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None:
            raise ValueError("started_at must carry a time zone")
        if self.seed is not None and not -(2**63) <= self.seed < 2**63:
            raise InputError(f"seed: found {self.seed}, expected a whole number of at most 64 bits with its sign")

    @property
    def started_text(self) -> str:
        """RFC 3339 in UTC, always with microseconds, so that equal instants have equal texts."""
        return self.started_at.astimezone(UTC).isoformat(timespec="microseconds")

    def canonical(self) -> bytes:
        """The bytes that open the chain."""
        return canonical_json(
            {
                "run_id": self.run_id,
                "provenance": str(self.provenance),
                "serial": self.serial,
                "profile": {"name": self.profile.name, "sha256": self.profile.sha256},
                "pack": {"name": self.pack.name, "sha256": self.pack.sha256},
                "bench": {"name": self.bench.name, "sha256": self.bench.sha256},
                "software_version": self.software_version,
                "started_at": self.started_text,
                "origin_ns": self.origin_ns,
                "seed": self.seed,
                "operator": self.operator,
                "extra": dict(self.extra),
            }
        ).encode()


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
canonical_json = _ENCODER.encode
"""JSON with sorted keys, no spaces, real characters and Python's shortest floats.

Raises ValueError for NaN and infinities, TypeError for what is not JSON. The text itself is
stored and hashed, so no reader has to reproduce it.
"""
