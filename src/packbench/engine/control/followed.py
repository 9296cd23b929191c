"""A current that follows what the pack's terminals show: when it is sent anew, and how far ahead.

Owns the commands of constant power and constant resistance. A cycler is told a current; it is sent when it has moved,
so that hours of slowly falling voltage are some hundred commands. What is sent is ahead of what is wanted by as much
as it may fall behind before the next command: a current that only followed would be too small all through a discharge
at constant power, and the step too long. At the cycler's clamp nothing is sent: no more would flow.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from packbench.core.samples import Snapshot
from packbench.engine.control.clamp import at_clamp
from packbench.engine.control.source import ARRIVED_NS, Source
from packbench.engine.control.taper import Taper
from packbench.engine.effects import Drive

CHANGE = 0.0005
"""Relative change of a current from one command to the next; a twentieth of GB 38031-2025 6.3's +-1 % [S]."""


@dataclass(frozen=True, slots=True)
class Followed:
    """Where a followed current stands."""

    source: Source
    read_ns: int
    """Of the newest reading of the cycler."""
    commanded_ns: int
    """Of the command in force."""
    heading: int = 0
    """Which way the current was going when it was last sent anew: 1, -1; 0: it has been sent once."""
    clamped: bool = False
    """The cycler holds its voltage instead."""
    taper: Taper | None = None


def source_at(snapshot: Snapshot) -> Source:
    """What the newest reading says of the pack."""
    cycler = snapshot.cycler
    return Source(snapshot.pack_voltage_v, 0.0 if cycler is None else cycler.current_a)


def looked(followed: Followed, drive: Drive, snapshot: Snapshot) -> Followed:
    """After a moment: the same object when the cycler has said nothing new."""
    cycler = snapshot.cycler
    if cycler is None or cycler.t_ns <= followed.read_ns:
        return followed
    since_ns, source = cycler.t_ns - followed.commanded_ns, followed.source
    if source.arrived(cycler.current_a, drive.current_a, since_ns):
        source = source.learnt(snapshot.pack_voltage_v, cycler.current_a)
    clamped = at_clamp(drive, snapshot) and (followed.clamped or since_ns >= ARRIVED_NS)
    return replace(followed, source=source, read_ns=cycler.t_ns, clamped=clamped)


def sent(followed: Followed, drive: Drive, wanted_a: float) -> tuple[float, int] | None:
    """The current to be commanded and its heading, when what is wanted has moved enough; None: it has not."""
    half_a = 0.5 * CHANGE * abs(drive.current_a)
    behind_a = wanted_a - drive.current_a
    # The way back is longer: noise about a command that is ahead must not turn it round.
    back_a = half_a if followed.heading == 0 else 3.0 * half_a
    if followed.clamped or -back_a <= behind_a * (followed.heading or 1) <= half_a:
        return None
    heading = 1 if behind_a > 0.0 else -1
    return wanted_a + heading * half_a, heading
