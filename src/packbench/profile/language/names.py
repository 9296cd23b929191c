"""What `$name` means at each place of a profile: parameters, loops' variables, what `set` has given a value.

Owns when a name begins and ends to mean something, and that it means one thing at a time. Must not work anything out
(`resolve` does). Names are looked up by file: a sub-profile does not see those of its user, only what it is given.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from packbench.config.document import Path, field_text, mapping_of
from packbench.core.errors import Problem
from packbench.core.specs import PackSpec
from packbench.core.units import Dimension, UnitError
from packbench.profile.amounts import PAST, Apply, Constant, Expression, Read, RoundVariable, UserVariable
from packbench.profile.language.formula import Name, Operation, PastCall, Tree
from packbench.profile.language.resolve import Binding, Kind, Scope, bind, factor_of, kind_of, no_steps
from packbench.profile.language.schema import amount
from packbench.profile.language.values import Value, parse_any
from packbench.profile.language.walk import Loop, StepSource, Unit

_CALLS = tuple(f"{quantity}(" for quantity in PAST)
_KNOWN = "a value that is known before the run"
_SOC = "a state of charge, 0 to 100 %"


@dataclass(slots=True)
class Names:
    """The names of every file, as the steps are gone through in order."""

    pack: PackSpec
    parameters: Mapping[str, str]
    """Given to the profile itself, in place of its defaults."""
    problems: list[Problem]
    variables: dict[str, Dimension | None] = field(default_factory=dict[str, "Dimension | None"])
    """Every variable of a `set`, by its name in the whole."""
    lost: set[str] = field(default_factory=set[str])
    """Names whose own meaning could not be read: that they are not known is no problem of those who use them."""
    lost_labels: set[str] = field(default_factory=set[str])
    """Likewise of sub-profiles, and of everything in them."""
    _by_unit: dict[int, dict[str, Binding]] = field(default_factory=dict[int, dict[str, Binding]])
    """By the unit's identity."""
    _open: list[Loop] = field(default_factory=list[Loop])

    def of(self, unit: Unit) -> dict[str, Binding]:
        """What names mean in a file, its parameters bound when it is first met."""
        names = self._by_unit.get(id(unit))
        if names is None:
            names = self._by_unit[id(unit)] = {}
            self._bind_parameters(unit, names)
            self.lose(unit, ("parameters",))
        return names

    def lose(self, unit: Unit, path: Path) -> None:
        """Note which of the names that a mapping of a file gives a meaning have none."""
        known = self.of(unit)
        for name in mapping_of(unit.document.at(path)) or {}:
            # One that is only missed by its own meaning is no shadow of another problem.
            found, here = f"the variable ${name}", field_text((*path, name))
            own = any(problem.found == found and (problem.field or "").startswith(here) for problem in self.problems)
            if name not in known and not own:
                self.lost.add(name)

    def enter(self, source: StepSource) -> None:
        """Bind the variables of the loops that begin at a step, and forget those of loops that are over."""
        for loop in [loop for loop in self._open if loop not in source.loops]:
            self._open.remove(loop)
            for name in loop.each:
                self.of(loop.unit).pop(name, None)
        for loop in source.loops:
            if loop not in self._open:
                self._open.append(loop)
                for name, values in loop.each.items():
                    self._bind_round(loop, name, values)
                self.lose(loop.unit, (*loop.path, "each"))

    def publish(self, unit: Unit, name: str, kind: Kind) -> None:
        """A variable of a `set`: known in its own file as $name, and as $LABEL.name to those who use it."""
        full, dimension = f"{unit.prefix}{name}", kind.dimension
        self.variables[full] = dimension
        binding = Binding(kind, UserVariable(full, factor_of(dimension)))
        above: Unit | None = unit
        while above is not None:
            self.of(above)[f"{unit.prefix.removeprefix(above.prefix)}{name}"] = binding
            above = above.parent

    def without_shadows(self, problems: list[Problem]) -> list[Problem]:
        """The problems without those of names that were lost."""
        shadows = {f"the variable ${name}" for name in self.lost}
        within = tuple(f"{head}{label}." for label in self.lost_labels for head in ("the variable $", *_CALLS))
        return [
            problem
            for problem in problems
            if problem.found not in shadows and not (problem.found or "").startswith(within)
        ]

    def bound(self, value: Value, scope: Scope, unit: Unit, path: Path) -> Binding | None:
        """A value as a binding; what is wrong with it is noted at its place."""
        try:
            return bind(value.tree, scope, value.text)
        except UnitError as error:
            self.problems.append(unit.document.problem("", path, error.found, error.expected))
            return None

    # --- parameters -----------------------------------------------------------------------------

    def _bind_parameters(self, unit: Unit, names: dict[str, Binding]) -> None:
        declared = dict(unit.model.parameters) if unit.model is not None else {}
        own = Scope(self.pack, {}, no_steps)
        for name, default in declared.items():
            path = ("parameters", name)
            if _refers(amount(default).tree):
                expected = "a value that needs no other name: the defaults of parameters are all read at once"
                self.problems.append(unit.document.problem("", path, unit.document.found(path), expected))
                continue
            found = self.bound(amount(default), own, unit, path)
            if found is not None and self._is_known(found, unit, path) and self._is_soc(name, found, unit, path):
                names[name] = found
        given: dict[str, Any] = dict(unit.use.with_) if unit.use is not None else {}
        for name, value in given.items():
            assert unit.parent is not None
            path = (*unit.use_path, "with", name)
            if name in declared:
                self._give(names, name, amount(value), unit.parent, path)
            else:
                known = f"one of its parameters: {', '.join(sorted(declared))}" if declared else "nothing: it has none"
                problem = unit.parent.document.problem("unknown parameter", path, repr(name), known, key=True)
                self.problems.append(problem)
        if unit.parent is None:
            for name, text in self.parameters.items():
                self._from_command_line(names, name, text, own, sorted(declared))

    def _is_known(self, found: Binding, unit: Unit, path: Path) -> bool:
        if isinstance(found.expression, Constant):
            return True
        expected = f"{_KNOWN} (a `set` step gives a variable what is read while it runs)"
        self.problems.append(unit.document.problem("", path, unit.document.found(path), expected))
        return False

    def _is_soc(self, name: str, found: Binding, unit: Unit, path: Path) -> bool:
        """Whether what is called a state of charge can be one."""
        if _no_soc(name, found):
            self.problems.append(unit.document.problem("", path, unit.document.found(path), _SOC))
            return False
        return True

    def _give(self, names: dict[str, Binding], name: str, value: Value, unit: Unit, path: Path) -> None:
        """What the user of a sub-profile gives a parameter; `unit` is the user."""
        document, default = unit.document, names.get(name)
        if _looks_back(value.tree):
            expected = "a value, or a variable that a `set` step has given this"
            self.problems.append(document.problem("", path, document.found(path), expected))
            return
        found = self.bound(value, Scope(self.pack, self.of(unit), no_steps), unit, path)
        if found is None:
            return
        if default is not None and default.kind != found.kind:
            expected = f"{default.kind.words}, as its default"
            self.problems.append(document.problem("", path, document.found(path), expected))
        elif _reads(found.expression):
            expected = "a value, or a variable that a `set` step has given one: a reading would move on"
            self.problems.append(document.problem("", path, document.found(path), expected))
        elif self._is_soc(name, found, unit, path):
            names[name] = found

    def _from_command_line(
        self, names: dict[str, Binding], name: str, text: str, scope: Scope, declared: list[str]
    ) -> None:
        if name not in declared:
            expected = f"one of {', '.join(declared)}" if declared else "nothing: the profile has no parameters"
            self.problems.append(Problem("unknown parameter", field="--with", found=repr(name), expected=expected))
            return
        here = f"--with {name}"
        try:
            found = bind(parse_any(text).tree, scope, text)
        except UnitError as error:
            self.problems.append(Problem("", field=here, found=error.found, expected=error.expected))
            return
        default = names.get(name)
        if default is not None and found.kind != default.kind:
            expected = f"{default.kind.words}, as its default"
            self.problems.append(Problem("", field=here, found=repr(text), expected=expected))
        elif not isinstance(found.expression, Constant):
            self.problems.append(Problem("", field=here, found=repr(text), expected=_KNOWN))
        elif _no_soc(name, found):
            self.problems.append(Problem("", field=here, found=repr(text), expected=_SOC))
        else:
            names[name] = found

    # --- loops ----------------------------------------------------------------------------------

    def _bind_round(self, loop: Loop, name: str, values: list[Any]) -> None:
        names, document = self.of(loop.unit), loop.unit.document
        if name in names:
            path = (*loop.path, "each", name)
            expected = "a name that nothing else has here (it is a parameter, a variable or an outer loop's)"
            self.problems.append(document.problem("two meanings", path, f"${name}", expected, key=True))
            return
        found: list[Binding] = []
        for position, value in enumerate(values):
            path = (*loop.path, "each", name, position)
            bound = self.bound(amount(value), Scope(self.pack, names, no_steps), loop.unit, path)
            if bound is None or not self._is_known(bound, loop.unit, path):
                return
            if not self._is_soc(name, bound, loop.unit, path):
                return
            if found and bound.kind != found[0].kind:
                expected = f"{found[0].kind.words}, as the first one"
                self.problems.append(document.problem("", path, document.found(path), expected))
                return
            found.append(bound)
        numbers = tuple(bound.expression.value for bound in found if isinstance(bound.expression, Constant))
        if numbers:  # what is wrong with an empty list has been said
            names[name] = Binding(found[0].kind, RoundVariable(name, loop.end, numbers))


def _no_soc(name: str, found: Binding) -> bool:
    """Whether a name says that this is a state of charge, and its value cannot be one."""
    called = name == "soc" or name.startswith("soc_") or name.endswith("_soc")
    known = found.expression
    return called and found.kind == kind_of("ratio") and isinstance(known, Constant) and not 0.0 <= known.value <= 1.0


def _reads(expression: Expression) -> bool:
    """Whether an expression would come to something else at every look."""
    if isinstance(expression, Apply):
        return any(_reads(operand) for operand in expression.operands)
    return isinstance(expression, Read)


def _refers(tree: Tree) -> bool:
    """Whether a formula uses a name, or asks of a step."""
    if isinstance(tree, Operation):
        return any(_refers(operand) for operand in tree.operands)
    return isinstance(tree, Name | PastCall)


def _looks_back(tree: Tree) -> bool:
    """Whether a formula asks what an earlier step came to."""
    if isinstance(tree, Operation):
        return any(_looks_back(operand) for operand in tree.operands)
    return isinstance(tree, PastCall)
