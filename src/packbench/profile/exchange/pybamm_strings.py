"""PyBaMM's steps as the sentences that `pybamm.step.string` reads: "Discharge at C/10 for 10 hours or until 3.3 V".

Owns that grammar, read and written. It takes what PyBaMM takes and refuses the rest with a reason, where PyBaMM
raises whatever its splitting comes to. Must not translate (`pybamm_in`, `pybamm_out`).
"""

from __future__ import annotations

import re
from typing import Literal

from packbench.core.units import UnitError
from packbench.profile.exchange.outline import tidy
from packbench.profile.exchange.pybamm_steps import PybammStep, StepType, Termination, parse_number, parse_time_s

FORM = "a step such as 'Discharge at C/10 for 10 hours or until 3.3 V', 'Hold at 4.2 V until C/50' or 'Rest for 1 hour'"
_KINDS: dict[str, Literal["current", "c-rate", "voltage", "power", "resistance"]] = {
    "A": "current",
    "C": "c-rate",
    "V": "voltage",
    "W": "power",
    "Ohm": "resistance",
}
_UNITS = {kind: unit for unit, kind in _KINDS.items()}
_PERIOD = re.compile(r"(.*) \((.+) period\)\s*", re.DOTALL)


def parse_string(text: str) -> PybammStep:
    """The step that a sentence says. Raises UnitError."""
    sentence = " ".join(text.split())
    period_s = None
    if (match := _PERIOD.fullmatch(sentence)) is not None:
        sentence, period_s = match[1].rstrip(), parse_time_s(match[2])
    if "oC" in sentence:
        raise UnitError(repr(text), f"{FORM}; a temperature is a step's own key, in the JSON of to_config()")
    head, termination = _parted(sentence, "until", text)
    instruction, duration = _parted(head.removesuffix(" or"), "for", text)
    if termination is None and duration is None:
        raise UnitError(f"{text!r}, which has neither for nor until", FORM)
    kind, value = _held(instruction, text)
    return PybammStep(
        type=kind,
        value=value,
        duration_s=None if duration is None else parse_time_s(duration),
        terminations=() if termination is None else (_termination(termination, text),),
        period_s=period_s,
        description=sentence,
    )


def _parted(text: str, word: str, whole: str) -> tuple[str, str | None]:
    """What stands before and after a word that may be there once."""
    head, *tails = text.split(f" {word} ")
    if len(tails) > 1:
        raise UnitError(f"{whole!r}, with {word} {len(tails)} times", f"{FORM}: {word} once")
    return head, tails[0] if tails else None


def _held(instruction: str, text: str) -> tuple[StepType, float]:
    if instruction == "Rest":
        return "rest", 0.0
    word, _, amount = instruction.partition(" at ")
    if word not in ("Charge", "Discharge", "Hold") or not amount:
        raise UnitError(repr(text), FORM)
    kind, value = _electric(amount, text)
    if kind == "voltage" and word == "Charge":
        raise UnitError(f"{text!r}, which PyBaMM takes for a negative voltage", "Hold at a voltage")
    if word == "Charge":
        value = -value
    return ("rest", 0.0) if kind == "current" and value == 0.0 else (kind, value)


def _electric(text: str, whole: str) -> tuple[Literal["current", "c-rate", "voltage", "power", "resistance"], float]:
    """`4 A`, `50mA`, `C/50`, `0.5C`."""
    squeezed = text.replace(" ", "")
    if squeezed.startswith("C/"):
        hours = parse_number(squeezed[2:])
        if hours <= 0.0:
            raise UnitError(repr(whole), FORM)
        return "c-rate", 1 / hours
    unit = squeezed.lstrip("0123456789.-eE")
    number = squeezed[: len(squeezed) - len(unit)]
    scale = 1.0
    if unit.startswith("m"):
        unit, scale = unit[1:], 1000.0
    if unit not in _KINDS or not number:
        raise UnitError(f"{text!r} in {whole!r}", "a number with A, C, V, W or Ohm, or C/ and a number")
    return _KINDS[unit], parse_number(number) / scale


def _termination(text: str, whole: str) -> Termination:
    text = text.strip()
    operator: Literal["<", ">"] | None = "<" if text.startswith("<") else ">" if text.startswith(">") else None
    kind, value = _electric(text.lstrip("<>"), whole)
    if kind not in ("voltage", "current", "c-rate"):
        raise UnitError(f"until {text!r} in {whole!r}", "until a voltage, a current or a C-rate")
    return Termination(kind, value, operator)


# --- writing ----------------------------------------------------------------------------------------


def sentence_of(step: PybammStep) -> tuple[str, list[str]]:
    """The step as a sentence, and the keys of which a sentence cannot say (all) that stands there."""
    lost: list[str] = []
    value = step.value if isinstance(step.value, float | int) else 0.0
    if not isinstance(step.value, float | int):
        lost.append("value")
    text = "Rest"
    if step.type == "voltage":
        text = f"Hold at {_number(value)} V"
    elif step.type != "rest":
        text = f"{'Charge' if value < 0.0 else 'Discharge'} at {_electric_text(step.type, abs(value))}"
    ends: list[str] = []
    if step.duration_s is not None:
        ends.append(f"for {_time(step.duration_s)}")
    if step.terminations:
        first = step.terminations[0]
        operator = first.operator if first.operator != _implied(step, first) else None
        ends.append(f"until {operator or ''}{_electric_text(first.type, first.value)}")
    text = f"{text} {' or '.join(ends)}"
    if step.period_s is not None:
        text += f" ({_number(step.period_s)} second period)"
    lost += ["terminations"] if len(step.terminations) > 1 else []
    lost += ["temperature"] if step.temperature_k is not None else []
    return text, lost


def _implied(step: PybammStep, termination: Termination) -> str | None:
    """The operator that PyBaMM takes when none is written."""
    if termination.type != "voltage":
        return None
    return {"charge": ">", "discharge": "<"}.get(step.leads or "")


def _electric_text(kind: str, value: float) -> str:
    if kind == "c-rate":
        hours = round(1 / value) if value else 0
        return f"C/{hours}" if hours > 1 and 1 / hours == value else f"{_number(value)}C"
    return f"{_number(value)} {_UNITS[kind]}"  # type: ignore[index]


def _time(seconds: float) -> str:
    for unit, factor in (("hour", 3600), ("minute", 60)):
        if seconds % factor == 0:
            count = int(seconds // factor)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{_number(seconds)} seconds"


def _number(value: float) -> str:
    """A number as PyBaMM's splitting reads it: without a plus in the exponent."""
    return f"{tidy(value):.12g}".replace("e+", "e")
