"""A profile and a pack become a Plan: rates are amperes, words are volts, labels are indices.

Owns what names mean along the way: parameters, a loop's variables, what `set` has given a value. Must not
judge the plan against a bench (`checking`). Pure: text in, Plan out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from packbench.config.document import Path, field_text, list_of, mapping_of
from packbench.config.validation import sort_problems
from packbench.core.errors import InputError, Problem
from packbench.core.limits import LimitSet
from packbench.core.specs import PackSpec
from packbench.core.units import Dimension, UnitError
from packbench.profile import plan as p
from packbench.profile.amounts import Constant, RoundVariable, UserVariable
from packbench.profile.checking.bounds import limit_problems
from packbench.profile.checking.flow import flow_problems
from packbench.profile.checking.setpoints import step_problems
from packbench.profile.language.building import INSTANT_NS, RECORD_DEFAULT_NS, Builder
from packbench.profile.language.conditions import AgreementText
from packbench.profile.language.loader import LoadedProfile, load_profile, no_library
from packbench.profile.language.resolve import Binding, Scope, as_amount, bind, factor_of
from packbench.profile.language.schema import ResultModel, amount
from packbench.profile.language.step_models import LoopModel, SetModel
from packbench.profile.language.values import Value, parse_any
from packbench.profile.language.walk import Library, Loop, StepSource, Unit


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
        self.parameters = parameters
        self.problems: list[Problem] = list(loaded.problems)
        self.places: dict[tuple[int, str], p.Place] = {}
        self.variables: dict[str, Dimension | None] = {}
        self.sources = loaded.sources
        self._names: dict[int, dict[str, Binding]] = {}
        """By unit (its identity): what `$name` means there, so far."""
        self._open: set[int] = set()
        """Loops whose variables are bound (identity)."""
        self._labels = {
            f"{source.unit.prefix}{source.label}": source for source in loaded.steps if source.label and source.kind
        }

    def plan(self, source_sha256: str) -> p.Plan:
        model = self.loaded.model
        result_model = model.result if model is not None else self._result_alone()
        capacity_step = self._capacity_step(result_model)
        limits = LimitSet()
        layers = {"pack": self.pack.limits}
        self._note(-1, "limits", ("limits",), self.loaded.unit)
        self._note(-1, "result", ("result",), self.loaded.unit)
        if model is not None and model.limits is not None:
            limits = model.limits.limit_set(self.pack.rated_capacity_ah)
            wrong = limit_problems(limits, -1, "limits", self.pack, self.file, self.places)
            self.problems += wrong
            if not wrong:  # else every step would show their shadows
                layers["profile"] = limits
        self._foreign_parameters()
        steps: list[p.AnyStep] = []
        for source in self.loaded.steps:
            self._note_places(source)
            step = self._step(source, capacity_step)
            if step is not None:
                steps.append(step)
                self.problems += step_problems(step, source.index, self.pack, layers, self.file, self.places)
        if self.problems or model is None:
            raise InputError(sort_problems(self.problems))
        if not self.loaded.explicit_end:
            steps.append(_end(self.loaded))
        compiled = p.Plan(
            name=model.profile,
            title_en=model.title.en,
            title_zh=model.title.zh,
            steps=tuple(steps),
            limits=limits,
            result=self._result(result_model, capacity_step, steps),
            source_sha256=source_sha256,
            source_file=self.file,
            places=MappingProxyType(self.places),
            variables=MappingProxyType(self.variables),
            sources=tuple(self.sources),
        )
        if wrong := flow_problems(compiled):
            raise InputError(sort_problems(wrong))
        return compiled

    # --- places ---------------------------------------------------------------------------------

    def _note(self, index: int, attribute: str, path: Path, unit: Unit) -> None:
        """Remember where `path` and everything directly below it stands."""
        document = unit.document
        data = document.at(path)
        mark = document.mark(path, key=not attribute)
        file = "" if unit.parent is None else document.file
        self.places[index, attribute] = p.Place(mark.line, mark.column, field_text(path), file, document.line(mark))
        for key in mapping_of(data) or {}:
            self._note(index, f"{attribute}.{key}" if attribute else key, (*path, key), unit)
        if attribute in ("until", "when", "train"):
            for position in range(len(list_of(data) or ())):
                self._note(index, f"{attribute}.{position}", (*path, position), unit)

    def _note_places(self, source: StepSource) -> None:
        if source.kind == "loop":
            document = source.unit.document
            mark = document.mark(source.path, key=True)
            file = "" if source.unit.parent is None else document.file
            where = field_text(source.path)
            self.places[source.index, ""] = p.Place(mark.line, mark.column, where, file, document.line(mark))
            if document.at((*source.path, "until")) is not None:
                self._note(source.index, "until", (*source.path, "until"), source.unit)
        else:
            self._note(source.index, "", source.path, source.unit)

    # --- names ----------------------------------------------------------------------------------

    def _names_of(self, unit: Unit) -> dict[str, Binding]:
        """What names mean in a file, its parameters bound when it is first met."""
        names = self._names.get(id(unit))
        if names is None:
            names = self._names[id(unit)] = {}
            self._bind_parameters(unit, names)
        return names

    def _bind_parameters(self, unit: Unit, names: dict[str, Binding]) -> None:
        declared = dict(unit.model.parameters) if unit.model is not None else {}
        own = Scope(self.pack, {}, lambda _: None)
        for name, default in declared.items():
            found = self._bound(amount(default), own, unit, ("parameters", name))
            if found is not None:
                names[name] = found
        given: dict[str, Any] = dict(unit.use.with_) if unit.use is not None else {}
        for name, value in given.items():
            assert unit.parent is not None
            path = (*unit.use_path, "with", name)
            if name not in declared:
                known = ", ".join(sorted(declared)) or "none: it has no parameters"
                problem = unit.parent.document.problem("unknown parameter", path, repr(name), known, key=True)
                self.problems.append(problem)
                continue
            outer = Scope(self.pack, self._names_of(unit.parent), lambda _: None)
            self._override(names, name, self._bound(amount(value), outer, unit.parent, path), unit.parent, path)
        if unit.parent is None:
            for name, text in self.parameters.items():
                if name in declared:
                    self._from_command_line(names, name, text, own)

    def _from_command_line(self, names: dict[str, Binding], name: str, text: str, scope: Scope) -> None:
        field = f"--with {name}"
        try:
            found = bind(parse_any(text).tree, scope, text)
        except UnitError as error:
            self.problems.append(Problem("", field=field, found=error.found, expected=error.expected))
            return
        if name in names and found.kind != names[name].kind:
            default = names[name].kind.dimension or "plain number"
            self.problems.append(Problem("", field=field, found=repr(text), expected=f"a {default}, as its default"))
            return
        names[name] = found

    def _override(self, names: dict[str, Binding], name: str, found: Binding | None, unit: Unit, path: Path) -> None:
        if found is None:
            return
        default = names.get(name)
        if default is not None and default.kind != found.kind:
            kind = (default.kind.dimension or "plain number").replace("_", " ")
            self.problems.append(
                unit.document.problem("", path, unit.document.found(path), f"a {kind}, as its default")
            )
            return
        names[name] = found

    def _bound(self, value: Value, scope: Scope, unit: Unit, path: Path) -> Binding | None:
        try:
            return bind(value.tree, scope, value.text)
        except UnitError as error:
            self.problems.append(unit.document.problem("", path, error.found, error.expected))
            return None

    def _foreign_parameters(self) -> None:
        model = self.loaded.model
        known = sorted(model.parameters) if model is not None else []
        for name in self.parameters:
            if name not in known:
                expected = f"one of {', '.join(known)}" if known else "nothing: the profile has no parameters"
                self.problems.append(Problem("unknown parameter", field="--with", found=repr(name), expected=expected))

    def _open_loops(self, source: StepSource) -> None:
        """Bind the variables of the loops that begin here, the outermost first."""
        for loop in source.loops:
            if id(loop) in self._open:
                continue
            self._open.add(id(loop))
            if loop.model is None:
                continue
            names = self._names_of(loop.unit)
            for name, values in loop.model.each.items():
                self._bind_round(loop, name, values, names)

    def _bind_round(self, loop: Loop, name: str, values: list[Any], names: dict[str, Binding]) -> None:
        found: list[Binding] = []
        scope = Scope(self.pack, names, lambda _: None)
        for position, value in enumerate(values):
            path = (*loop.path, "each", name, position)
            bound = self._bound(amount(value), scope, loop.unit, path)
            if bound is None:
                return
            if not isinstance(bound.expression, Constant) or (found and bound.kind != found[0].kind):
                text = loop.unit.document.found(path)
                expected = "a value that is known before the run, of the same dimension as the others"
                self.problems.append(loop.unit.document.problem("", path, text, expected))
                return
            found.append(bound)
        numbers = tuple(bound.expression.value for bound in found if isinstance(bound.expression, Constant))
        names[name] = Binding(found[0].kind, RoundVariable(name, loop.end, numbers))

    # --- steps ----------------------------------------------------------------------------------

    def _step(self, source: StepSource, capacity_step: int | None) -> p.AnyStep | None:
        self._open_loops(source)
        names = self._names_of(source.unit)
        if source.model is None:
            return None
        scope = Scope(self.pack, names, lambda label: self._past_step(source, label))
        builder = Builder(source, scope, self.library, self.sources, self.problems, self.places, self.file)
        if isinstance(source.model, LoopModel):
            return self._loop_end(builder, source.loops[-1], source.model, capacity_step)
        if isinstance(source.model, SetModel):
            return self._set(builder, source.model, names)
        return builder.build()

    def _past_step(self, source: StepSource, label: str) -> int | None:
        """The step that a formula may look back at: an earlier one, or one of the same loop's last round."""
        found = self._labels.get(f"{source.unit.prefix}{label}")
        if found is None or found.kind in ("loop", "set", "goto", "chamber", "end"):
            return None
        together = any(loop in found.loops for loop in source.loops)
        return found.index if found.index < source.index or together else None

    def _set(self, builder: Builder, model: SetModel, names: dict[str, Binding]) -> p.SetVariables:
        values: list[tuple[str, p.Amount]] = []
        unit = builder.source.unit
        for name, value in model.values.items():
            path = (*builder.source.path, name)
            found = self._bound(amount(value), builder.scope, unit, path)
            if found is None:
                continue
            known = names.get(name)
            if known is not None and (known.kind != found.kind or not isinstance(known.expression, UserVariable)):
                kind = (known.kind.dimension or "plain number").replace("_", " ")
                expected = f"a {kind}, as before" if known.kind != found.kind else "a name that nothing else has"
                self.problems.append(unit.document.problem("", path, f"${name}", expected, key=True))
                continue
            dimension, full = found.kind.dimension, f"{unit.prefix}{name}"
            factor = factor_of(dimension)
            values.append((full, as_amount(found.expression, factor, amount(value).text)))
            self.variables[full] = dimension
            self._publish(unit, name, Binding(found.kind, UserVariable(full, factor)))
        return p.SetVariables(**builder.instant(), values=tuple(values))

    def _publish(self, unit: Unit, name: str, binding: Binding) -> None:
        """A variable is known in its own file as $name, and as $LABEL.name to those who use it."""
        above: Unit | None = unit
        while above is not None:
            inner = unit.prefix.removeprefix(above.prefix)
            self._names_of(above)[f"{inner}{name}"] = binding
            above = above.parent

    def _loop_end(self, builder: Builder, loop: Loop, model: LoopModel, capacity_step: int | None) -> p.LoopEnd:
        repeat = model.repeat if model.repeat is not None else len(next(iter(model.each.values())))
        agreement = None
        if model.agreement is not None:
            agreement = self._agreement(model.agreement, repeat, loop, capacity_step)
        return p.LoopEnd(
            **builder.instant(),
            until=tuple(builder.conditions(model.conditions)),
            start=loop.start,
            repeat=repeat,
            agreement=agreement,
        )

    def _agreement(self, text: AgreementText, repeat: int, loop: Loop, capacity_step: int | None) -> p.Agreement | None:
        """What the loop's `until` compares: the charge of a discharge, cycle by cycle."""
        path = (*loop.path, "until")
        document = loop.unit.document
        if text.cycles > repeat:
            found = f"{text.cycles} cycles, with repeat {repeat}"
            self.problems.append(document.problem("can never agree", path, found, "repeat at least as many"))
            return None
        step = capacity_step
        if text.label is not None:
            named = self._labels.get(f"{loop.unit.prefix}{text.label}")
            step = None if named is None else named.index
        if step is not None and loop.start <= step < loop.end:
            within = text.within
            if within is None:
                assert text.within_of_rated is not None
                rated = self.pack.rated_capacity_ah if text.quantity == "ah" else self.pack.rated_energy_wh
                within = text.within_of_rated * rated
            return p.Agreement(step, within, text.cycles, text.quantity)
        stated = self.loaded.document.at(("result", "capacity_of"))
        if step is not None or stated is None or text.label is not None:
            # Else what is wrong with capacity_of has been said.
            expected = "capacity of LABEL, a step of this loop; or a result whose capacity_of is a discharge of it"
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
        if index is None and self.loaded.steps:
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
