"""Small run files of each schema version, kept in tests/data/runs/vN: how they are made.

A fixture is made once, by the program whose newest version it is, and never again: `python -m tests.unit.run_fixtures`
writes those of the version that this program writes, where there are none yet.
"""

from __future__ import annotations

from pathlib import Path

from tests.unit.store_samples import GAP, TRIP, make_event, make_meta, make_row, make_step

from packbench.store import Durability, RunStore
from packbench.store.codec import gap_event, step_event, trip_event
from packbench.store.schema import SCHEMA_VERSION

FOLDER = Path(__file__).resolve().parents[1] / "data" / "runs"
NAMES = ("sealed", "cut-short")
ROWS = 12


def write_fixture(path: Path, *, seal: bool) -> str:
    """Events, rows, a step, a trip and a gap, with cells and without; returns log_sha256."""
    store = RunStore.create(path, make_meta(run_id=f"fixture-{path.stem}"), Durability.PROCESS_SAFE)
    store.append_events([make_event(1)])
    store.append_rows([make_row(index, cells=4) for index in range(1, ROWS + 1)])
    store.append_events([step_event(make_step(1, step=3, started_ns=0, ended_ns=10**9)), trip_event(TRIP)])
    store.append_events([gap_event(GAP)])
    store.commit()
    log_sha256 = store.seal() if seal else store.log_sha256
    store.close()
    return log_sha256


def main() -> None:
    folder = FOLDER / f"v{SCHEMA_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    for name in NAMES:
        path = folder / f"{name}.db"
        if not path.exists():
            print(path.name, write_fixture(path, seal=name == "sealed"))  # noqa: T201


if __name__ == "__main__":
    main()
