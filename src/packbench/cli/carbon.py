"""packbench carbon: kg CO2e per kWh that a battery delivers in each of its lives, by stage."""

from __future__ import annotations

import argparse

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from packbench.app.carbon import Judged, carbon_of
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.result import Measured
from packbench.report.texts import Lang
from packbench.trace.carbon.bench_energy import bench_energy_to_dict
from packbench.trace.carbon.factors import STAGES
from packbench.trace.carbon.footprint import footprint_to_dict

_TEXTS: dict[Lang, dict[str, str]] = {
    "en": {
        "stage": "Stage, g CO2e/kWh",
        "first": "First life",
        "second": "Second life",
        "total": "Together",
        "delivered": "Delivered, kWh",
        "rule": "Allocation: {rule}. The test took {kwh} kWh from the mains ({how}).",
        "assumed": "Assumed, from no source: {names}. No declaration can rest on this.",
        "test": "Test: nobody measured this run ({provenance}).",
        "RawMaterialExtraction": "Raw material extraction",
        "MainProduction": "Main production",
        "Distribution": "Distribution",
        "Recycling": "Recycling",
        "ac_meter": "AC meter",
        "efficiency_curve": "efficiency curve",
    },
    "zh": {
        "stage": "阶段，g CO2e/kWh",
        "first": "首次寿命",
        "second": "梯次寿命",
        "total": "合计",
        "delivered": "输出能量，kWh",
        "rule": "分配规则：{rule}。测试从电网取电 {kwh} kWh（{how}）。",
        "assumed": "以下为假设值，无来源：{names}。不能作为声明依据。",
        "test": "测试：此运行并非实测（{provenance}）。",
        "RawMaterialExtraction": "原材料获取",
        "MainProduction": "主要生产",
        "Distribution": "分销",
        "Recycling": "回收",
        "ac_meter": "交流电表",
        "efficiency_curve": "效率曲线",
    },
}


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "carbon",
        "Carbon footprint of a tested battery: kg CO2e per kWh delivered in each life, by stage, with its "
        "uncertainty, from a file of factors with their sources.",
        "packbench carbon out/demo --factors assumptions",
    )
    parser.add_argument("run", metavar="RUN|CODE", help="a run, or a battery code for its newest run")
    parser.add_argument("--factors", required=True, metavar="FILE", help="a factors file (configs/carbon/*.yaml)")
    parser.set_defaults(run_command=run)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Compute and show."""
    judged, is_test = carbon_of(args.run, args.factors)
    data = {
        "ok": True,
        "run_id": judged.result.run_id,
        "serial": judged.result.serial,
        "provenance": judged.result.provenance,
        "test": is_test,
        "factors": str(judged.factors_file),
        "bench_energy": bench_energy_to_dict(judged.bench),
        **footprint_to_dict(judged.footprint),
    }
    return Done(data, _shown(judged, terminal.lang, is_test=is_test))


def _shown(judged: Judged, lang: Lang, *, is_test: bool) -> tuple[RenderableType, ...]:
    texts, found = _TEXTS[lang], judged.footprint
    table = Table(box=None, pad_edge=False)
    table.add_column(texts["stage"])
    table.add_column(texts["first"], justify="right")
    table.add_column(texts["second"], justify="right")
    for stage in STAGES:
        table.add_row(texts[stage], *(_grams(found.per_kwh(life, stage)) for life in ("first_life", "second_life")))
    table.add_row(
        texts["total"], *(_grams(found.per_kwh(life)) for life in ("first_life", "second_life")), style="bold"
    )
    delivered = [
        f"{found.delivered_kwh[life].value:,.4g} ± {found.delivered_kwh[life].U or 0.0:,.2g}"
        for life in ("first_life", "second_life")
    ]
    table.add_row(texts["delivered"], *delivered)
    kwh = f"{judged.bench.kwh:.4g} ± {judged.bench.U_kwh:.2g}"
    shown: list[RenderableType] = [
        table,
        Text(texts["rule"].format(rule=found.rule, kwh=kwh, how=texts[judged.bench.counted_by])),
    ]
    if found.assumptions:
        names = ", ".join(each.name for each in found.assumptions)
        shown.append(Text(texts["assumed"].format(names=names), style="yellow"))
    if is_test:
        shown.append(Text(texts["test"].format(provenance=judged.result.provenance), style="yellow"))
    return tuple(shown)


def _grams(figure: Measured) -> str:
    return f"{figure.value * 1e3:.4g} ± {(figure.U or 0.0) * 1e3:.2g}"
