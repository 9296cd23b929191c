"""All diagnostics of one record, and what is absent with its reason.

Owns their order, and the words for what is missing. Pure.
"""

from __future__ import annotations

from dataclasses import replace

from packbench.analysis.diagnose.balance import balance
from packbench.analysis.diagnose.cells import cell_figures, compare
from packbench.analysis.diagnose.derivatives import derivatives
from packbench.analysis.diagnose.efficiency import efficiencies
from packbench.analysis.diagnose.evidence import Evidence
from packbench.analysis.diagnose.fade import fade_of
from packbench.analysis.diagnose.ocv import POINTS_MIN, ocv_curves, slowest_per_h
from packbench.analysis.diagnose.reference import FARTHEST_K, at_reference
from packbench.analysis.diagnose.relaxation import relaxations
from packbench.analysis.diagnose.resistance import dc_resistances
from packbench.analysis.diagnose.selfdischarge import LONG_H, longest_rest_h, self_discharges
from packbench.core.diagnostics import Absent, Diagnostics


def diagnose(evidence: Evidence) -> Diagnostics:
    """What the record says besides capacity and energy."""
    if evidence.capacity_ah is not None and not evidence.capacity_ah.value > 0.0:
        evidence = replace(evidence, capacity_ah=None, counted=None)
    compared = compare(evidence)
    edges, cycles = dc_resistances(evidence), efficiencies(evidence)
    found = Diagnostics(
        dc_resistance=edges,
        efficiency=cycles,
        relaxation=relaxations(evidence),
        self_discharge=self_discharges(evidence),
        at_reference=at_reference(evidence),
        ocv=ocv_curves(evidence),
        derivatives=derivatives(evidence),
        cells=cell_figures(evidence, compared),
        balance=balance(evidence, compared),
        fade=fade_of(evidence, edges, cycles),
    )
    missing = [each for each in _reasons(evidence) if not getattr(found, each.figure)]
    return replace(found, absent=tuple(missing))


def _reasons(evidence: Evidence) -> tuple[Absent, ...]:
    """Why each figure would be missing, if it is."""
    longest_h = longest_rest_h(evidence)
    slowest = slowest_per_h(evidence)
    slow_en = "" if slowest is None else f", and the slowest whole charge or discharge is at C/{1.0 / slowest:.1f}"
    slow_zh = "" if slowest is None else f"，最慢的完整充放电为 C/{1.0 / slowest:.1f}"
    return (
        Absent(
            "dc_resistance",
            "no edge of the current with samples close enough to read a resistance from",
            "没有采样足够密的电流阶跃，无法求直流内阻",
        ),
        Absent(
            "efficiency",
            "no charge lies between two discharges that ended alike",
            "没有位于两次以相同条件截止的放电之间的充电",
        ),
        Absent("relaxation", "no rest of a minute or more after a current", "电流之后没有一分钟以上的静置"),
        Absent(
            "self_discharge",
            f"the longest rest is {longest_h:.1f} h; below {LONG_H:g} h relaxation hides it",
            f"最长静置 {longest_h:.1f} h；不足 {LONG_H:g} h 时被弛豫掩盖",
        ),
        Absent(
            "at_reference",
            f"no capacity, no temperature, or more than {FARTHEST_K:g} K away from 25 degC",
            f"没有容量或温度，或与 25 ℃ 相差超过 {FARTHEST_K:g} K",
        ),
        Absent(
            "ocv",
            f"fewer than {POINTS_MIN} rests of ten minutes over half the capacity{slow_en}: C/9 or slower is needed "
            "both ways",
            f"十分钟以上静置不足 {POINTS_MIN} 次或未覆盖一半容量{slow_zh}；充放电均需不快于 C/9",
        ),
        Absent(
            "derivatives",
            "no counted discharge with a constant current and enough samples",
            "没有采样足够且电流恒定的计入结果的放电",
        ),
        Absent(
            "cells",
            "no cell voltages over a whole charge and discharge, nor at an edge of the current",
            "没有完整充放电或电流阶跃处的单体电压",
        ),
        Absent(
            "balance",
            "no cell voltages at the end of a charge and of the counted discharge after it",
            "没有充电末端及其后计入结果的放电末端的单体电压",
        ),
        Absent(
            "fade",
            "no pack file to compare with, or no figure of its kind",
            "没有可比较的电池文件，或没有相应数据",
        ),
    )
