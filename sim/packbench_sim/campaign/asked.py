"""What the campaign's profile asks for, judged by what reached the cycler: how long, how much, and no more than a cell.

Owns three questions that no invariant asks. Must not know a fault, nor ask the engine: the times and currents are those
of the commands that reached the cycler, the cells' voltages those that were delivered to the host.

- A cell at the profile's limit steps a charge down: a current that is hardly less `STEPPED_NS` later, with the cell
  beyond all the while, was not stepped down. What a cell has taken away stays away, over a resumption too, but for the
  last moments before a death, which may not have reached the disk.
- Charge and discharge last no longer than they are told, over all of a run's lives; and a run that ended well has
  discharged for as long as it was told.
- From one step with current to the next none flows while the disk is waited for.
- Rows come as often as they are asked for, in the middle of a record.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from packbench.app.conclude import DATA_NAME
from packbench.core.errors import InputError
from packbench.store.reader import RunReader
from packbench_sim.campaign.profile import END_CHARGE_A, ROW_S, STEP_SECONDS, Variant
from packbench_sim.invariants.lines import Delivered
from packbench_sim.invariants.violation import S

PULSE_A = 5.0
"""What shows the current's sign is smaller, and none of the test's."""
STEPPED_NS = 6 * S
"""Between two steps of a taper there are three seconds, and a reading of the BMS takes one."""
LESS = 0.8
"""What is left of a current that was stepped down (0.7, and a device's rounding)."""
CELL_V = 0.002
MORE_A = 0.5
UNWRITTEN_NS = 4 * S
"""How much of what was done just before its death a run may not know of: a commit's second, a row's, a lease."""
EDGE_NS = S
AT_ONCE_NS = S // 2
"""A reply that is lost and asked for again takes less."""
SPARSE = 1.5
HOLE_S = 10.0
"""A record has no rows for so long where nobody looked, and there alone."""


class Asked:
    """Follows one run after the other, over all their lives."""

    def __init__(self, variant: Variant) -> None:
        self._limit_v = variant.cell_limit_v
        self._told = (0.0, 0.0)
        self._told_ns = 0
        self._ns = [0, 0]
        """How long charge and discharge were commanded in this run."""
        self._began_ns: int | None = None
        """When a step began while current was commanded, and no command has followed yet."""
        self._lives = 0
        self._beyond: tuple[int, float] | None = None
        """Since when a cell has been beyond the limit, and what was commanded then."""
        self._steps: list[tuple[int, float]] = []
        """What the charge was stepped down to, and when."""
        self.found: list[str] = []
        """What was not as asked since it was looked at last."""

    @property
    def told_a(self) -> float:
        """What the cycler is commanded, in either direction."""
        return max(self._told)

    def run_begins(self) -> None:
        """A new run: the next life is its first."""
        self._ns, self._lives, self._steps = [0, 0], 0, []

    def life_begins(self) -> None:
        """A controller begins, on this run."""
        self._lives += 1

    def life_ended(self, now_ns: int) -> None:
        """It is over, and what it did in its last moments may not be on record."""
        self._count(now_ns)
        self._told, self._beyond, self._began_ns = (0.0, 0.0), None, None
        self._steps = [step for step in self._steps if step[0] <= now_ns - UNWRITTEN_NS]

    def on_command(self, t_ns: int, output_on: bool, source_a: float, sink_a: float) -> None:
        """A command reaches the cycler."""
        self._count(t_ns)
        source_a, sink_a = (source_a, sink_a) if output_on else (0.0, 0.0)
        before_a = self._told[0]
        if self._began_ns is not None and t_ns - self._began_ns > AT_ONCE_NS:
            waited_s = (t_ns - self._began_ns) / S
            self.found.append(f"the current of the step before went on for {waited_s:.2f} s of the next one")
        self._began_ns = None
        self._told = (source_a, sink_a)
        if self._limit_v is None or source_a < PULSE_A:
            return
        least_a = min((amp for _, amp in self._steps), default=float("inf"))
        if source_a > least_a + MORE_A:
            self.found.append(f"a charge that a cell had brought down to {least_a:.1f} A goes on with {source_a:.1f} A")
        elif source_a < before_a - MORE_A:
            self._steps.append((t_ns, source_a))

    def on_event(self, now_ns: int, kind: str) -> None:
        """An event is handed to the record."""
        if kind == "step_began":
            self._began_ns = now_ns if max(self._told) >= PULSE_A else None

    def on_delivered(self, reading: Delivered) -> None:
        """The host has a plausible reading in hand."""
        limit_v = self._limit_v
        if limit_v is None or reading.given.role != "bms":
            return
        cells: Any = reading.given.values[0]
        charge_a = self._told[0]
        if charge_a <= END_CHARGE_A + MORE_A or float(cells.max()) < limit_v + CELL_V:
            self._beyond = None
        elif self._beyond is None or charge_a > self._beyond[1]:
            self._beyond = reading.t_ns, charge_a
        elif reading.t_ns - self._beyond[0] > STEPPED_NS:
            if charge_a > LESS * self._beyond[1]:
                self.found.append(f"a cell stands at its limit of {limit_v:g} V for long, and {charge_a:.1f} A go on")
            self._beyond = reading.t_ns, charge_a

    def lasted(self, *, whole: bool) -> list[str]:
        """What lasted longer than it was told; `whole`: the run ended well, and nothing was wrong with the pack."""
        late_ns = EDGE_NS + UNWRITTEN_NS * (self._lives - 1)
        found: list[str] = []
        for name, lasted_ns in zip(("up", "down"), self._ns, strict=True):
            if lasted_ns > STEP_SECONDS[name] * S + late_ns:
                found.append(f"step {name} lasted {lasted_ns / S:.1f} s, {STEP_SECONDS[name]:g} s asked")
        if whole and self._ns[1] < STEP_SECONDS["down"] * S - EDGE_NS:
            found.append(f"step down was over after {self._ns[1] / S:.1f} s, {STEP_SECONDS['down']:g} s asked")
        return found

    def _count(self, now_ns: int) -> None:
        for which, amp in enumerate(self._told):
            if amp >= PULSE_A:
                self._ns[which] += now_ns - self._told_ns
        self._told_ns = now_ns


def sparse(folder: Path) -> str:
    """How far apart a record's rows are, where that is more than was asked; empty: it is not."""
    try:
        with RunReader.open(folder / DATA_NAME) as reader:
            rows = reader.rows()
            gaps = [(gap.started_ns, gap.ended_ns) for gap in reader.gaps()]
    except InputError:
        return ""
    apart_s = np.diff(rows.t_ns) / 1e9
    if len(apart_s) >= 20 and float(np.median(apart_s)) > SPARSE * ROW_S:
        return f"rows are {float(np.median(apart_s)):.2f} s apart, {ROW_S:g} s asked"
    for number in np.flatnonzero(apart_s > HOLE_S).tolist():
        from_ns, to_ns = int(rows.t_ns[number]), int(rows.t_ns[number + 1])
        owned_ns = sum(max(min(last_ns, to_ns) - max(first_ns, from_ns), 0) for first_ns, last_ns in gaps)
        if to_ns - from_ns - owned_ns > HOLE_S * S:
            return f"no row for {(to_ns - from_ns) / S:.1f} s, and the record owns up to {owned_ns / S:.1f} s of it"
    return ""
