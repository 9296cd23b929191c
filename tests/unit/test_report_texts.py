"""Every text exists in both languages and fills in the same fields."""

from __future__ import annotations

import re
from string import Formatter

import pytest

from packbench.core.limits import LIMIT_NAMES
from packbench.core.samples import Provenance
from packbench.report.explain import end_reason_short, end_reason_words, sentence
from packbench.report.texts import TEXTS, name_of, text

CHINESE = re.compile("[\u4e00-\u9fff]")
SAME_IN_BOTH = {"product"}


@pytest.mark.parametrize("key", sorted(TEXTS))
def test_every_text_is_whole_in_both_languages(key):
    english, chinese = TEXTS[key]
    assert english.strip() and chinese.strip()
    assert not CHINESE.search(english)
    if key not in SAME_IN_BOTH and "{" not in chinese:
        assert CHINESE.search(chinese), f"{key} has no Chinese in its Chinese text"
    fields = [{name for _, name, _, _ in Formatter().parse(words) if name} for words in (english, chinese)]
    assert fields[0] == fields[1]


def test_every_provenance_and_verdict_has_its_words():
    for provenance in Provenance:
        assert f"provenance.{provenance}" in TEXTS
        assert f"provenance_note.{provenance}" in TEXTS
    assert [text(f"provenance.{one}", "zh") for one in Provenance] == ["实测", "仿真设备", "模拟", "导入"]
    for verdict in ("PASS", "FAIL", "INVALID", "ABORTED"):
        assert f"verdict.{verdict}" in TEXTS


def test_every_limit_has_a_name():
    for name in LIMIT_NAMES:
        assert f"limit.{name}" in TEXTS


def test_a_name_nobody_translated_still_prints():
    assert name_of("budget", "lunar_phase", "zh") == "lunar phase"


@pytest.mark.parametrize(
    ("reason", "cell", "english", "chinese"),
    [
        (
            "cell_min <= cell_cutoff",
            37,
            "the lowest cell reached its cut-off (cell 37)",
            "最低单体达到截止电压（37 号单体）",
        ),
        (
            "cell_min <= 2.8 V",
            37,
            "the lowest cell reached its cut-off of 2.8 V (cell 37)",
            "最低单体电压达到放电截止电压 2.8 V（37 号单体）",
        ),
        ("voltage <= 316 V", None, "the pack voltage fell to 316 V", "电池总压降至 316 V"),
        ("step_time >= 30 min", None, "the time of 30 min was over", "达到设定时间 30 min"),
        (
            "cell 12 at 4.2 V at the end current 6 A",
            12,
            "cell 12 held 4.2 V until the current had fallen to 6 A",
            "12 号单体保持在 4.2 V，电流降至 6 A",
        ),
        ("current <= 6 A at 403.2 V", None, "the current had fallen to 6 A at 403.2 V", "403.2 V 下电流降至 6 A"),
        ("the profile's end", None, "the profile ran to its end", "测试流程执行完毕"),
        ("something new", 3, "something new", "something new"),
    ],
)
def test_end_reasons_are_told_in_words(reason, cell, english, chinese):
    assert end_reason_words(reason, "en", cell) == english
    assert end_reason_words(reason, "zh", cell) == chinese


def test_short_end_reasons_name_the_cell():
    assert end_reason_short("cell_min <= cell_cutoff", "en", 37) == "cell 37 ≤ cut-off"
    assert end_reason_short("cell 12 at 4.2 V at the end current 6 A", "zh", 12) == "12 号 ≥ 4.2 V"
    assert end_reason_short("current <= 1.2491 A at 4.1999 V", "en") == "current ≤ 1.2491 A"
    assert end_reason_short("voltage >= pack_full", "en") == "voltage ≥ full charge voltage"


def test_sentence_ends_once():
    assert sentence("done", "en") == "Done."
    assert sentence("已完成。", "zh") == "已完成。"
