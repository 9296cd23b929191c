"""The insulation tester of configs/devices/modbus-insulation.yaml.

Owns the course of a measurement: idle, measuring for as long as the test voltage needs to settle, done, from when on
it goes on watching. What it finds is the simulated pack's, or what was stated (option `insulation_ohm`).
"""

from __future__ import annotations

from typing import Any, Final, Literal

from packbench.core.errors import InputError, Problem
from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import DeviceType
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusSlave, Refuse
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.playing import Insulation, Player, Playing, Silent

INSULATION_OHM: Final = 5_000_000.0
"""With no pack behind it."""
SHOWN_MAX_OHM: Final = 0xFFFF_FFFE
"""Its register shows no more; the value above stands for "no result"."""
TEST_VOLTAGE_V: Final = 500.0
MEASURE_S: Final = 2.0
"""[A] Until the capacitance of pack and leads is charged."""
LIMIT_OHM: Final = 500_000.0
"""[A] 500 ohm/V of a 1000 V system."""


class ModbusInsulationDevice(ModbusSlave):
    """`parts.WireDevice` of the generic insulation tester.

    Args:
        device: The map `modbus-insulation`.
        framing: "mbap" or "rtu".
        unit: Unit number.
        insulation_ohm: What it finds, or what finds it at an instant.
        measure_s: How long a measurement takes.
        done: Whether a measurement has been made before anybody asks.
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        *,
        framing: Literal["mbap", "rtu"] = "mbap",
        unit: int = 1,
        insulation_ohm: float | Insulation = INSULATION_OHM,
        measure_s: float = MEASURE_S,
        done: bool = True,
        silent: Silent | None = None,
    ) -> None:
        super().__init__(framing, frozenset({unit}), silent=silent)
        live, settings = device.block("live"), device.block("settings")
        self._layout: Layout = compile_block(device, live, {})
        self._space = RegisterSpace(device, ((live.address, live.count), (settings.address, settings.count)), {})
        self._live = self._space.area(live.address, live.count)
        self._settings = settings
        self._span = device.fields["set_test_voltage_v"]
        self._start_coil = device.coils["start"]
        self._space.set({"set_test_voltage_v": TEST_VOLTAGE_V, "limit_ohm": round(LIMIT_OHM)})
        self._insulation = insulation_ohm
        self._measure_ns = round(measure_s * 1e9)
        self._state = "done" if done else "idle"
        self._test_voltage_v = TEST_VOLTAGE_V if done else 0.0
        self._ready_ns = 0
        """When the measurement that runs has its result."""

    def tick(self, t_ns: int) -> int | None:
        if self._state == "measuring" and t_ns >= self._ready_ns:
            self._state = "done"
        return self._ready_ns if self._state == "measuring" else None

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        self.tick(t_ns)
        area = self._space.area(address, count)
        if area is self._live:
            area.data[:] = self._layout.encode(self._values(t_ns))
        return area.read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        block = self._settings
        count = len(payload) // 2
        if not block.address <= address <= address + count <= block.address + block.count:
            raise Refuse(ILLEGAL_ADDRESS)
        area = self._space.area(address, count)
        before = bytes(area.data)
        area.write(address, payload)
        voltage_v = self._space.get(block.address, block.count)["set_test_voltage_v"]
        span = self._span
        if span.low is not None and span.high is not None and not span.low <= voltage_v <= span.high:
            area.data[:] = before
            raise Refuse(ILLEGAL_VALUE)

    def read_coil(self, t_ns: int, address: int) -> bytes:
        self.tick(t_ns)
        if address != self._start_coil:
            raise Refuse(ILLEGAL_ADDRESS)
        return b"\x01" if self._state == "measuring" else b"\x00"

    def write_coil(self, t_ns: int, address: int, on: bool) -> None:
        self.tick(t_ns)
        if address != self._start_coil:
            raise Refuse(ILLEGAL_ADDRESS)
        if on:
            self._state, self._ready_ns = "measuring", t_ns + self._measure_ns
            self._test_voltage_v = self._space.get(self._settings.address, self._settings.count)["set_test_voltage_v"]
        elif self._state == "measuring":
            self._state, self._test_voltage_v = "idle", 0.0

    # -------------------------------------------------------------- inside

    def _values(self, t_ns: int) -> dict[str, Any]:
        values: dict[str, Any] = {"state": self._state, "test_voltage_v": self._test_voltage_v}
        if self._state == "done":
            limit_ohm = self._space.get(self._settings.address, self._settings.count)["limit_ohm"]
            found = self._insulation
            insulation_ohm = min(round(found(t_ns) if callable(found) else found), SHOWN_MAX_OHM)
            values["insulation_ohm"] = insulation_ohm
            values["alarms"] = ("insulation_low",) if insulation_ohm < limit_ohm else ()
        return values


def _make(playing: Playing) -> ModbusInsulationDevice:
    stated_ohm = playing.option("insulation_ohm", 0.0)
    if not 0 <= stated_ohm <= SHOWN_MAX_OHM:
        found, expected = f"{stated_ohm:g}", f"0 to {SHOWN_MAX_OHM}, in ohm"
        raise InputError(Problem("", field="--set insulation_ohm", found=found, expected=expected))
    return ModbusInsulationDevice(
        playing.type,
        framing=playing.framing,
        unit=playing.unit,
        insulation_ohm=stated_ohm if "insulation_ohm" in playing.options else playing.insulation,
        measure_s=playing.option("measure_s", MEASURE_S),
        done=playing.text("state", "done") != "idle",
        silent=playing.silent,
    )


play_modbus_insulation = Player(
    _make,
    {
        "insulation_ohm": "what it finds (default: what the pack has)",
        "measure_s": f"how long a measurement takes (default {MEASURE_S:g})",
        "state": "idle: nothing has been measured yet (default done)",
    },
)
