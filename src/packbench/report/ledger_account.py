"""A ledger's account of a period as CSV and PDF, in English or Chinese.

Owns headings, columns and the call of the typesetter. Must not count anything: the figures are `trace.ledger.period`'s.
An account of a ledger marked test says so on every page and in every file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from packbench import __version__
from packbench.core.errors import PackbenchError
from packbench.report.ledger_words import (
    FLOWS_EN,
    FLOWS_ZH,
    LEVELS_ZH,
    LINE_EN,
    LINE_FIELDS,
    LINE_ZH,
    TEXTS,
)
from packbench.report.texts import Lang
from packbench.trace.ledger.period import FLOWS, Account, Period

ACCOUNT_CSV: Final = "account.csv"
ENTRIES_CSV: Final = "entries.csv"
ACCOUNT_PDF: Final = "account.pdf"
_LINES_IN_PDF_MAX: Final = 500
"""Longer lists are in entries.csv, and the page says so."""

_BALANCE: Final = ("stored", "stored_kg", "used", "made_into_others", "gone", "difference")
_IN_PDF: Final = LINE_FIELDS[:10]
_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_WIDTHS: Final = (4.5, 3, 6, 2, 2.4, 2, 2.2, 4, 4, 3, 4)


def headings(lang: Lang) -> list[str]:
    """Of the table by type."""
    texts, flows = TEXTS[lang], FLOWS_ZH if lang == "zh" else FLOWS_EN
    return [
        texts["level"],
        texts["chemistry"],
        texts["opening"],
        *(flows[flow] for flow in FLOWS),
        *(texts[name] for name in _BALANCE),
    ]


def summary_rows(period: Period, lang: Lang) -> list[list[str]]:
    """One row a type."""
    return [_account_row(account, lang) for _, account in sorted(period.accounts.items())]


def write_account(period: Period, about: tuple[str, str, str, str], folder: Path, lang: Lang) -> dict[str, str]:
    """Write account.csv, entries.csv and account.pdf; `about`: the ledger's name and purpose, first and last day.

    Raises PackbenchError when the PDF cannot be set, FontMissing for Chinese without a Chinese font.
    """
    folder.mkdir(parents=True, exist_ok=True)
    is_test = about[1] == "test"
    mark = TEXTS[lang]["test"] if is_test else ""
    names = LINE_ZH if lang == "zh" else LINE_EN
    account = _csv(
        [*headings(lang), *_kg_headings(lang), *([mark] if mark else [])],
        [
            [*row, *masses, *([mark] if mark else [])]
            for row, masses in zip(summary_rows(period, lang), _kg_rows(period), strict=True)
        ],
    )
    lines = _csv(
        [*(names[name] for name in LINE_FIELDS), *([mark] if mark else [])],
        [[*_line_row(line, LINE_FIELDS, lang), *([mark] if mark else [])] for line in period.lines],
    )
    written = {"account_csv": ACCOUNT_CSV, "entries_csv": ENTRIES_CSV, "account_pdf": ACCOUNT_PDF}
    contents = (account, lines, _pdf(period, about, lang))
    for name, content in zip(written.values(), contents, strict=True):
        (folder / name).write_bytes(content)
    return {key: str((folder / name).absolute()) for key, name in written.items()}


def _account_row(account: Account, lang: Lang) -> list[str]:
    level = LEVELS_ZH[account.level] if lang == "zh" else account.level
    kg = _kg(account.stored_kg, account.without_mass)
    balance = (account.stored, kg, account.used, account.made_into_others, account.gone, account.difference)
    numbers = (account.opening, *(account.flows[flow] for flow in FLOWS), *balance)
    return [level, account.chemistry, *(str(number) for number in numbers)]


def _kg_headings(lang: Lang) -> list[str]:
    """Of the flows in kilograms."""
    flows = FLOWS_ZH if lang == "zh" else FLOWS_EN
    return [TEXTS[lang]["kg"].format(name=flows[flow]) for flow in FLOWS]


def _kg_rows(period: Period) -> list[list[str]]:
    """One row a type: each flow's mass."""
    return [
        [_kg(account.flows_kg[flow], account.flows_without_mass[flow]) for flow in FLOWS]
        for _, account in sorted(period.accounts.items())
    ]


def _kg(known: float, without: int) -> str:
    return f"{known:.1f}" + (f" (+{without} ?)" if without else "")


def _line_row(line: dict[str, Any], names: tuple[str, ...], lang: Lang) -> list[str]:
    shown = dict(line)
    shown["flow"] = (FLOWS_ZH if lang == "zh" else FLOWS_EN)[line["flow"]]
    shown["level"] = LEVELS_ZH[line["level"]] if lang == "zh" else line["level"]
    shown["time"] = line["time"][:19].replace("T", " ")
    shown["mass_kg"] = "" if line["mass_kg"] is None else f"{line['mass_kg']:g}"
    return [str(shown[name]) for name in names]


def _csv(head: list[str], rows: list[list[str]]) -> bytes:
    """UTF-8 with a byte order mark: Excel takes Chinese for something else without it."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([[_inert(cell) for cell in row] for row in rows])
    return b"\xef\xbb\xbf" + text.getvalue().encode()


def _inert(cell: str) -> str:
    """A cell that begins like a formula would be one in a spreadsheet; a negative number is none."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def _pdf(period: Period, about: tuple[str, str, str, str], lang: Lang) -> bytes:
    try:
        import matplotlib as mpl
        import typst

        from packbench.report.fonts import cjk_font, families
    except ImportError as error:
        raise PackbenchError("the account's PDF needs the extra: pip install 'packbench[report]'") from error
    font = cjk_font()
    folders: list[Any] = [Path(mpl.get_data_path()) / "fonts" / "ttf", *([font.file.parent] if font else [])]
    document = {**_document(period, about, lang), "fonts": families(lang)}
    template = files("packbench.report").joinpath("ledger.typ").read_bytes()
    try:
        compiler = typst.Compiler(
            template,
            font_paths=folders,
            ignore_system_fonts=True,
            sys_inputs={"document": json.dumps(document)},
        )
        last = datetime.fromisoformat(about[3]).replace(tzinfo=UTC)
        pdf = compiler.compile(format="pdf", pdf_standards="a-3b", timestamp=last)
    except typst.TypstError as error:
        raise PackbenchError(f"the account's PDF could not be set: {error.message} {error.diagnostic}") from error
    assert isinstance(pdf, bytes)
    return pdf


def _document(period: Period, about: tuple[str, str, str, str], lang: Lang) -> dict[str, Any]:
    texts = TEXTS[lang]
    name, purpose, begin, end = about
    about_it = [*_types(period, lang), *_trouble(period, lang), *_masses(period, lang), _rests_on(period, lang)]
    return {
        "lang": lang,
        "title": texts["title"],
        "subtitle": texts["subtitle"].format(name=name, begin=begin, end=end, entries=period.entries),
        "watermark": texts["test"] if purpose == "test" else None,
        "made_with": f"Packbench {__version__}",
        "parts": [
            {"head_size": 0.92, "numbers": [], "whole": False, **part, "nothing": texts["nothing"]}
            for part in (*about_it, _flow_lines(period, lang))
        ],
    }


def _types(period: Period, lang: Lang) -> list[dict[str, Any]]:
    """Pieces and kilograms; a type that nothing happened to is in both."""
    texts, head = TEXTS[lang], headings(lang)
    pieces = {
        "title": texts["types"],
        "head": [_capital(each) for each in head],
        "rows": summary_rows(period, lang),
        "widths": [0] * len(head),
        "head_size": 0.8,
        "numbers": list(range(2, len(head))),
        "note": texts["note"],
    }
    flows = FLOWS_ZH if lang == "zh" else FLOWS_EN
    rows = [[*row[:2], *masses] for row, masses in zip(summary_rows(period, lang), _kg_rows(period), strict=True)]
    masses = {
        **pieces,
        "title": texts["types_kg"],
        "head": [*head[:2], *(_capital(flows[flow]) for flow in FLOWS)],
        "rows": rows,
        "widths": [0] * (len(FLOWS) + 2),
        "numbers": list(range(2, len(FLOWS) + 2)),
        "note": texts["kg_note"] if any("?" in cell for row in rows for cell in row[2:]) else "",
    }
    return [pieces, masses]


def _trouble(period: Period, lang: Lang) -> list[dict[str, Any]]:
    found = [*period.conflicts, *period.backdated]
    if not found:
        return []
    texts = TEXTS[lang]
    rows = [[each] for each in found[:_LINES_IN_PDF_MAX]]
    note = texts["trouble_note"]
    return [{"title": texts["trouble"], "head": [texts["entry"]], "rows": rows, "widths": [1], "note": note}]


def _masses(period: Period, lang: Lang) -> list[dict[str, Any]]:
    if not period.unexplained_kg:
        return []
    texts, names = TEXTS[lang], LINE_ZH if lang == "zh" else LINE_EN
    return [
        {
            "title": texts["mass"],
            "head": [_capital(names["code"]), "kg"],
            "rows": [[code, f"{kg:+.2f}"] for code, kg in period.unexplained_kg],
            "widths": [0, 0],
            "numbers": [1],
            "note": texts["mass_note"],
        }
    ]


def _flow_lines(period: Period, lang: Lang) -> dict[str, Any]:
    texts, names = TEXTS[lang], LINE_ZH if lang == "zh" else LINE_EN
    shown = period.lines[:_LINES_IN_PDF_MAX]
    more = texts["more"].format(shown=len(shown), all=len(period.lines)) if len(shown) < len(period.lines) else ""
    return {
        "title": texts["flows"],
        "head": [*(_capital(names[each]) for each in _IN_PDF), texts["where_to"]],
        "rows": [[*_line_row(line, _IN_PDF, lang), _where_to(line)] for line in shown],
        "widths": list(_WIDTHS),
        "numbers": [5, 6],
        "note": more or texts["flows_note"],
    }


def _where_to(line: dict[str, Any]) -> str:
    return ", ".join(str(line[name]) for name in ("application", "by", "certificate") if line[name])


def _rests_on(period: Period, lang: Lang) -> dict[str, Any]:
    """What a reader holds the account against."""
    texts, names = TEXTS[lang], LINE_ZH if lang == "zh" else LINE_EN
    last = [each for _, each in sorted(period.last.items())]
    return {
        "title": texts["rests_on"],
        "head": [*(_capital(names[name]) for name in ("ledger", "seq", "time")), texts["head"], texts["key"]],
        "rows": [[e.ledger, str(e.seq), e.time[:19].replace("T", " "), e.hash, e.key_id] for e in last],
        "widths": [0] * 5,
        "whole": True,
        "note": texts["rests_note"],
    }


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]
