"""Set-points in registers: absolute values in one write, believed only when they are read back.

Owns what every cycler or chamber with registers does the same way: refusing what the device cannot be told, waiting
for a write to show, and finding out that the device on the line is another one than the bench file says; and, for
every cycler, that an output is only believed to be on or off when the device shows it. Must not retry, and sends
nothing that its caller did not ask for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from packbench.core.errors import BadReply, DeviceRefused, InputError, Problem
from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import Block, DeviceType
from packbench.transport.link import Link, Reply
from packbench.wire.modbus import ModbusRequest, read_registers, write_register, write_registers

RATINGS: Final = ("rated_voltage_v", "rated_current_a", "rated_power_w")
READ_BACK_MS: Final = 300
"""How long a write may take to show, where the map's option `read_back_ms` does not say."""
_READ_BACKS_MAX: Final = 1000
"""Time ends the reading back; this only bounds it where no time passes."""


def encode_values(device: DeviceType, layout: Layout, values: Mapping[str, float]) -> bytes:
    """The registers that say `values`, to the resolution they have.

    Raises DeviceRefused for one that the device cannot be told.
    """
    counts: dict[str, float] = {}
    for name, value in values.items():
        item = device.fields[name]
        if item.low is not None and item.high is not None and not item.low <= value <= item.high:
            span = f"{item.low:g} to {item.high:g} {item.unit}"
            raise DeviceRefused(f"{device.title}: {name}: {value:g} is not within {span}")
        counts[name] = round(value) if item.is_integer else value
    try:
        return layout.encode(counts)
    except ValueError as exc:
        raise DeviceRefused(f"{device.title}: {exc}") from exc


async def read_back(
    device: DeviceType,
    link: Link[ModbusRequest, bytes],
    request: ModbusRequest,
    payload: bytes,
    within_ns: int,
    written: Reply[bytes] | None = None,
) -> None:
    """Ask until the registers show what was written, within the time allowed. Raises BadReply.

    `written` is the write's reply: the time counts from it, or else from the first reading.
    """
    started_ns = written.t_ns if written is not None else None
    shown = b""
    for _ in range(_READ_BACKS_MAX):
        reply = await link.exchange(request)
        shown = reply.value
        if shown == payload:
            return
        started_ns = reply.t_ns if started_ns is None else started_ns
        if reply.t_ns - started_ns > within_ns:
            break
    raise BadReply(f"{device.title}: wrote {payload.hex()} to {request.address}, read back {shown.hex()}")


async def see_output(
    title: str, look: Callable[[], Awaitable[Reply[bool]]], *, on: bool, sent_ns: int, within_ns: int
) -> None:
    """Look until the device shows its output as it was switched, within the time allowed. Raises BadReply.

    An echo means "accepted": only what the device shows says that it was done.
    """
    for _ in range(_READ_BACKS_MAX):
        shown = await look()
        if shown.value is on:
            return
        if shown.t_ns - sent_ns > within_ns:
            break
    told, said = ("on", "off") if on else ("off", "on")
    raise BadReply(f"{title}: the output was switched {told}, but the state says it is {said}")


def check_ratings(found: Mapping[str, float], stated: Mapping[str, Any]) -> None:
    """Raises InputError when the bench file states other ratings than the device has (by more than 0.1 %)."""
    problems = [
        Problem(
            "the device on this line is not the one the bench file describes",
            field=name,
            found=f"{value:g}",
            expected=f"{float(stated[name]):g}",
        )
        for name, value in found.items()
        if name in stated and abs(value - float(stated[name])) > 1e-3 * value
    ]
    if problems:
        raise InputError(problems)


class SetBlock:
    """One block of registers that is written whole, and read back.

    Args:
        device: The map.
        link: The bus.
        unit: Unit number on that bus.
        block: Function 3 reads it; `write_function` 16, or 6 where it is one register.
        parameters: Ratings that its scales refer to.
        within_ns: How long a write may take to show.
    """

    def __init__(
        self,
        device: DeviceType,
        link: Link[ModbusRequest, bytes],
        unit: int,
        block: Block,
        parameters: Mapping[str, float],
        within_ns: int,
    ) -> None:
        self._device = device
        self._link = link
        self._unit = unit
        self._block = block
        self._layout = compile_block(device, block, dict(parameters))
        self._request = read_registers(unit, block.address, block.count)
        self._within_ns = within_ns

    async def write(self, values: Mapping[str, float]) -> None:
        """Write every field of the block. Raises DeviceRefused, or BadReply when it does not show in time."""
        payload = encode_values(self._device, self._layout, values)
        if self._block.write_function == 6:
            request = write_register(self._unit, self._block.address, int.from_bytes(payload, "big"))
        else:
            request = write_registers(self._unit, self._block.address, payload)
        written = await self._link.exchange(request)
        await read_back(self._device, self._link, self._request, payload, self._within_ns, written)


def read_back_ns(settings: Mapping[str, Any]) -> int:
    """How long a write may take to show, from the setting `read_back_ms`. Raises InputError when it is no number."""
    value = settings.get("read_back_ms", READ_BACK_MS)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise InputError(Problem("", field="read_back_ms", found=repr(value), expected="milliseconds, 0 or more"))
    return round(value * 1e6)
