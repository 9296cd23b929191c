"""How often the lease is missed without a fault: 24 simulated hours, and real minutes on a busy machine.

    python tests/benchmarks/soak.py [--seconds 600] [--hours 24]

Prints the distribution of the gaps between renewals, and the 95 % upper bound of the rate of false trips: for k trips
in a time T it is chi2(0.95; 2k + 2) / 2T (exact for a Poisson process; 3.0 / T when there was none). Fails on any trip.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from packbench.app.job import load_job
from packbench.app.virtual import NoJournal, Options, run_unrecorded
from packbench.core.records import Event
from packbench.store.reader import RunReader

PROFILE = """profile: soak
title: {en: "Rest", zh: "静置"}
record: {dt: 1 s}
steps:
  - rest: {label: rest, for: DURATION}
  - end
"""
CHI2_95 = (5.991, 9.488, 12.592, 15.507)
"""chi2(0.95) of 2, 4, 6, 8 degrees of freedom."""
ROOT = Path(__file__).resolve().parents[2]


class Heard(NoJournal):
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def put_event(self, event: Event) -> int:
        self.events.append(event)
        return 0


def tell(name: str, hours: float, trips: int, statistics: dict[str, Any]) -> None:
    bound = CHI2_95[min(trips, 3)] / 2.0 / hours
    gaps = {name: statistics[name] for name in ("gap_p50_s", "gap_p99_s", "gap_max_s")}
    sys.stdout.write(
        f"{name}: {hours:.3f} h, {statistics['renewed']} renewals, {statistics['withheld']} withheld,"
        f" {statistics['missed']} missed; gaps {gaps}\n"
        f"  {trips} false trips; the rate is below {bound:.3g} an hour with 95 % confidence\n"
    )


def simulated(hours: float, folder: Path) -> int:
    profile = folder / "soak.yaml"
    profile.write_text(PROFILE.replace("DURATION", f"{hours} h"), encoding="utf-8")
    heard = Heard()
    outcome = run_unrecorded(
        load_job(str(profile), "lfp-16s", None), Options(), heard, lambda _s, _e: None, lambda _plant: None
    )
    (statistics,) = [event.data for event in heard.events if event.kind == "lease_statistics"]
    trips = int(outcome.trip is not None)
    tell("simulated", hours, trips, statistics)
    return trips


PERIOD_S = 0.2
"""Of the bench's heartbeat."""


def real(seconds: float, folder: Path) -> int:
    profile = folder / "soak.yaml"
    profile.write_text(PROFILE.replace("DURATION", f"{seconds} s"), encoding="utf-8")
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    out = folder / "out"
    words = ["run", str(profile), "--pack", "lfp-16s", "--serial", "SOAK", "--operator", "soak", "--arm", "--no-report"]
    program = [sys.executable, "-c", "import sys; from packbench.cli import main; sys.exit(main())"]
    try:
        environment = {**os.environ, "PACKBENCH_HOME": str(folder / "home")}
        done = subprocess.run(
            [*program, *words, "--out", str(out), "--json"], env=environment, check=False, cwd=ROOT, capture_output=True
        )
    finally:
        for process in spinning:
            process.kill()
    with RunReader.open(out / "run.db") as reader:
        (statistics,) = [event.data for event in reader.events("lease_statistics")]
        (ready,) = [event.data for event in reader.events("supervisor_ready")]
        trips = len(reader.trips())
        lasted_s = max(event.t_ns for event in reader.events()) / 1e9
    wanted = 0.9 * lasted_s / PERIOD_S
    if done.returncode or lasted_s < 0.9 * seconds or statistics["renewed"] < wanted:
        sys.stdout.write(
            f"NOT SOAKED: exit {done.returncode}, {lasted_s:.0f} of {seconds:.0f} s, {statistics['renewed']} renewals\n"
        )
        trips = max(trips, 1)
    sys.stdout.write(f"memory locked: {ready['memory_locked']}, real-time priority: {ready['real_time']}\n")
    tell("real, beside 4 spinning processes", lasted_s / 3600.0, trips, statistics)
    return trips


def main() -> int:
    parser = argparse.ArgumentParser(description="False trips of the board's lease.")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--hours", type=float, default=24.0)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return min(simulated(chosen.hours, folder) + real(chosen.seconds, folder), 1)


if __name__ == "__main__":
    sys.exit(main())
