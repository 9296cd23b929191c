"""What is concluded from a life that is over: which promises were kept, and what its record hides.

Owns the findings of a trial that are not invariants (packbench_sim.invariants has those). It looks at what the world
saw, at how the life ended and at its record. Must not touch the bench, nor know how the life was led (`trial`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from packbench.app.conclude import DATA_NAME
from packbench.core.errors import PackbenchError
from packbench_board.codes import State as BoardState
from packbench_sim.campaign.arming import Arming
from packbench_sim.campaign.asked import Asked, sparse
from packbench_sim.campaign.controller import Ended
from packbench_sim.campaign.corrupting import missed
from packbench_sim.campaign.draw import Draw
from packbench_sim.campaign.judged import Life, goes_on, judged
from packbench_sim.campaign.profile import CHAMBER_C
from packbench_sim.campaign.report import Injection, TrialReport, Violation
from packbench_sim.campaign.spec import TrialSpec
from packbench_sim.campaign.told import balanced, tripped, unsound
from packbench_sim.campaign.watch import Watch
from packbench_sim.faults.active import ESTOP, SLOW_CLOCK
from packbench_sim.faults.catalogue import BY_ID, Row
from packbench_sim.faults.seen import FLOWS_A
from packbench_sim.invariants import Monitor
from packbench_sim.invariants.violation import Violation as Broken
from packbench_sim.loop import VirtualClock
from packbench_sim.world import World

S = 1_000_000_000
EVERY = 3
"""To analyse a record costs as much as the life did: every third is enough, but for those with a point."""
MEANWHILE, MEANWHILE_S = "sensor.cells_missing", 0.5
"""What goes wrong so long after the disk has become slow: the host alone sees it."""
PROMPT_S = 0.3
"""From that to the command, whatever the disk does. (The board alone would take its lease: 0.5 s.)"""
LITTLE_LATE_S, STEP_WITHIN_NS = 1.1, 500_000_000
"""`sensor.scale`: see the catalogue, `STEP_AFTER`."""
CAUSES = {
    ("pack.hvil", ""): "hvil",
    ("pack.hvil", ESTOP): "estop",
    ("pack.runaway", ""): "gas",
    ("power.overcurrent", ""): "over current",
    ("power.opened_hot", ""): "contactor dropped",
}
"""What the board calls a row, in one of its forms, that breaks one of its inputs."""
SLOW = "comms.nuisance"
ELSEWHERE = frozenset({"comms", "host", "store", "config"})
"""Parts whose faults leave the pack and the cycler as they are."""
BORNE = frozenset({"DISCARD", "NONE", "MARKED"})
FORGED = frozenset({"sensor.word_order"})
"""Replies that are wrong and correct in form: no host can tell that the device never said so (not I6)."""


@dataclass(frozen=True, slots=True)
class Over:
    """A life that is over."""

    number: int
    began_ns: int
    """Of the trial's clock."""
    draws: tuple[Draw, ...]
    arms: list[Arming]
    ended: Ended
    record: Path
    """The folder of its run."""
    went_on: bool
    """It went on with a run that was cut short: it is refused where too little was recorded by then."""
    unasked: bool
    """Nobody was there to say whether it is to be gone on with."""
    conditioned: bool = False
    """The climate chamber still conditions its air."""
    by_word: bool = False
    """An operator has ended it."""
    goal_c: float = CHAMBER_C
    """What the climate chamber is set to."""


class Conclusions:
    """The findings of one trial, life by life."""

    def __init__(
        self,
        spec: TrialSpec,
        report: TrialReport,
        clock: VirtualClock,
        world: World,
        monitor: Monitor,
        watch: Watch,
        asked: Asked,
    ) -> None:
        self._asked = asked
        self._spec, self._report, self._clock = spec, report, clock
        self._world, self._monitor, self._watch = world, monitor, watch
        self._rng = Random(f"conclusions {spec.seed}")
        self._hot = 0
        """Openings under load so far."""

    def violates(self, of: str, text: str, draws: Iterable[Draw], t_s: float | None = None) -> None:
        """Report a finding."""
        at_s = self._clock.now_ns() / S if t_s is None else t_s
        faults = tuple(draw.row for draw in draws)
        self._report.violations.append(Violation(of, at_s, text, self._spec.seed, self._spec.command(), faults))

    def draw_from(self, over: Over) -> None:
        """Everything that can be said of a life."""
        report, ended = self._report, over.ended
        verdict, trip = _outcome(ended)
        report.ended[verdict] = report.ended.get(verdict, 0) + 1
        if trip:
            report.trips[trip] = report.trips.get(trip, 0) + 1
        self._end(over, verdict, trip)
        self._as_asked(over, verdict)
        self._promises(over, verdict, trip)
        if not ended.killed and (not over.unasked or ended.sealed):
            self._records(over)

    def _end(self, over: Over, verdict: str, trip: str) -> None:
        """How it ended, against what was wrong."""
        number, draws, ended = over.number, over.draws, over.ended
        if not trip and not ended.killed and (told := tripped(over.record)):
            self.violates("forgotten", f"life {number} tripped ({told}), and its outcome does not say so", draws)
        if ended.error is not None and not isinstance(ended.error, PackbenchError | RuntimeError):
            self.violates("crash", f"{type(ended.error).__name__}: {ended.error}", draws)
        if (
            verdict == "pass"
            and self._world.board.state is BoardState.TRIPPED
            and all(BY_ID[draw.row].reaction in BORNE and draw.row != "power.weld" for draw in draws)
        ):
            self.violates("left closed", f"life {number} ended well, and the board tripped after it", draws)
        closed = any(on and at_ns >= over.began_ns for at_ns, on in self._watch.coil)
        hung = any(arm.draw.row == "host.mcu_hang" and not _slow(arm) for arm in over.arms)
        if trip and closed and not hung and self._world.board.state is not BoardState.TRIPPED:
            self.violates(
                "latch", f"life {number} tripped ({trip}), and the board is {self._world.board.state.name}", draws
            )
        stopped = trip or (verdict in ("refused", "error", "aborted") and not (over.went_on or over.by_word))
        if stopped and not any(arm.injected is not None for arm in over.arms):
            why = trip or f"{ended.error or verdict}"
            self.violates("false stop", f"life {number} was stopped ({why}) before anything was wrong", draws)

    def _as_asked(self, over: Over, verdict: str) -> None:
        """What the profile asks for, and that a bench which is left is left cold."""
        rows = {draw.row for draw in over.draws}
        found, self._asked.found = self._asked.found, []
        if not over.ended.killed:
            # What is wrong with the pack may end a step; and while the disk is waited for, its time goes on.
            whole = verdict == "pass" and SLOW not in rows and all(BY_ID[row].part in ELSEWHERE for row in rows)
            found += self._asked.lasted(whole=whole)
        for text in found:
            self.violates("profile", f"life {over.number}: {text}", over.draws)
        if over.goal_c != CHAMBER_C:
            text = f"life {over.number}: the chamber was told {over.goal_c:g} degC, {CHAMBER_C:g} asked"
            self.violates("profile", text, over.draws)
        closed = any(on and at_ns >= over.began_ns for at_ns, on in self._watch.coil)
        if over.conditioned and closed and over.ended.outcome is not None:
            self.violates("chamber", f"life {over.number} is over, and the chamber goes on", over.draws)

    def _promises(self, over: Over, verdict: str, trip: str) -> None:
        """Each fault that became true, against what its row promises."""
        hot, self._hot = self._hot, self._world.plant.contactor.hot_openings
        told_ns = next(
            (t_ns for t_ns, what, _ in self._monitor.commands if what == "Trip" and t_ns >= over.began_ns), None
        )
        life = Life(
            over.number,
            over.began_ns,
            self._clock.now_ns(),
            verdict,
            trip,
            bool(trip) or verdict in ("killed", "refused", "error") or balanced(over.record),
            self._watch,
            self._hot > hot,
            told_ns,
            self._monitor.moved_by_ns,
        )
        for arm in over.arms:
            if arm.injected is None:
                continue
            row = BY_ID[arm.injected.row]
            found = judged(row, arm.injected, life, 0)
            self._report.injections.append(found)
            if not found.held and not self._spec.pairs and not excused(row, found, self._watch):
                text = f"{row.id} in {found.state} (life {life.number}): {found.found}; {row.reaction} promised"
                self.violates(row.id, text, over.draws, found.t_s)
            if trip == "power.board_tripped" and not names_cause(over.ended, row.id, arm.injected.form):
                self.violates(row.id, f"life {life.number}: the board gives another cause for it", over.draws)
            late = found.latency_s is not None and found.latency_s > PROMPT_S
            if late and row.id == MEANWHILE and any(stalls(draw) for draw in over.draws):
                text = f"life {life.number}: with a slow disk a stop took {found.latency_s:.3f} s"
                self.violates("I12", text, over.draws)
            if row.id == "comms.half_write" and arm.draw.slight and goes_on(arm.injected, life):
                text = f"life {life.number}: a command got no answer, and another one was given"
                self.violates(row.id, text, over.draws)

    def _records(self, over: Over) -> None:
        """What the record says, when nobody goes on with it."""
        rows = {draw.row for draw in over.draws}
        if over.went_on or "pack.balancing" in rows or over.number % EVERY == 1:
            for of, text in unsound(over.record):
                self.violates(of, f"life {over.number}: {text}", over.draws)
            if text := sparse(over.record):
                self.violates("profile", f"life {over.number}: {text}", over.draws)
        self._monitor.record(over.record)
        if over.ended.sealed and "store.corrupt" in rows:
            self._corrupted(over)

    def _corrupted(self, over: Over) -> None:
        """The finished record changes on its disk: whoever verifies it is told."""
        unsaid = missed(over.record / DATA_NAME, self._rng)
        t_s, found = self._clock.now_ns() / S, unsaid or "refused"
        self._report.injections.append(
            Injection("store.corrupt", "stopping", over.number, t_s, t_s, None, not unsaid, found)
        )
        if unsaid:
            self.violates("store.corrupt", f"life {over.number}: {unsaid}", over.draws)


def excused(row: Row, found: Injection, watch: Watch) -> bool:
    """Whether a promise that is not kept is one of those that are listed as such, at the time.

    A current less than was told is excused by a voltage at its clamp alone, a scale that is told a little late by a
    step of the current.
    """
    if found.state not in row.not_held:
        return False
    shown_ns = round((found.shown_s or 0.0) * S)
    if row.id == "power.setpoint":
        return watch.stood_at_clamp(shown_ns, shown_ns + (row.budget_ns or 0))
    if row.id == "sensor.scale":
        little = found.latency_s is not None and found.latency_s <= LITTLE_LATE_S
        return little and watch.told(shown_ns, shown_ns + STEP_WITHIN_NS)
    return True


def names_cause(ended: Ended, row: str, form: str) -> bool:
    """Whether a trip of the board's is put down to what the row breaks, where the row breaks one input alone."""
    trip = None if ended.outcome is None else ended.outcome.trip
    cause = CAUSES.get((row, form))
    return trip is None or cause is None or f"({cause})" in trip.text_en


def forgiven(found: Broken, arms: Iterable[Arming]) -> bool:
    """Whether a broken invariant is what a life's fault itself is, and nobody could have prevented."""
    if found.invariant == "I6":
        return any(arm.draw.row in FORGED for arm in arms)
    # A slow board is late by itself until the proof has found that: with its coil, and with no current.
    slow = any(_slow(arm) for arm in arms)
    return slow and found.invariant == "I1" and abs(found.data["current_a"]) < FLOWS_A


def _slow(arm: Arming) -> bool:
    return arm.injected is not None and arm.injected.form == SLOW_CLOCK


def stalls(draw: Draw) -> bool:
    """Whether something goes wrong besides while the disk is slow."""
    return draw.row == "comms.nuisance" and draw.slight


def _outcome(ended: Ended) -> tuple[str, str]:
    """(its verdict, the fault id of its trip)."""
    if ended.killed:
        return "killed", ""
    if ended.error is not None:
        return "error" if isinstance(ended.error, RuntimeError) else "refused", ""
    assert ended.outcome is not None
    trip = ended.outcome.trip
    return ended.outcome.finish.verdict, "" if trip is None else trip.fault_id
