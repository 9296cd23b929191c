"""End reasons in words: what a condition of the profile means to someone who did not write it.

Owns the wording of conditions and of how a run ended. Must not judge. A reason it does not know is
shown as it stands: an unexplained reason is better than a wrong one.
"""

from __future__ import annotations

import re
from typing import Final

from packbench.report.texts import Lang

_CONDITION: Final = re.compile(r"^\s*(?P<variable>[a-z_]+)\s*(?P<operator><=|>=|<|>)\s*(?P<value>.+?)\s*$")

_WHAT: Final[dict[tuple[str, str], tuple[str, str]]] = {
    ("cell_min", "<"): (
        "the lowest cell reached its cut-off of {value}",
        "最低单体电压达到放电截止电压 {value}",
    ),
    ("cell_max", ">"): (
        "the highest cell reached its limit of {value}",
        "最高单体电压达到限值 {value}",
    ),
    ("cell_spread", ">"): (
        "the cells had drifted apart by {value}",
        "单体电压极差达到 {value}",
    ),
    ("voltage", "<"): ("the pack voltage fell to {value}", "电池总压降至 {value}"),
    ("voltage", ">"): ("the pack voltage rose to {value}", "电池总压升至 {value}"),
    ("current", "<"): ("the current had fallen to {value}", "电流降至 {value}"),
    ("current", ">"): ("the current rose to {value}", "电流升至 {value}"),
    ("power", "<"): ("the power had fallen to {value}", "功率降至 {value}"),
    ("power", ">"): ("the power rose to {value}", "功率升至 {value}"),
    ("step_time", ">"): ("the time of {value} was over", "达到设定时间 {value}"),
    ("test_time", ">"): ("the test had lasted {value}", "测试总时间达到 {value}"),
    ("step_ah", ">"): ("{value} had flowed in this step", "本工步电量达到 {value}"),
    ("step_wh", ">"): ("{value} had flowed in this step", "本工步能量达到 {value}"),
    ("cycle_ah", ">"): ("{value} had flowed in this cycle", "本循环电量达到 {value}"),
    ("cycle_wh", ">"): ("{value} had flowed in this cycle", "本循环能量达到 {value}"),
    ("temperature_max", ">"): ("the hottest spot reached {value}", "最高温度达到 {value}"),
    ("temperature_max", "<"): ("the hottest spot had cooled to {value}", "最高温度降至 {value}"),
    ("temperature_min", "<"): ("the coldest spot fell to {value}", "最低温度降至 {value}"),
    ("temperature_min", ">"): ("the coldest spot had warmed to {value}", "最低温度升至 {value}"),
}

_SYMBOLS: Final[dict[str, tuple[str, str]]] = {
    "cell_min": ("lowest cell", "最低单体"),
    "cell_max": ("highest cell", "最高单体"),
    "cell_spread": ("spread", "极差"),
    "voltage": ("voltage", "总压"),
    "current": ("current", "电流"),
    "power": ("power", "功率"),
    "step_time": ("time", "时间"),
    "test_time": ("test time", "总时间"),
    "step_ah": ("charge", "电量"),
    "step_wh": ("energy", "能量"),
    "cycle_ah": ("charge", "电量"),
    "cycle_wh": ("energy", "能量"),
    "temperature_max": ("temp. max", "最高温度"),
    "temperature_min": ("temp. min", "最低温度"),
}

_ENDS: Final[dict[str, tuple[str, str]]] = {
    "completed": ("the profile ran to its end", "测试流程执行完毕"),
    "profile_end": ("the profile ran to its end", "测试流程执行完毕"),
    "end": ("the profile ran to its end", "测试流程执行完毕"),
    "agreement": ("the repeats agree: the profile ran to its end", "各次容量一致，测试流程执行完毕"),
    "agreed": ("the repeats agree: the profile ran to its end", "各次容量一致，测试流程执行完毕"),
    "trip": ("a safety rule stopped the test", "安全规则触发，测试停止"),
    "safety": ("a safety rule stopped the test", "安全规则触发，测试停止"),
    "tripped": ("a safety rule stopped the test", "安全规则触发，测试停止"),
    "max_time": ("a step lasted longer than its allowed time", "工步超过允许的最长时间"),
    "aborted": ("the test was stopped before its end", "测试被提前中止"),
    "operator": ("the operator stopped the test", "操作员停止测试"),
    "imported": ("as recorded by the other system", "以原系统记录为准"),
}


def end_reason_words(reason: str, lang: Lang, cell: int | None = None) -> str:
    """An end reason in words, with the cell that ended it where one did; unknown reasons as they stand."""
    column = 0 if lang == "en" else 1
    words = _ENDS[reason][column] if reason in _ENDS else _condition_words(reason, column)
    words = words if words is not None else reason
    if cell is None or "cell" not in reason:
        return words
    return f"{words} (cell {cell})" if lang == "en" else f"{words}（{cell} 号单体）"


def end_reason_short(reason: str, lang: Lang, cell: int | None = None) -> str:
    """An end reason for a narrow column: "cell 37 ≤ 2.8 V" for `cell_min <= 2.8 V` of cell 37."""
    column = 0 if lang == "en" else 1
    if reason in _ENDS:
        return _ENDS[reason][column]
    match = _CONDITION.match(reason)
    if match is None or match["variable"] not in _SYMBOLS:
        return reason
    if match["variable"].endswith("_time"):
        return match["value"]
    symbol = _SYMBOLS[match["variable"]][column]
    if cell is not None and match["variable"] in {"cell_min", "cell_max"}:
        symbol = f"cell {cell}" if lang == "en" else f"{cell} 号"
    operator = {"<=": "≤", ">=": "≥"}.get(match["operator"], match["operator"])
    return f"{symbol} {operator} {match['value']}"


def sentence(words: str, lang: Lang) -> str:
    """Words as a sentence: a capital letter and a full stop."""
    stop = "." if lang == "en" else "。"
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "。")) else stop)


def _condition_words(reason: str, column: int) -> str | None:
    match = _CONDITION.match(reason)
    if match is None:
        return None
    found = _WHAT.get((match["variable"], match["operator"][0]))
    return found[column].format(value=match["value"]) if found else None
