"""The operator at the terminal that the program was started from.

Owns asking there: the question, its numbered answers, the line that is typed. It must not hold up the control
loop: what is shown goes through the live line's own thread, and the keyboard is read when there is a line. A
terminal that goes away is an operator who went away.
"""

from __future__ import annotations

import asyncio
import os
import sys
import termios
from collections.abc import Callable

from rich.text import Text

from packbench.engine.effects import Ask
from packbench.profile.plan import Answer
from packbench.report.texts import LANGS, Lang
from packbench.run.operator import INPUT_ENDED, OperatorGone, Reply

_ELSEWHERE_S = 0.5
"""How often a program in the background looks whether it has the keyboard again."""


class TerminalOperator:
    """Asks on standard input, which is a terminal.

    Args:
        name: Who sits there, for the record.
        show: Shows a text instead of the live line until it is called with None; returns at once.
        lang: The language that is spoken.
    """

    def __init__(self, name: str, show: Callable[[Text | None], None], lang: Lang) -> None:
        self._name = name
        self._show = show
        self._lang = LANGS.index(lang)
        self._input = sys.stdin.fileno()

    async def ask(self, question: Ask) -> Reply:
        answers = question.answers
        # What was typed before the question is no answer to it.
        termios.tcflush(self._input, termios.TCIFLUSH)
        self._show(self._question(question))
        try:
            while (found := _meant(await self._line(), answers)) is None:
                self._show(Text(_AGAIN[self._lang].format(count=len(answers)), style="yellow"))
        finally:
            self._show(None)
        return Reply(found.word, self._name)

    def _question(self, question: Ask) -> Text:
        prompt = (question.prompt_en, question.prompt_zh)[self._lang]
        text = Text()
        text.append(f"\n{_QUESTION[self._lang].format(label=question.label)} ", "bold")
        text.append(f"{prompt}\n", "bold")
        for number, answer in enumerate(question.answers, start=1):
            text.append(f"  {number}  ", "cyan")
            text.append((answer.text_en, answer.text_zh)[self._lang])
            text.append(f"  ({answer.word})\n", "dim")
        text.append(_HOW[self._lang])
        return text

    async def _line(self) -> str:
        """The next line typed. Raises OperatorGone when there will be none."""
        typed = b""
        while not typed.endswith(b"\n"):
            await self._readable()
            try:
                more = os.read(self._input, 4096)
            except OSError:
                more = b""
            if not more:
                raise OperatorGone(INPUT_ENDED)
            typed += more
        return typed.decode("utf-8", "replace")

    async def _readable(self) -> None:
        """Return when there is something to read. In the background that would stop the whole program."""
        loop = asyncio.get_running_loop()
        while True:
            ready: asyncio.Future[None] = loop.create_future()
            loop.add_reader(self._input, lambda done=ready: done.done() or done.set_result(None))
            try:
                await ready
            finally:
                loop.remove_reader(self._input)
            if _has_keyboard(self._input):
                return
            await asyncio.sleep(_ELSEWHERE_S)


def _has_keyboard(descriptor: int) -> bool:
    """Whether this program is in the foreground of its terminal; so it is, too, when the terminal is gone."""
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return True


def _meant(line: str, answers: tuple[Answer, ...]) -> Answer | None:
    """The answer that a line names, by its number or its word; Enter alone where there is only one."""
    typed = line.strip()
    if not typed:
        return answers[0] if len(answers) == 1 else None
    if typed.isascii() and typed.isdigit():
        return answers[int(typed) - 1] if 1 <= int(typed) <= len(answers) else None
    return next((answer for answer in answers if answer.word.casefold() == typed.casefold()), None)


_QUESTION = ("Question {label}:", "问题 {label}：")
_HOW = ("Type a number and press Enter:", "请输入序号并按回车：")
_AGAIN = ("Not one of the answers. Type a number from 1 to {count}:", "没有该选项，请输入 1 至 {count} 的序号：")
