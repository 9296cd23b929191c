"""What `regroup --json` prints of a plan.

Owns names and rounding. Its schema is in `schemas_second_life`; a test holds real output against it.
"""

from __future__ import annotations

from typing import Any

from packbench.secondlife.regrouping.bound import sort_and_slice
from packbench.secondlife.regrouping.energy import Wish
from packbench.secondlife.regrouping.explain import left_over, limit_of
from packbench.secondlife.regrouping.members import Pack, Table, group_ah, spread_ah
from packbench.secondlife.regrouping.plan import Plan
from packbench.secondlife.regrouping.rules import Rules


def plan_to_dict(table: Table, plan: Plan, rules: Rules, wish: Wish, not_used: tuple[str, ...]) -> dict[str, Any]:
    """The whole answer."""
    sliced = sort_and_slice(table, plan.shape)
    return {
        "ok": True,
        "status": plan.status,
        "packs_asked": plan.asked,
        "usable_wh": round(plan.usable_wh, 3),
        "bound_wh": round(plan.bound_wh, 3),
        "gap": plan.gap,
        "step_wh": plan.step_wh,
        "spread_ah": round(plan.spread_ah, 6),
        "spread_proven": plan.spread_proven,
        "sort_and_slice": None
        if plan.baseline_wh is None
        else {"usable_wh": round(plan.baseline_wh, 3), "spread_ah": round(float(spread_ah(table, sliced).sum()), 6)},
        "margin": plan.margin,
        "discharge": {"rate_c": wish.rate_c, "current_a": round(plan.energy.current_a, 6)},
        "given": [
            {"quantity": one.quantity, "source": one.source, "assumed": one.value, "missing": one.missing}
            for one in plan.energy.given
        ],
        "not_used": list(not_used),
        "rules": {"name": rules.name, "sources": dict(rules.sources)},
        "packs": [_pack(table, plan, number, pack) for number, pack in enumerate(plan.packs, start=1)],
        "left": [
            {
                "id": table.members[one.member].id,
                "reason": one.reason,
                "instead_of": table.members[one.instead_of].id,
                "pack": one.pack + 1,
                "change_wh": round(one.change_wh, 3),
            }
            for one in left_over(table, plan, rules)
        ],
    }


def _pack(table: Table, plan: Plan, number: int, pack: Pack) -> dict[str, Any]:
    energy, limit = plan.energy, limit_of(plan.energy, pack)
    sums = group_ah(table, (pack,))[0]
    mean_v, ohm, usable_wh = energy.pack_v(pack), energy.pack_ohm(pack), float(energy.pack_wh((pack,))[0])
    known = energy.siemens is not None
    return {
        "pack": number,
        "usable_wh": round(usable_wh, 3),
        "usable_ah": round(float(sums.min()), 6),
        "mean_v": round(mean_v, 6),
        "resistance_ohm": ohm if known else None,
        "loss_v": round(energy.current_a * ohm, 6) if known else None,
        "spread_ah": round(float(sums.max() - sums.min()), 6),
        "limiting": {
            "group": limit.group + 1,
            "member": table.members[limit.member].id,
            "next_group_gives_ah": round(limit.next_ah, 6),
            "next_group_gives_wh": round(limit.next_ah * (mean_v - energy.current_a * ohm), 3),
        },
        "groups": [[table.members[place].id for place in group] for group in pack],
    }
