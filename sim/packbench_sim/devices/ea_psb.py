"""An EA PSB 9000/10000 on its interfaces, backed by the simulated cycler.

Owns the device's habits on Modbus: nothing but remote control may be written outside remote (exception 7), nothing at
all in local control (exception 0x17); set values above 102 % or outside the adjust limits are rejected; "Limited"
compliance serves unit 0 alone and answers a coil read with two bytes. On USB and TCP port 5025 the first byte of a
message says its language: 0 to 41 is Modbus RTU, anything else SCPI (`ea_psb_scpi.py`). Each TCP client is heard by
itself, and hung up on when it says nothing (registers 10889, 10573). What the device is stands in
`ea_psb_machine.py`.
"""

from __future__ import annotations

from typing import Final

from packbench.maps.schema import DeviceType
from packbench.wire.modbus import Framing
from packbench_sim.devices.ea_psb_machine import EaMachine, Interface
from packbench_sim.devices.ea_psb_scpi import EaScpi
from packbench_sim.devices.modbus_slave import ACCESS_DENIED, ILLEGAL_ADDRESS, ModbusSlave, Refuse
from packbench_sim.parts import CyclerPart
from packbench_sim.playing import Player, Playing, Silent

TEXT_FROM: Final = 42
"""First byte of a message from which on it is SCPI text; below it is Modbus RTU, whoever it is for."""


_UNITS: Final = {True: frozenset({0}), False: frozenset({0, 1})}
"""Units that are served, by whether the compliance setting is "Limited"."""
_AFTER_POWER_FAIL: Final = 407
_MODBUS: Final = 10010
_SCPI: Final = 10011
_COMPLIANCE: Final = 10013


class EaFace(ModbusSlave):
    """One client's way to the device: `parts.WireDevice`.

    Args:
        machine: The device.
        framing: "mbap" (port 502) or "rtu" (USB, or TCP port 5025; SCPI as well).
        block_write: Whether several set values may be written at once (unsure for the real device).
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        machine: EaMachine,
        *,
        framing: Framing,
        block_write: bool,
        silent: Silent | None,
    ) -> None:
        super().__init__(framing, _UNITS[machine.limited], foreign_unit_exception=ILLEGAL_ADDRESS, silent=silent)
        self.machine = machine
        self.framing: Framing = framing
        self._block_write = block_write
        self._scpi = EaScpi(machine, silent=self._is_silent) if framing == "rtu" else None

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        self.machine.advance(t_ns)
        scpi = self._scpi
        if scpi is not None and data and (scpi.mid_message or (data[0] >= TEXT_FROM and not self._mid_frame(t_ns))):
            if not self.machine.speaks_scpi:
                scpi.forget()
                return b""
            return scpi.on_bytes(t_ns, data)
        if not self.machine.speaks_modbus:
            return b""
        self._units = _UNITS[self.machine.limited]
        reply = super().on_bytes(t_ns, data)
        if reply:
            self.machine.heard(t_ns)
        return reply

    def tick(self, t_ns: int) -> int | None:
        return self.machine.advance(t_ns)

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        return self.machine.read(t_ns, address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        if len(payload) > 2 and not self._block_write:
            self.machine.require_remote()
            raise Refuse(ILLEGAL_ADDRESS)
        self.machine.write(t_ns, address, payload)

    def read_coil(self, t_ns: int, address: int) -> bytes:
        machine, coils = self.machine, self.machine.coils
        states = {
            coils["remote"]: machine.remote,
            coils["output"]: machine.output_on,
            coils["unchanged_after_remote"]: machine.on_after_remote,
            coils["tcp_keep_alive"]: machine.keep_alive,
            coils["tcp_keep_alive_module"]: machine.keep_alive,
            coils["resistance_mode"]: machine.resistance_mode,
            _AFTER_POWER_FAIL: machine.on_after_power_fail,
            _MODBUS: machine.speaks_modbus,
            _SCPI: machine.speaks_scpi,
            _COMPLIANCE: not machine.limited,
        }
        if address not in states:
            raise Refuse(ILLEGAL_ADDRESS)
        on = states[address]
        if machine.limited:
            return b"\xff\x00" if on else b"\x00\x00"
        return b"\x01" if on else b"\x00"

    def write_coil(self, t_ns: int, address: int, on: bool) -> None:
        machine, coils = self.machine, self.machine.coils
        if address == coils["remote"]:
            machine.set_remote(t_ns, on)
            return
        machine.require_remote()
        if address == coils["output"]:
            if on and machine.latched:
                raise Refuse(ACCESS_DENIED)
            machine.switch(t_ns, on)
        elif address == coils["acknowledge_alarms"]:
            if on:
                machine.acknowledge()
        elif address == coils["unchanged_after_remote"]:
            machine.on_after_remote = on
        elif address in (coils["tcp_keep_alive"], coils["tcp_keep_alive_module"]):
            machine.keep_alive = on
        elif address == coils["resistance_mode"]:
            machine.resistance_mode = on
        else:
            self._set_up(address, on)

    def _set_up(self, address: int, on: bool) -> None:
        """A coil of the device's own settings. Raises Refuse for one that it has not."""
        machine = self.machine
        if address == _AFTER_POWER_FAIL:
            machine.on_after_power_fail = on
        elif address == _MODBUS:
            machine.speaks_modbus = on
        elif address == _SCPI:
            machine.speaks_scpi = on
        elif address == _COMPLIANCE:
            machine.limited = not on
        else:
            raise Refuse(ILLEGAL_ADDRESS)

    def _mid_frame(self, t_ns: int) -> bool:
        """Whether the beginning of a Modbus frame is waiting for its rest."""
        return bool(self._buffer) and t_ns - self._last_ns <= self._inter_byte_ns

    def _is_silent(self, t_ns: int) -> bool:
        return self.silent is not None and self.silent(t_ns)


class EaPsbDevice(EaFace):
    """`parts.SessionDevice` of the EA PSB; used as it is, it is the face of its only client.

    Args:
        device: The map `ea-psb`.
        part: The simulated cycler; its ratings are the device's.
        framing, block_write, silent: See EaFace.
        interface: See EaMachine; by itself that of the framing: a network for "mbap", else USB.
        limited, execution_delay_ns, joint_read, remote_bit, switches_off: See EaMachine.
    """

    def __init__(
        self,
        device: DeviceType,
        part: CyclerPart,
        *,
        framing: Framing = "mbap",
        interface: Interface | None = None,
        limited: bool = True,
        execution_delay_ns: int = 3_000_000,
        joint_read: bool = True,
        block_write: bool = True,
        remote_bit: bool = True,
        switches_off: bool = True,
        silent: Silent | None = None,
    ) -> None:
        machine = EaMachine(
            device,
            part,
            interface=interface or ("ethernet" if framing == "mbap" else "usb"),
            limited=limited,
            execution_delay_ns=execution_delay_ns,
            joint_read=joint_read,
            remote_bit=remote_bit,
            switches_off=switches_off,
        )
        super().__init__(machine, framing=framing, block_write=block_write, silent=silent)

    @property
    def remote(self) -> bool:
        """Whether it is under remote control."""
        return self.machine.remote

    @property
    def output_on(self) -> bool:
        """Whether the output is on, or was accepted to be."""
        return self.machine.output_on

    @property
    def local(self) -> bool:
        """Whether somebody holds the front panel in local control."""
        return self.machine.local

    @local.setter
    def local(self, held: bool) -> None:
        self.machine.local = held

    def set_alarm(self, t_ns: int, name: str, *, present: bool) -> None:
        """See EaMachine."""
        self.machine.set_alarm(t_ns, name, present=present)

    @property
    def idle_close_ns(self) -> int:
        """See `parts.SessionDevice`."""
        return self.machine.idle_close_ns

    def session(self) -> EaFace:
        """See `parts.SessionDevice`."""
        return EaFace(
            self.machine,
            framing=self.framing,
            block_write=self._block_write,
            silent=self._is_silent,
        )


def _make(playing: Playing) -> EaPsbDevice:
    device = EaPsbDevice(
        playing.type,
        playing.cycler,
        framing=playing.framing,
        interface="usb" if playing.scheme in ("serial", "pty") else "ethernet",
        limited=playing.unit == 0,
        switches_off=playing.option("watchdog_off", 1) != 0,
        silent=playing.silent,
    )
    device.local = playing.option("local", 0) != 0
    watchdog_s = round(playing.option("watchdog_s", 0))
    if watchdog_s:
        device.machine.monitored, device.machine.monitor_s = True, watchdog_s
    return device


play_ea_psb = Player(
    _make,
    {
        "local": "1: somebody holds the front panel in local control",
        "watchdog_s": "seconds of the communication watchdog, armed from the beginning: the setting is a stored one",
        "watchdog_off": "0: an expired communication watchdog does not switch the output off",
    },
)
