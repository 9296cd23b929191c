"""EA PSB 9000/10000: a bidirectional supply as a cycler.

Owns the device's behaviour: remote control before anything else, absolute set-points that are read back
because an echo only means "accepted" (the same for the output), a current whose sign is a state bit, alarms that
latch, remote control that may be lost. Registers and scales are the map's (configs/devices/ea-psb.yaml); what the
guide leaves open are its `options`.
Must not retry, and must not switch an output on that it did not just set up.
"""

from __future__ import annotations

from typing import Any, Final

from packbench.core.errors import BadReply, DeviceRefused, InputError, Problem
from packbench.core.samples import CyclerSample, Quality
from packbench.drivers.protocols import Identity, Setpoint
from packbench.drivers.setpoints import RATINGS, check_ratings, encode_values, read_back, read_back_ns, see_output
from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import Block, DeviceType
from packbench.transport.link import Link, Reply
from packbench.wire.modbus import ModbusRequest, read_registers, write_coil, write_register, write_registers

_REGULATION: Final = ("cv", "cr", "cc", "cp")
_OUTPUT_ON: Final = 1 << 7
_REMOTE: Final = 1 << 11
_SINK: Final = 1 << 12
_ANY_ALARM: Final = 1 << 15
_LOCATION: Final = 0x1F
_FREE_BY_TIMEOUT: Final = 0x1C
"""Control location "free due to communication time-out" (register lists, 505 bits 0-4)."""
_PROTECTIONS: Final = {
    "protection_voltage": ("over_voltage_v",),
    "protection_source_current": ("source_over_current_a",),
    "protection_source_power": ("source_over_power_w",),
    "protection_sink": ("sink_over_current_a", "sink_over_power_w"),
}
_RATING_OF: Final = {"v": "rated_voltage_v", "a": "rated_current_a", "w": "rated_power_w"}


class EaPsb:
    """`protocols.Cycler` of the EA PSB.

    Args:
        device: The map `ea-psb`.
        link: The bus.
        unit: 0 in "Limited" compliance, else 0 or 1.
        settings: The bench file's: the map's options by name, `rated_voltage_v` and so on (then checked
            against the device), and any protection by its field name (`over_voltage_v: 420.0`).
    """

    def __init__(
        self, device: DeviceType, link: Link[ModbusRequest, bytes], unit: int, settings: dict[str, Any] | None = None
    ) -> None:
        self._device = device
        self._link = link
        self._unit = unit
        self._settings = {**device.options, **(settings or {})}
        self._split = self._option("actuals_read", ("one", "split")) == "split"
        self._single = self._option("setpoint_write", ("block", "single")) == "single"
        self._read_back_ns = read_back_ns(self._settings)
        coils = device.coils
        self._remote_on = write_coil(unit, coils["remote"], True)
        self._remote_off = write_coil(unit, coils["remote"], False)
        self._output_on = write_coil(unit, coils["output"], True)
        self._output_off = write_coil(unit, coils["output"], False)
        self._acknowledge = write_coil(unit, coils["acknowledge_alarms"], True)
        self._actuals = self._request(device.block("actuals"))
        self._halves = (self._request(device.block("state")), self._request(device.block("meters")))
        self._setpoints = self._request(device.block("setpoints"))
        self._ratings: dict[str, float] = {}
        self._actuals_layout: Layout | None = None
        self._setpoint_layout: Layout | None = None
        self._prepared = False
        """Remote control was taken and not given back."""
        self._is_on = False
        """The output was switched on by `apply`, and nothing since said otherwise."""

    async def identify(self) -> Identity:
        """Who it is, and the ratings that every scale needs.

        Raises InputError when the bench file states other ratings than the device has.
        """
        texts: dict[str, Any] = {}
        ratings_in = ("nominal_voltage", "nominal_current", "nominal_power") if self._split else ("ratings",)
        for name in ("type", "serial", "firmware", *ratings_in):
            texts |= await self._block_values(name, {})
        ratings = {name: float(texts[name]) for name in RATINGS}
        check_ratings(ratings, self._settings)
        self._use_ratings(ratings)
        return Identity(texts["model"], texts["serial"], texts["firmware"])

    async def prepare(self) -> None:
        """Remote control, output off, alarms acknowledged, zero set-points and the protections written.

        The zero set-points also prove, before there is energy, that the device takes them as they are
        written here. Raises DeviceRefused when an alarm stays.
        """
        if not self._ratings:
            await self.identify()
        await self._link.exchange(self._remote_on)
        self._prepared = True
        await self.off()
        await self._link.exchange(self._acknowledge)
        await self._protect()
        await self._write_setpoints(Setpoint(0.0, 0.0))
        sample, state = await self._read_state()
        if not state & _REMOTE:
            raise BadReply("EA PSB: remote control was acknowledged, but the state says it is not in remote")
        if sample.output_on:
            raise BadReply("EA PSB: the output was switched off, but the state says it is on")
        if sample.alarms:
            raise DeviceRefused(f"EA PSB: alarms stay after acknowledging them: {', '.join(sample.alarms)}")

    async def read(self) -> CyclerSample:
        """One reading. Remote control that `prepare` took and the device no longer shows is an alarm."""
        sample, _ = await self._read_state()
        return sample

    async def apply(self, setpoint: Setpoint) -> None:
        """See `protocols.Cycler`. Raises DeviceRefused above 102 % of a rating, BadReply when it does not come on.

        The output-on command is sent when the output is not known to be on: a device that switched
        itself off (an alarm) shows it in the next reading and is not switched on again unnoticed.
        """
        await self._write_setpoints(setpoint)
        if not self._is_on:
            await self._switch(self._output_on, on=True)
            self._is_on = True

    async def off(self) -> None:
        """See `protocols.Cycler`. Raises BadReply when the output stays on."""
        self._is_on = False
        await self._switch(self._output_off, on=False)

    async def release(self) -> None:
        await self.off()
        await self._link.exchange(self._remote_off)
        self._prepared = False

    # -------------------------------------------------------------- inside

    def _option(self, name: str, allowed: tuple[str, ...]) -> str:
        value = self._settings[name]
        if value not in allowed:
            raise InputError(Problem("", field=name, found=repr(value), expected=" or ".join(allowed)))
        return str(value)

    def _request(self, block: Block) -> ModbusRequest:
        return read_registers(self._unit, block.address, block.count)

    async def _switch(self, command: ModbusRequest, *, on: bool) -> None:
        """Switch the output, and look at the state until it shows; an "off" and its look go ahead of everything."""

        async def look() -> Reply[bool]:
            state = await self._link.exchange(self._halves[0], urgent=not on)
            return Reply(state.t_ns, bool(int.from_bytes(state.value, "big") & _OUTPUT_ON))

        sent = await self._link.exchange(command, urgent=not on)
        await see_output(self._device.title, look, on=on, sent_ns=sent.t_ns, within_ns=self._read_back_ns)

    async def _block_values(self, name: str, ratings: dict[str, float]) -> dict[str, Any]:
        block = self._device.block(name)
        reply = await self._link.exchange(self._request(block))
        decoded = compile_block(self._device, block, ratings).decode(reply.value)
        if decoded.implausible:
            raise BadReply(f"EA PSB: implausible {', '.join(decoded.implausible)} in {name}")
        return decoded.values

    def _use_ratings(self, ratings: dict[str, float]) -> None:
        self._ratings = ratings
        self._actuals_layout = compile_block(self._device, self._device.block("actuals"), ratings)
        self._setpoint_layout = compile_block(self._device, self._device.block("setpoints"), ratings)

    async def _read_state(self) -> tuple[CyclerSample, int]:
        layout = self._actuals_layout
        if layout is None:
            await self.identify()
            layout = self._actuals_layout
            assert layout is not None
        if self._split:
            first = await self._link.exchange(self._halves[0])
            second = await self._link.exchange(self._halves[1])
            reply = Reply(first.t_ns, first.value + second.value)
        else:
            reply = await self._link.exchange(self._actuals)
        decoded = layout.decode(reply.value)
        values = decoded.values
        state: int = values["state"]
        output_on = bool(state & _OUTPUT_ON)
        if not output_on:
            self._is_on = False
        current_a: float = values["current_a"]
        sample = CyclerSample(
            reply.t_ns,
            values["voltage_v"],
            -current_a if state & _SINK else current_a,
            output_on,
            _REGULATION[state >> 9 & 3] if output_on else "off",
            values["alarms"] + self._unnamed(state, named=bool(values["alarms"])),
            Quality.IMPLAUSIBLE if decoded.implausible else Quality.GOOD,
        )
        return sample, state

    def _unnamed(self, state: int, *, named: bool) -> tuple[str, ...]:
        """What the state says beyond its alarm bits: an alarm without a name, and the loss of remote control."""
        found: tuple[str, ...] = ("alarm",) if state & _ANY_ALARM and not named else ()
        if not self._prepared:
            return found
        if state & _LOCATION == _FREE_BY_TIMEOUT:
            return (*found, "communication_timeout")
        return found if state & _REMOTE else (*found, "remote_control_lost")

    async def _protect(self) -> None:
        """Write the device's own protections, one register or block each, and read them back."""
        fraction = float(self._settings["protection_fraction"])
        for name, fields in _PROTECTIONS.items():
            block = self._device.block(name)
            layout = compile_block(self._device, block, self._ratings)
            values = {
                field: float(self._settings.get(field, fraction * self._ratings[_RATING_OF[field[-1]]]))
                for field in fields
            }
            payload = encode_values(self._device, layout, values)
            for index in range(block.count):
                word = int.from_bytes(payload[2 * index : 2 * index + 2], "big")
                await self._link.exchange(write_register(self._unit, block.address + index, word))
            await read_back(self._device, self._link, self._request(block), payload, self._read_back_ns)

    async def _write_setpoints(self, setpoint: Setpoint) -> None:
        """Five absolute values: one direction's current is always zero."""
        layout = self._setpoint_layout
        if layout is None:
            await self.identify()
            layout = self._setpoint_layout
            assert layout is not None
        current_a = setpoint.current_a
        power_w = float(self._settings.get("max_power_w", self._ratings["rated_power_w"]))
        payload = encode_values(
            self._device,
            layout,
            {
                "sink_power_w": power_w,
                "sink_current_a": max(-current_a, 0.0),
                "set_voltage_v": setpoint.voltage_v,
                "source_current_a": max(current_a, 0.0),
                "source_power_w": power_w,
            },
        )
        address = self._setpoints.address
        if self._single:
            written = None
            # The voltage last: it decides when the device starts to sink by itself.
            for index in (0, 1, 3, 4, 2):
                word = int.from_bytes(payload[2 * index : 2 * index + 2], "big")
                written = await self._link.exchange(write_register(self._unit, address + index, word))
        else:
            written = await self._link.exchange(write_registers(self._unit, address, payload))
        await read_back(self._device, self._link, self._setpoints, payload, self._read_back_ns, written)
