"""What a pack of given members delivers at a stated current, and what each member can add to that at most.

Owns the electrical model. Pure. Groups in series carry the same charge, so the smallest group ends the discharge; the
voltage is the sum of the groups' mean voltages less the loss in their resistances:

    E = min_g(sum q_i) * sum_g(V_g - I * R_g),    V_g = mean of v_i,    R_g = 1 / sum(1 / r_i)

`v_i` is a member's mean voltage at hardly any current. What the table does not say is assumed, and `Given` says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from packbench.core.errors import InputError, Problem
from packbench.core.samples import FloatArray
from packbench.secondlife.regrouping.members import Pack, Packs, Shape, Table

NOMINAL_V = 3.6
RATE_C = 1.0 / 3.0
STEP_SHARE = 0.001
"""Of the median member's charge, in one pack: the step of a proof, far below what a capacity is known to."""
TIE_SHARE = 0.05
"""Of that step: plans whose energies are closer are told apart by their spread."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the user states of the discharge. None: not stated."""

    rate_c: float = RATE_C
    """Of the median member's charge, times members in parallel: the same current for every pack."""
    nominal_v: float | None = None
    """Mean voltage of members whose own is not known."""
    ocv_is_mean: bool = False
    """`ocv_v` was taken at about half charge and may stand for a mean voltage."""
    voltage_rate_c: float = 0.0
    """The rate at which `voltage_v` was measured."""


@dataclass(frozen=True, slots=True)
class Given:
    """Where a quantity comes from."""

    quantity: str
    """"voltage" or "resistance"."""
    source: str
    """"voltage_v", "ocv_v", "dcir_ohm": the column; "nominal": one value for all; "none": left out."""
    value: float | None
    """What stands for members without one of their own."""
    missing: int
    """How many these are."""


@dataclass(frozen=True, slots=True, eq=False)
class Energy:
    """The model with all its numbers."""

    charge_ah: FloatArray
    voltage_v: FloatArray
    siemens: FloatArray | None
    """None: resistance is not known, and no loss is taken off."""
    current_a: float
    """Of a whole pack."""
    shape: Shape
    given: tuple[Given, ...]

    @classmethod
    def of(cls, table: Table, shape: Shape, wish: Wish) -> Energy:
        """Fill in what the table lacks. Raises InputError when the current leaves a member no voltage."""
        median_ah = float(np.median(table.capacity_ah))
        column, values = "voltage_v", table.voltage_v
        if wish.ocv_is_mean and not np.isfinite(values).any():
            column, values = "ocv_v", table.ocv_v
        nominal_v = NOMINAL_V if wish.nominal_v is None and not np.isfinite(values).any() else wish.nominal_v
        volt, voltage = _filled("voltage", column, values, nominal_v)
        ohm, resistance = _filled("resistance", "dcir_ohm", table.dcir_ohm, None)
        current_a = wish.rate_c * median_ah * shape.parallel
        if resistance.source == "none":
            return cls(table.capacity_ah, volt, None, current_a, shape, (voltage, resistance))
        volt = volt + np.isfinite(table.voltage_v) * ohm * wish.voltage_rate_c * median_ah
        _something_left(table, volt, ohm, current_a / shape.parallel)
        return cls(table.capacity_ah, volt, 1.0 / ohm, current_a, shape, (voltage, resistance))

    @property
    def step_wh(self) -> float:
        """A plan that nothing beats by more is proven."""
        return STEP_SHARE * self.shape.series * float(np.median(self.charge_ah) * np.median(self.voltage_v))

    @property
    def tie_wh(self) -> float:
        """Plans that are closer are equally good."""
        return TIE_SHARE * self.step_wh

    def group_ohm(self, group: tuple[int, ...] | list[int]) -> float:
        """Members in parallel by their conductance; 0 where no resistance is known."""
        return 0.0 if self.siemens is None else 1.0 / float(self.siemens[list(group)].sum())

    def pack_v(self, pack: Pack) -> float:
        """Sum of the groups' mean voltages, nothing lost."""
        return float(sum(self.voltage_v[list(group)].mean() for group in pack))

    def pack_ohm(self, pack: Pack) -> float:
        """Groups in series."""
        return sum(self.group_ohm(group) for group in pack)

    def pack_wh(self, packs: Packs) -> FloatArray:
        """What each pack delivers."""
        lows = [min(float(self.charge_ah[list(group)].sum()) for group in pack) for pack in packs]
        volts = [self.pack_v(pack) - self.current_a * self.pack_ohm(pack) for pack in packs]
        return np.array(lows) * np.array(volts)

    def total_wh(self, packs: Packs) -> float:
        """What all deliver together: what is made as large as can be."""
        return float(self.pack_wh(packs).sum())

    def share_v(self) -> FloatArray:
        """What each member adds to its pack's loaded voltage at most: in any pack, sum over members >= true voltage.

        One by one in series this is exact: v - I r. In parallel 1/c is convex in a group's conductance c, so it lies
        above its tangent at any c0: R_g >= 2/c0 - c_g/c0**2, which is a sum over members. c0: a mean group's.
        """
        if self.siemens is None:
            return self.voltage_v / self.shape.parallel
        if self.shape.parallel == 1:
            return self.voltage_v - self.current_a / self.siemens
        mean = self.shape.parallel * float(self.siemens.mean())
        ohm = 2.0 / (mean * self.shape.parallel) - self.siemens / mean**2
        return self.voltage_v / self.shape.parallel - self.current_a * ohm


def _filled(quantity: str, column: str, values: FloatArray, default: float | None) -> tuple[FloatArray, Given]:
    """The column with its holes filled: by the default, else by the median of the others; "none": it stays empty."""
    known = np.isfinite(values)
    missing = int((~known).sum())
    if not missing:
        return values, Given(quantity, column, None, 0)
    if default is None and not known.any():
        return values, Given(quantity, "none", None, missing)
    value = float(np.median(values[known])) if default is None else default
    return np.where(known, values, value), Given(quantity, column if known.any() else "nominal", value, missing)


def _something_left(table: Table, volt: FloatArray, ohm: FloatArray, member_a: float) -> None:
    """Every member has a voltage above 0 under its share of the current: the bound rests on that."""
    worst = int((volt - member_a * ohm).argmin())
    if volt[worst] > member_a * ohm[worst]:
        return
    problem = Problem(
        f"{table.members[worst].id} has no voltage left at this current",
        field="dcir_ohm",
        found=f"{ohm[worst]:g} ohm at {member_a:g} A",
        expected=f"a loss below its {volt[worst]:g} V, so a smaller --rate",
    )
    raise InputError(problem)
