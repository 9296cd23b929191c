"""Finding a Chinese font and telling what to install when there is none.

Owns the search for the font file. It exists because a font that is looked up by name fails
silently: a stale font cache, or a machine without CJK fonts, gives a report full of empty boxes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from matplotlib import font_manager

from packbench.core.errors import PackbenchError
from packbench.report.texts import Lang

FALLBACK_FAMILY: Final = "DejaVu Sans"

_FILE_NAMES: Final = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansSC-Regular.otf",
    "NotoSansSC-Regular.ttf",
    "SourceHanSansSC-Regular.otf",
    "SourceHanSansCN-Regular.otf",
)
"""In order of preference; all the same design under two names."""


class FontMissing(PackbenchError):
    """A Chinese report was asked for on a machine that has no Chinese font."""

    def __init__(self) -> None:
        super().__init__(
            "a Chinese report needs the font Noto Sans CJK, which this machine lacks: apt-get install fonts-noto-cjk"
        )


@dataclass(frozen=True, slots=True)
class CjkFont:
    """An installed Chinese font: its file and the family name to ask for."""

    file: Path
    family: str


@lru_cache(maxsize=1)
def cjk_font() -> CjkFont | None:
    """The simplified Chinese sans font of this machine, registered with matplotlib; None without one.

    The file is added explicitly: matplotlib's cache of fonts may be older than the font. A
    collection registers all its faces; the simplified Chinese one is taken where it is told apart.
    """
    found = {Path(path).name: Path(path) for path in font_manager.findSystemFonts()}
    path = next((found[name] for name in _FILE_NAMES if name in found), None)
    if path is None:
        return None
    font_manager.fontManager.addfont(str(path))
    families = [entry.name for entry in font_manager.fontManager.ttflist if Path(entry.fname) == path]
    return CjkFont(path, next((name for name in families if name.endswith("SC")), families[-1]))


def families(lang: Lang) -> list[str]:
    """Font families in order of preference. FontMissing when Chinese is asked for and there is none.

    The Chinese font's Latin letters serve English too, so that both languages look the same and a
    Chinese name in an English report prints. DejaVu Sans comes with matplotlib: it is always there.
    """
    font = cjk_font()
    if font is None and lang == "zh":
        raise FontMissing
    return [*([font.family] if font else []), FALLBACK_FAMILY]
