"""A two-quadrant SCPI source as a cycler: what the dialects of EA, Delta and ITECH share.

Owns the order of things on a line where a command is never acknowledged: set values are absolute, the direction that
is not wanted goes to zero first, then the device's errors are asked for (they are never pushed), then every value is
read back. An "off" goes ahead of everything and is believed when OUTP? says so, because silence after it would look
the same with a cable that was pulled. Must not know any dialect's headers (one small file each), retry, or switch an
output on that it did not just set up.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from packbench.core.errors import BadReply, DeviceRefused, InputError, Problem
from packbench.core.samples import CyclerSample, Quality
from packbench.drivers.protocols import Identity, Setpoint
from packbench.drivers.setpoints import see_output
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link, Reply
from packbench.wire.scpi.messages import ASK_ERROR, MAX_COMMANDS, Answer, Item, ScpiRequest, Value, command, query
from packbench.wire.scpi.text import fixed

ScpiLink = Link[ScpiRequest, Answer]

RATING_OF: Final = {"V": "rated_voltage_v", "A": "rated_current_a", "W": "rated_power_w"}
_ERRORS_MAX: Final = 16
"""Errors read in a row at the most: more than any queue holds."""
_READ_BACKS_MAX: Final = 1000
"""Time ends the reading back; this only bounds it where no time passes."""


@dataclass(frozen=True, slots=True)
class SetValue:
    """A value that is set by its header, and asked for by the same with "?"."""

    header: str
    unit: Item
    digits: int

    def text(self, value: float) -> str:
        """The command that sets it. Raises DeviceRefused for what is no number."""
        try:
            return f"{self.header} {fixed(value, self.digits)}"
        except ValueError as error:
            raise DeviceRefused(f"{self.header}: {error}") from error

    @property
    def query(self) -> ScpiRequest:
        """What asks for it."""
        return query(f"{self.header}?", self.unit)


Targets = Sequence[tuple[SetValue, float]]
"""What is to be set, in the order in which it is written."""


class ScpiCycler(ABC):
    """Base of the SCPI dialects; a subclass completes `protocols.Cycler`.

    Args:
        device: The device file.
        link: The bus.
        settings: The bench file's: the device file's options by name, and ratings.
    """

    def __init__(self, device: DeviceType, link: ScpiLink, settings: Mapping[str, Any]) -> None:
        self.name = device.title
        self.link = link
        self.settings: dict[str, Any] = {**device.options, **settings}
        self.joined = self.choice("joined", (True, False))
        self._tolerance = self.number("read_back_tolerance")
        self._read_back_ns = round(self.number("read_back_ms") * 1e6)
        self._off = command("OUTP OFF")
        self._on = command("OUTP ON")
        self._is_on_query = query("OUTP?", "switch")
        self._ratings: dict[str, float] = {}
        self.prepared = False
        """Remote control was taken and not given back."""
        self._setpoint: Setpoint | None = None
        self._is_on = False
        """The output was switched on by `apply`, and nothing since said otherwise."""

    # ------------------------------------------------------- what a dialect says

    @abstractmethod
    async def identify(self) -> Identity:
        """See `protocols.Cycler`."""

    @abstractmethod
    async def read(self) -> CyclerSample:
        """See `protocols.Cycler`."""

    @abstractmethod
    async def take_over(self) -> None:
        """Take remote control."""

    @abstractmethod
    async def give_back(self) -> None:
        """Give remote control back, and ask something: a link that is closed now may lose what nobody heard."""

    async def set_up(self) -> None:  # noqa: B027 - a dialect without it leaves it so
        """What has to be done with the output off, before anything is set; nothing by itself."""

    async def arm(self) -> None:  # noqa: B027 - a dialect without it leaves it so
        """What is left to do once the set values are zero; nothing by itself."""

    @abstractmethod
    def targets(self, setpoint: Setpoint) -> Targets:
        """The set values of a set-point."""

    def protections(self) -> Targets:
        """The device's own protections; none by itself."""
        return ()

    async def alarms(self) -> tuple[str, ...]:
        """Alarms that reading the error queue would acknowledge; none by itself."""
        return ()

    # --------------------------------------------------------------------- Cycler

    async def prepare(self) -> None:
        """Remote control, output off, old errors read away, protections and zero set-points written.

        The zero set-points also prove, before there is energy, that the device takes and shows them as they are
        written here. Raises DeviceRefused when an alarm stays or a command is refused.
        """
        if not self._ratings:
            await self.identify()
        for unit in ("V", "A"):
            self.rating(unit)
        await self.take_over()
        self.prepared = True
        await self.off()
        for _ in range(_ERRORS_MAX):
            if (await self._next_error())[0] == 0:
                break
        await self.set_up()
        await self._set(self.protections())
        await self._set(self.targets(Setpoint(0.0, 0.0)))
        await self.arm()
        sample = await self.read()
        if sample.output_on:
            raise BadReply(f"{self.name}: the output was switched off, but it says it is on")
        if sample.alarms:
            raise DeviceRefused(f"{self.name}: alarms stay after acknowledging them: {', '.join(sample.alarms)}")

    async def apply(self, setpoint: Setpoint) -> None:
        """See `protocols.Cycler`. Raises DeviceRefused for what the device rejects, and when an alarm is there.

        The output-on command is sent when the output is not known to be on: a device that switched itself off (an
        alarm) shows it in the next reading and is not switched on again unnoticed.
        """
        await self._set(self.targets(setpoint))
        self._setpoint = setpoint
        if not self._is_on:
            await self.link.exchange(self._on)
            await self.raise_errors("OUTP ON")
            self._is_on = True

    async def off(self) -> None:
        """See `protocols.Cycler`. Raises BadReply when the output stays on."""
        self._is_on = False
        sent = await self.link.exchange(self._off, urgent=True)
        await see_output(self.name, self._look, on=False, sent_ns=sent.t_ns, within_ns=self._read_back_ns)

    async def release(self) -> None:
        await self.off()
        await self.give_back()
        self.prepared = False

    # -------------------------------------------------------- for the dialects

    def choice(self, name: str, allowed: Sequence[Any]) -> Any:
        """An option's value. Raises InputError when it is none of those allowed."""
        value = self.settings[name]
        if not any(value is item if isinstance(item, bool) else value == item for item in allowed):
            expected = " or ".join(str(item).lower() for item in allowed)
            raise InputError(Problem("", field=name, found=repr(value), expected=expected))
        return value

    def number(self, name: str) -> float:
        """An option's value as a number that is not negative. Raises InputError."""
        value = self.settings[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
            raise InputError(Problem("", field=name, found=repr(value), expected="a number, 0 or more"))
        return float(value)

    def rating(self, unit: str) -> float:
        """The device's rating, or the bench file's where the device does not tell. Raises InputError."""
        name = RATING_OF[unit]
        value = self._ratings.get(name, self.settings.get(name))
        if value is None:
            raise InputError(Problem(f"{self.name} does not tell it", field=name, found="not stated", expected="SI"))
        return float(value)

    def use_ratings(self, found: Mapping[str, float]) -> None:
        """Keep what the device says of itself. Raises InputError when the bench file says otherwise."""
        problems = [
            Problem(
                "the device on this line is not the one the bench file describes",
                field=name,
                found=f"{value:g}",
                expected=f"{float(self.settings[name]):g}",
            )
            for name, value in found.items()
            if name in self.settings and abs(value - float(self.settings[name])) > 1e-3 * value
        ]
        if problems:
            raise InputError(problems)
        self._ratings = dict(found)

    async def identity(self) -> Identity:
        """*IDN? as every SCPI device answers it: maker, model, serial, firmware."""
        reply = await self.link.exchange(query("*IDN?", "text"))
        parts = [part.strip() for part in str(reply.value[0]).split(",")]
        if len(parts) < 2:
            raise BadReply(f"{self.name}: *IDN? answered {reply.value[0]!r}")
        serial, firmware = (*parts[2:4], "", "")[:2]
        return Identity(parts[1], serial, firmware)

    async def ask(self, *queries: ScpiRequest) -> Reply[Answer]:
        """The answers to several queries, in their order; the instant is that of the first answer.

        Joined in one message where the option says that the device answers that, else one exchange each.
        """
        step = MAX_COMMANDS if self.joined else 1
        values: list[Value] = []
        t_ns: int | None = None
        for start in range(0, len(queries), step):
            part = queries[start : start + step]
            items: list[Item] = [item for one in part for item in one.answer]
            reply = await self.link.exchange(query(";".join(one.text for one in part), *items))
            t_ns = reply.t_ns if t_ns is None else t_ns
            values += reply.value
        return Reply(t_ns or 0, tuple(values))

    async def tell(self, *texts: str) -> int:
        """Commands without an answer, in their order; the instant at which the last was sent."""
        step = MAX_COMMANDS if self.joined else 1
        t_ns = 0
        for start in range(0, len(texts), step):
            t_ns = (await self.link.exchange(command(*texts[start : start + step]))).t_ns
        return t_ns

    async def raise_errors(self, what: str) -> None:
        """Ask for what was refused. Raises DeviceRefused, for an alarm as well: it is not read away unnoticed."""
        if alarms := await self.alarms():
            raise DeviceRefused(f"{self.name}: {what}: an alarm is there: {', '.join(alarms)}")
        errors: list[str] = []
        for _ in range(_ERRORS_MAX):
            code, text = await self._next_error()
            if code == 0:
                break
            errors.append(f"{code} {text}".rstrip())
        if errors:
            raise DeviceRefused(f"{self.name}: {what}: refused with {'; '.join(errors)}")

    def sample(
        self,
        reply: Reply[Answer],
        voltage_v: Value,
        current_a: Value,
        *,
        on: bool,
        regulation: str,
        alarms: tuple[str, ...] | None,
    ) -> CyclerSample:
        """A sample of what was read; what is no number makes it implausible."""
        if not on:
            self._is_on = False
        numbers = [value if isinstance(value, float) else math.nan for value in (voltage_v, current_a)]
        good = all(map(math.isfinite, numbers))
        return CyclerSample(
            reply.t_ns,
            numbers[0],
            numbers[1],
            on,
            regulation if on else "off",
            alarms,
            Quality.GOOD if good else Quality.IMPLAUSIBLE,
        )

    def held(self, voltage_v: Value, current_a: Value) -> str:
        """Which quantity is held, told by the set-point: for a device that does not say it.

        "cv" only where the voltage is at its set value and the current is not: a current that still ramps is no end
        of a charge. "unknown" before `apply`.
        """
        setpoint, within = self._setpoint, self.number("held_within")
        if setpoint is None or not isinstance(voltage_v, float) or not isinstance(current_a, float):
            return "unknown"
        at_current = abs(current_a - setpoint.current_a) <= within * self.rating("A")
        at_voltage = abs(voltage_v - setpoint.voltage_v) <= within * self.rating("V")
        return "cv" if at_voltage and not at_current else "cc"

    # -------------------------------------------------------------------- inside

    async def _look(self) -> Reply[bool]:
        """Whether the output is on; anything but a clear "off" is "on"."""
        reply = await self.link.exchange(self._is_on_query, urgent=True)
        return Reply(reply.t_ns, reply.value != (False,))

    async def _next_error(self) -> tuple[int, str]:
        reply = await self.link.exchange(ASK_ERROR)
        code, text = reply.value
        return int(code or 0), str(text)

    async def _set(self, targets: Targets) -> None:
        """Write, ask what was refused, and read back within the time allowed. Raises BadReply."""
        if not targets:
            return
        texts = [value.text(wanted) for value, wanted in targets]
        started_ns = await self.tell(*texts)
        await self.raise_errors("; ".join(texts))
        wrong = ""
        for _ in range(_READ_BACKS_MAX):
            reply = await self.ask(*(value.query for value, _ in targets))
            wrong = self._differences(targets, reply.value)
            if not wrong:
                return
            if reply.t_ns - started_ns > self._read_back_ns:
                break
        raise BadReply(f"{self.name}: {wrong}")

    def _differences(self, targets: Targets, shown: Answer) -> str:
        """What is not shown as it was set; the device rounds to its own counts and digits."""
        wrong: list[str] = []
        for (value, wanted), found in zip(targets, shown, strict=True):
            allowed = self._tolerance * self.rating(str(value.unit)) + 0.5 * 10.0**-value.digits
            if not isinstance(found, float) or not abs(found - wanted) <= allowed:
                wrong.append(f"{value.header} was set to {wanted:g}, shows {found}")
        return "; ".join(wrong)
