"""Random tamperings of a ledger at length: how many were not found, or found elsewhere than they were done."""

from __future__ import annotations

import argparse
import time

from tests.unit.ledger_tampering import campaign


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--entries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    words = parser.parse_args()
    began = time.perf_counter()
    done, missed = campaign(words.entries, words.count, words.seed)
    took_s = time.perf_counter() - began
    print(f"{sum(done.values()):,} tamperings of a ledger of {words.entries} entries in {took_s:.0f} s")
    print(", ".join(f"{kind} {number:,}" for kind, number in sorted(done.items())))
    print(f"not found, or found elsewhere: {len(missed)}")
    for each in missed[:20]:
        print(f"  {each}")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
