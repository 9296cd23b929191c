"""What the simulated devices of the YD/T 1363 line (Pylontech, Seplos V2, PACE) have in common.

Owns which frames are heard, what a device answers to one that is damaged, in another version or unknown, and the few
numbers that every dialect makes of a reading. Silent to other addresses, and to what other devices on the wire say.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Final

from packbench.core.errors import InputError, Problem
from packbench.wire.ydt1363.frames import (
    ASK_VERSION,
    BAD_COMMAND,
    BAD_DEVICE,
    BAD_VERSION,
    LIFEPO4,
    RETURN_CODES,
    BrokenRequest,
    Dialect,
    YdtRequest,
    reply_frame,
    take_request,
)
from packbench.wire.ydt1363.info import MAX_CELLS
from packbench_sim.devices.framed import FramedDevice
from packbench_sim.parts import BmsReading
from packbench_sim.playing import Silent

Handler = Callable[[int, YdtRequest], bytes]
"""(instant, request) to INFO of its answer; raises Refused."""


class Refused(Exception):
    """The device answers with this return code."""

    def __init__(self, code: int) -> None:
        super().__init__(RETURN_CODES[code])
        self.code = code


class YdtDevice(FramedDevice[YdtRequest | BrokenRequest]):
    """Base of the three.

    Args:
        dialect: Whose VER and commands.
        addresses: What it hears.
        lenient_length: Whether a LENGTH of five digits is taken (see `ydt1363.take_apart`) or refused with RTN 03.
        silent: See FramedDevice.
    """

    def __init__(
        self,
        dialect: Dialect,
        addresses: frozenset[int],
        *,
        lenient_length: bool = False,
        silent: Silent | None = None,
    ) -> None:
        super().__init__(silent=silent)
        self._dialect = dialect
        self._addresses = addresses
        self._lenient_length = lenient_length
        self._handlers: Mapping[int, Handler] = self.handlers()

    @abstractmethod
    def handlers(self) -> dict[int, Handler]:
        """By CID2."""

    def take(self, buffer: bytearray) -> YdtRequest | BrokenRequest | None:
        return take_request(buffer, lenient_length=self._lenient_length)

    def answer(self, t_ns: int, request: YdtRequest | BrokenRequest) -> bytes:
        if request.address not in self._addresses:
            return b""
        version = self._dialect.version
        if isinstance(request, BrokenRequest):
            return reply_frame(version, request.address, code=request.fault)
        handler = self._handlers.get(request.command)
        if handler is None and request.command in RETURN_CODES:
            # What another device at this address says: a reply has its return code where a request has CID2.
            return b""
        try:
            info = self._handled(t_ns, request, handler)
        except Refused as exc:
            return reply_frame(version, request.address, code=exc.code)
        return reply_frame(version, request.address, info)

    def _handled(self, t_ns: int, request: YdtRequest, handler: Handler | None) -> bytes:
        if request.device != LIFEPO4:
            raise Refused(BAD_DEVICE)
        if request.version != self._dialect.version and request.command != ASK_VERSION:
            raise Refused(BAD_VERSION)
        if handler is None:
            raise Refused(BAD_COMMAND)
        return handler(t_ns, request)


def nothing(_t_ns: int, _request: YdtRequest) -> bytes:
    """An empty INFO: what 4F is answered with."""
    return b""


def held(value: float, high: float, low: float = 0.0) -> float:
    """A value within what its field can hold."""
    return min(max(value, low), high)


UNSIGNED_MAX: Final = 0xFFFF


def with_own(
    sensors_c: tuple[float, ...], usual: int, before: tuple[float, ...] = (), behind: tuple[float, ...] = ()
) -> tuple[float, ...]:
    """Temperatures as a reply lists them: those of cells between the board's own.

    Clients count on as many as the device usually has, so a pack with fewer sensors shows each in several places. As
    many as usual are taken for the whole list, so that a captured one can be stated.
    """
    if len(sensors_c) == usual or not sensors_c:
        return sensors_c
    places = max(usual - len(before) - len(behind), len(sensors_c))
    return (*before, *(sensors_c[place * len(sensors_c) // places] for place in range(places)), *behind)


def require_pack(name: str, reading: BmsReading, high_v: float) -> None:
    """Raises InputError for a pack of more cells or volts than the protocol can hold."""
    cells = reading.cell_voltages_v.size
    if reading.voltage_v > high_v or cells > MAX_CELLS:
        found, expected = f"{cells} cells, {reading.voltage_v:.1f} V", f"at most {MAX_CELLS} cells and {high_v:g} V"
        raise InputError(Problem(f"{name}: too large a pack", field="--pack", found=found, expected=expected))


def require_alarms(name: str, reading: BmsReading, known: frozenset[str]) -> None:
    """Raises InputError for a stated alarm that the protocol has no bit for."""
    for alarm in reading.alarms:
        if alarm not in known:
            raise InputError(Problem(name, field="--set alarms", found=alarm, expected=", ".join(sorted(known))))
