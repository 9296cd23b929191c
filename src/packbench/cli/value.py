"""packbench value: where a tested pack may serve, how long, and what it is worth there."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from packbench.app.grading import stated
from packbench.app.worth import DEFAULT_ASSUMPTIONS, DEFAULT_LIFE, STATABLE, Valued, read_files, valued
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem
from packbench.report.build import require_extra
from packbench.report.content_second_life import title_of, worth_title
from packbench.report.figures_second_life import draw_tornado, tornado_png, tornado_text
from packbench.report.json_value import appraisal_to_dict, reasons_of
from packbench.report.numbers import ABSENT
from packbench.report.second_life_words import (
    amount_text,
    interval_text,
    limiting_words,
    money_text,
    plain_text,
    probability_text,
    reasons_text,
    source_text,
    unit_text,
    years_text,
)
from packbench.report.texts import Lang, name_of, text
from packbench.secondlife.draws import COUNT, COUNT_MAX, COUNT_MIN, SEED, Draws
from packbench.secondlife.value.appraisal import Appraisal, Appraised
from packbench.secondlife.value.worth import PARTS, Worth

_COLOURS = {"meets": "green", "fails": "red", "unknown": "yellow"}
_MARKS: dict[Lang, dict[str, str]] = {
    "en": {"mark": "provenance: {provenance}", "unverified": "not checked against a signed record"},
    "zh": {"mark": "数据来源：{provenance}", "unverified": "未对照已签名记录核验"},
}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "value",
        "Match tested packs with second-life applications, estimate the remaining life there as a range, and what each "
        "is worth, by Monte Carlo over assumptions that are all listed. What is missing is unknown, never guessed.",
        "packbench value out/demo --application stationary-storage",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run's id or folder, a result.json, or a file that analyze reads"
    )
    parser.add_argument(
        "--application", metavar="NAME|FILE", help="one application (configs/applications; default: all)"
    )
    parser.add_argument(
        "--assumptions", default=DEFAULT_ASSUMPTIONS, metavar="NAME|FILE", help="prices and costs (configs/value)"
    )
    parser.add_argument(
        "--life", default=DEFAULT_LIFE, metavar="NAME|FILE", help="parameters of the ageing model (configs/life)"
    )
    parser.add_argument("--pack", metavar="P", help="for a result.json or a cycler's file: the pack")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a figure the run does not have, in its unit, as in dcir_rise=0.35+-0.05 (U, k = 2)",
    )
    parser.add_argument("--seed", type=int, default=SEED, metavar="N", help=f"seed of the draws (default {SEED})")
    parser.add_argument("--draws", type=int, default=COUNT, metavar="N", help=f"how many draws (default {COUNT})")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write value.json and the tornado (SVG, PNG) there")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Value and show."""
    draws = _draws(args.seed, args.draws)
    figures = stated(args.set, STATABLE)
    read = read_files(args.application, args.life, args.assumptions)
    packs = [valued(word, read, figures, args.pack, draws) for word in args.runs]
    paths = [_write_tornado(args.out, one, len(packs), terminal.lang) for one in packs]
    data = {
        "ok": True,
        "seed": draws.seed,
        "draws": draws.count,
        "currency": read.files.money.currency,
        "files": read.paths,
        "stated": sorted(figures),
        "packs": [
            appraisal_to_dict(
                one.subject.result, one.appraisal, path, is_record_verified=one.subject.is_record_verified
            )
            for one, path in zip(packs, paths, strict=True)
        ],
    }
    if args.out:
        _write(args.out / "value.json", (json.dumps(data, ensure_ascii=False, indent=2) + "\n").encode("utf-8"))
    shown = [part for one in packs for part in _shown(one, terminal.lang)]
    return Done(data, tuple(shown))


def _draws(seed: int, count: int) -> Draws:
    if seed < 0:
        raise InputError(Problem("", field="--seed", found=str(seed), expected="a whole number from 0"))
    if not COUNT_MIN <= count <= COUNT_MAX:
        expected = f"{COUNT_MIN} to {COUNT_MAX}"
        raise InputError(Problem("", field="--draws", found=str(count), expected=expected))
    return Draws(seed, count)


def _write_tornado(out: Path | None, one: Valued, count: int, lang: Lang) -> dict[str, str]:
    """The tornado of each application that is shown in detail, beside value.json; nothing without a value."""
    if out is None or one.appraisal is None:
        return {}
    written: dict[str, str] = {}
    currency = one.appraisal.currency
    for shown in one.appraisal.shown:
        if shown.worth is None:
            continue
        require_extra("matplotlib")
        key = "tornado_candidate" if shown.profile.application == one.appraisal.candidate else "tornado"
        stem = key if count == 1 else f"{key}-{one.subject.result.run_id}"
        svg, png = out / f"{stem}.svg", out / f"{stem}.png"
        _write(svg, draw_tornado(shown.worth, currency, lang).svg.encode("utf-8"))
        _write(png, tornado_png(shown.worth, currency, lang))
        written |= {f"{key}_svg": str(svg), f"{key}_png": str(png)}
    return written


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise InputError(Problem(error.strerror or "cannot be written", file=str(path), field="--out")) from error


def _shown(one: Valued, lang: Lang) -> list[RenderableType]:
    result, marks = one.subject.result, _MARKS[lang]
    lines: list[RenderableType] = [Text(f"{result.serial or result.run_id}", style="bold")]
    lines.append(Text(marks["mark"].format(provenance=result.provenance), style="yellow"))
    if not one.subject.is_record_verified:
        lines.append(Text(marks["unverified"], style="yellow"))
    if one.appraisal is None:
        reasons = result.invalid_reasons_zh if lang == "zh" else ()
        lines.append(Text(text("second_life_unknown", lang, reasons="; ".join(reasons or reasons_of(result)))))
        return lines
    lines.append(_applications(one.appraisal, lang))
    for application in one.appraisal.applications:
        lines += _remarks(application, lang)
    if not one.appraisal.is_uncertainty_stated:
        lines.append(Text(text("u_left_out", lang), style="yellow"))
    if one.appraisal.best is None:
        lines.append(Text(text("none_chosen", lang), style="yellow"))
    for shown in one.appraisal.shown:
        if shown.worth is not None:
            lines += _worth(one.appraisal, shown, shown.worth, lang)
    lines.append(Text(text("assumptions", lang), style="bold"))
    lines += [_assumptions(one.appraisal, lang), Text(text("assumptions_note", lang), style="dim")]
    return lines


def _applications(appraisal: Appraisal, lang: Lang) -> Table:
    table = Table(box=None, pad_edge=False)
    for key in ("application", "application_match"):
        table.add_column(text(key, lang))
    for key in ("probability", "life_years"):
        table.add_column(text(key, lang), justify="right")
    table.add_column(text("worth_value", lang, currency=appraisal.currency), justify="right")
    for one in appraisal.applications:
        verdict = Text(name_of("verdict_of", one.match.verdict, lang), style=_COLOURS[one.match.verdict])
        table.add_row(
            title_of(one, lang),
            verdict,
            probability_text(one.match.p),
            ABSENT if one.life is None else years_text(one.life),
            ABSENT if one.worth is None else amount_text(one.worth.amounts["value"]),
            style="bold" if one.profile.application == appraisal.chosen else "",
        )
    return table


def _remarks(one: Appraised, lang: Lang) -> list[RenderableType]:
    lines: list[RenderableType] = [Text(f"- {title_of(one, lang)}: {limiting_words(one.match, lang)}")]
    if one.worth is None:
        reasons = reasons_text(one.refused, lang)
        lines.append(Text(f"  {text('no_worth', lang, reasons=reasons)}", style="yellow"))
    return lines


def _worth(appraisal: Appraisal, one: Appraised, worth: Worth, lang: Lang) -> list[RenderableType]:
    currency = appraisal.currency
    heading = f"{worth_title(appraisal, one, lang)} ({currency})"
    table = Table(box=None, pad_edge=False)
    table.add_column(text("part", lang))
    for key in ("part_central", "part_median", "part_range"):
        table.add_column(text(key, lang), justify="right")
    amounts = dict(worth.amounts)
    if worth.usable is not None:
        usable = worth.usable
        name = text("part.usable", lang, unit=worth.usable_unit)
        table.add_row(name, money_text(usable.central), money_text(usable.median), interval_text(usable))
    for part in PARTS:
        if part in amounts:
            amount = amounts[part]
            style = "bold" if part == "value" else ""
            row = (money_text(amount.central), money_text(amount.median), interval_text(amount))
            table.add_row(text(f"part.{part}", lang), *row, style=style)
    lines: list[RenderableType] = [Text(heading, style="bold"), table]
    if "net" in amounts:
        lines.append(Text(text("p_floor", lang, p=probability_text(worth.p_floor))))
    bars = tornado_text(worth, lang)
    if bars:
        lines.append(Text(f"{text('fig.tornado', lang)} ({currency})", style="bold"))
        lines += [Text(bar, no_wrap=True, overflow="ignore") for bar in bars]
    return lines


def _assumptions(appraisal: Appraisal, lang: Lang) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(text("assumption", lang))
    for key in ("value", "assumption_low", "assumption_high"):
        table.add_column(text(key, lang), justify="right")
    table.add_column(text("unit", lang))
    table.add_column(text("source", lang))
    titles = {one.profile.application: title_of(one, lang) for one in appraisal.applications}
    for one in appraisal.assumed:
        name = name_of("input", one.name, lang)
        if one.group in titles and len(titles) > 1:
            name = f"{titles[one.group]}: {name}"
        spread = one.spread
        numbers = (plain_text(number) for number in (spread.value, spread.low, spread.high))
        table.add_row(name, *numbers, unit_text(one.unit, lang), source_text(spread.source, lang))
    return table
