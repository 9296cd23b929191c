"""A Delta Elektronika SM15K on TCP, backed by the simulated cycler.

Owns its habits as public user scripts show them: every spelling between short and long form is understood (CUR, CURR,
CURRENT), a command answers nothing, a set value counts only while its quantity's programming source is the network,
the negative current limit is negative, and remote shutdown holds the output off. How it numbers its errors is not
known: SCPI-99's codes are used.
"""

from __future__ import annotations

from typing import Final

from packbench.wire.scpi.device import ILLEGAL_VALUE, SETTINGS_CONFLICT
from packbench.wire.scpi.text import Command, fixed
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
from packbench_sim.parts import CyclerPart
from packbench_sim.playing import Player, Playing, Silent

_SOURCES: Final = {
    "eth": "eth", "ethernet": "eth", "front": "front", "web": "web", "seq": "seq",
    "slot1": "slot1", "slot2": "slot2", "slot3": "slot3", "slot4": "slot4", "loc": "front", "rem": "eth",
}  # fmt: skip
"""Words for a programming source, and the one that is answered."""
_PROGRAMMED: Final = "eth"


class DeltaDevice(SourceDevice):
    """`parts.WireDevice` of the SM15K.

    Args:
        part: The simulated cycler; its ratings are the device's.
        turnaround_ns: How long an answer takes.
        silent: See ScpiDevice.
    """

    def __init__(self, part: CyclerPart, *, turnaround_ns: int = 0, silent: Silent | None = None) -> None:
        self.sources = {"CV": "front", "CC": "front", "CP": "front"}
        self.shut_down = False
        self.power_w = part.rated_power_w
        self._front_locked = False
        super().__init__(part, self._commands(part), abbreviated=True, turnaround_ns=turnaround_ns, silent=silent)

    def switch_output(self, t_ns: int, on: bool) -> None:
        """Remote shutdown wins over OUTP."""
        super().switch_output(t_ns, on and not self.shut_down)

    def _commands(self, part: CyclerPart) -> dict[str, Handler]:
        ratings = (("VOLtage", part.rated_voltage_v), ("CURrent", part.rated_current_a))
        commands: dict[str, Handler] = {
            f"SOURce:{header}:MAXimum": asking(lambda _t_ns, value=value: fixed(value, DIGITS))
            for header, value in ratings
        }
        for quantity in self.sources:
            commands[f"SYSTem:REMote:{quantity}[:STATus]"] = self._source(quantity)
        commands |= self.meters("MEASure:VOLtage", "MEASure:CURrent", "MEASure:POWer")
        return commands | {
            "*IDN": asking(lambda _t_ns: "DELTA ELEKTRONIKA BV,SM15K simulated,SIM0000002,V1.0"),
            "*RST": doing(self._reset),
            "SOURce:VOLtage": self._programmed("CV", setting(lambda: self.voltage_v, self.set_voltage, "V", DIGITS)),
            "SOURce:CURrent": self._programmed("CC", setting(lambda: self.source_a, self.set_source, "A", DIGITS)),
            "SOURce:CURrent:NEGative": self._programmed(
                "CC", setting(lambda: -self.sink_a, self.set_sink, "A", DIGITS)
            ),
            "SOURce:POWer": self._programmed("CP", setting(lambda: self.power_w, self._set_power, "W", 1)),
            "SYSTem:RSD[:STATus]": switch(lambda: self.shut_down, self._shut_down),
            "SYSTem:FRONtpanel[:STATus]": switch(lambda: self._front_locked, self._lock_front),
        }

    def _programmed(self, quantity: str, handler: Handler) -> Handler:
        """A set value is taken from the network only while that is its quantity's source."""

        def handle(t_ns: int, command: Command) -> str | None:
            if not command.query and self.sources[quantity] != _PROGRAMMED:
                raise Fail(SETTINGS_CONFLICT)
            return handler(t_ns, command)

        return handle

    def _source(self, quantity: str) -> Handler:
        def handle(_t_ns: int, command: Command) -> str | None:
            if command.query:
                no_parameters(command, query=True)
                return self.sources[quantity]
            source = _SOURCES.get(one_parameter(command).lower())
            if source is None:
                raise Fail(ILLEGAL_VALUE)
            self.sources[quantity] = source
            return None

        return handle

    def _set_power(self, _t_ns: int, value_w: float) -> None:
        """Kept and shown; the simulated cycler has its own limit, that of the rating."""
        self.power_w = within(value_w, 0.0, self.part.rated_power_w)

    def _shut_down(self, t_ns: int, on: bool) -> None:
        self.shut_down = on
        if on:
            self.switch_output(t_ns, on=False)

    def _lock_front(self, _t_ns: int, on: bool) -> None:
        self._front_locked = on

    def _reset(self, t_ns: int) -> None:
        self.voltage_v = self.source_a = self.sink_a = 0.0
        self.switch_output(t_ns, on=False)


def _make(playing: Playing) -> DeltaDevice:
    return DeltaDevice(playing.cycler, silent=playing.silent)


play_delta_sm15k = Player(_make)
