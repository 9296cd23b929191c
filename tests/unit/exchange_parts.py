"""What the tests of exchange share: packs, plans by their essence, and conversions in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from packbench.config.pack import load_pack
from packbench.core.specs import PackSpec
from packbench.profile.amounts import Amount, Formula
from packbench.profile.exchange.convert import Converted, Wishes, convert
from packbench.profile.language.compiler import compile_profile
from packbench.profile.plan import (
    AnyStep,
    ChamberSet,
    ConstantCurrent,
    ConstantPower,
    ConstantResistance,
    ConstantVoltage,
    End,
    LoopEnd,
    Plan,
    Rest,
    Waveform,
)

CONFIGS = Path(__file__).parents[2] / "configs"


def pack_named(name: str) -> PackSpec:
    return load_pack((CONFIGS / "packs" / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")


PACK = pack_named("nmc-96s")
"""96 cells in series, 150 Ah."""
CELL = pack_named("lmo-25ah")
"""One cell, 25 Ah."""
HEAD = "profile: t\ntitle: {en: T, zh: 测}\n"


def profile(steps: str, head: str = HEAD) -> str:
    return f"{head}steps:\n{steps}"


def converted(text: str, target: Any, pack: PackSpec = PACK, file: str = "t.yaml", **wishes: Any) -> Converted:
    return convert(text, file, pack, Wishes(target, **wishes))


def to_pybamm(steps: str, pack: PackSpec = PACK, head: str = HEAD, **wishes: Any) -> Converted:
    return converted(profile(steps, head), "pybamm", pack, "t.yaml", **wishes)


def to_unicycler(steps: str, pack: PackSpec = PACK, head: str = HEAD, **wishes: Any) -> Converted:
    return converted(profile(steps, head), "unicycler", pack, "t.yaml", **wishes)


def imported(foreign: Any, pack: PackSpec = PACK, file: str = "x.json", **wishes: Any) -> Converted:
    text = foreign if isinstance(foreign, str) else json.dumps(foreign, indent=1)
    return converted(text, "packbench", pack, file, **wishes)


def plan_of(text: str, pack: PackSpec = PACK) -> Plan:
    return compile_profile(text, "t.yaml", pack)


def losses(result: Converted) -> list[tuple[str | None, str | None]]:
    """(field, found) of everything that was dropped."""
    return [(problem.field, problem.found) for problem in result.account.dropped]


# --- plans by their essence -------------------------------------------------------------------------


def essence(step: AnyStep) -> tuple[Any, ...]:
    """What a step does, whoever wrote it: no labels, no texts, no defaults of ours; numbers to nine digits."""
    match step:
        case LoopEnd():
            return ("loop", step.start, step.repeat)
        case End():
            return ("end", step.verdict)
        case ChamberSet():
            return ("chamber", _number(step.temperature_c))
        case Rest():
            own: tuple[Any, ...] = ()
        case ConstantCurrent():
            own = (step.sign, _number(step.current_a), _cell(step))
        case ConstantVoltage():
            own = (
                step.sign,
                _number(step.voltage_v),
                _number(step.current_a),
                _number(step.end_current_a),
                _cell(step),
            )
        case ConstantPower():
            own = (step.sign, _number(step.power_w), _cell(step))
        case ConstantResistance():
            own = (_number(step.resistance_ohm),)
        case Waveform():
            own = (step.quantity, tuple((s.for_ns, _number(s.value)) for s in step.segments * step.repeat))
        case _:
            raise AssertionError(f"no essence of a {step.kind}")
    until = {(test.variable, test.rising, _number(test.value)) for condition in step.until for test in condition.tests}
    rule = step.record
    return (step.kind, *own, frozenset(until), (rule.dt_ns, _number(rule.dv_v), _number(rule.di_a)))


def executed(plan: Plan) -> Iterator[tuple[Any, ...]]:
    """What a plan does, its loops gone through: each step with the chamber's temperature of then."""
    temperature: tuple[Any, ...] = ()
    for step in _gone_through(plan, 0, len(plan.steps)):
        if isinstance(step, ChamberSet):
            temperature = essence(step)
        else:
            yield temperature, essence(step)


def _gone_through(plan: Plan, low: int, high: int) -> list[AnyStep]:
    steps: list[AnyStep] = []
    at = high - 1
    while at >= low:
        step = plan.steps[at]
        if isinstance(step, LoopEnd):
            steps = _gone_through(plan, step.start, at) * step.repeat + steps
            at = step.start
        else:
            steps = [step, *steps]
        at -= 1
    return steps


def _number(amount: Amount | None) -> float | None:
    assert not isinstance(amount, Formula)
    return None if amount is None else float(f"{amount:.9g}")


def _cell(step: ConstantCurrent | ConstantVoltage | ConstantPower) -> tuple[Any, ...] | None:
    limit = step.cell_limit
    return None if limit is None else (_number(limit.voltage_v), limit.action, _number(limit.end_current_a))
