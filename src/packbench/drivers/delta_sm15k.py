"""Delta Elektronika SM15K (and other SM units with an Ethernet controller) in SCPI over TCP, as a cycler.

Owns Delta's words: a programming source for each of voltage, current and power, a positive and a negative current
limit, plain numbers. The device does not say which quantity it holds; the driver tells by the current that it set.

Sources: several public user scripts for these units (no manual is at hand): SYST:REM:CV/CC/CP eth, SOUR:VOLT,
SOUR:CUR, SOUR:CUR:NEG -x (with SOUR:CUR 0 for a discharge), SOUR:POW, ...:MAX?, MEAS, OUTP, SYST:ERR?.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packbench.core.errors import BadReply
from packbench.core.samples import CyclerSample
from packbench.drivers.protocols import Identity, Setpoint
from packbench.drivers.scpi_cycler import ScpiCycler, ScpiLink, SetValue, Targets
from packbench.maps.schema import DeviceType
from packbench.wire.scpi.messages import query

_VOLTAGE: Final = SetValue("SOUR:VOLT", "V", 4)
_SOURCE_CURRENT: Final = SetValue("SOUR:CUR", "A", 4)
_SINK_CURRENT: Final = SetValue("SOUR:CUR:NEG", "A", 4)
_POWER: Final = SetValue("SOUR:POW", "W", 1)
_METERS: Final = (query("MEAS:VOLT?", "V"), query("MEAS:CUR?", "A"), query("OUTP?", "switch"))
_QUANTITIES: Final = ("CV", "CC", "CP")


class DeltaSm15k(ScpiCycler):
    """`protocols.Cycler` of the SM15K; see ScpiCycler.

    Its options are `programming_source`, `release_to`, `joined` and the read-back's; `max_power_w` may be stated.
    """

    def __init__(self, device: DeviceType, link: ScpiLink, settings: Mapping[str, Any]) -> None:
        super().__init__(device, link, settings)
        self._source = str(self.settings["programming_source"])
        self._release_to = str(self.settings["release_to"])

    async def identify(self) -> Identity:
        """Who it is, and its ratings. Raises InputError when the bench file states others."""
        identity = await self.identity()
        reply = await self.ask(query("SOUR:VOLT:MAX?", "V"), query("SOUR:CUR:MAX?", "A"))
        ratings: dict[str, float] = {}
        for name, value in zip(("rated_voltage_v", "rated_current_a"), reply.value, strict=True):
            if not isinstance(value, float) or not 0.0 < value < 1e7:
                raise BadReply(f"{self.name}: a maximum of {value}")
            ratings[name] = value
        self.use_ratings(ratings)
        return identity

    async def take_over(self) -> None:
        await self.tell(*(f"SYST:REM:{quantity} {self._source}" for quantity in _QUANTITIES))

    async def give_back(self) -> None:
        await self.tell(*(f"SYST:REM:{quantity} {self._release_to}" for quantity in _QUANTITIES))
        await self.raise_errors("remote control given back")

    def targets(self, setpoint: Setpoint) -> Targets:
        """The direction that is not wanted goes to zero first, the wanted current comes last; sink is negative."""
        current_a = setpoint.current_a
        zero, wanted = (_SINK_CURRENT, _SOURCE_CURRENT) if current_a >= 0 else (_SOURCE_CURRENT, _SINK_CURRENT)
        power_w = self.settings.get("max_power_w")
        power = () if power_w is None else ((_POWER, float(power_w)),)
        return ((zero, 0.0), (_VOLTAGE, setpoint.voltage_v), *power, (wanted, current_a))

    async def read(self) -> CyclerSample:
        """One reading. No alarms: no source says how the device tells them."""
        reply = await self.ask(*_METERS)
        voltage_v, current_a, on = reply.value
        held = self.held(voltage_v, current_a)
        return self.sample(reply, voltage_v, current_a, on=bool(on), regulation=held, alarms=None)
