"""What a record says besides its capacity: resistance, efficiency, rest, curves, balance, fade.

Owns names and nesting alone, as `core.result` does for the headline figures. `analysis.diagnose` fills it in. A figure
that the record does not carry is not there, and `absent` says why; nothing is estimated to fill a place.
"""

from __future__ import annotations

from dataclasses import dataclass

from packbench.core.measured import Measured


@dataclass(frozen=True, slots=True)
class Absent:
    """A figure that was looked for and is not given."""

    figure: str
    """Name of the field, e.g. "self_discharge"."""
    reason_en: str
    reason_zh: str


@dataclass(frozen=True, slots=True)
class ResistanceAt:
    """One DC resistance of the pack: change of voltage over change of current since just before the edge."""

    at_s: float
    """After the edge."""
    resistance_ohm: Measured


@dataclass(frozen=True, slots=True)
class DcResistance:
    """The DC resistances after one edge of the current."""

    step: int
    """Number of the executed step that the edge lies in, from 1."""
    cycle: int
    t_s: float
    """Of the edge, from the start of the record."""
    charge_ah: float | None
    """Charged since the record's start, less discharged: where SOC is not known, how far apart two edges were."""
    before_a: float
    after_a: float
    """Positive charges."""
    rest_before_s: float
    """Without current before the edge; 0: the current was not zero."""
    temperature_c: Measured | None
    """Mean of the sensors at the edge."""
    soc: Measured | None
    """Charge above the end of the counted discharge over the capacity, a fraction."""
    read_outs: tuple[ResistanceAt, ...]


@dataclass(frozen=True, slots=True)
class CycleEfficiency:
    """A charge and the discharge after it, between two ends at the same state."""

    cycle: int
    """Of the discharge."""
    charge_steps: tuple[int, ...]
    """Numbers of the steps whose charge went in."""
    discharge_steps: tuple[int, ...]
    coulombic: Measured
    energy: Measured


@dataclass(frozen=True, slots=True)
class VoltageAfter:
    """The pack's voltage so long after the current stopped."""

    at_s: float
    voltage_v: Measured


@dataclass(frozen=True, slots=True)
class Relaxation:
    """One rest: the pack's voltage on its way to equilibrium."""

    step: int
    cycle: int
    after_a: float
    """The current that flowed before; positive charged."""
    duration_s: float
    temperature_c: Measured | None
    voltages: tuple[VoltageAfter, ...]
    time_constant_s: Measured | None
    """Of the slow part, one exponential; None: it does not follow one, or is not seen long enough."""
    settled_v: Measured | None
    """Where that exponential leads."""
    fitted_from_s: float | None
    """The fit covers the rest from here on to its end."""


@dataclass(frozen=True, slots=True)
class SelfDischarge:
    """The voltage's slope in the last half of a long rest."""

    step: int
    duration_h: float
    slope_v_day: Measured
    """Of the pack; negative falls."""
    fastest_cell: int | None
    """The cell that falls fastest against the median of the cells, from 1; None without cells."""
    cell_slope_v_day: Measured | None
    """How much faster than the median it falls; negative."""
    decided: bool | None
    """False: that lies within its own uncertainty. None: no U."""


@dataclass(frozen=True, slots=True)
class AtReference:
    """The capacity as it would be at a reference temperature: beside the measured one, never instead of it."""

    reference_c: float
    capacity_ah: Measured
    temperature_c: Measured
    """Mean of the sensors over the counted discharge."""
    coefficient_per_k: Measured
    """Relative change of capacity with temperature."""
    source_en: str
    source_zh: str
    """Where the coefficient is from, or that it is assumed."""


@dataclass(frozen=True, slots=True)
class OcvPoint:
    """One point of an open-circuit voltage curve."""

    charge_ah: float
    """From the lowest point of the curve."""
    soc: float | None
    """None: no capacity was found."""
    voltage_v: Measured


@dataclass(frozen=True, slots=True)
class OcvCurve:
    """Open-circuit voltage over charge."""

    method: str
    """"rests": voltages at the end of rests; "mean": of a slow charge and a slow discharge at the same SOC."""
    branch: str
    """"charge" or "discharge": what came before the rests; "mean" of both."""
    of: str
    """"mean_cell" or "pack": whose voltage."""
    rate_per_h: float | None
    """Of the faster of charge and discharge, current over capacity; None: rests."""
    points: tuple[OcvPoint, ...]


@dataclass(frozen=True, slots=True)
class Peak:
    """A peak of the incremental capacity."""

    voltage_v: float
    dq_dv_ah_v: Measured


@dataclass(frozen=True, slots=True)
class DerivativeCurve:
    """Incremental capacity (dQ/dV) and differential voltage (dV/dQ) of one constant-current step."""

    step: int
    direction: str
    """"charge" or "discharge"."""
    of: str
    """"mean_cell" or "pack": whose voltage."""
    rate_per_h: float | None
    """Current over capacity; None: no capacity."""
    temperature_c: Measured | None
    method_en: str
    method_zh: str
    """How it was smoothed."""
    window_ah: float
    """Over which charge."""
    charge_ah: tuple[float, ...]
    """Moved since the step began."""
    voltage_v: tuple[float, ...]
    """Smoothed."""
    dv_dq_v_ah: tuple[float, ...]
    dv_dq_u_v_ah: tuple[float, ...]
    """Standard uncertainty of each, by the readings' scatter (and the gains, where they are stated)."""
    dq_dv_ah_v: tuple[float | None, ...]
    """None: the voltage does not move beyond its uncertainty there."""
    peaks: tuple[Peak, ...]


@dataclass(frozen=True, slots=True)
class CellFigure:
    """One cell of the pack."""

    index: int
    capacity_ah: Measured | None
    """From full to empty by itself; None: its curve does not say."""
    resistance_ohm: Measured | None
    """As `Cells.resistance_at_s` says."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Cell by cell: capacities by aligning each one's discharge curve with the weakest's, resistances at one edge."""

    cells: tuple[CellFigure, ...]
    capacity_spread: Measured | None
    """Highest less lowest over their mean, a fraction (the EU's rule for remanufacturing: at most 0.03)."""
    resistance_spread: Measured | None
    resistance_step: int | None
    """The step whose edge was used."""
    resistance_at_s: float | None
    """Time after that edge."""


@dataclass(frozen=True, slots=True)
class Balance:
    """What imbalance costs: the pack against its own cells."""

    charge_step: int
    charge_cell: int | None
    """The cell that ended the charge before the counted discharge, from 1; None: no cell did."""
    charge_end_a: float
    discharge_cell: int | None
    full: bool
    """False: a cell ended the charge at more than a tenth of the rated current (1 I1), so the pack was not full."""
    limited_by: str
    """"cell": one and the same cell ends both; "imbalance": two cells do; "not_full"; "unknown"."""
    balanced_ah: Measured | None
    """What the pack would give if all cells were full together: its smallest cell's capacity."""
    gain_ah: Measured | None
    """That less the capacity."""
    decided: bool | None
    """False: the gain lies within its own uncertainty. None: no U or no gain."""


@dataclass(frozen=True, slots=True)
class PowerAt:
    """Discharge power capability for 10 s at one state of charge: U_min (OCV - U_min) / R."""

    soc: float
    power_w: Measured
    resistance_ohm: Measured
    step: int


@dataclass(frozen=True, slots=True)
class Fade:
    """The EU's figures of fade (2023/1542 Annex VII; DIN DKE SPEC 99100), fractions of the begin-of-life values.

    Those are the pack file's; None: it does not state one, or the record does not carry the figure.
    """

    capacity_fade: Measured | None
    resistance_increase: Measured | None
    power_fade: Measured | None
    round_trip_efficiency: Measured | None
    round_trip_fade: Measured | None
    powers: tuple[PowerAt, ...]
    """At 80 % and at 20 %, as far as the record has a resistance there."""


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Everything besides the headline figures."""

    dc_resistance: tuple[DcResistance, ...] = ()
    efficiency: tuple[CycleEfficiency, ...] = ()
    relaxation: tuple[Relaxation, ...] = ()
    self_discharge: tuple[SelfDischarge, ...] = ()
    at_reference: AtReference | None = None
    ocv: tuple[OcvCurve, ...] = ()
    derivatives: tuple[DerivativeCurve, ...] = ()
    cells: Cells | None = None
    balance: Balance | None = None
    fade: Fade | None = None
    absent: tuple[Absent, ...] = ()
