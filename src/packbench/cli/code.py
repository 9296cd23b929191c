"""packbench code: battery codes parsed, explained, made and put on labels."""

from __future__ import annotations

import argparse
import sys
from datetime import date
from pathlib import Path

from rich.table import Table
from rich.text import Text

from packbench.app.outputs import require_harmless
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.core.errors import InputError, Problem
from packbench.trace.codes import Code, UniqueId, echelon_of, explain, make, parse, to_dict
from packbench.trace.codes.labels import FORMATS, SYMBOLOGIES, make_label, render
from packbench.trace.codes.parsing import FORM_EN, FORM_ZH
from packbench.trace.codes.scanning import parse_scan

_EXAMPLE = "001PB005000001D7B0500007"


def add(subparsers: Subparsers) -> None:
    """Add the command and its verbs."""
    parser = make_command(
        subparsers,
        "code",
        "Battery codes by GB/T 34014-2017 and identifiers by ISO/IEC 15459: parse, explain, make, label.",
        f"packbench code parse {_EXAMPLE}",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, text in (
        ("parse", "Take a code apart, or say which character is wrong and what was probably meant."),
        ("explain", "The same, character by character, with the source of each meaning."),
    ):
        verb = make_command(verbs, name, text, f"packbench code {name} {_EXAMPLE}")
        verb.add_argument("code", metavar="CODE", help="a code, as typed or scanned; - reads one line of stdin")
        verb.set_defaults(run_command=_parse if name == "parse" else _explain)
    _add_make(verbs)
    label = make_command(
        verbs,
        "label",
        "A label with the code as a symbol and as text; it is read back before it is written.",
        f"packbench code label {_EXAMPLE} --symbology datamatrix --out label.svg",
    )
    label.add_argument("code", metavar="CODE")
    label.add_argument("--symbology", choices=sorted(SYMBOLOGIES), default="qr", help="default qr")
    label.add_argument("--module", type=float, default=0.5, metavar="MM", help="size of one module in mm (default 0.5)")
    label.add_argument("--line", action="append", default=[], metavar="TEXT", help="a further line of ASCII text")
    label.add_argument("--out", type=Path, required=True, metavar="FILE", help="FILE.svg, FILE.png or FILE.pdf")
    label.set_defaults(run_command=_label)


def _add_make(verbs: Subparsers) -> None:
    parser = make_command(
        verbs,
        "make",
        "Make a code from its fields, or the echelon-use code of an original one.",
        "packbench code make --manufacturer 001 --type pack --chemistry LFP --spec 00 --trace 5000001 "
        "--made 2023-07-11 --serial 0500007",
    )
    parser.add_argument("--from", dest="original", metavar="CODE", help="the original code of an echelon-use product")
    parser.add_argument("--manufacturer", metavar="XXX", help="3 characters")
    parser.add_argument("--type", choices=("pack", "module", "cell"))
    parser.add_argument("--chemistry", metavar="NAME", help="LFP, NMC, ... or the letter")
    parser.add_argument("--spec", metavar="XX", help="2 characters")
    parser.add_argument("--trace", metavar="XXXXXXX", help="7 characters; not of an echelon-use code")
    parser.add_argument("--made", metavar="YYYY-MM-DD")
    parser.add_argument("--serial", metavar="NNNNNNN", help="7 digits")
    parser.add_argument("--echelon", type=int, choices=(18, 19), nargs="?", const=0, help="for second use")
    parser.set_defaults(run_command=_make)


def _parse(args: argparse.Namespace, terminal: Terminal) -> Done:
    code = parse(_word(args.code), today=_today())
    data = {"ok": True, **to_dict(code)}
    shown = _pairs([(name, str(value)) for name, value in data.items() if name != "ok" and value is not None])
    return Done(data, (shown, Text(_form(code, terminal.lang), style="dim")))


def _explain(args: argparse.Namespace, terminal: Terminal) -> Done:
    code = parse(_word(args.code), today=_today())
    if isinstance(code, UniqueId):
        return _parse(args, terminal)
    lines = explain(code, terminal.lang)
    table = Table(box=None, pad_edge=False)
    zh = terminal.lang == "zh"
    for heading in ("位置", "字符", "字段", "含义", "来源") if zh else ("Position", "", "Field", "Meaning", "Source"):
        table.add_column(heading)
    for line in lines:
        table.add_row(*(line[key] for key in ("positions", "characters", "field", "meaning", "source_text")))
    note = (
        "凭记忆的含义是配置而非常量：configs/codes/gbt34014.yaml。编码没有校验位。"
        if zh
        else "Meanings from memory are configuration, not constants: configs/codes/gbt34014.yaml. "
        "The code has no check digit."
    )
    data = {"ok": True, **to_dict(code), "fields": lines, "note": note}
    return Done(data, (table, Text(_form(code, terminal.lang)), Text(note, style="dim")))


def _make(args: argparse.Namespace, _terminal: Terminal) -> Done:
    if args.original is not None:
        original = parse(_word(args.original))
        if not isinstance(original, Code) or original.is_echelon:
            expected = "an original code of 24 characters"
            raise InputError(Problem("", field="--from", found=repr(original.text), expected=expected))
        code = echelon_of(original, length=args.echelon or None)
        data = {"ok": True, **to_dict(code), "original": original.text}
        return Done(data, text=f"{code.text}\n")
    names = ("manufacturer", "type", "chemistry", "spec", "made", "serial")
    missing = [name for name in names if getattr(args, name) is None]
    if missing:
        raise InputError([Problem("", field=f"--{name}", found="nothing", expected="a value") for name in missing])
    try:
        made = date.fromisoformat(args.made)
    except ValueError as error:
        raise InputError(Problem("", field="--made", found=repr(args.made), expected="YYYY-MM-DD")) from error
    from packbench.trace.codes.tables import tables

    echelon = tables().echelon_length if args.echelon == 0 else args.echelon
    fields = {name: getattr(args, name) for name in names if name != "made"}
    code = make(**fields, made=made, trace=args.trace, echelon=echelon)
    return Done({"ok": True, **to_dict(code)}, text=f"{code.text}\n")


def _label(args: argparse.Namespace, _terminal: Terminal) -> Done:
    format_ = args.out.suffix.lower().lstrip(".")
    if format_ not in FORMATS:
        expected = f"a name that ends in .{', .'.join(FORMATS)}"
        raise InputError(Problem("", field="--out", found=repr(args.out.name), expected=expected))
    if not 0.1 <= args.module <= 10:
        raise InputError(Problem("", field="--module", found=f"{args.module:g}", expected="0.1 to 10 mm"))
    for line in args.line:
        if not (line.isascii() and line.isprintable() and len(line) <= 60):
            raise InputError(Problem("", field="--line", found=repr(line), expected="up to 60 ASCII characters"))
    code = parse(_word(args.code), today=_today())
    lines = (code.text, *_human(code), *args.line)
    label = make_label(code.text, args.symbology, lines, args.module)
    require_harmless(args.out).write_bytes(render(label, format_))
    width, height = label.size_mm
    data = {
        "ok": True,
        "code": code.text,
        "symbology": args.symbology,
        "lines": list(label.lines),
        "size_mm": [round(width, 2), round(height, 2)],
        "paths": {"label": str(args.out.absolute())},
    }
    return Done(data, (Text(f"{args.out} ({width:.1f} x {height:.1f} mm, read back)"),))


def _human(code: Code | UniqueId) -> tuple[str, ...]:
    if isinstance(code, UniqueId):
        return (code.agency_en,)
    fields = to_dict(code)
    reuse = "  REUSED" if code.is_echelon else ""
    return (f"{fields['type'].upper()}  {fields['chemistry']}  {fields['made']}{reuse}",)


def _word(word: str) -> str:
    """A code as it came: what a scanner adds is taken off."""
    return parse_scan(sys.stdin.readline() if word == "-" else word).text


def _today() -> date:
    return MonotonicClock().wall().date()


def _form(code: Code | UniqueId, lang: str) -> str:
    if isinstance(code, UniqueId):
        return "ISO/IEC 15459"
    return (FORM_ZH if lang == "zh" else FORM_EN)[code.form]


def _pairs(rows: list[tuple[str, str]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in rows:
        table.add_row(Text(name, style="dim"), Text(value))
    return table
