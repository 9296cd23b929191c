"""JK BMS with the older "4E57" protocol: a BMS that tells everything it knows in one answer.

Owns the device's behaviour: a board that may be asleep is woken before it is asked, and an answer whose sum
was right by chance is found out by what must agree in it. Frames and items are `wire/jk_4e57/frames.py`; what
sources leave open are the options of configs/devices/jk-4e57.yaml. It writes nothing: the maker says that
this line cannot be written to.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from packbench.core.errors import BadReply
from packbench.core.samples import BmsSample, Quality, bms_sample
from packbench.drivers.options import one_of
from packbench.drivers.protocols import Identity
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.jk_4e57.frames import JkRequest, activate, read_all
from packbench.wire.jk_4e57.items import CELLS, CURRENTS, TEMPERATURES, JkConventions, JkTable, decode_table

_ACTIVATE: Final = activate()
_READ_ALL: Final = read_all()
_UNNAMED: Final = "Input Userda"
"""How the maker's field begins before an owner has filled it; the model follows."""
CELL_MAX_V: Final = 5.5
SENSOR_C: Final = (-45.0, 140.0)


class Jk4e57Bms:
    """`protocols.Bms` of a JK board.

    Args:
        device: The device file `jk-4e57`.
        link: The line.
        unit: The terminal number in its frames; 0: whoever is there.
        settings: The bench file's: the device file's options by name.
    """

    def __init__(
        self, device: DeviceType, link: Link[JkRequest, bytes], unit: int, settings: Mapping[str, Any] | None = None
    ) -> None:
        options = {**device.options, **(settings or {})}
        self._link = link
        self._conventions = JkConventions(
            one_of("temperature", options["temperature"], TEMPERATURES), one_of("current", options["current"], CURRENTS)
        )
        self._wakes = one_of("wake", options["wake"], ("activate", "nothing")) == "activate"
        self._activate = JkRequest(_ACTIVATE.command, _ACTIVATE.data, unit)
        self._read_all = JkRequest(_READ_ALL.command, _READ_ALL.data, unit)

    async def identify(self) -> Identity:
        """Wake it, and ask for everything."""
        if self._wakes:
            await self._link.exchange(self._activate)
        values = self._values(decode_table((await self._link.exchange(self._read_all)).value))
        return Identity(str(values.get("maker", "")).removeprefix(_UNNAMED), "", str(values.get("firmware", "")))

    async def read(self) -> BmsSample:
        """One sample. Raises BadReply for cells that are not numbered from 1 to as many as the board says."""
        reply = await self._link.exchange(self._read_all)
        table = decode_table(reply.value)
        values = self._values(table)
        get = values.get
        _require_all_cells(table, get("cell_count"))
        charge_a, discharge_a = get("charge_limit_a"), get("discharge_limit_a")
        return bms_sample(
            reply.t_ns,
            np.array(get("cell_voltages_v", ())),
            get("temperatures_c", ()),
            voltage_v=get("voltage_v"),
            current_a=get("current_a"),
            soc=get("soc"),
            cycles=get("cycles"),
            alarms=get("alarms", ()),
            charge_limit_a=0.0 if get("charging_allowed") is False else charge_a,
            discharge_limit_a=0.0 if get("discharging_allowed") is False else discharge_a,
            balancing=get("balancing"),
            quality=_quality(values),
        )

    def _values(self, table: JkTable) -> dict[str, Any]:
        return table.values(self._conventions)


def _require_all_cells(table: JkTable, count: int | None) -> None:
    cells = table.raw(CELLS)
    numbers = [number for number, _ in cells] if isinstance(cells, tuple) else []
    if numbers != list(range(1, len(numbers) + 1)) or (numbers and count not in (None, len(numbers))):
        raise BadReply(f"JK: cells {numbers} of {count}")


def _quality(values: dict[str, Any]) -> Quality:
    low_c, high_c = SENSOR_C
    good = (
        all(value <= CELL_MAX_V for value in values.get("cell_voltages_v", ()))
        and all(low_c <= value <= high_c for value in values.get("temperatures_c", ()))
        and values.get("soc", 0.0) <= 1.0
    )
    return Quality.GOOD if good else Quality.IMPLAUSIBLE
