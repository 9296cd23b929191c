"""packbench audit: one command that checks everything in the data folder that somebody may have to rely on."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from packbench.app.auditing import Audit, Point, audit
from packbench.cli.console import Done, Terminal, error_object
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.clock import MonotonicClock
from packbench.core.errors import VerificationFailed
from packbench.files import data_home
from packbench.report.texts import Lang

_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        "counted": "{home}: {runs} runs, {ledger_entries} ledger entries, {passports} passports.",
        "holds": "Everything holds.",
        "fails": "{count} things do not hold.",
        "vouched": "{file}: {size} entries, the last of {time}, {held}.",
        "held": "held against a checkpoint of {size} entries",
        "alone": "against no checkpoint",
        "runs": "runs",
        "ledger": "ledger",
        "passports": "passports",
        "keys": "keys",
        "checkpoints": "checkpoints",
        "retention": "retention",
    },
    "zh": {
        "counted": "{home}：{runs} 次运行，{ledger_entries} 条台账记录，{passports} 份护照。",
        "holds": "全部核验通过。",
        "fails": "{count} 项核验未通过。",
        "vouched": "{file}：{size} 条记录，最后一条时间 {time}，{held}。",
        "held": "已与含 {size} 条记录的检查点核对",
        "alone": "未与检查点核对",
        "runs": "运行",
        "ledger": "台账",
        "passports": "护照",
        "keys": "密钥",
        "checkpoints": "检查点",
        "retention": "保留规则",
    },
}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "audit",
        "Check the data folder: every run's chain and signature, the ledgers (against the checkpoints that you hold), "
        "passports and their currency, keys, retention. Exit 5 when anything does not hold.",
        "packbench audit",
    )
    parser.add_argument("--checkpoint", action="append", type=Path, default=[], metavar="FILE", help="what you kept")
    parser.add_argument("--key", action="append", type=Path, default=[], metavar="PUB", help="keys to trust")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Audit and tell."""
    found = audit(args.checkpoint, args.key, MonotonicClock().wall())
    data: dict[str, Any] = {
        "ok": not found.findings,
        "home": str(data_home()),
        **found.counts,
        "findings": [asdict(each) for each in found.findings],
        "remarks": [asdict(each) for each in found.remarks],
        "vouches_for": found.vouches_for,
    }
    shown = _shown(found, terminal.lang)
    if found.findings:
        failed = VerificationFailed("\n".join(f"{each.where}: {each.what}" for each in found.findings))
        return Done({**data, **error_object(failed)}, shown, failed.exit_code)
    return Done(data, shown)


def _shown(found: Audit, lang: Lang) -> tuple[RenderableType, ...]:
    texts = _TEXTS[lang]
    shown: list[RenderableType] = [Text(texts["counted"].format(home=data_home(), **found.counts))]
    for each in found.vouches_for:
        size = each["checkpoint_size"]
        held = texts["alone"] if size is None else texts["held"].format(size=size)
        shown.append(Text(texts["vouched"].format(file=each["file"], size=each["size"], time=each["time"], held=held)))
    if found.remarks:
        shown.append(_table(found.remarks, texts, "yellow"))
    if found.findings:
        shown += [_table(found.findings, texts, "red"), Text(texts["fails"].format(count=len(found.findings)), "red")]
    else:
        shown.append(Text(texts["holds"], style="green"))
    return tuple(shown)


def _table(points: list[Point], texts: dict[str, str], style: str) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in points:
        table.add_row(texts[each.part], each.where, each.what, style=style)
    return table
