"""packbench regroup: modules or cells to packs. Owns the words and the terminal's view."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from rich.table import Table as View
from rich.text import Text

from packbench.app.job import read_source
from packbench.cli.console import Done, Terminal
from packbench.cli.words import Subparsers
from packbench.cli.words import command as make_command
from packbench.core.errors import InputError, Problem
from packbench.report.regroup_json import plan_to_dict
from packbench.secondlife.regrouping.energy import NOMINAL_V, RATE_C, Wish
from packbench.secondlife.regrouping.file import read_members
from packbench.secondlife.regrouping.members import Shape, Table
from packbench.secondlife.regrouping.plan import Plan, make_plan
from packbench.secondlife.regrouping.rules import Rules, load_rules

LEFT_SHOWN = 12


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "regroup",
        "Regroup modules or cells to packs of most usable energy, then least spread. FILE has a row a member: id, "
        "capacity_ah, and where known voltage_v (mean of its discharge), dcir_ohm or r_mohm, ocv_v, soh.",
        "packbench regroup modules.csv --series 4 --packs 6 --rate 0.5 --out plan.csv",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="members: .csv, .xlsx or .json")
    parser.add_argument("--series", type=_count, required=True, metavar="N", help="groups in series in a pack")
    parser.add_argument("--parallel", type=_count, default=1, metavar="N", help="members in parallel in a group")
    parser.add_argument("--packs", type=_count, metavar="N", help="packs (default: as many as can be made)")
    parser.add_argument("--rule", metavar="NAME|FILE", help="what may stand together: house, eu-remanufacturing, ...")
    parser.add_argument(
        "--rate",
        type=float,
        default=RATE_C,
        metavar="C",
        help="discharge at which energy counts, of the median member's charge an hour (default: 1/3)",
    )
    parser.add_argument(
        "--nominal-v",
        type=float,
        metavar="V",
        help=f"where voltage_v is missing (default: the others' median, or {NOMINAL_V:g})",
    )
    parser.add_argument("--ocv-is-mean", action="store_true", help="ocv_v was taken at half charge: use it as voltage")
    parser.add_argument(
        "--voltage-rate", type=float, default=0.0, metavar="C", help="rate at which voltage_v was measured (default: 0)"
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=2.0,
        metavar="T",
        help="solver time for each of a proof's two stages, about 2 s each",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="the assignment as CSV")
    parser.set_defaults(run_command=run)


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 100_000:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a count above 0")
    return int(text)


def run(args: argparse.Namespace, terminal: Terminal) -> Done:
    """Plan and show."""
    positive, rates = (("--limit", args.limit), ("--nominal-v", args.nominal_v)), ("rate", "voltage_rate")
    for name, value in positive:
        if value is not None and not 0.0 < value < 1e5:
            raise InputError(Problem("", field=name, found=f"{value:g}", expected="a number above 0"))
    for name in rates:
        if not 0.0 <= (value := getattr(args, name)) <= 100.0:
            field = f"--{name.replace('_', '-')}"
            raise InputError(Problem("", field=field, found=f"{value:g}", expected="a C-rate from 0 to 100"))
    table, not_used = read_members(args.file)
    rules = Rules()
    if args.rule is not None:
        source = read_source("regrouping", args.rule)
        rules = load_rules(source.text, source.name)
    packs = args.packs or max(1, len(table) // (args.series * args.parallel))
    wish = Wish(args.rate, args.nominal_v, args.ocv_is_mean, args.voltage_rate)
    plan = make_plan(table, Shape(packs, args.series, args.parallel), rules, limit_s=args.limit, wish=wish)
    data = plan_to_dict(table, plan, rules, wish, not_used)
    if args.out is not None:
        _write(args.out, table, plan)
        data["paths"] = {"plan": str(args.out)}
    return Done(data, (_view(data, terminal.lang), Text(_summary(data, terminal.lang))))


def _write(path: Path, table: Table, plan: Plan) -> None:
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("id", "pack", "group", "capacity_ah"))
            for number, pack in enumerate(plan.packs, start=1):
                for group_number, group in enumerate(pack, start=1):
                    for place in group:
                        member = table.members[place]
                        writer.writerow((member.id, number, group_number, member.capacity_ah))
            for place in plan.left:
                writer.writerow((table.members[place].id, "", "", table.members[place].capacity_ah))
    except OSError as error:
        raise InputError(Problem(error.strerror or "cannot be written", file=str(path))) from error


_HEADS = {
    "en": ("Pack", "Energy", "Charge", "Spread", "Limited by", "the next group would give"),
    "zh": ("电池包", "可用能量", "可用容量", "组间差异", "受限于", "次小组可多出"),
}
_WORDS = {
    "en": {
        "optimal": "proven optimal, to {step_wh:.3g} Wh",
        "bounded": "not proven optimal",
        "margin": "over sort-and-slice",
        "spread": "spread {spread_ah:.3f} Ah",
        "spread_sliced": " (sort-and-slice {0:.3f})",
        "spread_proven": ", proven",
        "rate": "energy at {rate_c:.3g} C, {current_a:.4g} A a pack",
        "voltage.nominal": "assumed: mean voltage {assumed:g} V for every member (no voltage_v)",
        "voltage.missing": "assumed: mean voltage {assumed:.4g} V for {missing} members without {source}",
        "voltage.ocv_v": "assumed: ocv_v is the mean voltage",
        "resistance.none": "no dcir_ohm or r_mohm: no loss in resistance is taken off",
        "resistance.missing": "assumed: {assumed:.4g} ohm, the others' median, for {missing} members without dcir_ohm",
        "not_used": "not used",
        "left": "left over",
        "not_asked": "no further pack was asked for",
        "remainder": "too few for a further pack",
        "rules": "the rules allow no further pack of those left",
        "rule": "a rule keeps it from where it would bring more",
        "instead": "{id}: {why}; instead of {instead_of} in pack {pack} it would change {change_wh:+.3f} Wh",
    },
    "zh": {
        "optimal": "已证明最优（步长 {step_wh:.3g} Wh）",
        "bounded": "未证明最优",
        "margin": "优于排序切分",
        "spread": "组间差异 {spread_ah:.3f} Ah",
        "spread_sliced": "（排序切分 {0:.3f}）",
        "spread_proven": "，已证明最小",
        "rate": "能量按 {rate_c:.3g} C 放电计，每包 {current_a:.4g} A",
        "voltage.nominal": "假设：所有单元平均电压为 {assumed:g} V（无 voltage_v）",
        "voltage.missing": "假设：{missing} 个缺少 {source} 的单元平均电压为 {assumed:.4g} V",
        "voltage.ocv_v": "假设：以 ocv_v 作为平均电压",
        "resistance.none": "无 dcir_ohm 或 r_mohm：未扣除内阻损耗",
        "resistance.missing": "假设：{missing} 个缺少 dcir_ohm 的单元取其余单元中位数 {assumed:.4g} Ω",
        "not_used": "未使用的列",
        "left": "剩余",
        "not_asked": "未要求更多电池包",
        "remainder": "不足以再组一包",
        "rules": "规则不允许用剩余单元再组一包",
        "rule": "规则不允许放入更有利的位置",
        "instead": "{id}：{why}；替换电池包 {pack} 的 {instead_of} 时能量变化 {change_wh:+.3f} Wh",
    },
}


def _view(data: dict[str, Any], lang: str) -> View:
    *heads, more = _HEADS[lang]
    view = View()
    for head in heads:
        view.add_column(head, justify="left" if head == heads[-1] else "right")
    for pack in data["packs"]:
        limiting = pack["limiting"]
        gives = f"+{limiting['next_group_gives_ah']:.3f} Ah, +{limiting['next_group_gives_wh']:.1f} Wh"
        figures = (f"{pack['usable_wh']:.1f} Wh", f"{pack['usable_ah']:.3f} Ah", f"{pack['spread_ah']:.3f} Ah")
        view.add_row(str(pack["pack"]), *figures, f"{limiting['member']} ({more} {gives})")
    return view


def _summary(data: dict[str, Any], lang: str) -> str:
    words = _WORDS[lang]
    head = words[data["status"]].format(**data)
    lines = [f"{head}: {data['usable_wh']:.2f} / {data['bound_wh']:.2f} Wh, gap {data['gap']:.3%}"]
    if data["margin"] is not None:
        lines[0] += f"; {words['margin']} {data['margin']:+.2%}"
    spread = words["spread"].format(**data)
    if data["sort_and_slice"] is not None:
        spread += words["spread_sliced"].format(data["sort_and_slice"]["spread_ah"])
    lines.append(spread + (words["spread_proven"] if data["spread_proven"] else ""))
    lines.append(words["rate"].format(**data["discharge"]))
    for one in data["given"]:
        keys = [f"{one['quantity']}.{one['source']}"]
        if one["missing"] and one["source"] not in ("nominal", "none"):
            keys.append(f"{one['quantity']}.missing")
        lines += [words[key].format(**one) for key in keys if key in words]
    if data["not_used"]:
        lines.append(f"{words['not_used']}: {', '.join(data['not_used'])}")
    lines.append(f"{words['left']} ({len(data['left'])})" + ("" if data["left"] else ": -"))
    lines += [f"  {words['instead'].format(why=words[one['reason']], **one)}" for one in data["left"][:LEFT_SHOWN]]
    return "\n".join([*lines, "  ..."] if len(data["left"]) > LEFT_SHOWN else lines)
