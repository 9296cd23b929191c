"""packbench ledger: what happened to every battery, module and cell, signed and chained."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, cast

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from packbench.app.ledgers import opened, own_ledger
from packbench.cli.console import Done, Terminal
from packbench.cli.ledger_proofs import add_proof_verbs
from packbench.cli.ledger_report import add_report
from packbench.cli.ledger_words import cell_word, field_word, level_word, state_word
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.core.errors import InputError, Problem
from packbench.report.texts import Lang
from packbench.trace.codes.code import FORMS, read
from packbench.trace.codes.parsing import problems_of
from packbench.trace.codes.repair import diagnose
from packbench.trace.codes.scanning import parse_scan
from packbench.trace.ledger import query, states
from packbench.trace.ledger.home import REAL, TEST, ledger_path

_TEXTS = ("holder", "location", "origin", "chemistry", "application", "grade", "scheme", "by", "certificate")
_MORE_TEXTS = ("operator", "reference", "note", "obligation", "predecessor")


def add(subparsers: Subparsers) -> None:
    """Add the command and its verbs."""
    parser = make_command(
        subparsers,
        "ledger",
        "An append-only, signed record of every battery: origin, holder, state, parentage. "
        "Every run enters it; runs that were not measured enter the ledger marked test.",
        "packbench ledger list",
    )
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    _add_add(verbs)
    listing = make_command(verbs, "list", "The newest entries.", "packbench ledger list --test")
    listing.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a ledger (default: the bench's own)")
    listing.add_argument("--last", type=int, default=30, metavar="N", help="how many (default 30)")
    add_test_option(listing)
    listing.set_defaults(run_command=_list)
    asking = make_command(
        verbs,
        "query",
        "The history of a code and what it became, everything of a holder, or what is still owed.",
        "packbench ledger query --obligations",
    )
    asking.add_argument("code", nargs="?", metavar="CODE", help="a code; what a scanner sends is taken, too")
    asking.add_argument("--holder", metavar="NAME")
    asking.add_argument("--obligations", action="store_true", help="what is open, by day")
    asking.add_argument("--ledger", type=Path, metavar="FILE", help="another ledger than the bench's own")
    add_test_option(asking)
    asking.set_defaults(run_command=_query)
    add_report(verbs)
    add_proof_verbs(verbs)


def add_test_option(parser: argparse.ArgumentParser) -> None:
    """--test: the bench's ledger marked test."""
    parser.add_argument("--test", action="store_true", help="the bench's ledger marked test")


def _add_add(verbs: Subparsers) -> None:
    parser = make_command(
        verbs,
        "add",
        f"Enter what happened: {', '.join(states.OF_A_BATTERY)}.",
        "packbench ledger add received 001PB005000001D7B0500007 --holder 'Recycler Ltd' --mass 310 --test",
    )
    parser.add_argument("action", metavar="ACTION", nargs="?", help="what happened")
    parser.add_argument("code", metavar="CODE", nargs="?", help="to which code")
    for name in (*_TEXTS, *_MORE_TEXTS):
        parser.add_argument(f"--{name}", metavar="TEXT")
    parser.add_argument("--quantity", type=int, metavar="N", help="of a lot: how many (default all)")
    parser.add_argument("--from", dest="source", metavar="STATE", help="of a lot: which portion, by its state")
    parser.add_argument("--level", choices=("pack", "module", "cell"), help="of a code that does not say it")
    parser.add_argument("--mass", type=float, metavar="KG", help="of one piece")
    parser.add_argument("--residue", type=float, metavar="KG", help="dismantled: what is no part (housing, cables)")
    parser.add_argument("--due", metavar="YYYY-MM-DD", help="leased: when it has to be back")
    parser.add_argument("--part", action="append", metavar="CODE[,LEVEL[,KG]]", help="dismantled, regrouped: a part")
    parser.add_argument("--duty", action="append", metavar="NAME[@YYYY-MM-DD]", help="leased: a further obligation")
    parser.add_argument("--refers-to", type=int, metavar="N", help="noted: the entry that the note is about")
    parser.add_argument("--file", type=Path, metavar="FILE", help="entries as JSON lines, all entered or none")
    parser.add_argument("--odd", action="store_true", help="take a code that looks like a mistyped battery code")
    add_test_option(parser)
    parser.set_defaults(run_command=_add)


def _add(args: argparse.Namespace, _terminal: Terminal) -> Done:
    bodies = _bodies_in(args.file) if args.file is not None else [_body(args)]
    if args.file is not None and args.action is not None:
        raise InputError(Problem("", field="ACTION", found=repr(args.action), expected="nothing beside --file"))
    if not args.odd:
        _look_at_codes(bodies, args.file)
    now = MonotonicClock().wall()
    with own_ledger(TEST if args.test else REAL, now) as (ledger, key):
        entries = ledger.add(bodies, key, now)
        aside = [str(path) for path in ledger.recovered]
    data = {
        "ok": True,
        "ledger": str(ledger.path),
        "entries": [query.entry_to_dict(entry) for entry in entries],
        "recovered": aside,
    }
    shown: list[RenderableType] = [Text(f"Entry {each.seq}: {_said(each.body)}") for each in entries[:20]]
    shown += [Text(f"A half line at the end (never acknowledged) is now in {name}", style="yellow") for name in aside]
    return Done(data, tuple(shown))


def _body(args: argparse.Namespace) -> dict[str, Any]:
    if args.action is None or args.code is None:
        raise InputError(Problem("", field="ACTION CODE", found="nothing", expected="both, or --file"))
    body: dict[str, Any] = {"action": args.action, "code": parse_scan(args.code).text}
    body |= {name: getattr(args, name) for name in (*_TEXTS, *_MORE_TEXTS, "quantity", "level", "due")}
    body |= {"from": args.source, "mass_kg": args.mass, "residue_kg": args.residue, "refers_to": args.refers_to}
    if args.part:
        is_split = args.action == states.DISMANTLED
        body["parts"] = [_part(word) if is_split else parse_scan(word).text for word in args.part]
    if args.duty:
        body["obligations"] = [_duty(word) for word in args.duty]
    return {name: value for name, value in body.items() if value is not None}


def _part(word: str) -> dict[str, Any]:
    code, _, rest = word.partition(",")
    level, _, mass = rest.partition(",")
    part: dict[str, Any] = {"code": parse_scan(code).text}
    if level:
        part["level"] = level
    if mass:
        try:
            part["mass_kg"] = float(mass)
        except ValueError as error:
            raise InputError(Problem("", field="--part", found=repr(word), expected="CODE,LEVEL,KG")) from error
    return part


def _duty(word: str) -> dict[str, str]:
    name, _, due = word.partition("@")
    return {"name": name, "due": due} if due else {"name": name}


def _bodies_in(path: Path) -> list[dict[str, Any]]:
    bodies: list[dict[str, Any]] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or "no UTF-8"
        raise InputError(Problem("cannot be read", file=str(path), found=found, expected="JSON lines")) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise InputError(Problem("", file=str(path), line=number, found=line[:60], expected="one JSON object"))
        bodies.append(cast("dict[str, Any]", found))
    if not bodies:
        raise InputError(Problem("", file=str(path), found="no entry", expected="JSON lines"))
    return bodies


def _look_at_codes(bodies: list[dict[str, Any]], file: Path | None) -> None:
    """A text as long as a battery code that is none is a typo, before it is a serial number of one's own."""
    for number, body in enumerate(bodies, 1):
        code = body.get("code")
        if isinstance(code, str) and len(code) in FORMS and read(code) is None:
            problems = problems_of(diagnose(code))
            place = (None, None) if file is None else (str(file), number)
            last = Problem("as it stands, without asking: --odd", *place, field="code", found=repr(code), expected="")
            raise InputError([*problems, Problem(f"{last.message}", *place, field="code")])


def _list(args: argparse.Namespace, terminal: Terminal) -> Done:
    path = args.file or ledger_path(TEST if args.test else REAL)
    with opened(path) as ledger:
        tail = ledger.tail
        first = max(1, tail.line - max(args.last, 1) + 1)
        places = [place for line in range(first, tail.line + 1) if (place := ledger.index.place(line)) is not None]
        entries = [ledger.read(place.at, place.length) for place in places]
        purpose, ledgers = ledger.purpose, ledger.index.ledgers()
        conflicts = ledger.index.conflicts()
    table = Table(box=None, pad_edge=False)
    zh = terminal.lang == "zh"
    heads = ("序号", "时间（UTC）", "事项", "编码") if zh else ("Entry", "Time (UTC)", "What", "Code")
    rows = [
        (
            str(entry.seq),
            entry.time[:19].replace("T", " "),
            _action(entry.body, terminal.lang),
            str(entry.body.get("code", "")),
        )
        for entry in entries
    ]
    for number, heading in enumerate(heads):
        # The last column gives way: a code that is cut short is another code.
        widest = max(cell_len(each) for each in (heading, *(row[number] for row in rows)))
        table.add_column(heading, no_wrap=True, min_width=widest)
    table.add_column("内容" if zh else "", overflow="fold")
    for entry, row in zip(entries, rows, strict=True):
        table.add_row(*row, _rest(entry.body, terminal.lang))
    head = Text(f"{path}: {tail.line} entries, {purpose}", style="yellow" if purpose == TEST else "dim")
    data = {
        "ok": True,
        "ledger": str(path),
        "ledgers": ledgers,
        "purpose": purpose,
        "size": tail.line,
        "entries": [query.entry_to_dict(entry) for entry in entries],
        "conflicts": [{"line": line, "what": what} for line, what in conflicts],
    }
    told = [Text(f"line {line}: {what}", style="yellow") for line, what in conflicts[:10]]
    return Done(data, (head, table, *told))


def _query(args: argparse.Namespace, terminal: Terminal) -> Done:
    asked = [args.code is not None, args.holder is not None, args.obligations]
    if sum(asked) != 1:
        raise InputError(
            Problem("", field="query", found=f"{sum(asked)} questions", expected="CODE, --holder or --obligations")
        )
    with opened(args.ledger or ledger_path(TEST if args.test else REAL)) as ledger:
        if args.holder is not None:
            data = query.of_holder(ledger, args.holder)
            return Done({"ok": True, **data}, (_rows(data["assets"], terminal.lang),))
        if args.obligations:
            data = query.obligations(ledger, MonotonicClock().wall().date().isoformat())
            rows, lang = data["obligations"], terminal.lang
            return Done({"ok": True, **data}, (_rows(rows, lang) if rows else Text(_NOTHING_OWED[lang]),))
        data = query.history(ledger, parse_scan(args.code).text)
    table = Table(box=None, pad_edge=False)
    for _ in range(4):
        table.add_column()
    for entry in data["entries"]:
        when, what = entry["time"][:19].replace("T", " "), _action(entry, terminal.lang)
        table.add_row(str(entry["seq"]), when, what, _rest(entry, terminal.lang))
    shown: list[RenderableType] = [table, *_trees(data, terminal.lang)]
    if data["asset"] is not None:
        asset = data["asset"]
        now = ", ".join(f"{count} x {state_word(state, terminal.lang)}" for state, count in asset["states"].items())
        level = level_word(asset["level"], terminal.lang)
        shown.insert(0, Text(f"{data['code']}: {level} {asset['chemistry']}, {now}", style="bold"))
    return Done({"ok": True, **data}, tuple(shown))


def _trees(data: dict[str, Any], lang: Lang) -> list[Tree]:
    trees: list[Tree] = []
    for key, way in (("came_from", "parents"), ("became", "children")):
        if data[key]:
            tree = Tree(field_word(key, lang))
            _grow(tree, data[key], way, lang)
            trees.append(tree)
    return trees


def _grow(tree: Tree, relatives: list[dict[str, Any]], way: str, lang: Lang) -> None:
    for each in relatives:
        state = ", ".join(state_word(one, lang) for one in each["states"])
        _grow(tree.add(Text(f"{each['code']} ({state})")), each.get(way, []), way, lang)


def _rows(rows: list[dict[str, Any]], lang: Lang) -> Table:
    table = Table(box=None, pad_edge=False)
    names = list(rows[0]) if rows else []
    for name in names:
        # A code that is cut short is another code.
        table.add_column(field_word(name, lang), overflow="fold", no_wrap=name == "code")
    for row in rows:
        style = "red" if row.get("overdue") else None
        table.add_row(*(cell_word(name, row[name], lang) for name in names), style=style)
    return table


_NOTHING_OWED = {"en": "Nothing is owed.", "zh": "没有未履行的义务。"}
_HIDDEN = {"action", "code", "ledger", "seq", "time", "kid", "hash", "key", "proof", "signature"}


def _said(body: Any, lang: Lang = "en") -> str:
    return f"{body.get('action')} {body.get('code', '')} {_rest(body, lang)}".strip()


def _rest(body: Any, lang: Lang) -> str:
    if body.get("action") == states.RUN:
        result: Any = body.get("result")
        capacity: Any = cast("dict[str, Any]", result).get("capacity_ah") if isinstance(result, dict) else None
        shown = "" if capacity is None else f", {capacity['value']:.2f} {capacity['unit']}"
        return f"{body.get('run_id')}: {body.get('profile')}, {body.get('verdict')}{shown}"
    shown = (f"{field_word(name, lang)} {_short(value)}" for name, value in body.items() if name not in _HIDDEN)
    return ", ".join(shown)[:160]


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "{...}"
    return f"{len(cast('list[Any]', value))}" if isinstance(value, list) else str(value)


def _action(body: Any, lang: Lang) -> str:
    return state_word(str(body.get("action")), lang)
