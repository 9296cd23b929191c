"""How long a pack will still serve: years and cycles to an end-of-life SOH, as a range.

Owns the arithmetic of the ageing file's model. Loss so far is shared between standing and cycling, and each goes on
along its own power law from its own equivalent age:
    loss(t) = ((share L)^(1/x) + a^(1/x) t)^x + (((1 - share) L)^(1/y) + b^(1/y) cycles(t)/1000)^y,
a and b as the file's head says. The life ends at the application's end-of-life SOH or at the knee, whichever comes
first, and is said to be "at least" where it would pass the horizon. Must not guess: a chemistry that the file does not
have, an SOH that nobody measured, one beyond the knee and a temperature beyond the file's are refused with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from packbench.core.samples import FloatArray
from packbench.secondlife.draws import quantiles
from packbench.secondlife.life.ageing import AgeingModel
from packbench.secondlife.spread import Spread

GAS_J_PER_MOL_K: Final = 8.314462618
"""CODATA 2018, exact."""
REFERENCE_K: Final = 298.15
REFERENCE_DOD: Final = 0.8
REFERENCE_SOC: Final = 0.5
_ZERO_C_IN_K: Final = 273.15
_HALVINGS: Final = 32
"""Of the horizon: to less than a second of a life."""

Inputs = Mapping[str, FloatArray]
"""The file's parameters, those of `SERVICE`, and `soh`, by name; all of one length."""
SERVICE: Final = ("temperature_c", "depth_of_discharge", "cycles_per_year", "rest_soc")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no life can be stated."""

    key: str
    """Stable: chemistry, soh, knee, temperature."""
    text_en: str
    text_zh: str


@dataclass(frozen=True, slots=True)
class Range:
    """p5, median and p95 of the draws."""

    p5: float
    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Fade:
    """The two power laws of each draw, each from its own equivalent age: (start + rate x years)^exponent."""

    standing_start: FloatArray
    standing_rate: FloatArray
    standing_exponent: FloatArray
    cycling_start: FloatArray
    cycling_rate: FloatArray
    cycling_exponent: FloatArray

    def loss(self, years: FloatArray) -> FloatArray:
        """Loss of capacity since new, a fraction, after so many more years of service."""
        standing = (self.standing_start + self.standing_rate * years) ** self.standing_exponent
        return standing + (self.cycling_start + self.cycling_rate * years) ** self.cycling_exponent


@dataclass(frozen=True, slots=True)
class Ended:
    """Where each draw's life ends."""

    fade: Fade
    years: FloatArray
    is_beyond: NDArray[np.bool_]
    """Where the life passes the horizon, at which it is cut."""


@dataclass(frozen=True, slots=True)
class Life:
    """The range of the remaining life in one application."""

    years: Range
    cycles: Range
    end_of_life_soh: float
    p_beyond_horizon: float
    """Share of the draws that last longer than the horizon, at which they are cut."""
    p_knee_first: float
    """Share of the draws that the knee ends before the end-of-life SOH."""
    horizon_years: float


def refusals(
    ageing: AgeingModel, chemistry: str | None, soh: float | None, temperature_c: Spread
) -> tuple[Refused, ...]:
    """Every reason for which there is no estimate; none: there is one."""
    found: list[Refused] = []
    known = ", ".join(ageing.chemistries)
    if chemistry is None:
        found.append(Refused("chemistry", f"chemistry not stated (known: {known})", f"未给出化学体系（已知：{known}）"))
    elif chemistry not in ageing.chemistries:
        en = f"chemistry {chemistry} is not in the ageing file (known: {known})"
        found.append(Refused("chemistry", en, f"老化参数文件中没有化学体系 {chemistry}（已知：{known}）"))
    if soh is None:
        found.append(Refused("soh", "SOH not measured", "未测得 SOH"))
    elif chemistry in ageing.chemistries:
        knee = ageing.chemistries[chemistry].knee_soh.value
        if soh <= knee:
            en = (
                f"SOH {soh:.1%} is beyond the knee at {knee:.1%}: fading may accelerate, and the model does not say how"
            )
            zh = f"SOH {soh:.1%} 已低于拐点 {knee:.1%}：衰减可能加速，模型不适用"
            found.append(Refused("knee", en, zh))
    least, most = ageing.temperature_min_c.value, ageing.temperature_max_c.value
    if temperature_c.low < least or temperature_c.high > most:
        asked = f"{temperature_c.low:g}…{temperature_c.high:g} °C"
        en = f"temperature {asked} reaches beyond {least:g}…{most:g} °C, for which the parameters speak"
        found.append(Refused("temperature", en, f"温度 {asked} 超出老化参数适用范围 {least:g}…{most:g} °C"))
    return tuple(found)


def fade(inputs: Inputs) -> Fade:
    """How each draw goes on from its SOH."""
    inverse_k = 1.0 / (inputs["temperature_c"] + _ZERO_C_IN_K) - 1.0 / REFERENCE_K
    first_year = (
        inputs["calendar_loss"]
        * np.exp(-inputs["calendar_activation"] / GAS_J_PER_MOL_K * inverse_k)
        * np.exp(inputs["soc_slope"] * (inputs["rest_soc"] - REFERENCE_SOC))
    )
    first_thousand = (
        inputs["cycle_loss"]
        * np.exp(-inputs["cycle_activation"] / GAS_J_PER_MOL_K * inverse_k)
        * (inputs["depth_of_discharge"] / REFERENCE_DOD) ** inputs["dod_exponent"]
    )
    so_far = np.maximum(1.0 - inputs["soh"], 0.0)
    share, x, y = inputs["calendar_share"], inputs["calendar_exponent"], inputs["cycle_exponent"]
    thousands_a_year = inputs["cycles_per_year"] * inputs["depth_of_discharge"] / 1000.0
    return Fade(
        (share * so_far) ** (1.0 / x),
        first_year ** (1.0 / x),
        x,
        ((1.0 - share) * so_far) ** (1.0 / y),
        first_thousand ** (1.0 / y) * thousands_a_year,
        y,
    )


def ended(inputs: Inputs, end_of_life_soh: float, horizon_years: float) -> Ended:
    """Where each draw's life ends; a draw that is at its end already has 0 years."""
    onward = fade(inputs)
    target = np.maximum(inputs["knee_soh"], end_of_life_soh)
    low = np.zeros_like(inputs["soh"])
    high = np.full_like(low, horizon_years)
    is_beyond = 1.0 - onward.loss(high) > target
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        goes_on = 1.0 - onward.loss(middle) > target
        low, high = np.where(goes_on, middle, low), np.where(goes_on, high, middle)
    is_over = inputs["soh"] <= target
    years = np.where(is_over, 0.0, np.where(is_beyond, horizon_years, 0.5 * (low + high)))
    return Ended(onward, years, is_beyond)


def summed_up(inputs: Inputs, end: Ended, end_of_life_soh: float, horizon_years: float) -> Life:
    """The range of years and cycles over the draws."""
    knee_first = (inputs["knee_soh"] > end_of_life_soh) & ~end.is_beyond
    return Life(
        Range(*quantiles(end.years, 0.05, 0.5, 0.95)),
        Range(*quantiles(end.years * inputs["cycles_per_year"], 0.05, 0.5, 0.95)),
        end_of_life_soh,
        float(end.is_beyond.mean()),
        float(knee_first.mean()),
        horizon_years,
    )
