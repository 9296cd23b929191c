"""packbench demo: the main job on simulated hardware."""

from __future__ import annotations

import argparse

from rich.text import Text

from packbench.app.job import load_job
from packbench.app.operators import answers_of
from packbench.app.virtual import Options, find_truth
from packbench.cli import simulate
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers, add_answer_option, add_run_options
from packbench.cli.words import command as make_command

PROFILE = "gbt34015-residual-capacity"
PACK = "nmc-96s"
SERIAL = "001PB005000001D7B0500007"
"""A published code of a retired pack (GB/T 34014-2017 form)."""

_INTRODUCTION = {
    "en": "Residual-capacity test of a simulated retired 96s NMC pack, down to the bytes on the wire ...",
    "zh": "对一个模拟的退役 96 串三元电池包做剩余容量试验，仿真到通信字节 ……",
}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "demo",
        "The main job on simulated hardware: a retired pack goes in, its residual capacity comes out.",
        "packbench demo --out demo-result",
    )
    parser.add_argument(
        "--level", choices=("object", "bytes"), default="bytes", help="bytes: down to the wire (default)"
    )
    add_run_options(parser, default_bench=None)
    add_answer_option(parser)
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Run it, and show what a lab engineer would frame."""
    if not terminal.as_json:
        terminal.err.print(Text(_INTRODUCTION[terminal.lang]))
    job = load_job(PROFILE, PACK, args.bench)
    options = Options(
        seed=args.seed,
        level=args.level,
        serial=args.serial or SERIAL,
        operator=args.operator or "demo",
        answers=answers_of(job.plan, args.answers),
    )
    simulated, concluded, entered = simulate.simulate_and_conclude(job, options, args, terminal)
    truth = find_truth(job, options)
    return simulate.done(simulated, concluded, entered, truth, terminal)
