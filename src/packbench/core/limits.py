"""Limits and how the layers merge: always the tightest, and never without an owner.

Owns LimitSet and the merge. Must not decide what to do about a violation (that is `safety`).
It exists because a limit that nobody stated must refuse the run (invariant I9).
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from packbench.core.errors import InputError, Problem


@dataclass(frozen=True, slots=True)
class LimitSet:
    """What one layer (profile, pack, cycler, cable, board) allows. None: it does not say.

    Current limits are magnitudes in A; voltages in V; temperatures in degC; rate in K/min.
    """

    pack_voltage_max_v: float | None = None
    pack_voltage_min_v: float | None = None
    cell_voltage_max_v: float | None = None
    cell_voltage_min_v: float | None = None
    charge_current_max_a: float | None = None
    discharge_current_max_a: float | None = None
    temperature_max_c: float | None = None
    temperature_min_c: float | None = None
    temperature_rate_max_k_min: float | None = None
    cell_spread_max_v: float | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """The effective limits: all stated, each with the layer it came from."""

    pack_voltage_max_v: float
    pack_voltage_min_v: float
    cell_voltage_max_v: float
    cell_voltage_min_v: float
    charge_current_max_a: float
    discharge_current_max_a: float
    temperature_max_c: float
    temperature_min_c: float
    temperature_rate_max_k_min: float
    cell_spread_max_v: float
    origin: tuple[tuple[str, str], ...] = ()
    """(limit name, layer name) pairs, in field order."""


LIMIT_NAMES: tuple[str, ...] = tuple(field.name for field in fields(LimitSet))


def merge_limits(layers: dict[str, LimitSet]) -> Limits:
    """Merge layers to the tightest of each limit.

    Raises InputError that names every limit which no layer states.
    """
    values: dict[str, float] = {}
    origin: list[tuple[str, str]] = []
    missing: list[Problem] = []
    for name in LIMIT_NAMES:
        tightest = max if "_min_" in name else min
        stated = [(value, layer) for layer, limits in layers.items() if (value := getattr(limits, name)) is not None]
        if not stated:
            missing.append(
                Problem(
                    "a missing limit refuses the run",
                    field=name,
                    found="no layer states it",
                    expected=f"a value in one of: {', '.join(layers)}",
                )
            )
            continue
        value, layer = tightest(stated, key=lambda pair: pair[0])
        values[name] = value
        origin.append((name, layer))
    if missing:
        raise InputError(missing)
    return Limits(**values, origin=tuple(origin))


def looser_than(limits: Limits, others: Limits) -> tuple[str, ...]:
    """The names of those limits that allow more than the others do."""
    pairs = ((name, getattr(limits, name), getattr(others, name)) for name in LIMIT_NAMES)
    return tuple(name for name, value, other in pairs if (value < other if "_min_" in name else value > other))
