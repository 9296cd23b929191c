"""A Seplos BMS V3 on Modbus, backed by the simulated pack: registers and coils of configs/devices/seplos-v3.yaml.

Owns the family's habits: registers by function 4 and coils by 1 alone, any stretch that reaches beyond a block refused
with exception 2 (also the 0x900 coils that the maker's own master asks for), the system's blocks under unit 0 only,
averages and the system's current cut off instead of rounded, MOSFETs that two registers switch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.maps.schema import DeviceType
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, ILLEGAL_VALUE, ModbusSlave, Refuse
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent, Switches

_FUNCTIONS: Final = frozenset({1, 4, 16})
_AREAS: Final = ((0x1000, 18), (0x1100, 26), (0x1300, 104), (0x1700, 51), (0x2000, 26), (0x2100, 22))
_COIL_AREAS: Final = ((0x1200, 0x90), (0x1400, 0x50), (0x2200, 0x50))
_SYSTEM_FROM: Final = 0x2000
_STATES_FROM: Final = 0x1240
"""The system's coils are those of a pack from here on."""
_DISCHARGE_CONTROL, _CHARGE_OFF, _CHARGE_ON = 0x1510, 0x1511, 0x1515
_OFF, _ON = 0x55AA, 0xAA55
_SENSORS: Final = 4
_EITHER_WAY: Final = {
    "over_temperature": ("charge_over_temperature", "discharge_over_temperature"),
    "under_temperature": ("charge_under_temperature", "discharge_under_temperature"),
}
"""Alarms of the simulated BMS that this family tells apart."""


class SeplosV3Device(ModbusSlave):
    """`parts.WireDevice` of a Seplos V3.

    Args:
        device: The map `seplos-v3`.
        part: The simulated BMS.
        unit: 0 to 127.
        rated_capacity_ah: Of the pack.
        total_discharged_ah: Since it was made; None: its cycles times its capacity.
        ambient_c, power_c: What the sensors beside the cells read; power None: as the cells' mean.
        reserved_switches: Bits of the switches' byte that the document does not name (a real pack sets bit 6).
        maker, model, firmware, serial: Texts of its identity.
        switches: What its MOSFETs act on.
        silent: See ModbusSlave.

    Raises InputError for a pack with more than 16 cells.
    """

    def __init__(
        self,
        device: DeviceType,
        part: BmsPart,
        *,
        unit: int = 0,
        rated_capacity_ah: float = 100.0,
        total_discharged_ah: float | None = None,
        ambient_c: float = 25.0,
        power_c: float | None = None,
        reserved_switches: int = 0,
        maker: str = "Packbench, simulated",
        model: str = "SIM16S100A",
        firmware: str = "10",
        serial: str = "SIM0000001",
        switches: Switches | None = None,
        silent: Silent | None = None,
    ) -> None:
        super().__init__("rtu", frozenset({unit}), functions=_FUNCTIONS, silent=silent)
        self._part = part
        self._unit = unit
        self._rated_ah = rated_capacity_ah
        self._total_discharged_ah = total_discharged_ah
        self._ambient_c, self._power_c = ambient_c, power_c
        self._switch_bits = [bit for bit in range(4, 8) if reserved_switches >> bit & 1]
        self._coils = dict(device.coils)
        self._space = RegisterSpace(device, _AREAS, {})
        self._switches = switches
        self.charge_on = self.discharge_on = True
        reading = part.reading(0)
        cells = int(reading.cell_voltages_v.size)
        if cells > device.fields["cell_voltages_v"].count:
            raise InputError(Problem(f"{device.name} cannot say that", field="cells", found=str(cells), expected="16"))
        self._space.set(
            {
                "maker": maker,
                "model": model,
                "firmware": firmware,
                "serial": serial,
                "cell_count": cells,
                "sensor_count": min(int(reading.temperatures_c.size), _SENSORS),
            }
        )

    # ------------------------------------------------------------- the wire

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        self._require_system(address)
        area = self._space.area(address, count)
        self._space.set(self._values(self._part.reading(t_ns)))
        return area.read(address, count)

    def read_coils(self, t_ns: int, address: int, count: int) -> bytes:
        self._require_system(address)
        for first, length in _COIL_AREAS:
            if first <= address and count >= 1 and address + count <= first + length:
                on = self._coils_on(self._part.reading(t_ns)) if first != 0x1400 else set[int]()
                if first == _SYSTEM_FROM + 0x200:
                    on = {coil - _STATES_FROM + first for coil in on}
                return _packed(on, address, count)
        raise Refuse(ILLEGAL_ADDRESS)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        """The MOSFETs' registers; settings are taken nowhere."""
        if len(payload) != 2 or address not in (_DISCHARGE_CONTROL, _CHARGE_OFF, _CHARGE_ON):
            raise Refuse(ILLEGAL_ADDRESS)
        word = int.from_bytes(payload, "big")
        if word not in (_ON, _OFF) or (address == _CHARGE_ON and word != _ON):
            raise Refuse(ILLEGAL_VALUE)
        if address == _DISCHARGE_CONTROL:
            self.discharge_on = word == _ON
        else:
            self.charge_on = word == _ON
        if self._switches is not None:
            self._switches(t_ns, self.charge_on, self.discharge_on)

    # -------------------------------------------------------------- inside

    def _require_system(self, address: int) -> None:
        if address >= _SYSTEM_FROM and self._unit != 0:
            raise Refuse(ILLEGAL_ADDRESS)

    def _values(self, reading: BmsReading) -> dict[str, Any]:
        cells = reading.cell_voltages_v
        sensors = reading.temperatures_c[:_SENSORS]
        soc, soh = min(max(reading.soc, 0.0), 1.0), min(max(reading.soh, 0.0), 1.0)
        remaining_ah = soc * self._rated_ah
        discharged_ah = self._total_discharged_ah
        discharged_ah = reading.cycles * self._rated_ah if discharged_ah is None else discharged_ah
        power_c = float(sensors.mean()) if self._power_c is None else self._power_c
        voltage_v = max(reading.voltage_v, 0.0)
        extremes = {
            "cell_max_v": float(cells.max()),
            "cell_min_v": float(cells.min()),
            "temperature_max_c": float(sensors.max()),
            "temperature_min_c": float(sensors.min()),
        }
        shared = {
            "remaining_ah": remaining_ah,
            "capacity_ah": self._rated_ah,
            "cycles": reading.cycles,
            "soc": soc,
            "soh": soh,
        }
        return {
            **shared,
            **{f"system_{name}": value for name, value in {**shared, **extremes}.items()},
            **extremes,
            "voltage_v": voltage_v,
            "current_a": reading.current_a,
            "total_discharged_ah": discharged_ah,
            "cell_average_v": _cut_off(float(cells.mean()), 1000),
            "temperature_average_c": _cut_off(float(sensors.mean()), 10),
            "discharge_limit_a": int(reading.discharge_limit_a),
            "charge_limit_a": int(reading.charge_limit_a),
            "precharge": 1.0,
            "cell_voltages_v": cells,
            "temperatures_c": _filled(sensors),
            "spare_temperatures_c": [0.0] * 4,
            "ambient_c": self._ambient_c,
            "power_temperature_c": power_c,
            "system_voltage_v": voltage_v,
            "system_current_a": _cut_off(reading.current_a, 10),
            "system_discharged_ah": discharged_ah,
            "system_rated_ah": self._rated_ah,
            "packs_online": 1,
            "packs_protected": int(bool(reading.alarms)),
            "system_discharge_limit_a": reading.discharge_limit_a,
            "system_charge_limit_a": reading.charge_limit_a,
            "system_over_voltage_v": 3.6 * cells.size,
            "system_under_voltage_v": 2.9 * cells.size,
            "pack_count": 1,
            "system_cell_max_at": int(cells.argmax()),
            "system_cell_min_at": int(cells.argmin()),
            "system_pack_max_v": voltage_v,
            "system_pack_min_v": voltage_v,
            "system_temperature_average_c": _cut_off(float(sensors.mean()), 10),
            "system_temperature_max_at": int(sensors.argmax()),
            "system_temperature_min_at": int(sensors.argmin()),
            "system_soc_max": soc,
            "system_soc_min": soc,
            "system_cycles_max": reading.cycles,
            "system_soh_max": soh,
            **dict.fromkeys(("system_power_max_c", "system_power_min_c", "system_power_average_c"), power_c),
        }

    def _coils_on(self, reading: BmsReading) -> set[int]:
        """Addresses of what is set."""
        names: set[str] = set()
        for alarm in reading.alarms:
            # An alarm that this family has no coil for still has to show.
            known = _EITHER_WAY.get(alarm, (alarm if alarm in self._coils else "sensor_fault",))
            names.update(known)
        centi_a = round(reading.current_a * 100)
        names.add("charging" if centi_a > 0 else "discharging" if centi_a < 0 else "standby")
        if self.charge_on:
            names.add("charge_switch")
        if self.discharge_on:
            names.add("discharge_switch")
        on = {self._coils[name] for name in names}
        on.update(self._coils["discharge_switch"] + bit for bit in self._switch_bits)
        if reading.balancing:
            # The fullest cell is what a balancer works on.
            on |= {self._coils["balancing_module"], 0x1230 + int(reading.cell_voltages_v.argmax())}
        return on


def _cut_off(value: float, counts: int) -> float:
    """A value in whole counts towards zero, as the captured averages are."""
    return int(value * counts + (1e-6 if value >= 0 else -1e-6)) / counts


def _filled(sensors: FloatArray) -> FloatArray:
    """Four registers; a sensor that is not there reads 0 degC."""
    return np.concatenate([sensors, np.zeros(_SENSORS - sensors.size)])


def _packed(on: Iterable[int], address: int, count: int) -> bytes:
    data = bytearray((count + 7) // 8)
    for coil in on:
        if 0 <= (at := coil - address) < count:
            data[at // 8] |= 1 << at % 8
    return bytes(data)


def _make(playing: Playing) -> SeplosV3Device:
    return SeplosV3Device(
        playing.type,
        playing.bms,
        unit=playing.unit,
        rated_capacity_ah=playing.pack.rated_capacity_ah,
        ambient_c=playing.ambient_c,
        serial=playing.text("serial", "SIM0000001"),
        switches=playing.switches,
        silent=playing.silent,
    )


play_seplos_v3 = Player(_make, {"serial": "the text on its label, up to 30 characters"})
