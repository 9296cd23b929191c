"""Running a profile and holding the run against what was said of it.

Owns the tape of everything the engine was given, and the properties that every run must have.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.scenario.random_profiles import Setting

from packbench.app.job import Job, effective_limits, most_of
from packbench.app.virtual import NoJournal, Options, run_unrecorded
from packbench.core.errors import InputError
from packbench.core.limits import Limits
from packbench.core.records import StepRecord
from packbench.core.samples import Snapshot
from packbench.engine import advance as engine
from packbench.engine.state import EngineState
from packbench.profile.checking.check import check_plan
from packbench.profile.checking.estimate import Bounds, Estimate, StepBounds, estimate_plan
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import Plan
from packbench.run.bench import RunOutcome
from packbench.store.meta import Source
from packbench_sim.plant import Plant

HOURS_MAX = 20.0
"""A run that may last longer is not worth its time here."""
RULE_LIMITS = {
    "pack_over_voltage": "pack_voltage_max_v",
    "pack_under_voltage": "pack_voltage_min_v",
    "cell_over_voltage": "cell_voltage_max_v",
    "cell_under_voltage": "cell_voltage_min_v",
    "cell_spread": "cell_spread_max_v",
    "temperature_high": "temperature_max_c",
    "temperature_low": "temperature_min_c",
    "temperature_rate": "temperature_rate_max_k_min",
}


@dataclass(slots=True)
class Tape:
    """Everything the engine was given, and what it answered."""

    calls: list[tuple[str, tuple[Any, ...], dict[str, Any], Any]] = field(default_factory=list)

    @contextmanager
    def recording(self) -> Generator[None]:
        """Every call from outside goes through here; calls within the engine do not."""
        originals = {name: getattr(engine, name) for name in ("start", "advance", "answer")}
        depth = [0]

        def wrapped(name: str) -> Any:
            original = originals[name]

            def call(*args: Any, **words: Any) -> Any:
                depth[0] += 1
                try:
                    result = original(*args, **words)
                finally:
                    depth[0] -= 1
                if not depth[0]:
                    self.calls.append((name, args, words, result))
                return result

            return call

        for name in originals:
            setattr(engine, name, wrapped(name))
        try:
            yield
        finally:
            for name, original in originals.items():
                setattr(engine, name, original)

    def replay(self) -> None:
        """From the recorded snapshots alone, with the engine's own state carried on: the same effects."""
        state: EngineState | None = None
        for name, args, words, (after, effects) in self.calls:
            if name == "start":
                again = engine.start(*args, **words)
            else:
                plan, given, *rest = args
                assert state is not None
                if given.step.finished and not state.step.finished:
                    break  # somebody else stopped the run: a trip
                again = getattr(engine, name)(plan, state, *rest, **words)
            state = again[0]
            assert state is not None
            assert same(again[1], effects), f"replayed {again[1]}, recorded {effects}"
            assert same(state.step, after.step) and same(state.meter, after.meter), "replayed into another state"


def same(a: Any, b: Any) -> bool:
    """Equal, NaN to NaN as well."""
    return a == b or repr(a) == repr(b)


@dataclass(slots=True)
class Watching(NoJournal):
    """Keeps the ended steps, and holds every sample against the limits."""

    limits: Limits
    setting: Setting
    records: list[StepRecord] = field(default_factory=list)
    plant: Plant | None = None
    beyond: list[str] = field(default_factory=list)
    last_a: float = 0.0

    def put_step(self, record: StepRecord) -> int:
        self.records.append(record)
        return 0

    def attach(self, plant: Plant) -> None:
        self.plant = plant

    def observe(self, snapshot: Snapshot, state: EngineState) -> None:
        """Called with every reading of the cycler.

        The allowance: what the voltage may move between two readings of the source that watches it (the plant's own
        rate at this current, and its ohmic drop where the current has changed), and that source's accuracy.
        """
        plant, limits, bench = self.plant, self.limits, self.setting.bench
        assert plant is not None
        current_a, pack = plant.true_current_a, plant.pack
        seen_s = (bench.cycler.poll_period_ns + bench.bms.poll_period_ns) / 1e9 + 1.0
        moved_v = pack.emf_rate_bound_v_s(current_a) * seen_s + pack.r0_ohm * abs(current_a - self.last_a)
        per_cell_v = 3.0 * moved_v / pack.series + 0.02
        self.last_a = current_a
        cells = plant.true_cell_voltages_v
        tolerance_a = bench.setpoint_tolerance_a
        checks = (
            ("pack voltage", plant.true_voltage_v - limits.pack_voltage_max_v, moved_v + 0.005 * plant.true_voltage_v),
            ("pack voltage", limits.pack_voltage_min_v - plant.true_voltage_v, moved_v + 0.005 * plant.true_voltage_v),
            ("cell voltage", float(cells.max()) - limits.cell_voltage_max_v, per_cell_v),
            ("cell voltage", limits.cell_voltage_min_v - float(cells.min()), per_cell_v),
            ("charge current", current_a - limits.charge_current_max_a, tolerance_a),
            ("discharge current", -current_a - limits.discharge_current_max_a, tolerance_a),
            ("temperature", float(pack.temperature_c.max()) - limits.temperature_max_c, 2.5),
        )
        self.beyond += [f"{name} {over:.4g} over" for name, over, allowed in checks if over > allowed]


@dataclass(frozen=True, slots=True)
class Ran:
    """A run, and what was said of it."""

    plan: Plan
    estimate: Estimate
    outcome: RunOutcome
    records: list[StepRecord]


def examine(text: str, setting: Setting) -> Ran | None:
    """Check, estimate, run, and hold the run against it all. None: the profile was refused, or is too long."""
    try:
        plan = compile_profile(text, "random.yaml", setting.pack)
    except InputError:
        return None
    if not check_plan(plan, setting.pack, setting.bench).ok:
        return None
    estimate = estimate_plan(plan, setting.pack, setting.bench)
    if estimate.duration_s.max > HOURS_MAX * 3600.0:
        return None
    limits = effective_limits(plan, setting.pack, setting.bench)
    plan = replace(plan, most=most_of(limits, setting.pack, setting.bench))
    nowhere = Source(name="random", text="")
    job = Job(plan, setting.pack, setting.bench, limits, (), nowhere, nowhere, nowhere)
    watching, tape = Watching(limits, setting), Tape()
    with tape.recording():
        options = Options(seed=setting.seed, level="object", perfect=setting.perfect)
        outcome = run_unrecorded(job, options, watching, watching.observe, watching.attach)
    ran = Ran(plan, estimate, outcome, watching.records)
    assert not watching.beyond, watching.beyond
    tape.replay()
    hold(ran)
    return ran


def hold(ran: Ran) -> None:
    """The run against what was said of it."""
    rows = {row.index: row for row in ran.estimate.steps}
    outcome, estimate = ran.outcome, ran.estimate
    ended = outcome.trip is None and outcome.finish.verdict != "aborted"
    seconds = outcome.bench_ns / 1e9
    assert seconds <= estimate.duration_s.max + 1e-6, f"{seconds} s, at most {estimate.duration_s.max} s were said"
    if ended:
        assert seconds >= estimate.duration_s.min - 1e-6, f"{seconds} s, at least {estimate.duration_s.min} s were said"
    for number, record in enumerate(ran.records):
        last = number == len(ran.records) - 1
        _step(rows[record.step - 1], record, cut=last and not ended)
    if ended:
        moved_ah = sum(abs(record.charge_ah) for record in ran.records)
        assert moved_ah <= estimate.charge_ah.max * 1.01 + 0.5, (moved_ah, estimate.charge_ah)
        hottest_c = max((record.temperature_max_c for record in ran.records), default=0.0)
        assert hottest_c <= estimate.temperature_c.max + 1e-6
    if outcome.trip is not None:
        row = rows[ran.records[-1].step - 1]
        trip = outcome.trip
        if trip.rule.endswith("_over_current"):
            assert row.temperature_c.max > 60.0, trip
        else:
            assert RULE_LIMITS.get(trip.rule) in row.may_pass, f"{trip.text_en} in {row.label}: not foretold"
    elif not ended:
        _aborted(ran, rows)


def _aborted(ran: Ran, rows: dict[int, StepBounds]) -> None:
    reason = ran.outcome.finish.reason
    if "lasted longer" in reason:
        row = rows[ran.records[-1].step - 1]
        assert row.overdue, f"{reason}: not foretold"
    else:
        assert any(row.may_not_begin for row in rows.values()), reason


def _step(row: StepBounds, record: StepRecord, *, cut: bool) -> None:
    """One executed step; `cut`: something else than its own end ended it."""
    what = f"{record.label} ({record.kind}, {record.end_reason!r})"
    _within(what, "duration", (record.ended_ns - record.started_ns) / 1e9, row.duration_s, upper_only=cut)
    _within(what, "temperature", record.temperature_max_c, row.temperature_c)
    if cut:
        return
    _within(what, "charge", record.charge_ah, row.charge_ah)
    _within(what, "energy", record.energy_wh, row.energy_wh)
    reason = re.sub(r"^cell \d+ at", "a cell at", record.end_reason)
    assert any(_alike(reason, end) for end in row.may_end), f"{what}: said were {row.may_end}"
    if row.fires is not None:
        assert _alike(reason, row.fires), f"{what}: {row.fires} was said to end it"


def _alike(reason: str, said: str) -> bool:
    """The same end; what a formula came to is not in what was said."""
    if reason == said:
        return True
    heads = ("current <=", "a cell at", "every sensor")
    return any(reason.startswith(head) and said.startswith(head) for head in heads) and ("$" in said or "*" in said)


def _within(what: str, name: str, value: float, bounds: Bounds, *, upper_only: bool = False) -> None:
    slack = 1e-6 * max(abs(bounds.max), abs(bounds.min), 1.0)
    assert value <= bounds.max + slack, f"{what}: {name} {value:.6g}, at most {bounds.max:.6g} was said"
    assert upper_only or value >= bounds.min - slack, f"{what}: {name} {value:.6g}, at least {bounds.min:.6g} was said"
