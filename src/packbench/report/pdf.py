"""The report as PDF, set by typst from template.typ beside this module.

Owns the call of the typesetter. Must not choose content, that is `content`. Data reaches the
template as JSON and never as markup, so no text from outside can change the layout. The file is
PDF/A-3b and carries result.json as an attachment: the figures travel with the paper.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, cast

import matplotlib as mpl
import typst

from packbench.core.errors import PackbenchError
from packbench.report.document import Block, Document
from packbench.report.fonts import cjk_font, families
from packbench.report.texts import Lang, text

_CHINESE: Final = re.compile("[\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]+")


class TypesettingFailed(PackbenchError):
    """typst refused the document: a fault of this program, not of the data."""


def render_pdf(document: Document, result_json: str) -> bytes:
    """The PDF's bytes. FontMissing when the language is Chinese and no Chinese font is installed.

    The same document gives the same bytes: the file's date is the run's end.
    """
    font = cjk_font()
    folders: Any = [Path(mpl.get_data_path()) / "fonts" / "ttf", *([font.file.parent] if font else [])]
    data = {**document_data(document), "fonts": families(document.lang)}
    if font is None:
        data = _without_chinese(data, document.lang)
    template = files("packbench.report").joinpath("template.typ").read_bytes()
    try:
        compiler = typst.Compiler(
            template,
            font_paths=folders,
            ignore_system_fonts=True,
            sys_inputs={"document": json.dumps(data), "result": result_json},
        )
        pdf = compiler.compile(format="pdf", pdf_standards="a-3b", timestamp=_timestamp(document.ended_at))
    except typst.TypstError as error:
        raise TypesettingFailed(f"the PDF could not be set: {error.message} {error.diagnostic}") from error
    if not isinstance(pdf, bytes):
        raise TypesettingFailed("the PDF could not be set: typst returned no single document")
    return pdf


def document_data(document: Document) -> dict[str, Any]:
    """The document as JSON types; each block says its type."""
    data = _plain(dataclasses.asdict(document))
    for section, shown in zip(data["sections"], document.sections, strict=True):
        section["blocks"] = [_block_data(block) for block in shown.blocks]
    return data


def _without_chinese(data: dict[str, Any], lang: Lang) -> dict[str, Any]:
    """For a machine without a Chinese font: names that cannot be printed are marked, and a note says why."""
    content = json.dumps(data, ensure_ascii=False)
    replaced, count = _CHINESE.subn("[Chinese text]", content)
    if not count:
        return data
    marked: dict[str, Any] = json.loads(replaced)
    marked["footnote"] = "\n".join(part for part in (data["footnote"], text("chinese_left_out", lang)) if part)
    return marked


def _block_data(block: Block) -> dict[str, Any]:
    return {"type": type(block).__name__.lower(), **_plain(dataclasses.asdict(block))}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in cast("dict[Any, Any]", value).items()}
    if isinstance(value, frozenset):
        return sorted(cast("frozenset[int]", value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in cast("Sequence[Any]", value)]
    return value


def _timestamp(ended_at: str) -> datetime:
    """The run's end; the epoch when it does not parse, never the clock."""
    try:
        return datetime.fromisoformat(ended_at).astimezone(UTC).replace(microsecond=0)
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)
