"""A profile and a pack become a Plan: rates are amperes, words are volts, labels are indices.

Owns the resolution of every value and the defaults a profile may leave out. Must not judge the
plan against a bench (`check`). Pure: text in, Plan out.

Defaults, all stated in docs/profiles.md:
- clamp of a CC step: half-way between the pack's full (or cut-off) voltage and the pack's own
  limit, so that the step ends by its own condition and the clamp still holds before the limit;
- record: every 5 s;
- max_time: `for` + 60 s; without `for`, 24 h for a rest, and for a step with current 1.5 times what
  110 % of the rated capacity takes, plus 3 h for a CV phase or a taper.
"""

from __future__ import annotations

import hashlib
from types import MappingProxyType

from packbench.config.document import Document, Path, field_text, list_of, mapping_of
from packbench.config.validation import sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.profile import plan as p
from packbench.profile.expressions import AgreementText
from packbench.profile.loader import LoadedProfile, Loop, StepSource, load_profile
from packbench.profile.schema import (
    CcChargeModel,
    CccvChargeModel,
    CcDischargeModel,
    CellLimitModel,
    EndModel,
    LoopModel,
    ProtectModel,
    RecordModel,
    RestModel,
    ResultModel,
    StepModel,
    amount,
)
from packbench.profile.setpoints import limit_problems, step_problems

RECORD_DEFAULT_NS = 5_000_000_000
"""GB 38031-2025 6.4 asks for 15 s or less [S]."""
FOR_MARGIN_NS = 60_000_000_000
REST_MAX_NS = 24 * 3600 * 1_000_000_000
TAIL_NS = 3 * 3600 * 1_000_000_000
CAPACITY_MAX = 1.1
"""No pack holds more than this fraction of its rating (new ones exceed it by a few per cent)."""
TIME_MARGIN = 1.5
INSTANT_NS = 1_000_000_000
"""max_time of entries that take no time (loop ends, end)."""


def compile_profile(text: str, file: str, pack: PackSpec) -> p.Plan:
    """Compile a profile's text for a pack. Raises one InputError with every problem of the file."""
    loaded = load_profile(text, file)
    return _Compiler(loaded, pack, file).plan(hashlib.sha256(text.encode()).hexdigest())


class _Compiler:
    """Holds what every builder needs: the loaded profile, the pack, the problems so far."""

    def __init__(self, loaded: LoadedProfile, pack: PackSpec, file: str) -> None:
        self.loaded = loaded
        self.document: Document = loaded.document
        self.pack = pack
        self.file = file
        self.problems: list[Problem] = list(loaded.problems)
        self.places: dict[tuple[int, str], p.Place] = {}

    def plan(self, source_sha256: str) -> p.Plan:
        model = self.loaded.model
        default = model.record if model is not None else None
        result_model = model.result if model is not None else self._result_alone()
        capacity_step = self._capacity_step(result_model)
        limits = LimitSet()
        layers = {"pack": self.pack.limits}
        self._note(-1, "limits", ("limits",))
        if model is not None and model.limits is not None:
            limits = model.limits.limit_set(self.pack.rated_capacity_ah)
            wrong = limit_problems(limits, -1, "limits", self.pack, self.file, self.places)
            self.problems += wrong
            if not wrong:  # else every step would show their shadows
                layers["profile"] = limits
        steps: list[p.AnyStep] = []
        for source in self.loaded.steps:
            self._note_places(source)
            step = self._step(source, default, capacity_step)
            if step is not None:
                steps.append(step)
                self.problems += step_problems(step, source.index, self.pack, layers, self.file, self.places)
        if self.problems or model is None:
            raise InputError(sort_problems(self.problems))
        if not self.loaded.explicit_end:
            steps.append(_end(self.loaded, len(steps)))
        return p.Plan(
            name=model.profile,
            title_en=model.title.en,
            title_zh=model.title.zh,
            steps=tuple(steps),
            limits=limits,
            result=self._result(result_model, capacity_step, steps),
            source_sha256=source_sha256,
            source_file=self.file,
            places=MappingProxyType(self.places),
        )

    # --- places ---------------------------------------------------------------------------------

    def _note(self, index: int, attribute: str, path: Path) -> None:
        """Remember where `path` and everything directly below it stands."""
        data = self.document.at(path)
        mark = self.document.mark(path, key=not attribute)
        self.places[index, attribute] = p.Place(mark.line, mark.column, field_text(path))
        for key in mapping_of(data) or {}:
            self._note(index, f"{attribute}.{key}" if attribute else key, (*path, key))
        if attribute == "until":
            for position in range(len(list_of(data) or ())):
                self._note(index, f"until.{position}", (*path, position))

    def _note_places(self, source: StepSource) -> None:
        if source.kind == "loop":
            mark = self.document.mark(source.path, key=True)
            self.places[source.index, ""] = p.Place(mark.line, mark.column, field_text(source.path))
        else:
            self._note(source.index, "", source.path)

    # --- steps ----------------------------------------------------------------------------------

    def _step(self, source: StepSource, default: RecordModel | None, capacity_step: int | None) -> p.AnyStep | None:
        model = source.model
        if isinstance(model, LoopModel):
            return self._loop_end(source, source.loops[-1], model, capacity_step)
        if isinstance(model, EndModel):
            return p.End(
                label=source.label,
                kind="end",
                record=p.RecordRule(RECORD_DEFAULT_NS),
                max_time_ns=INSTANT_NS,
                verdict=model.verdict,
            )
        if not isinstance(model, StepModel):
            return None
        until = self._until(model, source)
        record = _record(model.record, default)
        protect, delay_ns = self._protect(model.protect, source)
        pack = self.pack
        if isinstance(model, RestModel):
            return p.Rest(
                label=source.label,
                kind=source.kind,
                until=until,
                record=record,
                protect=protect,
                protect_delay_ns=delay_ns,
                max_time_ns=_max_time_ns(model, None, pack, tail=False),
            )
        assert isinstance(model, CcChargeModel | CccvChargeModel | CcDischargeModel)
        current_a = amount(model.current).resolve(pack)
        if isinstance(model, CcDischargeModel):
            return p.CcDischarge(
                label=source.label,
                kind=source.kind,
                until=until,
                record=record,
                protect=protect,
                protect_delay_ns=delay_ns,
                max_time_ns=_max_time_ns(model, current_a, pack, tail=False),
                current_a=current_a,
                clamp_voltage_v=amount(model.clamp).resolve(pack) if model.clamp else lower_clamp_v(pack),
            )
        cell_limit = self._cell_limit(model.on_cell_limit)
        if isinstance(model, CccvChargeModel):
            return p.CccvCharge(
                label=source.label,
                kind=source.kind,
                until=until,
                record=record,
                protect=protect,
                protect_delay_ns=delay_ns,
                max_time_ns=_max_time_ns(model, current_a, pack, tail=True),
                current_a=current_a,
                voltage_v=amount(model.voltage).resolve(pack),
                end_current_a=amount(model.end_current).resolve(pack),
                cell_limit=cell_limit,
            )
        return p.CcCharge(
            label=source.label,
            kind=source.kind,
            until=until,
            record=record,
            protect=protect,
            protect_delay_ns=delay_ns,
            max_time_ns=_max_time_ns(model, current_a, pack, tail=cell_limit is not None),
            current_a=current_a,
            clamp_voltage_v=amount(model.clamp).resolve(pack) if model.clamp else upper_clamp_v(pack),
            cell_limit=cell_limit,
        )

    def _until(self, model: StepModel, source: StepSource) -> tuple[p.Condition, ...]:
        conditions: list[p.Condition] = []
        for until in model.until:
            parsed = until.condition
            goto = self.loaded.targets.get(until.goto) if until.goto is not None else None
            value = parsed.value.resolve(self.pack)
            conditions.append(p.Condition(parsed.variable, parsed.operator, value, until.for_ or 0, goto, parsed.text))
        if model.for_ is not None:
            text = f"step_time >= {self.document.texts.get((*source.path, 'for'), '')}"
            position = f"until.{len(conditions)}"
            conditions.append(p.Condition("step_time", ">=", model.for_ / 1e9, 0, None, text))
            self.places[source.index, position] = self.places[source.index, "for"]
        return tuple(conditions)

    def _protect(self, model: ProtectModel | None, source: StepSource) -> tuple[LimitSet, int]:
        if model is None:
            return LimitSet(), 0
        limits = model.limit_set(self.pack.rated_capacity_ah)
        self.problems += limit_problems(limits, source.index, "protect", self.pack, self.file, self.places)
        return limits, model.delay or 0

    def _cell_limit(self, model: CellLimitModel | None) -> p.CellLimit | None:
        if model is None:
            return None
        end_current_a = amount(model.end_current).resolve(self.pack) if model.end_current is not None else 0.0
        return p.CellLimit(amount(model.at).resolve(self.pack), model.action, end_current_a)

    def _loop_end(self, source: StepSource, loop: Loop, model: LoopModel, capacity_step: int | None) -> p.LoopEnd:
        agreement = None
        if model.agreement is not None:
            agreement = self._agreement(model.agreement, model.repeat, loop, capacity_step)
        return p.LoopEnd(
            label=source.label,
            kind="loop",
            record=p.RecordRule(RECORD_DEFAULT_NS),
            max_time_ns=INSTANT_NS,
            start=loop.start,
            repeat=model.repeat,
            agreement=agreement,
        )

    def _agreement(self, text: AgreementText, repeat: int, loop: Loop, capacity_step: int | None) -> p.Agreement | None:
        """What the loop's `until` compares: the charge of the result's discharge, cycle by cycle."""
        path = (*loop.path, "until")
        if text.cycles > repeat:
            found = f"{text.cycles} cycles, with repeat {repeat}"
            self.problems.append(self.document.problem("can never agree", path, found, "repeat at least as many"))
            return None
        if capacity_step is not None and loop.start <= capacity_step < loop.end:
            within_ah = text.within_ah
            if within_ah is None:
                assert text.within_of_rated is not None
                within_ah = text.within_of_rated * self.pack.rated_capacity_ah
            return p.Agreement(capacity_step, within_ah, text.cycles)
        stated = self.document.at(("result", "capacity_of"))
        if capacity_step is not None or stated is None:  # else what is wrong with capacity_of has been said
            expected = "a result whose capacity_of is a cc_discharge of this loop"
            found = self.document.found(path)
            self.problems.append(self.document.problem("agreement of what?", path, found, expected))
        return None

    # --- result ---------------------------------------------------------------------------------

    def _result_alone(self) -> ResultModel | None:
        """The result section by itself, when the file as a whole has problems elsewhere."""
        label = self.document.at(("result", "capacity_of"))
        return ResultModel(capacity_of=label, min_soh=None, temperature=None) if isinstance(label, str) else None

    def _capacity_step(self, result: ResultModel | None) -> int | None:
        if result is None:
            return None
        discharges = {source.label: source.index for source in self.loaded.steps if source.kind == "cc_discharge"}
        index = discharges.get(result.capacity_of)
        path = ("result", "capacity_of")
        if index is None and self.loaded.steps:
            known = ", ".join(sorted(discharges)) or "none"
            expected = f"the label of a cc_discharge step ({known})"
            self.problems.append(self.document.problem("", path, self.document.found(path), expected))
        if result.temperature is not None and result.temperature[0] >= result.temperature[1]:
            path = ("result", "temperature")
            found = f"{result.temperature[0]:g} to {result.temperature[1]:g} degC"
            self.problems.append(self.document.problem("impossible limit", path, found, "the lower one first"))
        return index

    def _result(
        self, model: ResultModel | None, capacity_step: int | None, steps: list[p.AnyStep]
    ) -> p.ResultRule | None:
        if model is None or capacity_step is None:
            return None
        agreements = [step.agreement for step in steps if isinstance(step, p.LoopEnd) and step.agreement is not None]
        low_c, high_c = model.temperature if model.temperature is not None else (None, None)
        return p.ResultRule(capacity_step, agreements[0] if agreements else None, model.min_soh, low_c, high_c)


def upper_clamp_v(pack: PackSpec) -> float:
    """Default clamp of a CC charge in V."""
    full_v = pack.cell_full_v * pack.series
    limit_v = pack.limits.pack_voltage_max_v
    return full_v if limit_v is None else (full_v + limit_v) / 2


def lower_clamp_v(pack: PackSpec) -> float:
    """Default clamp of a CC discharge in V."""
    cutoff_v = pack.cell_cutoff_v * pack.series
    limit_v = pack.limits.pack_voltage_min_v
    return cutoff_v if limit_v is None else (cutoff_v + limit_v) / 2


def _max_time_ns(model: StepModel, current_a: float | None, pack: PackSpec, *, tail: bool) -> int:
    if model.max_time is not None:
        return model.max_time
    if model.for_ is not None:
        return model.for_ + FOR_MARGIN_NS
    if current_a is None:
        return REST_MAX_NS
    hours = TIME_MARGIN * CAPACITY_MAX * pack.rated_capacity_ah / current_a
    return round(hours * 3600) * 1_000_000_000 + (TAIL_NS if tail else 0)


def _record(model: RecordModel | None, default: RecordModel | None) -> p.RecordRule:
    """A step's own triggers, else the profile's; dt falls back to the house's 5 s."""
    own = model if model is not None else default
    if own is None:
        return p.RecordRule(RECORD_DEFAULT_NS)
    dt_ns = own.dt or (default.dt if default is not None else None) or RECORD_DEFAULT_NS
    return p.RecordRule(dt_ns, own.dV, own.dI)


def _end(loaded: LoadedProfile, index: int) -> p.End:
    """The `end` that a profile may leave out."""
    label = "end"
    taken = {source.label for source in loaded.steps}
    while label in taken:
        label += "-x"
    assert index == len(loaded.steps)
    return p.End(label=label, kind="end", record=p.RecordRule(RECORD_DEFAULT_NS), max_time_ns=INSTANT_NS)
