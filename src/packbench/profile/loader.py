"""A profile's text read into checked step sources, in the order in which the engine will meet them.

Owns everything about a profile that needs no pack: keys, types, labels, jumps, loops, a way to end
for every step. Must not resolve a value. It never stops at the first problem: a broken step leaves
a hole, the rest is still checked, and the file's author reads everything at once.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import Any

from packbench.config.document import Document, Path, list_of, load_document, mapping_of
from packbench.config.validation import StrictModel, check_model, suggestion
from packbench.core.errors import Problem
from packbench.profile.schema import (
    PLANNED_STEPS,
    STEP_MODELS,
    CcChargeModel,
    CccvChargeModel,
    EndModel,
    LoopModel,
    ProfileModel,
    StepModel,
)


@dataclass(slots=True)
class Loop:
    """A loop while and after it is read."""

    path: Path
    label: str
    start: int
    model: LoopModel | None
    end: int = -1
    """Index of its LoopEnd."""


@dataclass(slots=True)
class StepSource:
    """One entry of the flat plan: where it came from and what it says."""

    index: int
    kind: str
    path: Path
    """Of its body."""
    label: str
    model: StrictModel | None
    """None: it had problems."""
    loops: tuple[Loop, ...]
    """Around it, outermost first; a LoopEnd's own loop is the last."""


@dataclass(slots=True)
class LoadedProfile:
    """A profile as far as it can be understood without a pack."""

    document: Document
    model: ProfileModel | None
    steps: list[StepSource]
    targets: dict[str, int]
    """Label to the index a jump goes to; a loop's label means its first step."""
    problems: list[Problem]
    explicit_end: bool = False


def load_profile(text: str, file: str) -> LoadedProfile:
    """Read a profile. Raises InputError only for text that is no YAML; see `problems` for the rest."""
    document = load_document(text, file)
    model, problems = check_model(ProfileModel, document, ())
    walk = _Walk(document)
    walk.steps_of(list_of(document.at(("steps",))) or [], ("steps",), ())
    walk.name_steps()
    loaded = LoadedProfile(
        document,
        model,
        walk.steps,
        walk.targets(),
        [*document.problems, *problems, *walk.problems],
        bool(walk.steps) and walk.steps[-1].kind == "end",
    )
    loaded.problems += _jumps(loaded)
    if not loaded.problems:
        loaded.problems += _unreachable(loaded)
    return loaded


@dataclass(slots=True)
class _Walk:
    """Flattens the nested steps in reading order."""

    document: Document
    steps: list[StepSource] = field(default_factory=list[StepSource])
    loops: list[Loop] = field(default_factory=list[Loop])
    problems: list[Problem] = field(default_factory=list[Problem])
    labels: dict[str, Path] = field(default_factory=dict[str, Path])

    def steps_of(self, raw: list[Any], path: Path, loops: tuple[Loop, ...]) -> None:
        for position, item in enumerate(raw):
            self.step(item, (*path, position), loops)

    def step(self, item: Any, path: Path, loops: tuple[Loop, ...]) -> None:
        kind, body_path = self.kind_of(item, path)
        if kind is None:
            self.steps.append(StepSource(len(self.steps), "", path, "", None, loops))
            return
        body = self.document.at(body_path) if body_path != path else None
        label = self.label(body, body_path)
        if kind == "loop":
            self.loop(body, body_path, label, loops)
            return
        if isinstance(item, str):
            model: StrictModel | None = EndModel()
        else:
            model, problems = check_model(STEP_MODELS[kind], self.document, body_path, empty_is_mapping=True)
            self.problems += problems
        if isinstance(model, StepModel):
            self.problems += _own_problems(model, kind, body_path, self.document)
        self.steps.append(StepSource(len(self.steps), kind, body_path, label, model, loops))

    def kind_of(self, item: Any, path: Path) -> tuple[str | None, Path]:
        """The step's type and the path of its body; None after a problem."""
        available = ", ".join(sorted(STEP_MODELS))
        if isinstance(item, str):
            if item == "end":
                return "end", path
            expected = f"one of {available}, each with its keys: `- rest: {{for: 30 min}}`"
            self.problems.append(self.document.problem("", path, repr(item), expected))
            return None, path
        entry = mapping_of(item)
        if not entry:
            found = self.document.found(path)
            self.problems.append(self.document.problem("", path, found, f"a step: one of {available}"))
            return None, path
        if len(entry) > 1:
            found = f"the keys {', '.join(entry)}"
            hint = "one step type, its own keys indented below it"
            second = list(entry)[1]
            at = (*path, second)
            self.problems.append(self.document.problem("not one step", path, found, hint, at=at, key=True))
            return None, path
        kind = next(iter(entry))
        if kind not in STEP_MODELS:
            here = (*path, kind)
            if kind in PLANNED_STEPS:
                message, expected = "not available yet", f"one of the known: {available}"
            else:
                message, expected = "unknown step type", suggestion(kind, STEP_MODELS)
            self.problems.append(self.document.problem(message, here, repr(kind), expected, key=True))
            return None, path
        return kind, (*path, kind)

    def loop(self, body: Any, path: Path, label: str, loops: tuple[Loop, ...]) -> None:
        model, problems = check_model(LoopModel, self.document, path, empty_is_mapping=True)
        self.problems += problems
        loop = Loop(path, label, len(self.steps), model)
        self.loops.append(loop)
        inner = (*loops, loop)
        self.steps_of(list_of((mapping_of(body) or {}).get("steps")) or [], (*path, "steps"), inner)
        loop.end = len(self.steps)
        self.steps.append(StepSource(loop.end, "loop", path, label, model, inner))

    def label(self, body: Any, path: Path) -> str:
        label = (mapping_of(body) or {}).get("label")
        if not isinstance(label, str):
            return ""
        here = (*path, "label")
        if label in self.labels:
            first = self.document.mark(self.labels[label]).line
            found = f"{label!r} again (the first is on line {first})"
            self.problems.append(self.document.problem("label used twice", here, found, "each label once"))
        else:
            self.labels[label] = here
        return label

    def name_steps(self) -> None:
        """Steps without a label get one from their type and number."""
        taken = set(self.labels)
        for source in self.steps:
            if not source.label and source.kind:
                label = f"{source.kind.replace('_', '-')}-{source.index + 1}"
                while label in taken:
                    label += "-x"
                taken.add(label)
                source.label = label

    def targets(self) -> dict[str, int]:
        """Where each label leads; `end` is always there (the compiler appends one when needed)."""
        targets = {loop.label: loop.start for loop in self.loops if loop.label}
        for source in self.steps:
            if source.kind != "loop" and source.label:
                targets.setdefault(source.label, source.index)
        last = self.steps[-1] if self.steps else None
        at_end = last.index if last is not None and last.kind == "end" else len(self.steps)
        targets.setdefault("end", at_end)
        return targets


def _own_problems(model: StepModel, kind: str, path: Path, document: Document) -> list[Problem]:
    """What is wrong with one step by itself."""
    problems: list[Problem] = []
    ends = bool(model.until) or model.for_ is not None or isinstance(model, CccvChargeModel)
    if isinstance(model, CcChargeModel | CccvChargeModel) and model.on_cell_limit is not None:
        ends = True
        limit = model.on_cell_limit
        here = (*path, "on_cell_limit")
        if limit.action == "taper" and limit.end_current is None:
            expected = "the current at which the taper ends, such as 0.05 I1"
            found = (*here, "end_current")
            problems.append(document.problem("required", found, "nothing", expected, at=here, key=True))
        if limit.action == "end" and limit.end_current is not None:
            expected = "no end_current: the step ends at once (or action: taper)"
            found = (*here, "end_current")
            problems.append(document.problem("", found, document.found(found), expected, key=True))
    if not ends:
        expected = "for: a time, or until: a condition"
        problems.append(
            document.problem("a step without an end", path, f"a {kind} that never ends", expected, key=True)
        )
    if model.for_ is not None and model.max_time is not None and model.max_time <= model.for_:
        here = (*path, "max_time")
        expected = "longer than `for`: max_time aborts the run, it does not end the step"
        problems.append(document.problem("", here, document.found(here), expected))
    return problems


def _jumps(loaded: LoadedProfile) -> list[Problem]:
    """Every goto lands, forward, and never in the middle of a loop it is outside of."""
    problems: list[Problem] = []
    document = loaded.document
    for source in loaded.steps:
        for goto, path in _gotos(document, source):
            found = f"goto {goto!r}"
            target = loaded.targets.get(goto)
            if target is None:
                near = difflib.get_close_matches(goto, loaded.targets, n=1)
                expected = f"the label of a later step{f' (did you mean {near[0]!r}?)' if near else ''}"
                problems.append(document.problem("goto nowhere", path, found, expected))
            elif target <= source.index:
                expected = "a later step: going back is what `loop` is for, and a loop ends"
                problems.append(document.problem("goto backwards", path, found, expected))
            elif not _may_enter(loaded, source, target):
                expected = "a step of the same loop, one after it, or a loop's first step"
                problems.append(document.problem("goto into a loop", path, found, expected))
    return problems


def _gotos(document: Document, source: StepSource) -> list[tuple[str, Path]]:
    """The jumps of a step and where they stand, from the text itself: also of a step with other problems."""
    if source.kind in ("loop", ""):
        return []
    path = (*source.path, "until")
    until = document.at(path)
    several = list_of(until)
    places = [(until, path)] if several is None else [(item, (*path, at)) for at, item in enumerate(several)]
    found: list[tuple[str, Path]] = []
    for item, place in places:
        goto = (mapping_of(item) or {}).get("goto")
        if isinstance(goto, str):
            found.append((goto, (*place, "goto")))
    return found


def _may_enter(loaded: LoadedProfile, source: StepSource, target: int) -> bool:
    if target >= len(loaded.steps):
        return True
    around = [loop for loop in loaded.steps[target].loops if loop not in source.loops]
    return all(loop.start == target for loop in around)


def _unreachable(loaded: LoadedProfile) -> list[Problem]:
    """Steps that nothing leads to: an author meant something else."""
    steps = loaded.steps
    reached: set[int] = set()
    waiting = [0] if steps else []
    while waiting:
        index = waiting.pop()
        if index in reached or index >= len(steps):
            continue
        reached.add(index)
        source = steps[index]
        if source.kind == "end":
            continue
        waiting.append(index + 1)
        waiting += [loaded.targets[goto] for goto, _ in _gotos(loaded.document, source) if goto in loaded.targets]
    for source in steps:
        if source.index not in reached and source.kind != "loop":
            expected = "a step that some step leads to"
            found = f"step {source.label!r}, which nothing leads to"
            return [loaded.document.problem("unreachable", source.path, found, expected, key=True)]
    return []
