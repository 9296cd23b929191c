"""The devices of one bench, as a run holds them: connected, each by its protocol.

Owns nothing but their names. It exists so that whoever makes them (app/, the simulator) and whoever asks them (run/)
need not know each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from packbench.core.samples import CyclerSample
from packbench.drivers.protocols import Bms, Board, Chamber, Meter
from packbench.run.driving import Driving
from packbench.run.supervised import SupervisedBoard


@dataclass(frozen=True, slots=True)
class Devices:
    """The bench's devices, already connected."""

    cycler: Driving
    bms: Bms
    board: Board | SupervisedBoard
    """Its driver, which is then supervised in this loop, or the supervisor that holds it."""
    told: Callable[[CyclerSample], None] | None = None
    """Who else hears each reading of the cycler: a BMS on a charging bus is told what its charger gives."""
    chamber: Chamber | None = None
    meter: Meter | None = None
