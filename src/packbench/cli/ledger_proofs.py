"""packbench ledger verify, merge, checkpoint, prove, key: what makes a ledger worth believing."""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any, cast

from rich.table import Table
from rich.text import Text

from packbench.app.ledgers import opened, revoke_key, rotate_key, trusted_keys
from packbench.app.outputs import require_harmless
from packbench.cli.console import Done, Terminal, error_object
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.core.errors import InputError, Problem, VerificationFailed
from packbench.trace import keyring
from packbench.trace.ledger.checkpoint import Checkpoint, read_checkpoint, sign_checkpoint
from packbench.trace.ledger.home import REAL, TEST, ledger_path
from packbench.trace.ledger.merge import merge_ledgers
from packbench.trace.ledger.merkle import root_of
from packbench.trace.ledger.proofs import check_proof, prove_consistency, prove_inclusion
from packbench.trace.ledger.verify import FINDINGS_MAX, LedgerVerdict, verify_ledger


def add_proof_verbs(verbs: Subparsers) -> None:
    """Add the verbs."""
    parser = make_command(
        verbs,
        "verify",
        "Check every byte of a ledger, or a proof, against a public key and the checkpoints you hold.",
        "packbench ledger verify --test",
    )
    parser.add_argument("file", nargs="?", type=Path, metavar="FILE", help="a ledger or a proof (default: the bench's)")
    _add_key_option(parser)
    parser.add_argument("--checkpoint", action="append", type=Path, default=[], metavar="FILE", help="what you kept")
    parser.add_argument("--test", action="store_true", help="the bench's ledger marked test")
    parser.set_defaults(run_command=_verify)

    merge = make_command(
        verbs,
        "merge",
        "Put ledgers of several benches into one new file; every line stays as its bench signed it.",
        "packbench ledger merge all.jsonl bench-a.jsonl bench-b.jsonl --key a.pem --key b.pem",
    )
    merge.add_argument("target", type=Path, metavar="TARGET")
    merge.add_argument("sources", type=Path, nargs="+", metavar="FILE")
    _add_key_option(merge)
    merge.set_defaults(run_command=_merge)

    checkpoint = make_command(
        verbs,
        "checkpoint",
        "A signed note of size and root, for somebody else to keep: it catches what was cut off or rewritten later.",
        "packbench ledger checkpoint --test --out checkpoint.txt",
    )
    checkpoint.add_argument("--test", action="store_true", help="of the bench's ledger marked test")
    checkpoint.add_argument("--out", type=Path, metavar="FILE", help="where to (default: stdout)")
    checkpoint.set_defaults(run_command=_checkpoint)

    prove = make_command(
        verbs,
        "prove",
        "That an entry is in the ledger (--entry), or that it only grew since a checkpoint (--since): JSON for others.",
        "packbench ledger prove --entry 1 --test",
    )
    prove.add_argument("--entry", type=int, metavar="N", help="the entry, from 1")
    prove.add_argument("--since", type=int, metavar="SIZE", help="the size that the checkpoint states")
    prove.add_argument("--ledger", type=Path, metavar="FILE", help="another ledger than the bench's own")
    prove.add_argument("--test", action="store_true", help="the bench's ledger marked test")
    prove.add_argument("--out", type=Path, metavar="FILE", help="where to (default: stdout)")
    prove.set_defaults(run_command=_prove)
    _add_key_verbs(verbs)


def _add_key_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--key",
        action="append",
        type=Path,
        default=[],
        metavar="PUB",
        help="a public key, PEM or JWK (default: the bench's own, and those in its key folder)",
    )


def _add_key_verbs(verbs: Subparsers) -> None:
    parser = make_command(verbs, "key", "The bench's key: show, rotate, revoke.", "packbench ledger key show")
    deeds = parser.add_subparsers(dest="deed", metavar="DEED", required=True)
    show = make_command(
        deeds, "show", "The public key, as PEM or JWK; made if there is none.", "packbench ledger key show"
    )
    show.add_argument("--jwk", action="store_true", help="as JWK")
    show.add_argument("--out", type=Path, metavar="FILE", help="where to (default: stdout)")
    show.set_defaults(run_command=_show_key)
    rotate = make_command(
        deeds,
        "rotate",
        "A new key signs from now on; the old one says so.",
        "packbench ledger key rotate --reason yearly",
    )
    rotate.add_argument("--reason", required=True, metavar="TEXT")
    rotate.add_argument("--revoke", action="store_true", help="the old key is not trusted any more")
    rotate.set_defaults(run_command=_rotate)
    revoke = make_command(
        deeds,
        "revoke",
        "A key that was rotated out is not trusted any more.",
        "packbench ledger key revoke KID --reason lost",
    )
    revoke.add_argument("key_id", metavar="KID")
    revoke.add_argument("--reason", required=True, metavar="TEXT")
    revoke.set_defaults(run_command=_revoke)


def _verify(args: argparse.Namespace, terminal: Terminal) -> Done:
    path: Path = args.file or ledger_path(TEST if args.test else REAL)
    keys = trusted_keys(args.key)
    notes = [(str(file), _text(file)) for file in args.checkpoint]
    proof = _proof_in(path)
    if proof is not None:
        checkpoints = [read_checkpoint(note, name, keys)[0] for name, note in notes]
        problems = check_proof(proof, checkpoints)
        data = {"ok": not problems, "proof": proof["proof"], "ledger": proof["ledger"], "findings": problems}
        if problems:
            failed = VerificationFailed("\n".join(f"{path}: {problem}" for problem in problems))
            return Done({**data, **error_object(failed)}, _red(str(failed)), failed.exit_code)
        return Done(data, (Text(_PROVED[terminal.lang]),))
    verdict = verify_ledger(path, keys, notes)
    data = _verdict_json(verdict)
    shown = (*_red(_findings_text(verdict)), *(Text(each, style="yellow") for each in verdict.remarks))
    if verdict.findings:
        failed = VerificationFailed(_findings_text(verdict))
        return Done({**data, **error_object(failed)}, shown, failed.exit_code)
    return Done(data, (*shown, *(Text(line) for line in _vouched(verdict, terminal.lang))))


def _verdict_json(verdict: LedgerVerdict) -> dict[str, Any]:
    return {
        "ok": verdict.holds,
        "file": str(verdict.path),
        "entries": verdict.entries,
        "ledgers": [
            {
                "ledger": chain.ledger,
                "name": chain.name,
                "purpose": chain.purpose,
                "size": len(chain.leaves),
                "time": chain.time,
                "root": base64.b64encode(chain.root).decode("ascii"),
                "keys": [key.key_id for key in chain.keys],
            }
            for chain in verdict.chains
        ],
        "findings": [found._asdict() for found in verdict.findings],
        "remarks": list(verdict.remarks),
        "checkpoints": [{"ledger": each.ledger, "size": each.size, "time": each.time} for each in verdict.checkpoints],
        "vouches_for": _vouched(verdict, "en") if verdict.holds else [],
    }


def _findings_text(verdict: LedgerVerdict) -> str:
    lines = [
        f"{verdict.path}: line {each.line} (byte {each.byte}): {each.what}" for each in verdict.findings[:FINDINGS_MAX]
    ]
    left = len(verdict.findings) - FINDINGS_MAX
    return "\n".join([*lines, *([f"and {left} more"] if left > 0 else [])])


def _vouched(verdict: LedgerVerdict, lang: str) -> list[str]:
    """What the verification says, and what it cannot say."""
    lines: list[str] = []
    for chain in verdict.chains:
        words = {"name": chain.name, "purpose": chain.purpose, "size": len(chain.leaves), "time": chain.time}
        lines.append(_HOLDS[lang].format(**words))
        kept = [each for each in verdict.checkpoints if each.ledger == chain.ledger]
        newest = max(kept, key=lambda each: each.size, default=None)
        lines.append(_ALONE[lang] if newest is None else _KEPT[lang].format(size=newest.size, time=newest.time))
    return lines


def _merge(args: argparse.Namespace, _terminal: Terminal) -> Done:
    merged = merge_ledgers(args.sources, args.target, trusted_keys(args.key))
    with opened(args.target) as ledger:
        conflicts = ledger.index.conflicts()
    data = {
        "ok": True,
        "target": str(args.target),
        "entries": merged.entries,
        "ledgers": merged.ledgers,
        "purpose": merged.purpose,
        "conflicts": [{"line": line, "what": what} for line, what in conflicts],
    }
    told = [Text(f"line {line}: {what}", style="yellow") for line, what in conflicts[:FINDINGS_MAX]]
    return Done(data, (Text(f"{merged.entries} entries of {len(merged.ledgers)} ledgers in {args.target}"), *told))


def _checkpoint(args: argparse.Namespace, _terminal: Terminal) -> Done:
    with opened(ledger_path(TEST if args.test else REAL)) as ledger:
        tail, leaves = ledger.tail, ledger.index.leaves()
    checkpoint = Checkpoint(tail.ledger, len(leaves), root_of(leaves), tail.time)
    note = sign_checkpoint(checkpoint, keyring.bench_key(MonotonicClock().wall()))
    data = {
        "ok": True,
        "ledger": checkpoint.ledger,
        "size": checkpoint.size,
        "time": checkpoint.time,
        "root": base64.b64encode(checkpoint.root).decode("ascii"),
        "checkpoint": note,
    }
    return _written(data, note, args.out)


def _prove(args: argparse.Namespace, _terminal: Terminal) -> Done:
    if (args.entry is None) == (args.since is None):
        raise InputError(Problem("", field="prove", found="neither or both", expected="--entry N or --since SIZE"))
    with opened(args.ledger or ledger_path(TEST if args.test else REAL)) as ledger:
        ids = ledger.index.ledgers()
        if len(ids) > 1:
            raise InputError(Problem("", field="--ledger", found="a merged ledger", expected="the ledger of one bench"))
        leaves = ledger.index.leaves()
        if args.since is not None:
            proof = prove_consistency(ids[0], leaves, args.since)
        else:
            place = ledger.index.place(args.entry)
            line = b"" if place is None else ledger.read(place.at, place.length).line
            proof = prove_inclusion(ids[0], leaves, args.entry, line)
    text = json.dumps(proof, indent=1, ensure_ascii=False) + "\n"
    return _written({"ok": True, **proof}, text, args.out)


def _show_key(args: argparse.Namespace, _terminal: Terminal) -> Done:
    public = keyring.bench_key(MonotonicClock().wall()).public
    data = {
        "ok": True,
        "kid": public.key_id,
        "pem": public.pem(),
        "jwk": public.jwk(),
        "keys": [
            {"kid": each.key_id, "state": each.state, "created_at": each.created_at, "ended_at": each.ended_at}
            for each in keyring.records()
        ],
    }
    return _written(data, json.dumps(public.jwk(), indent=1) + "\n" if args.jwk else public.pem(), args.out)


def _rotate(args: argparse.Namespace, _terminal: Terminal) -> Done:
    data = rotate_key(MonotonicClock().wall(), args.reason, revoke=args.revoke)
    return Done({"ok": True, **data}, (Text(f"{data['new']} signs now; {data['old']} named it"),))


def _revoke(args: argparse.Namespace, _terminal: Terminal) -> Done:
    data = revoke_key(args.key_id, MonotonicClock().wall(), args.reason)
    return Done({"ok": True, **data}, (Text(f"{data['revoked']} is revoked"),))


def _written(data: dict[str, Any], text: str, out: Path | None) -> Done:
    """Text for a pipe, or in a file."""
    if out is None:
        return Done(data, text=text)
    require_harmless(out).write_text(text, encoding="utf-8")
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row(str(out))
    return Done({**data, "paths": [str(out)]}, (table,))


def _proof_in(path: Path) -> dict[str, Any] | None:
    """The proof of a file, when it is one: a ledger's first line is an entry."""
    try:
        with path.open("rb") as file:
            if b'"proof"' not in file.read(200):
                return None
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(found, dict) or "proof" not in found or "path" not in found:
        return None
    return cast("dict[str, Any]", found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        found = getattr(error, "strerror", None) or "no UTF-8"
        raise InputError(Problem("cannot be read", file=str(path), found=found, expected="a checkpoint")) from error


def _red(text: str) -> tuple[Text, ...]:
    return (Text(text, style="red"),) if text else ()


_PROVED = {"en": "The proof holds.", "zh": "证明成立。"}
_HOLDS = {
    "en": "{name} ({purpose}): every byte of {size} entries is as it was signed, up to {time}.",
    "zh": "{name}（{purpose}）：{size} 条记录逐字节与签名一致，截至 {time}。",
}
_ALONE = {
    "en": "Whether entries were cut off after that, or all of it written anew by somebody who has the key, only a "
    "checkpoint held elsewhere can tell (--checkpoint).",
    "zh": "此后是否有记录被截去，或持有密钥者是否重写了全部记录，只有存放于他处的检查点才能判断（--checkpoint）。",
}
_KEPT = {
    "en": "It contains all of the {size} entries that the checkpoint of {time} covers.",
    "zh": "它包含检查点（{time}）所覆盖的全部 {size} 条记录。",
}
