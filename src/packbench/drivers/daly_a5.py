"""A Daly board that speaks the A5 protocol, as a BMS.

Owns the order of the questions and what of `core.samples` the answers are. How many frames an answer takes follows from
the board's own count of cells and sensors, so the board is identified before it is read. Must not retry: a sleeping
board, a lost frame or a late one is the port's business or its caller's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from packbench.core.errors import BadReply, InputError, Problem, ReplyTimeout
from packbench.core.samples import BmsSample, FloatArray, Quality, bms_sample
from packbench.drivers.daly_current import check_direction, higher_raw
from packbench.drivers.protocols import Identity
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import BOARDS_MAX, FRAMES_MAX, HOST_RS485, HOST_UART, Answer, DalyRequest, read
from packbench.wire.daly.a5_faults import decode_faults

_HOSTS: Final = {"rs485": HOST_RS485, "uart": HOST_UART}
_SENSOR_FRAMES_MAX: Final = 3
"""What python-daly-bms 0.5.0 waits for on UART, where boards send every frame."""
_LEAVABLE: Final = {
    "state": data.STATE,
    "temperatures": data.TEMPERATURES,
    "faults": data.FAULTS,
    "balancing": data.BALANCING,
}
_CELLS_MAX: Final = data.CELLS_A_FRAME * FRAMES_MAX
_SENSORS_MAX: Final = data.SENSORS_A_FRAME * FRAMES_MAX
_CELL_MAX_V: Final = 5.5
_SENSOR_RANGE_C: Final = (-40.0, 150.0)


class DalyA5:
    """`protocols.Bms` of a Daly board on UART or RS-485.

    Args:
        device: The device file `daly-a5`.
        link: The bus.
        unit: The board's number on it; counts from 1.
        settings: The device file's options by name, where a bench file states others.
    """

    def __init__(
        self, device: DeviceType, link: Link[DalyRequest, Answer], unit: int, settings: Mapping[str, Any]
    ) -> None:
        if not 1 <= unit <= BOARDS_MAX:
            raise InputError(Problem(device.name, field="unit", found=str(unit), expected=f"1 to {BOARDS_MAX}"))
        self._title = device.title
        self._link = link
        self._board = unit
        options = {**device.options, **settings}
        self._host = _HOSTS[_one_of("host", options["host"], tuple(_HOSTS))]
        self._all_frames = _one_of("frames", options["frames"], ("needed", "all")) == "all"
        self._higher_raw: data.HigherRaw = higher_raw(options)
        self._left_out = _left_out(str(options["leave_out"]))
        self._status: data.Status | None = None

    async def identify(self) -> Identity:
        """How the board is fitted out, and its battery code as the serial number where it has one.

        Raises BadReply when it reports no cells, or more than the protocol can carry.
        """
        status = data.decode_status((await self._ask(data.STATUS))[0])
        if not 1 <= status.cells <= _CELLS_MAX or status.sensors > _SENSORS_MAX:
            raise BadReply(f"Daly board {self._board}: it reports {status.cells} cells and {status.sensors} sensors")
        self._status = status
        try:
            frames = await self._ask(data.CODE, data.CODE_FRAMES)
        except (ReplyTimeout, BadReply):
            # Not every board has one, and a name is nothing to stop for.
            frames = ()
        return Identity(self._title, _text(frames), "")

    async def read(self) -> BmsSample:
        """One sample: up to six exchanges. Its instant is that of the first."""
        if self._status is None:
            await self.identify()
        status = self._status
        assert status is not None
        state = None
        t_ns = -1
        if data.STATE not in self._left_out:
            reply = await self._link.exchange(self._request(data.STATE))
            t_ns, state = reply.t_ns, data.decode_state(reply.value[0])
        reply = await self._link.exchange(self._request(data.PACK))
        t_ns = reply.t_ns if t_ns < 0 else t_ns
        pack = data.decode_pack(reply.value[0], self._higher_raw)
        if state is not None:
            check_direction(state.activity, pack.current_a)
        cells = await self._cells(status.cells)
        temperatures_c = await self._temperatures(status.sensors)
        balancing = await self._optional(data.BALANCING)
        faults = await self._optional(data.FAULTS)
        return bms_sample(
            t_ns,
            cells,
            temperatures_c,
            voltage_v=pack.voltage_v,
            current_a=pack.current_a,
            soc=pack.soc,
            cycles=status.cycles,
            alarms=decode_faults(faults).alarms if faults else None,
            charge_limit_a=0.0 if state is not None and not state.charge_mos else None,
            discharge_limit_a=0.0 if state is not None and not state.discharge_mos else None,
            balancing=data.decode_balancing(balancing).balancing_bits != 0 if balancing else None,
            quality=_quality(pack, cells, temperatures_c),
        )

    async def _cells(self, count: int) -> FloatArray:
        """shape (count,), V."""
        frames = await self._ask(data.CELLS, FRAMES_MAX if self._all_frames else -(-count // data.CELLS_A_FRAME))
        found = [value for frame in frames for value in data.decode_cells_frame(frame).cell_voltages_v]
        cells = np.array(found[:count])
        cells.setflags(write=False)
        return cells

    async def _temperatures(self, count: int) -> tuple[float, ...]:
        if not count or data.TEMPERATURES in self._left_out:
            return ()
        needed = -(-count // data.SENSORS_A_FRAME)
        frames = await self._ask(data.TEMPERATURES, max(_SENSOR_FRAMES_MAX, needed) if self._all_frames else needed)
        found = [value for frame in frames for value in data.decode_temperatures_frame(frame).temperatures_c]
        return tuple(found[:count])

    async def _optional(self, command: int) -> bytes:
        """The data bytes of a reading that may be left out; b"" when it is."""
        return b"" if command in self._left_out else (await self._ask(command))[0]

    async def _ask(self, command: int, frames: int = 1) -> Answer:
        return (await self._link.exchange(self._request(command, frames))).value

    def _request(self, command: int, frames: int = 1) -> DalyRequest:
        return read(command, frames, board=self._board, host=self._host)


def _quality(pack: data.Pack, cells: FloatArray, temperatures_c: tuple[float, ...]) -> Quality:
    """Values that no pack has: a leftover that was taken for a reading, an open sensor."""
    low_c, high_c = _SENSOR_RANGE_C
    plausible = (
        pack.soc <= 1.0
        and bool(np.all((cells > 0.0) & (cells <= _CELL_MAX_V)))
        and all(low_c < value <= high_c for value in temperatures_c)
    )
    return Quality.GOOD if plausible else Quality.IMPLAUSIBLE


def _text(frames: Answer) -> str:
    """The battery code, without what fills it up."""
    raw = b"".join(data.decode_code_frame(frame).characters for frame in frames)
    return " ".join("".join(chr(byte) if 0x20 < byte < 0x7F else " " for byte in raw).split())


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise InputError(Problem("", field=name, found=repr(value), expected=" or ".join(allowed)))
    return str(value)


def _left_out(text: str) -> frozenset[int]:
    """Commands that are not to be asked, from names separated by commas."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    return frozenset(_LEAVABLE[_one_of("leave_out", name, tuple(_LEAVABLE))] for name in names)
