"""How long `analyze` takes on big tables, beside pyarrow's bare read, and beside PyProBE on a cell's file.

Run it with `make bench-import`. Prints seconds of the wall clock and of the processor, and ratios. Not a
test. Each figure is of a process of its own, after its imports: nothing is warm but the disk's cache. PyProBE
reads the same Arbin file in its own environment (`make .venv/importers/.packbench-tools`); without it, so said.
PyProBE converts and keeps columns; `analyze` gives the steps, the check of the counters and the capacity besides.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

PEER = Path(__file__).parents[2] / ".venv" / "importers" / "bin" / "python"
CLOCK = "import time\ndef clock():\n    return time.perf_counter(), time.process_time()\n"
OURS = (
    CLOCK + "import sys, pyarrow.csv, pyarrow.compute, pyarrow.parquet\nfrom pathlib import Path\n"
    "from packbench.analysis.importer import analyze_file\nw, p = clock()\nresult = analyze_file(Path(sys.argv[1]))\n"
    "a, b = clock()\nassert result.capacity_ah is not None\nprint(a - w, b - p)\n"
)
BARE = (
    CLOCK + "import sys, pyarrow.csv, pyarrow.parquet\nw, p = clock()\nname = sys.argv[1]\n"
    "pyarrow.csv.read_csv(name) if name.endswith('csv') else pyarrow.parquet.read_table(name)\n"
    "a, b = clock()\nprint(a - w, b - p)\n"
)
PYPROBE = (
    CLOCK + "import sys, pyprobe\nfrom pyprobe.cell import process_cycler_data\nw, p = clock()\n"
    "process_cycler_data('arbin', sys.argv[1], sys.argv[1] + '.parquet', overwrite_existing=True)\n"
    "a, b = clock()\nprint(a - w, b - p)\n"
)
TRIES = 3


def pack_table(rows: int, cells: int, sensors: int, others: int) -> pa.Table:
    """A 1 Hz log of a pack: rest, charge, rest, discharge; one column a cell and a sensor."""
    rng = np.random.default_rng(1)
    part = rows // 13
    lengths = [part, 5 * part, part, rows - 7 * part]
    current_a = np.repeat([0.0, 50.0, 0.0, -50.0], lengths)
    charge = np.cumsum(current_a)
    cell_v = 3.0 + 1.2 * (charge - charge.min()) / (charge.max() - charge.min())
    cells_v = cell_v[:, None] + rng.normal(0.0, 0.002, (rows, cells))
    columns = {
        "Time(s)": np.arange(rows, dtype=np.float64),
        "Step": np.repeat([1, 2, 3, 4], lengths),
        "Voltage(V)": cells_v.sum(axis=1),
        "Current(A)": current_a + rng.normal(0.0, 0.05, rows),
    }
    columns |= {f"CAN1_V{k + 1}": np.round(cells_v[:, k], 4) for k in range(cells)}
    columns |= {f"CAN1_T{k + 1}": np.round(25.0 + rng.normal(0.0, 0.1, rows), 1) for k in range(sensors)}
    columns |= {f"X{k}": np.round(rng.normal(0.0, 1.0, rows), 3) for k in range(others)}
    return pa.table(columns)


def arbin_text(rows: int) -> str:
    """A cell's Arbin export, as PyProBE's reader wants its headers."""
    header = "Date Time,Step Index,Cycle Index,Test Time (s),Current (A),Voltage (V),Charge Capacity (Ah),"
    lines = [header + "Discharge Capacity (Ah),Aux_Temperature_1 (C)"]
    half = rows // 2
    for k in range(rows):
        charging = k < half
        ah = (k if charging else k - half) / 3600.0
        volts = 3.0 + 1.2 * (k / half if charging else 2.0 - k / half)
        stamp = f"03/{1 + k // 86400:02d}/2026 {k // 3600 % 24:02d}:{k // 60 % 60:02d}:{k % 60:02d}.000"
        counted = f"{ah:.6f},0.000000" if charging else f"{half / 3600:.6f},{ah:.6f}"
        amps = 1.0 if charging else -1.0
        lines.append(f"{stamp},{1 if charging else 2},1,{float(k):.3f},{amps},{volts:.5f},{counted},25.0")
    return "\n".join(lines) + "\n"


def timed(python: Path | str, code: str, path: Path) -> tuple[float, float]:
    """(wall s, processor s): the least of a few processes."""
    found: list[tuple[float, float]] = []
    for _ in range(TRIES):
        done = subprocess.run(
            [str(python), "-c", code, str(path)], check=True, capture_output=True, text=True, timeout=600
        )
        wall_s, processor_s = map(float, done.stdout.split()[-2:])
        found.append((wall_s, processor_s))
    return min(found)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for rows, cells, sensors, others in ((13_000, 45, 20, 5), (1_000_000, 80, 12, 4)):
            table = pack_table(rows, cells, sensors, others)
            pq.write_table(table, folder / "log.parquet")
            pacsv.write_csv(table, folder / "log.csv")
            shape = f"{rows:,} x {table.num_columns}"
            del table
            for path in (folder / "log.parquet", folder / "log.csv"):
                (wall, cpu), (bare, bare_cpu) = timed(sys.executable, OURS, path), timed(sys.executable, BARE, path)
                print(f"{shape} {path.suffix[1:]}: analyze {wall:.2f} s (processor {cpu:.2f} s); ", end="")
                print(f"pyarrow bare {bare:.2f} s ({bare_cpu:.2f} s); ratio {wall / bare:.2f} ({cpu / bare_cpu:.2f})")
        path = folder / "cell.csv"
        path.write_text(arbin_text(200_000), encoding="utf-8")
        wall, cpu = timed(sys.executable, OURS, path)
        print(f"200,000 rows of one cell (Arbin csv): analyze {wall:.3f} s (processor {cpu:.3f} s)")
        if not PEER.is_file():
            print("PyProBE: not installed (make .venv/importers/.packbench-tools)")
            return
        peer, peer_cpu = timed(PEER, PYPROBE, path)
        print(f"the same file by PyProBE: {peer:.3f} s ({peer_cpu:.3f} s); PyProBE / analyze ", end="")
        print(f"{peer / wall:.2f} ({peer_cpu / cpu:.2f})")


if __name__ == "__main__":
    main()
