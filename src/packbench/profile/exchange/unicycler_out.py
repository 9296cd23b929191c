"""A plan as an aurora-unicycler protocol: the JSON that `CyclingProtocol.from_json` reads.

Owns what becomes of a phase in unicycler's steps. A unicycler protocol is for a sample on a cycler, which sees its
terminals alone: the sample is the whole pack, positive current charges (theirs as ours), currents in mA. Its models
take no key beside their own, so what an export says about itself is a tag, the first step.

The current at which a held voltage ends is signed as the current that flows then: negative in a discharge, as
unicycler's exporters to Neware and tomato take it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from packbench.config.fields import LIMIT_KEYS
from packbench.core.errors import InputError
from packbench.core.specs import PackSpec
from packbench.profile.exchange.from_plan import phases_of_plan
from packbench.profile.exchange.leaving import Leaving, Target
from packbench.profile.exchange.outline import (
    PHASES_MAX,
    Account,
    Item,
    Level,
    Phase,
    Recording,
    Rounds,
    phases_of,
    tidy,
)
from packbench.profile.exchange.unicycler_steps import MARK, VERSION
from packbench.profile.plan import Plan

UNICYCLER = Target(
    name="aurora-unicycler",
    knows="a current until a voltage or a time, a voltage until a current or a time, a rest for a time",
    is_one_cell=False,
    has_temperature=False,
    records_changes=True,
)


@dataclass(frozen=True, slots=True)
class UnicyclerExport:
    """What is written, and what stayed behind."""

    protocol: dict[str, Any]
    text: str
    account: Account


def to_unicycler(plan: Plan, pack: PackSpec) -> UnicyclerExport:
    """The plan as a protocol for the pack as a sample. Raises InputError when nothing is left of it."""
    items, account = phases_of_plan(plan, pack, UNICYCLER)
    writer = _Writer(Leaving(plan, UNICYCLER, pack.rated_capacity_ah, account))
    safety = writer.safety(pack)
    method = writer.method(items)
    if not method:
        raise InputError([*account.dropped, writer.leaving.pen(-1).write("steps", "nothing left", "no step", "a step")])
    about = f"{MARK} {plan.name}, for {pack.name}: the sample is the whole pack, {pack.series} in series"
    protocol: dict[str, Any] = {
        "unicycler": {"version": VERSION},
        "sample": {"capacity_mAh": _milli(pack.rated_capacity_ah)},
        "record": writer.record(items),
        "safety": safety,
        "method": [{"step": "tag", "tag": about}, *method],
    }
    return UnicyclerExport(protocol, _text(protocol), account)


def _text(protocol: dict[str, Any]) -> str:
    """JSON with one step a line."""
    head = ",\n".join(f"  {json.dumps(key)}: {json.dumps(protocol[key])}" for key in protocol if key != "method")
    steps = ",\n".join(f"    {json.dumps(step, ensure_ascii=False)}" for step in protocol["method"])
    return f'{{\n{head},\n  "method": [\n{steps}\n  ]\n}}\n'


def _milli(value: float) -> float:
    return tidy(value * 1000.0)


@dataclass(slots=True)
class _Writer:
    leaving: Leaving
    tags: set[str] = field(default_factory=set[str])

    # --- the protocol as a whole ----------------------------------------------------------------

    def safety(self, pack: PackSpec) -> dict[str, float]:
        """The profile's own limits; the pack's stay with the pack file."""
        limits = self.leaving.plan.limits
        high = [limits.pack_voltage_max_v]
        low = [limits.pack_voltage_min_v]
        carried = {"pack_voltage_max_v", "pack_voltage_min_v", "charge_current_max_a", "discharge_current_max_a"}
        if pack.series == 1:
            high.append(limits.cell_voltage_max_v)
            low.append(limits.cell_voltage_min_v)
            carried |= {"cell_voltage_max_v", "cell_voltage_min_v"}
        for name, key in LIMIT_KEYS.items():
            if name not in carried and getattr(limits, name) is not None:
                self.leaving.lose(-1, f"limits.{key}", f"the limit {key}", "limits of the sample's voltage and current")
        safety: dict[str, float] = {}
        if highs := [value for value in high if value is not None]:
            safety["max_voltage_V"] = tidy(min(highs))
        if lows := [value for value in low if value is not None]:
            safety["min_voltage_V"] = tidy(max(lows))
        if limits.charge_current_max_a is not None:
            safety["max_current_mA"] = _milli(limits.charge_current_max_a)
        if limits.discharge_current_max_a is not None:
            safety["min_current_mA"] = -_milli(limits.discharge_current_max_a)
        return safety

    def record(self, items: tuple[Item, ...]) -> dict[str, float]:
        """One rule for the whole protocol: the finest of the steps', so that every sample they want is there."""
        rules = list(dict.fromkeys(phase.recording for phase in phases_of(items)))
        if len(rules) > 1:
            self.leaving.remark(-1, "record", "one rule for all steps: the finest of theirs")
        finest = Recording(
            min((rule.period_ns for rule in rules if rule.period_ns is not None), default=None),
            min((rule.change_v for rule in rules if rule.change_v is not None), default=None),
            min((rule.change_a for rule in rules if rule.change_a is not None), default=None),
        )
        record: dict[str, float] = {}
        if finest.change_a is not None:
            record["current_mA"] = _milli(finest.change_a)
        if finest.change_v is not None:
            record["voltage_V"] = tidy(finest.change_v)
        if finest.period_ns is not None:
            record["time_s"] = tidy(finest.period_ns / 1e9)
        return record

    def method(self, items: tuple[Item, ...]) -> list[dict[str, Any]]:
        """Steps one after the other; a loop goes back to the tag before it."""
        steps: list[dict[str, Any]] = []
        for item in items:
            if isinstance(item, Phase):
                steps += self._steps(item)
            elif inner := self.method(item.items):
                tag = self._tag(item)
                steps += [
                    {"step": "tag", "tag": tag},
                    *inner,
                    {"step": "loop", "loop_to": tag, "cycle_count": item.repeat},
                ]
        return steps

    def _tag(self, rounds: Rounds) -> str:
        tag, number = rounds.label, 2
        while tag in self.tags:
            tag, number = f"{rounds.label}-{number}", number + 1
        self.tags.add(tag)
        return tag

    # --- steps ----------------------------------------------------------------------------------

    def _steps(self, phase: Phase) -> list[dict[str, Any]]:
        match phase.hold:
            case "rest":
                step = self._rest(phase)
            case "current":
                step = self._current(phase)
            case "voltage":
                step = self._voltage(phase)
            case "current_table":
                return self._table(phase)
            case "power" | "resistance" | "power_table":
                step = None
                self._lose(phase, "", f"constant {phase.hold.removesuffix('_table')}")
        if step is None:
            return []
        return [step if not phase.label or phase.is_joined else {**step, "id": phase.label}]

    def _lose(self, phase: Phase, attribute: str, found: str) -> None:
        index = phase.origin[0]
        assert isinstance(index, int)
        self.leaving.lose(index, attribute, found, UNICYCLER.knows)

    def _without(self, phase: Phase, *keys: str) -> None:
        """Ends that a step of this kind does not have there."""
        names = {
            "above_v": "an end at a voltage that rises",
            "below_v": "an end at a voltage that falls",
            "falls_to": "an end at a current that falls",
            "rises_to": "an end at a current that rises",
        }
        for key in keys:
            if getattr(phase, key) is not None:
                self._lose(phase, "until", names[key])

    def _rest(self, phase: Phase) -> dict[str, Any] | None:
        self._without(phase, "above_v", "below_v", "falls_to", "rises_to")
        if phase.time_ns is None:
            self._lose(phase, "", "a rest with no time")
            return None
        return {"step": "open_circuit_voltage", "until_time_s": tidy(phase.time_ns / 1e9)}

    def _current(self, phase: Phase) -> dict[str, Any] | None:
        self._without(phase, "falls_to", "rises_to", "below_v" if phase.sign > 0 else "above_v")
        assert phase.current is not None
        until_v = phase.above_v if phase.sign > 0 else phase.below_v
        if until_v is None and phase.time_ns is None:
            self._lose(phase, "", "a current with no end left")
            return None
        step: dict[str, Any] = {"step": "constant_current", **_level(phase.current, phase.sign, "rate_C", "current_mA")}
        if phase.time_ns is not None:
            step["until_time_s"] = tidy(phase.time_ns / 1e9)
        if until_v is not None:
            step["until_voltage_V"] = until_v
        return step

    def _voltage(self, phase: Phase) -> dict[str, Any] | None:
        self._without(phase, "above_v", "below_v", "rises_to")
        if phase.falls_to is None and phase.time_ns is None:
            self._lose(phase, "", "a voltage with no end left")
            return None
        step: dict[str, Any] = {"step": "constant_voltage", "voltage_V": phase.value}
        if phase.time_ns is not None:
            step["until_time_s"] = tidy(phase.time_ns / 1e9)
        if phase.falls_to is not None:
            step |= _level(phase.falls_to, phase.sign, "until_rate_C", "until_current_mA")
        return step

    def _table(self, phase: Phase) -> list[dict[str, Any]]:
        """A table as one current after the other."""
        self._without(phase, "above_v", "below_v", "falls_to", "rises_to")
        if phase.time_ns is not None:
            self._lose(phase, "until", "a time for a whole table")
        if len(phase.points) > PHASES_MAX:
            self._lose(phase, "", f"a table of {len(phase.points)} points")
            return []
        steps: list[dict[str, Any]] = []
        for (start_ns, value_a), (end_ns, _) in pairwise(phase.points):
            time = {"until_time_s": tidy((end_ns - start_ns) / 1e9)}
            if value_a == 0.0:
                steps.append({"step": "open_circuit_voltage", **time})
            else:
                steps.append({"step": "constant_current", "current_mA": _milli(value_a), **time})
        if phase.label:
            steps[0]["id"] = phase.label
        return steps


def _level(level: Level, sign: int, rate_key: str, current_key: str) -> dict[str, float]:
    """A current as it was written: as a rate, or in mA."""
    if level.per_hour is not None:
        return {rate_key: sign * level.per_hour}
    return {current_key: sign * _milli(level.current_a)}
