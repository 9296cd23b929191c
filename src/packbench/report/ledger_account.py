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
from packbench.report.texts import Lang
from packbench.trace.ledger import states
from packbench.trace.ledger.period import FLOWS, MADE, UNANNOUNCED, Account, Period

ACCOUNT_CSV: Final = "account.csv"
ENTRIES_CSV: Final = "entries.csv"
ACCOUNT_PDF: Final = "account.pdf"
_LINES_IN_PDF_MAX: Final = 500
"""Longer lists are in entries.csv, and the page says so."""

_LEVELS_ZH: Final = {"pack": "电池包", "module": "模组", "cell": "单体"}
_FLOWS_EN: Final = {
    states.RECEIVED: "received",
    MADE: "made",
    UNANNOUNCED: "in by test",
    states.TESTED: "tested",
    states.GRADED: "graded",
    states.IN_USE: "to use",
    states.LEASED: "leased",
    states.RETURNED: "returned",
    states.DISMANTLED: "dismantled",
    states.REGROUPED: "regrouped",
    states.RECYCLED: "recycled",
    states.DISPOSED: "disposed",
    states.HANDED_OVER: "handed over",
}
_FLOWS_ZH: Final = {
    states.RECEIVED: "接收",
    MADE: "拆解/重组产出",
    UNANNOUNCED: "检测时登记",
    states.TESTED: "检测",
    states.GRADED: "分级",
    states.IN_USE: "投入利用",
    states.LEASED: "出租",
    states.RETURNED: "退回",
    states.DISMANTLED: "拆解",
    states.REGROUPED: "重组",
    states.RECYCLED: "再生利用",
    states.DISPOSED: "处置",
    states.HANDED_OVER: "移交",
}
_TEXTS: Final[dict[str, dict[str, str]]] = {
    "en": {
        "title": "Battery ledger: account of a period",
        "subtitle": "{name}, {begin} to {end} (UTC), {entries} entries",
        "types": "By type",
        "note": "In pieces. Stored: received, stored, tested, graded, returned. Came in = stored + used + made into "
        "others + gone (recycled, disposed, handed over): the last column is 0 when it balances.",
        "flows": "Flows",
        "flows_note": "Every entry of the period that moved a battery, module or cell.",
        "more": "The first {shown} of {all}; all of them are in entries.csv.",
        "mass": "Mass of what was dismantled",
        "mass_note": "Mass of the whole less its parts and residue; 0 where every kilogram is accounted for.",
        "nothing": "Nothing in this period.",
        "test": "TEST LEDGER",
        "level": "Level",
        "chemistry": "Type",
        "opening": "Stored at start",
        "stored": "Stored",
        "stored_kg": "Stored, kg",
        "used": "Used",
        "made_into_others": "Made into others",
        "gone": "Gone",
        "difference": "Difference",
    },
    "zh": {
        "title": "电池台账：期间报告",
        "subtitle": "{name}，{begin} 至 {end}（UTC），{entries} 条记录",
        "types": "按类型",
        "note": "单位：件。库存：已接收、在库、已检测、已分级、已退回。"
        "进入总量 = 库存 + 利用中 + 转为其他 + 离开（再生利用、处置、移交）；平衡时末列为 0。",
        "flows": "流向",
        "flows_note": "本期间内每一条使电池包、模组或单体发生变动的记录。",
        "more": "共 {all} 条，此处列出前 {shown} 条；全部见 entries.csv。",
        "mass": "拆解物料质量",
        "mass_note": "整体质量减去各部件与残余物质量；每千克均有去向时为 0。",
        "nothing": "本期间无记录。",
        "test": "测试台账",
        "level": "层级",
        "chemistry": "类型",
        "opening": "期初库存",
        "stored": "期末库存",
        "stored_kg": "库存 kg",
        "used": "利用中",
        "made_into_others": "转为其他",
        "gone": "离开",
        "difference": "差额",
    },
}
_BALANCE: Final = ("stored", "stored_kg", "used", "made_into_others", "gone", "difference")
_LINE_FIELDS: Final = (
    "time",
    "flow",
    "code",
    "level",
    "chemistry",
    "quantity",
    "mass_kg",
    "origin",
    "holder",
    "location",
    "application",
    "grade",
    "by",
    "certificate",
    "operator",
    "ledger",
    "seq",
)
_LINE_EN: Final = {name: name for name in _LINE_FIELDS} | {"time": "time (UTC)", "mass_kg": "mass, kg"}
_LINE_ZH: Final = {
    "time": "时间（UTC）",
    "flow": "流向",
    "code": "编码",
    "level": "层级",
    "chemistry": "类型",
    "quantity": "数量",
    "mass_kg": "质量 kg",
    "origin": "来源",
    "holder": "持有者",
    "location": "位置",
    "application": "用途",
    "grade": "等级",
    "by": "处理方",
    "certificate": "凭证",
    "operator": "操作人",
    "ledger": "台账",
    "seq": "序号",
}
_IN_PDF: Final = _LINE_FIELDS[:11]
_FORMULA: Final = re.compile(r"\s*[=+\-@\t\r\n|%\uff1d\uff0b\uff0d\uff20]")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?(e[+-]?\d+)?")
_WIDTHS: Final = (4.5, 3, 6, 2, 2.4, 2, 2.2, 4, 4, 3, 4)


def headings(lang: Lang) -> list[str]:
    """Of the table by type."""
    texts, flows = _TEXTS[lang], _FLOWS_ZH if lang == "zh" else _FLOWS_EN
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
    mark = _TEXTS[lang]["test"] if is_test else ""
    names = _LINE_ZH if lang == "zh" else _LINE_EN
    account = _csv(
        [*headings(lang), *([mark] if mark else [])],
        [[*row, *([mark] if mark else [])] for row in summary_rows(period, lang)],
    )
    lines = _csv(
        [*(names[name] for name in _LINE_FIELDS), *([mark] if mark else [])],
        [[*_line_row(line, _LINE_FIELDS, lang), *([mark] if mark else [])] for line in period.lines],
    )
    written = {"account_csv": ACCOUNT_CSV, "entries_csv": ENTRIES_CSV, "account_pdf": ACCOUNT_PDF}
    contents = (account, lines, _pdf(period, about, lang))
    for name, content in zip(written.values(), contents, strict=True):
        (folder / name).write_bytes(content)
    return {key: str((folder / name).absolute()) for key, name in written.items()}


def _account_row(account: Account, lang: Lang) -> list[str]:
    level = _LEVELS_ZH[account.level] if lang == "zh" else account.level
    kg = f"{account.stored_kg:.1f}" + (f" (+{account.without_mass} ?)" if account.without_mass else "")
    balance = (account.stored, kg, account.used, account.made_into_others, account.gone, account.difference)
    numbers = (account.opening, *(account.flows[flow] for flow in FLOWS), *balance)
    return [level, account.chemistry, *(str(number) for number in numbers)]


def _line_row(line: dict[str, Any], names: tuple[str, ...], lang: Lang) -> list[str]:
    shown = dict(line)
    shown["flow"] = (_FLOWS_ZH if lang == "zh" else _FLOWS_EN)[line["flow"]]
    shown["level"] = _LEVELS_ZH[line["level"]] if lang == "zh" else line["level"]
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
    texts = _TEXTS[lang]
    name, purpose, begin, end = about
    names = _LINE_ZH if lang == "zh" else _LINE_EN
    shown = period.lines[:_LINES_IN_PDF_MAX]
    more = texts["more"].format(shown=len(shown), all=len(period.lines)) if len(shown) < len(period.lines) else ""
    types = {
        "title": texts["types"],
        "head": headings(lang),
        "rows": summary_rows(period, lang),
        "widths": [0] * len(headings(lang)),
        "head_size": 0.8,
        "numbers": list(range(2, len(headings(lang)))),
        "note": texts["note"],
    }
    mass = {
        "title": texts["mass"],
        "head": [names["code"], "kg"],
        "rows": [[code, f"{kg:+.2f}"] for code, kg in period.unexplained_kg],
        "widths": [0, 0],
        "numbers": [1],
        "note": texts["mass_note"],
    }
    flows = {
        "title": texts["flows"],
        "head": [names[each] for each in _IN_PDF],
        "rows": [_line_row(line, _IN_PDF, lang) for line in shown],
        "widths": list(_WIDTHS),
        "numbers": [5, 6],
        "note": more or texts["flows_note"],
    }
    parts = [types, *([mass] if period.unexplained_kg else []), flows]
    return {
        "lang": lang,
        "title": texts["title"],
        "subtitle": texts["subtitle"].format(name=name, begin=begin, end=end, entries=period.entries),
        "watermark": texts["test"] if purpose == "test" else None,
        "made_with": f"Packbench {__version__}",
        "parts": [{"head_size": 0.92, **part, "nothing": texts["nothing"]} for part in parts],
    }
