"""Texts of the diagnostics, in English and Chinese; part of `texts.TEXTS`."""

from __future__ import annotations

from typing import Final

DIAGNOSTIC_TEXTS: Final[dict[str, tuple[str, str]]] = {
    "dcir": ("DC resistance", "直流内阻"),
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
}
"""Key to (English, Chinese)."""
