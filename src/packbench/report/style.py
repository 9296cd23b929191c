"""The look of the figures: colours, type, axes. One place, so that all figures are one family.

Owns appearance. Must not know what is drawn. Colours are those of Okabe and Ito (2008), told apart
by people with any colour vision deficiency; each also differs in lightness or line style, so that
a black-and-white print still reads.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from io import BytesIO
from typing import Any, Final, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from packbench.report.fonts import families
from packbench.report.texts import Lang

INK: Final = "#1c2733"
MUTED: Final = "#5f6b78"
GRID: Final = "#e4e8ec"
SHADE: Final = "#f3f5f8"
BLUE: Final = "#0072B2"
SKY: Final = "#56B4E9"
GREEN: Final = "#009E73"
VERMILLION: Final = "#D55E00"
PURPLE: Final = "#8d4a7d"
PALE: Final = "#c3ccd5"

WIDTH_IN: Final = 7.0
"""The text width of the A4 page: type in figures prints at its true size."""

_SETTINGS: Final[dict[str, Any]] = {
    "svg.fonttype": "path",
    "svg.hashsalt": "packbench",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.unicode_minus": True,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 3.0,
    "ytick.major.size": 0.0,
    "lines.linewidth": 1.0,
    "lines.solid_capstyle": "round",
    "lines.solid_joinstyle": "round",
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.h_pad": 0.03,
    "figure.constrained_layout.hspace": 0.03,
    "axes.formatter.useoffset": False,
}


@contextmanager
def house_style(lang: Lang) -> Generator[None]:
    """Draw inside this: the house settings, and a font that has the language's letters.

    FontMissing when the language is Chinese and no Chinese font is installed.
    """
    with mpl.rc_context(cast("Any", {**_SETTINGS, "font.family": families(lang)})):
        yield


def tidy(axes: Axes) -> None:
    """Take away what carries no data: two spines, and give a light horizontal grid."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(visible=True, axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.margins(x=0)


def to_svg(figure: Figure) -> str:
    """The figure as SVG text without a date: the same figure gives the same bytes.

    Path coordinates are cut to hundredths of a point, which no printer can show; the file shrinks
    to about a half.
    """
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": "Packbench"})
    svg = buffer.getvalue().decode("utf-8")
    return _PATH_DATA.sub(lambda match: f' d="{_LONG_FRACTION.sub(_shorten, match[1])}"', svg)


_PATH_DATA: Final = re.compile(r' d="([^"]*)"')
_LONG_FRACTION: Final = re.compile(r"-?\d+\.\d{3,}")


def _shorten(match: re.Match[str]) -> str:
    return f"{float(match[0]):.2f}"
