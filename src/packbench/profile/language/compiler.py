"""A profile and a pack become a Plan: rates are amperes, words are volts, labels are indices.

Owns what names mean along the way: parameters, a loop's variables, what `set` has given a value. Must not
judge the plan against a bench (`checking`). Pure: text in, Plan out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from difflib import get_close_matches
from math import prod
from types import MappingProxyType

from packbench.config.validation import sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.core.units import UnitError
from packbench.profile import plan as p
from packbench.profile.amounts import UserVariable
from packbench.profile.checking.bounds import limit_problems
from packbench.profile.checking.flow import flow_problems
from packbench.profile.checking.formulas import formula_problems
from packbench.profile.checking.setpoints import step_problems
from packbench.profile.language.building import INSTANT_NS, RECORD_DEFAULT_NS, Builder
from packbench.profile.language.conditions import AgreementText
from packbench.profile.language.loader import LoadedProfile, load_profile, no_library, without_shadows
from packbench.profile.language.names import Names
from packbench.profile.language.own import record_problems
from packbench.profile.language.places import PlaceBook
from packbench.profile.language.resolve import Binding, Scope, as_amount, factor_of
from packbench.profile.language.schema import ResultModel, amount
from packbench.profile.language.step_models import MOVES_CHARGE, LoopModel, SetModel
from packbench.profile.language.until import conditions
from packbench.profile.language.walk import Library, Loop, StepSource


def compile_profile(
    text: str,
    file: str,
    pack: PackSpec,
    library: Library = no_library,
    parameters: Mapping[str, str] = MappingProxyType({}),
) -> p.Plan:
    """Compile a profile's text for a pack. Raises one InputError with every problem of the file.

    `library` finds the files that the profile names; `parameters` replace the defaults of its own.
    """
    loaded = load_profile(text, file, library)
    return _Compiler(loaded, pack, file, library, parameters).plan(hashlib.sha256(text.encode()).hexdigest())


class _Compiler:
    """Holds what every builder needs: the loaded profile, the pack, the names so far, the problems so far."""

    def __init__(
        self, loaded: LoadedProfile, pack: PackSpec, file: str, library: Library, parameters: Mapping[str, str]
    ) -> None:
        self.loaded = loaded
        self.pack = pack
        self.file = file
        self.library = library
        self.problems: list[Problem] = list(loaded.problems)
        self.names = Names(pack, parameters, self.problems)
        self.book = PlaceBook()
        self.sources = loaded.sources
        self._labels = {f"{source.unit.prefix}{source.label}": source for source in loaded.steps if source.label}

    def plan(self, source_sha256: str) -> p.Plan:
        model = self.loaded.model
        result_model = model.result if model is not None else self._result_alone()
        capacity_step = self._capacity_step(result_model)
        layers = self._limit_layers()
        rounds = self._most_rounds()
        self.names.of(self.loaded.unit)  # what is wrong with parameters is told even where no step uses one
        steps: list[p.AnyStep] = []
        for source in self.loaded.steps:
            self.book.note_step(source)
            step = self._step(source, capacity_step)
            if step is not None:
                steps.append(step)
                places = self.book.places
                self.problems += step_problems(step, source.index, self.pack, layers, self.file, places, rounds)
        if self.problems or model is None:
            told = without_shadows(self.names.without_shadows(self.problems), self.loaded.traps)
            raise InputError(sort_problems(told))
        if not self.loaded.explicit_end:
            steps.append(_end(self.loaded))
        compiled = p.Plan(
            name=model.profile,
            title_en=model.title.en,
            title_zh=model.title.zh,
            steps=tuple(steps),
            limits=layers.get("profile", LimitSet()),
            result=self._result(result_model, capacity_step, steps),
            source_sha256=source_sha256,
            source_file=self.file,
            places=MappingProxyType(self.book.places),
            variables=MappingProxyType(self.names.variables),
            sources=tuple(self.sources),
        )
        if wrong := [*flow_problems(compiled), *formula_problems(compiled, self.pack)]:
            raise InputError(sort_problems(wrong))
        return compiled

    def _most_rounds(self) -> int:
        """The most that `cycle` can come to; as `flow.most_rounds`, of a profile that may have holes."""
        rounds = 1
        for loop in (source.loops[-1] for source in self.loaded.steps if source.kind == "loop"):
            around = [other.rounds for other in self.loaded.steps[loop.end].loops[:-1]]
            rounds += prod(around) * (loop.rounds - 1)
        return rounds

    def _limit_layers(self) -> dict[str, LimitSet]:
        """The pack's limits and the profile's; what is wrong with those of every file is noted."""
        layers = {"pack": self.pack.limits}
        for unit in self.loaded.units:
            book = self.book if unit.parent is None else PlaceBook()
            for key in ("parameters", "limits", "record", "result"):
                book.note(-1, key, (key,), unit)
            if unit.model is None:
                continue
            self.problems += record_problems(unit.model.record, ("record",), unit.document)
            if unit.model.limits is None:
                continue
            limits = unit.model.limits.limit_set(self.pack.rated_capacity_ah)
            wrong = limit_problems(limits, -1, "limits", self.pack, self.file, book.places)
            self.problems += wrong
            if unit.parent is None and not wrong:  # else every step would show their shadows
                layers["profile"] = limits
        return layers

    # --- steps ----------------------------------------------------------------------------------

    def _step(self, source: StepSource, capacity_step: int | None) -> p.AnyStep | None:
        self.names.enter(source)
        names = self.names.of(source.unit)
        if source.model is None:
            if source.kind == "set":
                self.names.lose(source.unit, source.path)
            elif not source.kind and source.label:
                self.names.lost_labels.add(source.label)
            return None
        scope = Scope(self.pack, names, lambda label: self._past_step(source, label))
        builder = Builder(source, scope, self.library, self.sources, self.problems, self.book.places, self.file)
        if isinstance(source.model, LoopModel):
            return self._loop_end(builder, source.loops[-1], source.model, capacity_step)
        if isinstance(source.model, SetModel):
            return self._set(builder, source.model, names)
        return builder.build()

    def _past_step(self, source: StepSource, label: str) -> int:
        """The step that a formula may look back at: an earlier one, or one of the same loop's last round."""
        found = self._labels.get(f"{source.unit.prefix}{label}")
        if found is None:
            here = [known.removeprefix(source.unit.prefix) for known in self._labels]
            near = get_close_matches(label, here, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise UnitError(label, f"the label of an earlier step{hint}")
        if found.kind in ("loop", "set", "goto", "chamber", "end"):
            raise UnitError(label, f"the label of a step that takes time; {label!r} is a {found.kind}")
        if found.index >= source.index and not any(loop in found.loops for loop in source.loops):
            raise UnitError(label, f"the label of an earlier step; {label!r} comes later")
        return found.index

    def _set(self, builder: Builder, model: SetModel, names: dict[str, Binding]) -> p.SetVariables:
        values: list[tuple[str, p.Amount]] = []
        unit = builder.source.unit
        for name, value in model.values.items():
            path = (*builder.source.path, name)
            found = self.names.bound(amount(value), builder.scope, unit, path)
            if found is None:
                continue
            known = names.get(name)
            if known is not None and not isinstance(known.expression, UserVariable):
                expected = "a name that nothing else has here (it is a parameter or a loop's)"
                self.problems.append(unit.document.problem("two meanings", path, f"${name}", expected, key=True))
                continue
            if known is not None and known.kind != found.kind:
                text = f"{unit.document.found(path)}, {found.kind.words}"
                self.problems.append(unit.document.problem("", path, text, f"{known.kind.words}, as before"))
                continue
            values.append(
                (
                    f"{unit.prefix}{name}",
                    as_amount(found.expression, factor_of(found.kind.dimension), amount(value).text),
                )
            )
            self.names.publish(unit, name, found.kind)
        self.names.lose(unit, builder.source.path)
        return p.SetVariables(**builder.instant(), values=tuple(values))

    def _loop_end(self, builder: Builder, loop: Loop, model: LoopModel, capacity_step: int | None) -> p.LoopEnd:
        repeat = loop.rounds
        agreement = None
        if model.agreement is not None:
            agreement = self._agreement(model.agreement, repeat, loop, capacity_step)
        return p.LoopEnd(
            **builder.instant(),
            until=tuple(conditions(builder, model.conditions)),
            start=loop.start,
            repeat=repeat,
            agreement=agreement,
        )

    def _agreement(self, text: AgreementText, repeat: int, loop: Loop, capacity_step: int | None) -> p.Agreement | None:
        """What the loop's `until` compares: the charge of a discharge, cycle by cycle."""
        path = (*loop.path, "until")
        document = loop.unit.document
        if text.cycles > repeat and (loop.model is None or loop.model.repeat is not None or loop.each):
            found = f"{text.cycles} cycles, with repeat {repeat}"
            self.problems.append(document.problem("can never agree", path, found, "repeat at least as many"))
            return None
        named = self._labels.get(f"{loop.unit.prefix}{text.label}") if text.label is not None else None
        if text.label is None and capacity_step is not None:
            named = self.loaded.steps[capacity_step]
        if named is not None and named.loops and named.loops[-1] is loop and named.kind in MOVES_CHARGE:
            within = text.within
            if within is None:
                assert text.within_of_rated is not None
                rated = self.pack.rated_capacity_ah if text.quantity == "ah" else self.pack.rated_energy_wh
                within = text.within_of_rated * rated
            return p.Agreement(named.index, within, text.cycles, text.quantity)
        stated = self.loaded.document.at(("result", "capacity_of"))
        if named is not None or stated is None or text.label is not None:
            # Else what is wrong with capacity_of has been said.
            expected = (
                f"{'capacity' if text.quantity == 'ah' else 'energy'} of LABEL: a step with current, once a round of "
                "this loop; or a result whose capacity_of is a discharge of it"
            )
            self.problems.append(document.problem("agreement of what?", path, document.found(path), expected))
        return None

    # --- result ---------------------------------------------------------------------------------

    def _result_alone(self) -> ResultModel | None:
        """The result section by itself, when the file as a whole has problems elsewhere."""
        label = self.loaded.document.at(("result", "capacity_of"))
        return ResultModel(capacity_of=label, min_soh=None, temperature=None) if isinstance(label, str) else None

    def _capacity_step(self, result: ResultModel | None) -> int | None:
        if result is None:
            return None
        document = self.loaded.document
        discharges = {label: found.index for label, found in self._labels.items() if found.kind.endswith("_discharge")}
        index = discharges.get(result.capacity_of)
        path = ("result", "capacity_of")
        named = self._labels.get(result.capacity_of)
        lost = named is not None and not named.kind
        if index is None and self.loaded.steps and not lost:
            known = ", ".join(sorted(discharges)) or "none"
            expected = f"the label of a discharge step ({known})"
            self.problems.append(document.problem("", path, document.found(path), expected))
        if result.temperature is not None and result.temperature[0] >= result.temperature[1]:
            path = ("result", "temperature")
            found = f"{result.temperature[0]:g} to {result.temperature[1]:g} degC"
            self.problems.append(document.problem("impossible limit", path, found, "the lower one first"))
        return index

    def _result(
        self, model: ResultModel | None, capacity_step: int | None, steps: list[p.AnyStep]
    ) -> p.ResultRule | None:
        if model is None or capacity_step is None:
            return None
        agreements = [
            step.agreement
            for step in steps
            if isinstance(step, p.LoopEnd) and step.agreement is not None and step.agreement.step == capacity_step
        ]
        low_c, high_c = model.temperature if model.temperature is not None else (None, None)
        return p.ResultRule(capacity_step, agreements[0] if agreements else None, model.min_soh, low_c, high_c)


def _end(loaded: LoadedProfile) -> p.End:
    """The `end` that a profile may leave out."""
    label = "end"
    while label in loaded.unit.labels:
        label += "-x"
    return p.End(label=label, kind="end", record=p.RecordRule(RECORD_DEFAULT_NS), max_time_ns=INSTANT_NS)
