"""The HTML and PDF files: what they hold, in both languages, for good, tripped and imported results."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from tests.unit.test_report_data import (
    BUDGET,
    COLUMNS,
    RESULT,
    TRIPPED,
    imported_inputs,
    make_inputs,
    tripped_inputs,
)

from packbench.core.errors import PackbenchError
from packbench.core.result import Contribution
from packbench.report import build, fonts
from packbench.report.build import write_report
from packbench.report.content import build_document
from packbench.report.document import Document, Table
from packbench.report.figures import _time_unit, draw_all, sorted_budget
from packbench.report.html import render_html
from packbench.report.inputs import ReportInputs
from packbench.report.json_out import result_from_json
from packbench.report.pdf import render_pdf
from packbench.report.texts import LANGS, Lang

BOTH = ["en", "zh"]


@pytest.fixture(autouse=True, scope="module")
def chinese_font() -> None:
    """Half of these tests are about Chinese pages: without a font they fail, and say how to get one."""
    assert fonts.cjk_font() is not None, "no Chinese font: apt-get install fonts-noto-cjk"


PAGE = re.compile(rb"/Type\s*/Page\b(?!s)")


def document_of(inputs: ReportInputs, lang: Lang, *, figures: bool = False) -> Document:
    return build_document(inputs, draw_all(inputs.result, inputs.rows, lang, 2.8) if figures else (), lang)


class Page(HTMLParser):
    """Text and outside references of a page; complains of tags left open."""

    VOID = {"meta", "br", "img", "link"}

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.stack: list[str] = []
        self.references: list[str | None] = []
        self.images = 0

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.stack.append(tag)
        self.images += tag == "img"
        assert tag not in {"script", "iframe", "link", "object"}
        self.references += [value for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] != "style":
            self.text.append(data)


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    assert not page.stack
    assert all((reference or "").startswith("data:image/svg+xml;base64,") for reference in page.references)
    return page


def words_of(html: str) -> str:
    return " ".join(read(html).text).replace("\u00a0", " ")


@pytest.mark.parametrize("lang", BOTH)
def test_the_html_tells_the_whole_result(lang):
    html = render_html(document_of(make_inputs(), lang, figures=True))
    words = words_of(html)
    figures = (
        "97.01 Ah", "± 0.38 Ah", "35.41 kWh", "80.84 %", "81.23 %", "587.8 mV", "(2.41 ± 0.33) Ah", "k = 2.02",
        RESULT.run_id, RESULT.serial, "Li Wei", "EA-2409170033", "CNAS L0579 2026-03181", "2027-03-17",
        "9f86d081884c7d65", "0.1.0", "4.25 V", "168", "96.982",
    )  # fmt: skip
    for figure in figures:
        assert figure in words, figure
    assert read(html).images == 4
    assert words.count({"en": "SIMULATED", "zh": "模拟"}[lang]) >= 4


def test_an_overdue_certificate_is_called_overdue():
    assert "overdue" in words_of(render_html(document_of(make_inputs(), "en")))
    later = tuple(replace(one, due_on="2026-11-24") for one in make_inputs().instruments)
    assert "overdue" not in words_of(render_html(document_of(replace(make_inputs(), instruments=later), "en")))


@pytest.mark.parametrize(
    ("lang", "said"),
    [("en", "no cell may exceed 4.250 V"), ("zh", "超过单体上限 4.250 V")],
)
def test_a_trip_is_a_red_box_before_the_figures(lang, said):
    html = render_html(document_of(tripped_inputs(), lang))
    words = words_of(html)
    assert 'class="alarm"' in html and html.index('class="alarm"') < html.index('class="facts ')
    assert words.count(said) == 1
    assert {"en": "ABORTED", "zh": "已中止"}[lang] in words
    for fact in ("1:30:27", "4.263 V", "4.25 V", "cell_over_voltage / sensor.weak_cell"):
        assert fact in words
    assert "0:48:20" in words, "the gap is listed"


@pytest.mark.parametrize(
    ("lang", "said", "not_said"), [("en", "Keep away", "was opened"), ("zh", "请勿靠近", "接触器已断开")]
)
def test_a_bench_that_is_not_at_rest_is_never_said_to_be(lang, said, not_said):
    inputs = tripped_inputs()
    welded = ({**inputs.result.trips[0], "rule": "contactor_not_open", "fault_id": "power.weld"},)
    words = words_of(render_html(document_of(replace(inputs, result=replace(inputs.result, trips=welded)), lang)))
    assert said in words
    assert not_said not in words


def test_only_measured_data_has_no_watermark():
    for provenance, mark in (("emulated", "EMULATED"), ("simulated", "SIMULATED"), ("imported", "IMPORTED")):
        document = document_of(make_inputs(replace(RESULT, provenance=provenance)), "en")
        assert document.watermark == mark
        assert f'<div class="watermark" aria-hidden="true"><span>{mark}' in render_html(document)
    measured = document_of(make_inputs(replace(RESULT, provenance="measured")), "en")
    assert measured.watermark is None
    assert 'class="watermark"' not in render_html(measured)


def test_the_watermark_repeats_on_printed_pages():
    # A fixed box is what browsers repeat on every printed page.
    html = render_html(document_of(make_inputs(), "en"))
    rule = re.search(r"\.watermark \{(.*?)\}", html, re.DOTALL)
    assert rule is not None and "position: fixed" in rule[1]


def test_an_imported_result_says_that_nothing_is_known_of_its_uncertainty():
    words = words_of(render_html(document_of(imported_inputs(), "en")))
    assert "19.9145 Ah" in words and "uncertainty not stated" in words
    assert "±" not in words
    assert "No instruments are on record" in words and "there are no curves" in words
    assert "Nobody stated the accuracy" in words


def test_text_from_outside_cannot_become_markup():
    evil = '<script>alert("x")</script>'
    result = replace(RESULT, serial=evil, operator=evil, end_reason=evil, hashes={evil: evil})
    html = render_html(document_of(replace(make_inputs(result), pack_title=evil, profile_title_en=evil), "en"))
    assert "<script" not in html
    assert words_of(html).count('alert("x")') >= 5


def test_figures_are_the_same_bytes_twice_and_small():
    first, second = (draw_all(RESULT, COLUMNS, "en", 2.8) for _ in range(2))
    assert first == second
    assert [one.key for one in first] == ["overview", "spread", "end", "budget"]
    for one in first:
        assert "<dc:date>" not in one.svg
        assert len(one.svg) < 400_000
    assert first[2].cycle == 2


def test_figures_without_data_are_left_out():
    assert draw_all(imported_inputs().result, imported_inputs().rows, "en") == ()
    keys = [one.key for one in draw_all(TRIPPED, tripped_inputs().rows, "en")]
    assert keys == ["overview", "spread"], "no discharge ended, so there is no end to show"
    blind = replace(COLUMNS, cells_v=np.empty((COLUMNS.t_s.size, 0)), temperature_max_c=COLUMNS.t_s * np.nan)
    assert [one.key for one in draw_all(RESULT, blind, "en")] == ["overview", "budget"]


def test_a_single_cell_has_no_spread_and_still_an_end():
    one_cell = replace(COLUMNS, cells_v=COLUMNS.cells_v[:, :1])
    result = replace(RESULT, weakest_cell=None)
    assert [one.key for one in draw_all(result, one_cell, "en")] == ["overview", "end", "budget"]


def test_without_a_capacity_no_discharge_counts_and_none_is_shown():
    keys = [one.key for one in draw_all(replace(RESULT, capacity_ah=None), COLUMNS, "en")]
    assert keys == ["overview", "spread"]


@pytest.mark.parametrize(("length_s", "unit"), [(40.0, "s"), (1200.0, "min"), (51_000.0, "h")])
def test_a_time_axis_has_a_unit_that_fits_its_length(length_s, unit):
    assert _time_unit(length_s)[1] == unit


def test_the_budget_is_sorted_and_its_shares_add_up():
    many = (*BUDGET, *(Contribution(f"c{number}", 0.001, None, correlated=False) for number in range(8)))
    shown = sorted_budget(many)
    sizes = [line.standard_u for line, _share in shown]
    assert len(shown) == 10 and shown[-1][0].name == "other"
    assert sizes[:9] == sorted(sizes[:9], reverse=True)
    assert sum(share for _line, share in shown) == pytest.approx(1.0)


def streams(pdf: bytes) -> list[bytes]:
    """The content of every compressed stream; what follows its end is left out."""
    starts = [match.end() for match in re.finditer(rb"FlateDecode[^\0]{0,400}?>>\s*stream\r?\n", pdf)]
    return [zlib.decompressobj().decompress(pdf[start:]) for start in starts]


@pytest.mark.parametrize(
    ("inputs", "lang", "pages"),
    [
        (make_inputs(), "en", 4),
        (make_inputs(), "zh", 4),
        (tripped_inputs(), "en", 3),
        (imported_inputs(), "en", 2),
    ],
    ids=["whole-en", "whole-zh", "tripped-en", "imported-en"],
)
def test_the_pdf_has_its_pages_and_carries_the_result(tmp_path: Path, inputs, lang, pages):
    pdf = write_report(inputs, tmp_path, lang, formats=("pdf",))["report_pdf"].read_bytes()
    assert pdf.startswith(b"%PDF-1.7") and pdf.rstrip().endswith(b"%%EOF")
    found = len(PAGE.findall(pdf))
    # Without the Chinese font English text is set wider, and may need one page more.
    assert found == pages or (fonts.cjk_font() is None and found == pages + 1)
    assert b"pdfaid:part>3" in pdf
    attached = [part for part in streams(pdf) if part.startswith(b'{\n  "provenance"')]
    assert len(attached) == 1
    assert result_from_json(attached[0]) == replace(inputs.result, paths={})


def test_every_pdf_page_that_is_not_measured_has_its_watermark_three_times():
    # The mark is the only thing turned by 24 degrees: its matrix holds cos 24 = 0.9135.
    for provenance, times in (("simulated", 3), ("measured", 0)):
        inputs = make_inputs(replace(RESULT, provenance=provenance))
        pdf = render_pdf(document_of(inputs, "en"), "{}")
        turned = [len(re.findall(rb"\b0?\.9135\d* -?0?\.4067", stream)) for stream in streams(pdf)]
        assert sum(count > 0 for count in turned) == (len(PAGE.findall(pdf)) if times else 0)
        assert {count for count in turned if count} == ({times} if times else set())


def test_the_same_report_is_the_same_bytes(tmp_path: Path):
    paths = [write_report(make_inputs(), tmp_path / name, "en") for name in "ab"]
    for kind in ("report_html", "report_pdf"):
        assert paths[0][kind].read_bytes() == paths[1][kind].read_bytes()


def test_without_a_chinese_font_the_reader_is_told_what_to_install(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(fonts, "cjk_font", lambda: None)
    with pytest.raises(PackbenchError, match="apt-get install fonts-noto-cjk"):
        write_report(make_inputs(), tmp_path, "zh")
    assert not list(tmp_path.iterdir())


def test_an_english_pdf_without_a_chinese_font_marks_what_it_cannot_print(monkeypatch):
    import packbench.report.pdf as pdf_module

    shown: list[str] = []

    class Compiler:
        def __init__(self, template, *, sys_inputs, **_rest):
            shown.append(sys_inputs["document"])

        def compile(self, **_rest):
            return b"%PDF"

    monkeypatch.setattr(fonts, "cjk_font", lambda: None)
    monkeypatch.setattr(pdf_module, "cjk_font", lambda: None)
    monkeypatch.setattr(pdf_module.typst, "Compiler", Compiler)
    render_pdf(document_of(imported_inputs(), "en"), "{}")
    data = json.loads(shown[0])
    steps = next(section for section in data["sections"] if section["key"] == "steps")
    labels = [row[1] for row in steps["blocks"][0]["rows"]]
    assert labels == ["[Chinese text]\nCC discharge"]
    assert "install fonts-noto-cjk" in data["footnote"]
    assert data["fonts"] == ["DejaVu Sans"]


def test_without_the_extra_the_reader_is_told_what_to_install(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(build, "find_spec", lambda name: None if name == "typst" else object())
    with pytest.raises(PackbenchError, match=r"typst.*pip install 'packbench\[report\]'"):
        write_report(make_inputs(), tmp_path, "en")


def test_a_folder_that_cannot_be_written_is_an_error_in_words(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PackbenchError, match="cannot be written"):
        write_report(imported_inputs(), tmp_path / "file", "en", formats=("html",))


@pytest.mark.parametrize("lang", LANGS)
def test_every_table_row_is_as_long_as_its_head(lang):
    for inputs in (make_inputs(), tripped_inputs(), imported_inputs()):
        for section in build_document(inputs, (), lang).sections:
            for block in section.blocks:
                if isinstance(block, Table):
                    assert {len(row) for row in block.rows} == {len(block.columns)}, section.key
