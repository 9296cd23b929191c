"""All four real exports: mean current x time against the counter, and everything that is missing is said."""

import hashlib
from pathlib import Path

import pytest

from packbench.analysis import steprules
from packbench.analysis.columns import load_columns
from packbench.analysis.importer import result_from_steps
from packbench.analysis.nebula import read_step_export

FOLDER = Path(__file__).parents[1] / "data" / "pulsebat"
MAP = str(Path(__file__).parents[2] / "configs/columns/nebula-workstep.yaml")
FILES = {
    # name: (CC steps longer than 60 s, capacity in Ah, rows that say nothing, program steps left out)
    "LMO_C_10_B_2_SOC_5-55_Part_1-1_ID_PIP15827A00221240": (12, 6.0513, 0, 0),
    "LMO_C_25_B_17_SOC_5-55_Part_1-1_ID_515091902419": (12, 15.8083, 1, 0),
    "LMO_C_25_B_24_SOC_5-75_Part_1-1_ID_515093002348": (16, 19.9145, 2, 0),
    "LMO_C_25_B_45_SOC_5-55_Part_1-1_ID_515093000552": (13, 15.1596, 1, 1),
}


@pytest.mark.parametrize("name", FILES)
def test_current_by_time_is_the_counter_and_missing_steps_are_reported(name: str) -> None:
    long_steps, capacity_ah, lost, left_out = FILES[name]
    path = FOLDER / f"{name}.xlsx"
    table = read_step_export(path, load_columns(MAP))
    checks = steprules.cross_checks(table)
    assert len(checks) == long_steps
    assert max(abs(check.deviation) for check in checks) <= 1e-3, [(each.number, each.deviation) for each in checks]
    result = result_from_steps(table, None)
    assert result.capacity_ah is not None
    assert result.capacity_ah.value == pytest.approx(capacity_ah, abs=1e-9)
    said = [gap["reason"] for gap in result.gaps]
    assert sum("says nothing" in reason for reason in said) == lost
    assert sum("is missing between" in reason for reason in said) >= left_out
    assert f"{len(said)} gaps" in next(note for note in result.notes if note.key == "gaps").text_en
    sums = (FOLDER / "SHA256SUMS").read_text(encoding="utf-8")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in sums
