"""Any Modbus device that there is a map of, played from that map alone.

Owns a store of its registers and coils: what the map reads under a name of the vocabulary comes from the simulated
parts, what was stated stands, what is written is kept and read back; a cycler's conventional names drive the simulated
cycler. It exists so that an engineer's own map can be probed and emulated before there is a device; having been made
from the same map as the driver, it proves nothing about the map itself (golden exchanges do).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packbench.core.errors import InputError, Problem
from packbench.maps.conventions import SETPOINT
from packbench.maps.schema import DeviceType
from packbench.wire.modbus import rtu_frame
from packbench_sim.devices.mapped_values import FieldValues, initial_value, parse_value
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusSlave, Refuse
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.parts import BmsReading
from packbench_sim.playing import Player, Playing

MEASURE_NS: Final = 100_000_000
"""How often `alive` goes up."""


class MappedDevice(ModbusSlave):
    """`parts.WireDevice` of a map; it keeps no watchdog.

    Args:
        playing: The map, and what stands behind it; its options state values of fields and coils by name.

    Raises InputError for a stated value that the map cannot hold, and for a pack whose cells it cannot say.
    """

    def __init__(self, playing: Playing) -> None:
        device = playing.type
        super().__init__(playing.framing, frozenset({playing.unit}), silent=playing.silent)
        self._device = device
        self._playing = playing
        part = playing.cycler
        parameters = {
            "rated_voltage_v": part.rated_voltage_v,
            "rated_current_a": part.rated_current_a,
            "rated_power_w": part.rated_power_w,
        }
        parameters |= {name: playing.option(name, 0.0) for name in _parameters_of(device) if name in playing.options}
        self._space = RegisterSpace(device, _stretches(device), parameters)
        stated = {
            name: parse_value(device.fields[name], text)
            for name, text in playing.options.items()
            if name in device.fields
        }
        self._coils = {address: playing.option(name, 0.0) != 0.0 for name, address in device.coils.items()}
        live = tuple(item for item in device.fields_of("poll") if item.access == "r" and item.name not in stated)
        self._live = FieldValues(device, live, parameters)
        self._check_room()
        first = {item.name: initial_value(item, parameters) for item in device.fields.values()}
        identity = FieldValues(device, device.fields_of("once"), parameters).fill(
            {"model": device.title, "serial": "EMULATED", "firmware": "1", **parameters}
        )
        try:
            self._space.set({**first, **identity, **stated})
        except ValueError as error:
            raise InputError(
                Problem(device.name, field="--set", found=str(error), expected="values that fit")
            ) from None

    # ------------------------------------------------------------- the wire

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        area = self._space.area(address, count)
        self._space.set(self._live.fill(self._meant(t_ns)))
        return area.read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        count = len(payload) // 2
        area = self._space.area(address, count)
        fields = self._device.fields_in(address, count)
        if not fields or any(item.access == "r" for item in fields):
            raise Refuse(ILLEGAL_ADDRESS)
        before = bytes(area.data)
        area.write(address, payload)
        decoded = self._space.layout(address, count).decode(payload)
        if decoded.implausible:
            area.data[:] = before
            raise Refuse(ILLEGAL_VALUE)
        self._follow(t_ns)

    def read_coil(self, t_ns: int, address: int) -> bytes:
        if address not in self._coils:
            raise Refuse(ILLEGAL_ADDRESS)
        return b"\x01" if self._coils[address] else b"\x00"

    def write_coil(self, t_ns: int, address: int, on: bool) -> None:
        if address not in self._coils:
            raise Refuse(ILLEGAL_ADDRESS)
        self._coils[address] = on
        self._follow(t_ns)

    def _serve(self, t_ns: int, transaction: int, unit: int, pdu: bytes) -> bytes:
        reply = super()._serve(t_ns, transaction, unit, pdu)
        offset = self._device.reply_unit_offset
        if not (reply and offset):
            return reply
        if self._framing == "mbap":
            return reply[:6] + bytes((unit + offset,)) + reply[7:]
        return rtu_frame(unit + offset, reply[1:-2])

    # -------------------------------------------------------------- inside

    def _check_room(self) -> None:
        cells = self._playing.bms.reading(0).cell_voltages_v.size
        fewest, most = self._live.room("cell_voltages_v")
        if most and not fewest <= cells <= most:
            expected = f"{most}" if fewest == most else f"{fewest} to {most}"
            place = Problem(f"{self._device.name} cannot say that", field="cells", found=str(cells), expected=expected)
            raise InputError(place)

    def _on(self, name: str) -> bool:
        """A switch of the map, wherever it is; one that it does not have is on."""
        device = self._device
        if name in device.coils:
            return self._coils[device.coils[name]]
        if name in device.fields:
            return bool(self._stored(name))
        return True

    def _stored(self, name: str) -> Any:
        item = self._device.fields[name]
        return self._space.get(item.address, item.registers).get(name)

    def _follow(self, t_ns: int) -> None:
        """What was written has its effect on the simulated cycler."""
        blocks = self._device.group(SETPOINT)
        if self._device.kind != "cycler" or not blocks:
            return
        wanted: Mapping[str, float] = self._space.get(blocks[0].address, blocks[0].count)
        signed_a = wanted.get("set_current_a", 0.0)
        self._playing.cycler.command(
            t_ns,
            output_on=self._on("output") and self._on("remote"),
            voltage_v=wanted.get("set_voltage_v", 0.0),
            source_current_a=wanted.get("source_current_a", max(signed_a, 0.0)),
            sink_current_a=wanted.get("sink_current_a", max(-signed_a, 0.0)),
        )

    def _meant(self, t_ns: int) -> dict[str, Any]:
        """Everything there is to say right now, by meaning."""
        meant = {**_of_bms(self._playing.bms.reading(t_ns)), "alive": t_ns // MEASURE_NS & 0xFF}
        match self._device.kind:
            case "bms" | "meter":
                return meant
            case "chamber":
                air = {"temperature_c": self._playing.ambient_c, "humidity": 0.45}
                if "set_temperature_c" in self._device.fields:
                    air["setpoint_c"] = self._stored("set_temperature_c")
                flags = {"running": self._on("run"), "remote": self._on("remote")}
                return {**air, **_with_flags(flags), "alarms": meant["alarms"]}
            case "cycler":
                reading = self._playing.cycler.reading(t_ns)
                held = {word: reading.output_on and reading.regulation == word for word in ("cc", "cv", "cp", "cr")}
                flags = {"output_on": reading.output_on, "remote": self._on("remote"), **held}
                meters = {"voltage_v": reading.voltage_v, "current_a": reading.current_a}
                return {**meters, "regulation": reading.regulation, **_with_flags(flags)}


def _of_bms(reading: BmsReading) -> dict[str, Any]:
    flags = {
        "balancing": reading.balancing,
        "charging_allowed": reading.charge_limit_a > 0.0,
        "discharging_allowed": reading.discharge_limit_a > 0.0,
    }
    sensors = reading.temperatures_c
    return {
        "cell_voltages_v": reading.cell_voltages_v,
        "temperatures_c": sensors,
        "voltage_v": reading.voltage_v,
        "current_a": reading.current_a,
        "soc": reading.soc,
        "soh": reading.soh,
        "cycles": reading.cycles,
        "alarms": reading.alarms,
        "charge_limit_a": reading.charge_limit_a,
        "discharge_limit_a": reading.discharge_limit_a,
        **_with_flags(flags),
    }


def _with_flags(flags: Mapping[str, bool]) -> dict[str, Any]:
    """Flags under their own names, and as the names of those that are set."""
    return {**flags, "flags": tuple(name for name, on in flags.items() if on)}


def _stretches(device: DeviceType) -> tuple[tuple[int, int], ...]:
    """(first register, registers) of what the map covers: blocks and fields, joined where they touch."""
    step = 2 if device.addressing == "byte_offset" else 1
    spans = [(block.address, block.address + step * block.count) for block in device.blocks]
    spans += [(item.address, item.address + step * item.registers) for item in device.fields.values()]
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple((start, (end - start) // step) for start, end in joined)


def _parameters_of(device: DeviceType) -> tuple[str, ...]:
    """The ratings that scales of the map refer to."""
    return tuple(dict.fromkeys(item.full_scale_of for item in device.fields.values() if item.full_scale_of is not None))


def player_of_map(device: DeviceType) -> Player:
    """How a map is played: every field and coil of it is an option."""
    words = dict.fromkeys(device.fields, "a field of the map that stands still")
    words |= dict.fromkeys(device.coils, "a coil of the map: 1 or 0 at the beginning")
    words |= {name: "a rating that scales refer to" for name in _parameters_of(device) if name not in words}
    return Player(MappedDevice, words)
