"""Texts about a pack's second life: its grade, where it may serve, how long, and what it is worth.

Owns those words in English and Chinese; `texts` makes them part of the one table. Must not hold logic.
"""

from __future__ import annotations

from typing import Final

SECOND_LIFE_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "second_life": ("Second life", "梯次利用"),
    "grade": ("Grade", "等级"),
    "grade_of": ("Grade {grade}: {title}", "等级 {grade}：{title}"),
    "grade_missing": ("No grade: required and missing: {names}.", "无法定级：缺少必需指标：{names}。"),
    "grade_odds": ("Probability: {odds}. Assured (95 %): {assured}.", "概率：{odds}。可确信（95 %）：{assured}。"),
    "grade_unknown": (
        "The probability of the grade is unknown: a figure states no uncertainty.",
        "等级概率未知：有指标未给出不确定度。",
    ),
    "not_assessed": ("not assessed", "未评估"),
    "figure": ("Figure", "指标"),
    "criterion_bounds": ("Bounds, best grade first", "界限（由优至劣）"),
    "figure.soh": ("SOH (capacity)", "SOH（容量）"),
    "figure.soce": ("SOCE (energy)", "SOCE（能量）"),
    "figure.energy_kwh": ("usable energy", "可用能量"),
    "figure.continuous_w_per_kwh": ("continuous power", "持续功率"),
    "figure.peak_w_per_kwh": ("peak power", "峰值功率"),
    "figure.dcir_rise": ("rise of DC resistance", "直流内阻增长"),
    "figure.cell_spread_v": ("cell voltage spread", "单体电压极差"),
    "figure.self_discharge_per_month": ("self-discharge a month", "月自放电率"),
    "figure.insulation_ohm_per_v": ("insulation", "绝缘电阻"),
    "figure.age_years": ("age", "使用年限"),
    "figure.trips": ("safety trips", "安全停机次数"),
    "figure.temperature_min_c": ("lowest temperature allowed", "允许最低温度"),
    "figure.temperature_max_c": ("highest temperature allowed", "允许最高温度"),
    "figure.life_years": ("remaining life", "剩余寿命"),
    "figure.life_cycles": ("remaining cycles", "剩余循环次数"),
    "verdict_of.meets": ("meets", "满足"),
    "verdict_of.fails": ("does not", "不满足"),
    "verdict_of.unknown": ("unknown", "未知"),
    "grade_note": (
        "Each bound and its source. A row in bold lies within its uncertainty of a bound.",
        "各界限及其来源。粗体行与某一界限之差在其不确定度之内。",
    ),
    "applications": ("Applications and remaining life", "应用与剩余寿命"),
    "application": ("Application", "应用"),
    "application_match": ("Match", "匹配"),
    "probability": ("Probability", "概率"),
    "limiting": ("Limited by", "限制因素"),
    "life_years": ("Remaining years", "剩余年数"),
    "life_cycles": ("Remaining cycles", "剩余循环"),
    "life_note": (
        "Remaining life: median, and in brackets the 5th to the 95th percentile of {count} draws (seed {seed}), to the "
        "application's end-of-life SOH or to the knee, whichever comes first; ≥: cut at the horizon of {horizon} "
        "years. An estimate from laboratory cells, not from this pack.",
        "剩余寿命：中位数，括号内为 {count} 次抽样（种子 {seed}）的 5 % 至 95 % 分位数，"
        "截至应用的寿命终止 SOH 或拐点（以先到者为准）；≥：按 {horizon} 年上限截断。"
        "该估计来自实验室电芯，并非本电池包。",
    ),
    "worth_value": ("Value, {currency}", "价值，{currency}"),
    "worth_note": (
        "Value: median, and in brackets the 90 % interval, never less than the material. Every price and cost is an "
        "assumption, listed below.",
        "价值：中位数，括号内为 90 % 区间，不低于材料价值。所有价格与成本均为假设，见下表。",
    ),
    "worth_of": ("Value as: {title}", "价值（{title}）"),
    "worth_of_other": (
        "Value as: {title}, for comparison",
        "价值（{title}，供比较）",
    ),
    "worth_of_candidate": (
        "Value as: {title}, if what is unknown were met",
        "价值（{title}，假定未知项满足）",
    ),
    "part": ("Part", "项目"),
    "part_central": ("At the values", "按给定值"),
    "part_median": ("Median", "中位数"),
    "part_range": ("90 % interval", "90 % 区间"),
    "part.usable": ("usable energy over the remaining life, {unit}", "剩余寿命内可用能量，{unit}"),
    "u_left_out": (
        "The measured figures state no uncertainty: the ranges leave it out.",
        "实测指标未给出不确定度：区间未计入该项。",
    ),
    "part.earned": ("earned, discounted", "收入（折现）"),
    "part.test": ("− test", "− 测试"),
    "part.regroup": ("− regroup", "− 拆解重组"),
    "part.logistics": ("− logistics", "− 物流"),
    "part.warranty": ("− warranty", "− 质保"),
    "part.net": ("net", "净值"),
    "part.material": ("material (floor)", "材料价值（下限）"),
    "part.value": ("value", "价值"),
    "p_floor": (
        "In {p} of the draws the material is worth more than this second life.",
        "在 {p} 的抽样中，材料价值高于该梯次利用。",
    ),
    "no_worth": ("No value can be stated: {reasons}", "无法给出价值：{reasons}"),
    "none_chosen": (
        "No application is met for which a value can be stated.",
        "没有既满足要求又能给出价值的应用。",
    ),
    "assumptions": ("Assumptions", "假设"),
    "assumptions_of": ("Assumptions of: {title}", "假设（{title}）"),
    "assumptions_note": (
        "Low and high are hard ends; between them each is drawn from a triangle. Change them in your own files.",
        "下限与上限为硬边界，其间按三角分布抽样。可在自己的文件中修改。",
    ),
    "assumption": ("Assumption", "假设项"),
    "assumption_low": ("Low", "下限"),
    "assumption_high": ("High", "上限"),
    "unit": ("Unit", "单位"),
    "unit.per_1000_cycles": ("per 1000 cycles", "每 1000 次循环"),
    "source.house rule": ("house rule", "内部规则"),
    "source.house": ("house", "内部规则"),
    "source.assumption": ("assumption", "假设"),
    "source": ("Source", "来源"),
    "input.measured_state": ("measured SOH and energy (±U)", "实测 SOH 与能量（±U）"),
    "input.calendar_loss": ("calendar loss, first year", "首年日历损失"),
    "input.calendar_exponent": ("calendar exponent", "日历指数"),
    "input.calendar_activation": ("calendar activation energy", "日历活化能"),
    "input.soc_slope": ("calendar loss over SOC", "日历损失的 SOC 系数"),
    "input.cycle_loss": ("cycle loss, first 1000 cycles", "前 1000 次循环损失"),
    "input.cycle_exponent": ("cycle exponent", "循环指数"),
    "input.cycle_activation": ("cycle activation energy", "循环活化能"),
    "input.dod_exponent": ("exponent of depth of discharge", "放电深度指数"),
    "input.calendar_share": ("calendar share of the loss so far", "已有损失中日历占比"),
    "input.knee_soh": ("SOH at the knee", "拐点 SOH"),
    "input.horizon_years": ("horizon", "预测上限"),
    "input.temperature_c": ("temperature in service", "使用温度"),
    "input.depth_of_discharge": ("depth of discharge", "放电深度"),
    "input.cycles_per_year": ("cycles a year", "年循环次数"),
    "input.rest_soc": ("mean state of charge", "平均荷电状态"),
    "input.end_of_life_soh": ("SOH at the end of life", "寿命终止 SOH"),
    "input.price": ("price", "价格"),
    "input.discount_rate": ("discount rate", "折现率"),
    "input.years_max": ("years paid for at most", "最长付费年数"),
    "input.test_per_pack": ("test, each pack", "测试（每包）"),
    "input.regroup_per_kwh": ("regroup, a rated kWh", "拆解重组（每额定 kWh）"),
    "input.logistics_per_kwh": ("logistics, a rated kWh", "物流（每额定 kWh）"),
    "input.warranty_share": ("warranty, share of earned", "质保（占收入）"),
    "input.material_per_kwh": ("material, a rated kWh", "材料（每额定 kWh）"),
    "limit_words.fails_least": (
        "{figure} {value}, at least {bound} asked ({source})",
        "{figure} {value}，要求不低于 {bound}（{source}）",
    ),
    "limit_words.fails_most": (
        "{figure} {value}, at most {bound} asked ({source})",
        "{figure} {value}，要求不高于 {bound}（{source}）",
    ),
    "limit_words.unknown_least": (
        "{figure} not known, at least {bound} asked ({source})",
        "{figure} 未知，要求不低于 {bound}（{source}）",
    ),
    "limit_words.unknown_most": (
        "{figure} not known, at most {bound} asked ({source})",
        "{figure} 未知，要求不高于 {bound}（{source}）",
    ),
    "limit_words.shown_least": (
        "{figure}: the test showed {value} and no more, at least {bound} asked ({source})",
        "{figure}：测试仅验证到 {value}，要求不低于 {bound}（{source}）",
    ),
    "limit_words.refused": ("{figure} not known: {reasons}", "{figure} 未知：{reasons}"),
    "limit_words.open": ("open to every pack", "接收所有电池包"),
    "tornado.value": ("value, {currency}", "价值，{currency}"),
    "fig.tornado.caption_material": (
        "The value when its one input is moved to its low or its high end.",
        "唯一输入取下限或上限时的价值。",
    ),
    "tornado.net": ("net, {currency}", "净值，{currency}"),
    "tornado.low": ("input at its low end", "输入取下限"),
    "tornado.high": ("input at its high end", "输入取上限"),
    "tornado.floor": ("material", "材料价值"),
    "fig.tornado": ("What moves the value", "价值敏感性"),
    "fig.tornado.caption": (
        "The net of {title} when one input is moved to its low or its high end and the others stay at their values; "
        "dotted: the material, below which the value does not fall.",
        "单一输入取下限或上限、其余取给定值时“{title}”的净值；虚线：材料价值，即价值下限。",
    ),
    "second_life_unknown": (
        "This result is not valued: {reasons}",
        "该结果不作估值：{reasons}",
    ),
}
"""Key to (English, Chinese)."""
