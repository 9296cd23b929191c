"""The SCPI side of a simulated device: messages in, answers out, errors kept until they are asked for.

Owns the carrying out of a message (its commands in order; an unknown one ends it), the error queue, the time an
answer takes and what a message does that comes before it was given. Must not know any command beyond IEEE 488.2's
and SYST:ERR: subclasses bring a table of headers. `SourceDevice` adds what two-quadrant sources have in common:
an output in front of the simulated cycler, and set values that are carried out at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from packbench.core.errors import BadReply
from packbench.wire.scpi.device import (
    COMMAND_ERROR,
    ILLEGAL_VALUE,
    OUT_OF_RANGE,
    PARAMETER_ERROR,
    PARAMETER_NOT_ALLOWED,
    QUERY_INTERRUPTED,
    UNDEFINED_HEADER,
    ErrorQueue,
    HeaderTable,
    Message,
    OutputQueue,
    answer_line,
    path_of,
    take_message,
)
from packbench.wire.scpi.text import SWITCHES, Command, fixed, parse_quantity
from packbench_sim.devices.framed import FramedDevice
from packbench_sim.parts import CyclerPart, CyclerReading
from packbench_sim.playing import Silent

Handler = Callable[[int, Command], str | None]
"""(instant, command) to its answer; None for a command that was no query. Raises Fail."""


class Fail(Exception):
    """The command is not carried out; the code goes to the error queue."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ScpiDevice(FramedDevice[Message]):
    """Base of the simulated SCPI devices; implements `parts.TalkingDevice` and `parts.SessionDevice`.

    Args:
        commands: What it does for which header, in SCPI's notation (`packbench.wire.scpi_device.HeaderTable`).
        abbreviated: Whether headers may be cut anywhere between the short and the long form.
        undefined: The error of a header that is none of them.
        turnaround_ns: How long an answer takes.
        interrupts: Whether a message that comes before the last answer was given drops that answer and is an error
            (IEEE 488.2, -410); else the answers are given one after the other.
        silent: See FramedDevice.
    """

    def __init__(
        self,
        commands: Mapping[str, Handler],
        *,
        abbreviated: bool = False,
        undefined: int = COMMAND_ERROR,
        turnaround_ns: int = 0,
        interrupts: bool = False,
        silent: Silent | None = None,
    ) -> None:
        super().__init__(silent=silent)
        common: dict[str, Handler] = {
            "*CLS": self._clear,
            # No operation is ever pending here, and no event is kept but as an error.
            "*OPC": asking(lambda _t_ns: "1"),
            "*ESR": asking(lambda _t_ns: "0"),
            "SYSTem:ERRor[:NEXT]": self._next_error,
        }
        self._table = HeaderTable({**common, **commands}, abbreviated=abbreviated)
        self._undefined = undefined
        self._turnaround_ns = turnaround_ns
        self._interrupts = interrupts
        self._output = OutputQueue()
        self._due_ns: int | None = None
        self._said = b""
        self.errors = ErrorQueue()
        self.idle_close_ns = 0

    def session(self) -> ScpiSession:
        """See `parts.SessionDevice`: each client has its own beginnings of messages, and one device is behind all."""
        return ScpiSession(self)

    def take(self, buffer: bytearray) -> Message | None:
        return take_message(buffer)

    def answer(self, t_ns: int, request: Message) -> bytes:
        """Carry out a message; what its queries answer comes in one line."""
        self._say_what_is_due(t_ns)
        if self._interrupts and self._output.interrupted():
            self.errors.push(QUERY_INTERRUPTED)
        if request.error:
            self.errors.push(request.error)
            return b""
        answers: list[str] = []
        path = ""
        for command in request.commands:
            handler = self._table.find(command.header, path)
            if handler is None:
                # What comes after a command nobody knows is not carried out either (SCPI-99 vol. 1, 6.2.1).
                self.errors.push(self._undefined)
                break
            path = path_of(command.header) or path
            try:
                said = handler(t_ns, command)
            except Fail as failure:
                self.errors.push(failure.code)
                continue
            if said is not None:
                answers.append(said)
        return self._give(t_ns, answer_line(tuple(answers)))

    def tick(self, t_ns: int) -> int | None:
        self._say_what_is_due(t_ns)
        return self._due_ns

    def take_output(self) -> bytes:
        """Answers that have taken their time."""
        said, self._said = self._said, b""
        return said

    def _give(self, t_ns: int, line: bytes) -> bytes:
        if not self._turnaround_ns or not line:
            return line
        self._output.pending += line
        self._due_ns = t_ns + self._turnaround_ns
        return b""

    def _say_what_is_due(self, t_ns: int) -> None:
        if self._due_ns is not None and t_ns >= self._due_ns:
            self._said += self._output.take()
            self._due_ns = None

    def _clear(self, _t_ns: int, command: Command) -> None:
        no_parameters(command, query=False)
        self.errors.clear()

    def _next_error(self, _t_ns: int, command: Command) -> str:
        no_parameters(command, query=True)
        return self.errors.pop().line()


class ScpiSession(FramedDevice[Message]):
    """One client's way to a device."""

    def __init__(self, device: ScpiDevice) -> None:
        super().__init__(silent=lambda t_ns: device.silent is not None and device.silent(t_ns))
        self._device = device

    def take(self, buffer: bytearray) -> Message | None:
        return take_message(buffer)

    def answer(self, t_ns: int, request: Message) -> bytes:
        return self._device.answer(t_ns, request)


# -------------------------------------------------------------- parameters


def no_parameters(command: Command, *, query: bool) -> None:
    """The command must be (or not be) a query, and carry nothing. Raises Fail."""
    if command.query is not query:
        raise Fail(COMMAND_ERROR)
    if command.parameters:
        raise Fail(PARAMETER_NOT_ALLOWED)


def one_parameter(command: Command) -> str:
    """The only parameter of a command. Raises Fail."""
    if len(command.parameters) != 1:
        raise Fail(PARAMETER_NOT_ALLOWED if command.parameters else PARAMETER_ERROR)
    return command.parameters[0]


def number_parameter(command: Command, unit: str = "") -> float:
    """The command's number, with or without its unit. Raises Fail."""
    try:
        value = parse_quantity(one_parameter(command), unit)
    except BadReply as error:
        raise Fail(ILLEGAL_VALUE) from error
    if value is None or abs(value) == float("inf"):
        raise Fail(ILLEGAL_VALUE)
    return value


def setting(
    get: Callable[[], float], put: Callable[[int, float], None], unit: str, digits: int, *, shown_unit: bool = False
) -> Handler:
    """The handler of one value that can be set and asked for; `shown_unit`: the answer carries the unit."""

    def handle(t_ns: int, command: Command) -> str | None:
        if not command.query:
            put(t_ns, number_parameter(command, unit))
            return None
        no_parameters(command, query=True)
        return fixed(get(), digits) + (unit if shown_unit else "")

    return handle


def switch(get: Callable[[], bool], put: Callable[[int, bool], None], words: tuple[str, str] = ("0", "1")) -> Handler:
    """The handler of a switch: 0/1/OFF/ON; `words` are what it answers."""

    def handle(t_ns: int, command: Command) -> str | None:
        if not command.query:
            on = SWITCHES.get(one_parameter(command).upper())
            if on is None:
                raise Fail(ILLEGAL_VALUE)
            put(t_ns, on)
            return None
        no_parameters(command, query=True)
        return words[get()]

    return handle


def asking(get: Callable[[int], str]) -> Handler:
    """The handler of something that can only be asked for; it is told the instant."""

    def handle(t_ns: int, command: Command) -> str:
        no_parameters(command, query=True)
        return get(t_ns)

    return handle


def doing(do: Callable[[int], None]) -> Handler:
    """The handler of something that can only be done."""

    def handle(t_ns: int, command: Command) -> None:
        no_parameters(command, query=False)
        do(t_ns)

    return handle


# ------------------------------------------------------------------- sources

DIGITS: Final = 4
"""Decimals of a plain number in the answers of devices whose format no source states."""


class SourceDevice(ScpiDevice):
    """A two-quadrant source in front of the simulated cycler; set values are carried out at once.

    Args:
        part: The simulated cycler; its ratings are the device's.
        commands: The dialect's own.
        abbreviated, turnaround_ns, interrupts, silent: See ScpiDevice.
    """

    def __init__(
        self,
        part: CyclerPart,
        commands: Mapping[str, Handler],
        *,
        abbreviated: bool = False,
        turnaround_ns: int = 0,
        interrupts: bool = False,
        silent: Silent | None = None,
    ) -> None:
        self.part = part
        self.output_on = False
        self.voltage_v = 0.0
        self.source_a = 0.0
        self.sink_a = 0.0
        """A magnitude."""
        output: dict[str, Handler] = {"OUTPut[:STATe]": switch(lambda: self.output_on, self.switch_output)}
        super().__init__(
            {**output, **commands},
            abbreviated=abbreviated,
            undefined=UNDEFINED_HEADER,
            turnaround_ns=turnaround_ns,
            interrupts=interrupts,
            silent=silent,
        )

    def reading(self, t_ns: int) -> CyclerReading:
        """What its meters show; a subclass looks at its protections here."""
        return self.part.reading(t_ns)

    def switch_output(self, t_ns: int, on: bool) -> None:
        """A subclass refuses what it must."""
        self.output_on = on
        self.drive(t_ns)

    def drive(self, t_ns: int) -> None:
        """Carry out the set values."""
        self.part.command(
            t_ns,
            output_on=self.output_on,
            voltage_v=self.voltage_v,
            source_current_a=self.source_a,
            sink_current_a=self.sink_a,
        )

    def set_voltage(self, t_ns: int, value_v: float) -> None:
        """0 to the rating."""
        self.voltage_v = within(value_v, 0.0, self.part.rated_voltage_v)
        self.drive(t_ns)

    def set_source(self, t_ns: int, value_a: float) -> None:
        """0 to the rating."""
        self.source_a = within(value_a, 0.0, self.part.rated_current_a)
        self.drive(t_ns)

    def set_sink(self, t_ns: int, value_a: float) -> None:
        """Signed as on the wire: minus the rating to 0."""
        self.sink_a = -within(value_a, -self.part.rated_current_a, 0.0)
        self.drive(t_ns)

    def meters(self, voltage: str, current: str, power: str) -> dict[str, Handler]:
        """The handlers of the three meters, under the dialect's headers."""

        def watts(t_ns: int) -> str:
            reading = self.reading(t_ns)
            return fixed(reading.voltage_v * reading.current_a, DIGITS)

        return {
            voltage: asking(lambda t_ns: fixed(self.reading(t_ns).voltage_v, DIGITS)),
            current: asking(lambda t_ns: fixed(self.reading(t_ns).current_a, DIGITS)),
            power: asking(watts),
        }


def within(value: float, low: float, high: float) -> float:
    """The value itself. Raises Fail (-222) outside of its range."""
    if not low <= value <= high:
        raise Fail(OUT_OF_RANGE)
    return value
