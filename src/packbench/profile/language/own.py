"""What is wrong with one step by itself: no end, keys that exclude or require each other.

Owns the rules between the keys of a step. Pure: a validated model and its place in, problems out. Numbers against a
pack are `checking`'s.
"""

from __future__ import annotations

from packbench.config.document import Document, Path, list_of
from packbench.config.fields import LIMIT_KEYS
from packbench.config.validation import StrictModel
from packbench.core.errors import Problem
from packbench.profile.language.schema import ProtectModel, RecordModel, StepModel, UntilModel
from packbench.profile.language.step_models import (
    ROUNDS_MAX,
    CccvModel,
    ChamberModel,
    ChargingModel,
    CvModel,
    GotoModel,
    LoopModel,
    PieceModel,
    PulseModel,
    SoakModel,
    TableModel,
    WaveModel,
)

BEFORE_MAX_NS = 3600 * 1_000_000_000


def own_problems(model: StrictModel, kind: str, path: Path, document: Document) -> list[Problem]:
    """What is wrong with one step by itself."""
    problems: list[Problem] = []
    if isinstance(model, StepModel):
        problems += _ends(model, kind, path, document)
        problems += _windows(model.until, path, document)
        problems += record_problems(model.record, (*path, "record"), document)
        problems += _protect(model.protect, path, document)
    if isinstance(model, ChargingModel):
        problems += _cell_limit(model, path, document)
    if isinstance(model, PulseModel):
        problems += _train(model, path, document)
    if isinstance(model, TableModel):
        problems += _one_of(model, ("file", "points"), path, document)
        problems += _at_most_one(model, ("scale", "peak"), path, document)
    if isinstance(model, ChamberModel) and model.stop == (model.temperature is not None):
        found = "both temperature and stop" if model.stop else "neither temperature nor stop"
        expected = "temperature: a set-point, or stop: true"
        problems.append(document.problem("chamber to do what?", path, found, expected, key=True))
    if isinstance(model, GotoModel):
        problems += _between_steps(model.when or [], "when", path, document)
    if isinstance(model, LoopModel):
        problems += _rounds(model, path, document)
        problems += _between_steps(model.conditions, "until", path, document)
    return problems


def condition_path(document: Document, path: Path, key: str, position: int) -> Path:
    """Where a condition of a step stands: `key` may be a list, or one condition."""
    here = (*path, key)
    return here if list_of(document.at(here)) is None else (*here, position)


def record_problems(record: RecordModel | None, path: Path, document: Document) -> list[Problem]:
    """A window around an edge that has no width."""
    around = None if record is None else record.around
    if around is not None and (around.before or 0) > BEFORE_MAX_NS:
        here = (*path, "around", "before")
        return [document.problem("", here, document.found(here), "at most 1 h: so much is kept until an edge comes")]
    if around is None or around.before is not None or around.after is not None:
        return []
    expected = "before, after or both: how long around a change of the set-point"
    return [document.problem("required", (*path, "around"), "neither before nor after", expected, key=True)]


def _windows(models: list[UntilModel], path: Path, document: Document) -> list[Problem]:
    """`over` is for rates of change alone."""
    problems: list[Problem] = []
    for position, until in enumerate(models):
        tests = [test for group in until.condition.groups for test in group]
        if until.over is not None and not any("/dt" in test.variable for test in tests):
            here = (*condition_path(document, path, "until", position), "over")
            expected = "no over: it is the window of dV/dt and dT/dt (for: how long a condition must hold)"
            problems.append(document.problem("", here, document.found(here), expected, key=True))
    return problems


def _between_steps(models: list[UntilModel], key: str, path: Path, document: Document) -> list[Problem]:
    """Conditions that are looked at once, when no step runs."""
    problems: list[Problem] = []
    for position, until in enumerate(models):
        here = condition_path(document, path, key, position)
        for word, value in (("for", until.for_), ("goto", until.goto), ("over", until.over)):
            if value is not None:
                expected = f"no {word}: this is looked at once, between steps"
                problems.append(document.problem("", (*here, word), document.found((*here, word)), expected, key=True))
        for test in {test.variable: test for group in until.condition.groups for test in group}.values():
            if (expected := _INSTEAD.get(test.variable)) is not None:
                place = document.nearest((*here, "when", *test.path))
                problems.append(document.problem("no step runs here", place, test.variable, expected))
    return problems


_RATES = "a rate in the `until` of a step: between steps there is no window"
_INSTEAD = {
    "step_time": "time(LABEL) of a step, by way of `set`",
    "step_ah": "ah(LABEL) of a step, by way of `set`",
    "step_wh": "wh(LABEL) of a step, by way of `set`",
    "dV/dt": _RATES,
    "abs(dV/dt)": _RATES,
    "dT/dt": _RATES,
}
"""Variables that mean a running step, and what says the same between steps."""


def _protect(protect: ProtectModel | None, path: Path, document: Document) -> list[Problem]:
    if protect is None or any(getattr(protect, key) is not None for key in LIMIT_KEYS.values()):
        return []
    here = (*path, "protect")
    expected = f"a limit: {', '.join(LIMIT_KEYS.values())}"
    return [document.problem("protects nothing", here, "no limit", expected, key=True)]


def _train(model: PulseModel, path: Path, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    for position, piece in enumerate(model.train):
        problems += _piece(piece, (*path, "train", position), document)
        problems += _twice(piece.read_outs or [], (*path, "train", position, "read_outs"), document)
    problems += _twice(model.read_outs, (*path, "read_outs"), document)
    if not problems and all(piece.rest is not None for piece in model.train):
        here = (*path, "train")
        problems.append(document.problem("a pulse without current", here, "rests alone", "a charge or a discharge"))
    return problems


def _twice(times: list[int], path: Path, document: Document) -> list[Problem]:
    return [
        document.problem("", (*path, at), document.found((*path, at)), "each read-out once")
        for at, time_ns in enumerate(times)
        if time_ns in times[:at]
    ]


def _ends(model: StepModel, kind: str, path: Path, document: Document) -> list[Problem]:
    problems: list[Problem] = []
    own_end = isinstance(model, CccvModel | WaveModel | SoakModel) or (
        isinstance(model, CvModel) and model.end_current is not None
    )
    by_cell = isinstance(model, ChargingModel) and model.on_cell_limit is not None
    if not (own_end or by_cell or model.until or model.for_ is not None):
        expected = "for: a time, or until: a condition"
        problems.append(
            document.problem("a step without an end", path, f"a {kind} that never ends", expected, key=True)
        )
    if model.for_ is not None and model.max_time is not None and model.max_time <= model.for_:
        here = (*path, "max_time")
        expected = "longer than `for`: max_time aborts the run, it does not end the step"
        problems.append(document.problem("", here, document.found(here), expected))
    return problems


def _cell_limit(model: ChargingModel, path: Path, document: Document) -> list[Problem]:
    limit = model.on_cell_limit
    if limit is None:
        return []
    here, found = (*path, "on_cell_limit"), (*path, "on_cell_limit", "end_current")
    if limit.action == "taper" and limit.end_current is None:
        expected = "the current at which the taper ends, such as 0.05 I1"
        return [document.problem("required", found, "nothing", expected, at=here, key=True)]
    if limit.action == "end" and limit.end_current is not None:
        expected = "no end_current: the step ends at once (or action: taper)"
        return [document.problem("", found, document.found(found), expected, key=True)]
    return []


def _piece(piece: PieceModel, path: Path, document: Document) -> list[Problem]:
    problems = _one_of(piece, ("charge", "discharge", "rest"), path, document)
    if problems:
        return problems
    if piece.rest is not None and piece.for_ is not None:
        here = (*path, "for")
        return [document.problem("", here, document.found(here), "rest: its time, without for", key=True)]
    if piece.rest is None and piece.for_ is None:
        return [document.problem("required", (*path, "for"), "nothing", "how long, such as 10 s", at=path)]
    return []


def _one_of(model: StrictModel, keys: tuple[str, ...], path: Path, document: Document) -> list[Problem]:
    if not any(getattr(model, key) is not None for key in keys):
        return [document.problem("required", path, "none of them", f"one of {', '.join(keys)}", key=True)]
    return _at_most_one(model, keys, path, document)


def _at_most_one(model: StrictModel, keys: tuple[str, ...], path: Path, document: Document) -> list[Problem]:
    stated = [key for key in keys if getattr(model, key) is not None]
    if len(stated) < 2:
        return []
    stated.sort(key=lambda key: _place(document, (*path, key)))
    found = f"both {stated[0]} and {stated[1]}"
    return [document.problem("one too many", (*path, stated[1]), found, f"one of {', '.join(keys)}", key=True)]


def _place(document: Document, path: Path) -> tuple[int, int]:
    mark = document.mark(path, key=True)
    return mark.line, mark.column


def _rounds(model: LoopModel, path: Path, document: Document) -> list[Problem]:
    if model.repeat is None and not model.each:
        expected = "how often at most: a whole number; or each: values, one a round"
        return [document.problem("required", (*path, "repeat"), "nothing", expected, at=path, key=True)]
    if model.repeat is not None and model.each:
        here = (*path, "repeat")
        return [document.problem("one too many", here, "both repeat and each", "each alone gives the rounds", key=True)]
    counts = {name: len(values) for name, values in model.each.items()}
    if max(counts.values(), default=0) > ROUNDS_MAX:
        found = f"{max(counts.values())} rounds"
        return [document.problem("", (*path, "each"), found, f"at most {ROUNDS_MAX}", key=True)]
    if len(set(counts.values())) > 1 or 0 in counts.values():
        found = ", ".join(f"{name} of {count}" for name, count in counts.items())
        return [document.problem("", (*path, "each"), found, "lists of one length, at least one value", key=True)]
    return []
