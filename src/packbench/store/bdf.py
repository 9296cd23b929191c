"""The Battery Data Format: column names, and the metadata that goes with a table.

Owns names and meaning; files are export.py. Source: Battery Data Alliance, Battery Data Format
ontology 1.2.0 (github.com/battery-data-alliance/battery-data-format-ontology) and the format's
README. There as here, positive current charges. BDF describes one cell; a pack with its cells is
this project's extension, through BDF's custom columns ("Name / unit", declared in the metadata).

Standard columns: Test Time / s, Unix Time / s, Voltage / V, Current / A, Cycle Count / 1,
Step Count / 1 (executed step, from 1), Step ID (index into the profile's steps, from 1; the
ontology keeps "Step Index / 1" for the data point within a step), Step Net Capacity / Ah and
Step Net Energy / Wh (signed, from the step's start), Temperature T1 / degC to T5.
Our columns: Temperature T6 / degC and on, Cell 1 Voltage / V and on, Cycler Voltage / V,
BMS Current / A, BMS State of Charge / 1 (fraction), BMS Test Time / s (when the BMS values were
read; empty: never).

Metadata (the same JSON beside a CSV as NAME.bdf.metadata.json, and in a Parquet file under the
schema key "bdf_metadata"): `battinfo_dataset.dataset` {name, description, variable_measured} for
BDF tools, and `extras.packbench`:

    format            "packbench-bdf/1"
    provenance        measured | emulated | simulated | imported
    run_id, serial, started_at (RFC 3339), seed, operator, software_version, log_sha256
    profile, pack, bench   each {name, sha256, text}; of a profile that was edited while it ran, the last one
    extra             what the run itself added
    steps, trips, gaps     records with the field names of packbench.core.records; null: no number
    said              {kind, t_ns, data} of the events that say how the profile ended, what was asked and answered,
                      and what an operator did to the running test
    series_cells, sensors, rows
    columns_sha256    digest of the table (see `columns_sha256`): ties the metadata to the numbers
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from packbench.core.records import StepRecord
from packbench.store.codec import GAP, STEP_ENDED, TRIP
from packbench.store.edits import EDITED, WITHDRAWN, extra_of, in_force
from packbench.store.reader import LoggedEvent, RunReader, SampleTable

FORMAT: Final = "packbench-bdf/1"
METADATA_SUFFIX: Final = ".metadata.json"
PARQUET_KEY: Final = b"bdf_metadata"

TEST_TIME: Final = "Test Time / s"
UNIX_TIME: Final = "Unix Time / s"
VOLTAGE: Final = "Voltage / V"
CURRENT: Final = "Current / A"
CYCLE_COUNT: Final = "Cycle Count / 1"
STEP_COUNT: Final = "Step Count / 1"
STEP_ID: Final = "Step ID"
STEP_CAPACITY: Final = "Step Net Capacity / Ah"
STEP_ENERGY: Final = "Step Net Energy / Wh"
CYCLER_VOLTAGE: Final = "Cycler Voltage / V"
BMS_TIME: Final = "BMS Test Time / s"
BMS_CURRENT: Final = "BMS Current / A"
BMS_SOC: Final = "BMS State of Charge / 1"

INTEGER_COLUMNS: Final = frozenset({CYCLE_COUNT, STEP_COUNT, STEP_ID})

_OUR_COLUMNS: Final = {
    CYCLER_VOLTAGE: "Voltage at the cycler's own terminals.",
    BMS_TIME: "Test time at which the BMS values of this row were read.",
    BMS_CURRENT: "Current as the BMS measures it; positive charges.",
    BMS_SOC: "State of charge as the BMS reports it, as a fraction.",
}

_SAID: Final = frozenset(
    {"finished", "asked", "answered", "questions_done", "paused", "continued", "jumped", "aborted", EDITED, WITHDRAWN}
)

Columns = dict[str, NDArray[Any]]


def cell_column(index: int) -> str:
    """Column of one cell's voltage; `index` counts from 1."""
    return f"Cell {index} Voltage / V"


def temperature_column(index: int) -> str:
    """Column of one temperature sensor of the pack; `index` counts from 1."""
    return f"Temperature T{index} / degC"


def bdf_columns(table: SampleTable, steps: list[StepRecord], started_unix_s: float) -> Columns:
    """The table under BDF's names, in the order in which it is written."""
    test_time_s = table.t_ns / 1e9
    columns: Columns = {
        TEST_TIME: test_time_s,
        UNIX_TIME: started_unix_s + test_time_s,
        VOLTAGE: table.voltage_v,
        CURRENT: table.current_a,
        CYCLE_COUNT: table.cycle,
        STEP_COUNT: step_counts(table, steps),
        STEP_ID: table.step,
        STEP_CAPACITY: table.step_ah,
        STEP_ENERGY: table.step_wh,
        CYCLER_VOLTAGE: table.cycler_voltage_v,
        BMS_TIME: np.where(table.bms_t_ns < 0, np.nan, table.bms_t_ns / 1e9),
        BMS_CURRENT: table.bms_current_a,
        BMS_SOC: table.soc,
    }
    for index in range(table.temperatures_c.shape[1]):
        columns[temperature_column(index + 1)] = table.temperatures_c[:, index]
    for index in range(table.cell_voltages_v.shape[1]):
        columns[cell_column(index + 1)] = table.cell_voltages_v[:, index]
    return columns


def step_counts(table: SampleTable, steps: list[StepRecord]) -> NDArray[np.int64]:
    """Number of the executed step that each row belongs to; rows behind the last one count on."""
    if not steps:
        return np.where(np.ones(len(table), dtype=bool), 1, 0).astype(np.int64)
    ended_ns = np.array([step.ended_ns for step in steps])
    number = np.array([step.number for step in steps] + [steps[-1].number + 1])
    plan_step = np.array([step.step for step in steps] + [-1])
    # A row at the very end of a step still belongs to it; steps without duration have no rows.
    at = np.searchsorted(ended_ns, table.t_ns, side="left")
    before = np.maximum(at - 1, 0)
    late = (plan_step[at] != table.step) & (plan_step[before] == table.step)
    return number[np.where(late, before, at)].astype(np.int64)


def bdf_metadata(reader: RunReader, columns: Mapping[str, NDArray[Any]], table: SampleTable) -> dict[str, Any]:
    """The metadata document of a run's export (see the module's text)."""
    meta, events = reader.meta, reader.events()
    found = in_force(meta, events)
    sources = {
        name: {"name": source.name, "sha256": source.sha256, "text": source.text}
        for name, source in (("profile", found.profile), ("pack", meta.pack), ("bench", meta.bench))
    }
    return {
        "battinfo_dataset": {
            "dataset": {
                "name": f"{meta.serial} {meta.run_id}",
                "description": (
                    f"Packbench run {meta.run_id} of battery pack {meta.serial}, profile {meta.profile.name}; "
                    f"provenance: {meta.provenance}. Voltage and current are those of the whole pack."
                ),
                "variable_measured": [_declared(label) for label in columns if _is_ours(label)],
            }
        },
        "extras": {
            "packbench": {
                "format": FORMAT,
                "provenance": str(meta.provenance),
                "run_id": meta.run_id,
                "serial": meta.serial,
                "started_at": meta.started_text,
                "seed": meta.seed,
                "operator": meta.operator,
                "software_version": meta.software_version,
                "log_sha256": reader.log_sha256,
                **sources,
                "extra": extra_of(meta, found),
                "steps": [event.data for event in reader.events(STEP_ENDED)],
                "trips": [event.data for event in reader.events(TRIP)],
                "gaps": [event.data for event in reader.events(GAP)],
                "said": [_said(event) for event in events if event.kind in _SAID],
                "series_cells": table.cell_voltages_v.shape[1],
                "sensors": table.temperatures_c.shape[1],
                "rows": len(table),
                "columns_sha256": columns_sha256(columns),
            }
        },
    }


def columns_sha256(columns: Mapping[str, NDArray[Any]]) -> str:
    """Digest of a table: of each column, in order, its name, a zero byte and its values.

    Integer columns as int64, all others as float64, little-endian, with one kind of NaN; so a CSV
    and a Parquet file of one run have the same digest, and a changed number changes it.
    """
    digest = hashlib.sha256()
    for label, values in columns.items():
        digest.update(label.encode() + b"\0")
        if label in INTEGER_COLUMNS:
            digest.update(values.astype("<i8").tobytes())
        else:
            numbers = values.astype("<f8")  # a copy
            numbers[np.isnan(numbers)] = np.nan
            digest.update(numbers.tobytes())
    return digest.hexdigest()


def _said(event: LoggedEvent) -> dict[str, Any]:
    """An event for the metadata; the text of an edited profile is there already."""
    data = {name: value for name, value in event.data.items() if name != "profile"}
    return {"kind": event.kind, "t_ns": event.t_ns, "data": data}


def _is_ours(label: str) -> bool:
    if label in _OUR_COLUMNS or label.startswith("Cell "):
        return True
    return label.startswith("Temperature T") and label not in {temperature_column(index) for index in range(1, 6)}


def _declared(label: str) -> dict[str, str]:
    name, _, unit = label.partition(" / ")
    text = _OUR_COLUMNS.get(label)
    if text is None:
        text = "Voltage of one series cell." if label.startswith("Cell ") else "Temperature sensor of the pack."
    return {"name": name, "unit_text": unit, "description": text}
