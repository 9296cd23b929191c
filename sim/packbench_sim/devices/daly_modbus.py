"""A Daly board that speaks Modbus, backed by the simulated pack: registers of daly-d2.yaml or daly-p81.yaml.

Owns the two families' habits: a board asked under 0x81 answers under 0x51, some boards say nothing to a read that
reaches beyond what the maker's app asks for, and only the 0xD2 ones have switches that are known to be switches.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from packbench.drivers.daly_current import OPTION, higher_raw
from packbench.maps.schema import DeviceType
from packbench.wire.daly.a5_data import CHARGING, DISCHARGING, IDLE, HigherRaw
from packbench.wire.modbus import READ_HOLDING, rtu_frame
from packbench_sim.devices.daly_a5 import CURRENT_SEEN_A, expressible, fault_names
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, ModbusSlave, Refuse
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent, Switches

_AREAS: Final = {
    "daly-d2": ((0, 0x50), (0x80, 0x29), (0xA9, 32)),
    "daly-p81": ((0, 0x7F), (0x178, 74)),
}
_D2_SETTINGS: Final = 0x80
_D2_APP_READS: Final = 0x3E
"""Live registers below this one are what the maker's app asks for."""


class DalyModbusDevice(ModbusSlave):
    """`parts.WireDevice` of a Daly board on Modbus.

    Args:
        device: The map `daly-d2` or `daly-p81`.
        part: The simulated BMS.
        unit: What it is asked under; it answers under the map's offset from that.
        raised: What a raw current above 30000 means; None: the map's default.
        rated_ah: Capacity it was set up with.
        firmware, model: Texts of its identity.
        answers_beyond: Whether it answers a live read beyond the app's (D2: from 0x3E on).
        takes_any_write: Whether measurements are written over too, as the examples of the vendor's sheet do.
        alive: The p81's counter at the start; it counts seconds, modulo 256.
        fixed: Fields of the map that stand still, by name.
        switches: What its MOSFETs act on.
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        part: BmsPart,
        *,
        unit: int | None = None,
        raised: HigherRaw | None = None,
        rated_ah: float = 100.0,
        firmware: str = "PACKBENCH-1",
        model: str = "DALY SIMULATED",
        answers_beyond: bool = True,
        takes_any_write: bool = False,
        alive: int = 0,
        fixed: Mapping[str, Any] | None = None,
        switches: Switches | None = None,
        silent: Silent | None = None,
    ) -> None:
        super().__init__("rtu", frozenset({device.unit if unit is None else unit}), silent=silent)
        self._device = device
        self._part = part
        self._reversed = (higher_raw(device.options) if raised is None else raised) == "discharge"
        self._rated_ah = rated_ah
        self._answers_below = _D2_SETTINGS if answers_beyond or device.name != "daly-d2" else _D2_APP_READS
        self._takes_any_write = takes_any_write
        self._written_over: dict[int, bytes] = {}
        """Payload by address of what was written over measurements."""
        self._alive = alive
        self._fixed = dict(fixed or {})
        self._switches = switches
        self._soc_added = 0.0
        self.charge_on = self.discharge_on = True
        self._known = {
            name: frozenset(bit for _, bit in device.fields[name].names)
            for name in ("alarms", "faults")
            if name in device.fields
        }
        self._space = RegisterSpace(device, _AREAS[device.name], {})
        self._space.set(
            {"firmware": firmware, "model": model, "rated_ah": rated_ah, "charge_switch": 1, "discharge_switch": 1}
        )

    def _serve(self, t_ns: int, transaction: int, unit: int, pdu: bytes) -> bytes:
        address, count = int.from_bytes(pdu[1:3], "big"), int.from_bytes(pdu[3:5], "big")
        if pdu[0] == READ_HOLDING and address < _D2_SETTINGS and address + count > self._answers_below:
            return b""
        reply = super()._serve(t_ns, transaction, unit, pdu)
        return rtu_frame(unit + self._device.reply_unit_offset, reply[1:-2]) if reply else b""

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        area = self._space.area(address, count)
        if area.address == 0:
            self._space.set(self._values(t_ns, self._reading(t_ns)) | self._fixed)
            for at, payload in self._written_over.items():
                area.write(at, payload)
        return area.read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        """The D2's switches and its SOC take effect; its other settings are read back as written."""
        area = self._space.area(address, len(payload) // 2)
        if self._takes_any_write and area.address == 0:
            self._written_over[address] = payload
            return
        if self._device.name != "daly-d2" or area.address != _D2_SETTINGS:
            raise Refuse(ILLEGAL_ADDRESS)
        area.write(address, payload)
        fields = self._device.fields
        written = range(address, address + len(payload) // 2)
        settings = self._space.get(*_AREAS["daly-d2"][1])
        if fields["soc_setting"].address in written:
            self._soc_added = settings["soc_setting"] - self._part.reading(t_ns).soc
        if fields["charge_switch"].address in written or fields["discharge_switch"].address in written:
            self.charge_on, self.discharge_on = settings["charge_switch"] != 0, settings["discharge_switch"] != 0
            if self._switches is not None:
                self._switches(t_ns, self.charge_on, self.discharge_on)

    def _reading(self, t_ns: int) -> BmsReading:
        fields = self._device.fields
        return expressible(self._part.reading(t_ns), fields["cell_voltages_v"].count, fields["temperatures_c"].count)

    def _values(self, t_ns: int, reading: BmsReading) -> dict[str, Any]:
        cells, sensors = reading.cell_voltages_v, reading.temperatures_c
        high, low = int(cells.argmax()), int(cells.argmin())
        flows = abs(reading.current_a) >= CURRENT_SEEN_A
        soc = min(max(reading.soc + self._soc_added, 0.0), 1.0)
        return {
            **self._alarms(reading.alarms),
            "cell_voltages_v": cells,
            "temperatures_c": sensors,
            "voltage_v": reading.voltage_v,
            "current_a": -reading.current_a if self._reversed else reading.current_a,
            "soc": soc,
            "alive": (self._alive + t_ns // 1_000_000_000) % 256,
            "cell_count": cells.size,
            "sensor_count": sensors.size,
            "cell_max_v": cells[high],
            "cell_max_index": high + 1,
            "cell_min_v": cells[low],
            "cell_min_index": low + 1,
            "cell_average_v": cells.mean(),
            "cell_spread_v": cells[high] - cells[low],
            "temperature_max_c": sensors.max(),
            "temperature_max_index": int(sensors.argmax()) + 1,
            "temperature_min_c": sensors.min(),
            "temperature_min_index": int(sensors.argmin()) + 1,
            "temperature_spread_c": round(sensors.max()) - round(sensors.min()),
            "activity": IDLE if not flows else CHARGING if reading.current_a > 0 else DISCHARGING,
            "remaining_ah": soc * reading.soh * self._rated_ah,
            "cycles": reading.cycles,
            "balancing": int(reading.balancing),
            "balance_state": int(reading.balancing),
            "balance_current_a": 0.0,
            "charging_allowed": int(self.charge_on),
            "discharging_allowed": int(self.discharge_on),
            "power_w": min(round(abs(reading.voltage_v * reading.current_a)), 0xFFFF),
            "mos_temperature_c": sensors.max(),
            "board_temperature_c": sensors.max(),
        }

    def _alarms(self, alarms: tuple[str, ...]) -> dict[str, set[str]]:
        """What has a bit of its own sets it; what has none shows as an internal fault, never as nothing."""
        names = set(fault_names(alarms))
        if "faults" not in self._known:
            # No list of the p81's bits is published: one of them says that there is something.
            return {"alarms": set(self._known["alarms"]) if names else set()}
        return {name: names & known for name, known in self._known.items()}


def _make(playing: Playing) -> DalyModbusDevice:
    return DalyModbusDevice(
        playing.type,
        playing.bms,
        unit=playing.unit,
        raised=higher_raw({OPTION: playing.text(OPTION, str(playing.type.options[OPTION]))}),
        rated_ah=playing.pack.rated_capacity_ah,
        answers_beyond=playing.option("answers_beyond", 1.0) != 0.0,
        switches=playing.switches,
        silent=playing.silent,
    )


play_daly_modbus = Player(
    _make,
    {
        OPTION: "what such a current means: discharge or charge",
        "answers_beyond": "0: silent for live reads beyond what the maker's app asks for (D2: from 0x3E on)",
    },
)
