"""BDF files read back: our own exports as the runs they were, changed and foreign ones as imported."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.unit import analysis_run as made
from tests.unit.store_samples import make_meta

from packbench.analysis.importer import analyze_file
from packbench.core.errors import InputError
from packbench.core.records import Event, Row
from packbench.core.result import Answered, Variable
from packbench.core.samples import Provenance
from packbench.profile.plan import SourceFile
from packbench.store import Durability, RunReader, RunStore, Source, export_run
from packbench.store.codec import step_event
from packbench.store.sources import UsedFile, kept

ROOT = Path(__file__).parents[2]


def foreign_csv(path, capacity_ah=40.0, steps=True):
    """Another program's BDF: a CC-CV charge, a rest, a full discharge, without metadata."""
    charge = made.charge_rows(0.0, 1)
    v_charge = np.minimum(charge.cell_voltages_v[:, 1], 4.2)
    discharge = made.discharge_rows(float(charge.t_s[-1]) + 600.0, capacity_ah, 1)
    rest_s = np.arange(10.0, 600.0, 10.0) + float(charge.t_s[-1])
    t_s = np.concatenate((charge.t_s, rest_s, discharge.t_s))
    v = np.concatenate((v_charge, np.full(rest_s.size, 4.15), discharge.cell_voltages_v[:, 2]))
    current = np.concatenate((charge.current_a, np.zeros(rest_s.size), discharge.current_a))
    number = np.repeat([1, 2, 3], [charge.t_s.size, rest_s.size, discharge.t_s.size])
    header = "Test Time / s,Voltage / V,Current / A" + (",Step Count / 1" if steps else "")
    columns = [t_s, v, current, *([number] if steps else [])]
    lines = [",".join(str(value) for value in row) for row in zip(*columns, strict=True)]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("steps", [True, False])
def test_another_programs_table_is_cut_into_steps_and_imported(tmp_path, steps):
    result: Any = analyze_file(foreign_csv(tmp_path / "cell.bdf.csv", steps=steps))
    assert result.provenance == "imported"
    assert result.capacity_ah.value == pytest.approx(40.0, abs=0.03)
    assert result.capacity_ah.U is None
    assert [step.kind for step in result.steps] == ["cccv_charge", "rest", "cc_discharge"]
    assert result.steps[2].charge_ah == pytest.approx(-40.0, abs=0.03)
    assert not result.releasing


def test_time_that_runs_back_holes_and_missing_columns_are_refused(tmp_path):
    path = foreign_csv(tmp_path / "cell.bdf.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    (tmp_path / "back.csv").write_text("\n".join([*lines[:5], lines[3], *lines[5:]]), encoding="utf-8")
    with pytest.raises(InputError, match=r"back.csv:6.*expected rising"):
        analyze_file(tmp_path / "back.csv")
    (tmp_path / "hole.csv").write_text("\n".join([*lines[:5], "99.0,,1.0,1", *lines[20:]]), encoding="utf-8")
    holed = analyze_file(tmp_path / "hole.csv")
    assert next(note for note in holed.notes if note.key == "rows_dropped").text_en.startswith("1 rows")
    assert holed.gaps[0]["started_s"] == pytest.approx(30.0)
    (tmp_path / "other.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="no column map fits"):
        analyze_file(tmp_path / "other.csv")
    (tmp_path / "none.csv").write_text(lines[0] + "\n", encoding="utf-8")
    with pytest.raises(InputError, match="no samples"):
        analyze_file(tmp_path / "none.csv")


PACK = """\
pack: made-up-4s
title: {en: "4s", zh: "4串"}
chemistry: nmc
series: 4
rated_capacity: 50 Ah
rated_energy: 740 Wh
cell_full: 4.2 V
cell_cutoff: 2.8 V
temperature_sensors: 1
max_power: 1 kW
limits:
  pack_voltage_max: 17.2 V
  pack_voltage_min: 10 V
  cell_voltage_max: 4.25 V
  cell_voltage_min: 2.5 V
  charge_current_max: 50 A
  discharge_current_max: 50 A
  temperature_max: 55 degC
  temperature_min: 0 degC
  temperature_rate_max: 2 K/min
  cell_spread_max: 800 mV
"""


PROFILE = """profile: made-up
title: {en: "Made up", zh: "虚构"}
record: {dt: 5 s}
parameters: {end: 0.05 I1}
result: {capacity_of: discharge, temperature: [17 degC, 37 degC]}
steps:
  - loop:
      repeat: 5
      until: capacity within 3 % of rated for 2 cycles
      steps:
        - cccv_charge: {label: charge, current: 1 I3, voltage: pack_full, end_current: $end}
        - rest: {for: 30 min}
        - cc_discharge: {label: discharge, current: 1 I5, until: cell_min <= cell_cutoff}
        - profile: {label: after, use: inner}
  - set: {given: ah(discharge)}
"""
INNER = SourceFile(
    "inner.yaml",
    """profile: inner
title: {en: "Inner", zh: "内"}
steps:
  - rest: {for: 30 min}
""",
    "0" * 64,
)


@pytest.fixture(scope="module", params=["bdf-csv", "bdf-parquet"])
def own_export(request, tmp_path_factory):
    """The made-up run, stored and exported."""
    folder = tmp_path_factory.mktemp("own")
    run = made.made_up_run()
    bench = (ROOT / "configs/benches/sim-lv.yaml").read_text(encoding="utf-8")
    meta = make_meta(
        provenance=Provenance.EMULATED,
        profile=Source(name="made-up", text=PROFILE),
        pack=Source(name="made-up-4s", text=PACK),
        bench=Source(name="sim-lv", text=bench),
        extra=kept((UsedFile("inner", "", INNER),), (("end", "0.06 I1"),)),
    )
    store = RunStore.create(folder / "run.db", meta, Durability.PROCESS_SAFE)
    rows = run.rows
    store.append_rows(
        Row(
            round(rows.t_s[index] * 1e9), int(rows.step[index]), int(rows.cycle[index]), float(rows.voltage_v[index]),
            float(rows.voltage_v[index]), float(rows.current_a[index]), 0.0, 0.0, round(rows.t_s[index] * 1e9),
            rows.cell_voltages_v[index].copy(), (25.0,), None, None,
        )
        for index in range(len(rows))
    )  # fmt: skip
    last = run.steps[-1]
    rest = replace(last, number=last.number + 1, step=4, kind="rest", label="rest-discharged", charge_ah=0.0,
                   started_ns=last.ended_ns, ended_ns=last.ended_ns + 10**9)  # fmt: skip
    store.append_events([step_event(step) for step in (*run.steps, rest)])
    answers = [["whole", "Yes", "是"], ["damaged", "No", "否"]]
    store.append_events(
        [
            Event(0, "asked", {"label": "look", "prompt_en": "Whole?", "prompt_zh": "完好？", "answers": answers}),
            Event(0, "answered", {"label": "look", "word": "whole", "by": "李雷"}),
            Event(
                rest.ended_ns,
                "finished",
                {"verdict": "pass", "reason": "the profile's end", "reason_zh": "", "variables": [["given", 40.1]]},
            ),
        ]
    )
    store.seal()
    store.close()
    path = folder / f"own.{request.param.replace('-', '.')}"
    with RunReader.open(folder / "run.db") as reader:
        export_run(reader, request.param, path)
    return path


def test_our_own_export_is_the_run_it_was_uncertainty_included(own_export):
    result: Any = analyze_file(own_export)
    assert result.provenance == "emulated"
    assert result.verdict == "PASS", result.invalid_reasons
    assert result.capacity_ah.value == pytest.approx(40.1, abs=1e-3)
    assert result.capacity_ah.U > 0.0
    assert result.agreeing_cycles == (1, 2)
    assert result.weakest_cell.index == 3
    assert result.weakest_cell.margin_ah.value == pytest.approx(made.NEXT_AH, rel=0.03)
    assert result.pack == "made-up-4s"
    assert result.bench == "sim-lv"
    assert result.operator == "李雷"
    assert not result.releasing
    assert result.variables == {"given": Variable(40.1, "Ah")}
    assert result.parameters == {"end": "0.06 I1"}
    assert result.answers == (Answered("look", "Whole?", "完好？", "whole", "Yes", "是", "李雷"),)
    # The whole record's clock: the finish came a second after the last sample.
    assert result.end_reason == "the profile's end"


def test_a_changed_number_makes_our_export_an_imported_file(own_export, tmp_path):
    changed = tmp_path / own_export.name
    if own_export.suffix == ".csv":
        lines = own_export.read_text(encoding="utf-8").splitlines()
        fields = lines[100].split(",")
        fields[2] = str(float(fields[2]) + 0.001)
        lines[100] = ",".join(fields)
        changed.write_text("\n".join(lines) + "\n", encoding="utf-8")
        beside = own_export.with_suffix(".metadata.json")
        (tmp_path / beside.name).write_text(beside.read_text(encoding="utf-8"), encoding="utf-8")
    else:
        table = pq.read_table(own_export)
        place = table.column_names.index("Current / A")
        current = table.column(place).to_numpy().copy()
        current[100] += 0.001
        pq.write_table(table.set_column(place, table.schema.field(place), pa.array(current)), changed)
    result: Any = analyze_file(changed)
    assert result.provenance == "imported"
    assert result.notes[0].key == "changed_export"
    assert result.capacity_ah.U is None
