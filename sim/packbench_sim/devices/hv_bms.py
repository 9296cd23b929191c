"""The BMS of configs/devices/modbus-hv-bms.yaml, backed by the simulated pack.

Owns nothing but the registers: what is measured, and with what error, is the BmsPart's. The values of
one reading are one measurement; the alive counter goes up with each.
"""

from __future__ import annotations

from typing import Any, Literal

from packbench.core.errors import InputError
from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import DeviceType
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, ModbusSlave, Refuse
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent


class HvBmsDevice(ModbusSlave):
    """`parts.WireDevice` of the generic high-voltage BMS.

    Args:
        device: The map `modbus-hv-bms`.
        part: The simulated BMS.
        framing: "mbap" or "rtu".
        unit: Unit number.
        measure_period_ns: How often it measures: the alive counter counts these.
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        part: BmsPart,
        *,
        framing: Literal["mbap", "rtu"] = "mbap",
        unit: int = 1,
        measure_period_ns: int = 100_000_000,
        silent: Silent | None = None,
    ) -> None:
        super().__init__(framing, frozenset({unit}), silent=silent)
        self._part = part
        self._measure_period_ns = measure_period_ns
        live, identity = device.block("live"), device.block("identity")
        self._live: Layout = compile_block(device, live, {})
        self._known_alarms = frozenset(name for _, name in device.fields["alarms"].names)
        self._cells_max = device.fields["cell_voltages_v"].count
        self._sensors_max = device.fields["temperatures_c"].count
        self._space = RegisterSpace(device, ((live.address, live.count), (identity.address, identity.count)), {})
        self._space.set({"model": "Packbench HV BMS", "serial": "HV-0001", "firmware": "1.0"})
        self._image = self._space.area(live.address, live.count)

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        area = self._space.area(address, count)
        if area is self._image:
            self._live.encode_into(area.data, 0, self._values(t_ns, self._part.reading(t_ns)))
        return area.read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        """Nothing of this map is written to."""
        raise Refuse(ILLEGAL_ADDRESS)

    def _values(self, t_ns: int, reading: BmsReading) -> dict[str, Any]:
        cells = reading.cell_voltages_v
        sensors = reading.temperatures_c
        if cells.size > self._cells_max or sensors.size > self._sensors_max:
            raise InputError(
                f"this map holds {self._cells_max} cells and {self._sensors_max} sensors, "
                f"not {cells.size} and {sensors.size}"
            )
        state = ["contactor_closed", "charging_allowed", "discharging_allowed"]
        if reading.balancing:
            state.append("balancing")
        return {
            "alive": t_ns // self._measure_period_ns & 0xFFFF,
            "state": state,
            # An alarm that this map has no bit for still has to show.
            "alarms": {name if name in self._known_alarms else "sensor_fault" for name in reading.alarms},
            "voltage_v": max(reading.voltage_v, 0.0),
            "current_a": reading.current_a,
            "soc": min(max(reading.soc, 0.0), 1.0),
            "soh": min(max(reading.soh, 0.0), 1.2),
            "cycles": reading.cycles,
            "charge_limit_a": reading.charge_limit_a,
            "discharge_limit_a": reading.discharge_limit_a,
            "cell_count": cells.size,
            "sensor_count": sensors.size,
            "temperatures_c": sensors,
            "cell_voltages_v": cells,
        }


def _make(playing: Playing) -> HvBmsDevice:
    return HvBmsDevice(playing.type, playing.bms, framing=playing.framing, unit=playing.unit, silent=playing.silent)


play_hv_bms = Player(_make)
