"""A JK PB BMS on RS-485, backed by the simulated pack: registers of configs/devices/jk-pb.yaml.

Owns the family's habits: register numbers count bytes, odd ones are refused, so are reads of more than
122 registers; wrong addresses and wrong checksums get silence, and so does a request that follows the
device's own reply too soon.
"""

from __future__ import annotations

from typing import Any, Final

from packbench.maps.schema import DeviceType
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, ModbusSlave, Refuse
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent

READ_MAX: Final = 122
_AREAS: Final = ((0x1000, 140), (0x1200, 127), (0x1400, 40))
"""Settings (RW), runtime, information: as (first register number, registers)."""
_RUNTIME: Final = 0x1200
_SENSORS: Final = 5


class JkPbDevice(ModbusSlave):
    """`parts.WireDevice` of the JK PB.

    Args:
        device: The map `jk-pb`.
        part: The simulated BMS.
        unit: DIP address, 1 to 15.
        turnaround_ns: A request that comes sooner after its own reply is not heard.
        model: 16 bytes at 0x1400.
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        part: BmsPart,
        *,
        unit: int = 1,
        turnaround_ns: int = 20_000_000,
        model: bytes = b"JK_PB2A16S20P\0\0\x10",
        silent: Silent | None = None,
    ) -> None:
        super().__init__("rtu", frozenset({unit}), silent=silent)
        self._part = part
        self._turnaround_ns = turnaround_ns
        self._deaf_until_ns = 0
        self._space = RegisterSpace(device, _AREAS, {})
        self._alarm_bits = {name for _, name in device.fields["alarms"].names}
        reading = part.reading(0)
        self._space.set(
            {
                "model": model,
                "hardware": "15A",
                "firmware": "15.24",
                "cell_count": int(reading.cell_voltages_v.size),
                "charge_limit_a": reading.charge_limit_a,
                "discharge_limit_a": reading.discharge_limit_a,
            }
        )

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        if t_ns < self._deaf_until_ns:
            return b""
        reply = super().on_bytes(t_ns, data)
        if reply:
            self._deaf_until_ns = t_ns + self._turnaround_ns
        return reply

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        if count > READ_MAX or address % 2:
            raise Refuse(ILLEGAL_ADDRESS)
        area = self._space.area(address, count)
        if area.address == _RUNTIME:
            self._space.set(self._values(t_ns, self._part.reading(t_ns)))
        return area.read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        """Settings take effect nowhere in the plant, but are read back as written."""
        area = self._space.area(address, len(payload) // 2)
        if area.address != _AREAS[0][0] or address % 2:
            raise Refuse(ILLEGAL_ADDRESS)
        area.write(address, payload)

    def _values(self, t_ns: int, reading: BmsReading) -> dict[str, Any]:
        cells = reading.cell_voltages_v
        sensors = reading.temperatures_c.tolist()
        values: dict[str, Any] = {
            "cell_voltages_v": cells,
            "cell_mask": (1 << cells.size) - 1,
            "cell_average_v": float(cells.mean()),
            "cell_spread_v": float(cells.max() - cells.min()),
            "cell_max_index": int(cells.argmax()),
            "cell_min_index": int(cells.argmin()),
            "mos_temperature_c": sensors[0],
            "voltage_v": max(reading.voltage_v, 0.0),
            "power_w": abs(reading.voltage_v * reading.current_a),
            "current_a": reading.current_a,
            "alarms": {name if name in self._alarm_bits else "current_sensor" for name in reading.alarms},
            "balancing": int(reading.balancing),
            "soc": min(max(reading.soc, 0.0), 1.0),
            "cycles": reading.cycles,
            "soh": min(max(reading.soh, 0.0), 1.0),
            "runtime_s": t_ns // 1_000_000_000,
            "charging_allowed": 1,
            "discharging_allowed": 1,
        }
        for number, value in enumerate(sensors[:_SENSORS], start=1):
            values[f"temperature_{number}_c"] = value
        return values


def _make(playing: Playing) -> JkPbDevice:
    return JkPbDevice(playing.type, playing.bms, unit=playing.unit, silent=playing.silent)


play_jk_pb = Player(_make)
