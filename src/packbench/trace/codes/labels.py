"""Labels: a code as QR or Data Matrix with the text that a person reads, as SVG, PNG or PDF.

Owns the drawing (one SVG; PNG and PDF are set from it). zxing-cpp makes the symbol and reads it back: no label is
given out that does not read as its code. The carriers are those of GB/T 34014: QR (GB/T 18284), Data Matrix
(ISO/IEC 16022), Code 128 (GB/T 15425).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, cast
from xml.sax.saxutils import escape

from packbench.core.errors import InputError, PackbenchError, Problem

Symbology = Literal["qr", "datamatrix", "code128"]
SYMBOLOGIES: Final[dict[str, str]] = {"qr": "QRCode", "datamatrix": "DataMatrix", "code128": "Code128"}
FORMATS: Final = ("svg", "png", "pdf")
TEXT_MM: Final = 2.6
"""Cap height and spacing follow from it; readable at arm's length."""
_QUIET: Final[dict[str, int]] = {"qr": 4, "datamatrix": 2, "code128": 10}
"""Empty modules around the symbol (ISO/IEC 18004: 4, 16022: 1, 15417: 10)."""
_BAR_MODULES: Final = 24
"""Height of a Code 128 in modules."""
_PNG_PPI: Final = 600
_CHARACTER_WIDTH: Final = 0.61
"""Of DejaVu Sans Mono, in text sizes."""
_MM_PER_PT: Final = 25.4 / 72


@dataclass(frozen=True, slots=True)
class Label:
    """One label before it is a file."""

    code: str
    symbology: Symbology
    lines: tuple[str, ...]
    """What a person reads below the symbol, ASCII."""
    modules: tuple[tuple[bool, ...], ...]
    """Dark is True; without the quiet zone."""
    module_mm: float

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height."""
        quiet = _QUIET[self.symbology]
        wide = (len(self.modules[0]) + 2 * quiet) * self.module_mm
        text_mm = max((len(line) for line in self.lines), default=0) * TEXT_MM * _CHARACTER_WIDTH + 2
        high = (len(self.modules) + 2 * quiet) * self.module_mm + len(self.lines) * TEXT_MM * 1.35 + 1
        return max(wide, text_mm), high


def make_label(code: str, symbology: Symbology, lines: tuple[str, ...], module_mm: float = 0.5) -> Label:
    """The label of a code. Raises InputError for characters that the symbol or the text cannot carry."""
    if not code or not code.isascii() or not code.isprintable():
        raise InputError(Problem("", field="code", found=repr(code), expected="printable ASCII characters"))
    zxing = _zxing()
    format_ = getattr(zxing.BarcodeFormat, SYMBOLOGIES[symbology])
    # Q restores a quarter of the symbol: labels on packs are scratched and oily.
    more: dict[str, Any] = {"qr": {"ec_level": "Q"}, "datamatrix": {"force_square": True}}.get(symbology, {})
    try:
        barcode = zxing.create_barcode(code, format_, **more)
    except (ValueError, RuntimeError) as error:
        raise InputError(Problem("no symbol", field="code", found=repr(code), expected=str(error))) from error
    image = _numbers(barcode.to_image(scale=1, add_quiet_zones=False))
    modules = tuple(tuple(value < 128 for value in row) for row in image)
    if symbology == "code128":
        modules = (modules[0],) * _BAR_MODULES
    return Label(code, symbology, tuple(line for line in lines if line.isascii()), modules, module_mm)


def to_svg(label: Label) -> str:
    """One path of dark modules, and text that can be searched."""
    width, height = label.size_mm
    quiet, size = _QUIET[label.symbology], label.module_mm
    left = (width - len(label.modules[0]) * size) / 2
    path: list[str] = []
    for y, row in enumerate(label.modules):
        x = 0
        while x < len(row):
            run = next((end for end in range(x, len(row)) if row[end] != row[x]), len(row)) - x
            if row[x]:
                path.append(
                    f"M{_n(left + x * size)} {_n((quiet + y) * size)}h{_n(run * size)}v{_n(size)}h-{_n(run * size)}z"
                )
            x += run
    top = (len(label.modules) + 2 * quiet) * size
    texts = [
        f'<text x="{_n(width / 2)}" y="{_n(top + (index + 0.8) * TEXT_MM * 1.35)}">{escape(line)}</text>'
        for index, line in enumerate(label.lines)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}mm" height="{_n(height)}mm" '
        f'viewBox="0 0 {_n(width)} {_n(height)}">\n'
        f"<title>{escape(label.code)}</title>\n"
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#fff"/>\n'
        f'<path d="{"".join(path)}" fill="#000" shape-rendering="crispEdges"/>\n'
        f'<g font-family="DejaVu Sans Mono, monospace" font-size="{TEXT_MM}" text-anchor="middle" fill="#000">'
        f"{''.join(texts)}</g>\n</svg>\n"
    )


def render(label: Label, format_: str) -> bytes:
    """The label's file. Raises PackbenchError when what was drawn does not read as the code."""
    svg = to_svg(label)
    png = _typeset(svg, label.size_mm, "png")
    if label.code not in read_back(png):
        raise PackbenchError(f"the label of {label.code} does not read back: nothing was written")
    if format_ == "svg":
        return svg.encode()
    return png if format_ == "png" else _typeset(svg, label.size_mm, "pdf")


def read_back(png: bytes) -> list[str]:
    """The texts of every symbol on a picture of 8-bit grey or colour, in no order."""
    import io

    import matplotlib.image as images
    import numpy as np

    picture = np.asarray(images.imread(io.BytesIO(png), format="png"), dtype=np.float64)
    if picture.ndim == 3:
        picture = picture[:, :, :3].mean(axis=2)
    grey = np.ascontiguousarray((picture * 255).astype(np.uint8))
    return [str(each.text) for each in _zxing().read_barcodes(grey)]


def _typeset(svg: str, size_mm: tuple[float, float], format_: str) -> bytes:
    """Have typst set the SVG on a page of its own size: its fonts are built in, so every machine gives the same."""
    try:
        import typst
    except ImportError as error:
        raise PackbenchError("PNG and PDF labels need the extra: pip install 'packbench[report]'") from error
    width, height = size_mm
    source = (
        f"#set page(width: {width / _MM_PER_PT:.4f}pt, height: {height / _MM_PER_PT:.4f}pt, margin: 0pt)\n"
        '#set document(date: none)\n#image(bytes(sys.inputs.svg), format: "svg", width: 100%)\n'
    )
    try:
        compiler = typst.Compiler(source.encode(), ignore_system_fonts=True, sys_inputs={"svg": svg})
        made = compiler.compile(format=cast("Any", format_), ppi=_PNG_PPI)
    except typst.TypstError as error:
        raise PackbenchError(f"the label could not be set: {error.message}") from error
    assert isinstance(made, bytes)
    return made


def _zxing() -> Any:
    try:
        import zxingcpp
    except ImportError as error:
        raise PackbenchError("labels need the extra: pip install 'packbench[trace]'") from error
    return zxingcpp


def _numbers(image: Any) -> list[list[int]]:
    import numpy as np

    return np.array(image).tolist()


def _n(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
