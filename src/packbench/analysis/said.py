"""What a run's record says in words: how its profile ended, what the operator was asked and answered.

Owns the reading of those events, from a run's own record or from the metadata of its export. A record from before
an entry existed says nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from packbench.core.result import Answered

FINISHED = "finished"
ASKED = "asked"
ANSWERED = "answered"
QUESTIONS_DONE = "questions_done"
"""Kinds of events, as run/actor.py, run/operator.py and run/bench.py write them."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    verdict: str
    """The profile's own: "pass", "fail" or "aborted"."""
    reason: str
    reason_zh: str
    variables: tuple[tuple[str, float], ...]

    @property
    def completed(self) -> bool:
        """Whether the profile reached its own end."""
        return self.verdict in ("pass", "fail")


CUT_SHORT = Ending("aborted", "the record ends before the run did", "", ())

_ZH: Final[Mapping[str, str]] = {
    "the controller was gone": "控制程序曾中断",
    "interrupted by the operator": "操作员停止了测试",
    "the operator's input ended": "操作员的终端已断开",
    CUT_SHORT.reason: "记录在测试结束前中断",
}
"""Whole reasons of gaps and of stops, as run/resuming.py, app/live.py and run/operator.py word them."""
_ABORTED: Final = "aborted by "


def in_chinese(reason: str) -> str:
    """A record's reason for a gap or a stop; as it stands where it is a profile's or nobody's words."""
    if reason.startswith(_ABORTED):
        who, colon, why = reason.removeprefix(_ABORTED).partition(": ")
        return f"{who} 停止了测试" + (f"：{why}" if colon else "")
    return _ZH.get(reason, reason)


def ending_of(data: Mapping[str, Any]) -> Ending:
    """A `finished` event's data."""
    variables = tuple((str(name), float(value)) for name, value in data.get("variables", ()))
    return Ending(str(data["verdict"]), str(data["reason"]), str(data.get("reason_zh", "")), variables)


def answers_of(events: Iterable[tuple[str, Mapping[str, Any]]]) -> tuple[Answered, ...]:
    """Questions with their answers, from (kind, data) of a run's events in order."""
    asked: dict[str, Mapping[str, Any]] = {}
    found: list[Answered] = []
    for kind, data in events:
        if kind == ASKED:
            asked[str(data["label"])] = data
        elif kind == ANSWERED:
            question, word = asked[str(data["label"])], str(data["word"])
            texts = {str(choice): (str(en), str(zh)) for choice, en, zh in question["answers"]}
            prompts = str(question["prompt_en"]), str(question["prompt_zh"])
            found.append(Answered(str(data["label"]), *prompts, word, *texts[word], str(data["by"])))
    return tuple(found)
