"""I5 and I6: nothing is decided on stale readings, and every recorded value is one that its device gave out.

Owns when each source was last heard, and a ring of the newest readings that were delivered. Must not look into the
host's snapshot.

I5. Seen: commands that reach the cycler, heartbeats that reach the board. While the newest delivered, plausible reading
    of cycler or BMS is older than the source's stale-after, no command turns the output on or raises a current, and no
    heartbeat comes. Tolerance: 50 ms for a poll of several replies and the command's own way; for a heartbeat one
    period on top, since the ping that allowed it may have been answered just before.
I6. Seen: every row as it is handed to the recorder (journal.py; I7 ties the file to it). Its cycler values equal those
    of a reply of the three newest instants at which one was delivered, not older than stale-after (the twelve newest,
    where a cycler is asked for each value by itself: it measures anew for each). Its BMS values equal those of a
    reading whose reply came at the row's own BMS instant or within three reply times after it (a poll of several
    replies shows several measurements, and a port asks again), cell by cell. Tolerance: one step of a 16-bit register
    over the cycler's rating (of text: 5.5 mV, 5.5 mA), 1 mV a cell (or the BMS's resolution), 0.11 A for the BMS's
    current. A late or foreign reply is none of the candidates, and noise makes it differ.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np

from packbench.core.records import Row
from packbench_sim.invariants.limits import REGISTER_STEPS
from packbench_sim.invariants.lines import Delivered
from packbench_sim.invariants.violation import MS, Report, Violation
from packbench_sim.world import World

SLACK_NS = 50 * MS
RING = 4096
"""Readings kept for each source: minutes at the fastest poll, and rows wait no longer than that."""
CELL_V = 0.001
BMS_CURRENT_A = 0.11
STAMP_NS = 2_000
TEXT_STEP = 0.0055
"""Where values are told as text: half of the last of two places, V or A."""
TRIES = 3
"""A port asks again for a reply that did not come."""


class DataWatch:
    """Follows what the host has in hand."""

    def __init__(self, world: World, report: Report) -> None:
        plant = world.plant
        bench, rating = plant.bench, plant.cycler.rating
        self._report = report
        self._stale_ns = {"cycler": bench.cycler.stale_after_ns, "bms": bench.bms.stale_after_ns}
        self._reply_ns = bench.bms.reply_timeout_ns
        self._ping_ns = bench.heartbeat_period_ns
        self._heard_ns = {"cycler": -1, "bms": -1}
        self._told = (False, 0.0, 0.0)
        least = TEXT_STEP if "scpi" in bench.cycler.url else 0.0
        self._instants = 12 if least else 3
        self._step_v = max(rating.voltage_v / REGISTER_STEPS, least)
        self._step_a = max(rating.current_a / REGISTER_STEPS, least)
        errors = plant.errors
        self._cell_v = max(CELL_V, errors.bms_cell.resolution) + 1e-6
        self._bms_a = max(BMS_CURRENT_A, errors.bms_current.resolution * 1.1)
        self._cycler: deque[tuple[int, float, float]] = deque(maxlen=RING)
        self._bms: deque[tuple[int, Any]] = deque(maxlen=RING)
        self.rows_checked = 0

    # -- I5 ----------------------------------------------------------------------------------

    def on_delivered(self, reading: Delivered, good: bool) -> None:
        """The host has a reading in hand; whether it is one that can be."""
        role, values = reading.given.role, reading.given.values
        if role == "cycler":
            self._cycler.append((reading.t_ns, values[0], values[1]))
            self._heard_ns[role] = reading.t_ns
        else:
            self._bms.append((reading.t_ns, values))
            if good:
                self._heard_ns[role] = reading.t_ns

    def forget(self) -> None:
        """Another controller begins: what was delivered to the one before is none of its readings."""
        self._heard_ns = dict.fromkeys(self._heard_ns, -1)

    def on_command(self, t_ns: int, output_on: bool, source_a: float, sink_a: float) -> None:
        """A command reaches the cycler."""
        was_on, was_source_a, was_sink_a = self._told
        self._told = (output_on, source_a, sink_a)
        more = source_a > was_source_a + self._step_a or sink_a > was_sink_a + self._step_a
        if output_on and (more or not was_on):
            self._require_fresh(t_ns, SLACK_NS, "the cycler was told more")

    def on_heartbeat(self, t_ns: int) -> None:
        """A heartbeat reaches the board."""
        self._require_fresh(t_ns, SLACK_NS + self._ping_ns, "a heartbeat came")

    def _require_fresh(self, t_ns: int, slack_ns: int, what: str) -> None:
        for role, heard_ns in self._heard_ns.items():
            age_ns = t_ns - heard_ns
            if heard_ns < 0 or age_ns > self._stale_ns[role] + slack_ns:
                age = "no reading" if heard_ns < 0 else f"the newest reading {age_ns / 1e9:.3f} s old"
                data = {"source": role, "age_s": age_ns / 1e9, "stale_after_s": self._stale_ns[role] / 1e9}
                self._report(Violation("I5", t_ns, f"{what} with {age} of the {role}", data))

    # -- I6 ----------------------------------------------------------------------------------

    def on_row(self, now_ns: int, origin_ns: int, row: Row) -> None:
        """A row is handed to the recorder; `origin_ns`: the world's instant of the run's t_ns = 0."""
        self.rows_checked += 1
        t_ns = origin_ns + row.t_ns
        if not self._is_cyclers(t_ns, row.cycler_voltage_v, row.current_a):
            text = (
                f"a row shows {row.cycler_voltage_v:.3f} V and {row.current_a:.3f} A, which the cycler did not answer"
            )
            data = {"row_t_ns": row.t_ns, "voltage_v": row.cycler_voltage_v, "current_a": row.current_a}
            self._report(Violation("I6", now_ns, text, data))
        if row.bms_t_ns >= 0 or len(row.cell_voltages_v):
            self._bms_row(now_ns, origin_ns, row)

    def _is_cyclers(self, t_ns: int, voltage_v: float, current_a: float) -> bool:
        found_v = found_a = False
        instants: list[int] = []
        for heard_ns, heard_v, heard_a in reversed(self._cycler):
            if heard_ns > t_ns + STAMP_NS:
                continue
            if not instants or heard_ns != instants[-1]:
                instants.append(heard_ns)
            if len(instants) > self._instants or heard_ns < t_ns - self._stale_ns["cycler"]:
                break
            found_v = found_v or abs(heard_v - voltage_v) <= self._step_v
            found_a = found_a or abs(heard_a - current_a) <= self._step_a
        return found_v and found_a

    def _bms_row(self, now_ns: int, origin_ns: int, row: Row) -> None:
        heard_ns = origin_ns + row.bms_t_ns
        until_ns = min(heard_ns + TRIES * self._reply_ns, now_ns)
        found: list[Any] = []
        for t_ns, reading in reversed(self._bms):
            if t_ns < heard_ns - STAMP_NS:
                break
            if t_ns <= until_ns:
                found.append(reading)
        cells = row.cell_voltages_v
        of_length = [reading for reading in found if len(reading[0]) == len(cells)]
        wrong = np.ones(len(cells), dtype=bool)
        for reading in of_length:
            wrong &= np.abs(cells - reading[0]) > self._cell_v
        if not of_length or wrong.any():
            where = [int(index) + 1 for index in np.flatnonzero(wrong)[:5]]
            text = f"a row shows cells {where} with values that the BMS did not answer at that time"
            self._report(Violation("I6", now_ns, text, {"row_t_ns": row.t_ns, "cells": where}))
        current_a = row.bms_current_a
        if current_a is not None and all(abs(reading[2] - current_a) > self._bms_a for reading in found):
            text = f"a row shows {current_a:.2f} A of the BMS, which it did not answer at that time"
            self._report(Violation("I6", now_ns, text, {"row_t_ns": row.t_ns, "bms_current_a": current_a}))
