"""packbench passport: a battery passport of a run, the facts it still needs, and a signed one checked."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from packbench.app.ledgers import trusted_keys
from packbench.app.outputs import require_harmless
from packbench.app.passports import Made, Wanted, about_to_dict, errors_of, make_passport, token_of, write
from packbench.cli.console import Done, Terminal, error_object
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.core.errors import InputError, Problem, VerificationFailed
from packbench.report.texts import Lang
from packbench.trace import keyring
from packbench.trace.passport import schema
from packbench.trace.passport.credential import verify
from packbench.trace.passport.fill import STATUSES, measured_paths
from packbench.trace.passport.template import template

_SHOWN_MAX = 40
_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        "draft": "Draft: {missing} required fields are missing, {problems} do not fit. It claims no validity.",
        "test": "Test: nobody measured this run ({provenance}). This is no valid passport.",
        "valid": "Complete: fits {model}, from run {run}.",
        "more": "and {count} more (--json lists all)",
        "next": "What to state: packbench passport facts {word} --as {kind} --out facts.yaml",
        "field": "Field",
        "found": "Found",
        "expected": "Expected",
        "template": "{count} required fields wait in {path}.",
        "verified": "The credential holds: {identifier}, signed by {kid}, valid from {begins}.",
        "key_revoked": "the key {kid} is revoked",
    },
    "zh": {
        "draft": "草稿：缺少 {missing} 个必填字段，{problems} 个不符合要求。不具有效力。",
        "test": "测试：此运行并非实测（{provenance}）。这不是有效护照。",
        "valid": "完整：符合 {model}，来自运行 {run}。",
        "more": "另有 {count} 项（--json 列出全部）",
        "next": "需填写的内容：packbench passport facts {word} --as {kind} --out facts.yaml",
        "field": "字段",
        "found": "实际",
        "expected": "要求",
        "template": "{path} 中有 {count} 个必填字段待填写。",
        "verified": "凭证有效：{identifier}，由 {kid} 签名，自 {begins} 起有效。",
        "key_revoked": "密钥 {kid} 已吊销",
    },
}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "passport",
        "A battery passport of a run, or of the newest run of a battery code. 'passport facts' writes a template of "
        "what is missing; 'passport verify FILE' checks a signed one.",
        "packbench passport facts --as batterypass --out facts.yaml",
    )
    parser.add_argument("what", metavar="RUN|CODE|facts|verify", help="a run, a code, or one of the two words")
    parser.add_argument("more", nargs="?", metavar="RUN|CODE|FILE", help="facts: of which run; verify: which file")
    parser.add_argument("--as", dest="kind", choices=schema.KINDS, help="which passport")
    parser.add_argument("--facts", type=Path, metavar="FILE", help="what makers and others state (YAML or JSON)")
    parser.add_argument("--carbon", metavar="FACTORS", help="with the run's carbon footprint by a factors file")
    parser.add_argument("--status", choices=STATUSES, help="of the battery, now")
    parser.add_argument(
        "--predecessor", metavar="ID", help="the passport before this one (urn:uuid:... or https://...)"
    )
    parser.add_argument("--issuer", metavar="NAME", help="who makes the passport (default: the run's operator)")
    parser.add_argument("--credential", action="store_true", help="also as a signed W3C Verifiable Credential (JOSE)")
    parser.add_argument("--optional", action="store_true", help="facts: the optional fields, too")
    parser.add_argument("--key", action="append", type=Path, default=[], metavar="PUB", help="verify: keys to trust")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to (default: beside the run's record)")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Make, or say what is missing, or verify."""
    if args.what == "verify":
        return _verify(args, terminal)
    if args.kind is None:
        expected = f"one of {', '.join(schema.KINDS)}"
        raise InputError(Problem("", field="--as", found="nothing", expected=expected))
    if args.what == "facts":
        return _facts(args, terminal)
    if args.more is not None:
        raise InputError(Problem("", field="RUN|CODE", found=f"{args.what!r} and {args.more!r}", expected="one"))
    return _make(args, terminal)


def _wanted(args: argparse.Namespace, word: str | None) -> Wanted:
    return Wanted(word, args.kind, args.facts, args.status, args.predecessor, args.issuer, args.carbon)


def _make(args: argparse.Namespace, terminal: Terminal) -> Done:
    now = MonotonicClock().wall()
    made = make_passport(_wanted(args, args.what), now)
    token = token_of(made, now) if args.credential and not made.is_draft else None
    path = None if args.out is None else require_harmless(args.out)
    if path is None and made.folder is not None:
        path = made.folder / f"passport.{args.kind}.json"
    paths = {} if path is None else write(made, path, token)
    data: dict[str, Any] = {"ok": True, **about_to_dict(made), "passport": made.passport.payload, "paths": paths}
    if token is not None:
        data["credential"] = token
    shown = _shown(made, args, terminal.lang)
    if made.is_draft:
        error = InputError(errors_of(made))
        return Done({**data, **error_object(error)}, shown, error.exit_code)
    return Done(data, (*shown, *(Text(each) for each in paths.values())))


def _shown(made: Made, args: argparse.Namespace, lang: Lang) -> tuple[RenderableType, ...]:
    texts, passport = _TEXTS[lang], made.passport
    shown: list[RenderableType] = []
    if made.is_test:
        shown.append(Text(texts["test"].format(provenance=passport.provenance), style="yellow"))
    if made.is_draft:
        counts = {"missing": len(passport.missing), "problems": len(passport.problems)}
        shown += [Text(texts["draft"].format(**counts), style="red"), _table(made, texts)]
        left = len(passport.missing) + len(passport.problems) - _SHOWN_MAX
        if left > 0:
            shown.append(Text(texts["more"].format(count=left)))
        shown.append(Text(texts["next"].format(word=args.what, kind=args.kind)))
    elif made.valid and made.result is not None:
        shown.append(Text(texts["valid"].format(model=schema.NAMES[passport.kind], run=made.result.run_id)))
    return tuple(shown)


def _table(made: Made, texts: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("field", "found", "expected"):
        table.add_column(texts[name], overflow="fold")
    for problem in errors_of(made)[:_SHOWN_MAX]:
        line = f"{problem.file}:{problem.line}: " if problem.file else ""
        table.add_row(f"{line}{problem.field}", problem.found or "", problem.expected or problem.message)
    return table


def _facts(args: argparse.Namespace, terminal: Terminal) -> Done:
    now = MonotonicClock().wall()
    made = make_passport(_wanted(args, args.more), now)
    absent = list(made.passport.missing)
    if args.more is None:
        # Of no battery in particular: a run will fill these in.
        absent = [each for each in absent if each.path not in measured_paths(args.kind)]
    optional = schema.missing(args.kind, made.passport.payload, wanted=False) if args.optional else []
    text = template(args.kind, absent, optional, now.date().isoformat())
    fields = [{"path": each.path, "expected": each.expected, "text": each.text} for each in absent]
    data: dict[str, Any] = {"ok": True, "as": args.kind, "missing": fields, "template": text}
    if args.out is None:
        return Done(data, text=text)
    require_harmless(args.out).write_text(text, encoding="utf-8")
    told = _TEXTS[terminal.lang]["template"].format(count=len(absent), path=args.out)
    return Done({**data, "paths": {"template": str(args.out)}}, (Text(told),))


def _verify(args: argparse.Namespace, terminal: Terminal) -> Done:
    if args.more is None:
        raise InputError(Problem("", field="FILE", found="nothing", expected="passport verify FILE.vc.jwt"))
    try:
        token = Path(args.more).read_text(encoding="ascii")
    except (OSError, ValueError) as error:
        found = getattr(error, "strerror", None) or "no credential"
        raise InputError(Problem("", str(args.more), field="FILE", found=found, expected="a vc+jwt")) from error
    try:
        body = verify(token, trusted_keys(args.key), MonotonicClock().wall())
    except VerificationFailed as error:
        raise VerificationFailed(f"{args.more}: {error}") from error
    kid = str(body["issuer"]).rsplit(":", 1)[-1]
    if any(each.key_id == kid and each.state == keyring.REVOKED for each in keyring.records()):
        raise VerificationFailed(f"{args.more}: {_TEXTS[terminal.lang]['key_revoked'].format(kid=kid)}")
    identifier = body["credentialSubject"]["id"]
    told = _TEXTS[terminal.lang]["verified"].format(identifier=identifier, kid=kid, begins=body["validFrom"])
    return Done({"ok": True, "kid": kid, "credential": body}, (Text(told),))
