"""The cycler of configs/devices/modbus-cycler.yaml, backed by the simulated one.

Owns the habits that the map states: nothing is written outside remote control, nothing is switched on over a latched
alarm, set-points beyond the ratings are refused, and a client that falls silent (or is killed) loses the output when
the watchdog's time is over.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import Block, DeviceType
from packbench_sim.devices.modbus_slave import (
    ACCESS_DENIED,
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    ModbusSlave,
    Refuse,
)
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.parts import CyclerPart
from packbench_sim.playing import Player, Playing, Silent

WATCHDOG_S: Final = 3.0


class ModbusCyclerDevice(ModbusSlave):
    """`parts.WireDevice` of the generic cycler.

    Args:
        device: The map `modbus-cycler`.
        part: The simulated cycler; its ratings are the device's.
        framing: "mbap" or "rtu".
        unit: Unit number.
        watchdog_s: Its watchdog when it is switched on.
        model, serial, firmware: Who it says it is.
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        part: CyclerPart,
        *,
        framing: Literal["mbap", "rtu"] = "mbap",
        unit: int = 1,
        watchdog_s: float = WATCHDOG_S,
        model: str = "Packbench cycler",
        serial: str = "CY-0001",
        firmware: str = "1.0",
        silent: Silent | None = None,
    ) -> None:
        super().__init__(framing, frozenset({unit}), silent=silent)
        self._part = part
        self._coils = dict(device.coils)
        self._alarm_names = frozenset(name for _, name in device.fields["alarms"].names)
        blocks = {block.name: block for block in device.blocks}
        self._setpoint, self._watchdog = blocks["setpoint"], blocks["watchdog"]
        live = blocks["live"]
        self._layout: Layout = compile_block(device, live, {})
        self._space = RegisterSpace(device, tuple((block.address, block.count) for block in device.blocks), {})
        self._live = self._space.area(live.address, live.count)
        self._space.set(
            {
                "model": model,
                "serial": serial,
                "firmware": firmware,
                "rated_voltage_v": part.rated_voltage_v,
                "rated_current_a": part.rated_current_a,
                "rated_power_w": round(part.rated_power_w),
                "watchdog_s": watchdog_s,
            }
        )
        self._watchdog_ns = round(watchdog_s * 1e9)
        self.remote = False
        self.output_on = False
        self._latched: set[str] = set()
        self._present: set[str] = set()
        self._heard_ns = 0
        """When something addressed to it was last understood."""

    # ------------------------------------------------------------- faults

    def set_alarm(self, t_ns: int, name: str, *, present: bool) -> None:
        """Make the cause of an alarm appear (latches, output off) or go away (stays latched)."""
        if present:
            self._present.add(name)
            self._latched.add(name)
            self._switch(t_ns, on=False)
        else:
            self._present.discard(name)

    # ------------------------------------------------------------- the wire

    def tick(self, t_ns: int) -> int | None:
        if not (self.output_on and self._watchdog_ns):
            return None
        due_ns = self._heard_ns + self._watchdog_ns
        if t_ns < due_ns:
            return due_ns
        # The plant may be asked for no instant before one that it has already been at: off now, not then.
        self._latched.add("communication_lost")
        self._switch(t_ns, on=False)
        return None

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        self._hear(t_ns)
        area = self._space.area(address, count)
        if area is self._live:
            self._layout.encode_into(area.data, 0, self._values(t_ns))
        return area.read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        self._hear(t_ns)
        count = len(payload) // 2
        area = self._space.area(address, count)
        if area.address not in (self._setpoint.address, self._watchdog.address):
            raise Refuse(ILLEGAL_ADDRESS)
        self._writable()
        before = bytes(area.data)
        area.write(address, payload)
        if area.address == self._watchdog.address:
            self._watchdog_ns = round(self._stored(self._watchdog)["watchdog_s"] * 1e9)
            return
        wanted = self._stored(self._setpoint)
        part = self._part
        within = (
            0.0 <= wanted["set_voltage_v"] <= part.rated_voltage_v
            and abs(wanted["set_current_a"]) <= part.rated_current_a
        )
        if not within:
            area.data[:] = before
            raise Refuse(ILLEGAL_VALUE)
        self._command(t_ns)

    def read_coil(self, t_ns: int, address: int) -> bytes:
        self._hear(t_ns)
        states = {self._coils["remote"]: self.remote, self._coils["output"]: self.output_on}
        if address not in states:
            raise Refuse(ILLEGAL_ADDRESS)
        return b"\x01" if states[address] else b"\x00"

    def write_coil(self, t_ns: int, address: int, on: bool) -> None:
        self._hear(t_ns)
        if address == self._coils["remote"]:
            if self.remote and not on:
                self._switch(t_ns, on=False)
            self.remote = on
            return
        self._writable()
        if address == self._coils["output"]:
            if on and self._latched:
                raise Refuse(ACCESS_DENIED)
            self._switch(t_ns, on=on)
        elif address == self._coils["acknowledge_alarms"]:
            if on:
                self._latched &= self._present
        else:
            raise Refuse(ILLEGAL_ADDRESS)

    # -------------------------------------------------------------- inside

    def _hear(self, t_ns: int) -> None:
        """Something addressed to it; a silence that was too long has already had its effect."""
        self.tick(t_ns)
        self._heard_ns = t_ns

    def _writable(self) -> None:
        if not self.remote:
            raise Refuse(ACCESS_DENIED)

    def _stored(self, block: Block) -> dict[str, Any]:
        return self._space.get(block.address, block.count)

    def _switch(self, t_ns: int, *, on: bool) -> None:
        self.output_on = on
        self._command(t_ns)

    def _command(self, t_ns: int) -> None:
        wanted = self._stored(self._setpoint)
        current_a = wanted["set_current_a"]
        self._part.command(
            t_ns,
            output_on=self.output_on,
            voltage_v=wanted["set_voltage_v"],
            source_current_a=max(current_a, 0.0),
            sink_current_a=max(-current_a, 0.0),
        )

    def _values(self, t_ns: int) -> dict[str, Any]:
        reading = self._part.reading(t_ns)
        state = ["remote"] if self.remote else []
        if self.output_on:
            state += ["output_on", reading.regulation if reading.regulation in ("cc", "cv", "cp") else "cc"]
        return {
            "state": state,
            "alarms": [name for name in self._latched if name in self._alarm_names],
            "voltage_v": max(reading.voltage_v, 0.0),
            "current_a": reading.current_a,
        }


def _make(playing: Playing) -> ModbusCyclerDevice:
    return ModbusCyclerDevice(
        playing.type,
        playing.cycler,
        framing=playing.framing,
        unit=playing.unit,
        watchdog_s=playing.option("watchdog_s", WATCHDOG_S),
        silent=playing.silent,
    )


play_modbus_cycler = Player(
    _make, {"watchdog_s": f"after how much silence it switches off (default {WATCHDOG_S:g}; 0: never)"}
)
