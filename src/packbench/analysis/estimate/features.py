"""The 21 voltages of a pulse test as physical quantities.

Owns what U1 to U21 mean and the groups that a model scales together. Must not know a file or a model.

PulseBat's test: rest, then five pulses of one width with rests between, at 0.5, 0.5, 1, 1, 1.5 C, charge and
discharge in turn (Tao et al., Nature Communications 15, 10154 (2024)). U1 is the rest voltage; each pulse gives
four: just after its start, at its end, just after the current stopped, at the end of the rest that follows.
Found in the data: the step at the start is the same part of U3 - U1 at every rate, the parts below are per C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from packbench.core.samples import FloatArray

VOLTAGES = 21
RATES_C = (0.5, -0.5, 1.0, -1.0, 1.5)
"""Of the five pulses; positive charges."""
FLOOR_V = 1e-4
"""Smallest response that has a logarithm: the instruments' resolution."""
Kind = Literal["raw", "linear", "log"]


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """What a model sees, with the groups of columns that share one length."""

    values: FloatArray
    """shape (n, columns)."""
    groups: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Responses:
    """Of n tests; each (n, 5), one column a pulse, in V per C (of nominal capacity), positive for a resistance."""

    rest_v: FloatArray
    """shape (n,)."""
    instant: FloatArray
    """The step at the start."""
    polarisation: FloatArray
    """From there to the pulse's end."""
    release: FloatArray
    """The step when the current stops."""
    remaining: FloatArray
    """What the rest that follows has not taken back: slow diffusion, and the charge that the pulse moved."""


def responses(voltages: FloatArray) -> Responses:
    """From U1..U21, shape (n, 21)."""
    u = voltages
    parts: list[FloatArray] = []
    for pulse, rate in enumerate(RATES_C):
        first = 4 * pulse
        before, start, end, stopped, after = (u[:, first + offset] for offset in range(5))
        parts.append(np.column_stack([start - before, end - start, end - stopped, after - before]) / rate)
    table = np.stack(parts, axis=1)
    return Responses(u[:, 0], table[:, :, 0], table[:, :, 1], table[:, :, 2], table[:, :, 3])


def features(voltages: FloatArray, kind: Kind, counted_soc: FloatArray | None = None) -> Features:
    """A model's columns: rest voltage, then the responses by their kind (one group each), then the counted charge."""
    if kind == "raw":
        columns, groups = [voltages], [(0,), tuple(range(1, VOLTAGES))]
    else:
        seen = responses(voltages)
        each = [seen.instant, seen.polarisation, seen.release]
        if kind == "log":
            each = [np.log(np.maximum(part, FLOOR_V)) for part in each]
        columns = [seen.rest_v[:, None], *each, seen.remaining]
        groups = [(0,), *(tuple(range(1 + 5 * part, 6 + 5 * part)) for part in range(4))]
    if counted_soc is not None:
        groups.append((sum(column.shape[1] for column in columns),))
        columns.append(counted_soc[:, None])
    return Features(np.column_stack(columns), tuple(groups))
