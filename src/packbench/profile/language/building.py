"""One step of the plan from one step of the text: every value an amount, every default filled in.

Owns the builders, one a step type, and the defaults a step may leave out. Must not know the order of steps.

Defaults, all stated in docs/profiles.md:
- clamp of a CC, CP or CR step: half-way between the pack's full (or cut-off) voltage and the pack's own limit, so
  that the step ends by its own condition and the clamp still holds before the limit;
- record: every 5 s;
- max_time: `for` + 60 s; without `for`, 24 h for a rest or a pause, 24 h more than `stable_for` for a soak, and for a
  step with current 1.5 times what 110 % of the rated capacity takes, plus 3 h for a CV phase or a taper; a current
  that only the run knows counts as C/20.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from packbench.config.document import Path
from packbench.config.validation import StrictModel
from packbench.core.errors import Problem
from packbench.core.limits import LIMIT_NAMES, LimitSet
from packbench.core.specs import PackSpec
from packbench.core.units import UnitError
from packbench.profile import plan as p
from packbench.profile.amounts import Amount, constant
from packbench.profile.checking.bounds import limit_problems
from packbench.profile.language import step_models as m
from packbench.profile.language.resolve import Scope
from packbench.profile.language.schema import RecordModel, StepModel, amount
from packbench.profile.language.until import conditions, ends_of
from packbench.profile.language.walk import Library, StepSource
from packbench.profile.language.waves import table_segments, train_segments

RECORD_DEFAULT_NS = 5_000_000_000
"""GB 38031-2025 6.4 asks for 15 s or less [S]."""
FOR_MARGIN_NS = 60_000_000_000
REST_MAX_NS = 24 * 3600 * 1_000_000_000
TAIL_NS = 3 * 3600 * 1_000_000_000
CAPACITY_MAX = 1.1
"""No pack holds more than this fraction of its rating (new ones exceed it by a few per cent)."""
TIME_MARGIN = 1.5
SLOWEST_H = 20.0
INSTANT_NS = 1_000_000_000
"""max_time of entries that take no time."""


@dataclass(slots=True)
class Builder:
    """Builds the steps of one place of the profile; problems are gathered."""

    source: StepSource
    scope: Scope
    library: Library
    sources: list[p.SourceFile]
    """Files that the profile is made of, so far."""
    problems: list[Problem]
    places: dict[tuple[int, str], p.Place]
    file: str
    """Of the profile itself."""

    def build(self) -> p.AnyStep | None:
        """The step; None when it had problems."""
        before = len(self.problems)
        model = self.source.model
        if model is None:
            return None
        step = _BUILDERS[type(model)](self, model)
        return step if len(self.problems) == before else None

    # --- values ---------------------------------------------------------------------------------

    @property
    def pack(self) -> PackSpec:
        """The pack under test."""
        return self.scope.pack

    def amount(self, field: Any, *path: str | int) -> Amount:
        """A field's value; what is wrong with it is noted at its place, and stands as 1."""
        value = amount(field)
        try:
            return value.resolve(self.scope)
        except UnitError as error:
            self.refuse("", path, error.found, error.expected)
            return 1.0

    def optional(self, field: Any, *path: str | int) -> Amount | None:
        """As `amount`, for a key that may be left out."""
        return None if field is None else self.amount(field, *path)

    def refuse(self, message: str, path: Path, found: str, expected: str, *, key: bool = False) -> None:
        """Note what is wrong at a place of this step."""
        document = self.source.unit.document
        self.problems.append(document.problem(message, (*self.source.path, *path), found, expected, key=key))

    # --- what steps share -----------------------------------------------------------------------

    def common(self, model: StepModel, max_time_ns: int) -> dict[str, Any]:
        """The keyword arguments that every step that takes time has."""
        protect, delay_ns = self._protect(model)
        return {
            "label": self.label,
            "kind": self.source.kind,
            "until": ends_of(self, model),
            "record": self.record(model.record),
            "protect": protect,
            "protect_delay_ns": delay_ns,
            "max_time_ns": _limited(model, max_time_ns),
        }

    def instant(self) -> dict[str, Any]:
        """The keyword arguments of a step that takes no time."""
        record = p.RecordRule(RECORD_DEFAULT_NS)
        return {"label": self.label, "kind": self.source.kind, "record": record, "max_time_ns": INSTANT_NS}

    @property
    def label(self) -> str:
        """In the whole plan."""
        return f"{self.source.unit.prefix}{self.source.label}"

    def record(self, own: RecordModel | None) -> p.RecordRule:
        """A step's own triggers, else its file's; dt falls back to the house's 5 s."""
        model = self.source.unit.model
        default = model.record if model is not None else None
        chosen = own if own is not None else default
        if chosen is None:
            return p.RecordRule(RECORD_DEFAULT_NS)
        dt_ns = chosen.dt or (default.dt if default is not None else None) or RECORD_DEFAULT_NS
        finer = chosen.around
        around = None if finer is None else p.Around(finer.before or 0, finer.after or 0, finer.dt)
        return p.RecordRule(dt_ns, chosen.dV, chosen.dI, chosen.dT, around)

    def _protect(self, model: StepModel) -> tuple[LimitSet, int]:
        """A step's own limits, and those of the sub-profiles that it is in."""
        layers: list[LimitSet] = []
        unit = self.source.unit
        while unit.parent is not None:
            if unit.model is not None and unit.model.limits is not None:
                layers.append(unit.model.limits.limit_set(self.pack.rated_capacity_ah))
            unit = unit.parent
        delay_ns = 0
        if model.protect is not None:
            own = model.protect.limit_set(self.pack.rated_capacity_ah)
            stated = self.source.unit.model.limits if self.source.unit.model is not None else None
            outer = LimitSet() if stated is None else stated.limit_set(self.pack.rated_capacity_ah)
            self.problems += limit_problems(own, self.source.index, "protect", self.pack, self.file, self.places, outer)
            layers.append(own)
            delay_ns = model.protect.delay or 0
        return tightest_of(layers), delay_ns

    def cell_limit(self, model: m.ChargingModel) -> p.CellLimit | None:
        """`on_cell_limit`."""
        limit = model.on_cell_limit
        if limit is None:
            return None
        end_a = self.optional(limit.end_current, "on_cell_limit", "end_current")
        at_v = self.amount(limit.at, "on_cell_limit", "at")
        return p.CellLimit(at_v, limit.action, 0.0 if end_a is None else end_a)

    def clamp(self, field: Any, sign: p.Sign, key: str = "clamp") -> Amount:
        """A clamp, or its default."""
        if field is not None:
            return self.amount(field, key)
        return upper_clamp_v(self.pack) if sign > 0 else lower_clamp_v(self.pack)

    def hours_at(self, current_a: Amount | None) -> float:
        """How long a step with this current may take."""
        known = constant(current_a)
        rated_ah = self.pack.rated_capacity_ah
        hours = SLOWEST_H if not known or known <= 0.0 else rated_ah / known
        return TIME_MARGIN * CAPACITY_MAX * hours


def tightest_of(layers: list[LimitSet]) -> LimitSet:
    """The tightest of several limits, each where somebody states it."""
    if len(layers) < 2:
        return layers[0] if layers else LimitSet()
    values: dict[str, float] = {}
    for name in LIMIT_NAMES:
        stated = [value for limits in layers if (value := getattr(limits, name)) is not None]
        if stated:
            values[name] = max(stated) if "_min_" in name else min(stated)
    return LimitSet(**values)


def upper_clamp_v(pack: PackSpec) -> float:
    """Default clamp of a charge in V."""
    full_v = pack.cell_full_v * pack.series
    limit_v = pack.limits.pack_voltage_max_v
    return full_v if limit_v is None else (full_v + limit_v) / 2


def lower_clamp_v(pack: PackSpec) -> float:
    """Default clamp of a discharge in V."""
    cutoff_v = pack.cell_cutoff_v * pack.series
    limit_v = pack.limits.pack_voltage_min_v
    return cutoff_v if limit_v is None else (cutoff_v + limit_v) / 2


def _limited(model: StepModel, default_ns: int) -> int:
    if model.max_time is not None and (model.for_ is None or model.for_ < model.max_time):
        return model.max_time  # of one that is too short, `own` has told
    return model.for_ + FOR_MARGIN_NS if model.for_ is not None else default_ns


def _ns(hours: float) -> int:
    return round(hours * 3600) * 1_000_000_000


def _sign(kind: str) -> p.Sign:
    return 1 if kind.endswith("_charge") else -1


def _rest(b: Builder, model: m.RestModel) -> p.AnyStep:
    return p.Rest(**b.common(model, REST_MAX_NS))


def _soak(b: Builder, model: m.SoakModel) -> p.AnyStep:
    max_ns = REST_MAX_NS + model.stable_for
    temperature_c = b.amount(model.temperature, "temperature")
    return p.Soak(
        **b.common(model, max_ns), temperature_c=temperature_c, within_k=model.within, stable_ns=model.stable_for
    )


def _pause(b: Builder, model: m.PauseModel) -> p.AnyStep:
    targets = b.source.unit.targets
    answers = tuple(
        p.Answer(word, text.en, text.zh, targets.get(text.goto) if text.goto is not None else None)
        for word, text in model.answers.items()
    )
    shared: dict[str, Any] = {**b.instant(), "max_time_ns": model.max_time or REST_MAX_NS, "record": b.record(None)}
    return p.Pause(**shared, prompt_en=model.prompt.en, prompt_zh=model.prompt.zh, answers=answers)


def _cc(b: Builder, model: m.CcModel) -> p.AnyStep:
    sign = _sign(b.source.kind)
    current_a = b.amount(model.current, "current")
    cell_limit = b.cell_limit(model) if isinstance(model, m.ChargingModel) else None
    max_ns = _ns(b.hours_at(current_a)) + (TAIL_NS if cell_limit is not None else 0)
    clamp_v = b.clamp(model.clamp, sign)
    return p.ConstantCurrent(
        **b.common(model, max_ns), sign=sign, current_a=current_a, clamp_voltage_v=clamp_v, cell_limit=cell_limit
    )


def _cv(b: Builder, model: m.CvModel | m.CccvModel) -> p.AnyStep:
    current_a = b.amount(model.current, "current")
    return p.ConstantVoltage(
        **b.common(model, _ns(b.hours_at(current_a)) + TAIL_NS),
        sign=_sign(b.source.kind),
        current_a=current_a,
        voltage_v=b.amount(model.voltage, "voltage"),
        end_current_a=b.optional(model.end_current, "end_current"),
        cell_limit=b.cell_limit(model) if isinstance(model, m.ChargingModel) else None,
    )


def _cp(b: Builder, model: m.CpModel) -> p.AnyStep:
    sign = _sign(b.source.kind)
    power_w = b.amount(model.power, "power")
    known = constant(power_w)
    current_a = None if not known else known / (b.pack.rated_energy_wh / b.pack.rated_capacity_ah)
    cell_limit = b.cell_limit(model) if isinstance(model, m.ChargingModel) else None
    max_ns = _ns(b.hours_at(current_a)) + (TAIL_NS if cell_limit is not None else 0)
    clamp_v = b.clamp(model.clamp, sign)
    return p.ConstantPower(
        **b.common(model, max_ns), sign=sign, power_w=power_w, clamp_voltage_v=clamp_v, cell_limit=cell_limit
    )


def _cr(b: Builder, model: m.CrModel) -> p.AnyStep:
    resistance_ohm = b.amount(model.resistance, "resistance")
    known = constant(resistance_ohm)
    current_a = None if not known else b.pack.cell_cutoff_v * b.pack.series / known
    return p.ConstantResistance(
        **b.common(model, _ns(b.hours_at(current_a))),
        resistance_ohm=resistance_ohm,
        clamp_voltage_v=b.clamp(model.clamp, -1),
    )


def _wave(b: Builder, model: m.PulseModel | m.TableModel) -> p.AnyStep:
    is_power = b.source.kind == "power_profile"
    segments = train_segments(b, model) if isinstance(model, m.PulseModel) else table_segments(b, model)
    period_ns = sum(segment.for_ns for segment in segments)
    return p.Waveform(
        **b.common(model, period_ns * model.repeat + FOR_MARGIN_NS),
        quantity="power" if is_power else "current",
        segments=segments,
        repeat=model.repeat,
        clamp_high_v=b.clamp(model.clamp_high, 1, "clamp_high"),
        clamp_low_v=b.clamp(model.clamp_low, -1, "clamp_low"),
        on_limit=model.on_limit,
    )


def _chamber(b: Builder, model: m.ChamberModel) -> p.AnyStep:
    return p.ChamberSet(**b.instant(), temperature_c=b.optional(model.temperature, "temperature"))


def _goto(b: Builder, model: m.GotoModel) -> p.AnyStep:
    until = tuple(conditions(b, model.when, "when")) if model.when is not None else ()
    target = b.source.unit.targets.get(model.to, b.source.index + 1)
    return replace(p.Goto(**b.instant(), target=target), until=until)


def _end(b: Builder, model: m.EndModel) -> p.AnyStep:
    reason = model.reason
    reason_en, reason_zh = ("", "") if reason is None else (reason.en, reason.zh)
    return p.End(**b.instant(), verdict=model.verdict, reason_en=reason_en, reason_zh=reason_zh)


_BUILDERS: dict[type[StrictModel], Callable[[Builder, Any], p.AnyStep]] = {
    m.RestModel: _rest,
    m.SoakModel: _soak,
    m.PauseModel: _pause,
    m.CcModel: _cc,
    m.CcChargeModel: _cc,
    m.CvModel: _cv,
    m.CvChargeModel: _cv,
    m.CccvModel: _cv,
    m.CccvChargeModel: _cv,
    m.CpModel: _cp,
    m.CpChargeModel: _cp,
    m.CrModel: _cr,
    m.PulseModel: _wave,
    m.CurrentTableModel: _wave,
    m.PowerTableModel: _wave,
    m.ChamberModel: _chamber,
    m.GotoModel: _goto,
    m.EndModel: _end,
}
"""`set` and `loop` change what names mean: they are the compiler's own."""
