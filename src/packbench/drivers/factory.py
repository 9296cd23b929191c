"""Makes a driver from a bench file's device entry and a map.

Owns the table of drivers by name. Must not open anything: the caller has the link already.
"""

from __future__ import annotations

from packbench.core.errors import InputError, Problem
from packbench.core.specs import DeviceSpec
from packbench.drivers.ea_psb import EaPsb
from packbench.drivers.mapped import MappedBms
from packbench.drivers.protocols import Bms, Cycler
from packbench.maps.schema import DeviceMap
from packbench.transport.link import Link
from packbench.wire.modbus import ModbusRequest


def make_cycler(spec: DeviceSpec, link: Link[ModbusRequest, bytes], device: DeviceMap) -> Cycler:
    """The cycler driver that the map names. Raises InputError when the map is not a cycler's."""
    if device.kind == "cycler" and device.driver == "ea-psb":
        return EaPsb(device, link, spec.unit, dict(spec.settings))
    raise _no_driver(spec, device, "a cycler with the driver ea-psb")


def make_bms(spec: DeviceSpec, link: Link[ModbusRequest, bytes], device: DeviceMap) -> Bms:
    """The BMS driver that the map names. Raises InputError when the map is not a BMS's."""
    if device.kind == "bms" and device.driver == "mapped":
        ratings = {key: float(value) for key, value in spec.settings.items() if isinstance(value, int | float)}
        return MappedBms(device, link, spec.unit, ratings)
    raise _no_driver(spec, device, "a BMS with the driver mapped")


def _no_driver(spec: DeviceSpec, device: DeviceMap, expected: str) -> InputError:
    found = f"{device.name}: a {device.kind} with the driver {device.driver}"
    return InputError(Problem("no driver", field=f"{spec.role}.device", found=found, expected=expected))
