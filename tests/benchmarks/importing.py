"""How long `analyze` takes on big tables, beside pyarrow's bare read, and beside PyProBE and cellpy on a cell's file.

Run it with `make bench-import`. Prints seconds of the wall clock and of the processor, and ratios. Not a
test. Each figure is of a process of its own, after its imports: nothing is warm but the disk's cache. The others
read the same Arbin export in their own environment (`make .venv/importers/.packbench-tools`), each in the headers
that it knows, and give the capacity of the charge and of the discharge: PyProBE by its `process_cycler_data` and its
filters, cellpy by `get` (steps and summary). `analyze` gives the steps, the energy, the check of the counters and the
diagnostics besides. Tries of the two sides alternate.
"""

from __future__ import annotations

import statistics
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
    CLOCK + "import sys, numpy.ma, pyarrow.csv, pyarrow.compute, pyarrow.parquet\nfrom pathlib import Path\n"
    "from packbench.analysis.importer import analyze_file\nw, p = clock()\nresult = analyze_file(Path(sys.argv[1]))\n"
    "a, b = clock()\nassert result.capacity_ah is not None\nprint(a - w, b - p)\n"
)
BARE = (
    CLOCK + "import sys, pyarrow.csv, pyarrow.parquet\nw, p = clock()\nname = sys.argv[1]\n"
    "pyarrow.csv.read_csv(name) if name.endswith('csv') else pyarrow.parquet.read_table(name)\n"
    "a, b = clock()\nprint(a - w, b - p)\n"
)
PYPROBE = (
    CLOCK + "import sys, pyprobe\nfrom pyprobe.cell import Cell, process_cycler_data\nw, p = clock()\n"
    "name = sys.argv[1]\nprocess_cycler_data('arbin', name, name + '.parquet', overwrite_existing=True)\n"
    "m, n = clock()\ncell = Cell(info={'Name': 'cell'})\ncell.import_data('test', name + '.parquet')\n"
    "test = cell.procedure['test']\nfound = test.charge(0).capacity, test.discharge(0).capacity\n"
    "a, b = clock()\nassert min(found) > 27\nprint(m - w, n - p)\nprint(a - w, b - p)\n"
)
"""The last line with the capacities, the one before it of the conversion alone."""
CELLPY = (
    CLOCK + "import sys, warnings\nwarnings.simplefilter('ignore')\nimport cellpy\ncellpy.prms.Reader.sep = ','\n"
    "w, p = clock()\ncell = cellpy.get(sys.argv[1], instrument='arbin_sql_csv', mass=1.0, nominal_capacity=1.0)\n"
    "found = cell.data.summary\na, b = clock()\nassert found.charge_capacity.iloc[0] > 27\nprint(a - w, b - p)\n"
)
TRIES = 3
PEER_TRIES = 5


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
    names = "Date Time,Step Index,Cycle Index,Test Time (s),Current (A),Voltage (V),Charge Capacity (Ah),"
    lines = [names + "Discharge Capacity (Ah),Aux_Temperature_1 (C)"]
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


def database_text(rows: int) -> str:
    """The same test as Arbin's database exports it, with the columns that cellpy asks for."""
    lines = [
        "Data_Point,Date_Time,Test_Time(s),Step_Time(s),Cycle_Index,Step_Index,Current(A),Voltage(V),"
        "Charge_Capacity(Ah),Discharge_Capacity(Ah),Charge_Energy(Wh),Discharge_Energy(Wh),Internal_Resistance(Ohm)"
    ]
    half = rows // 2
    for k, line in enumerate(arbin_text(rows).splitlines()[1:]):
        stamp, step, cycle, test_s, amps, volts, charged, discharged, _ = line.split(",")
        step_s = float(k if k < half else k - half)
        energies = f"{3.6 * float(charged):.6f},{3.6 * float(discharged):.6f}"
        front = f"{k + 1},{stamp},{test_s},{step_s:.3f},{cycle},{step},{amps},{volts}"
        lines.append(f"{front},{charged},{discharged},{energies},0.02")
    return "\n".join(lines) + "\n"


def once(python: Path | str, code: str, path: Path) -> list[tuple[float, float]]:
    """(wall s, processor s) of each line that a process prints."""
    words = [str(python), "-c", code, str(path)]
    # cellpy leaves its logs where it is called.
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=600, cwd=path.parent)
    figures = [float(word) for line in done.stdout.splitlines()[-2:] for word in line.split()]
    return list(zip(figures[::2], figures[1::2], strict=True))


def timed(python: Path | str, code: str, path: Path) -> tuple[float, float]:
    """(wall s, processor s): the least of a few processes."""
    return min(once(python, code, path)[-1] for _ in range(TRIES))


def beside(name: str, code: str, path: Path) -> None:
    """Ours and a peer in turn, and what the peer takes for one of ours."""
    ours: list[tuple[float, float]] = []
    theirs: list[list[tuple[float, float]]] = []
    for _ in range(PEER_TRIES):
        ours += once(sys.executable, OURS, path)[-1:]
        theirs.append(once(PEER, code, path))
    wall, cpu = (statistics.median(one[side] for one in ours) for side in (0, 1))
    print(f"200,000 rows of one cell (Arbin csv): analyze {wall:.3f} s (processor {cpu:.3f} s)")
    for number in range(len(theirs[0])):
        peer, peer_cpu = (statistics.median(one[number][side] for one in theirs) for side in (0, 1))
        alone = ", its conversion alone" if number < len(theirs[0]) - 1 else ""
        print(f"  {name}{alone}: {peer:.3f} s ({peer_cpu:.3f} s); {name} / analyze ", end="")
        print(f"{peer / wall:.2f} ({peer_cpu / cpu:.2f})", flush=True)


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
        if not PEER.is_file():
            print("PyProBE and cellpy: not installed (make .venv/importers/.packbench-tools)")
            return
        path = folder / "cell.csv"
        path.write_text(arbin_text(200_000), encoding="utf-8")
        beside("PyProBE", PYPROBE, path)
        path.write_text(database_text(200_000), encoding="utf-8")
        beside("cellpy", CELLPY, path)


if __name__ == "__main__":
    main()
