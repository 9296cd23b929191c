"""Where a value of a passport comes from: who states it, of which day, by which method, how sure.

Owns this shape, which `about.json` and the credential carry for every field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from packbench.core.measured import Measured


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from."""

    originator: str
    date: str
    method: str
    uncertainty: str | Mapping[str, Any] | None = None
    reference: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON; absent parts absent."""
        parts = {name: getattr(self, name) for name in ("originator", "date", "method", "uncertainty", "reference")}
        return {name: value for name, value in parts.items() if value is not None}


def stated_u(figure: Measured) -> dict[str, Any]:
    """A figure's uncertainty as an origin states it."""
    return {part: getattr(figure, part) for part in ("U", "k", "p", "unit")}


def text_of_u(figure: Measured) -> str | None:
    """The same in words; None: nobody knows it."""
    if figure.U is None or figure.k is None:
        return None
    return f"U = {figure.U:.4g} {figure.unit} (k = {figure.k:.3g}, p = {figure.p:g})"
