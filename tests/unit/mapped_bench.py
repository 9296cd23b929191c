"""The maps of a cycler, a chamber and an insulation tester, and a note of what was done in which order."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from tests.unit.wire_parts import device_map

MS = 1_000_000
S = 1_000_000_000
CYCLER, CHAMBER, INSULATION = (device_map(f"modbus-{name}") for name in ("cycler", "chamber", "insulation"))


async def noted(done: list[str], name: str, doing: Awaitable[Any]) -> None:
    await doing
    done.append(name)
