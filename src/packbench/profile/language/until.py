"""The end conditions of a step: every variable known, every bound of its variable's dimension.

Owns the way from parsed conditions to the plan's. Must not judge whether one can be met (`checking` does).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from packbench.config.document import Path
from packbench.core.units import UnitError
from packbench.profile import plan as p
from packbench.profile.amounts import USER_PREFIX, Formula, cell_number, reading_dimension
from packbench.profile.language.conditions import TestText
from packbench.profile.language.formula import Name, quoted
from packbench.profile.language.own import condition_path
from packbench.profile.language.places import place_of
from packbench.profile.language.resolve import as_amount, bind, factor_of
from packbench.profile.language.schema import StepModel, UntilModel
from packbench.profile.language.values import Value

if TYPE_CHECKING:
    from packbench.profile.language.building import Builder


_KEYS = ("for", "goto", "over")


def ends_of(b: Builder, model: StepModel) -> tuple[p.Condition, ...]:
    """What a step's `until` and `for` come to."""
    found = conditions(b, model.until)
    if model.for_ is not None:
        text = f"step_time >= {b.source.unit.document.texts.get((*b.source.path, 'for'), '')}"
        b.places[b.source.index, f"until.{len(found)}"] = b.places[b.source.index, "for"]
        found.append(p.Condition((p.Test("step_time", ">=", model.for_ / 1e9),), 0, None, text))
    return tuple(found)


def conditions(b: Builder, models: list[UntilModel], key: str = "until") -> list[p.Condition]:
    """The conditions of a list; a nested `any` becomes several."""
    found: list[p.Condition] = []
    unit, index = b.source.unit, b.source.index
    for position, until in enumerate(models):
        goto = unit.targets.get(until.goto) if until.goto is not None else None
        window_ns = until.over or p.SLOPE_WINDOW_NS
        here = condition_path(unit.document, b.source.path, key, position)
        for group in until.condition.groups:
            tests: list[p.Test] = []
            for test in group:
                path = unit.document.nearest((*here, "when", *test.path))
                b.places[index, f"until.{len(found)}.tests.{len(tests)}"] = place_of(unit.document, path, unit)
                if (built := _test(b, test, path)) is not None:
                    tests.append(built)
            text = " and ".join(test.text for test in group)
            for word in ("", *_KEYS):
                path = unit.document.nearest((*here, word))
                b.places[index, f"until.{len(found)}{word and '.'}{word}"] = place_of(unit.document, path, unit)
            found.append(p.Condition(tuple(tests), until.for_ or 0, goto, text, window_ns))
    return found


def _test(b: Builder, test: TestText, path: Path) -> p.Test | None:
    try:
        if not test.variable.startswith(USER_PREFIX):
            number = cell_number(test.variable)
            if number is not None and number > b.pack.series:
                raise UnitError(f"the variable {test.variable!r}", f"cell_1 to cell_{b.pack.series}")
            value = Value(test.value.amount, reading_dimension(test.variable), test.value.text)
            return p.Test(test.variable, test.operator, value.resolve(b.scope))
        left = bind(Name(test.variable.removeprefix(USER_PREFIX)), b.scope, test.text)
        right = bind(test.value.tree, b.scope, test.text)
        if left.kind != right.kind:
            found = f"{quoted(test.value.text)}, {right.kind.words}"
            raise UnitError(found, f"{left.kind.words}, as {test.variable} is")
        factor = factor_of(left.kind.dimension)
        value = as_amount(right.expression, factor, test.value.text)
        return p.Test(test.variable, test.operator, value, Formula(left.expression, factor, test.variable))
    except UnitError as error:
        document = b.source.unit.document
        b.problems.append(document.problem("", path, error.found, error.expected))
        return None
