"""The electricity that a test took from the mains: from an AC meter, or over the cycler's stated efficiency curve.

Owns the sum and its uncertainty. DC energy alone is never taken for it: what a cycler burns by itself is not in it.

Over the curve: P_ac = P_dc + loss(P_dc) where the loss is interpolated between the points of the curve, from the
standby power at zero on. A discharge gives P_dc back less its loss, or nothing where the cycler burns it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.core.specs import Accuracy
from packbench.trace.carbon.factors import BenchEnergyModel

_S_PER_KWH = 3.6e6
_COUNTERS: Final = ("ac_import_wh", "ac_export_wh")


@dataclass(frozen=True, slots=True)
class BenchEnergy:
    """What the bench took, net of what it gave back."""

    kwh: float
    U_kwh: float
    """Expanded, k = 2."""
    counted_by: str
    source: str
    dc_net_kwh: float | None = None
    """What the test left in the pack (negative: took out of it); None: by a meter, nobody asked."""


def counted(model: BenchEnergyModel, t_s: FloatArray, power_w: FloatArray, dc_relative_u: float) -> BenchEnergy:
    """The energy of a test.

    Args:
        model: How it is counted.
        t_s: Instants of the record, rising.
        power_w: DC power at the pack, positive: charging; the same length.
        dc_relative_u: Expanded relative uncertainty of the DC energy.

    Raises InputError when the curve does not reach as far as the test did.
    """
    points_u = model.U or 0.0
    if model.begin_kwh is not None and model.end_kwh is not None:
        kwh = model.end_kwh - model.begin_kwh
        return BenchEnergy(kwh, kwh * points_u, model.counted_by, model.source)
    highest = float(np.max(np.abs(power_w))) if len(power_w) else 0.0
    if highest > model.curve[-1].power:
        found = f"{highest:.6g} W in the test"
        expected = f"at most {model.curve[-1].power:.6g} W, the last point of the curve"
        raise InputError(Problem("", field="bench_energy.curve", found=found, expected=expected))
    standby_w = model.standby or 0.0
    points = np.array([0.0, *(point.power for point in model.curve)])
    efficiency = np.array([point.efficiency for point in model.curve])
    charge_loss = np.array([standby_w, *(points[1:] * (1.0 / efficiency - 1.0))])
    discharge_loss = np.array([standby_w, *(points[1:] * (1.0 - efficiency))])
    given = np.abs(power_w)
    is_charge = power_w >= 0.0
    loss = np.where(is_charge, np.interp(given, points, charge_loss), np.interp(given, points, discharge_loss))
    ac_w = power_w + loss
    # d(P / eta) and d(P eta) for an efficiency that is off by one: both make the net larger when it is lower.
    eta = np.interp(given, points[1:], efficiency)
    eta_w = np.where(is_charge, given / eta**2, given)
    if model.regenerative is False:
        ac_w = np.where(is_charge, ac_w, standby_w)
        eta_w = np.where(is_charge, eta_w, 0.0)
        given = np.where(is_charge, given, 0.0)
    # One efficiency is wrong for the whole test, so its error adds up; the DC reading's is independent of it.
    by_curve = points_u * (_kwh(t_s, eta_w) + _kwh(t_s, np.full_like(t_s, standby_w)))
    by_reading = dc_relative_u * _kwh(t_s, given)
    wide = float(np.hypot(by_curve, by_reading))
    return BenchEnergy(_kwh(t_s, ac_w), wide, model.counted_by, model.source, _kwh(t_s, power_w))


def by_counter(readings: Sequence[Mapping[str, Any]], accuracy: Accuracy | None, source: str) -> BenchEnergy:
    """The energy of a test by the bench's own meter: what it took less what it gave back.

    Args:
        readings: The record's, in order: `at` (begin, resumed, end), `ac_import_wh`, `ac_export_wh`.
        accuracy: Of a difference of the counter, from the bench file.
        source: The meter and its certificate.

    U (GUM): the gain over both directions, as if it were off in the worst way for each, and the rounding of four
    readings. Raises InputError when the record does not say.
    """
    begin = next((each for each in readings if each.get("at") == "begin" and "ac_import_wh" in each), None)
    end = next((each for each in reversed(readings) if each.get("at") == "end" and "ac_import_wh" in each), None)
    if begin is None or end is None:
        lacks = " and ".join(name for name, each in (("begin", begin), ("end", end)) if each is None)
        expected = "the meter's counter at both, or begin_kwh, end_kwh and U"
        raise InputError(Problem("", field="bench_energy", found=f"a record without its {lacks}", expected=expected))
    taken, given = (float(end.get(name, 0.0)) - float(begin.get(name, 0.0)) for name in _COUNTERS)
    if taken < 0.0 or given < 0.0:
        found = f"a counter that went back ({taken:g} Wh taken, {given:g} Wh given)"
        raise InputError(Problem("", field="bench_energy", found=found, expected="one that only rises"))
    if accuracy is None:
        expected = (
            "the accuracy of its energy, in the bench file: instruments: [{name: meter, quantities: {energy: ...}}]"
        )
        raise InputError(Problem("", field="bench_energy", found="a meter of unknown accuracy", expected=expected))
    bound_wh = accuracy.gain * (taken + given) + accuracy.offset
    by_gain = bound_wh / (3.0**0.5 if accuracy.distribution == "rectangular" else 2.0)
    by_rounding = accuracy.resolution * (4.0 / 12.0) ** 0.5
    wide = 2.0 * float(np.hypot(by_gain, np.hypot(by_rounding, 2.0 * accuracy.noise)))
    return BenchEnergy((taken - given) / 1e3, wide / 1e3, "ac_meter", source)


def _kwh(t_s: FloatArray, power_w: FloatArray) -> float:
    return float(np.trapezoid(power_w, t_s)) / _S_PER_KWH


def bench_energy_to_dict(energy: BenchEnergy) -> dict[str, Any]:
    """For JSON."""
    return {
        "kwh": {"value": energy.kwh, "U": energy.U_kwh, "k": 2.0, "p": 0.95, "unit": "kWh"},
        "counted_by": energy.counted_by,
        "source": energy.source,
        "dc_net_kwh": energy.dc_net_kwh,
    }
