"""An EA PSB 9000/10000 on Modbus, backed by the simulated cycler: registers of configs/devices/ea-psb.yaml.

Owns the device's habits: nothing but remote control may be written outside remote (exception 7), nothing
at all in local control (exception 0x17); set values above 102 % or outside the adjust limits are rejected;
actual values are unsigned and the direction is a state bit; a write's echo means accepted, and it is
executed a little later; alarms switch the output off and stay until acknowledged with their cause gone;
"Limited" compliance serves unit 0 alone and answers a coil read with two bytes.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import DeviceType
from packbench_sim.devices.modbus_slave import (
    ACCESS_DENIED,
    ILLEGAL_ADDRESS,
    ILLEGAL_VALUE,
    ModbusSlave,
    Refuse,
)
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.parts import CyclerPart, CyclerReading
from packbench_sim.playing import Player, Playing, Silent

IN_LOCAL: Final = 0x17
_AREAS: Final = ((0, 211), (498, 12), (550, 29), (9000, 10))
_REGULATION: Final = {"cv": 0b00, "cr": 0b01, "cc": 0b10, "cp": 0b11}
_SET_MAX: Final = 0xD0E5
_PROTECT_MAX: Final = 0xE147
_FULL: Final = 0xCCCC
_LIMITS_OF: Final = {498: (None, 9005), 499: (9009, 9008), 500: (9001, 9000), 501: (9003, 9002), 502: (None, 9004)}
"""Set value to its lower and upper adjust limit."""


class EaPsbDevice(ModbusSlave):
    """`parts.WireDevice` of the EA PSB.

    Args:
        device: The map `ea-psb`.
        part: The simulated cycler; its ratings are the device's.
        framing: "mbap" (port 502) or "rtu" (serial, or TCP port 5025).
        limited: The compliance setting: unit 0 alone (the factory's), or 0 and 1.
        execution_delay_ns: From the echo of a write to its execution.
        joint_read: Whether state and actual values may be read at once (unsure for the real device).
        block_write: Whether several set values may be written at once (unsure for the real device).
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        part: CyclerPart,
        *,
        framing: Literal["mbap", "rtu"] = "mbap",
        limited: bool = True,
        execution_delay_ns: int = 3_000_000,
        joint_read: bool = True,
        block_write: bool = True,
        silent: Silent | None = None,
    ) -> None:
        units = frozenset({0}) if limited else frozenset({0, 1})
        super().__init__(framing, units, foreign_unit_exception=ILLEGAL_ADDRESS if limited else None, silent=silent)
        self._part = part
        self._limited = limited
        self._delay_ns = execution_delay_ns
        self._joint_read = joint_read
        self._block_write = block_write
        self._control_location = 6 if framing == "mbap" else 3
        self._coils = dict(device.coils)
        self._alarm_bit = {name: bit for bit, name in device.fields["alarms"].names}
        ratings = {
            "rated_voltage_v": part.rated_voltage_v,
            "rated_current_a": part.rated_current_a,
            "rated_power_w": part.rated_power_w,
        }
        self._ratings = ratings
        self._space = RegisterSpace(device, _AREAS, ratings)
        self._live: Layout = compile_block(device, device.block("actuals"), ratings)
        self._live_area = self._space.area(505, 5)
        self._live_at = 2 * (505 - self._live_area.address)
        self._space.set(
            {"device_class": 58, "model": "PSB simulated", "article": "00000000", "serial": "SIM0000001", **ratings}
        )
        self._space.set({"firmware": "V3.02 simulated"})
        for register, value in ((550, _PROTECT_MAX), (553, _PROTECT_MAX), (556, _PROTECT_MAX)):
            self._space.area(register, 1).write(register, value.to_bytes(2, "big"))
        self._space.area(569, 2).write(569, _PROTECT_MAX.to_bytes(2, "big") * 2)
        for register in (9000, 9002, 9004, 9005, 9006, 9007, 9008):
            self._space.area(register, 1).write(register, _SET_MAX.to_bytes(2, "big"))
        for register in (498, 502):
            self._space.area(register, 1).write(register, _FULL.to_bytes(2, "big"))
        self._over_voltage_v = self._over_current_a = self._sink_over_current_a = 0.0
        self._take_protections()
        self.remote = False
        self.local = False
        """Somebody holds the front panel in local control."""
        self.output_on = False
        self._latched: set[str] = set()
        self._present: set[str] = set()
        self._due: list[tuple[int, bool]] = []
        """Accepted and not yet executed: (instant, output on)."""

    # ------------------------------------------------------------- faults

    def set_alarm(self, t_ns: int, name: str, *, present: bool) -> None:
        """Make the cause of an alarm appear (latches, output off) or go away (stays latched)."""
        if present:
            self._present.add(name)
            self._latched.add(name)
            self.output_on = False
            self._command(t_ns, False)
        else:
            self._present.discard(name)

    # ------------------------------------------------------------ registers

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        if self._due:
            self._execute(t_ns)
        return super().on_bytes(t_ns, data)

    def tick(self, t_ns: int) -> int | None:
        if self._due:
            self._execute(t_ns)
        return self._due[0][0] if self._due else None

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        area = self._space.area(address, count)
        if address + count > 505 and area is self._live_area:
            if not self._joint_read and address < 507 < address + count:
                raise Refuse(ILLEGAL_ADDRESS)
            self._live.encode_into(area.data, self._live_at, self._values(t_ns))
        return area.read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        self._writable()
        count = len(payload) // 2
        area = self._space.area(address, count)
        if count > 1 and not self._block_write:
            raise Refuse(ILLEGAL_ADDRESS)
        for index in range(count):
            value = int.from_bytes(payload[2 * index : 2 * index + 2], "big")
            self._check(address + index, value)
        area.write(address, payload)
        if 550 <= address <= 570:
            self._take_protections()
        if 498 <= address <= 504:
            self._due.append((t_ns + self._delay_ns, self.output_on))

    def read_coil(self, t_ns: int, address: int) -> bytes:
        states = {self._coils["remote"]: self.remote, self._coils["output"]: self.output_on}
        if address not in states:
            raise Refuse(ILLEGAL_ADDRESS)
        on = states[address]
        if self._limited:
            return b"\xff\x00" if on else b"\x00\x00"
        return b"\x01" if on else b"\x00"

    def write_coil(self, t_ns: int, address: int, on: bool) -> None:
        if self.local:
            raise Refuse(IN_LOCAL)
        if address == self._coils["remote"]:
            if self.remote and not on:
                self._switch(t_ns, False)
            self.remote = on
            return
        self._writable()
        if address == self._coils["output"]:
            if on and self._latched:
                raise Refuse(ACCESS_DENIED)
            self._switch(t_ns, on)
        elif address == self._coils["acknowledge_alarms"]:
            if on:
                self._latched &= self._present
        elif address != self._coils["resistance_mode"] or on:
            raise Refuse(ILLEGAL_ADDRESS)

    # -------------------------------------------------------------- inside

    def _writable(self) -> None:
        if self.local:
            raise Refuse(IN_LOCAL)
        if not self.remote:
            raise Refuse(ACCESS_DENIED)

    def _check(self, register: int, value: int) -> None:
        """Refuse what the device rejects."""
        if register in _LIMITS_OF:
            lower, upper = _LIMITS_OF[register]
            if not self._register(lower, 0) <= value <= min(self._register(upper, _SET_MAX), _SET_MAX):
                raise Refuse(ILLEGAL_VALUE)
        elif 9000 <= register <= 9009:
            if value > _SET_MAX:
                raise Refuse(ILLEGAL_VALUE)
        elif register in (550, 553, 556, 569, 570):
            if value > _PROTECT_MAX:
                raise Refuse(ILLEGAL_VALUE)
        else:
            raise Refuse(ILLEGAL_ADDRESS)

    def _register(self, register: int | None, default: int) -> int:
        if register is None:
            return default
        return int.from_bytes(self._space.area(register, 1).read(register, 1), "big")

    def _switch(self, t_ns: int, on: bool) -> None:
        self.output_on = on
        self._due.append((t_ns + self._delay_ns, on))

    def _execute(self, t_ns: int) -> None:
        while self._due and self._due[0][0] <= t_ns:
            due_ns, on = self._due.pop(0)
            self._command(due_ns, on and self.output_on)

    def _command(self, t_ns: int, on: bool) -> None:
        ratings = self._ratings
        self._part.command(
            t_ns,
            output_on=on,
            voltage_v=self._register(500, 0) * ratings["rated_voltage_v"] / _FULL,
            source_current_a=self._register(501, 0) * ratings["rated_current_a"] / _FULL,
            sink_current_a=self._register(499, 0) * ratings["rated_current_a"] / _FULL,
        )

    def _protect(self, t_ns: int, reading: CyclerReading) -> None:
        """The device's own protections; evaluated where the meters are read."""
        if reading.voltage_v > self._over_voltage_v:
            self.set_alarm(t_ns, "over_voltage", present=True)
            self._present.discard("over_voltage")
        if not -self._sink_over_current_a <= reading.current_a <= self._over_current_a:
            self.set_alarm(t_ns, "over_current", present=True)
            self._present.discard("over_current")

    def _take_protections(self) -> None:
        volt, ampere = (self._ratings[name] / _FULL for name in ("rated_voltage_v", "rated_current_a"))
        self._over_voltage_v = self._register(550, 0) * volt
        self._over_current_a = self._register(553, 0) * ampere
        self._sink_over_current_a = self._register(569, 0) * ampere

    def _values(self, t_ns: int) -> dict[str, Any]:
        reading = self._part.reading(t_ns)
        if self.output_on:
            self._protect(t_ns, reading)
        state = self._control_location if self.remote else 1 if self.local else 0
        state |= self.output_on << 7 | self.remote << 11 | (reading.current_a < 0) << 12
        if self.output_on:
            state |= _REGULATION.get(reading.regulation, 0) << 9
        if self._latched:
            state |= 1 << 15
            for name in self._latched:
                state |= 1 << self._alarm_bit[name]
        ratings = self._ratings
        top = 0xFFFF / _FULL
        voltage_v = min(max(reading.voltage_v, 0.0), ratings["rated_voltage_v"] * top)
        current_a = min(abs(reading.current_a), ratings["rated_current_a"] * top)
        power_w = min(abs(reading.voltage_v * reading.current_a), ratings["rated_power_w"] * top)
        return {"state": state, "voltage_v": voltage_v, "current_a": current_a, "power_w": power_w}


def _make(playing: Playing) -> EaPsbDevice:
    return EaPsbDevice(
        playing.type, playing.cycler, framing=playing.framing, limited=playing.unit == 0, silent=playing.silent
    )


play_ea_psb = Player(_make)
