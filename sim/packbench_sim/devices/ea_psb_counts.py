"""What an EA PSB has counted since it was switched on: alarms, and charge and energy in both directions.

Owns those counts and the registers that they are shown in. Counts what the device's meters showed: what they show now
has flowed since they were last looked at (the device looks before every command). Must not know why an alarm came.

Source: EA's Modbus register lists for PSB 9000 KE2.31+ and PSB 10000 KE3.02+ (520 to 527, 21009 to 21015).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Final

from packbench_sim.parts import CyclerReading

ALARM_COUNTERS: Final = (520, 8)
"""First register, registers: over voltage, over current, over power, over temperature, power fail, over current and
over power of the sink, share bus."""
TOTALS: Final = (21009, 8)
"""First register, registers: kWh and Ah of the source, kWh and Ah of the sink; floats."""
_COUNTER_OF: Final = {"over_voltage": 0, "over_current": 1, "over_power": 2, "over_temperature": 3, "power_fail": 4}
_SINK_COUNTER_OF: Final = {"over_current": 5, "over_power": 6}
_HOUR_NS: Final = 3_600_000_000_000


@dataclass(slots=True, eq=False)
class EaCounts:
    """The counts of one device."""

    source_ah: float = 0.0
    source_wh: float = 0.0
    sink_ah: float = 0.0
    """A magnitude, as `sink_wh`."""
    sink_wh: float = 0.0
    _alarms: list[int] = field(default_factory=lambda: [0] * ALARM_COUNTERS[1])
    _since_ns: int | None = None

    def alarm(self, name: str, *, sink: bool) -> None:
        """An alarm came; one that has no counter is not counted."""
        counter = _COUNTER_OF.get(name)
        if counter is not None:
            counter = _SINK_COUNTER_OF.get(name, counter) if sink else counter
            self._alarms[counter] = min(self._alarms[counter] + 1, 0xFFFF)

    def flow(self, t_ns: int, reading: CyclerReading) -> None:
        """What the meters show at t_ns; with the output off it is their offset, and nothing flows."""
        hours = max(t_ns - (t_ns if self._since_ns is None else self._since_ns), 0) / _HOUR_NS
        self._since_ns = t_ns
        if not reading.output_on:
            return
        charge_ah = abs(reading.current_a) * hours
        energy_wh = abs(reading.voltage_v) * charge_ah
        if reading.current_a >= 0.0:
            self.source_ah += charge_ah
            self.source_wh += energy_wh
        else:
            self.sink_ah += charge_ah
            self.sink_wh += energy_wh

    def alarm_registers(self) -> bytes:
        """520 to 527."""
        return struct.pack(f">{len(self._alarms)}H", *self._alarms)

    def total_registers(self) -> bytes:
        """21009 to 21016."""
        return struct.pack(">4f", self.source_wh / 1e3, self.source_ah, self.sink_wh / 1e3, self.sink_ah)
