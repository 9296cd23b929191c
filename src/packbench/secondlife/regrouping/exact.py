"""Plans for a few dozen members, proven: OR-Tools CP-SAT, the packs' charges first, then their spread.

Owns the model. Charges are counted in whole steps of `step_ah` (a thousandth of the median member, or as asked), which
is far below what a capacity is known to; what a plan is proven to be is proven to that step. One seed, one worker, and
a limit in the solver's own time, which no other load changes: the same table gives the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from packbench.core.errors import PackbenchError
from packbench.secondlife.regrouping.bound import bound_ah
from packbench.secondlife.regrouping.members import Packs, Shape, Table, usable_ah
from packbench.secondlife.regrouping.rules import Rules

MEMBERS_MAX = 60
"""More than that is for `large`."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a solver found."""

    packs: Packs
    optimal: bool
    """Nothing better exists, to the step."""
    spread_optimal: bool
    """Nor anything as good with less spread."""
    bound_ah: float
    """The sum of the packs' charges is at most this."""


def proven(table: Table, shape: Shape, rules: Rules, start: Packs, *, step_ah: float, limit_s: float) -> Proof:
    """Improve `start` (a plan that the rules allow) until nothing better can exist, or the time is over.

    Raises PackbenchError when OR-Tools is not installed.
    """
    model = _Model(table, shape, rules, step_ah)
    best = float(usable_ah(table, start).sum())
    most_ah = bound_ah(table, shape)
    first = model.solve(start, maximise=True, limit_s=limit_s)
    packs, total, bound = (start, None, most_ah) if first is None else first
    optimal = total is not None and (bound - total) < 1
    if total is None or not optimal:
        kept = packs if float(usable_ah(table, packs).sum()) >= best else start
        return Proof(kept, optimal=False, spread_optimal=False, bound_ah=min(bound * step_ah, most_ah))
    second = model.solve(packs, maximise=False, limit_s=limit_s, total=total)
    spread_optimal = second is not None and second[1] is not None and second[2] - second[1] > -1
    packs = packs if second is None else second[0]
    # Rounding down: what a group really has is less than one step a member above what was counted.
    bound_total_ah = min(total * step_ah + shape.packs * shape.parallel * step_ah, most_ah)
    return Proof(packs, optimal=True, spread_optimal=spread_optimal, bound_ah=bound_total_ah)


class _Model:
    """Members in groups, groups in packs."""

    def __init__(self, table: Table, shape: Shape, rules: Rules, step_ah: float) -> None:
        try:
            from ortools.sat.python import cp_model
        except ImportError as error:
            raise PackbenchError("proving a plan needs OR-Tools: install packbench[regroup]") from error
        self._cp: Any = cp_model
        self._shape, self._table = shape, table
        self._steps = [int(value) for value in np.floor(table.capacity_ah / step_ah)]
        self._step_ah = step_ah
        self._model: Any = cp_model.CpModel()
        # Members one by one in series need no groups: the pack is where they are.
        self._boxes = shape.packs if shape.parallel == 1 else shape.packs * shape.series
        self._size = shape.series if shape.parallel == 1 else shape.parallel
        self._in = [
            [self._model.NewBoolVar(f"m{member}_b{box}") for box in range(self._boxes)] for member in range(len(table))
        ]
        self._low, self._high = self._placed()
        self._forbid(table, rules)

    def _placed(self) -> tuple[list[Any], list[Any]]:
        model, steps = self._model, self._steps
        for row in self._in:
            model.AddAtMostOne(row)
        for box in range(self._boxes):
            model.Add(sum(row[box] for row in self._in) == self._size)
        most = sum(sorted(steps)[-self._size :])
        lows = [model.NewIntVar(0, most, f"low{pack}") for pack in range(self._shape.packs)]
        highs = [model.NewIntVar(0, most, f"high{pack}") for pack in range(self._shape.packs)]
        if self._shape.parallel == 1:
            for member, row in enumerate(self._in):
                for pack, inside in enumerate(row):
                    model.Add(lows[pack] <= steps[member]).OnlyEnforceIf(inside)
                    model.Add(highs[pack] >= steps[member]).OnlyEnforceIf(inside)
        else:
            sums = [sum(steps[member] * row[box] for member, row in enumerate(self._in)) for box in range(self._boxes)]
            for box, total in enumerate(sums):
                model.Add(lows[box // self._shape.series] <= total)
                model.Add(highs[box // self._shape.series] >= total)
            for pack in range(self._shape.packs):
                own = sums[pack * self._shape.series : (pack + 1) * self._shape.series]
                for before, after in pairwise(own):
                    model.Add(before >= after)
        for before, after in pairwise(lows):
            model.Add(before >= after)
        return lows, highs

    def _forbid(self, table: Table, rules: Rules) -> None:
        """Two members that a rule keeps apart: out of one group, or out of one pack."""
        series = 1 if self._shape.parallel == 1 else self._shape.series
        for one, other in combinations(range(len(table)), 2):
            pair = (one, other)
            if self._shape.parallel > 1 and not rules.group_ok(table, pair):
                for box in range(self._boxes):
                    self._model.AddBoolOr(self._in[one][box].Not(), self._in[other][box].Not())
            if not rules.pack_ok(table, (pair,)):
                for pack in range(self._shape.packs):
                    boxes = range(pack * series, (pack + 1) * series)
                    both = [self._in[member][box] for member in pair for box in boxes]
                    self._model.Add(sum(both) <= 1)

    def solve(
        self, start: Packs, *, maximise: bool, limit_s: float, total: int | None = None
    ) -> tuple[Packs, int | None, float] | None:
        """(plan, objective in steps, bound in steps); None when there is no plan in time."""
        model = self._model
        energy = sum(self._low)
        if maximise:
            if self._shape.parallel > 1:
                # The same relaxation as `bound`, in whole steps.
                largest = sorted(self._steps)[-self._shape.needed :]
                model.Add(energy <= sum(largest) // self._shape.series)
            model.Maximize(energy)
        else:
            model.Add(energy == total)
            model.Minimize(sum(self._high) - energy)
        model.ClearHints()
        self._hint(start)
        solver = self._cp.CpSolver()
        solver.parameters.random_seed = 1
        solver.parameters.num_workers = 1
        solver.parameters.max_deterministic_time = limit_s
        status = solver.Solve(model)
        if status not in (self._cp.OPTIMAL, self._cp.FEASIBLE):
            return None
        return self._read(solver), round(solver.ObjectiveValue()), float(solver.BestObjectiveBound())

    def _hint(self, start: Packs) -> None:
        boxes = [group for pack in start for group in pack]
        if self._shape.parallel == 1:
            boxes = [tuple(place for group in pack for place in group) for pack in start]
        where = {place: box for box, group in enumerate(boxes) for place in group}
        for member, row in enumerate(self._in):
            for box, inside in enumerate(row):
                self._model.AddHint(inside, where.get(member) == box)

    def _read(self, solver: Any) -> Packs:
        boxes = [
            tuple(member for member, row in enumerate(self._in) if solver.BooleanValue(row[box]))
            for box in range(self._boxes)
        ]
        if self._shape.parallel == 1:
            return tuple(tuple((member,) for member in box) for box in boxes)
        series = self._shape.series
        return tuple(tuple(boxes[at : at + series]) for at in range(0, len(boxes), series))
