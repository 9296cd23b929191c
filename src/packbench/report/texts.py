"""Every text that a person reads in a report or on the terminal, in English and Chinese.

Owns the words: labels, verdicts, units of step kinds, names of limits and of uncertainty
components, provenance marks. Must not hold logic beyond looking a text up. It exists so that a
missing translation is a failing test and not a surprise on a customer's page.

Chinese follows the field's terms: GB/T 19596 (terms of electric vehicles), GB/T 34015 (residual
capacity), JJF 1059.1 (evaluation and expression of uncertainty in measurement).
"""

from __future__ import annotations

from typing import Final, Literal

from packbench.report.texts_diagnostics import DIAGNOSTIC_TEXTS
from packbench.report.texts_profile import PROFILE_TEXTS
from packbench.report.texts_second_life import SECOND_LIFE_TEXTS

Lang = Literal["en", "zh"]
LANGS: Final[tuple[Lang, ...]] = ("en", "zh")

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # The document
    "title": ("Residual capacity test report", "剩余容量测试报告"),
    "product": ("Packbench", "Packbench"),
    "page_of": ("Page {page} of {pages}", "第 {page} 页，共 {pages} 页"),
    "run": ("Run", "测试编号"),
    "none": ("none", "无"),
    "not_stated": ("not stated", "未给出"),
    "not_determined": ("not determined", "未得出"),
    "yes": ("yes", "是"),
    "no": ("no", "否"),
    # Provenance: the mark on every page, and what it means
    "provenance": ("Provenance", "数据来源"),
    "provenance.measured": ("MEASURED", "实测"),
    "provenance.emulated": ("EMULATED", "仿真设备"),
    "provenance.simulated": ("SIMULATED", "模拟"),
    "provenance.imported": ("IMPORTED", "导入"),
    "provenance_note.measured": (
        "On a physical pack, by the instruments listed below.",
        "由下列测量仪器对实物电池测得。",
    ),
    "provenance_note.emulated": (
        "The wire traffic is real, the pack is a model. This is no measurement and releases nothing.",
        "通信链路真实，电池为模型。本结果不是实测数据，不得用于放行。",
    ),
    "provenance_note.simulated": (
        "No physical pack was tested. This is no measurement and releases nothing.",
        "未测试任何实物电池。本结果不是实测数据，不得用于放行。",
    ),
    "provenance_note.imported": (
        "Recorded by another system and analysed here; Packbench did not control this test.",
        "由其他系统记录，在此分析；本次测试未由 Packbench 控制。",
    ),
    # Verdicts
    "verdict": ("Verdict", "判定"),
    "verdict.PASS": ("PASS", "合格"),
    "verdict.FAIL": ("FAIL", "不合格"),
    "verdict.INVALID": ("INVALID", "无效"),
    "verdict.ABORTED": ("ABORTED", "已中止"),
    "verdict_note.PASS": (
        "The result is valid and meets what the profile requires.",
        "结果有效，满足测试流程的要求。",
    ),
    "verdict_note.FAIL": (
        "The result is valid and does not meet what the profile requires.",
        "结果有效，但不满足测试流程的要求。",
    ),
    "verdict_note.INVALID": (
        "The figures below must not be used: see the reasons given.",
        "下列数值不得采用：原因见下。",
    ),
    "verdict_note.ABORTED": (
        "The test did not reach its end. Figures that need the whole test are absent.",
        "测试未能完成。依赖完整测试的数值未给出。",
    ),
    # Headline
    "capacity": ("Residual capacity", "剩余容量"),
    "energy": ("Discharge energy", "放电能量"),
    "soh": ("State of health (SOH)", "健康状态（SOH）"),
    "soce": ("State of certified energy (SOCE)", "认证能量状态（SOCE）"),
    "soh_note": ("capacity over rated capacity", "剩余容量与额定容量之比"),
    "soce_note": ("energy over rated energy", "放电能量与额定能量之比"),
    "weakest_cell": ("Weakest cell", "最弱单体"),
    "cell_n": ("cell {index}", "{index} 号单体"),
    "margin": ("the next cell would still give {margin}", "次弱单体尚可放出 {margin}"),
    "not_decided": (
        "not decided: the margin lies within its uncertainty, cell {other} may be the weakest as well",
        "尚不能确定：余量小于其不确定度，{other} 号单体同样可能最弱",
    ),
    "not_decided_short": ("not decided", "尚不能确定"),
    "margin_short": ("margin {margin}", "余量 {margin}"),
    "margin_unknown": ("margin not determined", "余量未确定"),
    "spread": ("Cell voltage spread", "单体电压极差"),
    "spread_note": ("highest minus lowest cell, at end of discharge", "放电截止时最高与最低单体电压之差"),
    "temperature": ("Cell temperature", "单体温度"),
    "temperature_max": ("Highest temperature", "最高温度"),
    "repeats": ("Repeats", "重复次数"),
    "duration": ("Duration", "历时"),
    "end_reason": ("End reason", "结束原因"),
    "U": ("expanded uncertainty", "扩展不确定度"),
    "u_note": ("± {U} (k = {k}, p = {p})", "± {U}（k = {k}，p = {p}）"),
    "u_absent": ("uncertainty not stated: no instrument data", "未给出不确定度：无测量仪器信息"),
    "u_absent_short": ("no uncertainty stated", "未给出不确定度"),
    "u_footnote": (
        "± is the expanded uncertainty U = k u. The coverage factor k follows from the effective degrees of "
        "freedom (Welch-Satterthwaite) for the coverage probability p (GUM, JCGM 100:2008).",
        "± 后为扩展不确定度 U = k u；包含因子 k 由有效自由度（韦尔奇-萨特思韦特公式）"
        "按包含概率 p 求得（JJF 1059.1，JCGM 100:2008）。",
    ),
    # Why it ended
    "why": ("How the test ended", "测试结束情况"),
    "trip_title": ("Stopped by safety", "安全保护停机"),
    "trip_done": (
        "The output was set to zero, the contactor was opened, and the bench stays locked until a person "
        "has found the cause and armed it anew.",
        "输出已降为零，接触器已断开；在查明原因并由人员重新解锁之前，台架保持闭锁。",
    ),
    "trip_not_at_rest": (
        "The bench did not come to rest: the pack may still be connected and live. Keep away until it has been "
        "disconnected by other means.",
        "台架未能回到静止状态：电池包可能仍处于连接和带电状态。在以其他方式断开之前，请勿靠近。",
    ),
    "trip_at": ("after {time}", "发生于 {time}"),
    "trip_value": ("value {value}", "实际值 {value}"),
    "trip_limit": ("limit {limit}", "限值 {limit}"),
    "trip_rule": ("rule {rule}", "规则 {rule}"),
    "trip_mark": ("stop", "停机"),
    "why_weakest": (
        "In the discharge that counts, cell {index} was the first to reach its end: it limits the pack. "
        "At that moment the next weakest cell would still have given {margin}.",
        "计入结果的放电中，{index} 号单体最先达到放电截止，电池组容量受其限制；此时次弱单体尚可放出 {margin}。",
    ),
    "why_weakest_undecided": (
        "In the discharge that counts, cell {index} was the first to reach its end; by the readings the next cell, "
        "{other}, would still have given {margin}. That lies within its own uncertainty: which of them is the weakest "
        "is not decided.",
        "计入结果的放电中，{index} 号单体最先达到放电截止；按读数，次弱的 {other} 号单体尚可放出 {margin}。"
        "该余量小于其自身不确定度，最弱单体尚不能确定。",
    ),
    "because": ("Not valid because", "无效原因"),
    "notes": ("To judge the figures, note", "数值说明"),
    "releasing": ("Releases the pack", "可用于放行"),
    "invalid_reasons": ("Why the result is not valid", "结果无效的原因"),
    "imbalance_limited": (
        "Limited by imbalance: one cell reached its limit before the pack was fully charged, so part of the "
        "capacity could not be reached.",
        "受不一致性限制：有单体先达到限值，电池组未能充满，部分容量无法释放。",
    ),
    "gaps": ("Gaps in the record", "记录缺口"),
    "gaps_note": ("Nothing is interpolated over a gap.", "缺口处不做插值。"),
    "gap_from": ("From", "起"),
    "gap_to": ("To", "止"),
    "gap_reason": ("Reason", "原因"),
    # Steps
    "steps": ("Steps", "工步"),
    "step_no": ("No.", "序号"),
    "step": ("Step", "工步"),
    "kind": ("Type", "类型"),
    "cycle": ("Cycle", "循环"),
    "cycle_n": ("Cycle {n}", "循环 {n}"),
    "charge_ah": ("Charge / Ah", "电量 / Ah"),
    "energy_wh": ("Energy / Wh", "能量 / Wh"),
    "energy_kwh": ("Energy / kWh", "能量 / kWh"),
    "voltage_end": ("End voltage / V", "截止电压 / V"),
    "current_end": ("End current / A", "截止电流 / A"),
    "cells_end": ("Cells at end / V", "截止时单体 / V"),
    "temp_max": ("Max. temp. / °C", "最高温度 / °C"),
    "steps_note": ("Positive charge and energy go into the pack.", "电量与能量以充入电池为正。"),
    "steps_left_out": (
        "These are the {shown} longest of {all} steps; result.json has them all.",
        "此处仅列出全部 {all} 个工步中历时最长的 {shown} 个；完整列表见 result.json。",
    ),
    # Repeats
    "repeat_capacities": ("Capacity of each repeat", "各次放电容量"),
    "repeat": ("Repeat", "次数"),
    "capacity_col": ("Capacity / Ah", "容量 / Ah"),
    "counts": ("Used for the result", "计入结果"),
    "counts_short": ("* used", "* 计入结果"),
    "deviation": ("Deviation from result / %", "与结果之差 / %"),
    # Figures
    "fig.overview": ("Voltage, current and temperature", "电压、电流与温度"),
    "fig.overview.caption": (
        "The whole run at the pack's terminals. Shaded: alternate cycles. Positive current charges.",
        "全程电池端电压、电流与最高温度；阴影区分相邻循环；电流以充电为正。",
    ),
    "fig.spread": ("Cell voltages", "单体电压"),
    "fig.spread.caption": (
        "Band from the lowest to the highest cell, with the mean and the weakest cell; below, the spread.",
        "色带为最低至最高单体电压，另示平均值与最弱单体；下图为电压极差。",
    ),
    "fig.end": ("End of discharge, cell by cell", "放电末期各单体电压"),
    "fig.end.caption": (
        "The last minutes of the discharge that counts (cycle {cycle}); below, each cell when it ended.",
        "计入结果的放电（循环 {cycle}）的末段；下图为放电截止时各单体电压。",
    ),
    "fig.budget": ("Contributions to the uncertainty of the capacity", "容量测量不确定度各分量"),
    "fig.budget.caption": (
        "Standard uncertainty of each component; in brackets its share of the combined variance.",
        "各分量的标准不确定度；括号内为其占合成方差的比例。",
    ),
    "fig.none": (
        "No time series was recorded or imported, so there are no curves.",
        "没有记录或导入时间序列数据，故无曲线。",
    ),
    # The expected course, of `check --plot`
    "course.charge": ("charge", "充电"),
    "course.discharge": ("discharge", "放电"),
    "course.rest": ("rest", "静置"),
    "course.profile": ("pulses and profiles", "脉冲与工况"),
    "course.soak": ("soak", "恒温"),
    "course.other": ("other", "其他"),
    "course.chamber": ("chamber", "温箱"),
    "course.full": ("full {value} V", "满充 {value} V"),
    "course.duration": ("Expected duration {duration}", "预计历时 {duration}"),
    "course.note": ("simulated pack, ideal instruments: no measurement", "模拟电池，理想仪器；非实测数据"),
    "axis.time": ("Time / {unit}", "时间 / {unit}"),
    "axis.time_to_end": ("Time before the end / {unit}", "距放电截止的时间 / {unit}"),
    "axis.voltage": ("Voltage / V", "电压 / V"),
    "axis.current": ("Current / A", "电流 / A"),
    "axis.temperature": ("Max. temp. / °C", "最高温度 / °C"),
    "axis.cell_voltage": ("Cell voltage / V", "单体电压 / V"),
    "axis.spread": ("Spread / mV", "极差 / mV"),
    "axis.cell_index": ("Cell", "单体编号"),
    "axis.standard_u": ("Standard uncertainty / mAh", "标准不确定度 / mAh"),
    "legend.band": ("lowest to highest", "最低至最高"),
    "legend.mean": ("mean", "平均"),
    "legend.weakest": ("weakest: cell {index}", "最弱：{index} 号"),
    "legend.others": ("other cells", "其他单体"),
    "legend.cutoff": ("cut-off {value} V", "截止电压 {value} V"),
    "legend.gap": ("no data", "无数据"),
    # Uncertainty budget
    "budget": ("Uncertainty budget of the residual capacity", "剩余容量的不确定度分量汇总"),
    "component": ("Component", "不确定度分量"),
    "standard_u": ("Standard uncertainty / mAh", "标准不确定度 / mAh"),
    "share": ("Share of variance", "方差占比"),
    "dof": ("Degrees of freedom", "自由度"),
    "correlated": ("Over the repeats", "各次重复之间"),
    "correlated.true": ("common", "相关"),
    "correlated.false": ("independent", "独立"),
    "combined": ("Combined standard uncertainty", "合成标准不确定度"),
    "expanded": ("Expanded uncertainty U (k = {k}, p = {p})", "扩展不确定度 U（k = {k}，p = {p}）"),
    "budget.current_gain": ("current, gain", "电流增益误差"),
    "budget.current_offset": ("current, offset", "电流零点误差"),
    "budget.current_noise": ("current, noise", "电流噪声"),
    "budget.current_resolution": ("current, resolution", "电流分辨力"),
    "budget.voltage_gain": ("voltage, gain", "电压增益误差"),
    "budget.voltage_offset": ("voltage, offset", "电压零点误差"),
    "budget.voltage_noise": ("voltage, noise", "电压噪声"),
    "budget.voltage_resolution": ("voltage, resolution", "电压分辨力"),
    "budget.time_base": ("time base", "时基误差"),
    "budget.cutoff_voltage": ("cut-off voltage through dQ/dV", "截止电压误差（经 dQ/dV）"),
    "budget.end_delay": ("delay of the end sample", "截止采样延迟"),
    "budget.unseen_in_gaps": ("charge unseen in gaps", "数据缺失期间未计入的电量"),
    "budget.sense_point": ("sense point and cable", "测量点与电缆压降"),
    "budget.sampling": ("integration between samples", "采样间积分误差"),
    "budget.current_ramp": ("current ramps", "电流升降过程"),
    "budget.charge_end_voltage": ("end voltage of the charge before", "充电截止电压误差"),
    "budget.charge_end_noise": ("noise at the end of the charge before", "充电截止时的电压噪声"),
    "budget.cutoff_noise": ("noise at the cut-off", "放电截止时的电压噪声"),
    "budget.cell_end_gain": ("cell voltage gain at both ends", "两端单体电压增益误差"),
    "budget.pack_end_gain": ("pack voltage gain at both ends", "两端总压增益误差"),
    "budget.next_cell_voltage": ("voltage of the next cell", "次弱单体电压误差"),
    "budget.curve_shape": ("shape of the discharge curve", "放电曲线形状"),
    "budget.integration": ("integration between samples", "采样间积分误差"),
    "budget.repeatability": ("repeatability", "重复性"),
    "budget.other": ("all others together", "其余分量合计"),
    # Limits
    "limits": ("Limits in force", "生效限值"),
    "limit": ("Limit", "限值项"),
    "value": ("Value", "数值"),
    "origin": ("Set by", "来源"),
    "limits_note": (
        "Each limit is the tightest of those that profile, pack, cycler, cable and board state.",
        "每项限值取测试流程、电池、充放电机、电缆与保护板所给限值中最严者。",
    ),
    "limit.pack_voltage_max_v": ("pack voltage, highest", "电池总压上限"),
    "limit.pack_voltage_min_v": ("pack voltage, lowest", "电池总压下限"),
    "limit.cell_voltage_max_v": ("cell voltage, highest", "单体电压上限"),
    "limit.cell_voltage_min_v": ("cell voltage, lowest", "单体电压下限"),
    "limit.charge_current_max_a": ("charge current, highest", "充电电流上限"),
    "limit.discharge_current_max_a": ("discharge current, highest", "放电电流上限"),
    "limit.temperature_max_c": ("temperature, highest", "温度上限"),
    "limit.temperature_min_c": ("temperature, lowest", "温度下限"),
    "limit.temperature_rate_max_k_min": ("temperature rise, highest", "温升速率上限"),
    "limit.cell_spread_max_v": ("cell voltage spread, highest", "单体电压极差上限"),
    "origin.profile": ("profile", "测试流程"),
    "origin.pack": ("pack", "电池"),
    "origin.bms": ("BMS", "电池管理系统"),
    "origin.cycler": ("cycler", "充放电机"),
    "origin.cable": ("cable", "电缆"),
    "origin.board": ("board", "保护板"),
    "origin.bench": ("bench", "测试台架"),
    # Instruments
    "instruments": ("Measuring instruments", "测量仪器"),
    "instrument": ("Instrument", "仪器"),
    "instrument_serial": ("Serial number", "出厂编号"),
    "certificate": ("Certificate", "校准证书"),
    "calibrated_on": ("Calibrated", "校准日期"),
    "due_on": ("Due", "有效期至"),
    "overdue": ("overdue", "已过期"),
    "accuracy": ("Accuracy", "准确度"),
    "accuracy.reading": ("{gain} of reading", "读数的 {gain}"),
    "no_instruments": (
        "No instruments are on record, so no uncertainty can be stated.",
        "没有测量仪器的记录，无法给出不确定度。",
    ),
    "instrument.cycler": ("cycler", "充放电机"),
    "instrument.bms": ("BMS", "电池管理系统"),
    "instrument.meter": ("meter", "测量仪表"),
    "quantity.current_a": ("current", "电流"),
    "quantity.voltage_v": ("voltage", "电压"),
    "quantity.cell_voltage_v": ("cell voltage", "单体电压"),
    "quantity.temperature_c": ("temperature", "温度"),
    "quantity.time": ("time", "时间"),
    # Identity
    "identity": ("Identity of the run", "测试标识"),
    "item": ("Item", "项目"),
    "serial": ("Battery code", "电池编码"),
    "pack": ("Pack", "电池型号"),
    "profile": ("Profile", "测试流程"),
    "bench": ("Bench", "测试台架"),
    "operator": ("Operator", "操作员"),
    "seed": ("Seed", "随机种子"),
    "started": ("Started", "开始时间"),
    "ended": ("Ended", "结束时间"),
    "wall_time": ("Computed in", "计算用时"),
    "software": ("Software", "软件版本"),
    "schema": ("Schema of result.json", "result.json 格式版本"),
    "rated": ("Rated", "额定值"),
    "hashes": ("Hashes (SHA-256)", "哈希值（SHA-256）"),
    "hash_of": ("Of", "对象"),
    "hash.log": ("event log", "事件日志"),
    "hash.log_sha256": ("event log", "事件日志"),
    "hash.profile": ("profile", "测试流程"),
    "hash.profile_sha256": ("profile", "测试流程"),
    "hash.samples": ("samples", "采样数据"),
    "hash.samples_sha256": ("samples", "采样数据"),
    "hash.columns_sha256": ("columns", "列数据"),
    "hash.file": ("source file", "源文件"),
    "hash.data": ("data", "数据"),
    "hash.data_sha256": ("data", "数据"),
    "hash.source": ("source file", "源文件"),
    "hash.source_sha256": ("source file", "源文件"),
    "hash.signed_by": ("signed with the key", "签名密钥"),
    "hash.pack": ("pack file", "电池文件"),
    "hash.pack_sha256": ("pack file", "电池文件"),
    "hash.bench": ("bench file", "台架文件"),
    "hash.bench_sha256": ("bench file", "台架文件"),
    # Terminal
    "live.step": ("step", "工步"),
    "live.cycle": ("cycle", "循环"),
    "live.bench_time": ("bench", "台架时间"),
    "live.cells": ("cells", "单体"),
    "chinese_left_out": (
        "[Chinese text]: this machine has no Chinese font; install fonts-noto-cjk and make the report again.",
        "[Chinese text]：本机没有中文字体，请安装 fonts-noto-cjk 后重新生成报告。",
    ),
    **PROFILE_TEXTS,
    **DIAGNOSTIC_TEXTS,
    **SECOND_LIFE_TEXTS,
}
"""Key to (English, Chinese)."""


def text(key: str, lang: Lang, **fields: object) -> str:
    """The text of `key` with `{fields}` filled in. KeyError when no such text exists."""
    found = TEXTS[key][LANGS.index(lang)]
    return found.format(**fields) if fields else found


def name_of(group: str, name: str, lang: Lang) -> str:
    """The text of `group.name`; for a name this table does not know, the name itself in plain words.

    Names of steps' kinds, limits, layers and budget components come from other modules, and one
    that is new there must still print.
    """
    key = f"{group}.{name}"
    return text(key, lang) if key in TEXTS else name.replace("_", " ")


def comma(lang: Lang) -> str:
    """What stands between two remarks on one line."""
    return "，" if lang == "zh" else ", "
