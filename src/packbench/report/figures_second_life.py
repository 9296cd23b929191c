"""The tornado of a value: as SVG for a page, as PNG for a file, as bars for a terminal.

Owns what is drawn and how it is labelled. Must not compute: every bar stands in the worth as it is.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from packbench.report.document import Drawn
from packbench.report.second_life_words import bar_text, money_text
from packbench.report.texts import Lang, text
from packbench.secondlife.value.worth import Bar, Worth

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BARS_MAX: Final = 12
_PNG_DPI: Final = 200
_WIDTH: Final = 44
"""Characters of the terminal's bars."""
_NAME_WIDTH: Final = 46


def shown_bars(worth: Worth) -> tuple[Bar, ...]:
    """The bars that are drawn: the largest, and none that moves nothing."""
    return tuple(bar for bar in worth.tornado if bar.span > 0.0)[:BARS_MAX]


def draw_tornado(worth: Worth, currency: str, lang: Lang) -> Drawn:
    """The tornado for a report's page."""
    from packbench.report.style import house_style, to_svg

    with house_style(lang):
        return Drawn("tornado", to_svg(_figure(worth, currency, lang)))


def tornado_png(worth: Worth, currency: str, lang: Lang) -> bytes:
    """The tornado as a picture on white; the same worth gives the same picture."""
    from packbench.report.style import house_style

    buffer = BytesIO()
    with house_style(lang):
        figure = _figure(worth, currency, lang)
        figure.savefig(buffer, format="png", dpi=_PNG_DPI, facecolor="white", metadata={"Software": "Packbench"})
    return buffer.getvalue()


def tornado_text(worth: Worth, lang: Lang) -> list[str]:
    """The tornado as lines of text: │ is the central net, ░ the low end's side, █ the high end's."""
    bars = shown_bars(worth)
    if not bars:
        return []
    central = _central(worth)
    ends = [central, *(end for bar in bars for end in (bar.net_at_low, bar.net_at_high))]
    least, width = min(ends), (max(ends) - min(ends)) or 1.0

    def place(value: float) -> int:
        return round((value - least) / width * (_WIDTH - 1))

    lines: list[str] = []
    for bar in bars:
        cells = [" "] * _WIDTH
        for end, mark in ((bar.net_at_low, "░"), (bar.net_at_high, "█")):
            low, high = sorted((place(central), place(end)))
            cells[low : high + 1] = mark * (high - low + 1)
        cells[place(central)] = "│"
        name = _padded(bar_text(bar, lang))
        lines.append(f"{name} {''.join(cells)} {money_text(bar.net_at_low)}…{money_text(bar.net_at_high)}")
    return lines


def _padded(name: str) -> str:
    """To a width of columns; a Chinese letter takes two."""
    taken = sum(2 if ord(letter) >= 0x2E80 else 1 for letter in name)
    return name + " " * max(_NAME_WIDTH - taken, 0)


def _central(worth: Worth) -> float:
    return worth.amounts["net" if "net" in worth.amounts else "value"].central


def _figure(worth: Worth, currency: str, lang: Lang) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    from packbench.report.style import BLUE, GRID, INK, MUTED, VERMILLION, WIDTH_IN, tidy

    bars, central, floor = shown_bars(worth), _central(worth), worth.amounts["material"].central
    figure = Figure(figsize=(WIDTH_IN, 0.95 + 0.24 * max(len(bars), 1)))
    axes = figure.add_subplot()
    tidy(axes)
    axes.grid(visible=False)
    axes.grid(visible=True, axis="x", color=GRID, linewidth=0.6)
    for row, bar in enumerate(bars):
        for end, colour in ((bar.net_at_low, VERMILLION), (bar.net_at_high, BLUE)):
            axes.barh(row, end - central, left=central, height=0.62, color=colour, alpha=0.85)
    axes.axvline(central, color=INK, linewidth=0.9)
    handles: list[Any] = [
        Patch(color=VERMILLION, alpha=0.85, label=text("tornado.low", lang)),
        Patch(color=BLUE, alpha=0.85, label=text("tornado.high", lang)),
    ]
    if "net" in worth.amounts:
        axes.axvline(floor, color=MUTED, linewidth=1.0, linestyle=(0, (1.5, 1.5)))
        label = text("tornado.floor", lang)
        handles.append(Line2D([], [], color=MUTED, linewidth=1.0, linestyle=(0, (1.5, 1.5)), label=label))
    axes.set_yticks(range(len(bars)), [bar_text(bar, lang) for bar in bars])
    axes.set_ylim(max(len(bars), 1) - 0.4, -0.6)
    axes.margins(x=0.03)
    axes.autoscale_view(scaley=False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7))
    axes.xaxis.set_major_formatter(FuncFormatter(_tick))
    axes.set_xlabel(text("tornado.net" if "net" in worth.amounts else "tornado.value", lang, currency=currency))
    axes.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False, borderaxespad=0.2
    )
    return figure


def _tick(value: float, _place: int | None) -> str:
    return money_text(value) if value else "0"
