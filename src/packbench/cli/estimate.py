"""packbench estimate: capacity in minutes, with a prediction interval or the reason for none.

Owns the words and the terminal's view. `estimate train FILE...` makes a model of pulse tests; `estimate FILE` uses it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table
from rich.text import Text

from packbench.analysis.estimate.outcome import CellEstimate, Estimate, Estimated
from packbench.analysis.estimate.pulse_json import write_model
from packbench.analysis.estimate.pulse_table import is_pulse_table
from packbench.analysis.estimate.pulses import estimate_pulses
from packbench.analysis.estimate.session_file import estimate_log, is_can_log
from packbench.analysis.estimate.training import train_from
from packbench.analysis.estimate.window_file import SUFFIXES, estimate_window_file
from packbench.app.job import read_source
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.config.pack import load_pack
from packbench.core.errors import InputError, Problem

TRAIN = "train"
SHOWN_MAX = 200
"""Cells of a table on the terminal; --json has all."""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "estimate",
        "Estimate capacity, with a prediction interval or the reason for none: from pulse tests (a table of U1..U21), "
        "from a piece of a charge or the beginning of a discharge (BDF), or from the recorded CAN of a GB/T 27930 "
        "session. "
        "`estimate train FILE...` trains a model of pulses.",
        "packbench estimate charge.bdf.csv --pack nmc-96s --reference new.bdf.csv --reference-ah 148.2",
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="what to estimate from; or `train` and the data")
    parser.add_argument("--model", metavar="NAME|FILE", help="model of pulse tests (default: by material and capacity)")
    parser.add_argument("--rated", type=_positive, metavar="AH", help="nominal capacity, where the file states none")
    parser.add_argument(
        "--counted",
        action="store_true",
        help="the file's SOC is charge counted from empty over nominal capacity (never a BMS's SOC): use it",
    )
    parser.add_argument("--pack", metavar="P", help="window: pack file or its name, for limits and rated capacity")
    parser.add_argument(
        "--reference",
        type=Path,
        metavar="FILE",
        help="window: a whole charge of a healthy sister of the same type (BDF)",
    )
    parser.add_argument(
        "--reference-ah", type=_positive, metavar="AH", help="window: the capacity measured of that sister"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="train: where the model goes (.json)")
    parser.add_argument("--licence", default="", metavar="TEXT", help="train: licence of the data")
    parser.add_argument("--source", default="", metavar="TEXT", help="train: where the data come from")
    parser.add_argument("--no-check", action="store_true", help="train: leave out the cross-validation (minutes)")
    parser.set_defaults(run_command=run)


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a capacity in Ah")
    return value


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Train, or estimate and show."""
    files: list[str] = args.files
    if files[0] == TRAIN:
        return _train(args, terminal)
    if len(files) > 1:
        raise InputError(Problem("one file at a time", field="FILE", found=str(len(files)), expected="1, or `train`"))
    path = Path(files[0])
    if not path.is_file():
        found = "a folder" if path.is_dir() else "nothing"
        raise InputError(Problem("no such file", file=str(path), found=found, expected="a file to estimate from"))
    estimate = _estimate(args, path)
    return Done(estimate.as_dict(), (_table(estimate, terminal.lang), *_remarks(estimate, terminal.lang)))


def _estimate(args: argparse.Namespace, path: Path) -> Estimate:
    if is_pulse_table(path):
        return estimate_pulses(path, model=args.model, counted=args.counted, rated_ah=args.rated)
    if is_can_log(path):
        return estimate_log(path)
    if path.suffix.lower() in SUFFIXES:
        source = None if args.pack is None else read_source("packs", args.pack)
        pack = None if source is None else load_pack(source.text, source.name)
        return estimate_window_file(path, pack, args.reference, args.reference_ah)
    expected = "a table of pulse tests (U1 to U21), a BDF table of a charge, or a recorded CAN (candump, tap)"
    raise InputError(Problem("nothing to estimate from", file=str(path), found="another kind", expected=expected))


def _train(args: argparse.Namespace, terminal: Terminal) -> Done:
    paths = [Path(name) for name in args.files[1:]]
    if not paths:
        raise InputError(Problem("nothing to train on", field="FILE", found="none", expected="tables of pulse tests"))
    if args.out is None:
        raise InputError(Problem("where shall the model go?", field="--out", found="nothing", expected="a .json file"))
    out: Path = args.out
    if not out.parent.is_dir():
        raise InputError(Problem("no such folder", field="--out", found=str(out.parent), expected="a folder"))

    def tell(text: str) -> None:
        terminal.err.print(text, style="dim")

    trained = train_from(paths, licence=args.licence, source=args.source, check=not args.no_check, tell=tell)
    write_model(out, trained.about, trained.model)
    data = {"ok": True, "model": str(out), **trained.about}
    shown = [Text(f"{key}: {value}") for key, value in data.items() if key != "ok"]
    return Done(data, tuple(shown))


_WORDS = {
    "en": ("Cell", "SOH", "Capacity", "95 % interval", "Remark", "pack", "refused"),
    "zh": ("电芯", "SOH", "容量", "95 % 区间", "备注", "电池包", "拒绝估计"),
}


def _table(estimate: Estimate, lang: str) -> Table:
    cell, soh, capacity, interval, remark, pack, _ = _WORDS[lang]
    table = Table(title=f"{estimate.file} · {estimate.provenance}", title_justify="left")
    for name in (cell, soh, capacity, interval):
        table.add_column(name, justify="left" if name == cell else "right", no_wrap=name != cell)
    table.add_column(remark, ratio=1)
    if estimate.pack is not None:
        table.add_row(*_row(estimate.pack, lang, name=pack))
    for one in estimate.cells[:SHOWN_MAX]:
        table.add_row(*_row(one, lang, name=one.name))
    return table


def _row(one: CellEstimate, lang: str, *, name: str) -> tuple[str, str, str, str, str]:
    refused = _WORDS[lang][-1]
    # A figure stands, though some of a cell's rows were refused: they are counted, --json has them all.
    shown = one.refusals[:1] if one.capacity_ah is None else ()
    remarks = [note.text_zh if lang == "zh" else note.text_en for note in (*shown, *one.unlike)]
    if one.capacity_ah is None:
        return name, "", refused, "", "\n".join(remarks)
    soh = "" if one.soh is None else f"{one.soh.measured.value:.3f}"
    return name, soh, _figure(one.capacity_ah), _interval(one.capacity_ah), "\n".join(remarks)


def _figure(one: Estimated) -> str:
    return f"{one.measured.value:.2f} {one.measured.unit}"


def _interval(one: Estimated) -> str:
    return f"{one.low:.2f} … {one.high:.2f}"


def _remarks(estimate: Estimate, lang: str) -> list[Text]:
    found = [Text(f"- {note.text_zh if lang == 'zh' else note.text_en}") for note in estimate.notes]
    name = estimate.model.get("name")
    if name is not None:
        about = f"{name}: {estimate.model.get('source') or '?'}; {estimate.model.get('licence') or '?'}"
        found.append(Text(f"- {'模型' if lang == 'zh' else 'Model'} {about}", style="dim"))
    return found
