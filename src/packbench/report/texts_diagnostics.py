"""Texts of the diagnostics, in English and Chinese; part of `texts.TEXTS`."""

from __future__ import annotations

from typing import Final

DIAGNOSTIC_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "dcir": ("DC resistance", "直流内阻"),
    "dcir.fact": ("{ohm} after {at} s", "{ohm}（{at} s）"),
    "dcir.fact_soc": ("at {soc} % SOC", "荷电状态 {soc} %"),
    "efficiency_fact": ("Efficiency", "效率"),
    "efficiency_fact.both": ("coulombic {charge} %, energy {energy} %", "库仑 {charge} %，能量 {energy} %"),
    "capacity_spread": ("Cell capacity spread", "单体容量离散度"),
    "dcir.current": ("Current / A", "电流 / A"),
    "dcir.temperature": ("Temp. / °C", "温度 / °C"),
    "dcir.soc": ("SOC / %", "荷电状态 / %"),
    "dcir.after": ("{at} s\n/ mΩ", "{at} s\n/ mΩ"),
    "dcir.note": (
        "Of the pack: change of voltage over change of current since just before the edge, so long after it; "
        "± is the expanded uncertainty. A dash: the samples are too far apart, or the current did not stay. "
        "Current: before → after the edge.",
        "整包值：自电流跃变前至所示时刻，电压变化与电流变化之比；± 后为扩展不确定度。"
        "“–”：采样过疏或电流未保持。电流：跃变前 → 跃变后。",
    ),
    "dcir.left_out": (
        "These are {shown} of {all} edges; result.json has them all.",
        "此处列出 {all} 次跃变中的 {shown} 次；完整列表见 result.json。",
    ),
    "not_given": ("Not given, and why", "未给出的项目及原因"),
    "not_given.figure": ("Figure", "项目"),
    "not_given.reason": ("Reason", "原因"),
    "figure.dc_resistance": ("DC resistance", "直流内阻"),
    "figure.efficiency": ("Efficiency", "效率"),
    "figure.relaxation": ("Relaxation", "弛豫"),
    "figure.self_discharge": ("Self-discharge", "自放电"),
    "figure.at_reference": ("Capacity at 25 °C", "25 ℃ 容量"),
    "efficiency": ("Efficiency by cycle", "各循环效率"),
    "efficiency.steps": ("Steps", "工步"),
    "efficiency.coulombic": ("Coulombic / %", "库仑效率 / %"),
    "efficiency.energy": ("Energy / %", "能量效率 / %"),
    "efficiency.note": (
        "Between two discharges that ended alike: charge (energy) out over charge (energy) in.",
        "两次以相同条件截止的放电之间：放出与充入的电量（能量）之比。",
    ),
    "relaxation": ("Relaxation at rest", "静置弛豫"),
    "relaxation.after": ("After / A", "此前电流 / A"),
    "relaxation.at": ("{at} s\n/ V", "{at} s 时\n/ V"),
    "relaxation.tau": ("Time constant\n/ s", "时间常数\n/ s"),
    "relaxation.settled": ("Settles at\n/ V", "稳定电压\n/ V"),
    "relaxation.note": (
        "The pack's voltage so long after the current stopped. Time constant: of the slow part, where one exponential "
        "describes the readings down to their noise.",
        "电流停止后各时刻的整包电压。时间常数：慢过程，仅当单一指数可描述至读数噪声时给出。",
    ),
    "self_discharge": ("Self-discharge in long rests", "长时间静置自放电"),
    "self_discharge.hours": ("Rest / h", "静置 / h"),
    "self_discharge.pack": ("Pack / mV a day", "整包 / mV 每天"),
    "self_discharge.cell": ("Fastest cell", "下降最快单体"),
    "self_discharge.cell_slope": ("Against the median / mV a day", "相对中位数 / mV 每天"),
    "self_discharge.not_decided": ("{index} (not decided)", "{index}（尚不能确定）"),
    "figure.cells": ("Cells", "单体"),
    "figure.balance": ("Balance", "均衡"),
    "figure.fade": ("Fade", "衰减"),
    "balance": ("Balance", "均衡"),
    "balance.cell": (
        "Cell {cell} ended both the charge and the discharge: the pack gives what this cell gives, and balancing adds "
        "nothing to it.",
        "充电与放电均由 {cell} 号单体终止：电池组容量即该单体容量，均衡不能增加。",
    ),
    "balance.imbalance": (
        "Cell {full} ended the charge and cell {empty} the discharge: imbalance limits the pack.",
        "充电由 {full} 号单体终止，放电由 {empty} 号单体终止：容量受不均衡限制。",
    ),
    "balance.not_full": (
        "Cell {full} ended the charge at {current}: the pack was not full.",
        "{full} 号单体在 {current} 时终止充电：电池组未充满。",
    ),
    "balance.unknown": (
        "Which cell ended the charge is not known.",
        "充电由哪个单体终止未知。",
    ),
    "balance.gain": (
        "Balanced, it would give about {balanced}; balancing would give back {gain}.",
        "均衡后约可放出 {balanced}；均衡可恢复 {gain}。",
    ),
    "balance.not_decided": ("That lies within its own uncertainty.", "该增量小于其自身不确定度。"),
    "cells_spread": ("Cell by cell", "逐个单体"),
    "cells_spread.cell": ("Cell", "单体编号"),
    "cells_spread.capacity": ("Capacity / Ah", "容量 / Ah"),
    "cells_spread.resistance": ("Resistance / mΩ", "内阻 / mΩ"),
    "cells_spread.note": (
        "The {shown} smallest of {all} cells; result.json has them all. Spread (highest less lowest over the mean): "
        "capacity {capacity}, resistance {resistance}. Capacities by comparing the cells' curves; resistances "
        "{at} s after the edge of step {step}.",
        "列出 {all} 个单体中容量最小的 {shown} 个；完整列表见 result.json。"
        "离散度（最大与最小之差除以平均值）：容量 {capacity}，内阻 {resistance}。"
        "容量由单体曲线比较得出；内阻取工步 {step} 电流跃变后 {at} s。",
    ),
    "fade": ("Fade against begin of life", "相对寿命初期的衰减"),
    "fade.capacity_fade": ("Capacity fade", "容量衰减"),
    "fade.resistance_increase": ("Increase of internal resistance (10 s, 50 % SOC)", "内阻增长（10 s，SOC 50 %）"),
    "fade.power_fade": ("Power fade (10 s, 80 % SOC)", "功率衰减（10 s，SOC 80 %）"),
    "fade.round_trip_efficiency": ("Round-trip efficiency", "往返效率"),
    "fade.round_trip_fade": ("Fade of round-trip efficiency", "往返效率衰减"),
    "fade.power": ("Power capability at {soc} % SOC (10 s)", "SOC {soc} % 时的功率能力（10 s）"),
    "fade.note": (
        "After Regulation (EU) 2023/1542 Annex VII in the form of DIN DKE SPEC 99100: fade = 1 − X/X of begin of life, "
        "which the pack file states. A dash: it does not, or the record has no such figure.",
        "按欧盟 2023/1542 号法规附件 VII（DIN DKE SPEC 99100 形式）：衰减 = 1 − X/寿命初期值，初期值取自电池文件。"
        "“–”：文件未给出或记录中没有该项。",
    ),
    "curves": ("Voltage curves", "电压曲线"),
    "figure.ocv": ("Open-circuit voltage curve", "开路电压曲线"),
    "figure.derivatives": ("ICA and DVA", "容量增量与电压微分"),
    "fig.derivatives": ("Incremental capacity and differential voltage", "容量增量与电压微分曲线"),
    "fig.derivatives.caption": (
        "dQ/dV over the voltage, dV/dQ over the charge moved since the step began, at constant current. Smoothing: "
        "mean over 200 bins of equal charge, then Savitzky-Golay of second order over 11 bins. Gaps: not told from "
        "noise.",
        "dQ/dV 对电压、dV/dQ 对工步内移动电量，恒流段。平滑：按等电量分 200 段取平均，再以 11 段窗口做二阶 "
        "Savitzky-Golay 平滑。缺口处无法与噪声区分。",
    ),
    "fig.ocv": ("Open-circuit voltage", "开路电压"),
    "fig.ocv.caption": (
        "At the end of rests, or as the mean of a slow charge and a slow discharge.",
        "取静置末端电压，或慢速充放电的平均值。",
    ),
    "axis.dq_dv": ("dQ/dV / (Ah/V)", "容量增量 dQ/dV / (Ah/V)"),
    "axis.dv_dq": ("dV/dQ / (mV/Ah)", "电压微分 dV/dQ / (mV/Ah)"),
    "axis.moved": ("Charge / Ah", "电量 / Ah"),
    "axis.soc": ("SOC / %", "荷电状态 / %"),
    "branch.charge": ("charge", "充电"),
    "branch.discharge": ("discharge", "放电"),
    "branch.mean": ("mean", "平均"),
    "ocv.rests": ("rests after {branch}", "{branch}后静置"),
    "ocv.mean": ("mean of slow charge and discharge", "慢速充放电平均"),
    "at_reference": ("Capacity at {at} °C", "{at} ℃ 下的容量"),
    "at_reference.words": (
        "{capacity}, from {temperature} by {coefficient} % a kelvin ({source}). The measured capacity above stands.",
        "{capacity}，由 {temperature} 按每开尔文 {coefficient} % 折算（{source}）。上文实测容量不变。",
    ),
}
"""Key to (English, Chinese)."""
