"""100,000 random traces through model and core, in as many processes as there are cores: `make differential`.

Fails on a difference, and on anything that can occur and never did.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.firmware.traces import disagreement, make_trace, shrunk

from packbench_board.codes import EventKind, Phase, Refusal, State, TripCode

UNREACHABLE = {
    f"state {State.BOOT.name}",
    f"state {State.SELF_TEST.name}",  # passed through within a step
    f"trip {int(TripCode.INTERNAL)}",
    f"refusal {int(Refusal.UNKNOWN)}",  # a frame's, and there are none here
}
BATCH = 500


def batch(first: int) -> tuple[int, Counter[str], str]:
    """One batch of seeds: steps, what was reached, the first difference."""
    seen: Counter[str] = Counter()
    steps = 0
    for seed in range(first, first + BATCH):
        trace = make_trace(seed)
        steps += len(trace.steps)
        found = disagreement(trace, None, seen)
        if found:
            return steps, seen, f"seed {seed}: {found}\n{shrunk(trace)}"
    return steps, seen, ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Model and C core on random traces.")
    parser.add_argument("--traces", type=int, default=100_000)
    traces: int = parser.parse_args().traces
    began_s = time.monotonic()
    steps, seen = 0, Counter[str]()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for count, reached, found in pool.map(batch, range(0, traces, BATCH)):
            steps += count
            seen.update(reached)
            if found:
                sys.stdout.write(found + "\n")
                return 1
    wanted = {f"state {state.name}" for state in State} | {f"phase {phase.name}" for phase in Phase}
    wanted |= {f"trip {int(code)}" for code in TripCode} | {f"refusal {int(code)}" for code in Refusal}
    wanted |= {f"event {kind.name}" for kind in EventKind}
    for name in sorted(seen):
        sys.stdout.write(f"{name:24s} {seen[name]:10d}\n")
    missing = sorted(wanted - UNREACHABLE - set(seen))
    elapsed_s = time.monotonic() - began_s
    sys.stdout.write(f"{traces} traces, {steps} steps, no difference, {elapsed_s:.0f} s\n")
    if missing:
        sys.stdout.write(f"never reached: {', '.join(missing)}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
