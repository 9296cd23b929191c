"""One seed: a bench on which runs follow one another, each with its fault, and a person who repairs in between.

Owns the course of a trial. Everything random comes from the seed. The invariants are the world's
(packbench_sim.invariants); what is concluded from each life is `conclusions`'s.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from random import Random

from packbench import __version__
from packbench.app.devices import Buses, Line, board_driver
from packbench.app.virtual_bench import VirtualBench
from packbench.clock import stopwatch_s
from packbench.core.errors import DeviceError, InputError
from packbench.core.samples import Provenance
from packbench.run.actor import Journal
from packbench.run.recorder import Recorder
from packbench.store.meta import RunMeta
from packbench_board.codes import State as BoardState
from packbench_sim.campaign.arming import Arming
from packbench_sim.campaign.asked import Asked
from packbench_sim.campaign.conclusions import (
    MEANWHILE,
    MEANWHILE_S,
    Conclusions,
    Over,
    forgiven,
    stalls,
)
from packbench_sim.campaign.config_faults import TEXTS, refusal
from packbench_sim.campaign.controller import Controller, Disk
from packbench_sim.campaign.draw import Draw, drawn, near_miss
from packbench_sim.campaign.host import Host, HostClock
from packbench_sim.campaign.in_its_stop import InItsStop
from packbench_sim.campaign.operator import Operator
from packbench_sim.campaign.person import WHO, Person
from packbench_sim.campaign.profile import campaign_job, campaign_texts, variant_of
from packbench_sim.campaign.report import Injection, TrialReport, Violation
from packbench_sim.campaign.spec import TrialSpec
from packbench_sim.campaign.watch import Watch
from packbench_sim.chamber import ClimateChamber
from packbench_sim.devices.jk_pb import JkPbDevice
from packbench_sim.devices.modbus_chamber import ModbusChamberDevice
from packbench_sim.faults.catalogue import BY_ID
from packbench_sim.faults.injector import Injected, Injector, state_of
from packbench_sim.invariants import Monitor, layers_of
from packbench_sim.invariants.twice import Told
from packbench_sim.loop import VirtualLoop, run_virtual
from packbench_sim.world import build_parts

S = 1_000_000_000
TICKS = 1 << 32
SERIAL = "CAMPAIGN-1"
SETTLE_NS = 3 * S
"""After a controller is gone: the lease, the load break, the watchdog and the cycler's own."""
UNASKED_NS = 30 * S
STOPPED_FIRST = 1 / 3
"""How often a run that is to be resumed had been stopped by safety before its process died."""
LIFE_MAX_NS = 400 * S
"""A life that lasts longer is stuck: the profile takes 155 s."""


def run_trial(spec: TrialSpec, commands: list[Told] | None = None) -> TrialReport:
    """Run one seed from its beginning to its end. `commands`: takes what reached cycler and board."""
    began_s = stopwatch_s()
    report = TrialReport(spec.seed)
    with tempfile.TemporaryDirectory(prefix="packbench-trial-") as folder:

        async def main(_clock: object) -> None:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualLoop)
            trial = _Trial(spec, loop, Path(folder), report)
            await trial.run()
            if commands is not None:
                commands.extend(trial.monitor.commands)

        try:
            run_virtual(main)
        except Exception as error:  # noqa: BLE001 - a crash of the code under test is a finding, not the campaign's end
            text = f"{type(error).__name__}: {error}"
            report.violations.append(Violation("crash", report.simulated_s, text, spec.seed, spec.command()))
    report.wall_s = stopwatch_s() - began_s
    return report


class _Trial:
    """The course of one seed."""

    def __init__(self, spec: TrialSpec, loop: VirtualLoop, folder: Path, report: TrialReport) -> None:
        self._spec, self._loop, self._folder, self._report = spec, loop, folder, report
        self._rng = Random(f"trial {spec.seed}")
        self._clock = HostClock(loop)
        variant = variant_of(spec.seed)
        self._texts = campaign_texts(variant)
        self._job = campaign_job(self._texts)
        self._end_ns = round(spec.minutes * 60 * S)
        # The board's tick wraps once within the trial, wherever that falls.
        self._wrap_ns = self._rng.randrange(self._end_ns)
        tick_us = (TICKS - self._wrap_ns // 1000) % TICKS
        loop.at_ns(self._wrap_ns, self._wrapped)
        job = self._job
        self._world = build_parts(*variant.world(job.bench, job.pack), start_ns=0, seed=spec.seed, boot_tick_us=tick_us)
        self._bench = VirtualBench(job, self._world)
        self._lines = self._bench.lines(loop, self._clock)
        layers = {**layers_of(job.plan.limits, job.pack, job.bench), "protect": variant.protect}
        self.monitor = Monitor(self._world, loop, layers, gaps_allowed=True)
        self._asked = Asked(variant)
        self.monitor.on_delivered = self._asked.on_delivered
        watch = Watch()
        watch.attach(self._world, loop)
        watch.on_told = self._told
        self._conclusions = Conclusions(spec, report, self._clock, self._world, self.monitor, watch, self._asked)
        bms = self._bench.played["bms"]
        assert isinstance(bms, JkPbDevice)
        self._person_there = Person(job, self._world, bms, self._clock, self._rng, self._seen_by_the_person)
        self._host = Host(self._clock, self._new_lines)
        self._in_its_stop = InItsStop(loop, self._world.plant, self._rng, self._host.kill)
        self._operator = Operator(
            self._world, self._clock, self.monitor, self._rng, self._host.stall_disk, silent=not spec.spoken_to
        )
        self._injector = Injector(self._world, loop, self._host, Random(f"faults {spec.seed}"))
        lives = spec.only or drawn(spec.seed, spec.rows, pairs=spec.pairs)
        self._lives = [tuple(variant.placed(draw) for draw in draws) for draws in lives]
        self._token = 1
        self._misconfigured = False
        """The board holds a configuration that is not this bench's, until it is reset."""
        self._went_on = False
        """This life goes on with a run that was cut short: it is refused where too little was recorded by then."""
        self._run = 0
        self._cut_short: Path | None = None
        """The folder of a run that was killed and may be gone on with."""

    async def run(self) -> None:
        """Life after life, until the time is over."""
        for number, draws in enumerate(self._lives, start=1):
            if self._clock.now_ns() >= self._end_ns:
                break
            if self._cut_short is None and any(draw.row == "config.resume" for draw in draws):
                # Something has to be cut short first.
                if self._rng.random() < STOPPED_FIRST:
                    await self._killed_in_its_stop(number)
                else:
                    await self._killed(number, "discharge", self._rng.uniform(5.0, 40.0))
            await self._life(number, draws)
            await self._person()
            if self._cut_short is not None and any(draw.slight for draw in draws):
                # And once more where it went on.
                await self._killed(number, draws[0].state, self._rng.uniform(0.5, 5.0))
        report = self._report
        report.simulated_s = self._clock.now_ns() / S
        report.violations += [
            Violation(found.invariant, found.t_ns / S, found.text, self._spec.seed, self._spec.command())
            for found in self.monitor.violations
        ]

    async def _killed(self, number: int, state: str, after_s: float) -> None:
        """A life that ends by its process's death, and what a person does then."""
        await self._life(number, (Draw("comms.host_dead", state, after_s),))
        await self._person()

    async def _killed_in_its_stop(self, number: int) -> None:
        """A life that is stopped for a fault, and whose process dies meanwhile."""
        await self._life(number, self._in_its_stop.is_to_be())
        await self._person()

    def _wrapped(self) -> None:
        """The board's tick has come round: nothing is to come of it, in whatever state it was."""
        state, t_s = state_of(self._world), self._clock.now_ns() / S
        self._report.injections.append(Injection("host.tick_wrap", state, 0, t_s, t_s, None, True, "borne"))

    # -- one life ----------------------------------------------------------------------------

    async def _life(self, number: int, draws: tuple[Draw, ...]) -> None:
        began_ns = self._clock.now_ns()
        self._report.lives += 1
        if any(draw.row in TEXTS for draw in draws):
            self._refused_by_config(number, draws)
            return
        rows = {draw.row for draw in draws}
        self._person_there.sets_the_bms(wide=any(draw.row == "power.overcurrent" and draw.slight for draw in draws))
        mismatched = self._misconfigured = "config.mismatch" in rows and await self._misconfigure()
        goes_on = "config.resume" in rows and self._cut_short is not None
        used = goes_on and any(draw.row == "config.resume" and draw.slight for draw in draws)
        unasked = goes_on and not used
        if used:
            # There is somebody who says that it may go on; the pack is not what it was, or rested for too long.
            await self._person_there.lets_it_change()
            began_ns = self._clock.now_ns()
        controller = self._begin(swapped="host.port_swap" in rows, asked=not unasked)
        # One that cannot be gone on with, since it had ended or was aborted, is no resumption.
        goes_on, unasked = goes_on and self._went_on, unasked and self._went_on
        self._host.attach(controller)
        self._injector.attach_lines(self._lines)
        if any(draw.state == "tripped" for draw in draws):
            # Something has to trip the board first.
            draws = (*draws, Draw("pack.hvil", "discharge", self._rng.uniform(0.0, 40.0)))
        # And something has to be wrong while the disk is slow: nothing waits for it (I12).
        draws = (*draws, *(Draw(MEANWHILE, draw.state, draw.after_s + MEANWHILE_S) for draw in draws if stalls(draw)))
        arms = [Arming(draw, self._injector, self._world, self._loop) for draw in draws]
        for arm in arms:
            made = {"host.port_swap": True, "config.mismatch": mismatched, "config.resume": goes_on}
            if made.get(arm.draw.row, False):
                arm.injected = Injected(arm.draw.row, began_ns, "connecting", lambda: began_ns)
        near = near_miss(self._spec.seed, number, draws)
        waiting = arms if near is None else [*arms, Arming(near, self._injector, self._world, self._loop)]
        life = asyncio.create_task(controller.live(self._token), name="life")
        speaking = asyncio.create_task(
            self._operator.speaks(draws, controller.run.controls, lambda: self._asked.told_a), name="operator"
        )
        self._token += 2
        for arm in waiting:
            arm.set()
        done, _ = await asyncio.wait([life], timeout=(UNASKED_NS if unasked else LIFE_MAX_NS) / 1e9)
        if not done and unasked:
            # It waits for a word that nobody says.
            self._host.kill()
        elif not done:
            self._conclusions.violates("life", f"a life lasts longer than {LIFE_MAX_NS / S:g} s", draws)
            self._host.kill()
        ended = await life
        self._in_its_stop.life_ended()
        await self._hear(speaking)
        for arm in waiting:
            if arm.draw.state != "tripped":
                arm.over()
        self.monitor.life_ended()
        self._asked.life_ended(self._clock.now_ns())
        if not ended.killed:
            # Whoever comes next holds lines of its own.
            self._new_lines()
            self._injector.attach_lines(self._lines, kept=True)
        await self._settle()
        for arm in waiting:
            arm.over()
        found = self.monitor.violations
        self.monitor.violations = [one for one in found if one.t_ns < began_ns or not forgiven(one, arms)]
        over = Over(
            number,
            began_ns,
            draws,
            arms,
            ended,
            self._record,
            self._went_on,
            unasked,
            self._chamber.running,
            self._operator.aborted,
            self._chamber.goal_c,
        )
        self._conclusions.draw_from(over)
        if ended.killed or (unasked and not ended.sealed):
            self._cut_short = self._record

    async def _hear(self, speaking: asyncio.Task[list[str]]) -> None:
        """What an operator had to complain of; a life that is over is not spoken to."""
        if speaking.done():
            self._asked.found += speaking.result()
        else:
            speaking.cancel()
            await asyncio.gather(speaking, return_exceptions=True)

    def _begin(self, *, swapped: bool, asked: bool = True) -> Controller:
        """A controller: on the run that was cut short, or on a new one."""
        goes_on, self._cut_short = self._cut_short, None
        self._went_on = goes_on is not None
        folder = goes_on
        meta = None
        if folder is None:
            self._run += 1
            self._asked.run_begins()
            self._operator.run_begins()
            folder = self._folder / f"run-{self._run}"
            meta = self._meta()
        stopped = self._in_its_stop.had_tripped() and goes_on is not None
        lines = self._lines
        if swapped:
            lines = {**lines, "cycler": lines["bms"], "bms": lines["cycler"]}
        try:
            controller = Controller(
                self._bench,
                self._job,
                self._loop,
                self._clock,
                lines,
                Disk(folder),
                self.monitor.recount.observe,
                tap=self._tap,
                meta=meta,
                asked=asked,
            )
        except InputError:
            if goes_on is None:
                raise
            # It had not begun, or was over: nothing to go on with.
            if stopped:
                at_s, life = self._clock.now_ns() / S, self._report.lives
                self._report.injections.append(
                    Injection("config.resume", "connecting", life, at_s, at_s, None, True, "it had tripped: refused")
                )
            return self._begin(swapped=swapped, asked=asked)
        self._record = folder
        self._asked.life_begins()
        self.monitor.attach_lines(self._lines)
        if goes_on is not None:
            self._report.resumed += 1
        if stopped:
            self._conclusions.violates("config.resume", "a run that had tripped is gone on with", ())
        return controller

    def _tap(self, recorder: Recorder) -> Journal:
        journal = self.monitor.run_began(f"run-{self._run}", recorder, serial=SERIAL)
        journal.on_event = self._on_event
        return journal

    def _on_event(self, now_ns: int, kind: str) -> None:
        self._asked.on_event(now_ns, kind)
        self._operator.on_event(kind)

    def _told(self, t_ns: int, output_on: bool, source_a: float, sink_a: float) -> None:
        self._asked.on_command(t_ns, output_on, source_a, sink_a)
        self._in_its_stop.on_command(t_ns, output_on)

    def _meta(self) -> RunMeta:
        job = self._job
        return RunMeta(
            run_id=f"trial-{self._spec.seed}-{self._run}",
            provenance=Provenance.SIMULATED,
            serial=SERIAL,
            profile=job.profile_source,
            pack=job.pack_source,
            bench=job.bench_source,
            software_version=__version__,
            started_at=self._clock.wall(),
            origin_ns=self._clock.now_ns(),
            seed=self._spec.seed,
            operator=WHO,
            extra={},
        )

    async def _misconfigure(self) -> bool:
        """Somebody has given the board another configuration than this bench's; False: it has one, and is locked."""
        bench = self._job.bench
        other = replace(self._job, bench=replace(bench, lease_ns=bench.lease_ns - 50_000_000))
        client = board_driver(other, Line(self._lines["board"]), Buses(self._clock))
        done = False
        with suppress(DeviceError):
            await client.identify()
            done = True
        for line in self._lines.values():
            line.close()
        self._new_lines()
        return done

    def _new_lines(self) -> None:
        self._lines = self._bench.lines(self._loop, self._clock)

    async def _settle(self) -> None:
        """Let what was begun come to rest: the lease runs out, the contactor opens."""
        await self._clock.sleep_until(self._clock.now_ns() + SETTLE_NS)

    # -- configuration -----------------------------------------------------------------------

    def _refused_by_config(self, number: int, draws: tuple[Draw, ...]) -> None:
        """Texts that are wrong: the run is refused before anything is touched."""
        for draw in draws:
            row = BY_ID[draw.row]
            if draw.row not in TEXTS:
                continue
            refused = refusal(draw.row, self._texts)
            t_s = self._clock.now_ns() / S
            found = refused.splitlines()[0][:120] if refused else "it was accepted"
            self._report.injections.append(
                Injection(row.id, "connecting", number, t_s, t_s, None, bool(refused), found)
            )
            if not refused:
                self._conclusions.violates(row.id, f"{row.id}: {found}", draws)
        self._report.ended["refused"] = self._report.ended.get("refused", 0) + 1

    # -- the person --------------------------------------------------------------------------

    async def _person(self) -> None:
        """Repairs what is broken, lets the pack rest, turns the key, resets the board in a name."""
        self._injector.repair()
        self._host.repair()
        await self._clock.sleep_until(self._clock.now_ns() + self._rng.randrange(5 * S, 20 * S))
        self._world.plant.advance_to(self._clock.now_ns())
        self._world.plant.pack.rested()
        self._person_there.sets_right()
        board = self._world.board
        if board.state is not BoardState.TRIPPED and not self._misconfigured:
            return
        await self._person_there.resets(self._lines["board"], tripped=board.state is BoardState.TRIPPED)
        for line in self._lines.values():
            line.close()
        self._new_lines()

    def _seen_by_the_person(self, of: str, text: str) -> None:
        self._conclusions.violates(of, text, ())

    @property
    def _chamber(self) -> ClimateChamber:
        device = self._bench.played["chamber"]
        assert isinstance(device, ModbusChamberDevice)
        return device.chamber
