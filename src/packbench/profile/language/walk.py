"""A profile's nested steps, laid out flat in the order in which the engine will meet them.

Owns the reading of step after step, into loops and into sub-profiles. Must not resolve a value. It never
stops at the first problem: a broken step leaves a hole, the rest is still read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from packbench.config.document import Document, Path, list_of, load_document, mapping_of
from packbench.config.validation import StrictModel, check_model, suggestion
from packbench.core.errors import InputError, Problem
from packbench.core.units import UnitError
from packbench.profile.language.own import own_problems
from packbench.profile.language.schema import ProfileModel, parse_variable_name
from packbench.profile.language.step_models import (
    EXAMPLES,
    STEP_MODELS,
    EndModel,
    GotoModel,
    LoopModel,
    SetModel,
    UseModel,
)
from packbench.profile.language.values import parse_any
from packbench.profile.plan import SourceFile

Library = Callable[[str, str], SourceFile]
"""(a name, the file that names it) to the file. Raises InputError when there is none."""

RETURN = ""
"""The label, which no author can write, of where a sub-profile's user goes on."""
_NESTED_MAX = 8
"""Sub-profiles within sub-profiles."""
_STEPS_MAX = 10_000
"""Steps beyond which no further sub-profile is taken in: each may use others, twice."""
_TOP = 3
"""Length of the path to a step that is in no loop: steps, its number, its type."""


@dataclass(slots=True, eq=False)
class Unit:
    """One file's share of the steps: the profile itself, or one use of a sub-profile."""

    document: Document
    model: ProfileModel | None
    prefix: str
    """Of its labels in the whole: empty, or `LABEL.`."""
    parent: Unit | None = None
    use: UseModel | None = None
    use_path: Path = ()
    start: int = 0
    end: int = -1
    """Index of the step after its last."""
    targets: dict[str, int] = field(default_factory=dict[str, int])
    """Label to the index a jump goes to, as this file writes it; a loop's label means its first step."""
    labels: dict[str, Path] = field(default_factory=dict[str, Path])


@dataclass(slots=True, eq=False)
class Loop:
    """A loop while and after it is read."""

    path: Path
    label: str
    start: int
    model: LoopModel | None
    unit: Unit
    end: int = -1
    """Index of its LoopEnd."""

    @property
    def each(self) -> dict[str, list[Any]]:
        """Its variables and their values, one a round."""
        return {} if self.model is None else self.model.each

    @property
    def rounds(self) -> int:
        """How often it goes round at most."""
        if self.model is None or self.model.repeat is not None:
            return 1 if self.model is None or self.model.repeat is None else self.model.repeat
        return min((len(values) for values in self.model.each.values()), default=1)


@dataclass(slots=True, eq=False)
class StepSource:
    """One entry of the flat plan: where it came from and what it says."""

    index: int
    kind: str
    path: Path
    """Of its body."""
    label: str
    """As its own file writes it, without the prefix."""
    model: StrictModel | None
    """None: it had problems."""
    loops: tuple[Loop, ...]
    """Around it, outermost first; a LoopEnd's own loop is the last."""
    unit: Unit


@dataclass(slots=True)
class Walk:
    """Flattens the nested steps in reading order."""

    library: Library
    steps: list[StepSource] = field(default_factory=list[StepSource])
    units: list[Unit] = field(default_factory=list[Unit])
    sources: list[SourceFile] = field(default_factory=list[SourceFile])
    documents: dict[str, Document] = field(default_factory=dict[str, Document])
    """The sub-profiles' files, each read once."""
    problems: list[Problem] = field(default_factory=list[Problem])
    traps: list[Problem] = field(default_factory=list[Problem])
    """What the reader of YAML refused, of every file; among the problems, too."""

    def unit_of(self, document: Document, prefix: str, loops: tuple[Loop, ...], parent: Unit | None = None) -> Unit:
        """Read a file's steps; the unit knows where they lie."""
        model, problems = check_model(ProfileModel, document, ())
        self.problems += [*document.problems, *problems]
        self.traps += document.problems
        unit = Unit(document, model, prefix, parent, start=len(self.steps))
        self.units.append(unit)
        self.steps_of(list_of(document.at(("steps",))) or [], ("steps",), loops, unit)
        self._return_to_parent(unit)
        unit.end = len(self.steps)
        self._name_steps(unit)
        unit.targets[RETURN] = unit.end
        unit.targets.setdefault("end", unit.end)
        return unit

    def _return_to_parent(self, unit: Unit) -> None:
        """An `end` that passes, in a sub-profile, is no end of the whole: its user goes on."""
        if unit.parent is None:
            return
        last = self.steps[-1] if len(self.steps) > unit.start else None
        if last is not None and last.unit is unit and len(last.path) <= _TOP and _passes(last.model):
            self.steps.pop()
            if last.label:
                unit.targets[last.label] = len(self.steps)
        for source in self.steps[unit.start :]:
            if source.unit is unit and _passes(source.model):
                source.kind, source.model = "goto", GotoModel.model_construct(to=RETURN)

    def steps_of(self, raw: list[Any], path: Path, loops: tuple[Loop, ...], unit: Unit) -> None:
        for position, item in enumerate(raw):
            self.step(item, (*path, position), loops, unit)

    def step(self, item: Any, path: Path, loops: tuple[Loop, ...], unit: Unit) -> None:
        kind, body_path = self.kind_of(item, path, unit)
        if kind is None:  # its label is kept, or every jump to it would be told, too
            entry = mapping_of(item) or {}
            body_path = (*path, next(iter(entry), ""))
            self._add("", path, self.label("", unit.document.at(body_path), body_path, unit), None, loops, unit)
            return
        body = unit.document.at(body_path) if body_path != path else None
        label = self.label(kind, body, body_path, unit)
        if kind == "loop":
            self.loop(body, body_path, label, loops, unit)
        elif kind == "profile":
            self.use(body_path, label, loops, unit)
        else:
            model = self.model_of(kind, item, body, body_path, unit)
            self._add(kind, body_path, label, model, loops, unit)

    def model_of(self, kind: str, item: Any, body: Any, path: Path, unit: Unit) -> StrictModel | None:
        """What a step says, or None with its problems noted."""
        document = unit.document
        if isinstance(item, str):
            return EndModel()
        if kind == "set":
            return self.assignments(body, path, document)
        if kind == "goto" and isinstance(body, str):
            return GotoModel(to=body)
        if body is not None and mapping_of(body) is None:
            return self.no_mapping(kind, path, document)
        model, problems = check_model(STEP_MODELS[kind], document, path, empty_is_mapping=True)
        self.problems += problems
        if model is not None:
            self.problems += own_problems(model, kind, path, document)
        return model

    def no_mapping(self, kind: str, path: Path, document: Document) -> None:
        """A step's type with something else below it than its keys."""
        problem = document.problem("", path, document.found(path), f"its keys, such as {kind}: {EXAMPLES[kind]}")
        if kind == "chamber":  # of whose `off` YAML would make a truth value, for which it is no place
            here = (problem.line, problem.column)
            self.problems = [known for known in self.problems if (known.line, known.column) != here]
            self.traps = [known for known in self.traps if (known.line, known.column) != here]
        self.problems.append(problem)

    def assignments(self, body: Any, path: Path, document: Document) -> SetModel | None:
        """`set`: each key a variable, each value a formula."""
        entry = mapping_of(body)
        if not entry:
            return self.no_mapping("set", path, document)
        values: dict[str, Any] = {}
        before = len(self.problems)
        for name, value in entry.items():
            here = (*path, name)
            try:
                parse_variable_name(name)
            except UnitError as error:
                self.problems.append(document.problem("", here, error.found, error.expected, key=True))
            try:
                values[name] = parse_any(value)
            except UnitError as error:
                self.problems.append(document.problem("", here, error.found, error.expected))
        return SetModel.model_construct(values=values) if len(self.problems) == before else None

    def kind_of(self, item: Any, path: Path, unit: Unit) -> tuple[str | None, Path]:
        """The step's type and the path of its body; None after a problem."""
        document, available = unit.document, ", ".join(sorted(STEP_MODELS))
        if isinstance(item, str):
            if item == "end":
                return "end", path
            expected = f"one of {available}, each with its keys: `- rest: {{for: 30 min}}`"
            self.problems.append(document.problem("", path, repr(item), expected))
            return None, path
        entry = mapping_of(item)
        if not entry:
            self.problems.append(document.problem("", path, document.found(path), f"a step: one of {available}"))
            return None, path
        if len(entry) > 1:
            found = f"the keys {', '.join(entry)}"
            hint = "one step type, its own keys indented below it"
            at = (*path, list(entry)[1])
            self.problems.append(document.problem("not one step", path, found, hint, at=at, key=True))
            return None, path
        kind = next(iter(entry))
        if kind not in STEP_MODELS:
            expected = suggestion(kind, STEP_MODELS)
            problem = document.problem("unknown step type", (*path, kind), repr(kind), expected, key=True)
            self.problems.append(problem)
            return None, path
        return kind, (*path, kind)

    def loop(self, body: Any, path: Path, label: str, loops: tuple[Loop, ...], unit: Unit) -> None:
        model: LoopModel | None = None
        if body is not None and mapping_of(body) is None:
            self.no_mapping("loop", path, unit.document)
        else:
            model, problems = check_model(LoopModel, unit.document, path, empty_is_mapping=True)
            self.problems += problems
        if model is not None:
            self.problems += own_problems(model, "loop", path, unit.document)
        loop = Loop(path, label, len(self.steps), model, unit)
        inner = (*loops, loop)
        self.steps_of(list_of((mapping_of(body) or {}).get("steps")) or [], (*path, "steps"), inner, unit)
        loop.end = len(self.steps)
        self._add("loop", path, label, model, inner, unit)
        if label:
            unit.targets.setdefault(label, loop.start)

    def use(self, path: Path, label: str, loops: tuple[Loop, ...], unit: Unit) -> None:
        """The steps of a sub-profile, in place of the step that names it."""
        body = unit.document.at(path)
        model: UseModel | None = None
        if body is not None and mapping_of(body) is None:
            self.no_mapping("profile", path, unit.document)
        else:
            model, problems = check_model(UseModel, unit.document, path, empty_is_mapping=True)
            self.problems += problems
        if model is None:
            self._add("", path, label, None, loops, unit)
            return
        here = (*path, "use")
        chain = _chain(unit)
        try:
            source = self.library(model.use, unit.document.file)
            if source.name in [known.document.file for known in chain]:
                found = f"{model.use!r}, which uses itself"
                raise InputError(unit.document.problem("a profile within itself", here, found, "another profile"))
            if len(self.steps) > _STEPS_MAX:
                raise InputError(unit.document.problem("too long", here, f"{len(self.steps)} steps", "fewer in all"))
            if len(chain) >= _NESTED_MAX:
                raise InputError(unit.document.problem("nested too deeply", here, model.use, f"at most {_NESTED_MAX}"))
            document = self.documents.get(source.name) or load_document(source.text, source.name)
            self.documents[source.name] = document
        except InputError as error:
            self.problems += [_located(problem, unit.document, here) for problem in error.problems]
            self._add("", path, label, None, loops, unit)
            return
        if source not in self.sources:
            self.sources.append(source)
        name = label or self._free_label(model.use.rpartition("/")[2].removesuffix(".yaml"), unit)
        start = len(self.steps)
        child = self.unit_of(document, f"{unit.prefix}{name}.", loops, unit)
        child.use, child.use_path = model, path
        unit.targets.setdefault(name, start)
        if child.end == start:
            found = f"{model.use!r}, without a step"
            self.problems.append(unit.document.problem("nothing to do", here, found, "a profile with steps"))

    def label(self, kind: str, body: Any, path: Path, unit: Unit) -> str:
        label = None if kind == "set" else (mapping_of(body) or {}).get("label")
        if not isinstance(label, str):
            return ""
        here = (*path, "label")
        if label == "end" and kind != "end":
            expected = "another name: `goto: end` goes to the profile's end"
            self.problems.append(unit.document.problem("two meanings", here, repr(label), expected))
            return ""
        if label in unit.labels:
            first = unit.document.mark(unit.labels[label]).line
            found = f"{label!r} again (the first is on line {first})"
            self.problems.append(unit.document.problem("label used twice", here, found, "each label once"))
        else:
            unit.labels[label] = here
        return label

    def _add(
        self, kind: str, path: Path, label: str, model: StrictModel | None, loops: tuple[Loop, ...], unit: Unit
    ) -> None:
        index = len(self.steps)
        self.steps.append(StepSource(index, kind, path, label, model, loops, unit))
        if label and kind != "loop":
            unit.targets.setdefault(label, index)

    def _name_steps(self, unit: Unit) -> None:
        """Steps without a label get one from their type and number."""
        for source in self.steps[unit.start : unit.end]:
            if source.unit is unit and not source.label and source.kind:
                number = source.index - unit.start + 1
                source.label = self._free_label(f"{source.kind.replace('_', '-')}-{number}", unit)
                if source.kind != "loop":
                    unit.targets.setdefault(source.label, source.index)

    def _free_label(self, label: str, unit: Unit) -> str:
        while label in unit.labels:
            label += "-x"
        unit.labels[label] = ()
        return label


def _passes(model: StrictModel | None) -> bool:
    return isinstance(model, EndModel) and model.verdict == "pass"


def _chain(unit: Unit) -> list[Unit]:
    """A unit and everything that it is used by."""
    chain = [unit]
    while (above := chain[-1].parent) is not None:
        chain.append(above)
    return chain


def _located(problem: Problem, document: Document, path: Path) -> Problem:
    """A problem without a place of its own, at the step that names the file."""
    if problem.line is not None:
        return problem
    return document.problem(problem.message, path, problem.found or document.found(path), problem.expected or "")
