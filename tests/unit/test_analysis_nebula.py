"""The first real input: a Nebula work-step export of a retired cell, and files that are not one."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from packbench.analysis.columns import load_columns, parse_columns
from packbench.analysis.importer import analyze_file, result_from_steps
from packbench.analysis.nebula import clock_seconds, number_of, read_step_export, table_from_sheet
from packbench.config.pack import load_pack
from packbench.core.errors import InputError

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests/data/pulsebat/LMO_C_25_B_24_SOC_5-75_Part_1-1_ID_515093002348.xlsx"
MAP = ROOT / "configs/columns/nebula-workstep.yaml"


@pytest.fixture(scope="module")
def columns():
    return parse_columns(MAP.read_text(encoding="utf-8"), str(MAP))


@pytest.fixture(scope="module")
def result() -> Any:
    return analyze_file(FILE)


def lmo():
    path = ROOT / "configs/packs/lmo-25ah.yaml"
    return load_pack(path.read_text(encoding="utf-8"), str(path))


def test_the_one_c_discharge_of_the_real_cell(result):
    assert result.capacity_ah.value == pytest.approx(19.9145, abs=1e-9)
    assert result.energy_wh.value == pytest.approx(71.789, abs=1e-9)
    assert result.capacity_ah.U is None
    assert result.capacity_ah.k is None
    assert result.soh is None
    assert result.end_reason == "voltage <= 2.6995 V"
    assert (result.capacities_ah, result.agreeing_cycles) == ((19.9145,), (1,))
    assert result.provenance == "imported"
    assert result.verdict == "PASS"
    assert not result.releasing
    assert result.started_at == "2024-06-17T11:16:00.337+08:00"
    assert result.ended_at == "2024-06-18T15:04:59.621+08:00"
    assert len(result.steps) == 3033
    assert result.hashes["file"] == "67d714bbd87c4c683ee4c5c437416b39f989d30a64dd9531d20e51bce516d806"


def test_a_pack_gives_the_health_and_its_cut_offs():
    result: Any = analyze_file(FILE, pack=lmo())
    assert result.pack == "lmo-25ah"
    assert result.soh.value == pytest.approx(19.9145 / 25.0)
    assert result.soh.U is None
    assert result.soce.value == pytest.approx(71.789 / lmo().rated_energy_wh)
    assert "no_rated_capacity" not in {note.key for note in result.notes}


def test_a_pack_of_other_voltages_finds_no_full_discharge():
    result = analyze_file(FILE, pack=replace(lmo(), cell_cutoff_v=2.5))
    assert result.capacity_ah is None
    assert result.verdict == "INVALID"
    assert result.invalid_reasons == ("no discharge from full to the lower cut-off was found",)


def test_the_end_reasons_of_the_first_steps(result):
    reasons = {step.number: step.end_reason for step in result.steps}
    assert reasons[1] == "step_time >= 30 s"
    assert reasons[2] == "current <= 1.2491 A at 4.1999 V"
    assert reasons[4] == "voltage <= 2.6995 V"
    assert reasons[6] == "step_time >= 180 s"
    assert reasons[2448] == "voltage >= 4.2019 V"  # a 5 s pulse cut short
    assert reasons[2852] == "manual jump (手动跳转)"
    assert not [number for number, reason in reasons.items() if "undecided" in reason]


def test_discharge_is_negative_and_durations_are_seconds(result):
    discharge = result.steps[3]
    assert discharge.charge_ah == pytest.approx(-19.9145)
    assert discharge.energy_wh == pytest.approx(-71.789)
    assert discharge.duration_s == pytest.approx(2867.7)
    assert discharge.kind == "cc_discharge"
    assert discharge.label == "放电 DC"
    assert discharge.temperature_max_c == 36.0


def test_missing_steps_lost_rows_pauses_and_idle_time_are_all_reported(result):
    reasons = [gap["reason"] for gap in result.gaps]
    assert "row 2974 says nothing (0.0)" in reasons
    assert "row 2994 says nothing (0.0)" in reasons
    assert "program step 145 is missing between steps 2972 and 2973" in reasons
    assert "program step 165 is missing between steps 2991 and 2992" in reasons
    assert "55066.9 s without a step before step 1218" in reasons
    assert "step 2872 counts 0.12 s, the wall clock 9.0 s more: paused" in reasons
    assert len(reasons) == 14
    assert all(gap["reason_zh"] for gap in result.gaps)


def test_mean_current_times_time_is_checked_against_the_counter(result):
    note = next(note for note in result.notes if note.key == "cross_check")
    assert "16 constant-current steps" in note.text_en
    assert "worst +0.012 % at step 2834" in note.text_en


def test_a_counter_that_disagrees_is_reported(columns):
    sheet = real_sheet()
    head = sheet[0]
    sheet[4][head.index("放电容量(Ah)")] = -20.0
    table = table_from_sheet(sheet, columns, "x.xlsx", "")
    notes = {note.key: note.text_en for note in result_from_steps(table, None).notes}
    assert "cross_check" not in notes
    assert "4 (-0.42 %)" in notes["cross_check_failed"]


def test_unsigned_counters_and_durations_with_a_third_colon_read_the_same(columns):
    sheet = real_sheet()
    head = sheet[0]
    for row in sheet[1:]:
        for name in ("放电容量(Ah)", "放电能量(Wh)"):
            row[head.index(name)] = abs(row[head.index(name)])
        place = head.index("持续时间(h:min:s:ms)")
        row[place] = row[place].replace(".", ":")
    changed = table_from_sheet(sheet, columns, FILE.name, "")
    assert changed.steps == table_from_sheet(real_sheet(), columns, FILE.name, "").steps


def real_sheet(rows=40) -> Any:
    return [list(row) for row in CalamineWorkbook.from_path(FILE).get_sheet_by_index(0).to_python()[:rows]]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:25:12.200", 1512.2),
        ("00:25:12:200", 1512.2),
        ("100:00:00.000", 360000.0),
        ("0:0:0:030", 0.03),
        ("25:12", None),
        ("00:61:00", None),
        ("00:00:61.0", None),
        ("", None),
        ("a:b:c", None),
        ("-1:00:00", None),
        ("00:00:1e1", 10.0),
    ],
)
def test_durations_as_text(text, seconds):
    assert clock_seconds(text) == (None if seconds is None else pytest.approx(seconds))


def test_numbers_as_text():
    assert number_of(" 4.2 ") == 4.2
    assert number_of(True) is None
    assert number_of("nan") is None
    assert number_of("4,2") is None


def refused(path, *words, columns=None):
    with pytest.raises(InputError) as caught:
        analyze_file(path, columns)
    problem = caught.value.problems[0]
    assert problem.file == str(path)
    for word in words:
        assert word in str(problem)
    return caught.value.problems


def test_what_is_not_such_a_file_is_refused_with_found_and_expected(tmp_path):
    refused(tmp_path / "none.xlsx", "no such file")
    refused(tmp_path, "found a folder")
    empty = tmp_path / "empty.xlsx"
    empty.write_bytes(b"")
    refused(empty, "found 0 bytes", "expected an Excel workbook")
    text = tmp_path / "text.xlsx"
    text.write_text("工步序号,步次\n1,1\n", encoding="utf-8")
    refused(text, "not a readable workbook", "found something else", "expected an Excel workbook")
    cut = tmp_path / "cut.xlsx"
    cut.write_bytes(FILE.read_bytes()[:50_000])
    refused(cut, "not a readable workbook", "damaged")
    other = tmp_path / "run.txt"
    other.write_text("x", encoding="utf-8")
    refused(other, "no column map fits", "found other headers")


def test_other_headers_are_all_named_at_once(columns):
    with pytest.raises(InputError) as caught:
        table_from_sheet([["Step", "Mode", "Capacity"], [1, "CC", 2]], columns, "neware.xlsx", "")
    assert {problem.field for problem in caught.value.problems} == columns.required
    first = str(caught.value.problems[0])
    assert "found 'Step', 'Mode', 'Capacity'" in first
    assert "工步序号" in first


def test_unreadable_cells_are_named_with_row_and_column(columns):
    sheet = real_sheet()
    sheet[3][sheet[0].index("起始电流(A)")] = "n/a"
    sheet[5][sheet[0].index("持续时间(h:min:s:ms)")] = "long"
    sheet[6][sheet[0].index("状态")] = "搁置"
    with pytest.raises(InputError) as caught:
        table_from_sheet(sheet, columns, "x.xlsx", "")
    places = [(problem.line, problem.field, problem.found) for problem in caught.value.problems]
    assert places == [(4, "current_start", "'n/a'"), (6, "duration", "'long'"), (7, "kind", "'搁置'")]


def test_a_sheet_with_headers_alone_or_nothing_is_refused(columns):
    with pytest.raises(InputError, match="no steps"):
        table_from_sheet(real_sheet(1), columns, "x.xlsx", "")
    with pytest.raises(InputError, match="the sheet is empty"):
        table_from_sheet([], columns, "x.xlsx", "")


def test_a_map_of_ones_own_can_be_given(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text(MAP.read_text(encoding="utf-8").replace("工步序号", "序号"), encoding="utf-8")
    refused(FILE, "header not found", "'序号'", columns=str(own))
    assert load_columns(str(MAP)).name == "nebula-workstep"


def test_mistakes_in_a_map_are_found_together():
    text = MAP.read_text(encoding="utf-8")
    text = text.replace("header: 起始电压(V), unit: V", "header: 起始电压(V), unit: A")
    text = text.replace('utc_offset: "+08:00"', 'utc_offset: "China"')
    with pytest.raises(InputError) as caught:
        parse_columns(text, "own.yaml")
    assert [problem.field for problem in caught.value.problems] == ["utc_offset", "fields.voltage_start.unit"]
    with pytest.raises(InputError, match="did you mean 'number'"):
        parse_columns(text.replace("  number: {header: 工步序号} ", "  nomber: {header: 工步序号} "), "own.yaml")


def test_half_a_megabyte_is_read_whole():
    table = read_step_export(FILE, load_columns(str(MAP)))
    assert len(table.steps) == 3033


def test_the_copy_in_the_project_says_where_it_is_from_and_under_which_licence():
    sums = (FILE.parent / "SHA256SUMS").read_text(encoding="utf-8")
    assert f"67d714bbd87c4c683ee4c5c437416b39f989d30a64dd9531d20e51bce516d806  {FILE.name}" in sums
    assert "MIT License" in (FILE.parent / "LICENSE").read_text(encoding="utf-8")
