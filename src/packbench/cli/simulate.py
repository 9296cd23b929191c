"""packbench simulate: a profile proven in virtual time."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.text import Text

from packbench.app.conclude import Concluded, conclude
from packbench.app.disk import require_room
from packbench.app.entering import Entered, enter_run, entered_to_dict
from packbench.app.job import Job, load_job
from packbench.app.operators import SIMULATED_OPERATOR, answers_of
from packbench.app.places import run_folder, runs_home
from packbench.app.virtual import Level, Options, Simulated, Truth, find_truth, run_id_of, simulate
from packbench.cli.console import STOPPED, Done, Terminal
from packbench.cli.progress import Progress
from packbench.cli.words import (
    Subparsers,
    add_answer_option,
    add_parameter_option,
    add_run_options,
    entered_text,
    parameters_of,
    paths_text,
)
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.profile.checking.estimate import estimate_plan
from packbench.report.json_out import result_to_dict
from packbench.report.terminal import LiveView, step_table, summary

if TYPE_CHECKING:
    from packbench_sim.faults import Injection


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "simulate",
        "Run a profile on a simulated pack, cycler, BMS and board, thousands of times faster than real time.",
        "packbench simulate gbt34015-residual-capacity --pack nmc-96s --level object",
    )
    parser.add_argument("profile", metavar="PROFILE", help="profile file or its name")
    parser.add_argument("--pack", required=True, metavar="P", help="pack file or its name")
    parser.add_argument("--level", choices=("object", "bytes"), default="bytes", help="bytes: down to the wire")
    parser.add_argument("--fault", action="append", default=[], metavar="ID@TIME", help="as in comms.bms_lost@2h")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in plant.soh=0.7")
    parser.add_argument("--perfect", action="store_true", help="instruments without errors")
    add_parameter_option(parser)
    add_answer_option(parser)
    add_run_options(parser, default_bench=None)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Simulate, conclude, and say how it went."""
    injections = tuple(_injection(word, args.level) for word in args.fault)
    job = load_job(args.profile, args.pack, args.bench, tuple(args.set), parameters_of(args))
    options = Options(
        seed=args.seed,
        level=args.level,
        serial=args.serial,
        operator=args.operator,
        injections=injections,
        perfect=args.perfect,
        answers=answers_of(job.plan, args.answers),
    )
    simulated, concluded, entered = simulate_and_conclude(job, options, args, terminal)
    # The truth of a run that a fault stopped is not what the profile asks for.
    truth = None if _stopped(simulated) else find_truth(job, options)
    return done(simulated, concluded, entered, truth, terminal)


def done(simulated: Simulated, concluded: Concluded, entered: Entered, truth: Truth | None, terminal: Terminal) -> Done:
    """What a simulated run comes to, for a person and for a program."""
    speed = simulated.outcome.bench_ns / 1e9 / simulated.wall_seconds
    shown: list[RenderableType] = [
        summary(concluded.result, terminal.lang),
        step_table(concluded.result, terminal.lang),
    ]
    assumed = [f"{one.label}={one.word}" for one in concluded.result.answers if one.by == SIMULATED_OPERATOR]
    if assumed:
        shown.append(Text(_ASSUMED[terminal.lang].format(answers=", ".join(assumed))))
    if simulated.outcome.bench_ns:
        shown.append(Text(_speed_line(simulated, speed, terminal.lang)))
    if truth is not None and truth.capacity_ah is not None:
        shown.append(Text(_TRUTH[terminal.lang].format(ah=truth.capacity_ah)))
    shown += [Text(""), paths_text(concluded.paths, terminal.lang), entered_text(entered, terminal.lang)]
    data = {**_json(simulated, concluded, truth), "ledger": entered_to_dict(entered)}
    return Done(data, tuple(shown), STOPPED if _stopped(simulated) else 0)


def _stopped(simulated: Simulated) -> bool:
    """Whether the run ended otherwise than by its profile's word."""
    return simulated.outcome.trip is not None or simulated.outcome.finish.verdict == "aborted"


def simulate_and_conclude(
    job: Job, options: Options, args: argparse.Namespace, terminal: Terminal
) -> tuple[Simulated, Concluded, Entered]:
    """What demo and simulate share: the run with its live line, then result and report."""
    require_room(job, args.out or runs_home())
    folder = run_folder(args.out, run_id_of(job, options))
    expected_s = estimate_plan(job.plan, job.pack, job.bench).duration_s.expected
    with Progress(LiveView(terminal.err, terminal.lang), job, expected_s) as progress:
        simulated = simulate(job, options, folder, progress)
    concluded = conclude(folder, terminal.lang, with_report=not args.no_report, wall_seconds=simulated.wall_seconds)
    entered = enter_run(concluded.result, folder, MonotonicClock().wall())
    return simulated, concluded, entered


def _injection(word: str, level: Level) -> Injection:
    from packbench_sim.faults import FAULT_FLAGS, parse_injection
    from packbench_sim.faults.injector import OF_THE_BENCH

    # Without bytes there are no lines to break.
    return parse_injection(word, (*FAULT_FLAGS, *OF_THE_BENCH) if level == "bytes" else FAULT_FLAGS)


def _json(simulated: Simulated, concluded: Concluded, truth: Truth | None) -> dict[str, Any]:
    outcome = simulated.outcome
    bench_s = outcome.bench_ns / 1e9
    result = result_to_dict(concluded.result)
    return {
        "ok": not _stopped(simulated),
        "bench_seconds": bench_s,
        "wall_seconds": simulated.wall_seconds,
        "speedup": bench_s / simulated.wall_seconds,
        "polls": outcome.polls,
        "heartbeats": outcome.heartbeats,
        "log_sha256": simulated.log_sha256,
        "trips": result["trips"],
        "result": result,
        "truth": None
        if truth is None
        else {"capacity_ah": truth.capacity_ah, "energy_wh": truth.energy_wh, "ending_cell": truth.ending_cell},
        "paths": concluded.paths,
    }


def _speed_line(simulated: Simulated, speed: float, lang: str) -> str:
    outcome = simulated.outcome
    return _SPEED[lang].format(
        hours=outcome.bench_ns / 3.6e12,
        wall=simulated.wall_seconds,
        speed=speed,
        polls=outcome.polls,
        beats=outcome.heartbeats,
    )


_ASSUMED = {
    "en": "Answered by the simulated operator: {answers} (--answer LABEL=WORD for others)",
    "zh": "由仿真操作员回答：{answers}（可用 --answer LABEL=WORD 指定）",
}

_SPEED = {
    "en": "{hours:.1f} h of bench time in {wall:.1f} s ({speed:,.0f} times real time): "
    "{polls:,} polls, {beats:,} heartbeats",
    "zh": "{wall:.1f} s 内完成 {hours:.1f} h 台架时间（实时的 {speed:,.0f} 倍）：轮询 {polls:,} 次，心跳 {beats:,} 次",
}
_TRUTH = {
    "en": "The simulated pack's true capacity, with perfect instruments: {ah:.2f} Ah",
    "zh": "模拟电池包的真实容量（理想仪器）：{ah:.2f} Ah",
}
