"""A measured figure with its uncertainty, and the lines of its budget (GUM).

Owns the shape alone: every figure of a result is one of these.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contribution:
    """One line of an uncertainty budget (GUM 8)."""

    name: str
    """A stable key, e.g. "current_gain"; texts are in report/texts."""
    standard_u: float
    """Contribution to the standard uncertainty of the result, in the result's unit."""
    dof: float | None
    """Degrees of freedom; None: infinite (type B)."""
    correlated: bool
    """True: the same over the repeats of a run, so averaging does not reduce it."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A figure with its expanded uncertainty: U = k u_c, coverage probability p.

    U and k are None when nobody stated the accuracy of the instruments (a foreign file): a figure
    without a known uncertainty says so, it is never given an invented one.
    """

    value: float
    U: float | None  # the symbol of GUM 6.2.1
    k: float | None
    p: float
    unit: str
    budget: tuple[Contribution, ...] = ()
