"""Whether the lease may be renewed: a second, simpler judgement of the channel's newest readings.

Owns that decision, as a function of (what the channel answers, the run's limits, now). Must not remember anything, wait
or talk to a device. It exists beside the rules of `safety` because those run in the process that may be the one that
fails: what is stale, implausible or out of limits here keeps nobody's contactor closed.
"""

from __future__ import annotations

from math import isfinite
from typing import NamedTuple

from packbench.core.limits import Limits
from packbench.core.samples import Snapshot
from packbench.core.specs import BenchSpec, PackSpec

NEVER_NS = -1
"""The instant of a reading that has not come yet."""


class Feed(NamedTuple):
    """What the channel answers to a ping: its newest readings, and whether it has tripped. Absent values are NaN."""

    latched: bool
    connected: bool
    """The cycler's newest reading is one of the pack, through a closed contactor."""
    cycler_ns: int
    voltage_v: float
    """Of the pack, at its terminals."""
    current_a: float
    bms_ns: int
    cells: int
    cell_min_v: float
    cell_max_v: float
    sensors: int
    temperature_min_c: float
    temperature_max_c: float


class RenewalRules(NamedTuple):
    """What a feed is held against. The same for the whole run: a step's own limits are the channel's."""

    cycler_stale_ns: int
    bms_stale_ns: int
    series: int
    sensors: int
    voltage_max_v: float
    voltage_min_v: float
    cell_max_v: float
    cell_min_v: float
    charge_max_a: float
    discharge_max_a: float
    temperature_max_c: float
    temperature_min_c: float


def renewal_rules(bench: BenchSpec, pack: PackSpec, limits: Limits) -> RenewalRules:
    """The run's limits, with the bench's tolerance on the set current as the rules of `safety` have it."""
    return RenewalRules(
        bench.cycler.stale_after_ns,
        bench.bms.stale_after_ns,
        pack.series,
        pack.temperature_sensors,
        limits.pack_voltage_max_v,
        limits.pack_voltage_min_v,
        limits.cell_voltage_max_v,
        limits.cell_voltage_min_v,
        limits.charge_current_max_a + bench.setpoint_tolerance_a,
        limits.discharge_current_max_a + bench.setpoint_tolerance_a,
        limits.temperature_max_c,
        limits.temperature_min_c,
    )


def feed_of(snapshot: Snapshot, *, latched: bool, connected: bool) -> Feed:
    """The feed of a moment."""
    cycler, bms, none = snapshot.cycler, snapshot.bms, float("nan")
    return Feed(
        latched,
        connected and cycler is not None,
        NEVER_NS if cycler is None else cycler.t_ns,
        snapshot.pack_voltage_v,
        none if cycler is None else cycler.current_a,
        NEVER_NS if bms is None else bms.t_ns,
        0 if bms is None else len(bms.cell_voltages_v),
        none if bms is None else bms.cell_min_v,
        none if bms is None else bms.cell_max_v,
        0 if bms is None else sum(map(isfinite, bms.temperatures_c)),
        none if bms is None else bms.temperature_min_c,
        none if bms is None else bms.temperature_max_c,
    )


def refusal(feed: Feed, rules: RenewalRules, now_ns: int) -> str:
    """Why the lease is not renewed, in a few words; empty when it may be."""
    if feed.latched:
        return "the channel has tripped"
    return _stale(feed, rules, now_ns) or _implausible(feed, rules) or _beyond(feed, rules)


def _stale(feed: Feed, rules: RenewalRules, now_ns: int) -> str:
    if feed.cycler_ns == NEVER_NS or now_ns - feed.cycler_ns > rules.cycler_stale_ns:
        return "the cycler's reading is stale"
    if feed.bms_ns == NEVER_NS or now_ns - feed.bms_ns > rules.bms_stale_ns:
        return "the BMS's reading is stale"
    if feed.cycler_ns > now_ns or feed.bms_ns > now_ns:
        return "a reading is from the future"
    return ""


def _implausible(feed: Feed, rules: RenewalRules) -> str:
    if feed.cells != rules.series:
        return f"{feed.cells} cells, {rules.series} expected"
    if feed.sensors < rules.sensors:
        return f"{feed.sensors} temperatures, {rules.sensors} expected"
    if not (isfinite(feed.current_a) and isfinite(feed.voltage_v) and feed.voltage_v > -1.0):
        return "the cycler's reading cannot be"
    if not (isfinite(feed.cell_min_v) and isfinite(feed.cell_max_v) and 0.0 <= feed.cell_min_v <= feed.cell_max_v):
        return "the cells' voltages cannot be"
    if rules.sensors and not (isfinite(feed.temperature_min_c) and isfinite(feed.temperature_max_c)):
        return "the temperatures cannot be"
    return ""


def _beyond(feed: Feed, rules: RenewalRules) -> str:
    if feed.connected and not rules.voltage_min_v <= feed.voltage_v <= rules.voltage_max_v:
        return f"the pack's voltage is {feed.voltage_v:.2f} V"
    if not -rules.discharge_max_a <= feed.current_a <= rules.charge_max_a:
        return f"the current is {feed.current_a:.1f} A"
    if feed.cell_max_v > rules.cell_max_v or feed.cell_min_v < rules.cell_min_v:
        return f"the cells stand at {feed.cell_min_v:.3f} to {feed.cell_max_v:.3f} V"
    if feed.temperature_max_c > rules.temperature_max_c or feed.temperature_min_c < rules.temperature_min_c:
        return f"the temperatures are {feed.temperature_min_c:.1f} to {feed.temperature_max_c:.1f} degC"
    return ""
