"""What no plan can beat, and what everybody does: a relaxation's bound, and sort-and-slice.

Owns both. Pure. Bound on the sum of the packs' charges, rules left out (they can only lower it):

- members one by one in series: sorting and slicing is the optimum itself, by exchange of any two members;
- otherwise: a pack's smallest group is at most the mean of its groups, so `series` times the sum of the packs' charges
  is at most the sum of the `needed` largest members.
"""

from __future__ import annotations

import numpy as np

from packbench.secondlife.regrouping.members import Packs, Shape, Table


def largest(table: Table, count: int) -> list[int]:
    """Places of the largest members, the largest first; ties by their order in the file."""
    return np.argsort(-table.capacity_ah, kind="stable")[:count].tolist()


def bound_ah(table: Table, shape: Shape) -> float:
    """The most that the packs' charges can add up to."""
    chosen = table.capacity_ah[largest(table, shape.needed)]
    if shape.parallel == 1:
        return float(chosen[shape.series - 1 :: shape.series].sum())
    return float(chosen.sum()) / shape.series


def sort_and_slice(table: Table, shape: Shape) -> Packs:
    """The largest first into groups, the groups into packs: what is done by hand."""
    order = largest(table, shape.needed)
    p, s = shape.parallel, shape.series
    groups = [tuple(order[at : at + p]) for at in range(0, len(order), p)]
    return tuple(tuple(groups[at : at + s]) for at in range(0, len(groups), s))
