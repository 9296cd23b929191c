"""When a reading is worth writing down.

Owns the record rule: time, voltage or current moved enough since the last row. Pure.
"""

from __future__ import annotations

from packbench.core.records import Row
from packbench.profile.plan import RecordRule

SLACK_NS = 1_000_000
"""A poll that is a hair early must not wait for the next one."""


def due(rule: RecordRule, last: Row | None, t_ns: int, voltage_v: float, current_a: float) -> bool:
    """Whether the reading is to be recorded, given the last row of the same step (None: the first)."""
    if last is None or t_ns - last.t_ns >= rule.dt_ns - SLACK_NS:
        return True
    if rule.dv_v is not None and abs(voltage_v - last.voltage_v) >= rule.dv_v:
        return True
    return rule.di_a is not None and abs(current_a - last.current_a) >= rule.di_a
