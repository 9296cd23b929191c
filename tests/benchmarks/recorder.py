"""What recording costs: python tests/benchmarks/recorder.py [--rows N] [--folder DIR] [--rounds N] [--strict]

Prints, for rows with 96 cells and 4 temperatures:
- the cost of put_row in the control loop, and of the whole path per row (queue, hashing, SQLite,
  commit), for the task writer (virtual time) by commit size, with the share of each part;
- rows/s through the thread writer with FULL synchronisation, an event among every ten records, as a ratio to a
  bare write and fsync of the same bytes in the same batches, both measured in turns (a disk is not the same twice);
- lateness of a 10 ms loop that records 64 channels x 10 Hz, against the same loop that does not, in turns: the
  p99 of all ticks of each kind, and their ratio, which is to be at most 2. With --strict a larger one is exit 1.
"""

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from packbench.core.records import Event, Row
from packbench.core.samples import Provenance
from packbench.run.recorder import BatchPolicy, Recorder, TaskWriter, ThreadWriter
from packbench.store import Durability, RunMeta, RunReader, RunStore, Source
from packbench.store.chain import encode_event, event_bytes, link, row_bytes, row_fields
from packbench_sim.loop import VirtualClock, run_virtual

CELLS = 96
EVERY = 10
"""Among so many records one is an event."""
RATIO_MAX = 2.0
TICKS = 500
NO_LIMIT = 10**9


def make_meta() -> RunMeta:
    nothing = Source(name="benchmark", text="")
    return RunMeta(
        run_id="benchmark",
        provenance=Provenance.SIMULATED,
        serial="none",
        profile=nothing,
        pack=nothing,
        bench=nothing,
        software_version="0",
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        origin_ns=0,
    )


def make_rows(count: int) -> list[Row]:
    dice = np.random.default_rng(1)
    volts = np.round(3.6 + 0.1 * dice.random((64, CELLS)), 3)
    return [
        Row(
            t_ns=index * 500_000_000,
            step=3,
            cycle=1,
            voltage_v=350.0 + index * 1e-3,
            cycler_voltage_v=350.1 + index * 1e-3,
            current_a=-20.0,
            step_ah=index * 0.0028,
            step_wh=index * 0.98,
            bms_t_ns=index * 500_000_000 - 200_000_000,
            cell_voltages_v=volts[index % 64],
            temperatures_c=(25.0, 25.1, 25.2, 25.3),
            bms_current_a=-19.9,
            soc=0.5,
        )
        for index in range(1, count + 1)
    ]


def virtual_cost(rows: list[Row], folder: Path, batch: int) -> tuple[float, float]:
    """(us in put_row, us in all) a row, with a commit every `batch` rows."""
    put_s = 0.0

    async def main(clock: VirtualClock) -> None:
        nonlocal put_s
        store = RunStore.create(folder / f"virtual-{batch}.db", make_meta(), Durability.PROCESS_SAFE)
        policy = BatchPolicy(max_records=NO_LIMIT, max_delay_s=NO_LIMIT, capacity=NO_LIMIT)
        recorder = Recorder(store, TaskWriter(clock, 1_000_000), policy)
        for start in range(0, len(rows), batch):
            began = time.perf_counter()
            for row in rows[start : start + batch]:
                recorder.put_row(row)
            put_s += time.perf_counter() - began
            await recorder.flush()
        await recorder.close(seal=False)

    gc.collect()
    began = time.perf_counter()
    run_virtual(main)
    return put_s / len(rows) * 1e6, (time.perf_counter() - began) / len(rows) * 1e6


def parts_cost(rows: list[Row]) -> tuple[float, float, list[bytes]]:
    """(us to pack, us to hash) a row, and the packed bytes."""
    began = time.perf_counter()
    packed = [row_bytes(index, row_fields(row)) for index, row in enumerate(rows)]
    middle = time.perf_counter()
    head = bytes(32)
    for record in packed:
        head = link(head, record)
    end = time.perf_counter()
    return (middle - began) / len(rows) * 1e6, (end - middle) / len(rows) * 1e6, packed


def make_event(index: int) -> Event:
    return Event(index * 500_000_000, "set_output", {"current_a": -20.0 + index * 1e-3, "voltage_v": 288.8})


def mixed_bytes(rows: list[Row]) -> list[bytes]:
    """What the chain covers of each record of `durable_rate`: the payload, without SQLite's own."""
    return [
        event_bytes(index, encode_event(make_event(index))) if index % EVERY == 0 else row_bytes(index, row_fields(row))
        for index, row in enumerate(rows)
    ]


def bare_rate(packed: list[bytes], folder: Path, batch: int) -> float:
    """Records/s of write and fsync alone."""
    began = time.perf_counter()
    with (folder / f"bare-{batch}").open("wb", buffering=0) as file:
        for start in range(0, len(packed), batch):
            file.write(b"".join(packed[start : start + batch]))
            os.fsync(file.fileno())
    return len(packed) / (time.perf_counter() - began)


async def durable_rate(rows: list[Row], folder: Path, batch: int) -> float:
    """Records/s through the recorder's thread, each batch flushed (durable) before the next."""
    path = folder / f"durable-{batch}.db"
    path.unlink(missing_ok=True)
    store = RunStore.create(path, make_meta(), Durability.POWER_SAFE)
    policy = BatchPolicy(max_records=NO_LIMIT, max_delay_s=NO_LIMIT, capacity=NO_LIMIT)
    recorder = Recorder(store, ThreadWriter(), policy)
    began = time.perf_counter()
    for start in range(0, len(rows), batch):
        for index, row in enumerate(rows[start : start + batch], start=start):
            if index % EVERY == 0:
                recorder.put_event(make_event(index))
            else:
                recorder.put_row(row)
        await recorder.flush()
    rate = len(rows) / (time.perf_counter() - began)
    await recorder.close()
    return rate


async def lateness_ms(rows: list[Row], folder: Path, recording: bool) -> list[float]:
    """How late each tick of a 10 ms loop is, for 5 s; 64 channels x 10 Hz while recording."""
    recorders: list[Recorder] = []
    if recording:
        for channel in range(64):
            path = folder / f"channel-{channel}.db"
            path.unlink(missing_ok=True)
            store = RunStore.create(path, make_meta(), Durability.POWER_SAFE)
            recorders.append(Recorder(store, ThreadWriter()))
    late: list[float] = []
    due = time.perf_counter()
    for tick in range(TICKS):
        due += 0.01
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        late.append((time.perf_counter() - due) * 1e3)
        for recorder in recorders[tick % 10 :: 10]:
            recorder.put_row(rows[tick])
    for recorder in recorders:
        await recorder.close(seal=False)
    return late


def p99(late: list[float]) -> float:
    return statistics.quantiles(late, n=100)[98]


def compare_lateness(rows: list[Row], folder: Path, rounds: int) -> float:
    """Print both kinds' lateness; returns the ratio of their p99."""
    ticks: dict[bool, list[float]] = {False: [], True: []}
    ratios: list[float] = []
    for _ in range(rounds):
        gc.collect()
        turn = {recording: asyncio.run(lateness_ms(rows, folder, recording)) for recording in ticks}
        ratios.append(p99(turn[True]) / p99(turn[False]))
        for recording, late in turn.items():
            ticks[recording] += late
    for recording, late in ticks.items():
        what = "64 channels x 10 Hz recorded" if recording else "nothing recorded"
        print(
            f"10 ms loop, {what}: late by {statistics.median(late):.2f} ms (p50), {p99(late):.2f} ms (p99), "
            f"{max(late):.2f} ms (worst) of {len(late):,} ticks"
        )
    ratio = p99(ticks[True]) / p99(ticks[False])
    turns = ", ".join(f"{each:.2f}" for each in sorted(ratios))
    print(f"lateness p99, recorded to not recorded: ratio {ratio:.2f} (at most {RATIO_MAX:g}; turn by turn: {turns})")
    return ratio


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--folder", type=Path, help="where to write (default: the temporary folder's disk)")
    parser.add_argument("--rounds", type=int, default=4, help="turns of each measurement")
    parser.add_argument("--strict", action="store_true", help="exit 1 when the loop is later than it may be")
    arguments = parser.parse_args()
    rows = make_rows(arguments.rows)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        pack_us, hash_us, packed = parts_cost(rows)
        print(f"a row: {len(packed[0])} bytes; packing {pack_us:.1f} us, hashing {hash_us:.1f} us")
        for batch in (1, 20, 100, 500):
            put_us, all_us = virtual_cost(rows[: max(2_000, batch * 40)], folder, batch)
            print(f"virtual, commit every {batch:3} rows: put_row {put_us:.2f} us, all {all_us:.1f} us a row")
        mixed = mixed_bytes(rows)
        for batch in (1, 10, 100, 500):
            count = min(len(rows), 200 * batch)
            pairs = [
                (asyncio.run(durable_rate(rows[:count], folder, batch)), bare_rate(mixed[:count], folder, batch))
                for _ in range(arguments.rounds)
            ]
            durable, bare = (statistics.median(each) for each in zip(*pairs, strict=True))
            ratio = statistics.median(one / other for one, other in pairs)
            print(
                f"durable, fsync every {batch:3} records: {durable:9,.0f} records/s, bare write+fsync of the same "
                f"bytes {bare:9,.0f}, ratio {ratio:.2f}"
            )
        began = time.perf_counter()
        with RunReader.open(folder / "durable-500.db") as reader:
            records = reader.verify().records
            verify_us = (time.perf_counter() - began) / records * 1e6
            began = time.perf_counter()
            count = len(reader.rows())
            print(
                f"verify {verify_us:.1f} us a record, rows() {(time.perf_counter() - began) / count * 1e6:.1f} us a row"
            )
        ratio = compare_lateness(rows, folder, arguments.rounds)
    return 1 if arguments.strict and ratio > RATIO_MAX else 0


if __name__ == "__main__":
    raise SystemExit(main())
