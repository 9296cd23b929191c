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
from packbench.secondlife.regrouping.file import read_members
from packbench.secondlife.regrouping.members import Shape, Table, group_ah, pack_ohm, pack_voltage_v
from packbench.secondlife.regrouping.plan import Plan, make_plan
from packbench.secondlife.regrouping.rules import Rules, load_rules

NOMINAL_V = 3.6


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = make_command(
        subparsers,
        "regroup",
        "Regroup modules or cells to packs of most usable charge, then least spread. FILE has a row a member: id, "
        "capacity_ah, and where known dcir_ohm or r_mohm, ocv_v, soh, voltage_v (mean of its discharge).",
        "packbench regroup modules.csv --series 4 --packs 6 --out plan.csv",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="members: .csv, .xlsx or .json")
    parser.add_argument("--series", type=_count, required=True, metavar="N", help="groups in series in a pack")
    parser.add_argument("--parallel", type=_count, default=1, metavar="N", help="members in parallel in a group")
    parser.add_argument("--packs", type=_count, metavar="N", help="packs (default: as many as can be made)")
    parser.add_argument("--rule", metavar="NAME|FILE", help="what may stand together: house, eu-remanufacturing, ...")
    parser.add_argument("--nominal-v", type=float, default=NOMINAL_V, metavar="V", help="where voltage_v is missing")
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
    for name, value in (("--limit", args.limit), ("--nominal-v", args.nominal_v)):
        if not 0.0 < value < 1e5:
            raise InputError(Problem("", field=name, found=f"{value:g}", expected="a number above 0"))
    table = read_members(args.file)
    rules = Rules()
    if args.rule is not None:
        source = read_source("regrouping", args.rule)
        rules = load_rules(source.text, source.name)
    packs = args.packs or max(1, len(table) // (args.series * args.parallel))
    plan = make_plan(table, Shape(packs, args.series, args.parallel), rules, limit_s=args.limit)
    data = _json(table, plan, rules, args.nominal_v)
    if args.out is not None:
        _write(args.out, table, plan)
    return Done(data, (_view(data, terminal.lang), Text(_summary(data, terminal.lang))))


def _json(table: Table, plan: Plan, rules: Rules, nominal_v: float) -> dict[str, Any]:
    packs: list[dict[str, Any]] = []
    for number, (pack, sums) in enumerate(zip(plan.packs, group_ah(table, plan.packs), strict=True), start=1):
        limiting = int(sums.argmin())
        weakest = min(pack[limiting], key=lambda place: float(table.capacity_ah[place]))
        ordered = sorted(sums.tolist())
        usable, volt = ordered[0], pack_voltage_v(table, pack, nominal_v)
        packs.append(
            {
                "pack": number,
                "usable_ah": round(usable, 6),
                "usable_wh": round(usable * volt, 3),
                "spread_ah": round(ordered[-1] - usable, 6),
                "resistance_ohm": pack_ohm(table, pack),
                "limiting": {
                    "group": limiting + 1,
                    "member": table.members[weakest].id,
                    "next_group_gives_ah": round(ordered[min(1, len(ordered) - 1)] - usable, 6),
                },
                "groups": [[table.members[place].id for place in group] for group in pack],
            }
        )
    return {
        "ok": True,
        "status": plan.status,
        "packs_asked": plan.asked,
        "usable_ah": round(plan.usable_ah, 6),
        "bound_ah": round(plan.bound_ah, 6),
        "gap": plan.gap,
        "spread_ah": round(plan.spread_ah, 6),
        "spread_proven": plan.spread_proven,
        "step_ah": plan.step_ah,
        "sort_and_slice_ah": plan.baseline_ah,
        "margin": plan.margin,
        "rules": {"name": rules.name, "sources": dict(rules.sources)},
        "packs": packs,
        "left": [table.members[place].id for place in plan.left],
    }


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


_WORDS = {
    "en": ("Pack", "Usable", "Energy", "Spread", "Limited by", "the next group would give"),
    "zh": ("电池包", "可用容量", "能量", "组间差异", "受限于", "次小组可多出"),
}


def _view(data: dict[str, Any], lang: str) -> View:
    *heads, more = _WORDS[lang]
    view = View()
    for head in heads:
        view.add_column(head, justify="left" if head == heads[-1] else "right")
    for pack in data["packs"]:
        limiting = pack["limiting"]
        reason = f"{limiting['member']} ({more} +{limiting['next_group_gives_ah']:.3f} Ah)"
        figures = (f"{pack['usable_ah']:.3f} Ah", f"{pack['usable_wh']:.1f} Wh", f"{pack['spread_ah']:.3f} Ah")
        view.add_row(str(pack["pack"]), *figures, reason)
    return view


def _summary(data: dict[str, Any], lang: str) -> str:
    english = lang == "en"
    if data["status"] == "optimal":
        head = "proven optimal" if english else "已证明最优"
    else:
        head = "not proven optimal" if english else "未证明最优"
    gap = f"{data['usable_ah']:.3f} / {data['bound_ah']:.3f} Ah, gap {data['gap']:.3%}"
    margin = (
        ""
        if data["margin"] is None
        else f"; {'over sort-and-slice' if english else '优于排序切分'} {data['margin']:+.2%}"
    )
    left = ", ".join(data["left"][:20]) + (" ..." if len(data["left"]) > 20 else "")
    return f"{head}: {gap}{margin}\n{'left over' if english else '剩余'} ({len(data['left'])}): {left or '-'}"
