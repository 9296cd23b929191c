"""Records that go on over more than one life: numbers, gaps and what is counted over them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.campaign.invariants_rig import S

from packbench.core.records import Event
from packbench_sim.errors import PERFECT, InstrumentErrors
from packbench_sim.invariants import Violation
from packbench_sim.invariants.energy import Truth, check_charge, check_energy, check_gaps
from packbench_sim.invariants.journal import Kept, TappedJournal
from packbench_sim.invariants.record import check_kept
from packbench_sim.invariants.record_file import StoredRun

H = 3600 * S


@dataclass(slots=True)
class Numbers:
    """A recorder that numbers, and says how much of it is durable."""

    seq: int = 0
    durable_seq: int = 0

    def put_event(self, _event: Any, /) -> int:
        self.seq += 1
        return self.seq

    put_row = put_trip = put_step = put_gap = put_event

    async def flush(self) -> int:
        self.durable_seq = self.seq
        return self.seq


def life(kept: Kept, numbers: Numbers, *kinds: str) -> None:
    """One life of a run: these events, flushed, and one more that is not."""
    journal = TappedJournal(numbers, kept, lambda: 0, lambda _now_ns, _origin_ns, _row: None)
    for kind in kinds:
        journal.put_event(Event(0, kind, {}))
    asyncio.run(journal.flush())
    journal.put_event(Event(0, "never durable", {}))


def judged(kept: Kept, file: StoredRun) -> list[Violation]:
    """What I7 says to a file."""
    found: list[Violation] = []
    check_kept(file, kept, found.append)
    return found


def file_of(kept: Kept, *seqs: int) -> StoredRun:
    """A file with these records as they were put."""
    return StoredRun({}, list(seqs), {seq: kept.marks[seq] for seq in seqs}, [])


def test_i7_an_heir_goes_on_with_the_numbers() -> None:
    kept = Kept()
    life(kept, Numbers(), "a", "b", "c")
    # The fourth was never acknowledged: its number may be used again.
    life(kept, Numbers(seq=3, durable_seq=3), "d", "e")
    assert judged(kept, file_of(kept, 1, 2, 3, 4, 5)) == []
    (lost,) = judged(kept, file_of(kept, 1, 2, 3, 4))
    assert lost.invariant == "I7"


def test_i7_an_heir_that_uses_an_acknowledged_number_again() -> None:
    kept = Kept()
    life(kept, Numbers(), "a", "b", "c")
    file = file_of(kept, 1, 2)
    heir = Numbers(seq=2, durable_seq=2)
    life(kept, heir, "x", "y")
    file.seqs += [3, 4]
    file.marks |= {3: ("event", 0, "x", 0), 4: kept.marks[4]}
    (wrong,) = judged(kept, file)
    assert wrong.invariant == "I7"
    assert wrong.data["seq"] == 3


def run_with(
    wh: Any, *, gap: tuple[int, int] | None, end_wh: float | None = None, power_w: float = 1000.0
) -> StoredRun:
    """A step of 2 h at constant power, a row every 6 min, these Wh in the rows, and perhaps a gap."""
    t_ns = np.arange(1, 21) * (H / 10)
    if gap is not None:
        t_ns = np.where(t_ns > gap[0], t_ns + (gap[1] - gap[0]), t_ns)
    count = len(t_ns)
    step = {"number": 1, "step": 1, "started_ns": 0, "ended_ns": int(t_ns[-1]), "energy_wh": end_wh or float(wh[-1])}
    events: list[tuple[int, int, str, dict[str, Any]]] = [(1, int(t_ns[-1]), "step_ended", step)]
    if gap is not None:
        events.append((2, gap[0], "gap", {"started_ns": gap[0], "ended_ns": gap[1], "reason": "host died"}))
    rows: dict[str, Any] = {
        "t_ns": t_ns,
        "step": np.ones(count),
        "voltage_v": np.full(count, 100.0),
        "current_a": np.full(count, power_w / 100.0),
        "step_wh": np.asarray(wh, dtype=np.float64),
    }
    return StoredRun({}, [], {}, events, rows)


def energy(run: StoredRun) -> list[str]:
    """What I8 says to a record, with perfect instruments."""
    found: list[Violation] = []
    errors = InstrumentErrors.none(96)
    assert errors.cycler_current == PERFECT
    check_energy(run, errors, found.append)
    return [violation.text for violation in found]


GAP = (int(0.95 * H), int(1.95 * H))
COUNTED = np.arange(1, 21) * 100.0


def test_i8_a_gap_that_was_not_counted_closes() -> None:
    # Nothing in the gap: of the 6 min between the rows around it, half was seen.
    assert energy(run_with(COUNTED, gap=None)) == []
    assert energy(run_with(np.where(np.arange(20) > 8, COUNTED - 50.0, COUNTED), gap=GAP)) == []


@pytest.mark.parametrize(
    ("wh", "what"),
    [
        (np.where(np.arange(20) > 8, COUNTED + 1000.0, COUNTED), "interpolated"),
        (np.where(np.arange(20) > 8, COUNTED + 900.0, COUNTED), "counted twice"),
        (np.where(np.arange(20) > 14, COUNTED + 3.0, COUNTED), "elsewhere"),
    ],
)
def test_i8_what_was_counted_over_a_gap(wh: Any, what: str) -> None:
    assert energy(run_with(wh, gap=GAP)), what


def test_i8_a_hole_that_nobody_owned_up_to() -> None:
    run = run_with(COUNTED, gap=GAP)
    run.events = [event for event in run.events if event[2] != "gap"]
    assert energy(run)


@pytest.mark.parametrize(("unseen_ah", "told"), [(0.06, False), (0.05, True), (None, False)])
def test_i8_a_gap_that_hid_more_than_its_record_says(unseen_ah: float | None, told: bool) -> None:
    """200 A s, or 0.0556 Ah, went in before the contactor was open. A foreign record states nothing."""
    run, kept, found = run_with(COUNTED, gap=(10 * S, 40 * S)), Kept(), list[Violation]()
    kept.origins.append((0, 5 * S))
    next(event for event in run.events if event[2] == "gap")[3]["unseen_ah"] = unseen_ah
    truth = Truth([0, 15 * S, 45 * S, 60 * S], [0.0, 100.0, 300.0, 900.0])
    check_gaps(run, kept, truth, InstrumentErrors.none(96), found.append)
    assert bool(found) is told


def switched(run: StoredRun, *kinds: str, at_h: float) -> StoredRun:
    """With these commands in it, one second apart, after the output had been switched on."""
    told: list[tuple[int, int, str, dict[str, Any]]] = [(0, 0, "set_output", {"current_a": 10.0})]
    for number, kind in enumerate(kinds):
        told.append((0, round(at_h * H) + number * S, kind, {"current_a": 10.0} if kind == "set_output" else {}))
    run.events = [*told, *run.events]
    return run


@pytest.mark.parametrize(
    ("missing_wh", "kinds", "at_h", "closes"),
    [
        (50.0, ("output_off", "set_output"), 0.95, True),
        (50.0, ("set_output",), 0.95, False),
        (50.0, (), 0.95, False),
        (250.0, ("output_off", "set_output"), 0.95, False),
    ],
)
def test_i8_a_pause_that_no_row_shows(missing_wh: float, kinds: tuple[str, ...], at_h: float, closes: bool) -> None:
    """Between two rows of 1 kW, 6 min apart, nothing flowed for a while."""
    run = switched(run_with(np.where(np.arange(20) > 8, COUNTED - missing_wh, COUNTED), gap=None), *kinds, at_h=at_h)
    assert (not energy(run)) is closes


@pytest.mark.parametrize(("after_ns", "closes"), [(1_400_000_000, True), (1_600_000_000, False), (None, False)])
def test_i8_a_step_that_ends_while_nobody_hears_of_the_cycler(after_ns: int | None, closes: bool) -> None:
    """What it was told was held until stale-after; the pack had been let go before."""
    run, kept, found = run_with(COUNTED, gap=None), Kept(), list[Violation]()
    kept.origins.append((0, 5 * S))
    step = next(event for event in run.events if event[2] == "step_ended")[3]
    step |= {"started_ns": 0, "ended_ns": 60 * S, "charge_ah": 0.18}
    run.events.append((9, 0, "set_output", {"current_a": 10.0}))
    if after_ns is not None:
        run.events.append((10, 60 * S + after_ns, "trip", {}))
    # 10 A, but for the last 1.5 s.
    truth = Truth([0, 5 * S, round(63.5 * S), 70 * S], [0.0, 0.0, 585.0, 585.0])
    bench = SimpleNamespace(
        cycler=SimpleNamespace(poll_period_ns=100_000_000, stale_after_ns=1_500_000_000),
        contactor_release_ns=20_000_000,
    )
    step["charge_ah"] = 600.0 / 3600.0
    check_charge(run, kept, truth, bench, InstrumentErrors.none(96), found.append)  # pyright: ignore[reportArgumentType]
    assert (not found) is closes, found
