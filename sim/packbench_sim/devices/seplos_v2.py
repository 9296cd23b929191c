"""A Seplos V2 board, backed by the simulated pack.

Owns the family's habits: COMMAND_GROUP is heard whatever it is (RS-232 numbers packs by it, and other clients send 1
to address 0) but for FF, of whose answer no source tells; the state of charge is cut off, not rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor
from typing import Final

from packbench.wire.ydt1363 import seplos_v2 as wire
from packbench.wire.ydt1363.frames import BAD_DATA, BAD_FORMAT, YdtRequest
from packbench.wire.ydt1363.seplos_v2 import Telemetry, Vendor
from packbench.wire.ydt1363.seplos_v2_alarms import (
    BALANCING,
    CHARGE_SWITCH,
    CUSTOM,
    DISCHARGE_SWITCH,
    EVENT_NAMES,
    EVENTS,
    SWITCHES,
    SYSTEM,
    Alarms,
)
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

_ALL: Final = 0xFF
_SENSORS: Final = 6
_FLOWS_A: Final = 0.05
_STANDBY: Final = 0x10
_BIT: Final = {
    name: (place, bit) for place, names in zip(EVENTS, EVENT_NAMES, strict=True) for bit, name in names.items()
}
_BITS_OF: Final = {
    "over_temperature": ("charge_over_temperature", "discharge_over_temperature"),
    "under_temperature": ("charge_under_temperature", "discharge_under_temperature"),
    **{name: (name,) for name in _BIT},
}


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """What the board is, and what of its readings the simulated BMS does not tell."""

    rated_capacity_ah: float
    full_ah: float | None = None
    """None: what the rated capacity has become by the state of health."""
    model: str = "1101-SIM16"
    """At most 10 characters."""
    vendor: str = "Packbench"
    """At most 20 characters."""
    versions: tuple[int, int] = (2, 0)
    port_drop_v: float = 0.0
    """From the pack's terminals to the board's."""
    ambient_c: float = 25.0
    group: int | None = None
    """COMMAND_GROUP in replies; None: as asked. Boards have been seen to count from 1."""
    reserved: tuple[int, ...] = (0, 0, 0, 0)
    """The last items of telemetry."""


class SeplosV2Device(YdtDevice):
    """`parts.WireDevice` of one board.

    Args:
        part: The simulated BMS.
        facts: See BoardFacts.
        unit: Its address, 0 to 15.
        lenient_length: See YdtDevice.
        silent: See YdtDevice.

    Raises InputError for a pack above 655.35 V.
    """

    def __init__(
        self,
        part: BmsPart,
        facts: BoardFacts,
        *,
        unit: int = 0,
        lenient_length: bool = False,
        silent: Silent | None = None,
    ) -> None:
        require_pack("seplos-v2", part.reading(0), UNSIGNED_MAX / 100)
        require_alarms("seplos-v2", part.reading(0), frozenset(_BITS_OF))
        self._part = part
        self._facts = facts
        super().__init__(wire.DIALECT, frozenset({unit}), lenient_length=lenient_length, silent=silent)

    def handlers(self) -> dict[int, Handler]:
        return {
            wire.TELEMETRY: self._telemetry,
            wire.ALARMS: self._alarms,
            wire.PROTOCOL_VERSION: nothing,
            wire.VENDOR: lambda _t_ns, _request: self._vendor(),
        }

    def _group(self, request: YdtRequest) -> int:
        if len(request.info) != 1:
            raise Refused(BAD_FORMAT)
        if request.info[0] == _ALL:
            raise Refused(BAD_DATA)
        return request.info[0] if self._facts.group is None else self._facts.group

    def _telemetry(self, t_ns: int, request: YdtRequest) -> bytes:
        group, reading, facts = self._group(request), self._part.reading(t_ns), self._facts
        rated_ah = facts.rated_capacity_ah
        full_ah = rated_ah * held(reading.soh, 1.2) if facts.full_ah is None else facts.full_ah
        soc = held(reading.soc, 1.0)
        high_v = UNSIGNED_MAX / 100
        return Telemetry(
            0,
            group,
            tuple(held(cell, UNSIGNED_MAX / 1000) for cell in reading.cell_voltages_v.tolist()),
            _sensors(reading, facts.ambient_c),
            held(reading.current_a, 0x7FFF / 100, -0x8000 / 100),
            held(reading.voltage_v, high_v),
            held(soc * full_ah, UNSIGNED_MAX / 100),
            held(full_ah, UNSIGNED_MAX / 100),
            floor(1000 * soc + 1e-6) / 1000,
            held(rated_ah, UNSIGNED_MAX / 100),
            min(reading.cycles, UNSIGNED_MAX),
            held(reading.soh, UNSIGNED_MAX / 1000),
            held(reading.voltage_v - facts.port_drop_v, high_v),
            facts.reserved,
        ).encode()

    def _alarms(self, t_ns: int, request: YdtRequest) -> bytes:
        group, reading = self._group(request), self._part.reading(t_ns)
        custom = bytearray(CUSTOM)
        for alarm in reading.alarms:
            for name in _BITS_OF.get(alarm, ()):
                place, bit = _BIT[name]
                custom[place] |= 1 << bit
        custom[SWITCHES] = CHARGE_SWITCH * (reading.charge_limit_a > 0) | DISCHARGE_SWITCH * (
            reading.discharge_limit_a > 0
        )
        custom[BALANCING] = int(reading.balancing)
        flows = 0x02 * (reading.current_a > _FLOWS_A) | 0x01 * (reading.current_a < -_FLOWS_A)
        custom[SYSTEM] = flows or _STANDBY
        cells, sensors = reading.cell_voltages_v.size, len(_sensors(reading, self._facts.ambient_c))
        return Alarms(0, group, (0,) * cells, (0,) * sensors, 0, 0, bytes(custom)).encode()

    def _vendor(self) -> bytes:
        facts = self._facts
        return Vendor(facts.model.encode().ljust(10), facts.versions, facts.vendor.encode().ljust(20)).encode()


def _sensors(reading: BmsReading, ambient_c: float) -> tuple[float, ...]:
    """Those of cells, the surroundings and the power stage, which is as warm as the warmest cell."""
    sensors = tuple(reading.temperatures_c.tolist())
    return with_own(sensors, _SENSORS, behind=(ambient_c, max(sensors, default=ambient_c)))


def _make(playing: Playing) -> SeplosV2Device:
    return SeplosV2Device(
        playing.bms,
        BoardFacts(playing.pack.rated_capacity_ah, ambient_c=playing.ambient_c),
        unit=playing.unit,
        lenient_length=bool(playing.option("lenient_length", 0)),
        silent=playing.silent,
    )


play_seplos_v2 = Player(
    _make, {"lenient_length": "1: takes a LENGTH of five digits, which is refused with RTN 03 otherwise"}
)
