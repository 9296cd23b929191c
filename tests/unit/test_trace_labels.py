"""Labels carry the code twice: as a symbol that reads back, and as text."""

from __future__ import annotations

import re

import pytest

from packbench.core.errors import InputError, PackbenchError
from packbench.trace.codes import labels
from packbench.trace.codes.labels import make_label, read_back, render, to_svg

CODE = "001PB005000001D7B0500007"


@pytest.mark.parametrize("symbology", ["qr", "datamatrix", "code128"])
def test_every_symbol_reads_back_from_every_file(symbology: str) -> None:
    label = make_label(CODE, symbology, (CODE, "PACK LFP"))  # type: ignore[arg-type]
    assert read_back(render(label, "png")) == [CODE]
    svg = render(label, "svg").decode()
    assert svg.count(f">{CODE}</text>") == 1
    assert read_back(labels._typeset(svg, label.size_mm, "png")) == [CODE]
    pdf = render(label, "pdf")
    assert pdf.startswith(b"%PDF-")
    assert read_back(_pdf_again_as_png(pdf, label.size_mm)) == [CODE]


def _pdf_again_as_png(pdf: bytes, size_mm: tuple[float, float]) -> bytes:
    """The page as typst draws a PDF that it is handed as an image."""
    import typst

    source = f'#set page(width: {size_mm[0]}mm, height: {size_mm[1]}mm, margin: 0pt)\n#image("l.pdf", width: 100%)'
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "l.pdf").write_bytes(pdf)
        (Path(folder) / "m.typ").write_text(source)
        made = typst.compile(Path(folder) / "m.typ", format="png", ppi=600, ignore_system_fonts=True)
    assert isinstance(made, bytes)
    return made


def test_a_damaged_symbol_is_not_given_out(monkeypatch: pytest.MonkeyPatch) -> None:
    label = make_label(CODE, "datamatrix", (CODE,))
    drawn = to_svg(label)
    monkeypatch.setattr(labels, "to_svg", lambda _: re.sub(r' d="[^"]*"', ' d=""', drawn))
    with pytest.raises(PackbenchError, match="does not read back"):
        render(label, "svg")


@pytest.mark.parametrize("code", ["", "电池", "a\nb"])
def test_what_a_symbol_cannot_carry_is_refused(code: str) -> None:
    with pytest.raises(InputError):
        make_label(code, "qr", ())


def test_markup_in_a_text_stays_text() -> None:
    assert "&lt;b&gt;" in to_svg(make_label(CODE, "qr", ("<b>",)))
