"""ITECH IT6000C and IT-M3900C/D in SCPI, as a cycler: voltage priority with a positive and a negative current limit.

Owns ITECH's words, no more of them than public sources show in use on real units. Ratings come from the bench file:
no source shows how the device tells them.

Sources: three public drivers (VOLT, CURR:LIM, CURR:LIM:NEG -x, VOLT:PROT, CURR:PROT, OUTP, MEAS, *IDN?); a public,
dated record of a run on an IT6054C-800-225 (SYST:REM, SYST:LOC, FUNC VOLT, OUTP?, OUTP:PROT:CLE, STAT:QUES:COND? and
STAT:OPER:COND? with their bits; the negative limit is shown negative, and CURR:LIM can be written in voltage priority
alone). The TCP port is not known: 30000 and 8080 are both cited, so the URL has to state it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packbench.core.samples import CyclerSample
from packbench.drivers.protocols import Identity, Setpoint
from packbench.drivers.scpi_cycler import ScpiCycler, ScpiLink, SetValue, Targets
from packbench.maps.schema import DeviceType
from packbench.wire.scpi.messages import query

_VOLTAGE: Final = SetValue("VOLT", "V", 2)
_SOURCE_CURRENT: Final = SetValue("CURR:LIM", "A", 2)
_SINK_CURRENT: Final = SetValue("CURR:LIM:NEG", "A", 2)
_OVER_VOLTAGE: Final = SetValue("VOLT:PROT", "V", 2)
_OVER_CURRENT: Final = SetValue("CURR:PROT", "A", 2)
_METERS: Final = (query("MEAS:VOLT?", "V"), query("MEAS:CURR?", "A"), query("OUTP?", "switch"))
_STATUS: Final = (query("STAT:QUES:COND?", "integer"), query("STAT:OPER:COND?", "integer"))
_ALARMS: Final = {
    0: "over_voltage",
    1: "source_over_current",
    2: "sink_over_current",
    3: "source_over_power",
    4: "sink_over_power",
    5: "under_voltage",
    6: "over_temperature",
    7: "under_current",
    8: "sense_fault",
    9: "current_sharing_fault",
    10: "reverse_polarity",
    11: "remote_inhibit",
    12: "power_state",
    13: "protection",
    14: "internal_fault",
}
"""Bits of the questionable register."""
_REGULATION: Final = {7: "cc", 8: "cv", 9: "cp", 11: "cc", 12: "cp"}
"""Bits of the operation register; 11 and 12 are those of the sink."""


class ItechIt6000c(ScpiCycler):
    """`protocols.Cycler` of the IT6000C; see ScpiCycler.

    Its options are `negative_limit`, `status_registers`, `joined` and the read-back's; the bench file's ratings are
    needed, and protections may be stated (`over_voltage_v`, `over_current_a`).
    """

    def __init__(self, device: DeviceType, link: ScpiLink, settings: Mapping[str, Any]) -> None:
        super().__init__(device, link, settings)
        self._sink_sign = -1.0 if self.choice("negative_limit", ("signed", "magnitude")) == "signed" else 1.0
        self._with_status = self.choice("status_registers", (True, False))

    async def identify(self) -> Identity:
        return await self.identity()

    async def take_over(self) -> None:
        await self.tell("SYST:REM")

    async def give_back(self) -> None:
        await self.tell("SYST:LOC")
        await self.raise_errors("remote control given back")

    async def set_up(self) -> None:
        """Voltage priority, in which both current limits bound the current; a latched protection is cleared."""
        await self.tell("FUNC VOLT")
        if self._with_status:
            await self.tell("OUTP:PROT:CLE")
        await self.raise_errors("voltage priority")

    def protections(self) -> Targets:
        """Those that the bench file states."""
        stated = (("over_voltage_v", _OVER_VOLTAGE), ("over_current_a", _OVER_CURRENT))
        return [(value, float(self.settings[name])) for name, value in stated if name in self.settings]

    def targets(self, setpoint: Setpoint) -> Targets:
        """The direction that is not wanted goes to zero first, the wanted current comes last."""
        current_a = setpoint.current_a
        source, sink = (_SOURCE_CURRENT, max(current_a, 0.0)), (_SINK_CURRENT, self._sink_sign * max(-current_a, 0.0))
        first, last = (sink, source) if current_a >= 0 else (source, sink)
        return (first, (_VOLTAGE, setpoint.voltage_v), last)

    async def read(self) -> CyclerSample:
        """One reading; the current is signed by the device, negative when it sinks."""
        if not self._with_status:
            reply = await self.ask(*_METERS)
            voltage_v, current_a, on = reply.value
            held = self.held(voltage_v, current_a)
            return self.sample(reply, voltage_v, current_a, on=bool(on), regulation=held, alarms=None)
        reply = await self.ask(*_METERS, *_STATUS)
        voltage_v, current_a, on, questionable, operation = reply.value
        faults, state = int(questionable or 0), int(operation or 0)
        alarms = tuple(name for bit, name in _ALARMS.items() if faults >> bit & 1)
        regulation = next((name for bit, name in _REGULATION.items() if state >> bit & 1), "unknown")
        return self.sample(reply, voltage_v, current_a, on=bool(on), regulation=regulation, alarms=alarms)
