"""JK BMS, PB series: its map, and which of its temperature sensors are there.

Owns that one thing a map cannot say: a register has a bit for each sensor that is fitted, and the others read
whatever they read. Registers and scales are the map's (configs/devices/jk-pb.yaml).
"""

from __future__ import annotations

from typing import Final

from packbench.core.samples import BmsSample
from packbench.drivers.mapped import MappedBms
from packbench.maps.codec import Decoded

SENSORS: Final = tuple(f"temperature_{number}_c" for number in range(1, 6))
"""Field names; bit n of the mask is the n-th, bit 0 the MOSFETs' own."""


class JkPbBms(MappedBms):
    """`protocols.Bms` of the JK PB. A board that says it has no sensors reports no temperatures."""

    def _sample(self, t_ns: int, decoded: Decoded) -> BmsSample:
        fitted = int(decoded.values["sensors_fitted"])
        absent = [name for bit, name in enumerate(SENSORS, start=1) if not fitted >> bit & 1]
        values = {name: value for name, value in decoded.values.items() if name not in absent}
        return super()._sample(t_ns, Decoded(values, tuple(name for name in decoded.implausible if name not in absent)))
