"""The report as one HTML file that needs nothing else: no script, no network, no other file.

Owns the markup and the style sheet (report.css beside this module). Must not choose content, that
is `content`. Every string from outside is escaped here and nowhere else. Figures are embedded as
images, so that their identifiers cannot collide and no script inside one could run.
"""

from __future__ import annotations

import base64
from html import escape
from importlib.resources import files
from typing import Final

from packbench.report.document import Alarm, Block, Column, Document, Fact, Paragraph, Picture, Section, Table

_WIDE_COLUMNS: Final = 8
_SHORT_ROWS: Final = 14
"""A table up to this length stays on one printed page."""


def render_html(document: Document) -> str:
    """The whole page."""
    css = files("packbench.report").joinpath("report.css").read_text(encoding="utf-8")
    language = "zh-CN" if document.lang == "zh" else "en"
    sections = "\n".join(_section(section) for section in document.sections)
    return f"""<!DOCTYPE html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="generator" content="{escape(document.made_with)}">
<title>{escape(document.title)} · {escape(document.run_id)}</title>
<style>
{css}
</style>
</head>
<body>
{_watermark(document)}
<main>
{_header(document)}
{_headline(document)}
{sections}
<footer><span>{escape(document.made_with)}</span>
<span>{escape(document.run_label)} {escape(document.run_id)}</span></footer>
</main>
</body>
</html>
"""


def _watermark(document: Document) -> str:
    if document.watermark is None:
        return ""
    word = escape(document.watermark)
    return f'<div class="watermark" aria-hidden="true"><span>{word}</span><span>{word}</span><span>{word}</span></div>'


def _header(document: Document) -> str:
    mark = "" if document.watermark is None else " not-measured"
    facts = "".join(
        f"<div><dt>{_text(fact.label)}</dt><dd>{_text(fact.value)}</dd></div>" for fact in document.identity
    )
    return f"""<header>
<p class="product">{escape(document.made_with)} · {escape(document.run_label)}
<code>{escape(document.run_id)}</code></p>
<h1>{escape(document.title)}</h1>
<p class="subtitle">{escape(document.subtitle)}</p>
<p class="provenance{mark}"><strong>{escape(document.provenance)}</strong> {escape(document.provenance_note)}</p>
<dl class="identity">{facts}</dl>
</header>"""


def _headline(document: Document) -> str:
    facts = "".join(_fact(fact, "" if position else "lead") for position, fact in enumerate(document.facts))
    shown = f'<div class="facts {document.verdict_tone}">{facts}</div>' if facts else ""
    alarms = "\n".join(_alarm(alarm) for alarm in document.alarms)
    footnote = f'<p class="note">{escape(document.footnote)}</p>' if document.footnote else ""
    return f"""<section class="headline" id="result">
<div class="verdict {document.verdict_tone}"><span class="word">{escape(document.verdict)}</span>
<span class="meaning">{escape(document.verdict_note)}</span></div>
{alarms}
{shown}
{footnote}
</section>"""


def _fact(fact: Fact, extra: str) -> str:
    note = f'<p class="fact-note">{_text(fact.note)}</p>' if fact.note else ""
    return (
        f'<div class="fact {extra}"><p class="fact-label">{_text(fact.label)}</p>'
        f'<p class="fact-value">{_text(fact.value)}</p>{note}</div>'
    )


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="{escape(section.key)}">\n<h2>{escape(section.title)}</h2>\n{blocks}\n</section>'


def _block(block: Block) -> str:
    match block:
        case Table():
            return _table(block)
        case Picture():
            return _picture(block)
        case Paragraph():
            return f'<p class="body {block.tone}">{_text(block.body)}</p>'


def _table(table: Table) -> str:
    classes = ["data"]
    classes += ["wide"] if len(table.columns) >= _WIDE_COLUMNS else []
    classes += ["narrow"] if table.narrow else []
    classes += ["short"] if len(table.rows) <= _SHORT_ROWS else []
    css_class = " ".join(classes)
    head = "".join(f'<th scope="col" class="{column.align}">{_text(column.label)}</th>' for column in table.columns)
    body = "\n".join(
        f'<tr class="{_row_class(position, table)}">{_cells(table.columns, row)}</tr>'
        for position, row in enumerate(table.rows)
    )
    note = f'<p class="note">{_text(table.note)}</p>' if table.note else ""
    return f"""<div class="scroll"><table class="{css_class}"><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table></div>{note}"""


def _row_class(position: int, table: Table) -> str:
    return "strong" if position in table.strong else "plain"


def _font_class(column: Column) -> str:
    return "mono" if column.mono else "prose"


def _cells(columns: tuple[Column, ...], row: tuple[str, ...]) -> str:
    return "".join(
        f'<td class="{column.align} {_font_class(column)}">{_text(cell)}</td>'
        for column, cell in zip(columns, row, strict=True)
    )


def _picture(picture: Picture) -> str:
    data = base64.b64encode(picture.svg.encode("utf-8")).decode("ascii")
    return (
        f'<figure><img alt="{escape(picture.title)}: {escape(picture.caption)}" '
        f'src="data:image/svg+xml;base64,{data}">'
        f"<figcaption><strong>{escape(picture.title)}</strong> {escape(picture.caption)}</figcaption></figure>"
    )


def _alarm(alarm: Alarm) -> str:
    facts = "".join(f"<li>{escape(fact)}</li>" for fact in alarm.facts)
    return f"""<div class="alarm" role="alert">
<p class="alarm-title">{escape(alarm.title)}</p>
<p class="alarm-body">{_text(alarm.body)}</p>
<ul>{facts}</ul>
<p>{escape(alarm.after)}</p>
</div>"""


def _text(plain: str) -> str:
    """Escaped, with line breaks kept."""
    return escape(plain).replace("\n", "<br>")
