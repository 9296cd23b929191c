"""An interlock board looked at and reset by a person, outside a run.

Owns that conversation. It never configures, arms or closes: a run does. Resetting leaves the latch of a trip, and is
the board's to allow: its key must have been turned, and a person named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from packbench.clock import MonotonicClock
from packbench.drivers.protocols import Identity
from packbench.run.port import Port
from packbench.transport.link import Timing
from packbench.transport.open import open_transport, parse_url
from packbench_board.client import BoardClient
from packbench_board.codec import RETRIES, BoardCodec, repeatable
from packbench_board.frames import FIRMWARE_HASH, PROTOCOL_HASH
from packbench_board.settings import BoardSettings
from packbench_board.words import PHASES, REFUSALS, STATES, TRIPS, set_bits

REPLY_NS = 500_000_000
Value = TypeVar("Value")
_Board = BoardClient[Identity]
_UNUSED = BoardSettings(voltage_max_v=1.0, voltage_min_v=0.5, charge_current_max_a=1.0, discharge_current_max_a=1.0)
"""No configuration is sent from here."""


def _with_board(url: str, use: Callable[[_Board], Awaitable[Value]]) -> Value:
    async def run() -> Value:
        where = parse_url(url)
        port = Port(await open_transport(where), MonotonicClock(), local_echo=where.local_echo)
        try:
            link = port.link(BoardCodec(), Timing(REPLY_NS), retries=RETRIES, repeatable=repeatable)
            return await use(BoardClient(link, _UNUSED, Identity))
        finally:
            port.close()
            await asyncio.sleep(0)

    return asyncio.run(run())


async def _shown(board: _Board) -> dict[str, Any]:
    hello = await board.greet()
    await board.read()
    status, moment = board.last_status, await board.snapshot()
    assert status is not None
    events = await board.log()
    return {
        "ok": True,
        "firmware": f"{hello.firmware_hash:08x}",
        "matches": (hello.protocol_hash, hello.firmware_hash) == (PROTOCOL_HASH, FIRMWARE_HASH),
        "state": STATES[status.state],
        "phase": PHASES.get(status.phase, ""),
        "trip": TRIPS.get(status.trip_code, f"code_{status.trip_code}"),
        "refused": REFUSALS.get(status.refused, ""),
        "inputs": list(set_bits("inputs", status.inputs)),
        "outputs": list(set_bits("outputs", status.outputs)),
        "pack_v": status.pack_mv / 1000.0,
        "cycler_v": status.cycler_mv / 1000.0,
        "current_a": status.current_ma / 1000.0,
        "hottest_c": None if status.hottest_dc == -0x8000 else status.hottest_dc / 10.0,
        "uptime_s": status.uptime_us / 1e6,
        "snapshot": None if moment is None else moment._asdict(),
        "events": [event._asdict() for event in events],
    }


def show(url: str) -> dict[str, Any]:
    """What the board is, sees and remembers. Raises InputError, DeviceError."""
    return _with_board(url, _shown)


def reset(url: str, operator: str) -> dict[str, Any]:
    """Leave the latch in an operator's name; what the board is afterwards. Raises InputError, DeviceError."""

    async def use(board: _Board) -> dict[str, Any]:
        await board.reset(operator)
        return await _shown(board)

    return _with_board(url, use)
