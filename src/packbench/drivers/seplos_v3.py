"""A Seplos BMS V3 (XZH Modbus): its map, and what its event coils say on top of it.

Owns what no map can weigh: which coils are alarms and which are states, the MOSFETs that decide what current is let
through, how many of the 16 cells are there, and the two facts that its replies leave open (options of
configs/devices/seplos-v3.yaml). Registers and bits are the map's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

from packbench.core.errors import DeviceRefused, InputError, Problem
from packbench.core.samples import BmsSample
from packbench.drivers.mapped import MappedBms
from packbench.drivers.mapped_reading import group_readings, read_blocks
from packbench.drivers.protocols import Identity
from packbench.maps.codec import Decoded
from packbench.maps.schema import DeviceType
from packbench.transport.link import Link
from packbench.wire.modbus import ModbusRequest, read_coils

EVENTS: Final = 0x1200
EVENT_COILS: Final = 0x90
"""All of the document's PIC; more than there are is refused."""
CELLS_MAX: Final = 16
_OF_SINGLE_CELLS: Final = (
    (range(0x1200, 0x1210), "cell_low_voltage_alarm"),
    (range(0x1210, 0x1220), "cell_high_voltage_alarm"),
    (range(0x1220, 0x1228), "cell_low_temperature_alarm"),
    (range(0x1228, 0x1230), "cell_high_temperature_alarm"),
)
_BALANCING: Final = range(0x1230, 0x1240)
_ALARMS: Final = (range(0x1248, 0x1278), range(0x1284, 0x1285), range(0x1288, 0x1290))
"""What is an event; the rest says what it is doing."""
_NO_ALARMS: Final = ("heating",)


class SeplosV3Bms(MappedBms):
    """`protocols.Bms` of a Seplos V3 pack.

    Args:
        device: The map `seplos-v3`.
        link: The bus.
        unit: 0 to 127; 0 is a pack like any other.
        settings: The map's options by name, where a bench file states others.

    Raises InputError for an option that cannot be.
    """

    def __init__(
        self, device: DeviceType, link: Link[ModbusRequest, bytes], unit: int, settings: Mapping[str, Any]
    ) -> None:
        options = {**device.options, **settings}
        device = _as_stated(device, options)
        super().__init__(device, link, unit)
        self._events = read_coils(unit, EVENTS, EVENT_COILS)
        self._names = {address: name for name, address in device.coils.items()}
        self._charge_switch = device.coils["charge_switch"]
        self._discharge_switch = device.coils["discharge_switch"]
        self._module = device.coils["balancing_module"]
        self._cells_fitted, self._asks = _stated_cells(options["cell_count"])
        self._sensors_fitted = device.fields["temperatures_c"].count
        self._fitted = group_readings(device, "fitted", unit, {})

    async def identify(self) -> Identity:
        """Who it is, and how many cells and sensors it has; a pack that does not let that be read has them all."""
        try:
            identity = await super().identify()
        except DeviceRefused:
            # Some packs refuse what is no measurement to everybody but the maker's display.
            identity = Identity(self._device.title, "", "")
        if self._asks:
            try:
                _, values, bad = await read_blocks(self._link, self._fitted)
            except DeviceRefused:
                return identity
            if not bad:
                self._cells_fitted, self._sensors_fitted = values["cell_count"], values["sensor_count"]
        return identity

    async def read(self) -> BmsSample:
        """One sample: both blocks, then the events. Its instant is that of the first."""
        sample = await super().read()
        reply = await self._link.exchange(self._events)
        return self._with_events(sample, reply.value)

    def _sample(self, t_ns: int, decoded: Decoded) -> BmsSample:
        values = decoded.values
        values["cell_voltages_v"] = values["cell_voltages_v"][: self._cells_fitted]
        values["temperatures_c"] = values["temperatures_c"][: self._sensors_fitted]
        return super()._sample(t_ns, decoded)

    def _with_events(self, sample: BmsSample, data: bytes) -> BmsSample:
        on = {EVENTS + number for number in range(EVENT_COILS) if data[number // 8] >> number % 8 & 1}
        alarms = [
            name
            for span in _ALARMS
            for address in span
            if address in on and (name := self._names.get(address, f"coil_{address:04x}")) not in _NO_ALARMS
        ]
        for span, name in _OF_SINGLE_CELLS:
            if name not in alarms and not on.isdisjoint(span):
                alarms.append(name)
        return sample._replace(
            alarms=tuple(alarms),
            balancing=self._module in on or not on.isdisjoint(_BALANCING),
            charge_limit_a=sample.charge_limit_a if self._charge_switch in on else 0.0,
            discharge_limit_a=sample.discharge_limit_a if self._discharge_switch in on else 0.0,
        )


def _as_stated(device: DeviceType, options: Mapping[str, Any]) -> DeviceType:
    """The map with the options' zero of temperature and step of current."""
    zero = _number("temperature_zero", options["temperature_zero"], 2725.0, 2735.0)
    step_a = _number("current_step_a", options["current_step_a"], 0.01, 0.1)
    fields = dict(device.fields)
    for name, item in device.fields.items():
        if item.offset:
            fields[name] = replace(item, offset=-zero / 10.0)
    current = fields["current_a"]
    # The plausible range grows with the step: a register is what it is.
    factor = step_a / current.scale
    assert current.low is not None
    assert current.high is not None
    fields["current_a"] = replace(current, scale=step_a, low=current.low * factor, high=current.high * factor)
    return replace(device, fields=MappingProxyType(fields))


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(Problem("", field=name, found=repr(value), expected=f"a number from {low:g} to {high:g}"))
    return float(value)


def _stated_cells(value: Any) -> tuple[int, bool]:
    """(cells, whether the pack is asked)."""
    if value == "ask":
        return CELLS_MAX, True
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= CELLS_MAX:
        expected = f"ask, or a number from 1 to {CELLS_MAX}"
        raise InputError(Problem("", field="cell_count", found=repr(value), expected=expected))
    return value, False
