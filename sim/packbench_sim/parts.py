"""What the simulated parts show each other: the seam between physics and wires.

Owns the few methods through which a wire device (bytes) or a direct driver (no bytes) touches the
plant, so that both levels see exactly the same physics and the same instrument errors.
SI units; positive current charges the pack; every call names its instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from packbench.core.samples import FloatArray


@dataclass(frozen=True, slots=True)
class CyclerReading:
    """What the cycler's own meters show (with their errors)."""

    voltage_v: float
    current_a: float
    output_on: bool
    regulation: str
    """"cc", "cv" or "off"."""


class CyclerPart(Protocol):
    """A bidirectional source: holds `voltage_v` while the current stays within both bounds."""

    rated_voltage_v: float
    rated_current_a: float
    rated_power_w: float

    def command(
        self,
        t_ns: int,
        *,
        output_on: bool,
        voltage_v: float,
        source_current_a: float,
        sink_current_a: float,
    ) -> None:
        """Absolute set-points; both currents are magnitudes. Takes effect with the model's ramp."""
        ...

    def reading(self, t_ns: int, *, given: bool = True) -> CyclerReading:
        """Meter reading at t_ns; `given`: the reply that follows shows it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class BmsReading:
    """What the BMS has measured (noise, quantisation and errors included)."""

    cell_voltages_v: FloatArray
    voltage_v: float
    current_a: float
    temperatures_c: FloatArray
    soc: float
    soh: float
    cycles: int
    alarms: tuple[str, ...]
    charge_limit_a: float
    discharge_limit_a: float
    balancing: bool


class BmsPart(Protocol):
    """The pack's BMS, measurement side."""

    def reading(self, t_ns: int) -> BmsReading:
        """The newest measurement at t_ns."""
        ...


class ContactorPart(Protocol):
    """The contactor between cycler and pack, as the board drives and senses it."""

    def drive(self, t_ns: int, *, closed: bool) -> None:
        """Coil on or off; the contact follows after its release or pull-in time."""
        ...

    def is_closed(self, t_ns: int) -> bool:
        """The auxiliary contact."""
        ...

    def measure(self, t_ns: int) -> tuple[float, float, float]:
        """(pack-side voltage V, cycler-side voltage V, current A) as the board's own sensors see them."""
        ...


class WireDevice(Protocol):
    """A device on a byte stream: bytes in, bytes out, at an instant. Backed by the parts above."""

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        """Feed received bytes; returns what is to be sent (b"" for silence)."""
        ...

    def tick(self, t_ns: int) -> int | None:
        """Let time pass (leases, watchdogs); returns when it wants to be called again, or None."""
        ...


@runtime_checkable
class TalkingDevice(WireDevice, Protocol):
    """A device that also speaks by itself: periodic messages, replies that take their time."""

    def take_output(self) -> bytes:
        """What it has said since the last call; asked for after every `tick` and `on_bytes`."""
        ...


@runtime_checkable
class SessionDevice(WireDevice, Protocol):
    """A device that keeps its clients apart: each connection has its own framing and its own idle time."""

    idle_close_ns: int
    """It hangs up on a client that says nothing for this long; 0: never."""

    def session(self) -> WireDevice:
        """The face that one new connection talks to; `tick` stays the device's own."""
        ...
