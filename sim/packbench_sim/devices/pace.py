"""A PACE board on RS-232, backed by the simulated pack.

Owns the family's habits: a pack that is number 1 (or 0) also answers at address 0; measured values and alarms come
with the bytes that newer firmware appends, unless plain replies are wanted. dbus-serialbattery waits for those bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from packbench.wire.ydt1363 import pace as wire
from packbench.wire.ydt1363.frames import BAD_DATA, BAD_FORMAT, YdtRequest
from packbench.wire.ydt1363.info import Packs, scaled
from packbench.wire.ydt1363.pace import PackCount, Serial, Software
from packbench.wire.ydt1363.pace_data import (
    CHARGE_FET,
    DISCHARGE_FET,
    FAULTS,
    PROTECTION_1,
    PROTECTION_2,
    WARNING_1,
    WARNING_2,
    PackAlarms,
    PackAnalog,
)
from packbench_sim.devices.ydt1363 import (
    UNSIGNED_MAX,
    Handler,
    Refused,
    YdtDevice,
    held,
    require_alarms,
    require_pack,
    with_own,
)
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent

_SENSORS: Final = 6
_FLOWS_A: Final = 0.05
_DISCHARGES: Final = 0x08
_CHARGES: Final = 0x20
PLAIN_ITEMS: Final = 3
EXTENDED_ITEMS: Final = 9
"""User defined items: full, cycles and rated; or these and the six that are appended (esphome-pace-bms issue 22)."""
_BYTES: Final = (PROTECTION_1, PROTECTION_2, FAULTS, WARNING_1, WARNING_2)
_BIT: Final = {name: (place, bit) for place, names in enumerate(_BYTES) for bit, name in names.items()}
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
    software: str = "P16S100A-SIM-1.00"
    """At most 20 characters; the board's name, a hyphen and its version."""
    serial: str = "PBSIM0000000001"
    """At most 20 characters."""
    pack_serial: str = ""
    """At most 20 characters."""
    port_drop_v: float = 0.0
    """From the pack's terminals to the board's."""
    ambient_c: float = 25.0
    appends: bool = True
    """Whether it is of the firmware that appends bytes."""
    control: int = 0
    """A byte of its configuration, in alarm replies."""


class PaceDevice(YdtDevice):
    """`parts.WireDevice` of one pack.

    Args:
        part: The simulated BMS.
        facts: See BoardFacts.
        unit: Its address and pack number.
        lenient_length: See YdtDevice.
        silent: See YdtDevice.

    Raises InputError for a pack above 65.535 V.
    """

    def __init__(
        self,
        part: BmsPart,
        facts: BoardFacts,
        *,
        unit: int = 1,
        lenient_length: bool = False,
        silent: Silent | None = None,
    ) -> None:
        require_pack("pace", part.reading(0), UNSIGNED_MAX / 1000)
        require_alarms("pace", part.reading(0), frozenset(_BITS_OF))
        self._part = part
        self._facts = facts
        self._numbers = frozenset({0, 1} if unit <= 1 else {unit})
        super().__init__(wire.DIALECT, self._numbers, lenient_length=lenient_length, silent=silent)

    def handlers(self) -> dict[int, Handler]:
        facts = self._facts
        software = Software(facts.software.encode().ljust(20)[:20])
        serial = Serial(facts.serial.encode().ljust(20)[:20] + facts.pack_serial.encode().ljust(20)[:20])
        return {
            wire.ANALOG: self._analog,
            wire.ALARMS: self._alarms,
            wire.PACK_COUNT: lambda _t_ns, _request: PackCount(1).encode(),
            wire.SOFTWARE: lambda _t_ns, _request: software.encode(),
            wire.SERIAL: lambda _t_ns, _request: serial.encode(),
        }

    def _asked(self, request: YdtRequest) -> int:
        """The second byte of the reply: the pack's number, or the count of one."""
        if len(request.info) != 1:
            raise Refused(BAD_FORMAT)
        number = request.info[0]
        if number == wire.ALL:
            return 1
        if number not in self._numbers:
            raise Refused(BAD_DATA)
        return number

    def _analog(self, t_ns: int, request: YdtRequest) -> bytes:
        command, reading, facts = self._asked(request), self._part.reading(t_ns), self._facts
        amount_max_ah = UNSIGNED_MAX / 100
        rated_ah = held(facts.rated_capacity_ah, amount_max_ah)
        full_ah = held(rated_ah * held(reading.soh, 1.2) if facts.full_ah is None else facts.full_ah, amount_max_ah)
        pack = PackAnalog(
            tuple(held(cell, UNSIGNED_MAX / 1000) for cell in reading.cell_voltages_v.tolist()),
            _sensors(reading, facts.ambient_c),
            held(reading.current_a, 0x7FFF / 100, -0x8000 / 100),
            held(reading.voltage_v, UNSIGNED_MAX / 1000),
            full_ah * held(reading.soc, 1.0),
            EXTENDED_ITEMS if facts.appends else PLAIN_ITEMS,
            full_ah,
            min(reading.cycles, UNSIGNED_MAX),
            rated_ah,
            _appended(reading, rated_ah, facts.port_drop_v) if facts.appends else b"",
        )
        return Packs(0, command, (pack,)).encode()

    def _alarms(self, t_ns: int, request: YdtRequest) -> bytes:
        command, reading = self._asked(request), self._part.reading(t_ns)
        found = [0] * len(_BYTES)
        for alarm in reading.alarms:
            for name in _BITS_OF.get(alarm, ()):
                place, bit = _BIT[name]
                found[place] |= 1 << bit
        fets = CHARGE_FET * (reading.charge_limit_a > 0) | DISCHARGE_FET * (reading.discharge_limit_a > 0)
        flow = _CHARGES * (reading.current_a > _FLOWS_A) | _DISCHARGES * (reading.current_a < -_FLOWS_A)
        pack = PackAlarms(
            (0,) * reading.cell_voltages_v.size,
            (0,) * len(_sensors(reading, self._facts.ambient_c)),
            *(0, 0, 0),
            protections=(found[0], found[1]),
            instruction=fets | flow,
            control=self._facts.control,
            fault=found[2],
            balance=(int(reading.balancing), 0),
            warnings=(found[3], found[4]),
            appended=b"\0" if self._facts.appends else b"",
        )
        return Packs(0, command, (pack,)).encode()


def _sensors(reading: BmsReading, ambient_c: float) -> tuple[float, ...]:
    """Those of cells, the FETs', as warm as the warmest cell, and the surroundings."""
    sensors = tuple(reading.temperatures_c.tolist())
    return with_own(sensors, _SENSORS, behind=(max(sensors, default=ambient_c), ambient_c))


def _appended(reading: BmsReading, rated_ah: float, port_drop_v: float) -> bytes:
    """State of charge in percent, four times the rated capacity, state of health, voltage at the port, two zeros."""
    soc, soh = (int(100 * held(value, 2.55) + 1e-6) for value in (reading.soc, reading.soh))
    port = scaled(held(reading.voltage_v - port_drop_v, UNSIGNED_MAX / 1000), 1000)
    return bytes((soc,)) + 4 * scaled(rated_ah, 100) + bytes((soh,)) + port + bytes(2)


def _make(playing: Playing) -> PaceDevice:
    facts = BoardFacts(
        playing.pack.rated_capacity_ah,
        serial=f"PBSIM{playing.unit:010}",
        ambient_c=playing.ambient_c,
        appends=bool(playing.option("appends", 1)),
    )
    return PaceDevice(
        playing.bms,
        facts,
        unit=playing.unit,
        lenient_length=bool(playing.option("lenient_length", 0)),
        silent=playing.silent,
    )


play_pace = Player(
    _make,
    {
        "appends": "0: plain replies, without the bytes that newer firmware appends",
        "lenient_length": "1: takes a LENGTH of five digits, which is refused with RTN 03 otherwise",
    },
)
