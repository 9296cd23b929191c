"""Rules on temperature.

Owns one function a rule. The rate is worked out by `judge`, which has the memory for it.
"""

from __future__ import annotations

from packbench.safety.view import View, Violation


def temperature_high(view: View) -> Violation | None:
    """The hottest sensor above the effective limit."""
    value, limit = view.bms().temperature_max_c, view.limits.temperature_max_c
    if value <= limit:
        return None
    return Violation(
        value,
        limit,
        "degC",
        f"The pack's hottest sensor reads {value:.1f} degC; at most {limit:.1f} degC is allowed.",
        f"电池包最高温度为 {value:.1f} ℃，超过上限 {limit:.1f} ℃。",
    )


def temperature_low(view: View) -> Violation | None:
    """The coldest sensor below the effective limit."""
    value, limit = view.bms().temperature_min_c, view.limits.temperature_min_c
    if value >= limit:
        return None
    return Violation(
        value,
        limit,
        "degC",
        f"The pack's coldest sensor reads {value:.1f} degC; at least {limit:.1f} degC is needed.",
        f"电池包最低温度为 {value:.1f} ℃，低于下限 {limit:.1f} ℃。",
    )


def temperature_rate(view: View) -> Violation | None:
    """The hottest sensor rising faster than the effective limit: a runaway's first sign."""
    value, limit = view.temperature_rate_k_min, view.limits.temperature_rate_max_k_min
    if not value > limit:
        return None
    return Violation(
        value,
        limit,
        "K/min",
        f"The pack is heating by {value:.1f} K per minute; at most {limit:.1f} K per minute is allowed.",
        f"电池包升温速率为 {value:.1f} K/min，超过上限 {limit:.1f} K/min。",
    )
