"""Continuity and closure: a sound record passes, and each kind of hole, jump or wrong count is found where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from tests.unit.store_samples import make_step

from packbench.analysis.closure import Closure, Command, RowValues, check_closure
from packbench.analysis.continuity import Began, Continuity, Pace, RowTimes, check_continuity
from packbench.core.records import Gap, StepRecord
from packbench.core.result import Measured, Result, StepResult
from packbench.core.samples import FloatArray

S = 1_000_000_000
PACE = Pace(poll_ns=S // 2, stale_after_ns=2 * S)
DT_S = 5
VOLTS, NOISE_A = 50.0, 0.03
CURRENTS = (20.0, 0.0, -30.0, 0.0)
"""Of the four steps, 1,000 s each."""
LONG_S = 1_000


@dataclass(slots=True)
class Run:
    """Readings every half second, a row every 5 s and at each step's end, counted by trapezoids over every reading."""

    t_ns: list[int] = field(default_factory=list[int])
    step: list[int] = field(default_factory=list[int])
    volts: list[float] = field(default_factory=list[float])
    amperes: list[float] = field(default_factory=list[float])
    ah: list[float] = field(default_factory=list[float])
    wh: list[float] = field(default_factory=list[float])
    steps: list[StepRecord] = field(default_factory=list[StepRecord])
    began: list[Began] = field(default_factory=list[Began])
    commands: list[Command] = field(default_factory=list[Command])
    gaps: list[Gap] = field(default_factory=list[Gap])

    def times(self) -> RowTimes:
        count = len(self.t_ns)
        return RowTimes(np.arange(1, count + 1), np.array(self.t_ns, dtype=np.int64), np.array(self.step))

    def values(self) -> RowValues:
        columns = (np.array(each) for each in (self.volts, self.amperes, self.ah, self.wh))
        return RowValues(self.times(), *columns)

    def without(self, which: slice) -> None:
        for column in (self.t_ns, self.step, self.volts, self.amperes, self.ah, self.wh):
            del column[which]


def made(currents: Sequence[float] = CURRENTS) -> Run:
    run, dice = Run(), np.random.default_rng(7)
    before_a = 0.0
    for number, wanted_a in enumerate(currents, start=1):
        start_s = (number - 1) * LONG_S
        run.began.append(Began(10_000 + number, number))
        run.commands.append(Command(start_s * S, wanted_a))
        amperes = wanted_a + NOISE_A * dice.standard_normal(2 * LONG_S)
        before_a, ah, wh = amperes[0], 0.0, 0.0
        for index, current_a in enumerate(amperes, start=1):
            ah += 0.5 * (before_a + current_a) * 0.5 / 3600
            wh += 0.5 * (before_a + current_a) * VOLTS * 0.5 / 3600
            before_a = current_a
            if index % (2 * DT_S) == 1 or index == 2 * LONG_S:
                run.t_ns.append(start_s * S + index * S // 2)
                run.step.append(number)
                run.volts.append(VOLTS)
                run.amperes.append(float(current_a))
                run.ah.append(ah)
                run.wh.append(wh)
        step = make_step(number, step=number, started_ns=start_s * S, ended_ns=(start_s + LONG_S) * S)
        run.steps.append(replace(step, charge_ah=ah, energy_wh=wh))
    return run


def continuity(run: Run, dt_s: float | None = DT_S) -> Continuity:
    def dt_ns(_step: int) -> int | None:
        return None if dt_s is None else round(dt_s * S)

    return check_continuity(run.times(), run.began, run.steps, run.gaps, dt_ns, PACE)


def closure(run: Run, result: Result | None = None, counted: int | None = None) -> Closure:
    return check_closure(run.values(), run.steps, run.gaps, run.commands, result, counted)


def checks(found: Continuity | Closure) -> list[str]:
    return [finding.check for finding in found.findings]


def test_a_sound_record_passes_with_its_figures() -> None:
    run = made()
    found = continuity(run)
    assert found.findings == ()
    assert [one.rows for one in found.spacing] == [201] * 4
    assert {one.allowed_ns for one in found.spacing} == {7 * S + S // 2}
    assert all(4.9 * S < one.longest_ns <= 5 * S for one in found.spacing)
    closed = closure(run)
    assert closed.findings == ()
    charge = closed.steps[0].charge_ah
    assert charge.by_rows == pytest.approx(charge.stored, rel=1e-3)
    assert charge.allowed < 3e-3 * charge.stored, "the allowance is no blank cheque where the current is steady"


def test_a_hole_in_a_running_step_is_found_unless_a_gap_says_so() -> None:
    run = made()
    run.without(slice(250, 253))
    (finding,) = continuity(run).findings
    assert (finding.check, finding.where) == ("row_spacing", "step 2")
    assert "from 1240.500 s to 1260.500 s (20.000 s, 7.500 s are explained" in finding.what
    run.gaps.append(Gap(run.t_ns[249], run.t_ns[250], "restart"))
    assert continuity(run).findings == ()


def test_a_gap_excuses_no_more_than_its_own_time() -> None:
    run = made()
    run.without(slice(250, 253))
    run.gaps = [Gap(run.t_ns[249] + S, run.t_ns[249] + 12 * S, "restart")]
    assert checks(continuity(run)) == ["row_spacing"], "9 s are left"
    run.gaps = [Gap(run.t_ns[249] + S, run.t_ns[249] + 14 * S, "restart")]
    assert continuity(run).findings == (), "7 s are left"


@pytest.mark.parametrize(("cut", "what"), [(slice(201, 204), "1000.000 s to"), (slice(399, 402), "to 2000.000 s")])
def test_a_steps_start_and_end_bound_its_rows_too(cut: slice, what: str) -> None:
    run = made()
    run.without(cut)
    (finding,) = continuity(run).findings
    assert (finding.check, finding.where) == ("row_spacing", "step 2")
    assert what in finding.what


def test_the_running_step_is_looked_at_as_far_as_it_goes() -> None:
    run = made()
    run.steps.pop()
    assert continuity(run).findings == ()
    run.without(slice(700, 710))
    assert checks(continuity(run)) == ["row_spacing"]


def test_spacing_without_a_known_rule_is_not_judged() -> None:
    run = made()
    run.without(slice(250, 290))
    found = continuity(run, None)
    assert found.findings == ()
    assert found.spacing[1].allowed_ns is None


def test_rows_that_do_not_rise_are_found() -> None:
    run = made()
    run.t_ns[30] = run.t_ns[29]
    finding = continuity(run).findings[0]
    assert (finding.check, finding.where) == ("row_times", "record 31")
    doubled = made()
    doubled.t_ns[31], doubled.t_ns[30] = doubled.t_ns[30], doubled.t_ns[31]
    assert "row_times" in checks(continuity(doubled))


def test_rows_of_another_step_are_found() -> None:
    run = made()
    run.step[250] = 1
    assert "row_steps" in checks(continuity(run))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        (lambda run: run.steps.pop(1), "step_numbers"),
        (lambda run: run.steps.insert(1, run.steps[1]), "step_numbers"),
        (lambda run: run.began.pop(1), "step_numbers"),
        (lambda run: run.began.pop(3), "step_ends"),
        (lambda run: run.began.append(Began(9, 6)), "step_numbers"),
        (lambda run: run.steps.__setitem__(1, replace(run.steps[1], started_ns=999 * S)), "step_times"),
        (lambda run: run.gaps.append(Gap(9 * S, 8 * S, "?")), "gaps"),
    ],
)
def test_a_step_or_gap_that_is_missing_or_doubled_is_found(change: object, check: str) -> None:
    run = made()
    assert callable(change)
    change(run)
    assert check in checks(continuity(run))


def test_a_step_may_begin_again_after_a_resume_and_only_the_last_may_be_open() -> None:
    run = made()
    run.began.insert(2, Began(10_002, 2))
    run.began.append(Began(10_009, 5))
    assert continuity(run).findings == ()
    run.steps.pop()
    assert "step_ends" in checks(continuity(run)), "step 4 never ended, and 5 began"


@pytest.mark.parametrize(
    ("factor", "fits"), [(1.0005, True), (1.004, False), (0.996, False), (2.0, False), (-1.0, False)]
)
def test_a_steps_figure_that_its_rows_do_not_give_is_found(factor: float, fits: bool) -> None:
    run = made()
    for index in range(201):
        run.wh[index] *= factor
    run.steps[0] = replace(run.steps[0], energy_wh=factor * run.steps[0].energy_wh)
    found = closure(run)
    assert ("energy_closure" in checks(found)) is not fits
    assert "charge_closure" not in checks(found)
    if not fits:
        assert found.findings[0].where == "step 1 (s1)"


def test_charge_counted_twice_between_two_rows_is_found_there_though_the_sum_would_pass() -> None:
    """0.12 % of the step, less than the sum allows: as if a row's worth were added again after a resume."""
    run = made()
    extra_ah = 0.0012 * run.steps[0].charge_ah
    for index in range(100, 201):
        run.ah[index] += extra_ah
    run.steps[0] = replace(run.steps[0], charge_ah=run.steps[0].charge_ah + extra_ah)
    (finding,) = closure(run).findings
    assert (finding.check, finding.where) == ("charge_count", "step 1 (s1)")
    assert "from 495.500 s to 500.500 s" in finding.what


def test_a_count_that_the_step_does_not_take_over_is_found() -> None:
    run = made()
    run.steps[2] = replace(run.steps[2], charge_ah=run.steps[2].charge_ah * 1.001)
    assert checks(closure(run)) == ["charge_count"]


def test_a_pulse_between_two_rows_is_explained_by_its_commands_only() -> None:
    """30 A for 3 s that no row shows: the log's commands do."""
    run = made()
    pulse_ah = 30.0 * 3 / 3600
    for index in range(300, 402):
        run.ah[index] += pulse_ah
        run.wh[index] += pulse_ah * VOLTS
    step = run.steps[1]
    run.steps[1] = replace(step, charge_ah=step.charge_ah + pulse_ah, energy_wh=step.energy_wh + pulse_ah * VOLTS)
    assert "charge_count" in checks(closure(run))
    at_ns = run.t_ns[299]
    run.commands[2:2] = [Command(at_ns + S, 30.0), Command(at_ns + 4 * S, 0.0)]
    assert closure(run).findings == ()


def test_what_lies_in_a_gap_is_nobodys_figure() -> None:
    run = made()
    gone = slice(60, 100)
    from_ns, to_ns = run.t_ns[59], run.t_ns[100]
    lost_ah, lost_wh = run.ah[100] - run.ah[59], run.wh[100] - run.wh[59]
    for index in range(100, 201):
        run.ah[index] -= lost_ah
        run.wh[index] -= lost_wh
    step = run.steps[0]
    run.steps[0] = replace(step, charge_ah=step.charge_ah - lost_ah, energy_wh=step.energy_wh - lost_wh)
    run.without(gone)
    run.gaps = [Gap(from_ns, to_ns, "restart")]
    found = closure(run)
    assert found.findings == ()
    charge = found.steps[0].charge_ah
    assert abs(charge.difference) < 1e-3 * charge.stored
    assert charge.unrecorded < 2e-3 * charge.stored, "the gap's own time is in no allowance"
    assert continuity(run).findings == ()
    run.gaps = []
    assert "charge_closure" in checks(closure(run)), "interpolated over, it does not close"


def test_a_step_that_was_stopped_soon_after_it_began_closes_within_the_noise() -> None:
    """A rest with one row, and one reading after it that is none: stopped there, the engine held that reading."""
    run = made()
    run.without(slice(604, None))
    ended_ns = run.t_ns[-1] + S
    run.amperes[-1] = NOISE_A
    run.ah[-1] = run.wh[-1] = 0.0
    held_ah = -2 * NOISE_A / 3600
    step = make_step(4, step=4, started_ns=3000 * S, ended_ns=ended_ns)
    charge_ah = run.ah[-1] + held_ah
    run.steps[3] = replace(step, charge_ah=charge_ah, energy_wh=run.wh[-1] + held_ah * VOLTS)
    assert closure(run).findings == ()
    run.steps[3] = replace(run.steps[3], charge_ah=charge_ah + 20 * NOISE_A / 3600)
    assert "charge_count" in checks(closure(run))


@pytest.mark.parametrize(("share", "closes"), [(0.9, True), (1.2, False)])
def test_a_step_that_is_over_before_its_first_row_counts_what_was_commanded_at_most(share: float, closes: bool) -> None:
    run = made()
    ended_ns = 4 * LONG_S * S + S // 2
    charge_ah = share * 30.0 * 0.5 / 3600
    run.commands.append(Command(4 * LONG_S * S, 30.0))
    short = make_step(5, step=5, started_ns=4 * LONG_S * S, ended_ns=ended_ns)
    run.steps.append(replace(short, charge_ah=charge_ah, energy_wh=50.0 * charge_ah, voltage_end_v=50.0))
    assert checks(closure(run)) == ([] if closes else ["charge_closure", "energy_closure"])


def test_a_step_that_moved_charge_without_a_row_does_not_close() -> None:
    run = made()
    run.without(slice(0, 201))
    assert {"charge_closure", "energy_closure"} <= set(checks(closure(run)))


def result_of(run: Run, *, capacity_ah: float, energy_wh: float, cycles: tuple[int, ...] = (1,)) -> Result:
    def figure(value: float, unit: str) -> Measured:
        return Measured(value, None, None, 0.95, unit)

    steps = tuple(
        StepResult(
            number=one.number,
            label=one.label,
            kind=one.kind,
            cycle=one.cycle,
            duration_s=1.0,
            charge_ah=one.charge_ah,
            energy_wh=one.energy_wh,
            end_reason="",
            end_cell=None,
            voltage_end_v=None,
            current_end_a=None,
            cell_min_end_v=None,
            cell_max_end_v=None,
            temperature_max_c=None,
        )
        for one in run.steps
    )
    return Result(
        "simulated", "R-1", "S", "p", "k", 1, "", "", "", "PASS", True, (), False,
        figure(capacity_ah, "Ah"), figure(energy_wh, "Wh"), None, None, None, None, steps, (), {}, (), {},
        agreeing_cycles=cycles,
    )  # fmt: skip


def test_the_result_is_held_against_the_steps() -> None:
    run = made()
    ah, wh = (abs(value) for value in (run.steps[2].charge_ah, run.steps[2].energy_wh))
    sound = result_of(run, capacity_ah=ah, energy_wh=wh)
    assert closure(run, sound, 3).findings == ()
    assert checks(closure(run, result_of(run, capacity_ah=ah, energy_wh=1.002 * wh), 3)) == ["result_figures"]
    assert checks(closure(run, result_of(run, capacity_ah=ah, energy_wh=wh, cycles=(2,)), 3)) == ["result_figures"] * 2
    other = replace(sound, steps=(replace(sound.steps[0], energy_wh=1.0), *sound.steps[1:]))
    assert checks(closure(run, other, 3)) == ["result_steps"]
    assert checks(closure(run, replace(sound, steps=sound.steps[:3]), 3)) == ["result_steps"]


def test_the_allowance_is_what_the_recording_rule_left_out() -> None:
    """Coarser rows of a current that jumps say less, and the figure grows with it; a steady one's does not."""

    def unrecorded(currents: FloatArray, every: int) -> float:
        t_ns = np.arange(1, currents.size + 1) * S
        ah = np.cumsum(currents) / 3600
        times = RowTimes(np.arange(1, currents.size + 1), t_ns, np.ones(currents.size, dtype=np.int64))
        kept = slice(every - 1, None, every)
        rows = RowTimes(times.seq[kept], times.t_ns[kept], times.step[kept])
        values = RowValues(rows, np.full(rows.seq.size, VOLTS), currents[kept], ah[kept], VOLTS * ah[kept])
        step = make_step(1, step=1, started_ns=0, ended_ns=int(t_ns[-1]))
        record = replace(step, charge_ah=float(ah[-1]), energy_wh=float(VOLTS * ah[-1]))
        return check_closure(values, [record], [], [], None, None).steps[0].charge_ah.unrecorded

    steady = np.full(1000, 10.0)
    assert unrecorded(steady, 1) == unrecorded(steady, 10) == 0.0
    ramp = np.linspace(0.0, 10.0, 1000)
    assert unrecorded(ramp, 10) == pytest.approx(10 * unrecorded(ramp, 1), rel=0.05)
