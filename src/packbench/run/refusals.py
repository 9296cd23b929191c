"""Why the board did not close, in words for the operator who stands beside it.

Owns the sentences, in English as all of the log is. Must not decide anything.
"""

from __future__ import annotations

WORDS: dict[str, str] = {
    "bms_asleep": "the pack's BMS did not wake",
    "pack_absent": "the pack's own contactors did not close, or no voltage came through them",
    "reversed": "the pack is connected the wrong way round",
    "out_of_limits": "the board's own measurement of the pack is outside its limits, or not valid",
    "voltage_mismatch": "the cycler did not come to the pack's voltage",
    "precharge_failed": "precharge failed: the two sides of the contactor did not come together",
    "sign_absent": "the pulse that shows the sign of the current did not come",
    "sign_wrong": "current or voltage moved the wrong way in the pulse that shows its sign: check the shunt's leads",
}


def in_words(refusal: str) -> str:
    """One sentence; a code that this host does not know keeps its name."""
    return WORDS.get(refusal, f"the board says {refusal}")
