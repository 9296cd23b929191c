"""Crash points by the ten thousand: every operation of every workload, with several draws of what was not synced.

    python -m tests.crash.campaign [--seeds 6]

Prints states by workload and by kind. Exit 1 when one did not come back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.crash.points import crash_points
from tests.crash.workloads import WORKLOADS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=8, metavar="N", help="draws of each point (default 8)")
    args = parser.parse_args()
    kinds: Counter[str] = Counter()
    total, problems = 0, list[str]()
    with tempfile.TemporaryDirectory(prefix="packbench-crash-") as folder:
        for name, workload in WORKLOADS.items():
            states = second = 0
            for seed in range(1, args.seeds + 1):
                found = crash_points(name, workload, Path(folder) / f"{name}-{seed}", seed)
                kinds.update(found.states)
                states += sum(found.states.values())
                second += found.second
                problems += found.problems
            total += states + second
            print(f"{name:22} {states:6} states, {second:5} more of a second cut in recovery", flush=True)
    kinds_text = ", ".join(f"{kind} {count}" for kind, count in sorted(kinds.items()))
    print(f"{total} states ({kinds_text}); {len(problems)} did not come back")
    for problem in problems[:20]:
        print(f"  {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
