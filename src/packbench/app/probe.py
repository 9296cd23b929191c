"""Reads a device once: who it is, what it says, and how its line did.

Owns the words of that answer, one vocabulary for every device: that of `core.samples`. Absent values are absent. It
switches nothing: a cycler is read without being taken over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import isfinite, isnan
from typing import Any

from packbench.app.devices import Buses, Line
from packbench.app.emulate import Part
from packbench.clock import Clock, MonotonicClock
from packbench.core.errors import InputError, Problem
from packbench.core.samples import BmsSample, ChamberSample, CyclerSample, MeterSample, Quality
from packbench.drivers.factory import require_driver, require_link
from packbench.transport.open import Url, open_transport, parse_url


def probe(parts: tuple[Part, ...], url: str, settings: Mapping[str, Any], timeout_s: float | None) -> dict[str, Any]:
    """Read each device once over one line. One device: its answer; several: `{"devices": [...], "link": ...}`.

    Raises InputError, DeviceError.
    """
    where = parse_url(url, default_baudrate=parts[0].type.line.baudrate)
    return asyncio.run(_probe(parts, where, settings, timeout_s, MonotonicClock()))


async def _probe(
    parts: tuple[Part, ...], url: Url, settings: Mapping[str, Any], timeout_s: float | None, clock: Clock
) -> dict[str, Any]:
    for part in parts:
        require_link(part.type, url.scheme)
        require_driver(part.type)
        for name in settings:
            if name not in part.type.options and name not in _RATINGS:
                expected = ", ".join(part.type.options) or "nothing: it has no options"
                raise InputError(Problem(part.type.name, field="--set", found=name, expected=expected))
    buses = Buses(clock)
    line = Line(await open_transport(url), url.local_echo, url.bitrate)
    try:
        answers = [await _read(part, url, settings, timeout_s, buses, line) for part in parts]
        link = buses.statistics(line)
    finally:
        await buses.close()
        # What was closed in this turn of the loop is gone in the next.
        await asyncio.sleep(0)
    if len(answers) == 1:
        return {"ok": True, **answers[0], "link": link}
    return {"ok": True, "devices": answers, "link": link}


_RATINGS = ("rated_voltage_v", "rated_current_a", "rated_power_w")


async def _read(
    part: Part, url: Url, settings: Mapping[str, Any], timeout_s: float | None, buses: Buses, line: Line
) -> dict[str, Any]:
    timeout_ns = part.type.line.reply_timeout_ns if timeout_s is None else round(timeout_s * 1e9)
    driver = buses.driver(
        line, part.type, unit=part.unit, scheme=url.scheme, reply_timeout_ns=timeout_ns, settings=settings
    )
    identity = await driver.identify()
    sample = await driver.read()
    names = {"model": identity.model, "serial": identity.serial, "firmware": identity.firmware}
    return {
        "device": part.type.name,
        "unit": part.unit,
        "kind": part.type.kind,
        "identity": {name: text for name, text in names.items() if text},
        **reading(sample),
    }


def reading(sample: CyclerSample | BmsSample | ChamberSample | MeterSample) -> dict[str, Any]:
    """A sample in the words of the contract; what the device did not say is not in it."""
    values: dict[str, Any]
    match sample:
        case BmsSample():
            values = _bms(sample)
        case MeterSample():
            values = {**sample.values, "alarms": _alarms(sample.alarms)}
        case CyclerSample() | ChamberSample():
            values = {**sample._asdict(), "alarms": _alarms(sample.alarms)}
            for name in _NOT_SAID:
                values.pop(name, None)
    found = {
        name: value
        for name, value in values.items()
        if value is not None and not (isinstance(value, float) and isnan(value))
    }
    found["plausible"] = sample.quality is Quality.GOOD
    return found


_NOT_SAID = ("t_ns", "quality", "program")
"""What a sample knows for the run alone."""


def _alarms(alarms: tuple[str, ...] | None) -> list[str] | None:
    """No alarms is an empty list; a device that says nothing of alarms says nothing."""
    return None if alarms is None else list(alarms)


def _bms(sample: BmsSample) -> dict[str, Any]:
    cells = [round(value, 6) for value in sample.cell_voltages_v.tolist()]
    return {
        "voltage_v": sample.voltage_v,
        "current_a": sample.current_a,
        "soc": sample.soc,
        "soh": sample.soh,
        "cell_voltages_v": cells or None,
        "cell_min_v": sample.cell_min_v if isfinite(sample.cell_min_v) else None,
        "cell_max_v": sample.cell_max_v if isfinite(sample.cell_max_v) else None,
        "temperatures_c": list(sample.temperatures_c) or None,
        "cycles": sample.cycles,
        "alarms": _alarms(sample.alarms),
        "charge_limit_a": sample.charge_limit_a,
        "discharge_limit_a": sample.discharge_limit_a,
        "balancing": sample.balancing,
    }
