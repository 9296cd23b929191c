"""Writes a report's files: the one entrance for the composition root.

Owns file names and the check that the optional packages are there. Must not choose content. Import
this module freely: matplotlib and typst are loaded only when a report is written.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from packbench.core.errors import PackbenchError
from packbench.report.inputs import ReportInputs
from packbench.report.json_out import result_to_json
from packbench.report.texts import Lang

HTML_NAME: Final = "report.html"
PDF_NAME: Final = "report.pdf"
RESULT_NAME: Final = "result.json"


class ReportExtraMissing(PackbenchError):
    """The packages that draw and typeset are optional and not installed."""

    def __init__(self, missing: list[str]) -> None:
        super().__init__(f"a report needs {' and '.join(missing)}, not installed here: pip install 'packbench[report]'")


def require_extra(*packages: str) -> None:
    """Raises ReportExtraMissing when one of these is not installed."""
    if missing := [name for name in packages if find_spec(name) is None]:
        raise ReportExtraMissing(missing)


def write_report(
    inputs: ReportInputs, out_dir: Path, lang: Lang, formats: Collection[str] = ("html", "pdf")
) -> dict[str, Path]:
    """Write the report into `out_dir` (made if need be) and return {"report_html", "report_pdf"} as asked.

    Raises ReportExtraMissing without the `report` extra, FontMissing when a Chinese report is asked
    for and no Chinese font is installed, PackbenchError when a file cannot be written.
    """
    require_extra("matplotlib", *(["typst"] if "pdf" in formats else []))
    from packbench.report.content import build_document
    from packbench.report.figures import draw_all
    from packbench.report.figures_diagnostics import draw_diagnostics

    drawn = draw_all(inputs.result, inputs.rows, lang, inputs.pack.cell_cutoff_v if inputs.pack else None)
    document = build_document(inputs, (*drawn, *draw_diagnostics(inputs.result, lang)), lang)
    written: dict[str, Path] = {}
    if "html" in formats:
        from packbench.report.html import render_html

        written["report_html"] = _write(out_dir / HTML_NAME, render_html(document).encode("utf-8"))
    if "pdf" in formats:
        from packbench.report.pdf import render_pdf

        # The paths of this machine are no part of the document that leaves it.
        attached = result_to_json(replace(inputs.result, paths={}))
        written["report_pdf"] = _write(out_dir / PDF_NAME, render_pdf(document, attached))
    return written


def _write(path: Path, content: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise PackbenchError(f"the report cannot be written to {path}: {error.strerror}") from error
    return path
