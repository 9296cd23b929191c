"""Files and figures that the tests of a second life share: small, whole, and easy to reckon with by hand."""

from __future__ import annotations

from packbench.core.result import Measured
from packbench.secondlife.applications.match import Known
from packbench.secondlife.applications.profile import Asked

AGEING = """ageing: plain
title: {en: a, zh: b}
temperature_min_c: {value: 0.0, source: house}
temperature_max_c: {value: 50.0, source: house}
horizon_years: {value: 20.0, source: house}
chemistries:
  lfp:
    calendar_loss: {value: 0.01, source: house}
    calendar_exponent: {value: 1.0, source: house}
    calendar_activation: {value: 0.0, source: house}
    soc_slope: {value: 0.0, source: house}
    cycle_loss: {value: 0.1, source: house}
    cycle_exponent: {value: 1.0, source: house}
    cycle_activation: {value: 0.0, source: house}
    dod_exponent: {value: 0.0, source: house}
    calendar_share: {value: 0.5, source: house}
    knee_soh: {value: 0.5, source: house}
"""
"""Straight lines: 1 % a year and 10 % every 1000 cycles."""

PROFILE = """application: storage
title: {en: a, zh: b}
service:
  temperature_c: {value: 25.0, source: house}
  depth_of_discharge: {value: 0.5, source: house}
  cycles_per_year: {value: 200.0, source: house}
  rest_soc: {value: 0.5, source: house}
  end_of_life_soh: {value: 0.6, source: house}
requirements:
  - {figure: soh, at_least: 0.7, source: house}
  - {figure: dcir_rise, at_most: 0.5, source: "assumption: so"}
  - {figure: life_years, at_least: 8.0, source: "[GB/T 1-2000 3.1]"}
"""
"""100 full cycles a year."""

MONEY = """value: plain
title: {en: a, zh: b}
currency: CNY
prices:
  storage: {per: kwh, value: 1.0, source: house}
discount_rate: {value: 0.0, source: house}
years_max: {value: 5.0, source: house}
test_per_pack: {value: 100.0, source: house}
regroup_per_kwh: {value: 20.0, source: house}
logistics_per_kwh: {value: 5.0, source: house}
warranty_share: {value: 0.1, source: house}
material_per_kwh:
  lfp: {value: 30.0, source: house}
"""


def known(soh: float = 0.8, u: float = 0.0, **more: float) -> dict[Asked, Known]:
    """SOH, 10 kWh of usable energy, and what else is named; each exact but for `u`."""
    found: dict[Asked, Known] = {
        "soh": Known(Measured(soh, u, 2.0, 0.9545, "1")),
        "energy_kwh": Known(Measured(10.0, 0.0, 2.0, 0.9545, "kWh")),
    }
    for name, value in more.items():
        found[name] = Known(Measured(value, 0.0, 2.0, 0.9545, "1"))  # type: ignore[index]
    return found


def having(soh: float = 0.8, u: float = 0.0, **figures: Known) -> dict[Asked, Known]:
    """The same, with figures of their own in place of them; `soh_` for the SOH."""
    found = known(soh, u)
    for name, figure in figures.items():
        found[name.rstrip("_")] = figure  # type: ignore[index]
    return found
