"""Texts about what a profile does and says: its kinds of step, its read-outs, its questions.

Owns those words in English and Chinese; `texts` makes them part of the one table. Must not hold logic.
"""

from __future__ import annotations

from typing import Final

PROFILE_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "kind.rest": ("rest", "静置"),
    "kind.cc_charge": ("CC charge", "恒流充电"),
    "kind.cccv_charge": ("CCCV charge", "恒流恒压充电"),
    "kind.cv_charge": ("CV charge", "恒压充电"),
    "kind.cp_charge": ("CP charge", "恒功率充电"),
    "kind.cc_discharge": ("CC discharge", "恒流放电"),
    "kind.cccv_discharge": ("CCCV discharge", "恒流恒压放电"),
    "kind.cv_discharge": ("CV discharge", "恒压放电"),
    "kind.cp_discharge": ("CP discharge", "恒功率放电"),
    "kind.cr_discharge": ("CR discharge", "恒阻放电"),
    "kind.pulse": ("pulse", "脉冲"),
    "kind.current_profile": ("current profile", "电流工况"),
    "kind.power_profile": ("power profile", "功率工况"),
    "kind.chamber": ("chamber", "环境箱设定"),
    "kind.soak": ("soak", "恒温静置"),
    "kind.loop": ("loop", "循环"),
    "kind.goto": ("goto", "跳转"),
    "kind.set": ("set", "赋值"),
    "kind.pause": ("pause", "暂停"),
    "kind.end": ("end", "结束"),
    # A run that is about something else than a capacity
    "title_profile": ("Test report", "测试报告"),
    "read_outs": ("Read-outs of the profile", "试验读数"),
    "read_out": ("Read-out", "读数"),
    "pulse_read_outs": ("Pulse read-outs", "脉冲读数"),
    "read_outs_count": ("{count}, in the table below", "{count} 项，见下表"),
    "piece": ("Piece", "段"),
    "after_edge": ("After the edge / s", "距电流跃变 / s"),
    "read_voltage": ("Voltage / V", "电压 / V"),
    "read_current": ("Current / A", "电流 / A"),
    "read_resistance": ("Resistance / mΩ", "电阻 / mΩ"),
    "pulse_note": (
        "Piece: of the pulse train, from 1. Resistance: change of voltage over change of current since just before "
        "the edge, at the stated time after it.",
        "段：脉冲序列中的第几段，自 1 起。电阻：自电流跃变前至所示时刻，电压变化与电流变化之比。",
    ),
    "read_outs_left_out": (
        "These are the first {shown} of {all} read-outs; result.json has them all.",
        "此处仅列出全部 {all} 项读数中的前 {shown} 项；完整列表见 result.json。",
    ),
    # Questions
    "questions": ("Questions to the operator", "操作员确认"),
    "question": ("Question", "问题"),
    "answer": ("Answer", "回答"),
    "answered_by": ("Answered by", "回答人"),
    "answered_by.simulated operator": ("simulated operator", "模拟操作员"),
    "parameter_n": ("Parameter {name}", "参数 {name}"),
}
"""Key to (English, Chinese)."""
