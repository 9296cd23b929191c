"""Register space of a simulated device: areas of bytes, and the map's layouts that fill them.

Owns the rule that a read must lie inside one area. Must not know what a register means.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from packbench.maps.codec import Layout, compile_layout
from packbench.maps.schema import DeviceType
from packbench_sim.devices.modbus_slave import ILLEGAL_ADDRESS, Refuse

_ASKED_KEPT = 256


@dataclass(slots=True, eq=False)
class Area:
    """`count` registers from `address` on."""

    address: int
    count: int
    step: int = 1
    """How much the register number grows a register: 2 where numbers count bytes."""
    data: bytearray = field(init=False)

    def __post_init__(self) -> None:
        self.data = bytearray(2 * self.count)

    def holds(self, address: int, count: int) -> bool:
        """Whether a request lies inside."""
        offset = address - self.address
        return offset >= 0 and offset % self.step == 0 and offset // self.step + count <= self.count

    def read(self, address: int, count: int) -> bytes:
        """The bytes of registers inside the area."""
        start = 2 * ((address - self.address) // self.step)
        return bytes(self.data[start : start + 2 * count])

    def write(self, address: int, payload: bytes) -> None:
        """Overwrite registers inside the area."""
        start = 2 * ((address - self.address) // self.step)
        self.data[start : start + len(payload)] = payload


class RegisterSpace:
    """All areas of a device, with the codec of each."""

    def __init__(self, device: DeviceType, areas: tuple[tuple[int, int], ...], parameters: dict[str, float]) -> None:
        step = 2 if device.addressing == "byte_offset" else 1
        self._parameters = parameters
        self._device = device
        self._asked: dict[tuple[int, int], Area] = {}
        self._areas = tuple(Area(address, count, step) for address, count in areas)
        self._layouts = tuple(compile_layout(device, address, count, parameters) for address, count in areas)
        for area, layout in zip(self._areas, self._layouts, strict=True):
            area.data[:] = layout.encode({})

    def area(self, address: int, count: int) -> Area:
        """The area that holds a request; Refuse(2) when none does."""
        found = self._asked.get((address, count))
        if found is not None:
            return found
        for area in self._areas:
            if area.holds(address, count):
                if len(self._asked) < _ASKED_KEPT:
                    self._asked[address, count] = area
                return area
        raise Refuse(ILLEGAL_ADDRESS)

    def set(self, values: dict[str, Any]) -> None:
        """Write values by field name, wherever those fields lie."""
        for area, layout in zip(self._areas, self._layouts, strict=True):
            layout.encode_into(area.data, 0, values)

    def layout(self, address: int, count: int) -> Layout:
        """The codec of a stretch."""
        return compile_layout(self._device, address, count, self._parameters)

    def get(self, address: int, count: int) -> dict[str, Any]:
        """Values of a stretch by field name."""
        return self.layout(address, count).decode(self.area(address, count).read(address, count)).values
