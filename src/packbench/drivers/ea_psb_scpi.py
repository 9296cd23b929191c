"""EA PSB 9000/10000 in SCPI (TCP port 5025, USB), as a cycler.

Owns EA's words: SYST:LOCK, a source and a sink half with set values of their own, quantities that carry their unit,
status registers. The status is asked for before the errors, because reading an error acknowledges alarms. Arms the
device's communication watchdog: a bench computer that dies must not leave a pack driven. What the watchdog switches
off is in the device's manual, not in the guide, so it is no reason to do without the hard-wired enable.

Sources: EA Programming Guide ModBus & SCPI, REV24. From public drivers: SYST:NOM, the joined answers, and that the
watchdog is to be armed in a message of its own after remote control was taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.core.samples import CyclerSample
from packbench.drivers.protocols import Identity, Setpoint
from packbench.drivers.scpi_cycler import RATING_OF, ScpiCycler, ScpiLink, SetValue, Targets
from packbench.maps.schema import DeviceType
from packbench.wire.scpi.messages import Item, query

_VOLTAGE: Final = SetValue("VOLT", "V", 2)
_SOURCE_CURRENT: Final = SetValue("CURR", "A", 2)
_SOURCE_POWER: Final = SetValue("POW", "W", 0)
_SINK_CURRENT: Final = SetValue("SINK:CURR", "A", 2)
_SINK_POWER: Final = SetValue("SINK:POW", "W", 0)
_PROTECTIONS: Final = {
    "over_voltage_v": SetValue("VOLT:PROT", "V", 2),
    "source_over_current_a": SetValue("CURR:PROT", "A", 2),
    "source_over_power_w": SetValue("POW:PROT", "W", 0),
    "sink_over_current_a": SetValue("SINK:CURR:PROT", "A", 2),
    "sink_over_power_w": SetValue("SINK:POW:PROT", "W", 0),
}
_METERS: Final = query("MEAS:ARR?", "V", "A", "W")
_OUTPUT: Final = query("OUTP?", "switch")
_OPERATION: Final = query("STAT:OPER:COND?", "integer")
_QUESTIONABLE: Final = {
    "condition": query("STAT:QUES:COND?", "integer"),
    "event": query("STAT:QUES?", "integer", consumes=True),
}
_OWNER: Final = query("SYST:LOCK:OWN?", "word")
_NOMINAL: Final[tuple[tuple[str, Item], ...]] = (("VOLT", "V"), ("CURR", "A"), ("POW", "W"))
_ALARMS: Final = {
    0: "over_voltage",
    1: "over_current",
    2: "over_power",
    3: "over_temperature",
    4: "over_voltage_detected",
    5: "under_voltage_detected",
    6: "over_current_detected",
    7: "under_current_detected",
    8: "over_power_detected",
    13: "power_fail",
    14: "master_slave_protection",
}
"""Bits of the questionable register; named as in the register map."""
_REMOTE: Final = 10
_INHIBITED: Final = 4
_TIMED_OUT: Final = 7
_REGULATION: Final = {8: "cv", 9: "cc", 10: "cp", 11: "cr"}


class EaPsbScpi(ScpiCycler):
    """`protocols.Cycler` of the EA PSB in SCPI; see ScpiCycler.

    Its options are `watchdog_s`, `alarm_register`, `joined`, `protection_fraction` and the read-back's; any protection
    may be stated by its name (`over_voltage_v`), and `max_power_w`.
    """

    def __init__(self, device: DeviceType, link: ScpiLink, settings: Mapping[str, Any]) -> None:
        super().__init__(device, link, settings)
        self._watchdog_s = round(self.number("watchdog_s"))
        self._status = _QUESTIONABLE[self.choice("alarm_register", tuple(_QUESTIONABLE))]

    async def identify(self) -> Identity:
        """Who it is, and its ratings. Raises InputError when the bench file states others."""
        identity = await self.identity()
        reply = await self.ask(*(query(f"SYST:NOM:{header}?", unit) for header, unit in _NOMINAL))
        ratings: dict[str, float] = {}
        for (_, unit), value in zip(_NOMINAL, reply.value, strict=True):
            if not isinstance(value, float) or not 0.0 < value < 1e7:
                raise BadReply(f"{self.name}: a nominal value of {value} {unit}")
            ratings[RATING_OF[unit]] = value
        self.use_ratings(ratings)
        return identity

    async def take_over(self) -> None:
        await self.tell("SYST:LOCK 1")
        owner = (await self.link.exchange(_OWNER)).value[0]
        if owner != "REMOTE":
            raise BadReply(f"{self.name}: remote control was asked for, but its owner is {owner}")

    async def give_back(self) -> None:
        if self._watchdog_s:
            await self.tell("SYST:COMM:MON:ACT OFF")
        await self.tell("SYST:LOCK 0")
        owner = (await self.link.exchange(_OWNER)).value[0]
        if owner == "REMOTE":
            raise BadReply(f"{self.name}: remote control was given back, but its owner is {owner}")

    async def arm(self) -> None:
        """Arm the communication watchdog. A device that has none refuses it: then `watchdog_s: 0` is the answer."""
        if self._watchdog_s:
            await self.tell(f"SYST:COMM:MON:TIM {self._watchdog_s}", "SYST:COMM:MON:ACT ON")
            await self.raise_errors("communication watchdog")

    def targets(self, setpoint: Setpoint) -> Targets:
        """Five absolute values: the half that is not wanted goes to zero first, the wanted current comes last."""
        current_a = setpoint.current_a
        power_w = float(self.settings.get("max_power_w", self.rating("W")))
        zero, wanted = (_SINK_CURRENT, _SOURCE_CURRENT) if current_a >= 0 else (_SOURCE_CURRENT, _SINK_CURRENT)
        return (
            (zero, 0.0),
            (_VOLTAGE, setpoint.voltage_v),
            (_SINK_POWER, power_w),
            (_SOURCE_POWER, power_w),
            (wanted, abs(current_a)),
        )

    def protections(self) -> Targets:
        fraction = self.number("protection_fraction")
        return [
            (value, float(self.settings.get(name, fraction * self.rating(str(value.unit)))))
            for name, value in _PROTECTIONS.items()
        ]

    async def alarms(self) -> tuple[str, ...]:
        return _names((await self.link.exchange(self._status)).value[0])

    async def read(self) -> CyclerSample:
        """One reading; the current is signed by the device, negative when it sinks."""
        reply = await self.ask(_METERS, _OUTPUT, self._status, _OPERATION)
        voltage_v, current_a, _, on, questionable, operation = reply.value
        operation = int(operation or 0)
        alarms = _names(questionable)
        if operation >> _INHIBITED & 1:
            alarms += ("remote_inhibit",)
        if operation >> _TIMED_OUT & 1:
            alarms += ("communication_timeout",)
        elif self.prepared and not int(questionable or 0) >> _REMOTE & 1:
            alarms += ("remote_control_lost",)
        regulation = next((name for bit, name in _REGULATION.items() if operation >> bit & 1), "unknown")
        return self.sample(reply, voltage_v, current_a, on=bool(on), regulation=regulation, alarms=alarms)


def _names(questionable: object) -> tuple[str, ...]:
    bits = questionable if isinstance(questionable, int) else 0
    return tuple(name for bit, name in _ALARMS.items() if bits >> bit & 1)
