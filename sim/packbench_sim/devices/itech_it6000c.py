"""An ITECH IT6000C, backed by the simulated cycler.

Owns its habits as far as public sources show them on a real unit: the priority (FUNC) decides which limits can be
written (CURR:LIM in voltage priority, VOLT:LIM in current priority), a current limit of the sink is negative, the
protection on over-voltage latches until OUTP:PROT:CLE, status bits as the drivers of a real unit read them. It answers
as IEEE 488.2 wants: a message that comes before the last answer was given drops that answer (-410).
"""

from __future__ import annotations

from typing import Final

from packbench.wire.scpi.device import ILLEGAL_VALUE, SETTINGS_CONFLICT
from packbench.wire.scpi.text import Command
from packbench_sim.devices.scpi_device import (
    DIGITS,
    Fail,
    Handler,
    SourceDevice,
    asking,
    doing,
    no_parameters,
    one_parameter,
    setting,
    switch,
    within,
)
from packbench_sim.parts import CyclerPart, CyclerReading
from packbench_sim.playing import Player, Playing, Silent

_OVER_VOLTAGE: Final = 1 << 0
_CC_SOURCE: Final = 1 << 7
_CV: Final = 1 << 8
_CC_SINK: Final = 1 << 11
_PRIORITIES: Final = {"VOLT": "VOLTage", "VOLTAGE": "VOLTage", "CURR": "CURRent", "CURRENT": "CURRent"}
_PROTECTION_FACTOR: Final = 1.01
"""Protections reach this far above the rating, as the units' ranges do (800 V: 808 V)."""


class ItechDevice(SourceDevice):
    """`parts.WireDevice` of the IT6000C.

    Args:
        part: The simulated cycler; its ratings are the device's.
        turnaround_ns: How long an answer takes.
        silent: See ScpiDevice.
    """

    def __init__(self, part: CyclerPart, *, turnaround_ns: int = 0, silent: Silent | None = None) -> None:
        self.priority = "VOLTage"
        self.remote = False
        self.high_v = part.rated_voltage_v
        self.low_v = 0.0
        """Limits of the voltage in current priority."""
        self.faults = 0
        """The questionable register."""
        self.protect_v = part.rated_voltage_v * _PROTECTION_FACTOR
        self.protect_a = part.rated_current_a * _PROTECTION_FACTOR
        self._protecting = {"VOLTage": True, "CURRent": True}
        super().__init__(part, self._commands(), turnaround_ns=turnaround_ns, interrupts=True, silent=silent)

    def switch_output(self, t_ns: int, on: bool) -> None:
        """A protection that tripped holds the output off until it is cleared."""
        if on and self.faults:
            raise Fail(SETTINGS_CONFLICT)
        super().switch_output(t_ns, on)

    def drive(self, t_ns: int) -> None:
        """In current priority the voltage may go as far as the limit on the side that the current pushes to."""
        if self.priority == "CURRent":
            self.voltage_v = self.low_v if self.sink_a else self.high_v
        super().drive(t_ns)

    def reading(self, t_ns: int) -> CyclerReading:
        reading = super().reading(t_ns)
        if self.output_on and self._protecting["VOLTage"] and reading.voltage_v > self.protect_v:
            self.faults |= _OVER_VOLTAGE
            super().switch_output(t_ns, on=False)
        return reading

    def _commands(self) -> dict[str, Handler]:
        voltage = self._in("VOLTage", setting(lambda: self.voltage_v, self.set_voltage, "V", DIGITS))
        positive = self._in("VOLTage", setting(lambda: self.source_a, self.set_source, "A", DIGITS))
        negative = self._in("VOLTage", setting(lambda: -self.sink_a, self.set_sink, "A", DIGITS))
        current = self._in("CURRent", setting(lambda: self.source_a - self.sink_a, self._set_current, "A", DIGITS))
        high = self._in("CURRent", setting(lambda: self.high_v, self._set_high, "V", DIGITS))
        low = self._in("CURRent", setting(lambda: self.low_v, self._set_low, "V", DIGITS))
        commands: dict[str, Handler] = {}
        for verb in ("MEASure", "FETCh"):
            quantities = (f"{verb}[:SCALar]:{name}[:DC]" for name in ("VOLTage", "CURRent", "POWer"))
            commands |= self.meters(*quantities)
        for quantity in self._protecting:
            commands[f"[SOURce:]{quantity}[:OVER]:PROTection:STATe"] = self._protection_switch(quantity)
        return commands | {
            "*IDN": asking(lambda _t_ns: "ITECH Electronics,IT6000C simulated,SIM0000003,000.006.101"),
            "*RST": doing(self._reset),
            "SYSTem:REMote": doing(lambda _t_ns: self._control(remote=True)),
            "SYSTem:LOCal": doing(lambda _t_ns: self._control(remote=False)),
            "[SOURce:]FUNCtion": self._function,
            "[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]": voltage,
            "[SOURce:]VOLTage[:LEVel]:LIMit[:POSitive]": high,
            "[SOURce:]VOLTage[:LEVel]:LIMit:NEGative": low,
            "[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]": current,
            "[SOURce:]CURRent[:LEVel]:LIMit[:POSitive]": positive,
            "[SOURce:]CURRent[:LEVel]:LIMit:NEGative": negative,
            "[SOURce:]VOLTage[:OVER]:PROTection[:LEVel]": setting(
                lambda: self.protect_v, self._set_protect_v, "V", DIGITS
            ),
            "[SOURce:]CURRent[:OVER]:PROTection[:LEVel]": setting(
                lambda: self.protect_a, self._set_protect_a, "A", DIGITS
            ),
            "OUTPut:PROTection:CLEar": doing(lambda _t_ns: self._clear_faults()),
            "STATus:QUEStionable:CONDition": asking(self._questionable),
            "STATus:OPERation:CONDition": asking(self._operation),
        }

    def _protection_switch(self, quantity: str) -> Handler:
        def put(_t_ns: int, on: bool) -> None:
            self._protecting[quantity] = on

        return switch(lambda: self._protecting[quantity], put)

    def _in(self, priority: str, handler: Handler) -> Handler:
        """A value that can be written in one priority alone."""

        def handle(t_ns: int, command: Command) -> str | None:
            if not command.query and self.priority != priority:
                raise Fail(SETTINGS_CONFLICT)
            return handler(t_ns, command)

        return handle

    def _function(self, t_ns: int, command: Command) -> str | None:
        if command.query:
            no_parameters(command, query=True)
            return self.priority
        priority = _PRIORITIES.get(one_parameter(command).upper())
        if priority is None:
            raise Fail(ILLEGAL_VALUE)
        if priority != self.priority and self.output_on:
            raise Fail(SETTINGS_CONFLICT)
        self.priority = priority
        return None

    def _control(self, *, remote: bool) -> None:
        self.remote = remote

    def _clear_faults(self) -> None:
        self.faults = 0

    def _set_current(self, t_ns: int, value_a: float) -> None:
        """Signed: negative sinks."""
        value_a = within(value_a, -self.part.rated_current_a, self.part.rated_current_a)
        self.source_a, self.sink_a = max(value_a, 0.0), max(-value_a, 0.0)
        self.drive(t_ns)

    def _set_high(self, t_ns: int, value_v: float) -> None:
        self.high_v = within(value_v, 0.0, self.part.rated_voltage_v)
        self.drive(t_ns)

    def _set_low(self, t_ns: int, value_v: float) -> None:
        self.low_v = within(value_v, 0.0, self.part.rated_voltage_v)
        self.drive(t_ns)

    def _set_protect_v(self, _t_ns: int, value_v: float) -> None:
        self.protect_v = within(value_v, 0.0, self.part.rated_voltage_v * _PROTECTION_FACTOR)

    def _set_protect_a(self, _t_ns: int, value_a: float) -> None:
        """Kept and shown: no source says what it compares in a two-quadrant unit."""
        self.protect_a = within(value_a, 0.0, self.part.rated_current_a * _PROTECTION_FACTOR)

    def _questionable(self, t_ns: int) -> str:
        self.reading(t_ns)
        return str(self.faults)

    def _operation(self, t_ns: int) -> str:
        reading = self.reading(t_ns)
        if not self.output_on:
            return "0"
        return str(_CV if reading.regulation == "cv" else _CC_SINK if reading.current_a < 0 else _CC_SOURCE)

    def _reset(self, t_ns: int) -> None:
        self.voltage_v = self.source_a = self.sink_a = 0.0
        self.priority = "VOLTage"
        super().switch_output(t_ns, on=False)


def _make(playing: Playing) -> ItechDevice:
    return ItechDevice(playing.cycler, silent=playing.silent)


play_itech_it6000c = Player(_make)
