"""Plans for a few dozen members, proven: OR-Tools CP-SAT, the packs' energies first, then their spread.

Owns both models. Numbers are whole parts of a median member, rounded so that the model never says less than the truth:
its bound holds for the real numbers too. One seed, one worker, and a limit in the solver's own time, which no other
load changes: the same table gives the same plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np

from packbench.core.errors import PackbenchError
from packbench.core.samples import FloatArray
from packbench.secondlife.regrouping.energy import STEP_SHARE, Energy
from packbench.secondlife.regrouping.members import Packs, Shape, Table
from packbench.secondlife.regrouping.rules import Rules

MEMBERS_MAX = 60
"""More than that is for `large`."""
FINE = 100_000
"""Parts of a median member in which charge, voltage and energy are counted: 1 % of the step of a proof at most."""
COARSE = 10_000
"""The same where charge and voltage are multiplied by the solver: finer, it would not get far."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a solver found."""

    packs: Packs
    spread_optimal: bool
    """Nothing as good has less spread, to a step a pack."""
    bound_wh: float
    """The sum of the packs' energies is at most this; infinite: the solver came to nothing."""


def proven(table: Table, energy: Energy, shape: Shape, rules: Rules, start: Packs, *, limit_s: float) -> Proof:
    """Improve `start` (a plan that the rules allow) until nothing better can exist, or the time is over.

    Raises PackbenchError when OR-Tools is not installed.
    """
    try:
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise PackbenchError("proving a plan needs OR-Tools: install packbench[regroup]") from error
    if shape.parallel > 1:
        return _Boxes(cp_model, table, energy, shape, rules).prove(start, limit_s)
    return _Strings(cp_model, table, energy, shape, rules).prove(start, limit_s)


def _solved(cp: Any, model: Any, limit_s: float, gap: float) -> Any:
    solver = cp.CpSolver()
    solver.parameters.random_seed = 1
    solver.parameters.num_workers = 1
    solver.parameters.max_deterministic_time = limit_s
    solver.parameters.absolute_gap_limit = gap
    status = solver.Solve(model)
    return solver if status in (cp.OPTIMAL, cp.FEASIBLE) else None


def _parts(values: FloatArray, of: float, parts: int) -> list[int]:
    """In whole parts of a median member, never less than the truth."""
    return [int(value) for value in np.ceil(values / of * parts - 1e-9)]


class _Strings:
    """Members one by one in series: each pack is named by its smallest member, and the energy is linear.

    `at[i, l]`: member i is in the pack whose smallest is l. No two solutions are the same plan, so there is no symmetry
    for the solver to lose time in. Members are in order of charge; of equal ones the later counts as the smaller.
    """

    def __init__(self, cp: Any, table: Table, energy: Energy, shape: Shape, rules: Rules) -> None:
        self._cp, self._energy, self._shape = cp, energy, shape
        self._order: list[int] = np.argsort(-energy.charge_ah, kind="stable").tolist()
        count = len(self._order)
        self._charge = energy.charge_ah[self._order]
        model = self._model = cp.CpModel()
        # The smallest of a pack has the others before it.
        self._at = {
            (i, low): model.NewBoolVar(f"{i}_{low}") for low in range(shape.series - 1, count) for i in range(low + 1)
        }
        self._lows = range(shape.series - 1, count)
        for low in self._lows:
            own = [self._at[i, low] for i in range(low + 1)]
            model.Add(sum(own) == shape.series * own[low])
            for one in own[:low]:
                model.AddImplication(one, own[low])
        for i in range(count):
            model.AddAtMostOne(self._at[i, low] for low in self._lows if low >= i)
        model.Add(sum(self._at[low, low] for low in self._lows) == shape.packs)
        for i, j in combinations(range(count), 2):
            if not rules.pack_ok(table, ((self._order[i], self._order[j]),)):
                for low in self._lows:
                    if low >= j:
                        model.AddBoolOr(self._at[i, low].Not(), self._at[j, low].Not())
        share_v = energy.share_v()[self._order]
        pairs = np.array([self._charge[low] * share_v[i] for i, low in self._at])
        self._part_wh = float(np.median(energy.charge_ah) * np.median(energy.voltage_v)) / FINE
        self._energies = _parts(pairs, self._part_wh, 1)

    def prove(self, start: Packs, limit_s: float) -> Proof:
        model, energy = self._model, self._energy
        total = sum(worth * one for worth, one in zip(self._energies, self._at.values(), strict=True))
        model.Maximize(total)
        self._hint(start)
        solver = _solved(self._cp, model, limit_s, energy.tie_wh / self._part_wh)
        if solver is None:
            return Proof(start, spread_optimal=False, bound_wh=np.inf)
        packs, bound_wh = self._read(solver), float(solver.BestObjectiveBound()) * self._part_wh
        best_wh = max(energy.total_wh(packs), energy.total_wh(start))
        if bound_wh - best_wh > energy.step_wh:
            return Proof(packs, spread_optimal=False, bound_wh=bound_wh)
        return self._evened(packs, total, best_wh, bound_wh, limit_s)

    def _evened(self, packs: Packs, total: Any, best_wh: float, bound_wh: float, limit_s: float) -> Proof:
        """The least spread of all plans that are as good as the best."""
        model, steps = self._model, _parts(self._charge, float(np.median(self._charge)), FINE)
        model.Add(total >= int((best_wh - self._energy.tie_wh) / self._part_wh) + self._shape.needed)
        spread: list[Any] = []
        for low in self._lows:
            # The largest of a pack: a pack's first member in the order, and nobody before it.
            wide = model.NewIntVar(0, steps[0] - steps[low], f"wide{low}")
            for i in range(low):
                model.Add(wide >= (steps[i] - steps[low]) * self._at[i, low])
            spread.append(wide)
        model.Minimize(sum(spread))
        self._hint(packs)
        solver = _solved(self._cp, model, limit_s, STEP_SHARE * FINE / 2)
        if solver is None:
            return Proof(packs, spread_optimal=False, bound_wh=bound_wh)
        closed = solver.ObjectiveValue() - solver.BestObjectiveBound() <= STEP_SHARE * FINE
        return Proof(self._read(solver), spread_optimal=bool(closed), bound_wh=bound_wh)

    def _hint(self, start: Packs) -> None:
        rank = {place: i for i, place in enumerate(self._order)}
        inside: set[tuple[int, int]] = set()
        for pack in start:
            members = [rank[place] for group in pack for place in group]
            inside |= {(i, max(members)) for i in members}
        self._model.ClearHints()
        for pair, one in self._at.items():
            self._model.AddHint(one, pair in inside)

    def _read(self, solver: Any) -> Packs:
        return tuple(
            tuple((self._order[i],) for i in range(low + 1) if solver.BooleanValue(self._at[i, low]))
            for low in self._lows
            if solver.BooleanValue(self._at[low, low])
        )


class _Boxes:
    """Members in parallel: into groups, these into packs, whose charge and voltage are multiplied."""

    def __init__(self, cp: Any, table: Table, energy: Energy, shape: Shape, rules: Rules) -> None:
        self._cp, self._energy, self._shape = cp, energy, shape
        share_v = energy.share_v()
        self._unit_v = float(np.median(energy.voltage_v))
        alike = float(np.ptp(share_v)) <= 1e-12 * self._unit_v
        self._same_v = float(share_v[0]) * shape.per_pack if alike else None
        """Voltage of every pack, where all members have the same."""
        self._parts = FINE if alike else COARSE
        self._steps = _parts(energy.charge_ah, float(np.median(energy.charge_ah)), self._parts)
        self._volts = _parts(share_v, self._unit_v, self._parts)
        self._model = cp.CpModel()
        self._count = shape.packs * shape.series
        self._in = [
            [self._model.NewBoolVar(f"m{member}_g{group}") for group in range(self._count)]
            for member in range(len(table))
        ]
        self._low = self._placed()
        self._forbid(table, rules)

    def _placed(self) -> list[Any]:
        model, shape = self._model, self._shape
        for row in self._in:
            model.AddAtMostOne(row)
        sums: list[Any] = []
        for group in range(self._count):
            model.Add(sum(row[group] for row in self._in) == shape.parallel)
            sums.append(sum(step * row[group] for step, row in zip(self._steps, self._in, strict=True)))
        most = sum(sorted(self._steps)[-shape.parallel :])
        lows = [model.NewIntVar(0, most, f"low{pack}") for pack in range(shape.packs)]
        for group, total in enumerate(sums):
            model.Add(lows[group // shape.series] <= total)
        for pack in range(shape.packs):
            for before, after in pairwise(sums[pack * shape.series : (pack + 1) * shape.series]):
                model.Add(before >= after)
        for before, after in pairwise(lows):
            model.Add(before >= after)
        return lows

    def _forbid(self, table: Table, rules: Rules) -> None:
        """Two members that a rule keeps apart: out of one group, or out of one pack."""
        for pair in combinations(range(len(table)), 2):
            one, other = (self._in[member] for member in pair)
            if not rules.group_ok(table, pair):
                for group in range(self._count):
                    self._model.AddBoolOr(one[group].Not(), other[group].Not())
            if not rules.pack_ok(table, (pair,)):
                for at in range(0, self._count, self._shape.series):
                    self._model.Add(sum(row[at + n] for row in (one, other) for n in range(self._shape.series)) <= 1)

    def prove(self, start: Packs, limit_s: float) -> Proof:
        model, shape = self._model, self._shape
        # The same relaxation as `bound`: no smallest group is above the mean.
        largest = sorted(self._steps)[-shape.needed :]
        model.Add(sum(self._low) <= sum(largest) // shape.series)
        part_ah = float(np.median(self._energy.charge_ah)) / self._parts
        if self._same_v is not None:
            objective, part_wh = sum(self._low), part_ah * self._same_v
        else:
            objective, part_wh = self._products(), part_ah * self._unit_v / self._parts
        model.Maximize(objective)
        where = {place: number for number, group in enumerate(g for pack in start for g in pack) for place in group}
        for member, row in enumerate(self._in):
            for group, inside in enumerate(row):
                model.AddHint(inside, where.get(member) == group)
        solver = _solved(self._cp, model, limit_s, 0.0)
        if solver is None:
            return Proof(start, spread_optimal=False, bound_wh=np.inf)
        return Proof(self._read(solver), spread_optimal=False, bound_wh=float(solver.BestObjectiveBound()) * part_wh)

    def _products(self) -> Any:
        model, shape = self._model, self._shape
        most = sum(sorted(self._volts)[-shape.per_pack :])
        energies: list[Any] = []
        for pack, low in enumerate(self._low):
            volt = model.NewIntVar(0, most, f"volt{pack}")
            groups = range(pack * shape.series, (pack + 1) * shape.series)
            own = sum(one * row[g] for one, row in zip(self._volts, self._in, strict=True) for g in groups)
            model.Add(volt == own)
            product = model.NewIntVar(0, most * sum(sorted(self._steps)[-shape.parallel :]), f"wh{pack}")
            model.AddMultiplicationEquality(product, [low, volt])
            energies.append(product)
        return sum(energies)

    def _read(self, solver: Any) -> Packs:
        series = self._shape.series
        groups = [
            tuple(member for member, row in enumerate(self._in) if solver.BooleanValue(row[group]))
            for group in range(self._count)
        ]
        return tuple(tuple(groups[at : at + series]) for at in range(0, len(groups), series))
