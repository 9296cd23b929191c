"""What a profile says by itself on the page and in the terminal: read-outs, questions, its own verdict."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rich.console import Console
from tests.unit.test_report_data import RESULT, STEPS, make_inputs

from packbench.core.result import Answered, ReadOutResult, Result, Variable
from packbench.report.content import build_document
from packbench.report.content_profile import variable_facts
from packbench.report.content_tables import step_reason
from packbench.report.document import Document, Table
from packbench.report.html import render_html
from packbench.report.inputs import no_columns
from packbench.report.json_out import result_from_json, result_to_json
from packbench.report.numbers import quantity
from packbench.report.terminal import step_table, summary
from packbench.report.texts import Lang

LOOK = Answered("look", "Is the case whole?", "外壳是否完好？", "damaged", "No, damaged", "损坏", "Li (--answer)")
READ = (ReadOutResult(1, 10.0, 3.4, -20.0, 0.0045), ReadOutResult(3, 0.5, 380.25, 7.5, None))
PULSES = replace(STEPS[0], label="ladder.pulse", kind="pulse", cycle=3, read_outs=READ)
DCIR = replace(
    RESULT,
    subject="profile",
    capacity_ah=None,
    energy_wh=None,
    soh=None,
    soce=None,
    weakest_cell=None,
    cell_spread_v=None,
    steps=(PULSES, *STEPS[1:]),
    variables={"resistance_10s": Variable(0.0123, "ohm"), "leak.slope": Variable(-2e-8, "V/s")},
    parameters={"rate": "0.4C"},
    answers=(LOOK,),
)
REJECTED = replace(
    DCIR,
    verdict="FAIL",
    end_reason="the case is damaged",
    end_reason_zh="外壳损坏",
    steps=(),
    variables={},
    trips=(),
)


def document(result: Result, lang: Lang = "en") -> Document:
    return build_document(replace(make_inputs(), result=result, rows=no_columns()), (), lang)


def tables(shown: Document, key: str) -> list[Table]:
    blocks = [block for section in shown.sections if section.key == key for block in section.blocks]
    return [block for block in blocks if isinstance(block, Table)]


def terminal(*renderables: object) -> str:
    console = Console(width=80, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        for one in renderables:
            console.print(one)
    return captured.get()


def test_a_run_without_a_capacity_shows_what_it_found_instead() -> None:
    shown = document(DCIR)
    assert shown.title == "Test report"
    assert [(fact.label, fact.value) for fact in shown.facts] == [
        ("resistance 10s", "12.3\u00a0mΩ"),
        ("leak · slope", "−0.072\u00a0mV/h"),
    ]
    (values,) = tables(shown, "read_outs")
    assert values.rows == (("resistance 10s", "12.3\u00a0mΩ"), ("leak · slope", "−0.072\u00a0mV/h"))
    (pulses,) = tables(shown, "pulses")
    assert pulses.rows == (
        ("ladder.pulse", "3", "1", "10", "3.4000", "−20.00", "4.500"),
        ("ladder.pulse", "3", "3", "0.5", "380.25", "7.50", "–"),
    )
    assert ("Parameter rate", "0.4C") in tables(shown, "identity")[0].rows


def test_in_chinese_too() -> None:
    shown = document(DCIR, "zh")
    assert shown.title == "测试报告"
    titles = {section.key: section.title for section in shown.sections}
    assert (titles["read_outs"], titles["pulses"], titles["questions"]) == ("试验读数", "脉冲读数", "操作员确认")
    (questions,) = tables(shown, "questions")
    assert questions.rows == (("外壳是否完好？", "损坏", "Li (--answer)"),)


def test_a_run_about_a_capacity_leads_with_it_and_shows_the_rest_below() -> None:
    shown = document(replace(RESULT, variables=DCIR.variables))
    assert shown.title == "Residual capacity test report"
    assert shown.facts[0].label == "Residual capacity"
    assert len(tables(shown, "read_outs")[0].rows) == 2


@pytest.mark.parametrize(("lang", "words"), [("en", "The case is damaged."), ("zh", "外壳损坏。")])
def test_a_profiles_own_fail_stands_beside_the_verdict(lang: Lang, words: str) -> None:
    shown = document(REJECTED, lang)
    assert shown.verdict_note == words
    assert shown.facts == ()
    page = render_html(shown)
    assert page.count(words) == 2, "beside the verdict, and how it ended"
    assert 'class="facts' not in page
    assert words in terminal(summary(REJECTED, lang))
    assert terminal(step_table(REJECTED, lang)).strip() == "", "no step, no table"


def test_a_fail_by_the_profiles_bound_keeps_the_usual_words() -> None:
    shown = document(replace(RESULT, verdict="FAIL"))
    assert shown.verdict_note == "The result is valid and does not meet what the profile requires."


def test_the_terminal_lists_the_read_outs() -> None:
    printed = terminal(summary(DCIR))
    assert "resistance 10s" in printed and "12.3\u00a0mΩ" in printed
    assert "Residual capacity" not in printed


def test_read_outs_and_answers_come_back_from_result_json() -> None:
    assert result_from_json(result_to_json(DCIR)) == DCIR


def test_many_pulses_are_cut_and_it_says_so() -> None:
    many = replace(DCIR, steps=(replace(PULSES, read_outs=READ * 200),))
    (pulses,) = tables(document(many), "pulses")
    assert len(pulses.rows) == 240
    assert "the first 240 of 400 read-outs" in pulses.note


def test_variables_keep_the_order_in_which_they_were_set() -> None:
    result = replace(DCIR, variables={"b": Variable(1.0, "1"), "a": Variable(2.0, "")})
    assert [(fact.label, fact.value) for fact in variable_facts(result)] == [("b", "1"), ("a", "2")]


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.00123, "ohm", "1.23 mΩ"),
        (2.5, "ohm", "2.5 Ω"),
        (4.7e6, "ohm", "4.7 MΩ"),
        (0.05, "V", "50 mV"),
        (-348.58, "V", "−348.58 V"),
        (0.02, "Ah", "20 mAh"),
        (52600.0, "Wh", "52.6 kWh"),
        (24.3, "degC", "24.3 °C"),
        (0.3, "1", "0.3"),
        (5400.0, "s", "1:30:00"),
        (7.0, "", "7"),
        (0.0, "A", "0 A"),
    ],
)
def test_a_figure_is_shown_in_a_unit_of_fitting_size(value: float, unit: str, shown: str) -> None:
    assert quantity(value, unit) == shown.replace(" ", "\u00a0")


@pytest.mark.parametrize(
    ("changes", "short", "english", "chinese"),
    [
        ({"end_reason": "answered whole"}, "“whole”", "the operator answered “whole”", "操作员回答“whole”"),
        (
            {"end_reason": "every sensor within 2 K of 25 degC for 3600 s"},
            "25 °C ± 2 K",
            "every sensor had been within 2 K of 25 °C for 3600 s",
            "所有传感器在 25 °C ± 2 K 内保持 3600 s",
        ),
        ({"end_reason": "the waveform's end"}, "its last piece", "the waveform ran to its end", "波形执行完毕"),
        (
            {"end_reason": "cell_max >= 4.1 V and step_time >= 10 min"},
            "highest cell ≥ 4.1 V and 10 min",
            "the highest cell reached its limit of 4.1 V, and the time of 10 min was over",
            "最高单体电压达到限值 4.1 V，且达到设定时间 10 min",
        ),
        (
            {"end_reason": "|dV/dt| <= 0.1 mV/min"},
            "|dV/dt| ≤ 0.1 mV/min",
            "|dV/dt| ≤ 0.1 mV/min",
            "|dV/dt| ≤ 0.1 mV/min",
        ),
        ({"end_reason": "cell_12 >= 3.6 V"}, "cell 12 ≥ 3.6 V", "cell 12 ≥ 3.6 V", "12 号 ≥ 3.6 V"),
        # A formula's bound, from what was reached and what that was past it.
        (
            {"end_reason": "step_ah >= 0.1 * $capacity - ah(pulse)", "charge_ah": -2.5012, "overshoot": 0.0012},
            "charge ≥ 2.5 Ah",
            "2.5 Ah had flowed in this step",
            "本工步电量达到 2.5 Ah",
        ),
        (
            {"end_reason": "step_time >= $rest", "duration_s": 1800.2, "overshoot": 0.2},
            "30 min",
            "the time of 30 min was over",
            "达到设定时间 30 min",
        ),
        (
            {"end_reason": "voltage <= $low", "voltage_end_v": 3.398, "overshoot": 0.002},
            "voltage ≤ 3.4 V",
            "the pack voltage fell to 3.4 V",
            "电池总压降至 3.4 V",
        ),
        ({"end_reason": "insulation <= 2 * $least"}, *["isolation ≤ 2 * $least"] * 2, "绝缘电阻 ≤ 2 * $least"),
        ({"end_reason": "step down: $low has no value"}, *["step down: $low has no value"] * 3),
    ],
)
def test_why_a_step_ended(changes: dict[str, object], short: str, english: str, chinese: str) -> None:
    step = replace(STEPS[0], end_cell=None, **changes)
    result = replace(RESULT, steps=(step,), trips=())
    assert step_reason(step, result, "en", short=True) == short
    assert step_reason(step, result, "en") == english
    assert step_reason(step, result, "zh") == chinese
