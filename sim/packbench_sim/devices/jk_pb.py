"""A JK PB BMS on RS-485, backed by the simulated pack: registers of configs/devices/jk-pb.yaml.

Owns the family's habits: register numbers count bytes, odd ones are refused, so are reads of more than
122 registers; wrong addresses and wrong checksums get silence, and so does a request that follows the
device's own reply too soon. Its switches move the plant's, and three of its action registers are answered with
a whole table in JK's own frame (55 AA EB 90, little-endian) before the Modbus acknowledgement.
"""

from __future__ import annotations

from typing import Any, Final

from packbench.core.errors import InputError
from packbench.maps.codec import Layout
from packbench.maps.schema import DeviceType
from packbench.wire.checks import sum8
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, ModbusSlave, Refuse
from packbench_sim.devices.registers import Area, RegisterSpace
from packbench_sim.parts import BmsPart, BmsReading
from packbench_sim.playing import Player, Playing, Silent, Switches

READ_MAX: Final = 122
CELLS_MAX: Final = 32
_SETTINGS, _RUNTIME, _ABOUT = 0x1000, 0x1200, 0x1400
_TABLE: Final = 147
"""Registers of a table: its 293 bytes, and one."""
_SENSORS: Final = 5
_UNWRITABLE: Final = 0x1122
"""A setting that a real board refuses, whatever is written (jkctl)."""

_SHUTDOWN: Final = 0x1604
_TABLE_OF: Final = {0x161E: (_SETTINGS, 1), 0x1620: (_RUNTIME, 2), 0x161C: (_ABOUT, 3)}
"""Action register to the table it is answered with, and that table's number in JK's frame."""
_EMERGENCY: Final = 0x1610
"""Acknowledged, and nothing comes of it."""
_CLOCK: Final = 0x1612
_PRESETS: Final = {0x160A: (2.9, 3.2, 4.2, 4.1), 0x160C: (2.6, 3.0, 3.6, 3.4), 0x160E: (1.8, 2.0, 2.7, 2.4)}
"""Lithium-ion, LFP, titanate: values of _THRESHOLDS (manual of the BD series)."""
_THRESHOLDS: Final = (
    "cell_under_voltage_v",
    "cell_under_voltage_release_v",
    "cell_over_voltage_v",
    "cell_over_voltage_release_v",
)
_FRAME_HEAD: Final = b"\x55\xaa\xeb\x90"
_FRAME: Final = 300
_PAYLOAD: Final = 293
_ALIASES: Final = {"under_temperature": "charge_under_temperature"}
_SWITCHES: Final = ("charge_switch", "discharge_switch", "balance_switch")
_CHATTER: Final = b"AT\r\n"

_DEFAULTS: Final[dict[str, Any]] = {
    "smart_sleep_v": 3.2,
    "cell_under_voltage_v": 2.8,
    "cell_under_voltage_release_v": 3.0,
    "cell_over_voltage_v": 3.65,
    "cell_over_voltage_release_v": 3.55,
    "balance_spread_v": 0.005,
    "full_v": 3.55,
    "empty_v": 2.9,
    "request_charge_v": 3.45,
    "request_float_v": 3.375,
    "power_off_v": 2.6,
    "charge_over_current_delay_s": 30,
    "charge_over_current_release_s": 60,
    "discharge_over_current_delay_s": 30,
    "discharge_over_current_release_s": 60,
    "short_circuit_release_s": 60,
    "balance_current_max_a": 1.0,
    "charge_over_temperature_c": 60.0,
    "charge_over_temperature_release_c": 55.0,
    "discharge_over_temperature_c": 65.0,
    "discharge_over_temperature_release_c": 60.0,
    "charge_under_temperature_c": -5.0,
    "charge_under_temperature_release_c": 0.0,
    "mos_over_temperature_c": 90.0,
    "mos_over_temperature_release_c": 80.0,
    "charge_switch": 1,
    "discharge_switch": 1,
    "balance_switch": 1,
    "short_circuit_delay_s": 0.0015,
    "balance_start_v": 3.4,
    "current_range_a": 200.0,
    "power_ons": 42,
    "made": "241103",
    "hardware": "15A",
    "firmware": "15.24",
}
"""What a board is delivered with; ordinary numbers, not any board's."""


class JkPbDevice(ModbusSlave):
    """`parts.WireDevice` of the JK PB.

    Args:
        device: The map `jk-pb`.
        part: The simulated BMS.
        unit: DIP address, 1 to 15.
        rated_ah: Capacity of the pack.
        turnaround_ns: A request that comes sooner after its own reply is not heard.
        model: 16 bytes at 0x1400.
        chatter: It says "AT" before every answer, as some do (fl4p/batmon-ha#377).
        switches: What its MOSFETs do to the plant.
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        part: BmsPart,
        *,
        unit: int = 1,
        rated_ah: float = 100.0,
        turnaround_ns: int = 20_000_000,
        model: bytes = b"JK_PB2A16S20P\0\0\x10",
        chatter: bool = False,
        switches: Switches | None = None,
        silent: Silent | None = None,
    ) -> None:
        super().__init__("rtu", frozenset({unit}), silent=silent)
        self._device = device
        self._part = part
        self._rated_ah = rated_ah
        self._turnaround_ns = turnaround_ns
        self._chatter = chatter
        self._switches = switches
        self._deaf_until_ns = 0
        self.shut_down = False
        self._clock_ahead_s = 0
        """Of the time since it was switched on."""
        self._asked_for: tuple[int, int] | None = None
        """A table that is to be said before the acknowledgement."""
        self._space = RegisterSpace(device, tuple((start, _TABLE) for start in (_SETTINGS, _RUNTIME, _ABOUT)), {})
        self._runtime = self._space.area(_RUNTIME, _TABLE)
        self._live: Layout = self._space.layout(_RUNTIME, _TABLE)
        self._alarm_bits = {name for _, name in device.fields["alarms"].names}
        self._on = dict.fromkeys(_SWITCHES, True)
        reading = part.reading(0)
        if reading.cell_voltages_v.size > CELLS_MAX:
            raise InputError(f"a JK PB holds {CELLS_MAX} cells, not {reading.cell_voltages_v.size}")
        self._space.set(
            {
                **_DEFAULTS,
                "model": model,
                "serial": f"JK-SIM-{unit:04}",
                "board_address": unit,
                "cell_count": int(reading.cell_voltages_v.size),
                "nominal_ah": rated_ah,
                "charge_limit_a": reading.charge_limit_a,
                "discharge_limit_a": reading.discharge_limit_a,
                "wire_resistances_ohm": [0.05] * int(reading.cell_voltages_v.size),
            }
        )

    def allow(self, charge_a: float, discharge_a: float) -> None:
        """Somebody sets how much current it allows."""
        self._space.set({"charge_limit_a": charge_a, "discharge_limit_a": discharge_a})

    def exchange(self, serial: str) -> None:
        """Another board of the same model takes its place."""
        self._space.set({"serial": serial})

    # ------------------------------------------------------------- the line

    def on_bytes(self, t_ns: int, data: bytes) -> bytes:
        if t_ns < self._deaf_until_ns:
            return b""
        reply = super().on_bytes(t_ns, data)
        if self._asked_for is not None:
            reply = self._table_frame(t_ns, *self._asked_for) + b"\0" + reply + b"\0"
            self._asked_for = None
        if self.shut_down or not reply:
            return b""
        self._deaf_until_ns = t_ns + self._turnaround_ns
        return _CHATTER + reply if self._chatter else reply

    def _table_frame(self, t_ns: int, start: int, number: int) -> bytes:
        """A table in JK's own frame: the registers' bytes, each number turned round."""
        area = self._fresh(t_ns, start, _TABLE)
        payload = bytearray(area.data)
        for item in self._device.fields_in(start, _TABLE):
            size = {"u8": 1, "char": 1}.get(item.type, 2 * item.registers // item.count)
            for at in range(item.address - start, item.address - start + size * item.count, size):
                if size > 1:
                    payload[at : at + size] = payload[at : at + size][::-1]
        frame = _FRAME_HEAD + bytes((number, 0)) + payload[:_PAYLOAD]
        assert len(frame) == _FRAME - 1
        return frame + bytes((sum8(frame),))

    # ------------------------------------------------------------ registers

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        if count > READ_MAX or address % 2:
            raise Refuse(ILLEGAL_ADDRESS)
        return self._fresh(t_ns, address, count).read(address, count)

    def write_registers(self, t_ns: int, address: int, payload: bytes) -> None:
        """Settings are read back as written; the three switches take effect."""
        if address % 2:
            raise Refuse(ILLEGAL_ADDRESS)
        if address >= 0x1600:
            self._act(t_ns, address, payload)
            return
        area = self._space.area(address, len(payload) // 2)
        if area.address != _SETTINGS or address <= _UNWRITABLE < address + len(payload):
            raise Refuse(ILLEGAL_ADDRESS)
        area.write(address, payload)
        self._take_switches(t_ns)

    def _take_switches(self, t_ns: int) -> None:
        before = dict(self._on)
        for name in _SWITCHES:
            field = self._device.fields[name]
            self._on[name] = any(self._space.area(field.address, 2).read(field.address, 2))
        if self._switches is not None and before != self._on:
            self._switches(t_ns, self._on["charge_switch"], self._on["discharge_switch"])

    def _act(self, t_ns: int, address: int, payload: bytes) -> None:
        if address in _TABLE_OF:
            self._asked_for = _TABLE_OF[address]
        elif address == _SHUTDOWN:
            self.shut_down = True
        elif address in _PRESETS:
            self._space.set(dict(zip(_THRESHOLDS, _PRESETS[address], strict=True)))
        elif address == _CLOCK and len(payload) == 4:
            self._clock_ahead_s = int.from_bytes(payload, "big") - t_ns // 1_000_000_000
        elif address != _EMERGENCY:
            raise Refuse(ILLEGAL_ADDRESS)

    def _fresh(self, t_ns: int, address: int, count: int) -> Area:
        """The area of a read, with the newest measurement in it. Raises Refuse."""
        area = self._space.area(address, count)
        if area is self._runtime:
            self._live.encode_into(area.data, 0, self._values(t_ns, self._part.reading(t_ns)))
        return area

    def _values(self, t_ns: int, reading: BmsReading) -> dict[str, Any]:
        cells = reading.cell_voltages_v
        sensors = reading.temperatures_c.tolist()[:_SENSORS]
        names = {_ALIASES.get(name, name) for name in reading.alarms}
        soc = min(max(reading.soc, 0.0), 1.0)
        soh = min(max(reading.soh, 0.0), 1.0)
        voltage_v = max(reading.voltage_v, 0.0)
        values: dict[str, Any] = {
            "cell_voltages_v": cells,
            "cell_mask": (1 << cells.size) - 1,
            "cell_average_v": float(cells.mean()),
            "cell_spread_v": float(cells.max() - cells.min()),
            "cell_max_index": int(cells.argmax()),
            "cell_min_index": int(cells.argmin()),
            "mos_temperature_c": sensors[0],
            "voltage_v": voltage_v,
            "voltage_again_v": min(voltage_v, 655.35),
            "power_w": abs(voltage_v * reading.current_a),
            "current_a": reading.current_a,
            "alarms": {name if name in self._alarm_bits else "current_sensor" for name in names},
            "balancing": int(reading.balancing and self._on["balance_switch"]),
            "soc": soc,
            "remaining_ah": soc * soh * self._rated_ah,
            "full_ah": soh * self._rated_ah,
            "cycles": reading.cycles,
            "cycle_ah": reading.cycles * self._rated_ah,
            "soh": soh,
            "runtime_s": t_ns // 1_000_000_000,
            "clock_s": self._clock_ahead_s + t_ns // 1_000_000_000,
            "ticks_s": t_ns / 1e9 % 400_000_000,
            "charging_allowed": int(self._on["charge_switch"] and reading.charge_limit_a > 0),
            "discharging_allowed": int(self._on["discharge_switch"] and reading.discharge_limit_a > 0),
            "sensors_fitted": (2 << len(sensors)) - 1,
        }
        for number, value in enumerate(sensors, start=1):
            values[f"temperature_{number}_c"] = value
        return values


def _make(playing: Playing) -> JkPbDevice:
    return JkPbDevice(
        playing.type,
        playing.bms,
        unit=playing.unit,
        rated_ah=playing.pack.rated_capacity_ah,
        chatter=playing.option("chatter", 0) != 0,
        switches=playing.switches,
        silent=playing.silent,
    )


play_jk_pb = Player(_make, {"chatter": '1: says "AT" before every answer, as some boards do'})
