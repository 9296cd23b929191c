"""The expected course as a picture: it says what it is, keeps every peak, and stands any length of run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from packbench.core.errors import PackbenchError
from packbench.core.samples import FloatArray
from packbench.report.course import SERIES, Course, Line, Phase, Series, draw_course, write_course
from packbench.report.style import house_style
from packbench.report.texts import Lang

KINDS = ("cc_charge", "rest", "cccv_discharge", "pulse", "soak", "pause")


def course(seconds: float = 7200.0, steps: int = 5, series: int = 16) -> Course:
    t_s = np.linspace(0.0, seconds, 5001)
    wave = np.sin(t_s / seconds * 40)
    values: dict[Series, FloatArray] = {
        "voltage_v": 52 + wave,
        "current_a": 20 * np.sign(wave),
        "cell_min_v": 3.2 + 0.1 * wave,
        "cell_max_v": 3.3 + 0.1 * wave,
        "temperature_c": 25 + 10 * t_s / seconds,
        "chamber_c": np.full(t_s.size, np.nan),
    }
    edges = np.linspace(0.0, seconds, steps + 1)
    return Course(
        title="Expected",
        subtitle="pack",
        lines={name: (t_s[there := np.isfinite(values[name])], values[name][there]) for name in SERIES},
        phases=tuple(
            Phase(f"s{at}", KINDS[at % len(KINDS)], float(edges[at]), float(edges[at + 1])) for at in range(steps)
        ),
        series=series,
        cell_full_v=3.65,
        cell_cutoff_v=2.5,
        duration_s=seconds,
        made_with="Packbench 1.2.3",
    )


@pytest.fixture(autouse=True)
def style() -> Iterator[None]:
    with house_style("en"):
        yield


def words(figure: Figure) -> list[str]:
    """Everything that is written on the figure itself or in it."""
    inside = [text.get_text() for axes in figure.axes for text in axes.texts]
    legends = [text.get_text() for axes in figure.axes if (one := axes.get_legend()) for text in one.get_texts()]
    return [text.get_text() for text in figure.texts] + inside + legends


@pytest.mark.parametrize(
    ("lang", "mark", "note"), [("en", "SIMULATED", "no measurement"), ("zh", "模拟", "非实测数据")]
)
def test_it_says_that_nobody_measured_it(lang: Lang, mark: str, note: str) -> None:
    with house_style(lang):
        found = words(draw_course(course(), lang))
    assert mark in found
    assert any(note in text for text in found)
    assert "Packbench 1.2.3" in found
    assert "Expected" in found


def test_a_peak_of_one_sample_is_drawn_and_the_hottest_is_marked() -> None:
    drawn = course()
    t_s, current_a = drawn.lines["current_a"]
    current_a[1234] = 999.0
    t_s, temperature_c = drawn.lines["temperature_c"]
    temperature_c[3000] = 61.25
    figure = draw_course(drawn, "en")
    current = figure.axes[2].lines[0]
    assert np.max(current.get_ydata()) == 999.0
    marker = next(line for line in figure.axes[-1].lines if len(np.atleast_1d(line.get_xdata())) == 1)
    assert float(np.ravel(marker.get_xdata())[0]) == pytest.approx(t_s[3000] / 3600)
    assert "61.2\u00a0°C" in words(figure)


def test_a_single_cell_has_no_panel_of_cells() -> None:
    assert len(draw_course(course(series=16), "en").axes) == 1 + 4
    assert len(draw_course(course(series=1), "en").axes) == 1 + 3


@pytest.mark.parametrize(
    ("seconds", "unit", "last"),
    [(90.0, "s", 90.0), (1800.0, "min", 30.0), (7200.0, "h", 2.0), (1_209_600.0, "d", 14.0)],
)
def test_time_in_a_unit_that_fits(seconds: float, unit: str, last: float) -> None:
    figure = draw_course(course(seconds), "en")
    assert figure.axes[-1].get_xlabel() == f"Time / {unit}"
    assert figure.axes[-1].get_xlim() == pytest.approx((0.0, last))


def test_steps_are_named_where_there_is_room_and_merged_where_they_are_many() -> None:
    few = draw_course(course(steps=5), "en")
    assert {f"s{at}" for at in range(5)} <= set(words(few))
    assert {"charge", "rest", "discharge", "pulses and profiles", "soak"} <= set(words(few))
    assert "other" in words(draw_course(course(steps=6), "en"))
    many = draw_course(course(steps=60), "en")
    assert "s7" not in words(many)
    inner = replace(few_steps := course(steps=5), phases=(replace(few_steps.phases[0], label=f"{'long-' * 9}.cccv"),))
    assert "cccv" in words(draw_course(inner, "en")), "of a sub-profile's step, what fits"
    pulses = course(steps=3000)
    pulses = replace(pulses, phases=tuple(replace(phase, kind="pulse") for phase in pulses.phases))
    assert len(draw_course(pulses, "en").axes[0].patches) == 1, "one stretch of one kind"


def test_noise_does_not_fill_a_panel() -> None:
    drawn = course()
    t_s = drawn.lines["temperature_c"][0]
    still: Line = (t_s, 25.0 + 1e-3 * np.sin(t_s))
    low, high = draw_course(replace(drawn, lines={**drawn.lines, "temperature_c": still}), "en").axes[-1].get_ylim()
    assert high - low >= 2.0


def test_the_chamber_s_air_is_drawn_where_there_is_one() -> None:
    drawn = course()
    assert "chamber" not in words(draw_course(drawn, "en"))
    t_s = drawn.lines["voltage_v"][0]
    cold: Line = (t_s, np.full(t_s.size, -10.0))
    figure = draw_course(replace(drawn, lines={**drawn.lines, "chamber_c": cold}), "en")
    assert "chamber" in words(figure)
    assert figure.axes[-1].get_ylim()[0] < -10.0 < 35.0 < figure.axes[-1].get_ylim()[1]


def test_a_run_that_was_stopped_says_why() -> None:
    figure = draw_course(replace(course(), stopped="Cell 3 is too hot."), "en")
    assert any("Cell 3 is too hot." in text for text in words(figure))
    red = [line for line in figure.axes[1].lines if line.get_color() == "#b00020"]
    assert [float(np.ravel(line.get_xdata())[0]) for line in red] == [2.0]


def test_a_run_that_never_began_has_a_picture_too(tmp_path: Path) -> None:
    nothing: Line = (np.empty(0), np.empty(0))
    empty = replace(course(), lines=dict.fromkeys(SERIES, nothing), phases=(), duration_s=0.0, stopped="refused")
    write_course(empty, tmp_path / "a.svg", "en")
    assert (tmp_path / "a.svg").stat().st_size > 1000


def test_the_file_is_what_its_name_says(tmp_path: Path) -> None:
    write_course(course(), tmp_path / "a.png", "en")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    write_course(course(), tmp_path / "a.SVG", "en")
    assert "<svg" in (tmp_path / "a.SVG").read_text("utf-8")
    assert (tmp_path / "a.SVG").stat().st_size < 500_000
    with pytest.raises(PackbenchError, match="cannot be written"):
        write_course(course(), tmp_path / "no" / "a.png", "en")
