"""Files of several makers in the header forms their maps state: the same test reads the same from each."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from packbench.analysis.importer import analyze_file
from packbench.analysis.samples.maps import all_sample_maps
from packbench.analysis.samples.reading import read_samples
from packbench.core.errors import InputError

DT_S = 10.0
STEPS = (("rest", 0.0, 60), ("discharge", -2.0, 900), ("rest", 0.0, 60), ("charge", 2.0, 1200), ("cv", 2.0, 300),
         ("rest", 0.0, 60), ("discharge", -2.0, 1500))  # fmt: skip
"""(kind, A, s): the last discharge begins full and ends empty."""
CHARGE_AH = -2.0 * 1500.0 / 3600.0


def course() -> list[dict[str, Any]]:
    """Rows of the test as it was: a state at the start and the end of each step, counters reset each step."""
    found: list[dict[str, Any]] = []
    t_s = 0.0
    v = 3.6
    for number, (kind, current_a, seconds) in enumerate(STEPS, start=1):
        count = int(seconds / DT_S)
        moved = energy = 0.0
        before_a = before_v = None
        for k in range(count + 1):
            a = current_a * (1.0 - 0.9 * k / count) if kind == "cv" else current_a
            v = {"rest": 3.6, "discharge": 4.0 - 1.2 * k / count, "charge": 3.0 + 1.2 * k / count, "cv": 4.2}[kind]
            if before_a is not None and before_v is not None:
                moved += 0.5 * (a + before_a) * DT_S / 3600.0
                energy += 0.5 * (a * v + before_a * before_v) * DT_S / 3600.0
            before_a, before_v = a, v
            found.append({"kind": kind, "t": t_s + k * DT_S, "in": k * DT_S, "a": a, "v": v, "ah": moved, "wh": energy,
                          "step": number, "cycle": 1, "n": len(found) + 1})  # fmt: skip
        t_s += seconds
    return found


def clock(t_s: float) -> str:
    return f"{int(t_s // 3600):02d}:{int(t_s // 60 % 60):02d}:{t_s % 60:06.3f}"


def neware_zh() -> bytes:
    word = {"rest": "静置", "discharge": "恒流放电", "charge": "恒流充电", "cv": "恒压充电"}
    lines = ["数据序号,循环号,工步号,工步类型,时间,总时间,电流(mA),电压(V),容量(Ah),能量(Wh),绝对时间"]
    lines += [
        f"{r['n']},1,{r['step']},{word[r['kind']]},{clock(r['in'])},{clock(r['t'])},{r['a'] * 1000:.3f},{r['v']:.5f},"
        f"{abs(r['ah']):.6f},{abs(r['wh']):.6f},2026-03-01 09:{int(r['t'] // 60 % 60):02d}:{int(r['t'] % 60):02d}"
        for r in course()
    ]
    return "\r\n".join(lines).encode("gb18030")


def neware_unsigned_en() -> bytes:
    word = {"rest": "Rest", "discharge": "CC DChg", "charge": "CC Chg", "cv": "CV Chg"}
    lines = [
        "DataPoint,Cycle Index,Step Index,Step Type,Time,Total Time,Current(A),Voltage(V),Chg. Cap.(Ah),DChg. Cap.(Ah)"
    ]
    lines += [
        f"{r['n']},1,{r['step']},{word[r['kind']]},{clock(r['in'])},{clock(r['t'])},{abs(r['a']):.5f},{r['v']:.5f},"
        f"{max(r['ah'], 0):.6f},{max(-r['ah'], 0):.6f}"
        for r in course()
    ]
    return ("\ufeff" + "\n".join(lines)).encode()


def arbin() -> bytes:
    lines = ["Data_Point,Test_Time(s),Date_Time,Step_Time(s),Step_Index,Cycle_Index,Current(A),Voltage(V)"]
    lines[0] += (
        ",Charge_Capacity(Ah),Discharge_Capacity(Ah),Charge_Energy(Wh),Discharge_Energy(Wh),Aux_Temperature_1(C)"
    )
    charged = discharged = 0.0
    before: dict[str, Any] = {"step": 0, "ah": 0.0}
    for r in course():
        moved = r["ah"] - (before["ah"] if before["step"] == r["step"] else 0.0)
        charged, discharged = charged + max(moved, 0.0), discharged + max(-moved, 0.0)
        before = r
        date = f"2026-03-01 {9 + int(r['t'] // 3600):02d}:{int(r['t'] // 60 % 60):02d}:{r['t'] % 60:06.3f}"
        lines.append(f"{r['n']},{r['t']:.4f},{date},{r['in']:.4f},{r['step']},1,{r['a']:.6f},{r['v']:.6f},"
                     f"{charged:.6f},{discharged:.6f},0,0,25.{r['n'] % 10}")  # fmt: skip
    return "\n".join(lines).encode()


def maccor() -> bytes:
    state = {"rest": "R", "discharge": "D", "charge": "C", "cv": "C"}
    lines = ["Today's Date\t03/01/2026", "Filename:\tC:\\data\\cell.001\tProcedure:\tcap", "",
             "Rec#\tCyc#\tStep\tTestTime\tStepTime\tAmp-hr\tWatt-hr\tAmps\tVolts\tState\tES\tDPt Time"]  # fmt: skip
    lines += [
        f"{r['n']}\t1\t{r['step']}\t0d {clock(r['t'])}\t0d {clock(r['in'])}\t{abs(r['ah']):.6f}\t{abs(r['wh']):.6f}\t"
        f"{abs(r['a']):.6f}\t{r['v']:.6f}\t{state[r['kind']]}\t1\t03/01/2026 9:{int(r['t'] // 60 % 60):02d}:00"
        for r in course()
    ]
    return "\n".join(lines).encode()


def nebula() -> bytes:
    word = {"rest": "静置", "discharge": "放电 DC", "charge": "充电 CC", "cv": "充电 CC-CV"}
    lines = [
        "记录序号\t工步序号\t循环\t状态\t测试时间(h:min:s.ms)\t电压(mV)\t电流(A)\t充电容量(Ah)\t放电容量(Ah)\t温度1(℃)"
    ]
    lines += [
        f"{r['n']}\t{r['step']}\t1\t{word[r['kind']]}\t{clock(r['t'])}\t{r['v'] * 1000:.2f}\t{r['a']:.5f}\t"
        f"{max(r['ah'], 0):.6f}\t{max(-r['ah'], 0):.6f}\t25.0"
        for r in course()
    ]
    return "\n".join(lines).encode("gb18030")


def pack_log() -> bytes:
    lines = ["Time(s);Voltage(V);Current(A);CAN1_V2;CAN1_V1;CAN1_V10;CAN1_T1"]
    lines += [
        f"{r['t']:.1f};{r['v']:.4f};{r['a']:.4f};{r['v'] - 0.01:.4f};{r['v']:.4f};"
        f"{999999 if r['n'] == 5 else round(r['v'] + 0.01, 4)};25"
        for r in course()
        if r["in"] > 0.0 or r["n"] == 1
    ]
    return "\n".join(lines).encode()


def bdf() -> bytes:
    lines = ["Test Time / s,Voltage / V,Current / A,Step Count / 1,Step Net Capacity / Ah"]
    lines += [f"{r['t']},{r['v']},{r['a']},{r['step']},{r['ah']}" for r in course()]
    return "\n".join(lines).encode()


def workbook(sheets: dict[str, list[list[str | float]]]) -> bytes:
    """A minimal .xlsx: texts inline, numbers as numbers."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    numbers = range(1, len(sheets) + 1)
    named = zip(sheets, numbers, strict=True)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        + "".join(f'<Override PartName="/xl/{k}.xml" ContentType="{kind}.worksheet+xml"/>' for k in numbers)
        + "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{k}" r:id="r{k}"/>' for name, k in named)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        + "".join(f'<Relationship Id="r{k}" Type="{office}/worksheet" Target="{k}.xml"/>' for k in numbers)
        + "</Relationships>",
    }
    for k, rows in zip(numbers, sheets.values(), strict=True):
        body = "".join("<row>" + "".join(map(cell, row)) + "</row>" for row in rows)
        parts[f"xl/{k}.xml"] = f'<worksheet xmlns="{main}"><sheetData>{body}</sheetData></worksheet>'
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return made.getvalue()


def cell(value: str | float) -> str:
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{value}</t></is></c>'
    return f"<c><v>{value!r}</v></c>"


def neware_xlsx() -> bytes:
    """The record sheet behind two others; step numbers as numbers, some quantities as texts, as BTSDA writes them."""
    lines = [line.split(",") for line in neware_zh().decode("gb18030").splitlines()]
    rows: list[list[str | float]] = [list(lines[0])]
    rows += [[float(r[0]), float(r[1]), float(r[2]), r[3], r[4], r[5], *r[6:8], float(r[8]), *r[9:]] for r in lines[1:]]
    unit: list[list[str | float]] = [["起始时间", "2026-03-01"], ["条码", "A1"]]
    step: list[list[str | float]] = [["循环号", "工步号", "工步类型"], [1.0, 1.0, "静置"]]
    return workbook({"unit": unit, "step": step, "record": rows})


FORMS: dict[str, tuple[str, Any]] = {
    "neware-zh.csv": ("neware-record", neware_zh),
    "neware-en.csv": ("neware-record", neware_unsigned_en),
    "neware.xlsx": ("neware-record", neware_xlsx),
    "arbin.csv": ("arbin", arbin),
    "maccor.txt": ("maccor", maccor),
    "nebula.txt": ("nebula-record", nebula),
    "pack.csv": ("can-pack-log", pack_log),
    "bdf.csv": ("bdf", bdf),
}


def written(folder: Path, name: str) -> Path:
    path = folder / name
    path.write_bytes(FORMS[name][1]())
    return path


@pytest.mark.parametrize("name", FORMS)
def test_one_test_reads_the_same_from_every_makers_file(tmp_path: Path, name: str) -> None:
    result: Any = analyze_file(written(tmp_path, name))
    assert result.profile == FORMS[name][0]
    assert FORMS[name][0] in next(note for note in result.notes if note.key == "column_map").text_en
    assert result.capacity_ah.value == pytest.approx(-CHARGE_AH, rel=0.008 if name == "pack.csv" else 1e-4)
    assert result.capacity_ah.U is None
    counters = [note for note in result.notes if note.key.startswith("counter")]
    assert not [note for note in counters if "differs" in note.key or "not_understood" in note.key], counters
    assert bool(counters) == (name != "pack.csv")
    assert not result.gaps
    if name != "pack.csv":
        assert [step.kind for step in result.steps] == [
            "rest", "cc_discharge", "rest", "cc_charge", "cccv_charge", "rest", "cc_discharge"]  # fmt: skip


def test_cells_come_in_the_order_of_their_numbers_and_sentinels_are_no_numbers(tmp_path: Path) -> None:
    table = read_samples(written(tmp_path, "pack.csv"), all_sample_maps())
    assert table is not None
    assert table.cell_names == ("CAN1_V1", "CAN1_V2", "CAN1_V10")
    assert np.flatnonzero(np.isnan(table.rows.cell_voltages_v[:, 2])).tolist() == [4]
    assert table.rows.cell_voltages_v[0].tolist() == pytest.approx([3.6, 3.59, 3.61])
    assert table.rows.temperatures_c.shape == (len(table.rows), 1)


def test_instants_duplicates_and_gaps(tmp_path: Path) -> None:
    path = written(tmp_path, "neware-zh.csv")
    table = read_samples(path, all_sample_maps())
    assert table is not None
    assert table.started_at == "2026-03-01T09:00:00.000+08:00"
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:50], lines[49], *lines[50:300], *lines[320:]]))
    result: Any = analyze_file(path)
    assert "duplicates" in {note.key for note in result.notes}
    assert [gap["ended_s"] - gap["started_s"] for gap in result.gaps] == pytest.approx([210.0])


def test_a_counter_that_is_wrong_is_reported_with_both_figures(tmp_path: Path) -> None:
    path = written(tmp_path, "bdf.csv")
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    body = [[*row[:4], str(float(row[4]) * (1.02 if row[3] == "7" else 1.0))] for row in rows[1:]]
    path.write_text("\n".join(",".join(row) for row in [rows[0], *body]), encoding="utf-8")
    result: Any = analyze_file(path)
    said = next(note for note in result.notes if note.key == "counter_differs_capacity").text_en
    assert "7 (-0.85 against -0.83333 Ah, -2.00 %)" in said
    assert result.capacity_ah.value == pytest.approx(-CHARGE_AH, rel=1e-9)


def test_a_gap_in_the_counted_discharge_ends_validity(tmp_path: Path) -> None:
    path = written(tmp_path, "bdf.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([*lines[:-60], *lines[-30:]]), encoding="utf-8")
    result: Any = analyze_file(path)
    assert result.verdict == "INVALID"
    assert "what flowed in them is unknown" in result.invalid_reasons[0]
    assert result.capacity_ah.value == pytest.approx(-CHARGE_AH - 2.0 * 310.0 / 3600.0, rel=1e-6)


def test_a_word_or_a_number_that_does_not_fit_is_named_by_row(tmp_path: Path) -> None:
    path = written(tmp_path, "maccor.txt")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\tD\t", "\tX\t", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"maccor.txt:12.*'X'.*expected one of C, D"):
        analyze_file(path)
    path.write_text(text.replace("3.600000", "3.6v", 3), encoding="utf-8")
    with pytest.raises(InputError, match=r"maccor.txt:5.*voltage.*'3.6v'.*expected a number"):
        analyze_file(path)


def test_a_row_that_is_cut_is_named_with_its_text(tmp_path: Path) -> None:
    path = written(tmp_path, "nebula.txt")
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([*lines[:40], lines[40][:6], *lines[41:]]))
    with pytest.raises(InputError, match=r"a row is cut or garbled.*3 fields.*expected 10 fields"):
        analyze_file(path)
