"""What is regrouped: modules or cells by what was measured of them, and the shape of the packs that are wanted.

Owns these values and the packs' charges. Pure. Members in parallel add their charge, groups in series all carry the
same, so the smallest group ends the pack's discharge; what energy that is, `energy` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from packbench.core.samples import FloatArray


@dataclass(frozen=True, slots=True)
class Member:
    """One module or cell. None: not measured."""

    id: str
    capacity_ah: float
    dcir_ohm: float | None = None
    ocv_v: float | None = None
    soh: float | None = None
    voltage_v: float | None = None
    """Mean voltage of its discharge, at hardly any current or at a stated one."""
    capacity_u_ah: float | None = None
    """Expanded uncertainty of the capacity (k = 2)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many packs, of how many groups in series, of how many members in parallel."""

    packs: int
    series: int
    parallel: int

    @property
    def per_pack(self) -> int:
        """Members of one pack."""
        return self.series * self.parallel

    @property
    def needed(self) -> int:
        """Members of all packs."""
        return self.packs * self.per_pack


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Members as columns, in the order of the file. NaN: not measured."""

    members: tuple[Member, ...]
    capacity_ah: FloatArray
    dcir_ohm: FloatArray
    ocv_v: FloatArray
    soh: FloatArray
    voltage_v: FloatArray

    @classmethod
    def of(cls, members: Sequence[Member]) -> Table:
        """Columns of these members."""

        def column(name: str) -> FloatArray:
            values = [getattr(member, name) for member in members]
            return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

        names = ("capacity_ah", "dcir_ohm", "ocv_v", "soh", "voltage_v")
        return cls(tuple(members), *(column(name) for name in names))

    def __len__(self) -> int:
        return len(self.members)


Pack = tuple[tuple[int, ...], ...]
"""Its groups, of each its members' places in the table."""
Packs = tuple[Pack, ...]


def group_ah(table: Table, packs: Packs) -> list[FloatArray]:
    """Charge of each group, pack by pack."""
    return [np.array([table.capacity_ah[list(group)].sum() for group in pack]) for pack in packs]


def usable_ah(table: Table, packs: Packs) -> FloatArray:
    """Charge of each pack: its smallest group's."""
    return np.array([groups.min() for groups in group_ah(table, packs)])


def spread_ah(table: Table, packs: Packs) -> FloatArray:
    """Largest less smallest group of each pack."""
    return np.array([np.ptp(groups) for groups in group_ah(table, packs)])
