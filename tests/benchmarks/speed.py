"""How many times real time a simulated run goes, beside the bare loop of the same pack model.

Run it with `make bench`. It prints, for the same bench time and in the same process: the bare
plant stepped at the cycler's poll period, the whole bench at object level, the whole bench down to
the bytes, their ratios, and where the time goes. Absolute figures drift with the machine; the
ratios hold. Not a test: nothing here passes or fails.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time

from packbench.app.job import Job, load_job
from packbench.app.virtual import Level, Options, simulate
from packbench_sim.errors import InstrumentErrors
from packbench_sim.plant import Plant

PROFILE, PACK = "gbt34015-residual-capacity", "nmc-96s"


def bare_loop(job: Job, bench_s: float) -> tuple[float, float]:
    """The pack model alone at the real poll periods: cycler meters at 2 Hz, all cells at 1 Hz. (wall, CPU) s."""
    plant = Plant(job.pack, job.bench, InstrumentErrors.draw(job.bench, job.pack.series, 1), seed=1)
    plant.contactor.drive(0, closed=True)
    cycler_ns, bms_ns = job.bench.cycler.poll_period_ns, job.bench.bms.poll_period_ns
    charging = True
    wall, cpu = perf_counter(), process_time()
    t_ns = 0
    while t_ns < bench_s * 1e9:
        # Up and down within the middle of the pack, as a test would.
        if t_ns % 3_600_000_000_000 == 0:
            plant.cycler.command(
                t_ns,
                output_on=True,
                voltage_v=400.0 if charging else 280.0,
                source_current_a=30.0,
                sink_current_a=30.0,
            )
            charging = not charging
        plant.cycler.meters(t_ns)
        if t_ns % bms_ns == 0:
            plant.bms.reading(t_ns)
        t_ns += cycler_ns
    return perf_counter() - wall, process_time() - cpu


def whole(job: Job, level: Level) -> tuple[float, float, float, int, int]:
    """One run: (bench s, wall s, CPU s, polls, heartbeats)."""
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = perf_counter(), process_time()
        done = simulate(job, Options(level=level), Path(folder), lambda _snapshot, _state: None)
        return (
            done.outcome.bench_ns / 1e9,
            perf_counter() - wall,
            process_time() - cpu,
            done.outcome.polls,
            done.outcome.heartbeats,
        )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default=PROFILE)
    parser.add_argument("--pack", default=PACK)
    parser.add_argument("--top", type=int, default=15, help="lines of the profile of each level (0: none)")
    args = parser.parse_args()
    job = load_job(args.profile, args.pack, None)
    object_run, bytes_run = whole(job, "object"), whole(job, "bytes")
    bench_s = object_run[0]
    bare_wall, bare_cpu = bare_loop(job, bench_s)
    print(f"{args.profile} on {args.pack}, bench {job.bench.name}: {bench_s / 3600:.2f} h of bench time")
    print(f"{'':24}{'times real time':>16}{'(by CPU time)':>16}{'of the bare loop':>18}{'polls/s':>9}{'beats/s':>9}")
    bare_speed = bench_s / bare_wall
    print(f"{'bare pack model':24}{bare_speed:>16,.0f}{bench_s / bare_cpu:>16,.0f}{1:>18.3f}")
    for name, (level_s, wall, cpu, polls, beats) in (("object level", object_run), ("byte level", bytes_run)):
        speed = level_s / wall
        print(
            f"{name:24}{speed:>16,.0f}{level_s / cpu:>16,.0f}{speed / bare_speed:>18.3f}"
            f"{polls / level_s:>9.2f}{beats / level_s:>9.2f}"
        )
    for level in ("object", "bytes") if args.top else ():
        profiler = cProfile.Profile()
        profiler.runcall(whole, load_job("single-discharge", args.pack, None), level)
        print(f"\nwhere the time goes, {level} level (single-discharge, under the profiler):")
        pstats.Stats(profiler, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(args.top)


if __name__ == "__main__":
    main()
