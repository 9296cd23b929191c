"""The words in which the terminal shows a ledger's fields, in Chinese; in English they are the fields' own names.

Owns texts alone. What --json says stays as it is in both languages.
"""

from __future__ import annotations

from typing import Any, Final

from packbench.report.ledger_words import LEVELS_ZH
from packbench.report.texts import Lang
from packbench.trace.ledger import states

_FIELDS_ZH: Final = {
    "code": "编码",
    "level": "层级",
    "chemistry": "类型",
    "grade": "等级",
    "scheme": "分级规则",
    "state": "状态",
    "quantity": "数量",
    "location": "位置",
    "application": "用途",
    "since": "自",
    "holder": "持有者",
    "origin": "来源",
    "mass_kg": "质量 kg",
    "residue_kg": "残余物 kg",
    "parts": "部件",
    "predecessor": "原编码",
    "by": "处理方",
    "certificate": "凭证",
    "operator": "操作人",
    "reference": "参考",
    "note": "备注",
    "refers_to": "所指记录",
    "from": "原状态",
    "due": "到期",
    "obligation": "义务",
    "obligations": "义务",
    "reason": "原因",
    "name": "义务",
    "who": "义务方",
    "text": "内容",
    "seq": "序号",
    "overdue": "逾期",
    "came_from": "来自",
    "became": "成为",
}
_STATES_ZH: Final = {
    **states.STATES_ZH,
    states.MOVED: "已移位",
    states.FULFILLED: "已履行",
    states.NOTED: "备注",
    states.RUN: "测试",
    states.OPENED: "台账建立",
    states.KEY_ROTATED: "密钥轮换",
    states.KEY_REVOKED: "密钥吊销",
}


def field_word(name: str, lang: Lang) -> str:
    """A field's name."""
    return _FIELDS_ZH.get(name, name) if lang == "zh" else name.replace("_", " ")


def state_word(state: str, lang: Lang) -> str:
    """A state, or what happened."""
    return _STATES_ZH.get(state, state) if lang == "zh" else state.replace("_", " ")


def level_word(level: str, lang: Lang) -> str:
    """Pack, module or cell."""
    return LEVELS_ZH.get(level, level) if lang == "zh" else level


def cell_word(name: str, value: Any, lang: Lang) -> str:
    """What stands in a cell of a table."""
    if name == "overdue":
        return ("是" if lang == "zh" else "yes") if value else ""
    if name == "state":
        return state_word(str(value), lang)
    if name == "level":
        return level_word(str(value), lang)
    return str(value)[:10] if name == "since" else str(value)
