"""The energy meter of configs/devices/eastron-sdm.yaml: its two counters, on the mains of the simulated bench.

Owns the bytes; what was taken and given back is `mains`.
"""

from __future__ import annotations

from typing import Final, Literal

from packbench.core.errors import InputError, Problem
from packbench.maps.codec import Layout, compile_block
from packbench.maps.schema import DeviceType
from packbench_sim.devices.modbus_slave import ModbusSlave
from packbench_sim.devices.registers import RegisterSpace
from packbench_sim.mains import EFFICIENCY, STANDBY_W, Mains
from packbench_sim.playing import Player, Playing, Silent

IMPORT_KWH: Final = 1234.5
"""It has been in service for a while: a counter that begins at zero hides what its format rounds."""
EXPORT_KWH: Final = 67.25


class EastronSdmDevice(ModbusSlave):
    """`parts.WireDevice` of the meter.

    Args:
        device: The map `eastron-sdm`.
        mains: What it counts.
        framing: "mbap" or "rtu".
        unit: Unit number.
        silent: See ModbusSlave.
    """

    def __init__(
        self,
        device: DeviceType,
        mains: Mains,
        *,
        framing: Literal["mbap", "rtu"] = "rtu",
        unit: int = 1,
        silent: Silent | None = None,
    ) -> None:
        super().__init__(framing, frozenset({unit}), silent=silent)
        block = device.block("energy")
        self._mains = mains
        self._layout: Layout = compile_block(device, block, {})
        self._space = RegisterSpace(device, ((block.address, block.count),), {})
        self._area = self._space.area(block.address, block.count)

    def read_registers(self, t_ns: int, address: int, count: int) -> bytes:
        area = self._space.area(address, count)
        imported_wh, exported_wh = self._mains.counters_wh(t_ns)
        self._area.data[:] = self._layout.encode({"ac_import_wh": imported_wh, "ac_export_wh": exported_wh})
        return area.read(address, count)


def _make(playing: Playing) -> EastronSdmDevice:
    efficiency = playing.option("efficiency", EFFICIENCY)
    if not 0.0 < efficiency <= 1.0:
        raise InputError(Problem("", field="--set efficiency", found=f"{efficiency:g}", expected="above 0, at most 1"))
    mains = Mains(
        playing.energy_j,
        import_wh=playing.option("import_kwh", IMPORT_KWH) * 1e3,
        export_wh=playing.option("export_kwh", EXPORT_KWH) * 1e3,
        efficiency=efficiency,
        standby_w=playing.option("standby_w", STANDBY_W),
    )
    return EastronSdmDevice(playing.type, mains, framing=playing.framing, unit=playing.unit, silent=playing.silent)


play_eastron_sdm = Player(
    _make,
    {
        "import_kwh": f"what it has counted so far (default {IMPORT_KWH:g})",
        "export_kwh": f"given back so far (default {EXPORT_KWH:g})",
        "efficiency": f"of the cycler behind it, each way (default {EFFICIENCY:g})",
        "standby_w": f"what the bench takes at rest (default {STANDBY_W:g})",
    },
)
