"""A ledger of 100,000 entries: how long it takes to verify, to ask for a code, to append durably."""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from packbench.trace.keys import SigningKey
from packbench.trace.ledger.file import Ledger
from packbench.trace.ledger.query import history
from packbench.trace.ledger.verify import verify_ledger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
BATCH = 2000


def fill(ledger: Ledger, size: int, key: SigningKey) -> None:
    """Packs that are received, stored, graded and put to use."""
    steps = (
        {
            "action": "received",
            "level": "pack",
            "chemistry": "LFP",
            "holder": "Recycler",
            "mass_kg": 312.5,
            "origin": "EV",
        },
        {"action": "stored", "location": "hall 3, rack 17"},
        {"action": "graded", "grade": "B", "scheme": "echelon-2026"},
        {"action": "in_use", "holder": "Tower Co", "application": "base-station backup", "location": "site 8123"},
    )
    bodies = [{**steps[number % 4], "code": f"PACK-{number // 4:06}"} for number in range(size - 1)]
    for at in range(0, len(bodies), BATCH):
        ledger.add(bodies[at : at + BATCH], key, NOW + timedelta(minutes=at))


def bare(path: Path, line: bytes, count: int) -> float:
    """Median seconds of one write and fdatasync of the same bytes."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    took: list[float] = []
    for _ in range(count):
        began = time.perf_counter()
        os.write(handle, line)
        os.fdatasync(handle)
        took.append(time.perf_counter() - began)
    os.close(handle)
    return statistics.median(took)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--appends", type=int, default=300)
    parser.add_argument("--folder", type=Path, help="on the disk that is to be measured (default: the temporary one)")
    words = parser.parse_args()
    key = SigningKey.new()
    with tempfile.TemporaryDirectory(dir=words.folder) as folder:
        path = Path(folder) / "ledger.jsonl"
        began = time.perf_counter()
        with Ledger.create(path, "real", "bench", key, NOW) as ledger:
            fill(ledger, words.entries, key)
        print(
            f"filled         {words.entries:,} entries, {path.stat().st_size / 1e6:.0f} MB, "
            f"{time.perf_counter() - began:.1f} s"
        )

        began, cpu = time.perf_counter(), time.process_time()
        verdict = verify_ledger(path, [key.public])
        assert verdict.holds and verdict.entries == words.entries, verdict.findings[:3]
        print(f"verify         {time.perf_counter() - began:.1f} s ({time.process_time() - cpu:.1f} s of CPU)")

        dice, took = random.Random(1), []
        for _ in range(50):
            began = time.perf_counter()
            with Ledger.open(path) as ledger:
                assert len(history(ledger, f"PACK-{dice.randrange(words.entries // 4 - 1):06}")["entries"]) == 4
            took.append(time.perf_counter() - began)
        print(
            f"query a code   median {statistics.median(took) * 1e3:.1f} ms, worst {max(took) * 1e3:.1f} ms "
            "(open, ask, close)"
        )

        with Ledger.open(path, write=True) as ledger:
            line = ledger.opening.line + b"\n"
            took = []
            for number in range(words.appends):
                began = time.perf_counter()
                ledger.add([{"action": "moved", "code": "PACK-000001", "location": f"rack {number}"}], key, NOW)
                took.append(time.perf_counter() - began)
        plain_s = bare(Path(folder) / "bare", line, words.appends)
        append_s = statistics.median(took)
        print(
            f"append         median {append_s * 1e3:.2f} ms, durable; bare write+fdatasync {plain_s * 1e3:.2f} ms: "
            f"ratio {append_s / plain_s:.2f}"
        )


if __name__ == "__main__":
    main()
