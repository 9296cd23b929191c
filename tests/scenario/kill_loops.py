"""Real `kill -9` of `packbench run` on the wall clock, over and over, each run gone on with to its end.

    python -m tests.scenario.kill_loops [--loops 100] [--parallel 6]

One bench a loop, in a process of its own, which outlives the programs on it. The program is killed once or twice at
moments drawn from the loop's number; a person resets the board each time and resumes the run. What the run then says of
the pack is held against an undisturbed run's, and what it counted against the coulombs of the bench itself.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.scenario.killing import KeptBench, send, started

from packbench.app.job import load_job
from packbench.core.errors import InputError
from packbench.files import find_config

PROFILE = """
profile: minute
title: {en: "A discharge of a minute, to its cut-off", zh: "一分钟放电至截止"}
record: {dt: 1 s}
steps:
  - rest: {label: settle, for: 2 s}
  - cc_discharge:
      label: down
      current: 1C
      until: [cell_min <= cell_cutoff, voltage <= pack_cutoff]
  - end
result: {capacity_of: down}
"""
INITIAL_SOC = 0.1
"""What a minute at 1C empties."""
LATEST_S = 45.0


@dataclass(frozen=True, slots=True)
class Loop:
    """How one went."""

    number: int
    kills: int
    capacity_ah: float
    expanded_ah: float
    unseen_ah: float
    missed_ah: float
    """What the pack gave and the record does not have."""
    problem: str = ""


def write_job(folder: Path) -> tuple[str, str]:
    """(profile, pack) files."""
    profile, pack = folder / "minute.yaml", folder / "nearly-empty.yaml"
    profile.write_text(PROFILE, encoding="utf-8")
    text = find_config("packs", "lmo-25ah").read_text(encoding="utf-8")
    lines = [
        f"  initial_soc: {INITIAL_SOC}" if line.startswith("  initial_soc:") else line for line in text.split("\n")
    ]
    pack.write_text("\n".join(lines), encoding="utf-8")
    return str(profile), str(pack)


def loop(number: int, base: Path, *, undisturbed: bool = False) -> Loop:
    """One run, killed and gone on with until it ends."""
    rng = Random(f"kill loop {number}")
    folder = base / f"loop-{number}"
    folder.mkdir(parents=True)
    profile, pack = write_job(folder)
    out, home = folder / "out", folder / "home"
    job = load_job(profile, pack, "sim-cell")
    kills = 0
    with KeptBench(job, folder, seed=1) as bench:
        words: Iterable[str] = (
            "run",
            profile,
            "--bench",
            "sim-cell",
            "--pack",
            pack,
            "--serial",
            "K",
            "--out",
            str(out),
        )
        wanted = 0 if undisturbed else rng.choice((1, 1, 2))
        while True:
            program = started(bench, home, *words)
            if kills < wanted:
                _wait_for_a_row(out / "run.db")
                time.sleep(rng.uniform(0.0, LATEST_S / wanted))
                if program.poll() is None:
                    send(program, signal.SIGKILL)
                    program.communicate(timeout=30)
                    kills += 1
                    time.sleep(1.0)
                    bench.reset_board(home)
                    words = ("runs", "resume", str(out))
                    continue
            told, said = program.communicate(timeout=240)
            break
        truth = bench.end()
    if program.returncode != 0:
        trips = (
            [trip["text_en"] for trip in json.loads(told).get("trips", [])] if told.startswith("{") else [told, said]
        )
        return Loop(number, kills, 0.0, 0.0, 0.0, 0.0, f"exit {program.returncode}: {'; '.join(trips)[:400]}")
    return _measured(number, kills, json.loads(told)["result"], truth)


def _measured(number: int, kills: int, result: dict[str, Any], truth: dict[str, Any]) -> Loop:
    unseen_ah = sum(gap["unseen_ah"] for gap in result["gaps"])
    counted_ah = sum(step["charge_ah"] for step in result["steps"])
    missed_ah = -(truth["charge_ah"] - truth["discharge_ah"] - counted_ah)
    capacity = result["capacity_ah"]
    # One that is killed before it has begun to go on has one gap with the one before.
    gaps = len(result["gaps"])
    problem = "" if min(kills, 1) <= gaps <= kills else f"{gaps} gaps after {kills} kills"
    return Loop(number, kills, capacity["value"], capacity["U"], unseen_ah, missed_ah, problem)


def _wait_for_a_row(record: Path) -> None:
    """Before it there is nothing to hold the pack against, and whoever wants to go on is refused."""
    from packbench.store.reader import RunReader

    deadline_s = time.monotonic() + 60.0
    while time.monotonic() < deadline_s:
        if record.exists():
            # It may be in the making.
            with suppress(InputError), RunReader.open(record) as reader:
                if len(reader.rows()):
                    return
        time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loops", type=int, default=100, metavar="N")
    parser.add_argument("--parallel", type=int, default=6, metavar="N", help="benches at once (default 6)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="packbench-kill-") as folder:
        base = Path(folder)
        whole = loop(0, base, undisturbed=True)
        print(f"undisturbed: {whole.capacity_ah:.4f} Ah, U {whole.expanded_ah:.4f} Ah {whole.problem}", flush=True)
        bad = 0
        apart: list[float] = []
        with ThreadPoolExecutor(args.parallel) as pool:
            for one in pool.map(lambda number: loop(number, base), range(1, args.loops + 1)):
                off_ah = one.capacity_ah - whole.capacity_ah
                bound_ah = (one.expanded_ah**2 + whole.expanded_ah**2) ** 0.5
                wrong = one.problem or abs(off_ah) > bound_ah or not -0.005 <= one.missed_ah <= one.unseen_ah + 0.005
                bad += bool(wrong)
                apart.append(abs(off_ah))
                print(
                    f"loop {one.number:3}: killed {one.kills}, {one.capacity_ah:.4f} Ah, U {one.expanded_ah:.4f}, "
                    f"off by {off_ah:+.4f}, unseen at most {one.unseen_ah:.4f}, was {one.missed_ah:+.4f}"
                    f"{'  WRONG ' + one.problem if wrong else ''}",
                    flush=True,
                )
    print(f"{args.loops} loops, {bad} wrong; furthest from the undisturbed capacity {max(apart):.4f} Ah")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
