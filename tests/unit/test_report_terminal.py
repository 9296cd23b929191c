"""The live line and the summary: what a lab engineer sees, at 80 columns, in a pipe and in two languages."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from tests.unit import analysis_run as run_made
from tests.unit.test_report_data import IMPORTED, RESULT, TRIPPED

from packbench.report.terminal import LiveState, LiveView, cut, fit, live_lines, plain_line, step_table, summary
from packbench.report.texts import LANGS

STATE = LiveState("discharge", 7, "≤ 21", 316.62, -24.003, 2.801, 3.387, 27.1, -96.9, 2, 54321.2, 4821.3, 0.4313)


def shown(renderable, *, width: int = 80, colour: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=colour, no_color=not colour).print(renderable)
    return out.getvalue()


def test_the_live_line_says_what_was_asked():
    first, second = live_lines(STATE)
    for words in ("43 %", "step 7/≤ 21", "discharge", "cycle 2", "bench 15:05:21", "×4,821"):
        assert words in first
    for words in ("316.62 V", "−24.00 A", "2.801–3.387 V", "27.1 °C", "−96.90 Ah"):
        assert words in second
    assert "工步 7/≤ 21" in live_lines(STATE, "zh")[0]


@given(
    st.text(max_size=60),
    st.text(max_size=60),
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(min_value=0, max_value=1e7),
    st.sampled_from(LANGS),
    st.integers(10, 200),
)
def test_live_lines_never_get_wider_than_asked(label, message, value, bench_s, lang, width):
    label, message = " ".join(label.split()), " ".join(message.split())
    state = LiveState(label, 12, "≤ 21", value, value, value, None, value, value, 3, bench_s, 1e5, value, message)
    for line in (*live_lines(state, lang, width), plain_line(state, lang, width)):
        assert cell_len(line) <= width


def test_real_hardware_shows_no_speed_up():
    assert "×" not in live_lines(replace(STATE, speedup=1.0))[0]
    assert "×" not in live_lines(replace(STATE, speedup=None))[0]


def test_a_missing_reading_is_a_dash_and_not_a_zero():
    blind = replace(STATE, voltage_v=None, cell_min_v=float("nan"), cell_max_v=None)
    second = live_lines(blind)[1]
    assert "– V" in second and "–––" in second and "0.000" not in second


def test_a_weakest_cell_that_is_not_decided_is_not_simply_named():
    assert "not decided" not in shown(summary(RESULT))
    weakest = RESULT.weakest_cell
    assert weakest is not None
    unsure = replace(RESULT, weakest_cell=replace(weakest, decided=False, next_index=7))
    assert "not decided" in shown(summary(unsure), width=200)
    assert "尚不能确定" in shown(summary(unsure, "zh"), width=200)


def test_the_summary_has_the_diagnostics_that_matter_most():
    result = run_made.analysed(run_made.made_up_run())
    words = " ".join(shown(summary(result), width=200).split())
    assert "Efficiency coulombic" in words
    assert "Balance Cell 2 ended the charge and cell 3 the discharge" in words
    assert "效率 库仑" in " ".join(shown(summary(result, "zh"), width=200).split())


def test_into_a_pipe_one_line_a_step_and_a_modest_rate():
    out, now = io.StringIO(), [0.0]
    console = Console(file=out, width=80)
    with LiveView(console, "en", lambda: now[0]) as view:
        for tick in range(100):
            now[0] = 0.05 * tick
            view.update(replace(STATE, step_number=1 + tick // 50, bench_time_s=float(tick)))
    lines = out.getvalue().splitlines()
    assert len(lines) == 3, "one a step, and the last state"
    assert "step 2 discharge" in lines[1] and lines[2].startswith("0:01:39")
    assert "\x1b" not in out.getvalue()


def test_into_a_pipe_time_passing_prints_again():
    out, now = io.StringIO(), [0.0]
    with LiveView(Console(file=out, width=80), "en", lambda: now[0]) as view:
        view.update(STATE)
        assert not view.due()
        now[0] = 10.5
        assert view.due()
        view.update(STATE)
        assert len(out.getvalue().splitlines()) == 2


def test_on_a_terminal_the_line_is_redrawn_and_removed():
    out, now = io.StringIO(), [0.0]
    console = Console(file=out, width=80, force_terminal=True)
    with LiveView(console, "zh", lambda: now[0]) as view:
        for tick in range(5):
            now[0] = tick * 0.03
            view.update(STATE)
    drawn = out.getvalue()
    assert 1 <= drawn.count("工步 7/≤ 21") <= 3, "not every update is drawn"


@pytest.mark.parametrize("lang", LANGS)
def test_the_summary_fits_80_columns_and_has_every_figure(lang):
    words = shown(summary(RESULT, lang)).replace("\u00a0", " ")
    assert all(cell_len(line) <= 80 for line in words.splitlines())
    for figure in (
        "(97.01 ± 0.38) Ah",
        "k = 2.02",
        "(35.41 ± 0.17) kWh",
        "(80.84 ± 0.32) %",
        "(2.41 ± 0.33) Ah",
        "37",
        "(587.8 ± 2.3) mV",
        "28.4 °C",
        "96.98* / 97.04*",
        "15:15:52",
    ):
        assert figure in words
    assert {"en": "SIMULATED", "zh": "模拟"}[lang] in words
    assert {"en": "PASS", "zh": "合格"}[lang] in words
    assert "\x1b" not in words


@pytest.mark.parametrize(("lang", "reason"), [("en", "no cell may exceed 4.250 V"), ("zh", "超过单体上限 4.250 V")])
def test_a_trip_is_in_the_summary_once_in_the_reader_s_words(lang, reason):
    words = shown(summary(TRIPPED, lang), width=120)
    assert words.count(reason) == 1
    assert {"en": "ABORTED", "zh": "已中止"}[lang] in words


def test_an_imported_result_claims_no_uncertainty():
    words = shown(summary(IMPORTED)).replace("\u00a0", " ")
    assert "19.9145 Ah, no uncertainty stated" in words and "±" not in words
    assert "−19.9145" in shown(step_table(IMPORTED)), "the decimals of the cycler's own export"


@pytest.mark.parametrize("lang", LANGS)
def test_the_step_table_fits_80_columns(lang):
    words = shown(step_table(RESULT, lang))
    assert all(cell_len(line) <= 80 for line in words.splitlines())
    assert words.count("37 ≤ 2.8 V" if lang == "en" else "37 号 ≤ 2.8 V") == 2


def test_of_thousands_of_steps_the_longest_are_shown_in_order():
    pulses = tuple(replace(step, number=n + 1, duration_s=0.03 * (n % 7)) for n, step in enumerate(RESULT.steps * 300))
    pulses = (*pulses[:1000], replace(pulses[1000], duration_s=3600.0), *pulses[1001:])
    words = shown(step_table(replace(RESULT, steps=pulses)))
    assert len(words.splitlines()) < 120
    assert "1:00:00" in words and "the 50 longest of 2400 steps" in words
    numbers = [int(found) for found in re.findall(r"^ +(\d+) ", words, re.MULTILINE)]
    assert len(numbers) == 50 and numbers == sorted(numbers) and 1001 in numbers


def test_colours_are_there_when_wanted():
    assert "\x1b[1;32m" in shown(summary(RESULT), colour=True) or "\x1b[" in shown(summary(RESULT), colour=True)


def test_fit_and_cut_count_cells_not_letters():
    assert cell_len(fit("放电", 7)) == 7
    assert cell_len(cut("放电至截止电压", 8)) <= 8
    assert cut("short", 8) == "short"


def test_the_terminal_needs_no_drawing_packages():
    code = "import sys, packbench.report.terminal, packbench.report.json_out, packbench.report.build\n"
    code += "sys.exit(bool({'matplotlib', 'typst'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
