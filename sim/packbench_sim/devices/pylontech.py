"""A Pylontech master pack, alone or with others linked to it, backed by the simulated pack.

Owns the family's habits: the master alone is on the bus and answers at the addresses of those linked to it; FF at the
master's address asks for all; packs above 65 Ah fill the 16-bit capacities with ones and append 24-bit ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from packbench.core.errors import InputError, Problem
from packbench.core.specs import PackSpec
from packbench.wire.ydt1363 import pylontech as wire
from packbench.wire.ydt1363.frames import ASK_VERSION, BAD_ADDRESS, BAD_FORMAT, BrokenRequest, YdtRequest
from packbench.wire.ydt1363.info import STATE_ABOVE, STATE_BELOW, Packs
from packbench.wire.ydt1363.pylontech_data import (
    CHARGE_FET,
    DISCHARGE_FET,
    NARROW,
    STATUS_1,
    WIDE,
    PackAlarms,
    PackAnalog,
)
from packbench.wire.ydt1363.pylontech_facts import Firmware, Management, Manufacturer, Serial, SystemParameters
from packbench_sim.devices.ydt1363 import (
    UNSIGNED_MAX,
    Handler,
    Refused,
    YdtDevice,
    held,
    nothing,
    require_alarms,
    require_pack,
    with_own,
)
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent

WIDE_ABOVE_AH: Final = 65.0
_SENSORS: Final = 5
_MODULE_POWER: Final = 0x08
_FLOWS_A: Final = 0.1
_STATUS_BIT: Final = {name: bit for bit, name in STATUS_1.items()}
_BITS_OF: Final = {
    "over_temperature": ("charge_over_temperature", "discharge_over_temperature"),
    **{name: (name,) for name in _STATUS_BIT},
}
_STATES: Final = {
    "cell_over_voltage": STATE_ABOVE,
    "cell_over_voltage_warning": STATE_ABOVE,
    "cell_under_voltage_warning": STATE_BELOW,
    "over_temperature_warning": STATE_ABOVE,
    "under_temperature": STATE_BELOW,
    "under_temperature_warning": STATE_BELOW,
}
"""Alarms that V3.3 has no bit for: they show in the alarm bytes, of the cell or sensor that is furthest out."""


@dataclass(frozen=True, slots=True)
class PackFacts:
    """What a pack is."""

    rated_capacity_ah: float
    parameters: SystemParameters
    model: str = "US5000SIM"
    """At most 10 characters."""
    maker: str = "Packbench"
    """At most 20 characters."""
    versions: tuple[int, int] = (1, 0)
    firmware: tuple[int, int, int] = (3, 3, 0)
    serial: str = "PBSIM"
    """16 characters; shorter: the pack's address follows, with zeros before it."""


class PylontechDevice(YdtDevice):
    """`parts.WireDevice` of a master and the packs linked to it.

    Args:
        parts: The simulated BMSs, the master's first.
        facts: What each pack is.
        unit: The master's address.
        info_flag: INFOFLAG of every reply: 01 alarms and 10 switches have changed since they were read. Real packs
            answer 10 and 11.
        appended: Bytes behind the documented ones of an alarm reply (US2000C: one).
        lenient: Whether the master of group 0 hears address 0 too, and tells its serial number without being given a
            pack number. A US5000 does neither (python-pylontech issues 23 and 41).
        lenient_length: See YdtDevice.
        silent: See YdtDevice.

    Raises InputError for a pack above 65.535 V.
    """

    def __init__(
        self,
        parts: Sequence[BmsPart],
        facts: PackFacts,
        *,
        unit: int = wire.FIRST_ADDRESS,
        info_flag: int = 0x11,
        appended: bytes = b"",
        lenient: bool = True,
        lenient_length: bool = False,
        silent: Silent | None = None,
    ) -> None:
        for part in parts:
            require_pack("pylontech", part.reading(0), UNSIGNED_MAX / 1000)
            require_alarms("pylontech", part.reading(0), frozenset((*_BITS_OF, *_STATES)))
        self._parts = tuple(parts)
        self._facts = facts
        self._unit = unit
        self._info_flag = info_flag
        self._appended = appended
        self._lenient = lenient
        addresses = frozenset(range(unit, unit + len(parts)))
        nobody = frozenset({0} if lenient and unit == wire.FIRST_ADDRESS else ())
        super().__init__(wire.DIALECT, addresses | nobody, lenient_length=lenient_length, silent=silent)

    def handlers(self) -> dict[int, Handler]:
        return {
            wire.ANALOG: self._analog,
            wire.ALARMS: self._alarms,
            wire.SYSTEM_PARAMETERS: lambda _t_ns, _request: self._facts.parameters.encode(),
            wire.PROTOCOL_VERSION: nothing,
            wire.MANUFACTURER: lambda _t_ns, _request: _manufacturer(self._facts).encode(),
            wire.MANAGEMENT: self._management,
            wire.SERIAL: self._serial,
            wire.FIRMWARE: lambda _t_ns, request: Firmware(
                self._own(request), self._facts.versions, self._facts.firmware
            ).encode(),
        }

    def answer(self, t_ns: int, request: YdtRequest | BrokenRequest) -> bytes:
        """Address 0 is for asking who is there, and what it is."""
        if request.address == 0 and not (
            isinstance(request, YdtRequest) and request.command in (ASK_VERSION, wire.MANUFACTURER)
        ):
            return b""
        if (
            not self._lenient
            and isinstance(request, YdtRequest)
            and request.command == wire.SERIAL
            and not request.info
        ):
            return b""
        return super().answer(t_ns, request)

    def _own(self, request: YdtRequest) -> int:
        """The address that INFO begins with. Raises Refused for a missing or another one.

        What follows is of no interest: the PyPI package `pylontech` counts packs there, and real ones answer it.
        """
        if not request.info:
            raise Refused(BAD_FORMAT)
        if request.info[0] != request.address:
            raise Refused(BAD_ADDRESS)
        return request.address

    def _asked(self, t_ns: int, request: YdtRequest) -> tuple[int, list[BmsReading]]:
        """The byte behind INFOFLAG, and the readings of the packs asked about."""
        if request.info == bytes((wire.ALL,)) and request.address == self._unit:
            return len(self._parts), [part.reading(t_ns) for part in self._parts]
        address = self._own(request)
        return address, [self._parts[address - self._unit].reading(t_ns)]

    def _analog(self, t_ns: int, request: YdtRequest) -> bytes:
        command, readings = self._asked(t_ns, request)
        packs = tuple(_analog(reading, self._facts.rated_capacity_ah) for reading in readings)
        return Packs(self._info_flag, command, packs).encode()

    def _alarms(self, t_ns: int, request: YdtRequest) -> bytes:
        command, readings = self._asked(t_ns, request)
        packs = tuple(replace(_alarms(reading), appended=self._appended) for reading in readings)
        return Packs(self._info_flag, command, packs).encode()

    def _management(self, t_ns: int, request: YdtRequest) -> bytes:
        address = self._own(request)
        reading = self._parts[address - self._unit].reading(t_ns)
        cells, parameters = reading.cell_voltages_v.size, self._facts.parameters
        return Management(
            address,
            held(cells * parameters.cell_high_v, UNSIGNED_MAX / 1000),
            held(cells * parameters.cell_low_v, UNSIGNED_MAX / 1000),
            held(reading.charge_limit_a, 0x7FFF / 10),
            -held(reading.discharge_limit_a, 0x7FFF / 10),
            0x80 * (reading.charge_limit_a > 0) | 0x40 * (reading.discharge_limit_a > 0) | 0x20 * (reading.soc < 0.09),
        ).encode()

    def _serial(self, _t_ns: int, request: YdtRequest) -> bytes:
        address = self._own(request) if request.info else request.address
        serial = self._facts.serial
        return Serial(address, f"{serial}{address:0{max(16 - len(serial), 0)}}".encode()[:16]).encode()


def _manufacturer(facts: PackFacts) -> Manufacturer:
    return Manufacturer(facts.model.encode().ljust(10, b"\0"), facts.versions, facts.maker.encode().ljust(20, b"-"))


def _sensors(reading: BmsReading) -> tuple[float, ...]:
    """The board's average, then those of cells."""
    sensors = tuple(reading.temperatures_c.tolist())
    return with_own(sensors, _SENSORS, before=sensors and (max(sensors),))


def _analog(reading: BmsReading, rated_capacity_ah: float) -> PackAnalog:
    full_ah = rated_capacity_ah * held(reading.soh, 1.2)
    return PackAnalog(
        tuple(held(cell, UNSIGNED_MAX / 1000) for cell in reading.cell_voltages_v.tolist()),
        _sensors(reading),
        held(reading.current_a, 0x7FFF / 10, -0x8000 / 10),
        held(reading.voltage_v, UNSIGNED_MAX / 1000),
        full_ah * held(reading.soc, 1.0),
        full_ah,
        min(reading.cycles, UNSIGNED_MAX),
        WIDE if full_ah > WIDE_ABOVE_AH else NARROW,
    )


def _alarms(reading: BmsReading) -> PackAlarms:
    cells = [0] * reading.cell_voltages_v.size
    sensors_c = _sensors(reading)
    sensors = [0] * len(sensors_c)
    bits = 0
    for alarm in reading.alarms:
        for name in _BITS_OF.get(alarm, ()):
            bits |= 1 << _STATUS_BIT[name]
        state = _STATES.get(alarm)
        if state is None:
            continue
        if alarm.startswith("cell"):
            extreme = reading.cell_voltages_v.argmax() if state == STATE_ABOVE else reading.cell_voltages_v.argmin()
            cells[int(extreme)] = state
        else:
            sensors[sensors_c.index(max(sensors_c) if state == STATE_ABOVE else min(sensors_c))] = state
    fets = CHARGE_FET * (reading.charge_limit_a > 0) | DISCHARGE_FET * (reading.discharge_limit_a > 0) | _MODULE_POWER
    flow = 0x80 * (reading.current_a > _FLOWS_A) | 0x40 * (reading.current_a < -_FLOWS_A) | 0x08 * (reading.soc >= 1.0)
    return PackAlarms(tuple(cells), tuple(sensors), 0, 0, 0, (bits, fets, flow, 0, 0))


def parameters_of(pack: PackSpec) -> SystemParameters:
    """Where a pack warns and protects itself, from what its maker allows."""
    limits = pack.limits
    hot_c = 60.0 if limits.temperature_max_c is None else limits.temperature_max_c
    cold_c = -10.0 if limits.temperature_min_c is None else limits.temperature_min_c
    charge_a = limits.charge_current_max_a or pack.rated_capacity_ah
    discharge_a = limits.discharge_current_max_a or pack.rated_capacity_ah
    high_v, low_v, under_v = (
        pack.cell_full_v,
        pack.cell_cutoff_v,
        limits.cell_voltage_min_v or pack.cell_cutoff_v,
    )
    return SystemParameters(
        0x11,
        *(high_v, low_v, under_v, hot_c, cold_c, charge_a),
        *(pack.series * high_v, pack.series * low_v, pack.series * under_v, hot_c, cold_c, -discharge_a),
    )


def _make(playing: Playing) -> PylontechDevice:
    count = round(playing.option("packs", 1))
    if not 1 <= count <= 14:
        raise InputError(Problem("pylontech", field="--set packs", found=str(count), expected="1 to 14"))
    return PylontechDevice(
        [playing.bms] * count,
        PackFacts(playing.pack.rated_capacity_ah, parameters_of(playing.pack)),
        unit=playing.unit,
        lenient=bool(playing.option("lenient", 1)),
        lenient_length=bool(playing.option("lenient_length", 0)),
        silent=playing.silent,
    )


play_pylontech = Player(
    _make,
    {
        "packs": "how many packs the group has, all alike, at the addresses from the unit on",
        "lenient": "0: silent at address 0 and without a pack number, as a US5000 is",
        "lenient_length": "1: takes a LENGTH of five digits, which is refused with RTN 03 otherwise",
    },
)
