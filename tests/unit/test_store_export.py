"""Exports: the recorded numbers, bit for bit, under BDF's names, with their provenance."""

import csv
import json
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tests.unit.store_samples import TRIP, make_meta, make_row, make_step, same

from packbench.core.errors import InputError
from packbench.core.samples import Provenance
from packbench.store import Durability, RunReader, RunStore, export_run, read_bdf
from packbench.store.bdf import cell_column, step_counts, temperature_column
from packbench.store.codec import step_event, trip_event
from packbench.store.export import Format, metadata_path

FORMATS: list[Format] = ["bdf-csv", "bdf-parquet"]
ROWS = 5_000
"""More than one chunk of the CSV reader and writer."""


@pytest.fixture(scope="module")
def run_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "run.db"
    store = RunStore.create(path, make_meta(provenance=Provenance.EMULATED), Durability.PROCESS_SAFE)
    half_ns = make_row(ROWS // 2).t_ns
    store.append_rows(make_row(index, step=1 if index <= ROWS // 2 else 3, cells=8) for index in range(1, ROWS + 1))
    first = make_step(1, step=1, started_ns=0, ended_ns=half_ns)
    loop = make_step(2, step=2, started_ns=half_ns, ended_ns=half_ns)
    store.append_events([step_event(first), step_event(loop), trip_event(TRIP)])
    store.seal()
    store.close()
    return path


def exported(run_file: Path, to: Format, folder: Path) -> Path:
    path = folder / f"Lab__P1__20260101_001.{to.replace('-', '.')}"
    with RunReader.open(run_file) as reader:
        assert export_run(reader, to, path) == [path, metadata_path(path)]
    assert sorted(item.name for item in folder.iterdir()) == sorted([path.name, metadata_path(path).name])
    return path


@pytest.mark.parametrize("to", FORMATS)
def test_a_round_trip_changes_nothing(run_file: Path, tmp_path: Path, to: Format) -> None:
    found = read_bdf(exported(run_file, to, tmp_path))
    with RunReader.open(run_file) as reader:
        rows, log_sha256 = reader.rows(), reader.log_sha256
    assert found.intact
    columns = found.columns
    assert same(np.rint(columns["Test Time / s"] * 1e9).astype(np.int64), rows.t_ns)
    for label, want in {
        "Voltage / V": rows.voltage_v,
        "Current / A": rows.current_a,
        "Cycle Count / 1": rows.cycle,
        "Step ID": rows.step,
        "Step Net Capacity / Ah": rows.step_ah,
        "Step Net Energy / Wh": rows.step_wh,
        "Cycler Voltage / V": rows.cycler_voltage_v,
        "BMS Current / A": rows.bms_current_a,
        "BMS State of Charge / 1": rows.soc,
    }.items():
        assert same(columns[label], want), label
        assert columns[label].dtype == want.dtype, label
    for index in range(8):
        assert same(columns[cell_column(index + 1)], rows.cell_voltages_v[:, index])
    for index in range(4):
        assert same(columns[temperature_column(index + 1)], rows.temperatures_c[:, index])
    assert math.isnan(columns["BMS Test Time / s"][0])
    assert np.array_equal(np.rint(columns["BMS Test Time / s"][1:] * 1e9), rows.bms_t_ns[1:])
    assert columns["Unix Time / s"][0] == pytest.approx(make_meta().started_at.timestamp() + 0.5, abs=1e-6)
    assert columns["Step Count / 1"].tolist() == [1] * (ROWS // 2) + [3] * (ROWS // 2)
    ours = found.packbench
    assert ours["provenance"] == "emulated"
    assert ours["log_sha256"] == log_sha256
    assert ours["profile"]["text"] == make_meta().profile.text
    assert (ours["rows"], ours["series_cells"], ours["sensors"]) == (ROWS, 8, 4)
    assert [step["label"] for step in ours["steps"]] == ["s1", "s2"]
    assert ours["steps"][0]["cell_min_end_v"] is None
    assert ours["trips"][0]["text_zh"] == TRIP.text_zh


def test_both_formats_carry_the_same_metadata(run_file: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    csv_path, parquet_path = (
        exported(run_file, to, tmp_path / folder) for to, folder in zip(FORMATS, "ab", strict=True)
    )
    assert metadata_path(csv_path).name == "Lab__P1__20260101_001.bdf.metadata.json"
    beside = json.loads(metadata_path(csv_path).read_text("utf-8"))
    inside = json.loads(pq.read_schema(parquet_path).metadata[b"bdf_metadata"])
    assert beside == inside == read_bdf(parquet_path).metadata
    metadata_path(parquet_path).unlink()  # a Parquet file speaks for itself
    assert read_bdf(parquet_path).packbench["provenance"] == "emulated"
    assert read_bdf(parquet_path).intact


def test_every_column_beyond_bdf_is_declared_and_only_those(run_file: Path, tmp_path: Path) -> None:
    path = exported(run_file, "bdf-csv", tmp_path)
    declared = json.loads(metadata_path(path).read_text("utf-8"))["battinfo_dataset"]["dataset"]["variable_measured"]
    labels = {f"{item['name']} / {item['unit_text']}" for item in declared}
    with path.open(encoding="utf-8", newline="") as file:
        header = next(csv.reader(file))
    standard = {
        "Test Time / s",
        "Unix Time / s",
        "Voltage / V",
        "Current / A",
        "Cycle Count / 1",
        "Step Count / 1",
        "Step ID",
        "Step Net Capacity / Ah",
        "Step Net Energy / Wh",
        *(f"Temperature T{index} / degC" for index in range(1, 5)),
    }
    assert set(header) == labels | standard
    assert labels.isdisjoint(standard)


@pytest.mark.parametrize("to", FORMATS)
def test_edited_numbers_lose_the_mark(run_file: Path, tmp_path: Path, to: Format) -> None:
    path = exported(run_file, to, tmp_path)
    if to == "bdf-csv":
        lines = path.read_text("utf-8").splitlines()
        lines[100] = lines[100].replace(",3.6", ",3.7", 1)
        path.write_text("\n".join(lines) + "\n", "utf-8")
    else:
        table = pq.read_table(path)
        at = table.column_names.index("Voltage / V")
        edited = table.column(at).to_numpy().copy()
        edited[99] += 0.001
        pq.write_table(table.set_column(at, "Voltage / V", [edited]), path)
    found = read_bdf(path)
    assert found.packbench["provenance"] == "emulated"
    assert not found.intact


def test_a_csv_of_another_program_is_read_without_a_mark(tmp_path: Path) -> None:
    path = tmp_path / "other.bdf"
    path.write_text(
        "\ufeffTest Time / s,Voltage / V,Current / A,Step Type,Cycle Count / 1\n0,3.5,,REST,1\n1,3.6,-2,CC_DCH,1\n",
        "utf-8",
    )
    found = read_bdf(path)
    assert found.metadata == found.packbench == {}
    assert not found.intact
    assert same(found.columns["Current / A"], [math.nan, -2.0])
    assert found.columns["Cycle Count / 1"].dtype == np.int64
    assert "Step Type" not in found.columns


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column"),
        ("a,b\n1,2\n", "no column"),
        ("Test Time / s,Voltage / V,Current / A\n1,2\n", "number of fields"),
        ("Test Time / s,Voltage / V,Current / A\n1,x,3\n", "no column 'Voltage / V'"),
    ],
)
def test_what_is_no_bdf_file_is_refused(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(InputError, match=says):
        read_bdf(tmp_path / "bad.csv")
    with pytest.raises(InputError, match="cannot be read"):
        read_bdf(tmp_path / "missing.csv")
    (tmp_path / "bad.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="cannot be read"):
        read_bdf(tmp_path / "bad.parquet")


def test_an_unknown_format_leaves_nothing_behind(run_file: Path, tmp_path: Path) -> None:
    with RunReader.open(run_file) as reader, pytest.raises(InputError, match="unknown export format"):
        export_run(reader, "xlsx", tmp_path / "x.xlsx")  # pyright: ignore[reportArgumentType]
    assert list(tmp_path.iterdir()) == []


def test_an_empty_run_exports(tmp_path: Path) -> None:
    store = RunStore.create(tmp_path / "run.db", make_meta(), Durability.PROCESS_SAFE)
    store.close()
    for to, name in zip(FORMATS, ("x.bdf.csv", "x.bdf.parquet"), strict=True):
        with RunReader.open(tmp_path / "run.db") as reader:
            export_run(reader, to, tmp_path / name)
        found = read_bdf(tmp_path / name)
        assert found.intact
        assert len(found.columns["Voltage / V"]) == 0


def test_a_row_late_for_its_step_is_counted_to_it(run_file: Path) -> None:
    with RunReader.open(run_file) as reader:
        table = reader.rows()
    at = ROWS // 4
    ended_ns = int(table.t_ns[at])
    steps = [
        make_step(1, step=1, started_ns=0, ended_ns=ended_ns - 1),
        make_step(2, step=3, started_ns=ended_ns, ended_ns=int(table.t_ns[-1])),
    ]
    counts = step_counts(table, steps)
    assert (counts[at - 1], counts[at]) == (1, 1)  # ended just before, and still marked as step 1
    assert counts[-1] == 2
