"""What arming without being asked says of a profile's first questions."""

from __future__ import annotations

from pathlib import Path

from packbench.app.operators import unanswered, vouched_for
from packbench.config.pack import load_pack
from packbench.profile.language.compiler import compile_profile

CONFIGS = Path(__file__).parents[2] / "configs"
PACK = load_pack((CONFIGS / "packs/lfp-16s.yaml").read_text("utf-8"), "lfp-16s.yaml")
PROFILE = """\
profile: asks
title: {en: Asks, zh: 询问}
steps:
  - pause:
      label: looks
      prompt: {en: Sound?, zh: 完好？}
      answers: {sound: {en: It is, zh: 是}, damaged: {en: It is not, zh: 否, goto: rejected}}
  - pause: {label: wired, prompt: {en: Wired?, zh: 已接线？}}
  - rest: {for: 1 min}
  - pause: {label: turned, prompt: {en: Turned?, zh: 已翻转？}}
  - end: {verdict: pass}
  - end: {label: rejected, verdict: fail}
"""
PLAN = compile_profile(PROFILE, "asks.yaml", PACK)


def test_the_first_answers_are_vouched_for_and_no_question_of_the_run_itself() -> None:
    assert vouched_for(PLAN, ()) == (("looks", "sound"), ("wired", "ok"))
    (left,) = unanswered(PLAN, vouched_for(PLAN, ()))
    assert "turned" in str(left)


def test_what_was_answered_is_not_vouched_for_and_leads_where_it_leads() -> None:
    assert vouched_for(PLAN, (("looks", "sound"),)) == (("wired", "ok"),)
    assert vouched_for(PLAN, (("looks", "damaged"),)) == (), "that answer ends it"
