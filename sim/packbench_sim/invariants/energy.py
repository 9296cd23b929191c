"""I8: energy closes, from the rows to the result, and down to the plant's own coulombs.

Owns the comparisons; what is counted between two readings is recount.py's (g). Must not use the engine's meter or the
analysis: it integrates by itself.

I8. Seen: per executed step,
    (a) the trapezoid of V I over its rows against the stored Wh between the same rows, up to a trip (from then on
        nothing is counted, and rows go on); over a recorded gap no energy is taken for granted, and the stored Wh must
        not have grown by more than the largest power over the time that was seen, and a poll;
    (b) the Wh of its last row against the step's record;
    (c) the same step in result.json;
    (d) the result's energy against the mean of the steps it counts;
    (e) the step's Ah against the plant's own coulombs, with the cycler's known gain, offset and clock;
    (f) what a gap's record says may have been missed in it, against the plant's own coulombs: never less than flowed.
    Tolerance 0.1 %. Besides, in (a) and (b) the reading's noise and resolution, averaged over the rows; in (a) half of
    each change of power times its interval, where power changes by more than 2 % of its largest between two rows (an
    edge lies somewhere between them), the whole power times an interval in which the output went on or off (what flowed
    may lie between the two rows), and the largest power over 100 ms, which a poll of several replies may take; in (d)
    what flowed between the instant at which the limit was met and the last sample, and the tail; in (e) the largest
    current over two poll periods, since each edge of a step lies somewhere between two readings, over stale-after in a
    step that tripped or ended just before a trip, since its last reading, or what was commanded and not seen yet, was
    held until then, and over a lease and its load break for each gap, or what the gap's record says may have been
    missed; in (f) 3 mAh, since the pulse that shows the current's sign is given before a gap is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from packbench.core.specs import BenchSpec
from packbench_sim.errors import InstrumentErrors, ReadingError
from packbench_sim.invariants.journal import Kept
from packbench_sim.invariants.record_file import StoredRun
from packbench_sim.invariants.violation import MS, Report, Violation

CLOSES = 0.001
EDGE_SHARE = 0.02
NS_PER_H = 3.6e12
PULSE_AH = 0.003
POLL_NS = 100 * MS
"""What a poll of several replies takes at most."""
UNSEEN_NS = 600 * MS
"""A current goes on for so long at most after the controller was last heard."""


@dataclass(frozen=True, slots=True)
class Truth:
    """What the plant counted: true coulombs into the pack by instants of the world's clock."""

    t_ns: Sequence[int]
    net_as: Sequence[float]

    def moved_ah(self, from_ns: int, to_ns: int) -> float:
        """Between two instants."""
        first, last = np.interp([from_ns, to_ns], self.t_ns, self.net_as).tolist()
        return (last - first) / 3600.0

    def most_a(self, from_ns: int, to_ns: int) -> float:
        """The largest mean current between two readings of the cycler, from just before the one to after the other."""
        first, last = np.searchsorted(self.t_ns, [from_ns, to_ns])
        part = slice(max(int(first) - 2, 0), int(last) + 2)
        t_ns, net_as = np.array(self.t_ns[part], dtype=np.float64), np.array(self.net_as[part])
        return float(np.abs(np.diff(net_as) / np.diff(t_ns)).max() * 1e9) if len(t_ns) > 1 else 0.0


def check_energy(run: StoredRun, errors: InstrumentErrors, report: Report) -> None:
    """(a) and (b)."""
    gaps = [(gap["started_ns"], gap["ended_ns"]) for gap in run.data_of("gap")]
    for step in run.data_of("step_ended"):
        rows = run.rows
        until_ns = min([step["ended_ns"], *(t_ns - 1 for t_ns in _trips_in(run, step))])
        of_step = (rows["t_ns"] > step["started_ns"]) & (rows["t_ns"] <= until_ns) & (rows["step"] == step["step"])
        t_ns, volt, amp, wh = (rows[name][of_step] for name in ("t_ns", "voltage_v", "current_a", "step_wh"))
        if len(t_ns) < 2:
            continue
        power, hours = volt * amp, np.diff(t_ns) / NS_PER_H
        unseen = np.zeros(len(hours), dtype=bool)
        for from_ns, to_ns in gaps:
            over = (t_ns[:-1] < to_ns) & (t_ns[1:] > from_ns)
            unseen |= over
            _over_gap(report, step, float(np.diff(wh)[over].sum()), t_ns, power, (from_ns, to_ns))
        seen = ~unseen
        change, mean = np.abs(np.diff(power)), 0.5 * (power[1:] + power[:-1])
        edges = float((0.5 * change * hours)[seen & (change > EDGE_SHARE * np.abs(power).max())].sum())
        edges += _switched_wh(run, t_ns, seen, float(np.abs(power).max()), float(np.abs(volt).max()))
        noise = _noise_a(errors.cycler_current) * float(np.abs(volt).max() * hours.sum()) / len(hours) ** 0.5
        turnover = float((np.abs(mean) * hours)[seen].sum())
        # A row carries the instant of its decision, the meter the reading's: a poll's replies lie between them.
        most_wh = CLOSES * turnover + edges + noise + float(np.abs(power).max()) * POLL_NS / NS_PER_H
        integral, stored = float((mean * hours)[seen].sum()), float(np.diff(wh)[seen].sum())
        _compare(report, step, "rows", "stored Wh", integral, stored, most_wh)
        if not gaps:
            # What flowed before the step's first row: no more than its own current over that time.
            early_wh = float(np.abs(power).max()) * float(t_ns[0] - step["started_ns"] + POLL_NS) / NS_PER_H
            _compare(report, step, "nothing", "Wh at its first row", 0.0, float(wh[0]), early_wh + most_wh)
        if t_ns[-1] == step["ended_ns"]:
            most_wh = CLOSES * max(abs(step["energy_wh"]), turnover) + noise
            _compare(report, step, "last row", "step's record", float(wh[-1]), step["energy_wh"], most_wh)


def _switched_wh(run: StoredRun, t_ns: Any, seen: Any, most_w: float, most_v: float) -> float:
    """The most that rows cannot show: what was commanded over the intervals in which the output went on or off."""
    on, asked_a, found_wh = False, 0.0, 0.0
    for _, at_ns, kind, data in run.events:
        if kind not in ("set_output", "output_off"):
            continue
        switched, on = (kind == "set_output") is not on, kind == "set_output"
        asked_a = abs(data["current_a"]) if on else asked_a
        place = int(np.searchsorted(t_ns, at_ns)) - 1
        if switched and 0 <= place < len(seen) and seen[place]:
            found_wh += max(most_w, asked_a * most_v) * float(t_ns[place + 1] - t_ns[place]) / NS_PER_H
    return found_wh


def _over_gap(
    report: Report, step: dict[str, Any], grown_wh: float, t_ns: Any, power: Any, gap: tuple[int, int]
) -> None:
    """The stored Wh between the rows around a gap: only what was seen may have been counted."""
    before, after = t_ns[t_ns <= gap[0]], t_ns[t_ns >= gap[1]]
    if not len(before) or not len(after):
        return
    # As between rows: the meter counts to a reading, and a row carries its decision.
    seen_h = float(gap[0] - before[-1] + after[0] - gap[1] + POLL_NS) / NS_PER_H
    most_wh = float(np.abs(power).max()) * seen_h * (1.0 + CLOSES) + 1e-6
    _compare(report, step, "nothing over the gap", "stored Wh", 0.0, grown_wh, most_wh)


def _trips_in(run: StoredRun, step: dict[str, Any], *, within_ns: int = 0) -> list[int]:
    """Trips during a step, or so soon after it."""
    last_ns = step["ended_ns"] + within_ns
    return [t_ns for _, t_ns, kind, _ in run.events if kind == "trip" and step["started_ns"] <= t_ns <= last_ns]


def _noise_a(error: ReadingError) -> float:
    return 3.0 * error.noise + error.resolution


def check_charge(
    run: StoredRun, kept: Kept, truth: Truth, bench: BenchSpec, errors: InstrumentErrors, report: Report
) -> None:
    """(e)."""
    error = errors.cycler_current
    for step in run.data_of("step_ended"):
        from_ns, to_ns = kept.instant_ns(step["started_ns"]), kept.instant_ns(step["ended_ns"])
        if from_ns is None or to_ns is None or not truth.t_ns or from_ns < truth.t_ns[0]:
            continue
        hours = (to_ns - from_ns) / NS_PER_H
        expected = truth.moved_ah(from_ns, to_ns) * (1.0 + errors.time_gain) * (1.0 + error.gain) + error.offset * hours
        most_a = truth.most_a(from_ns, to_ns)
        unsure_ns = 2 * bench.cycler.poll_period_ns
        if _trips_in(run, step, within_ns=bench.cycler.stale_after_ns):
            unsure_ns += bench.cycler.stale_after_ns
            most_a = max([most_a, *(abs(told["current_a"]) for told in run.data_of("set_output"))])
        unseen_ah = 0.0
        for gap in run.data_of("gap"):
            if gap["started_ns"] <= step["ended_ns"] and gap["ended_ns"] >= step["started_ns"]:
                unseen_ah += abs(gap.get("unseen_ah") or 0.0)
                unsure_ns += UNSEEN_NS + bench.contactor_release_ns
        most = CLOSES * abs(expected) + most_a * unsure_ns / NS_PER_H + _noise_a(error) * hours + unseen_ah
        _compare(report, step, "plant", "step's Ah", expected, step["charge_ah"], most)


def check_gaps(run: StoredRun, kept: Kept, truth: Truth, errors: InstrumentErrors, report: Report) -> None:
    """(f)."""
    for gap in run.data_of("gap"):
        from_ns, to_ns = kept.instant_ns(gap["started_ns"]), kept.instant_ns(gap["ended_ns"])
        unseen_ah = gap.get("unseen_ah")
        if unseen_ah is None or from_ns is None or to_ns is None or not truth.t_ns or from_ns < truth.t_ns[0]:
            continue
        moved_ah = abs(truth.moved_ah(from_ns, to_ns)) * (1.0 + errors.cycler_current.gain)
        if moved_ah > unseen_ah * (1.0 + CLOSES) + PULSE_AH:
            text = f"{moved_ah:.5f} Ah flowed in a gap whose record says that it was {unseen_ah:.5f} Ah at most"
            report(Violation("I8", 0, text, {"moved_ah": moved_ah, "unseen_ah": unseen_ah}))


def check_result(run: StoredRun, result: dict[str, Any], capacity_step: int | None, report: Report) -> None:
    """I8 (c) and (d). `capacity_step`: the plan's step whose discharges count, from 1."""
    stored = {step["number"]: step for step in run.data_of("step_ended")}
    for shown in result["steps"]:
        step = stored.get(shown["number"])
        if step is None:
            report(Violation("I8", 0, f"the result shows a step {shown['number']} that is not in the record"))
            continue
        most = CLOSES * abs(step["energy_wh"]) + 1e-6
        _compare(report, step, "record", "result", step["energy_wh"], shown["energy_wh"], most)
    figure = result.get("energy_wh")
    counted = [step for step in stored.values() if step["step"] == capacity_step]
    agreeing: list[int] = result.get("agreeing_cycles") or []
    if figure is None or not counted:
        return
    chosen = [counted[number - 1] for number in agreeing if number <= len(counted)] or counted[-1:]
    mean = sum(abs(step["energy_wh"]) for step in chosen) / len(chosen)
    # Up to the instant at which the limit was met, which lies before the last sample, and what came after it.
    tail = max(abs(step["tail_ah"] * step["voltage_end_v"]) + _before_end(run, step) for step in chosen)
    _compare(report, chosen[-1], "record", "result's energy", mean, figure["value"], CLOSES * mean + tail)


def _before_end(run: StoredRun, step: dict[str, Any]) -> float:
    """Energy between the instant at which a step met its limit and its last sample."""
    met_ns = step.get("met_ns")
    if met_ns is None:
        return 0.0
    return abs(step["voltage_end_v"] * step["current_end_a"]) * (step["ended_ns"] - met_ns) / NS_PER_H


def _compare(
    report: Report, step: dict[str, Any], what: str, against: str, one: float, other: float, most: float
) -> None:
    if abs(one - other) <= most:
        return
    text = f"step {step['number']}: {what} {one:.6g}, {against} {other:.6g}, at most {most:.3g} apart"
    report(Violation("I8", 0, text, {"step": step["number"], what: one, against: other, "most": most}))
