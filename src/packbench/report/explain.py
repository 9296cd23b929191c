"""End reasons in words: what a condition of the profile means to someone who did not write it.

Owns the wording of conditions and of how a run ended. Must not judge. A reason it does not know is
shown as it stands: an unexplained reason is better than a wrong one.
"""

from __future__ import annotations

import re
from typing import Final

from packbench.core.result import StepResult
from packbench.report.texts import Lang

_CONDITION: Final = re.compile(r"^\s*(?P<variable>[\w./|()$-]+)\s*(?P<operator><=|>=|<|>)\s*(?P<value>.+?)\s*$")

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

_AT_END_CURRENT: Final = re.compile(r" at the end current \S+ A$")
_AT_VOLTAGE: Final = re.compile(r"^(current <= \S+ A) at \S+ V$")
_AT_CELL: Final = re.compile(r"^cell (\d+) at (\S+ V)$")
_ANSWERED: Final = re.compile(r"^answered (\S+)$")
_SOAKED: Final = re.compile(r"^every sensor within (\S+ K) of (\S+ degC) for \S+ s$")
_FORMULA: Final = re.compile(r"[$(*]| [-+/] ")
"""What only a formula's text has (profile/language/formula.py)."""
_CELL_N: Final = re.compile(r"^cell_(\d+)$")
_AND: Final = " and "
"""Between the tests of a condition that all of them make (profile/language/building.py)."""
_AND_WORDS: Final = (", and ", "，且")
_AND_SHORT: Final = (" and ", " 且 ")

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
    "temperature_spread": ("temp. spread", "温差"),
    "cell_any": ("any cell", "任一单体"),
    "test_ah": ("charge of the test", "总电量"),
    "test_wh": ("energy of the test", "总能量"),
    "cycle_time": ("cycle time", "循环时间"),
    "chamber_temperature": ("chamber", "环境箱温度"),
    "insulation": ("isolation", "绝缘电阻"),
    "soc": ("SOC", "SOC"),
    "cycle": ("cycle", "循环"),
    "dV/dt": ("dV/dt", "dV/dt"),
    "|dV/dt|": ("|dV/dt|", "|dV/dt|"),
    "abs(dV/dt)": ("|dV/dt|", "|dV/dt|"),
    "dT/dt": ("dT/dt", "dT/dt"),
}

PROFILES_END: Final = "the profile's end"
"""The reason of a profile that gives none of its own."""

_ENDS: Final[dict[str, tuple[str, str]]] = {
    PROFILES_END: ("the profile ran to its end", "测试流程执行完毕"),
    "safety": ("a safety rule stopped the test", "安全规则触发，测试停止"),
    "interrupted by the operator": ("the operator stopped the test", "操作员停止了测试"),
    "the operator's input ended": ("the operator's terminal was closed", "操作员的终端已断开"),
    "operator jump": ("an operator went on to another step", "操作员跳转到其他工步"),
    "the waveform's end": ("the waveform ran to its end", "波形执行完毕"),
    "a clamp of the waveform": ("the waveform met a voltage clamp", "波形达到电压钳位值"),
    "the record ends before the run did": ("the record ends before the run did", "记录在测试结束前中断"),
    "stopped before its end": ("the test was stopped before its end", "测试被提前中止"),
    "undecided": ("the file does not tell", "文件未说明"),
    "": ("not stated", "未给出"),
}
"""Whole reasons, as engine, store and analysis word them; "safety" stands for any trip."""

_ENDS_SHORT: Final[dict[str, tuple[str, str]]] = {
    "the waveform's end": ("its last piece", "末段结束"),
    "a clamp of the waveform": ("voltage clamp", "电压钳位"),
}
"""The same for a narrow column, where they are too long."""

_NAMED: Final[dict[str, tuple[str, str]]] = {
    "cell_cutoff": ("cut-off", "截止电压"),
    "pack_cutoff": ("cut-off", "截止电压"),
    "cell_full": ("full charge voltage", "充电限制电压"),
    "pack_full": ("full charge voltage", "充电限制电压"),
}
"""Values that a profile names instead of giving a number."""

_PATTERNS: Final[tuple[tuple[re.Pattern[str], str, str], ...]] = (
    (
        re.compile(r"^cell (?P<cell>\d+) at (?P<volt>\S+ V) at the end current (?P<amp>\S+ A)$"),
        "cell {cell} held {volt} until the current had fallen to {amp}",
        "{cell} 号单体保持在 {volt}，电流降至 {amp}",
    ),
    (
        re.compile(r"^cell (?P<cell>\d+) at (?P<volt>\S+ V)$"),
        "cell {cell} reached its limit of {volt}",
        "{cell} 号单体达到限值 {volt}",
    ),
    (
        re.compile(r"^current <= (?P<amp>\S+ A) at (?P<volt>\S+ V)$"),
        "the current had fallen to {amp} at {volt}",
        "{volt} 下电流降至 {amp}",
    ),
    (
        re.compile(r"^step (?P<step>.+) lasted longer than its (?P<time>\S+ s)$"),
        "step {step} lasted longer than the {time} it may take",
        "工步 {step} 超过允许的最长时间 {time}",
    ),
    (
        re.compile(r"^step (?P<step>.+) cannot begin: (?P<why>.+)$"),
        "step {step} could not begin: {why}",
        "工步 {step} 无法开始：{why}",
    ),
    (
        re.compile(r"^every sensor within (?P<band>\S+ K) of (?P<at>\S+) degC for (?P<time>\S+ s)$"),
        "every sensor had been within {band} of {at} °C for {time}",
        "所有传感器在 {at} °C ± {band} 内保持 {time}",
    ),
    (re.compile(r"^answered (?P<word>\S+)$"), "the operator answered “{word}”", "操作员回答“{word}”"),
    (
        re.compile(r"^step (?P<step>.+) cannot go on: (?P<why>.+)$"),
        "step {step} could not go on: {why}",
        "工步 {step} 无法继续：{why}",
    ),
    (
        re.compile(r"^the pause lasted longer than its (?P<time>\S+ s)$"),
        "nobody ended the operator's pause within {time}",
        "操作员暂停超过 {time} 无人恢复",
    ),
    (re.compile(r"^aborted by (?P<who>.+?): (?P<why>.+)$"), "{who} stopped the test: {why}", "{who} 停止了测试：{why}"),
    (re.compile(r"^aborted by (?P<who>.+)$"), "{who} stopped the test", "{who} 停止了测试"),
    (re.compile(r"^manual jump \((?P<word>.*)\)$"), "somebody jumped to the next step ({word})", "人工跳转（{word}）"),
)


def end_reason_words(reason: str, lang: Lang, cell: int | None = None) -> str:
    """An end reason in words, with the cell that ended it where one did; unknown reasons as they stand."""
    column = 0 if lang == "en" else 1
    words = _ENDS[reason][column] if reason in _ENDS else _pattern_words(reason, column)
    if words is None:
        parts = [_condition_words(part, column) or _compared(part, column) for part in reason.split(_AND)]
        words = _AND_WORDS[column].join(part for part in parts if part is not None) if all(parts) else None
    if words is None:
        return reason
    if cell is None or not reason.startswith(("cell_min", "cell_max")):
        return words
    return f"{words} (cell {cell})" if lang == "en" else f"{words}（{cell} 号单体）"


def end_reason_short(reason: str, lang: Lang, cell: int | None = None) -> str:
    """An end reason for a narrow column: "cell 37 ≤ 2.8 V" for `cell_min <= 2.8 V` of cell 37."""
    column = 0 if lang == "en" else 1
    whole = _ENDS_SHORT.get(reason) or _ENDS.get(reason)
    if whole is not None:
        return whole[column]
    reason = _AT_VOLTAGE.sub(r"\1", _AT_END_CURRENT.sub("", reason))
    taper = _AT_CELL.match(reason)
    if taper is not None:
        return f"cell {taper[1]} ≥ {taper[2]}" if lang == "en" else f"{taper[1]} 号 ≥ {taper[2]}"
    answered = _ANSWERED.match(reason)
    if answered is not None:
        return f"“{answered[1]}”"
    soaked = _SOAKED.match(reason)
    if soaked is not None:
        return f"{soaked[2]} ± {soaked[1]}".replace("degC", "°C")
    parts = [_compared(part, column, cell) for part in reason.split(_AND)]
    return _AND_SHORT[column].join(part for part in parts if part is not None) if all(parts) else reason


def _compared(reason: str, column: int, cell: int | None = None) -> str | None:
    """A condition in symbols, its variable by the name that people use; None for what is no condition we know."""
    match = _CONDITION.match(reason)
    if match is None:
        return None
    variable, operator = match["variable"], {"<=": "≤", ">=": "≥"}.get(match["operator"], match["operator"])
    value = _NAMED[match["value"]][column] if match["value"] in _NAMED else match["value"].replace("degC", "°C")
    if variable == "step_time":
        return value
    number = _CELL_N.match(variable)
    if cell is not None and variable in {"cell_min", "cell_max", "cell_any"}:
        symbol = f"cell {cell}" if column == 0 else f"{cell} 号"
    elif number is not None:
        symbol = f"cell {number[1]}" if column == 0 else f"{number[1]} 号"
    elif variable in _SYMBOLS:
        symbol = _SYMBOLS[variable][column]
    else:
        return None
    return f"{symbol} {operator} {value}"


def with_bound(step: StepResult) -> str:
    """A step's end reason; where its condition's bound is a formula, with what that came to.

    The bound is the ending quantity less what it had passed the bound by.
    """
    match = _CONDITION.match(step.end_reason)
    if match is None or _AND in step.end_reason or _FORMULA.search(match["value"]) is None:
        return step.end_reason
    reached = {
        "step_time": (step.duration_s, "s"),
        "step_ah": (abs(step.charge_ah), "Ah"),
        "step_wh": (abs(step.energy_wh), "Wh"),
        "voltage": (step.voltage_end_v, "V"),
        "current": (None if step.current_end_a is None else abs(step.current_end_a), "A"),
        "cell_min": (step.cell_min_end_v, "V"),
        "cell_max": (step.cell_max_end_v, "V"),
        "temperature_max": (step.temperature_max_c, "degC"),
    }
    value, unit = reached.get(match["variable"], (None, ""))
    if value is None:
        return step.end_reason
    past = step.overshoot or 0.0
    bound = value - past if match["operator"].startswith(">") else value + past
    return f"{match['variable']} {match['operator']} {_bound_words(bound, unit)}"


def _bound_words(value: float, unit: str) -> str:
    """A bound with its unit, as an author would have written it."""
    if unit == "s":
        for seconds, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "min")):
            count = round(value) / seconds
            if count >= 1.0 and count.is_integer():
                return f"{count:g} {name}"
    return f"{value:.4g} {unit}"


def sentence(words: str, lang: Lang) -> str:
    """Words as a sentence: a capital letter and a full stop."""
    stop = "." if lang == "en" else "。"
    return words[:1].upper() + words[1:] + ("" if words.endswith((".", "。")) else stop)


def _pattern_words(reason: str, column: int) -> str | None:
    for pattern, *wordings in _PATTERNS:
        match = pattern.match(reason)
        if match is not None:
            return wordings[column].format(**match.groupdict())
    return None


def _condition_words(reason: str, column: int) -> str | None:
    match = _CONDITION.match(reason)
    if match is None:
        return None
    value = match["value"]
    found = _WHAT.get((match["variable"], match["operator"][0]))
    if found is None:
        return None
    if value not in _NAMED:
        return found[column].format(value=value)
    what = _SYMBOLS[match["variable"]][column]
    named = _NAMED[value][column]
    return f"the {what} reached its {named}" if column == 0 else f"{what}达到{named}"
