"""The few protocols that every device comes out as: an operator's profile never knows the vendor.

Owns the seam between `run` and the devices. A driver does one exchange a call and raises a
DeviceError; it never retries, never sleeps for policy and never reads a clock (the port stamps
the reply's instant). Positive current charges the pack.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from packbench.core.samples import BmsSample, BoardSample, ChamberSample, CyclerSample, MeterSample, ProgramStatus
from packbench_board.words import BoardEvent


@dataclass(frozen=True, slots=True)
class Setpoint:
    """What the cycler is to do: a signed current and the voltage at which it may go no further.

    Charging (current_a > 0): `voltage_v` is the upper clamp (CV). Discharging: the lower clamp.
    `voltage_v` is at the cycler's own terminals.
    """

    current_a: float
    voltage_v: float


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answered."""

    model: str
    serial: str
    firmware: str


class Cycler(Protocol):
    """A bidirectional cycler."""

    async def identify(self) -> Identity:
        """Ask who it is; also fetches what scaling the driver needs (ratings)."""
        ...

    async def prepare(self) -> None:
        """Take remote control, output off, device protections set from the bench's ratings."""
        ...

    async def read(self) -> CyclerSample:
        """One reading."""
        ...

    async def apply(self, setpoint: Setpoint) -> None:
        """Write absolute set-points, read back, then output on. Raises BadReply when it differs."""
        ...

    async def off(self) -> None:
        """Output off, ahead of anything queued on the bus. Idempotent."""
        ...

    async def release(self) -> None:
        """Output off and give remote control back."""
        ...


class Bms(Protocol):
    """A battery management system."""

    async def identify(self) -> Identity:
        """Ask who it is."""
        ...

    async def read(self) -> BmsSample:
        """One reading of all cells, temperatures and states."""
        ...


class Chamber(Protocol):
    """A climate chamber."""

    async def identify(self) -> Identity:
        """Ask who it is."""
        ...

    async def read(self) -> ChamberSample:
        """One reading."""
        ...

    async def hold(self, temperature_c: float) -> None:
        """Write the set-point, read it back, and run. Raises BadReply when it differs."""
        ...

    async def stop(self) -> None:
        """Stop conditioning. Idempotent."""
        ...


class Meter(Protocol):
    """An instrument that is only read."""

    quantities: frozenset[str]
    """What it measures, named with its unit: the values that a reading of it may have."""

    async def identify(self) -> Identity:
        """Ask who it is."""
        ...

    async def read(self) -> MeterSample:
        """One reading."""
        ...


ProgramT = TypeVar("ProgramT", contravariant=True)


class ProgramRow(NamedTuple):
    """One record that a programmed cycler made by itself."""

    number: int
    """Counts from 1 over the whole test."""
    step: int
    """Counts from 1."""
    cycle: int
    """Counts from 1."""
    kind: str
    """The step's kind in the words of a profile: "rest", "cc_charge", ..."""
    step_time_s: float
    voltage_v: float
    current_a: float
    step_ah: float
    """Signed as the current."""
    step_wh: float


class ProgrammedCycler(Protocol[ProgramT]):
    """A cycler that runs whole step programs by itself: it is supervised, not stepped."""

    async def identify(self) -> Identity:
        """Ask who it is."""
        ...

    async def prepare(self) -> None:
        """Stop whatever runs, and acknowledge what stopped it."""
        ...

    async def upload(self, program: ProgramT) -> None:
        """Hand over the program that `start` will run."""
        ...

    async def start(self) -> None:
        """Run the uploaded program from its first step."""
        ...

    async def stop(self) -> None:
        """Stop, ahead of anything queued on the bus. Idempotent."""
        ...

    async def status(self) -> ProgramStatus:
        """What it is doing."""
        ...

    async def read(self) -> CyclerSample:
        """One reading, with the state of the program at its moment."""
        ...

    async def rows(self, after: int) -> tuple[ProgramRow, ...]:
        """Records with a number greater than `after`; as many as one answer carries."""
        ...


class Board(Protocol):
    """The interlock board that holds the contactor (firmware_bridge)."""

    async def identify(self) -> Identity:
        """HELLO: protocol hash, firmware hash, configuration CRC. Raises BadReply on a mismatch."""
        ...

    async def arm(self, token: int) -> None:
        """Arm with an operator's token and start the lease."""
        ...

    async def close(self) -> None:
        """Begin the board's arm sequence; its status tells how far it is, and why it was refused."""
        ...

    async def prove(self) -> None:
        """The next end of the lease opens without a latch: a proof test. The next heartbeat takes it back."""
        ...

    async def announce(self, current_a: float) -> None:
        """Announce the pulse that is to show the sign of the current; positive charges."""
        ...

    async def open(self) -> None:
        """Ask the board to open the contactor. Idempotent."""
        ...

    async def trip(self, code: int) -> None:
        """Tell the board to trip and latch."""
        ...

    async def log(self) -> tuple[BoardEvent, ...]:
        """What the board remembers and was not fetched before, oldest first."""
        ...

    async def heartbeat(self) -> BoardSample:
        """Renew the lease; the reply is the board's status."""
        ...

    async def read(self) -> BoardSample:
        """The board's status without renewing anything."""
        ...
