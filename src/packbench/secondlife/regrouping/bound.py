"""What no plan can beat, and what everybody does: a relaxation's bound, and sort-and-slice.

Owns both. Pure. Bound on the sum of the packs' energies, rules left out (they can only lower it). Let pack k deliver
Q_k * U_k: Q_k its smallest group's charge, U_k its loaded voltage, at most the sum of its members' w (`share_v`).

- *Layers* (members one by one in series): E = integral over x of the U of all packs whose Q is at least x. These packs
  hold, of the members of at least x, a whole number of packs, so their U is at most the sum of that many largest w
  among these members. Where all w are the same, sorting and slicing reaches it.
- In parallel, Q_k is at most the mean of the pack's groups, A_k = sum q / series; with B_k = sum w, E <= sum A_k B_k.
  *Slices*: order packs by A and by B (rearrangement); the first j of them add up to at most the j largest slices of
  the members by q, or by w; summing by parts twice, sum A_k B_k <= sum a_j b_j over these slices.
  *Plane*: A B = a B + b A - a b + (A - a)(B - b) for any a, b. The first three are a sum over members, at most the sum
  of as many largest as are needed; the last, over packs, is at most the root of the two sums of squares (Cauchy), and
  each of these at most that of the extreme slices, since max(x, 0)**2 is increasing and convex. The smaller counts.
"""

from __future__ import annotations

import numpy as np

from packbench.core.samples import FloatArray
from packbench.secondlife.regrouping.energy import Energy
from packbench.secondlife.regrouping.members import Packs, Shape, Table


def largest(table: Table, count: int) -> list[int]:
    """Places of the largest members, the largest first; ties by their order in the file."""
    return np.argsort(-table.capacity_ah, kind="stable")[:count].tolist()


def most_useful(energy: Energy, shape: Shape) -> list[int]:
    """As many members as are needed: those that bring a pack most, by charge and voltage; the largest first."""
    charge, share_v = energy.charge_ah, energy.share_v()
    if shape.parallel == 1:
        chosen = np.argsort(-charge, kind="stable")[: shape.needed]
    else:
        chosen, _, _ = _plane(charge / shape.series, share_v, shape)
    return chosen[np.argsort(-charge[chosen], kind="stable")].tolist()


def bound_wh(energy: Energy, shape: Shape) -> float:
    """The most that the packs' energies can add up to."""
    charge, share_v = energy.charge_ah, energy.share_v()
    if shape.parallel == 1:
        return _layers(charge, share_v, shape)
    mean = charge / shape.series
    slices = float((_slices(mean, shape) * _slices(share_v, shape)).sum())
    chosen, a, b = _plane(mean, share_v, shape)
    linear = float((a * share_v[chosen] + b * mean[chosen]).sum()) - shape.packs * a * b
    squares = _squares(mean - a / shape.per_pack, shape) * _squares(share_v - b / shape.per_pack, shape)
    return min(slices, linear + squares**0.5)


def _layers(charge: FloatArray, share_v: FloatArray, shape: Shape) -> float:
    order = np.argsort(-charge, kind="stable")
    heights = np.append(charge[order], 0.0)
    total = 0.0
    for count in range(shape.series, len(order) + 1):
        # For all x between this member and the next, these are the members of at least x.
        if (depth := float(heights[count - 1] - heights[count])) > 0.0:
            members = min(shape.packs, count // shape.series) * shape.series
            total += depth * float(np.partition(share_v[order[:count]], count - members)[count - members :].sum())
    return total


def _slices(values: FloatArray, shape: Shape) -> FloatArray:
    """Sums of the largest values, as many at a time as a pack has members."""
    return np.sort(values)[::-1][: shape.needed].reshape(shape.packs, shape.per_pack).sum(axis=1)


def _plane(mean: FloatArray, share_v: FloatArray, shape: Shape) -> tuple[np.ndarray, float, float]:
    """Members of most worth in the plane at (a, b), their own mean pack: found in a few rounds."""
    a, b = shape.per_pack * float(mean.mean()), shape.per_pack * float(share_v.mean())
    chosen = np.arange(0)
    for _ in range(4):
        chosen = np.argsort(-(a * share_v + b * mean), kind="stable")[: shape.needed]
        new = float(mean[chosen].sum()) / shape.packs, float(share_v[chosen].sum()) / shape.packs
        if new == (a, b):
            break
        a, b = new
    return np.argsort(-(a * share_v + b * mean), kind="stable")[: shape.needed], a, b


def _squares(values: FloatArray, shape: Shape) -> float:
    """The largest sum of squares of packs' sums: some packs of the largest, the others of the smallest members."""
    tops = np.maximum(_slices(values, shape), 0.0) ** 2
    ends = np.maximum(_slices(-values, shape), 0.0) ** 2
    above, below = np.append(0.0, np.cumsum(tops)), np.append(0.0, np.cumsum(ends))
    return float((above + below[::-1]).max())


def sort_and_slice(table: Table, shape: Shape) -> Packs:
    """The largest first into groups, the groups into packs: what is done by hand."""
    order = largest(table, shape.needed)
    p, s = shape.parallel, shape.series
    groups = [tuple(order[at : at + p]) for at in range(0, len(order), p)]
    return tuple(tuple(groups[at : at + s]) for at in range(0, len(groups), s))
