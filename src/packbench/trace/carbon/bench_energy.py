"""The electricity that a test took from the mains: from an AC meter, or over the cycler's stated efficiency curve.

Owns the sum and its uncertainty. DC energy alone is never taken for it: what a cycler burns by itself is not in it.

Over the curve: P_ac = P_dc + loss(P_dc) where the loss is interpolated between the points of the curve, from the
standby power at zero on. A discharge gives P_dc back less its loss, or nothing where the cycler burns it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.trace.carbon.factors import BenchEnergyModel

_S_PER_KWH = 3.6e6


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
    if model.begin_kwh is not None and model.end_kwh is not None:
        kwh = model.end_kwh - model.begin_kwh
        return BenchEnergy(kwh, kwh * model.U, model.counted_by, model.source)
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
    by_curve = model.U * (_kwh(t_s, eta_w) + _kwh(t_s, np.full_like(t_s, standby_w)))
    by_reading = dc_relative_u * _kwh(t_s, given)
    wide = float(np.hypot(by_curve, by_reading))
    return BenchEnergy(_kwh(t_s, ac_w), wide, model.counted_by, model.source, _kwh(t_s, power_w))


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
