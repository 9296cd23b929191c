"""An EA PSB's SCPI side: the words for what `ea_psb_machine.py` does.

Owns the texts: headers, quantities with their unit (`43.50V`), status registers as SCPI numbers them, and the habits
that differ from Modbus: a command that is refused says nothing, the refusal waits for SYST:ERR?; asking for errors
acknowledges alarms; MEAS gives the current a sign. Must not hold any state of the device's.

Sources: EA Programming Guide ModBus & SCPI, REV24 (commands, bits, codes). From public drivers of these devices, not
from the guide: OUTP? answers ON or OFF; joined queries answer in one line, joined by ";"; SYST:NOM:... asks the
ratings.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from packbench.wire.scpi.device import (
    COMMAND_ERROR,
    ILLEGAL_VALUE,
    IN_LOCAL,
    OUT_OF_RANGE,
    SETTINGS_CONFLICT,
    ErrorEntry,
    Message,
)
from packbench.wire.scpi.text import Command, fixed
from packbench_sim.devices.ea_psb_machine import FULL, EaMachine
from packbench_sim.devices.modbus_slave import ACCESS_DENIED, ILLEGAL_ADDRESS, Refuse
from packbench_sim.devices.modbus_slave import ILLEGAL_VALUE as REGISTER_VALUE
from packbench_sim.devices.scpi_device import (
    Fail,
    Handler,
    ScpiDevice,
    asking,
    doing,
    no_parameters,
    setting,
    switch,
)
from packbench_sim.playing import Silent

_REGISTERS: Final = {
    "[SOURce:]VOLTage[:LEVel][:IMMediate][:AMPLitude]": (500, "V"),
    "[SOURce:]CURRent[:LEVel][:IMMediate][:AMPLitude]": (501, "A"),
    "[SOURce:]POWer[:LEVel][:IMMediate][:AMPLitude]": (502, "W"),
    "SINK:CURRent[:LEVel][:IMMediate][:AMPLitude]": (499, "A"),
    "SINK:POWer[:LEVel][:IMMediate][:AMPLitude]": (498, "W"),
    "[SOURce:]VOLTage:PROTection[:LEVel]": (550, "V"),
    "[SOURce:]CURRent:PROTection[:LEVel]": (553, "A"),
    "[SOURce:]POWer:PROTection[:LEVel]": (556, "W"),
    "SINK:CURRent:PROTection[:LEVel]": (569, "A"),
    "SINK:POWer:PROTection[:LEVel]": (570, "W"),
    "[SOURce:]VOLTage:LIMit:HIGH": (9000, "V"),
    "[SOURce:]VOLTage:LIMit:LOW": (9001, "V"),
    "[SOURce:]CURRent:LIMit:HIGH": (9002, "A"),
    "[SOURce:]CURRent:LIMit:LOW": (9003, "A"),
    "[SOURce:]POWer:LIMit:HIGH": (9004, "W"),
    "SINK:POWer:LIMit:HIGH": (9005, "W"),
    "SINK:CURRent:LIMit:HIGH": (9008, "A"),
    "SINK:CURRent:LIMit:LOW": (9009, "A"),
}
_RATING_OF: Final = {"V": "rated_voltage_v", "A": "rated_current_a", "W": "rated_power_w"}
_QUESTIONABLE: Final = {
    "over_voltage": 0,
    "over_current": 1,
    "over_power": 2,
    "over_temperature": 3,
    "over_voltage_detected": 4,
    "under_voltage_detected": 5,
    "over_current_detected": 6,
    "under_current_detected": 7,
    "over_power_detected": 8,
    "power_fail": 13,
    "master_slave_protection": 14,
}
_LOCAL: Final = 9
_REMOTE: Final = 10
_OUTPUT: Final = 11
_INHIBITED: Final = 4
_TIMED_OUT: Final = 7
_REGULATION: Final = {"cv": 8, "cc": 9, "cp": 10, "cr": 11}
_SINK: Final = 12
_CODE_OF: Final = {ACCESS_DENIED: IN_LOCAL, REGISTER_VALUE: OUT_OF_RANGE, ILLEGAL_ADDRESS: COMMAND_ERROR}
"""What a refusal on Modbus is here; not being in remote control and being in local are one error."""


class EaScpi(ScpiDevice):
    """One client's SCPI side of the device.

    Args:
        machine: The device.
        digits: Decimals of volts, amperes and watts (-1: tens); the guide's own examples differ (`43.50V`, `12.5V`).
        silent: See ScpiDevice.
    """

    def __init__(
        self, machine: EaMachine, *, digits: tuple[int, int, int] = (2, 2, 0), silent: Silent | None = None
    ) -> None:
        self._machine = machine
        self._digits = dict(zip("VAW", digits, strict=True))
        super().__init__(self._commands(), silent=silent)
        self.errors = machine.errors

    @property
    def mid_message(self) -> bool:
        """Whether the beginning of a message is waiting for its LF."""
        return bool(self._buffer)

    def forget(self) -> None:
        """Drop the beginning of a message."""
        self._buffer.clear()

    def answer(self, t_ns: int, request: Message) -> bytes:
        self._machine.heard(t_ns)
        return super().answer(t_ns, request)

    def _commands(self) -> dict[str, Handler]:
        machine = self._machine
        commands = {header: self._register(number, unit) for header, (number, unit) in _REGISTERS.items()}
        for header, unit in (("VOLTage", "V"), ("CURRent", "A"), ("POWer", "W")):
            commands[f"SYSTem:NOMinal:{header}"] = self._rating(unit)
            commands[f"MEASure[:SCALar]:{header}[:DC]"] = self._meter(unit)
        for spelling in ("TIMe", "TIMeout"):
            commands[f"SYSTem:COMMunicate:MONitor:{spelling}"] = setting(
                lambda: machine.monitor_s, self._set_monitor, "", 0
            )
        return commands | {
            "*IDN": asking(self._identity),
            "*RST": doing(self._reset),
            "MEASure[:SCALar]:ARRay": asking(self._all),
            "FETCh:SINK:AHOur": asking(lambda t_ns: self._total(t_ns, "Ah")),
            "FETCh:SINK:WHOur": asking(lambda t_ns: self._total(t_ns, "Wh")),
            "OUTPut[:STATe]": switch(lambda: machine.output_on, self._switch, ("OFF", "ON")),
            "SYSTem:LOCK[:STATe]": switch(lambda: machine.remote, self._lock, ("OFF", "ON")),
            "SYSTem:LOCK:OWNer": asking(self._owner),
            "SYSTem:ERRor[:NEXT]": self._error,
            "SYSTem:ERRor:ALL": asking(self._errors),
            "SYSTem:COMMunicate:MONitor:ACT": switch(lambda: machine.monitored, self._monitor, ("OFF", "ON")),
            "SYSTem:COMMunicate:LAN:TIMeout": setting(
                lambda: machine.register(10889), lambda t_ns, value: self._write(t_ns, 10889, value), "", 0
            ),
            "STATus:QUEStionable[:EVENt]": asking(self._questionable_event),
            "STATus:QUEStionable:CONDition": asking(lambda t_ns: str(self._questionable(t_ns))),
            "STATus:OPERation[:EVENt]": asking(lambda t_ns: str(self._operation(t_ns))),
            "STATus:OPERation:CONDition": asking(lambda t_ns: str(self._operation(t_ns))),
        }

    # -------------------------------------------------------- quantities

    def _register(self, number: int, unit: str) -> Handler:
        rating = self._machine.ratings[_RATING_OF[unit]]
        return setting(
            lambda: self._machine.register(number) * rating / FULL,
            lambda t_ns, value: self._write(t_ns, number, value * FULL / rating),
            unit,
            self._digits[unit],
            shown_unit=True,
        )

    def _write(self, t_ns: int, number: int, counts: float) -> None:
        _refusable(self._machine.require_remote)
        raw = round(counts)
        if not 0 <= raw <= 0xFFFF:
            raise Fail(OUT_OF_RANGE)
        _refusable(lambda: self._machine.write(t_ns, number, raw.to_bytes(2, "big")))

    def _rating(self, unit: str) -> Handler:
        return asking(lambda _t_ns: self._shown(self._machine.ratings[_RATING_OF[unit]], unit))

    def _meter(self, unit: str) -> Handler:
        return asking(lambda t_ns: self._meters(t_ns)["VAW".index(unit)])

    def _all(self, t_ns: int) -> str:
        return ", ".join(self._meters(t_ns))

    def _meters(self, t_ns: int) -> tuple[str, str, str]:
        reading = self._machine.measure(t_ns)
        voltage_v, current_a = max(reading.voltage_v, 0.0), reading.current_a
        return self._shown(voltage_v, "V"), self._shown(current_a, "A"), self._shown(voltage_v * current_a, "W")

    def _total(self, t_ns: int, unit: str) -> str:
        """What the sink has taken, with its unit as all quantities have it; the number of decimals is ours."""
        self._machine.measure(t_ns)
        counts = self._machine.counts
        return fixed(counts.sink_ah if unit == "Ah" else counts.sink_wh, 2) + unit

    def _shown(self, value: float, unit: str) -> str:
        digits = self._digits[unit]
        return fixed(round(value, digits), max(digits, 0)) + unit

    # ------------------------------------------------------------- control

    def _identity(self, _t_ns: int) -> str:
        names = {**self._machine.space.get(0, 211)}
        return f"EA Elektro-Automatik,{names['model']},{names['serial']},{names['firmware']}"

    def _owner(self, _t_ns: int) -> str:
        return "REMOTE" if self._machine.remote else "LOCAL" if self._machine.local else "NONE"

    def _lock(self, t_ns: int, on: bool) -> None:
        _refusable(lambda: self._machine.set_remote(t_ns, on))

    def _switch(self, t_ns: int, on: bool) -> None:
        _refusable(self._machine.require_remote)
        if on and self._machine.latched:
            raise Fail(SETTINGS_CONFLICT)
        self._machine.switch(t_ns, on)

    def _reset(self, t_ns: int) -> None:
        self._lock(t_ns, on=True)
        self._machine.acknowledge()
        self._machine.switch(t_ns, on=False)

    def _monitor(self, _t_ns: int, on: bool) -> None:
        _refusable(self._machine.require_remote)
        self._machine.monitored = on

    def _set_monitor(self, _t_ns: int, value_s: float) -> None:
        _refusable(self._machine.require_remote)
        if value_s != int(value_s):
            raise Fail(ILLEGAL_VALUE)
        if not 1 <= value_s <= 36_000:
            raise Fail(OUT_OF_RANGE)
        self._machine.monitor_s = int(value_s)

    # -------------------------------------------------------------- status

    def _error(self, _t_ns: int, command: Command) -> str:
        """Asking for an error acknowledges alarms, as coil 411 does."""
        no_parameters(command, query=True)
        self._machine.acknowledge()
        return self.errors.pop().line()

    def _errors(self, _t_ns: int) -> str:
        self._machine.acknowledge()
        entries: list[ErrorEntry] = []
        while not entries or len(self.errors):
            entries.append(self.errors.pop())
        return ",".join(entry.line() for entry in entries)

    def _questionable(self, t_ns: int) -> int:
        machine = self._machine
        machine.measure(t_ns)
        bits = machine.local << _LOCAL | machine.remote << _REMOTE | machine.output_on << _OUTPUT
        for name in machine.latched & _QUESTIONABLE.keys():
            bits |= 1 << _QUESTIONABLE[name]
        machine.events |= bits
        return bits

    def _questionable_event(self, t_ns: int) -> str:
        self._questionable(t_ns)
        events, self._machine.events = self._machine.events, 0
        return str(events)

    def _operation(self, t_ns: int) -> int:
        machine = self._machine
        reading = machine.measure(t_ns)
        bits = ("remote_inhibit" in machine.latched) << _INHIBITED | machine.timed_out << _TIMED_OUT
        if machine.output_on:
            bits |= 1 << _REGULATION.get(reading.regulation, _REGULATION["cv"])
        return bits | (reading.current_a < 0) << _SINK


def _refusable(do: Callable[[], None]) -> None:
    """Turn a refusal of the machine's into the error that SCPI has for it."""
    try:
        do()
    except Refuse as refusal:
        raise Fail(_CODE_OF.get(refusal.code, IN_LOCAL)) from refusal
