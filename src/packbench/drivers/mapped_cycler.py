"""A cycler that is nothing but its map.

Owns the behaviour that every cycler owes the bench, by conventional names (`maps/conventions.py`): remote control
first (its loss is an alarm), one write for all set-points and believed only when read back, output on only when it is
not known to be on, off first and ahead of everything, either believed only when the device shows it. A device that
needs more than that gets a driver of its own (`drivers/ea_psb.py`).
Must not retry, and must not switch an output on that it did not just set up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from packbench.core.errors import BadReply, DeviceRefused, InputError, Problem
from packbench.core.samples import CyclerSample, Quality
from packbench.drivers.mapped_reading import (
    BlockReading,
    Flags,
    flag_readings,
    group_readings,
    identity_of,
    joined,
    names_of,
    numbers_of,
    read_blocks,
    switches_of,
)
from packbench.drivers.protocols import Identity, Setpoint
from packbench.drivers.setpoints import RATINGS, SetBlock, check_ratings, read_back_ns, see_output
from packbench.maps.conventions import FLAGS, REGULATIONS, SET_POWERS, SETPOINT, WATCHDOG
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link, Reply
from packbench.wire.modbus import ModbusRequest


class MappedCycler:
    """`protocols.Cycler` by map.

    Args:
        device: The map; the loader has checked that it says all that is needed here.
        link: The bus.
        unit: Unit number on that bus.
        settings: The bench file's: the map's options, `read_back_ms` (300), ratings (checked against the device
            when its map has them, and what scales refer to), `max_power_w`, `watchdog_s`.
    """

    def __init__(
        self,
        device: DeviceType,
        link: Link[ModbusRequest, bytes],
        unit: int,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._device = device
        self._link = link
        self._unit = unit
        self._settings = {**device.options, **(settings or {})}
        self._read_back_ns = read_back_ns(self._settings)
        self._switches = switches_of(device, unit)
        self._flags = Flags(device, FLAGS["cycler"])
        self._output_state = flag_readings(device, self._flags, "output_on", unit)
        self._alarms = names_of(device, "alarms")
        names = {item.meaning: item.name for item in device.fields_of("poll")}
        self._voltage, self._current = names["voltage_v"], names["current_a"]
        self._regulation = names.get("regulation")
        (self._set_block,) = device.group(SETPOINT)
        set_names = {item.name for item in device.fields_in(self._set_block.address, self._set_block.count)}
        self._signed = "set_current_a" in set_names
        self._powers = tuple(name for name in SET_POWERS if name in set_names)
        self._numbers: dict[str, float] = {}
        """Ratings and other numbers that scales refer to."""
        self._poll: tuple[BlockReading, ...] = ()
        self._setpoint: SetBlock | None = None
        self._prepared = False
        """Remote control was taken and not given back."""
        self._is_on = False
        """The output was switched on by `apply`, and nothing since said otherwise."""

    async def identify(self) -> Identity:
        """Who it is, and the ratings that it states.

        Raises InputError when the bench file states other ratings than the device has, or a scale of the map
        needs one that neither of them states.
        """
        stated = numbers_of(self._settings)
        once = group_readings(self._device, "once", self._unit, stated)
        _, values, bad = await read_blocks(self._link, once)
        if bad:
            raise BadReply(f"{self._device.title}: implausible {', '.join(bad)}")
        own = {name: float(values[name]) for name in RATINGS if name in values}
        check_ratings(own, self._settings)
        self._use_numbers({**stated, **own})
        return identity_of(self._device, values)

    async def prepare(self) -> None:
        """Remote control, output off, alarms acknowledged, watchdog and zero set-points written and read back.

        The zero set-points also prove, before there is energy, that the device takes them as they are written
        here. Raises DeviceRefused when an alarm stays.
        """
        setpoint = await self._known_setpoint()
        if "remote" in self._switches:
            await self._link.exchange(self._switches["remote"].on)
        self._prepared = True
        await self.off()
        if "acknowledge_alarms" in self._switches:
            await self._link.exchange(self._switches["acknowledge_alarms"].on)
        await self._set_watchdog()
        await setpoint.write(self._values_for(Setpoint(0.0, 0.0)))
        sample, remote = await self._read_state()
        title = self._device.title
        if remote is False:
            raise BadReply(f"{title}: remote control was acknowledged, but the state says it is not in remote")
        if sample.output_on:
            raise BadReply(f"{title}: the output was switched off, but the state says it is on")
        if sample.alarms:
            raise DeviceRefused(f"{title}: alarms stay after acknowledging them: {', '.join(sample.alarms)}")

    async def read(self) -> CyclerSample:
        """One reading. Remote control that `prepare` took and the device says is gone is an alarm."""
        sample, _ = await self._read_state()
        return sample

    async def apply(self, setpoint: Setpoint) -> None:
        """See `protocols.Cycler`. Raises DeviceRefused for a value that the map or the device does not allow.

        Raises BadReply when the output does not come on.

        The output-on command is sent when the output is not known to be on: a device that switched itself off
        (an alarm, its watchdog) shows it in the next reading and is not switched on again unnoticed.
        """
        block = await self._known_setpoint()
        await block.write(self._values_for(setpoint))
        if not self._is_on:
            await self._switch(on=True)
            self._is_on = True

    async def off(self) -> None:
        """See `protocols.Cycler`. Raises BadReply when the output stays on."""
        self._is_on = False
        await self._switch(on=False)

    async def release(self) -> None:
        await self.off()
        if "remote" in self._switches:
            await self._link.exchange(self._switches["remote"].off)
        self._prepared = False

    # -------------------------------------------------------------- inside

    def _use_numbers(self, numbers: dict[str, float]) -> None:
        self._numbers = numbers
        self._poll = group_readings(self._device, "poll", self._unit, numbers)
        self._setpoint = SetBlock(self._device, self._link, self._unit, self._set_block, numbers, self._read_back_ns)

    async def _switch(self, *, on: bool) -> None:
        """Switch the output, and look until it shows; an "off" and its look go ahead of everything."""

        async def look() -> Reply[bool]:
            t_ns, values, _ = await read_blocks(self._link, self._output_state, urgent=not on)
            return Reply(t_ns, self._flags.read(values).get("output_on", not on))

        output = self._switches["output"]
        sent = await self._link.exchange(output.on if on else output.off, urgent=not on)
        await see_output(self._device.title, look, on=on, sent_ns=sent.t_ns, within_ns=self._read_back_ns)

    async def _known_setpoint(self) -> SetBlock:
        """The set-point block; the device is asked for its ratings first, when nobody has yet."""
        if self._setpoint is None:
            await self.identify()
            assert self._setpoint is not None
        return self._setpoint

    def _values_for(self, setpoint: Setpoint) -> dict[str, float]:
        """Every field of the set-point block: of two magnitudes, one is always zero."""
        current_a = setpoint.current_a
        values = {"set_voltage_v": setpoint.voltage_v}
        if self._signed:
            values["set_current_a"] = current_a
        else:
            values |= {"source_current_a": max(current_a, 0.0), "sink_current_a": max(-current_a, 0.0)}
        if self._powers:
            power_w = self._numbers.get("max_power_w", self._numbers.get("rated_power_w"))
            if power_w is None:
                expected = "the power limit that goes with every set-point"
                raise InputError(Problem(self._device.name, field="rated_power_w", found="nothing", expected=expected))
            values |= dict.fromkeys(self._powers, power_w)
        return values

    async def _set_watchdog(self) -> None:
        """How long the device may hear nothing before it switches off by itself, when the bench file says so."""
        wanted = self._numbers.get("watchdog_s")
        if wanted is None:
            return
        for block in self._device.group(WATCHDOG):
            watchdog = SetBlock(self._device, self._link, self._unit, block, self._numbers, self._read_back_ns)
            await watchdog.write({"watchdog_s": wanted})

    async def _read_state(self) -> tuple[CyclerSample, bool | None]:
        """A sample, and whether the device says that it is in remote control (None: it does not say)."""
        await self._known_setpoint()
        t_ns, values, bad = await read_blocks(self._link, self._poll)
        flags = self._flags.read(values)
        output_on = flags.get("output_on", False)
        if not output_on:
            self._is_on = False
        regulation = self._regulated(values, flags) if output_on else "off"
        voltage_v, current_a = values.get(self._voltage), values.get(self._current)
        whole = voltage_v is not None and current_a is not None and regulation is not None
        remote = flags.get("remote")
        lost = ("remote_control_lost",) if self._prepared and remote is False else ()
        sample = CyclerSample(
            t_ns,
            float("nan") if voltage_v is None else float(voltage_v),
            float("nan") if current_a is None else float(current_a),
            output_on,
            regulation or "off",
            joined(values, self._alarms) + lost if self._alarms else lost or None,
            Quality.GOOD if whole and not bad else Quality.IMPLAUSIBLE,
        )
        return sample, remote

    def _regulated(self, values: Mapping[str, Any], flags: Mapping[str, bool]) -> str | None:
        """What it regulates; None when it says nothing or two things at once, which nothing may be decided on."""
        if self._regulation is not None:
            return values.get(self._regulation)
        held = [name for name in REGULATIONS if flags.get(name)]
        return held[0] if len(held) == 1 else None
