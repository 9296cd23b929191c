"""packbench grade: which grade a tested pack reaches, and how probable each grade is."""

from __future__ import annotations

import argparse

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from packbench.app.grading import Graded, graded, rules_of, stated_figures
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.result import Measured
from packbench.report.json_value import grading_to_dict
from packbench.report.numbers import measured
from packbench.report.texts import Lang
from packbench.secondlife.grading.judge import Grading
from packbench.secondlife.grading.rules import RulesModel

_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        "figure": "Figure",
        "value": "Value",
        "grade": "Grade",
        "none": "not assessed",
        "unknown": "probability unknown: a figure states no uncertainty",
        "assured": "assured (95 %): {name}",
        "near": "{figure} lies within its uncertainty of the bound of {grade} ({bound:g}, {source}): reached with {p}",
        "missing": "no grade: required and missing: {names}",
        "invalid": "no grade: {verdict}: {reasons}",
        "mark": "provenance: {provenance}",
        "unverified": "not checked against a signed record",
    },
    "zh": {
        "figure": "指标",
        "value": "数值",
        "grade": "等级",
        "none": "未评估",
        "unknown": "概率未知：有指标未给出不确定度",
        "assured": "可确信（95 %）：{name}",
        "near": "{figure} 与 {grade} 级界限（{bound:g}，{source}）之差在其不确定度之内：达到的概率为 {p}",
        "missing": "无法定级：缺少必需指标：{names}",
        "invalid": "无法定级：{verdict}：{reasons}",
        "mark": "数据来源：{provenance}",
        "unverified": "未对照已签名记录核验",
    },
}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "grade",
        "Grade tested packs by a file of rules, with the probability of each grade from the figures' uncertainties. "
        "A figure that is missing is not assessed, never guessed.",
        "packbench grade out/demo --rules echelon",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="a run's id or folder, a result.json, or a file that analyze reads"
    )
    parser.add_argument("--rules", default="echelon", metavar="R", help="rules file or its name (configs/grading)")
    parser.add_argument("--pack", metavar="P", help="for a cycler's file: the pack, for its rated capacity")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a figure the run does not have, in its unit, as in age_years=6 or dcir_rise=0.35+-0.05 (U, k = 2)",
    )
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Grade and show."""
    rules, path = rules_of(args.rules)
    stated = stated_figures(args.set)
    packs = [graded(word, rules, stated, args.pack) for word in args.runs]
    data = {
        "ok": True,
        "rules": {"name": rules.grading, "file": str(path), "grades": list(rules.names)},
        "stated": sorted(stated),
        "packs": [grading_to_dict(one.result, one.grading, is_record_verified=one.is_record_verified) for one in packs],
    }
    shown = [part for one in packs for part in _shown(one, rules, terminal.lang)]
    return Done(data, tuple(shown))


def _shown(one: Graded, rules: RulesModel, lang: Lang) -> list[RenderableType]:
    texts, grading = _TEXTS[lang], one.grading
    lines: list[RenderableType] = [Text(f"{one.result.serial or one.result.run_id}", style="bold")]
    lines.append(Text(texts["mark"].format(provenance=one.result.provenance), style="yellow"))
    if not one.is_record_verified:
        lines.append(Text(texts["unverified"], style="yellow"))
    if grading is None:
        reasons = one.result.invalid_reasons_zh if lang == "zh" else one.result.invalid_reasons
        lines.append(Text(texts["invalid"].format(verdict=one.result.verdict, reasons="; ".join(reasons) or "-")))
        return lines
    if grading.grade is None:
        lines.append(Text(texts["missing"].format(names=", ".join(grading.refused)), style="red"))
    else:
        lines += _verdict(grading, rules, lang)
    table = Table(box=None, pad_edge=False)
    for column in ("figure", "value", "grade"):
        table.add_column(texts[column])
    for item in grading.criteria:
        value = "" if item.value is None else _shown_value(item.value, is_count=item.figure == "trips")
        table.add_row(item.figure, value, item.grade or texts["none"])
    lines.append(table)
    for item in grading.criteria:
        for near in item.near:
            line = texts["near"].format(
                figure=item.figure, grade=near.grade, bound=near.bound, source=near.source, p=_percent(near.p_reached)
            )
            lines.append(Text(f"- {line}", style="yellow"))
    return lines


def _shown_value(value: Measured, *, is_count: bool) -> str:
    return f"{value.value:.0f}" if is_count else measured(value).full


def _verdict(grading: Grading, rules: RulesModel, lang: Lang) -> list[RenderableType]:
    texts = _TEXTS[lang]
    title = next(item.title for item in rules.grades if item.name == grading.grade)
    head = f"{texts['grade']} {grading.grade}: {title.zh if lang == 'zh' else title.en}"
    if grading.probabilities is None:
        return [Text(head, style="bold"), Text(texts["unknown"], style="yellow")]
    odds = ", ".join(f"{name} {_percent(p)}" for name, p in grading.probabilities.items())
    return [Text(head, style="bold"), Text(f"{odds}; {texts['assured'].format(name=grading.assured_grade)}")]


def _percent(p: float) -> str:
    return f"{100.0 * p:.1f} %"
