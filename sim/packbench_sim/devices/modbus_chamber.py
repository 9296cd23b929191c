"""The controller of configs/devices/modbus-chamber.yaml, in front of the simulated chamber.

Owns its registers and its coil. What the chamber does is `packbench_sim.chamber`'s; the pack lives in its air.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from packbench.core.errors import InputError, Problem
from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import DeviceType
from packbench_sim.chamber import RATE_K_MIN, SETTLE_S, ClimateChamber
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusSlave, Refuse
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.playing import Player, Playing, Silent, Surroundings

STEP_NS: Final = 1_000_000_000
"""How often the pack is told of the air."""


class ModbusChamberDevice(ModbusSlave):
    """`parts.WireDevice` of the generic climate chamber.

    Args:
        device: The map `modbus-chamber`.
        surroundings: Told of the air, once a second.
        framing: "mbap" or "rtu".
        unit: Unit number.
        room_c: The room around the chamber, and where its air begins, degC.
        humidity: Relative, 0 to 1; None: it has no sensor.
        rate_k_min: The fastest it heats or cools, K/min.
        settle_s: Time constant near the set-point, s.
        alarms: Names of the map that are set.
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        surroundings: Surroundings,
        *,
        framing: Literal["mbap", "rtu"] = "mbap",
        unit: int = 1,
        room_c: float = 25.0,
        humidity: float | None = 0.45,
        rate_k_min: float = RATE_K_MIN,
        settle_s: float = SETTLE_S,
        alarms: tuple[str, ...] = (),
        silent: Silent | None = None,
    ) -> None:
        super().__init__(framing, frozenset({unit}), silent=silent)
        self.chamber = ClimateChamber(room_c, surroundings, rate_k_min=rate_k_min, settle_s=settle_s)
        """What it controls."""
        live, setpoint = device.block("live"), device.block("setpoint")
        self._layout: Layout = compile_block(device, live, {})
        self._space = RegisterSpace(device, ((live.address, live.count), (setpoint.address, setpoint.count)), {})
        self._live = self._space.area(live.address, live.count)
        self._setpoint = device.fields["set_temperature_c"]
        self._run_coil = device.coils["run"]
        self._space.set({"set_temperature_c": room_c})
        self._humidity = humidity
        self._alarms = alarms
        self._next_ns = 0

    def tick(self, t_ns: int) -> int | None:
        if t_ns >= self._next_ns:
            self.chamber.temperature_c(t_ns)
            self._next_ns = t_ns + STEP_NS
        return self._next_ns

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        area = self._space.area(address, count)
        if area is self._live:
            self._layout.encode_into(area.data, 0, self._values(t_ns))
        return area.read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        if address != self._setpoint.address or len(payload) != 2:
            raise Refuse(ILLEGAL_ADDRESS)
        goal_c = int.from_bytes(payload, "big", signed=True) / 10
        low, high = self._setpoint.low, self._setpoint.high
        assert low is not None
        assert high is not None
        if not low <= goal_c <= high:
            raise Refuse(ILLEGAL_VALUE)
        self._space.area(address, 1).write(address, payload)
        self.chamber.set_goal(t_ns, goal_c)

    def read_coil(self, t_ns: int, address: int) -> bytes:
        if address != self._run_coil:
            raise Refuse(ILLEGAL_ADDRESS)
        return b"\x01" if self.chamber.running else b"\x00"

    def write_coil(self, t_ns: int, address: int, on: bool) -> None:
        if address != self._run_coil:
            raise Refuse(ILLEGAL_ADDRESS)
        self.chamber.run(t_ns, on)

    # -------------------------------------------------------------- inside

    def _values(self, t_ns: int) -> dict[str, Any]:
        values: dict[str, Any] = {
            "temperature_c": self.chamber.temperature_c(t_ns),
            "setpoint_c": self.chamber.goal_c,
            "state": ("running",) if self.chamber.running else (),
            "alarms": self._alarms,
        }
        if self._humidity is not None:
            values["humidity"] = self._humidity
        return values


def _make(playing: Playing) -> ModbusChamberDevice:
    known = [name for _, name in playing.type.fields["alarms"].names]
    fault = playing.text("fault", "")
    if fault and fault not in known:
        raise InputError(Problem("", field="--set fault", found=fault, expected=" or ".join(known)))
    humidity = playing.option("humidity", 0.45)
    return ModbusChamberDevice(
        playing.type,
        playing.surroundings,
        framing=playing.framing,
        unit=playing.unit,
        room_c=playing.ambient_c,
        humidity=humidity if humidity >= 0 else None,
        rate_k_min=playing.option("rate_k_min", RATE_K_MIN),
        settle_s=playing.option("settle_s", SETTLE_S),
        alarms=(fault,) if fault else (),
        silent=playing.silent,
    )


play_modbus_chamber = Player(
    _make,
    {
        "rate_k_min": f"the fastest that it heats or cools (default {RATE_K_MIN:g})",
        "settle_s": f"its time constant near the set-point (default {SETTLE_S:g})",
        "humidity": "relative, 0 to 1 (default 0.45); below 0: it has no such sensor",
        "fault": "an alarm that is on, by its name in the map",
    },
)
