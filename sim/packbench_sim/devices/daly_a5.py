"""A Daly board on UART or RS-485 that speaks the A5 protocol, backed by the simulated pack.

Owns the family's habits: silence for whatever is not a whole frame to this board, a reply that overwrites only the
bytes it needs of the one before, as many frames of cell voltages as there are cells on RS-485 and all of them on UART,
a sleeping board that sends requests back until current flows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.drivers.daly_current import OPTION, higher_raw
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import FRAMES_MAX, HOST_UART, DalyRequest, reply_frame, request_frame, take_request
from packbench.wire.daly.a5_faults import FAULT_NAMES, Faults, encode_faults
from packbench_sim.devices.framed import FramedDevice
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent, Switches

CURRENT_SEEN_A: Final = 0.2
"""From here on the board says that it charges or discharges, and does not sleep. [A]"""
CELLS_MAX: Final = data.CELLS_A_FRAME * FRAMES_MAX
SENSORS_MAX: Final = 16
"""Of one board; clients of the protocol ask for no more. [A]"""
_SENSOR_FRAMES: Final = 3
_CODE_BYTES: Final = 35
_FAULTS_OF: Final = {
    "over_temperature": ("charge_over_temperature", "discharge_over_temperature"),
    "under_temperature": ("charge_under_temperature", "discharge_under_temperature"),
}
_KNOWN: Final = frozenset(FAULT_NAMES.values())


class DalyA5Device(FramedDevice[DalyRequest]):
    """`parts.WireDevice` of a Daly board.

    Args:
        part: The simulated BMS.
        board: Its number on the bus; counts from 1.
        rated_ah: Capacity it was set up with.
        nominal_cell_v: Nominal voltage of a cell it was set up with.
        raised: What a raw current above 30000 means.
        all_frames: Whether every frame of cells and temperatures is sent; None: as the asker's address has it.
        asleep: It sleeps until current flows.
        code: Battery code, at most 35 characters.
        produced: Year, month, day.
        io_bits: DI and DO states of its 0x94 reply.
        life: The counter of its 0x93 reply at the start; it counts seconds.
        switches: What its MOSFETs act on.
        silent: See FramedDevice.
    """

    def __init__(
        self,
        part: BmsPart,
        *,
        board: int = 1,
        rated_ah: float = 100.0,
        nominal_cell_v: float = 3.2,
        raised: data.HigherRaw = "discharge",
        all_frames: bool | None = None,
        asleep: bool = False,
        code: str = "PACKBENCH-SIMULATED-1",
        produced: tuple[int, int, int] = (2024, 1, 31),
        io_bits: int = 0,
        life: int = 0,
        switches: Switches | None = None,
        silent: Silent | None = None,
    ) -> None:
        super().__init__(silent=silent)
        self._part = part
        self._board = board
        self._rated_ah = rated_ah
        self._nominal_cell_v = nominal_cell_v
        self._raised: data.HigherRaw = raised
        self._all_frames = all_frames
        self.asleep = asleep
        self._code = code.encode("ascii").ljust(_CODE_BYTES)
        self._produced = produced
        self._io_bits = io_bits
        self._life = life
        self._switches = switches
        self.charge_on = self.discharge_on = True
        self._soc_added = 0.0
        self._last = bytes(data.PAYLOAD_BYTES)
        """What the last reply left in the transmit buffer."""
        self._messages: dict[int, Callable[[int, BmsReading], bytes]] = {
            data.RATED: lambda _t_ns, _reading: data.encode_rated(data.Rated(self._rated_ah, self._nominal_cell_v)),
            data.PRODUCTION: lambda _t_ns, _reading: data.encode_production(data.Production(*self._produced)),
            data.PACK: self._pack,
            data.CELL_RANGE: _cell_range,
            data.TEMPERATURE_RANGE: _temperature_range,
            data.STATE: self._state,
            data.STATUS: self._status,
            data.BALANCING: _balancing,
            data.FAULTS: _faults,
        }

    def take(self, buffer: bytearray) -> DalyRequest | None:
        return take_request(buffer)

    def answer(self, t_ns: int, request: DalyRequest) -> bytes:
        if request.board != self._board:
            return b""
        reading = expressible(self._part.reading(t_ns), CELLS_MAX, SENSORS_MAX)
        if self.asleep:
            if abs(reading.current_a) < CURRENT_SEEN_A:
                return request_frame(request)
            self.asleep = False
        make = self._messages.get(request.command)
        if make is not None:
            return self._reply(request.command, make(t_ns, reading))
        match request.command:
            case data.CELLS:
                frames = _cells_frames(reading, self._count(request, len(reading.cell_voltages_v), data.CELLS_A_FRAME))
            case data.TEMPERATURES:
                count = self._count(request, len(reading.temperatures_c), data.SENSORS_A_FRAME)
                frames = _temperature_frames(reading, count)
            case data.CODE:
                parts = (self._code[7 * n : 7 * n + 7] for n in range(data.CODE_FRAMES))
                frames = [data.encode_code_frame(data.CodeFrame(n, part)) for n, part in enumerate(parts, start=1)]
            case _:
                frames = self._written(t_ns, request, reading)
        return b"".join(self._reply(request.command, payload) for payload in frames)

    def _written(self, t_ns: int, request: DalyRequest, reading: BmsReading) -> list[bytes]:
        """Take a setting; the payloads of its reply, none for a command that no board knows."""
        match request.command:
            case data.SWITCH_CHARGE | data.SWITCH_DISCHARGE:
                on = data.decode_switch(request.payload).on
                if request.command == data.SWITCH_CHARGE:
                    self.charge_on = on != 0
                else:
                    self.discharge_on = on != 0
                if self._switches is not None:
                    self._switches(t_ns, self.charge_on, self.discharge_on)
                return [data.encode_switch(data.Switch(on))]
            case data.SET_SOC:
                self._soc_added = data.decode_set_soc(request.payload).soc - reading.soc
                return [data.encode_switch(data.Switch(1))]
            case data.RESTART:
                return [bytes(data.PAYLOAD_BYTES)]
            case _:
                return []

    def _reply(self, command: int, payload: bytes) -> bytes:
        """One frame; what the message does not fill is what the last one left there."""
        used = data.USED_BYTES.get(command, data.PAYLOAD_BYTES)
        self._last = payload[:used] + self._last[used:]
        return reply_frame(self._board, command, self._last)

    def _count(self, request: DalyRequest, items: int, a_frame: int) -> int:
        """How many frames are sent of a reading that takes several."""
        needed = -(-items // a_frame)
        sends_all = request.host == HOST_UART if self._all_frames is None else self._all_frames
        if not sends_all:
            return needed
        return FRAMES_MAX if a_frame == data.CELLS_A_FRAME else max(needed, _SENSOR_FRAMES)

    def _soc(self, reading: BmsReading) -> float:
        return min(max(reading.soc + self._soc_added, 0.0), 1.0)

    def _pack(self, _t_ns: int, reading: BmsReading) -> bytes:
        pack = data.Pack(reading.voltage_v, reading.current_a, self._soc(reading))
        return data.encode_pack(pack, self._raised)

    def _state(self, t_ns: int, reading: BmsReading) -> bytes:
        flows = abs(reading.current_a) >= CURRENT_SEEN_A
        activity = data.IDLE if not flows else data.CHARGING if reading.current_a > 0 else data.DISCHARGING
        life = (self._life + t_ns // 1_000_000_000) % 256
        remaining_ah = self._soc(reading) * reading.soh * self._rated_ah
        return data.encode_state(data.State(activity, self.charge_on, self.discharge_on, life, remaining_ah))

    def _status(self, _t_ns: int, reading: BmsReading) -> bytes:
        cells, sensors = len(reading.cell_voltages_v), len(reading.temperatures_c)
        return data.encode_status(data.Status(cells, sensors, 0, 0, self._io_bits, reading.cycles))


def _cell_range(_t_ns: int, reading: BmsReading) -> bytes:
    cells = reading.cell_voltages_v
    high, low = int(cells.argmax()), int(cells.argmin())
    return data.encode_cell_range(data.CellRange(float(cells[high]), high + 1, float(cells[low]), low + 1))


def _temperature_range(_t_ns: int, reading: BmsReading) -> bytes:
    sensors = reading.temperatures_c
    high, low = int(sensors.argmax()), int(sensors.argmin())
    item = data.TemperatureRange(float(sensors[high]), high + 1, float(sensors[low]), low + 1)
    return data.encode_temperature_range(item)


def _balancing(_t_ns: int, reading: BmsReading) -> bytes:
    """The highest cell is the one that is bled."""
    bits = 1 << int(reading.cell_voltages_v.argmax()) if reading.balancing else 0
    return data.encode_balancing(data.Balancing(bits))


def _faults(_t_ns: int, reading: BmsReading) -> bytes:
    return encode_faults(Faults(fault_names(reading.alarms)))


def expressible(reading: BmsReading, cells_max: int, sensors_max: int) -> BmsReading:
    """What a Daly board can say of a reading: so many cells and sensors, nothing below 0 V or -40 degC."""
    return replace(
        reading,
        cell_voltages_v=reading.cell_voltages_v[:cells_max].clip(0.0),
        voltage_v=max(reading.voltage_v, 0.0),
        temperatures_c=reading.temperatures_c[:sensors_max].clip(-40.0),
    )


def fault_names(alarms: tuple[str, ...]) -> tuple[str, ...]:
    """The board's own names: what has no bit shows as an internal fault, never as nothing."""
    names: list[str] = []
    for alarm in alarms:
        names += _FAULTS_OF.get(alarm, (alarm if alarm in _KNOWN else "internal_communication",))
    return tuple(names)


def _cells_frames(reading: BmsReading, count: int) -> list[bytes]:
    cells = np.zeros(count * data.CELLS_A_FRAME)
    cells[: len(reading.cell_voltages_v)] = reading.cell_voltages_v
    rows = cells.reshape(count, data.CELLS_A_FRAME).tolist()
    return [data.encode_cells_frame(data.CellsFrame(n, tuple(row))) for n, row in enumerate(rows, start=1)]


def _temperature_frames(reading: BmsReading, count: int) -> list[bytes]:
    """Sensors that are not fitted are sent as raw 0 (capture: diysolarforum 21898)."""
    sensors = np.full(count * data.SENSORS_A_FRAME, -40.0)
    sensors[: len(reading.temperatures_c)] = reading.temperatures_c
    rows = sensors.reshape(count, data.SENSORS_A_FRAME).tolist()
    return [data.encode_temperatures_frame(data.TemperaturesFrame(n, tuple(row))) for n, row in enumerate(rows, 1)]


def _make(playing: Playing) -> DalyA5Device:
    frames = playing.text("frames", "auto")
    if frames not in ("auto", "needed", "all"):
        raise InputError(Problem("", field="--set frames", found=frames, expected="auto, needed or all"))
    pack = playing.pack
    return DalyA5Device(
        playing.bms,
        board=playing.unit,
        rated_ah=pack.rated_capacity_ah,
        nominal_cell_v=pack.rated_energy_wh / pack.rated_capacity_ah / pack.series,
        raised=higher_raw({OPTION: playing.text(OPTION, str(playing.type.options[OPTION]))}),
        all_frames=None if frames == "auto" else frames == "all",
        asleep=playing.option("asleep", 0.0) != 0.0,
        code=playing.text("code", "PACKBENCH-SIMULATED-1"),
        switches=playing.switches,
        silent=playing.silent,
    )


play_daly_a5 = Player(
    _make,
    {
        "asleep": "1: sends requests back until current flows",
        "code": "battery code, at most 35 characters",
        "frames": "needed or all frames of cells and temperatures; auto: all for a host on UART (0x80)",
        OPTION: "what such a current means: discharge or charge",
    },
)
