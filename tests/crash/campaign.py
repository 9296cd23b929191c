"""Crash points by the ten thousand: every operation of every workload, with several draws of what was not synced.

    python -m tests.crash.campaign [--seeds 4] [WORKLOAD ...]

Then every operation fails, once and for good, and the power is cut behind it. Prints states by workload and by kind.
Exit 1 when one did not come back.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.crash.failing import failures
from tests.crash.points import crash_points
from tests.crash.workloads import WORKLOADS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=4, metavar="N", help="draws of each point (default 4)")
    parser.add_argument("only", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    args = parser.parse_args()
    kinds, refused = Counter[str](), Counter[str]()
    total, revived, problems = 0, 0, list[str]()
    with tempfile.TemporaryDirectory(prefix="packbench-crash-") as folder:
        for name in args.only or WORKLOADS:
            workload = WORKLOADS[name]
            first = second = 0
            for seed in range(1, args.seeds + 1):
                found = crash_points(name, workload, Path(folder) / "points", seed)
                kinds.update(found.states)
                first += sum(found.states.values())
                second += found.second
                revived += found.revived
                problems += found.problems
            failed = failures(name, workload, Path(folder) / "failing", 1)
            refused.update(failed.tried)
            problems += failed.problems
            total += first + second + failed.cuts
            print(
                f"{name:18} {first:5} states after a cut, {second:6} after a second one in recovery; "
                f"{failed.total:4} failures of the disk, {failed.cuts:5} states after a cut behind them",
                flush=True,
            )
    print(
        f"{total} states, {len(problems)} did not come back; "
        f"{revived} with a record that the first recovery had found torn"
    )
    for title, counts in (("first cuts", kinds), ("failures", refused)):
        print(f"{title}: " + ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items())))
    for problem in problems[:20]:
        print(f"  {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
