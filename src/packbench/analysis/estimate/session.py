"""A charging session overheard on the CAN: what a pack took, between what its BMS said of its SOC.

Owns the reading of GB/T 27930 messages out of frames that were meant for others, and the estimate of the capacity in
use: charge counted by the *charger* (CCS) over the change of the BMS's SOC. That SOC is an opinion, so its error rules
the interval, and what comes out is the capacity that the BMS believes in as much as the one that is there. Must not
read files (`session_file`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from packbench.analysis.estimate.outcome import CellEstimate, Estimated, estimated
from packbench.core.errors import BadReply
from packbench.core.result import Note
from packbench.core.samples import FloatArray
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_CM, PGN_TP_DT, unpack_id
from packbench.wire.gbt27930.frames import message_in, message_of
from packbench.wire.gbt27930.messages import BATTERY_TYPES, Bcp, Bcs, Bmv, Brm, Bsd, Ccs, Csd, GbtMessage

RTS: Final = 0x10
SOC_ERROR: Final = 0.05
"""House assumption: a BMS's SOC may be off by this much at either end of a session (rectangular, independent)."""
GAUGE_REL: Final = 0.01
"""House assumption: error bound of a charger's current and clock together (rectangular)."""
CHANGE_MIN: Final = 0.20
"""A smaller change of SOC than this leaves more interval than estimate."""
GAP_S: Final = 5.0
"""CCS comes every 50 ms; a longer silence than this is a gap, in which nothing is counted."""
GAP_CHARGE_MAX: Final = 0.02
"""Part of the counted charge that gaps may hide before there is no estimate."""
BEND_MAX: Final = 0.03
"""SOC that departs further than this from a straight line over the charge was corrected on the way."""
COVERAGE_P: Final = 0.95
COVERAGE_K: Final = 2.0


@dataclass(slots=True)
class Overheard:
    """What a session said, in the order of time."""

    brm: Brm | None = None
    bcp: Bcp | None = None
    bsd: Bsd | None = None
    csd: Csd | None = None
    charger: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(s, A) of CCS; positive charges."""
    soc: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(s, fraction) of BCS."""
    bms: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """(s, A) of BCS."""
    cells_v: tuple[float, ...] = ()
    """Of the last BMV."""
    frames: int = 0
    damaged: int = 0


@dataclass(slots=True)
class _Long:
    """A long message in the making."""

    pgn: int
    size: int
    parts: dict[int, bytes]


def overhear(frames: Iterable[tuple[float, CanFrame]]) -> Overheard:
    """Messages of both sides, out of frames with their instants in s."""
    heard = Overheard()
    making: dict[tuple[int, int], _Long] = {}
    for t_s, frame in frames:
        if not frame.extended or frame.remote:
            continue
        heard.frames += 1
        try:
            message = _message(frame, making)
        except BadReply:
            heard.damaged += 1
            continue
        if message is not None:
            _note(heard, t_s, message)
    return heard


def _message(frame: CanFrame, making: dict[tuple[int, int], _Long]) -> GbtMessage | None:
    """What a frame completes; None: nothing."""
    place = unpack_id(frame.can_id)
    between = (place.source, place.destination)
    if place.pgn == PGN_TP_CM:
        if len(frame.data) == 8 and frame.data[0] == RTS:
            size = int.from_bytes(frame.data[1:3], "little")
            making[between] = _Long(int.from_bytes(frame.data[5:8], "little"), size, {})
        return None
    if place.pgn != PGN_TP_DT:
        return message_in(frame)
    long = making.get(between)
    if long is None or not frame.data:
        return None
    long.parts[frame.data[0]] = frame.data[1:]
    count = math.ceil(long.size / 7)
    if any(number not in long.parts for number in range(1, count + 1)):
        return None
    del making[between]
    payload = b"".join(long.parts[number] for number in range(1, count + 1))[: long.size]
    return message_of(*between, long.pgn, payload)


def _note(heard: Overheard, t_s: float, message: GbtMessage) -> None:
    match message:
        case Brm():
            heard.brm = message
        case Bcp():
            heard.bcp = message
        case Bsd():
            heard.bsd = message
        case Csd():
            heard.csd = message
        case Ccs(current_a=float(current)):
            heard.charger.append((t_s, current))
        case Bcs():
            if message.soc is not None:
                heard.soc.append((t_s, message.soc))
            if message.current_a is not None:
                heard.bms.append((t_s, message.current_a))
        case Bmv():
            heard.cells_v = tuple(value for value in message.cell_voltages_v if value is not None)
        case _:
            pass


@dataclass(frozen=True, slots=True)
class Counted:
    """Charge against SOC."""

    charge_ah: float
    change: float
    soc_from: float
    soc_to: float
    gaps_s: float
    hidden_ah: float
    """The most that gaps can hide: the larger current beside each, for its length."""
    bend: float
    """Largest departure of the SOC from a straight line over the counted charge."""


def count(heard: Overheard) -> Counted | None:
    """Charge between the first and the last step of the SOC; None: it never changed, or nobody counted.

    The instants at which a whole per cent changes are sharper than the value itself: charge is counted between them.
    """
    if len(heard.charger) < 2 or len(heard.soc) < 2:
        return None
    t_s, current = (np.array(column) for column in zip(*heard.charger, strict=True))
    spans = np.diff(t_s)
    whole = spans <= GAP_S
    steps_ah = np.where(whole, 0.5 * (current[1:] + current[:-1]) * spans, 0.0) / 3600.0
    total = np.concatenate([[0.0], np.cumsum(steps_ah)])
    soc_t, soc = (np.array(column) for column in zip(*heard.soc, strict=True))
    changed = np.flatnonzero(np.diff(soc) > 0.0) + 1
    if changed.size < 2:
        return None
    at, value = soc_t[changed], soc[changed]
    charge = np.interp(at, t_s, total)
    within = (t_s[1:] > at[0]) & (t_s[:-1] < at[-1]) & ~whole
    larger = np.maximum(np.abs(current[1:]), np.abs(current[:-1]))
    return Counted(
        float(charge[-1] - charge[0]),
        float(value[-1] - value[0]),
        float(value[0]),
        float(value[-1]),
        float(spans[within].sum()),
        float(np.sum(larger[within] * spans[within]) / 3600.0),
        _bend(charge, value),
    )


def _bend(charge: FloatArray, soc: FloatArray) -> float:
    if charge[-1] <= charge[0]:
        return math.inf
    line = soc[0] + (charge - charge[0]) / (charge[-1] - charge[0]) * (soc[-1] - soc[0])
    return float(np.max(np.abs(soc - line)))


def estimate_session(heard: Overheard) -> tuple[CellEstimate, dict[str, Any], tuple[Note, ...]]:
    """The pack's capacity in use, or why there is none; with what was heard, and what a reader must know."""
    counted = count(heard)
    details = _details(heard, counted)
    refusals = _refusals(heard, counted)
    if counted is None or refusals:
        return CellEstimate("pack", (), None, None, refusals), details, _notes(heard, counted)
    value = counted.charge_ah / counted.change
    spread = math.sqrt(2.0) * SOC_ERROR / math.sqrt(3.0) / counted.change
    gauge = GAUGE_REL / math.sqrt(3.0)
    hidden = counted.hidden_ah / counted.charge_ah / math.sqrt(3.0)
    sd = value * math.sqrt(spread**2 + gauge**2 + hidden**2)
    half = COVERAGE_K * sd
    capacity = estimated(value, value - half, value + half, sd, COVERAGE_P, "Ah")
    return CellEstimate("pack", (), capacity, _soh(capacity, sd, heard)), details, _notes(heard, counted)


def _soh(capacity: Estimated, sd: float, heard: Overheard) -> Estimated | None:
    rated = None if heard.brm is None else heard.brm.capacity_ah
    if not rated:
        return None
    scaled = (capacity.measured.value / rated, capacity.low / rated, capacity.high / rated)
    return estimated(*scaled, sd / rated, COVERAGE_P, "1")


def _refusals(heard: Overheard, counted: Counted | None) -> tuple[Note, ...]:
    if not heard.charger and not heard.soc:
        return (
            Note("no_session", "no charging was overheard: neither CCS nor BCS", "没有充电过程：既无 CCS 也无 BCS"),
        )
    if not heard.charger:
        return (Note("no_charger", "the charger's current (CCS) was not overheard", "没有充电机电流（CCS）"),)
    if counted is None:
        return (Note("no_change", "the BMS's SOC did not rise twice", "BMS 的 SOC 没有上升两次"),)
    found: list[Note] = []
    if counted.change < CHANGE_MIN:
        told = f"{counted.change:.0%}", f"{CHANGE_MIN:.0%}"
        found.append(
            Note(
                "small_change",
                f"the SOC rose by {told[0]}; less than {told[1]} leaves more interval than estimate",
                f"SOC 只上升了 {told[0]}；低于 {told[1]} 时区间过宽，估计没有意义",
            )
        )
    if counted.charge_ah <= 0.0:
        found.append(Note("no_charge", "no charge was counted", "没有计到充电电量"))
    elif counted.hidden_ah > GAP_CHARGE_MAX * counted.charge_ah:
        found.append(
            Note(
                "gaps",
                f"{counted.gaps_s:.0f} s of the record are missing, and may hide {counted.hidden_ah:.2f} Ah",
                f"记录缺失 {counted.gaps_s:.0f} s，可能漏计 {counted.hidden_ah:.2f} Ah",
            )
        )
    if counted.bend > BEND_MAX:
        found.append(
            Note(
                "soc_corrected",
                f"the BMS corrected its SOC on the way: up to {counted.bend:.1%} off a straight line over the charge",
                f"BMS 在充电中修正过 SOC：与电量直线最多相差 {counted.bend:.1%}",
            )
        )
    return tuple(found)


def _details(heard: Overheard, counted: Counted | None) -> dict[str, Any]:
    brm = heard.brm
    return {
        "frames": heard.frames,
        "damaged": heard.damaged,
        "battery_type": None if brm is None else BATTERY_TYPES.get(brm.battery_type, str(brm.battery_type)),
        "rated_ah": None if brm is None else brm.capacity_ah,
        "vin": None if brm is None else brm.vin,
        "nominal_wh": None if heard.bcp is None else heard.bcp.energy_wh,
        "charge_counted_ah": None if counted is None else counted.charge_ah,
        "soc_from": None if counted is None else counted.soc_from,
        "soc_to": None if counted is None else counted.soc_to,
        "gaps_s": None if counted is None else counted.gaps_s,
        "soc_bend": None if counted is None or math.isinf(counted.bend) else counted.bend,
        "charger_said_wh": None if heard.csd is None else heard.csd.energy_wh,
        "cell_spread_v": max(heard.cells_v) - min(heard.cells_v) if heard.cells_v else None,
    }


def _notes(heard: Overheard, counted: Counted | None) -> tuple[Note, ...]:
    notes = [
        Note(
            "soc_is_an_opinion",
            f"The BMS's SOC is an opinion: ± {SOC_ERROR:.0%} at either end is assumed, ± {GAUGE_REL:.0%} for the "
            "charger (house assumptions). A BMS that believes in the rated capacity makes this estimate believe it.",
            f"BMS 的 SOC 只是其自身的判断：假定两端各有 ± {SOC_ERROR:.0%} 的误差，充电机 ± {GAUGE_REL:.0%}"
            "（本项目的假定）。若 BMS 仍按额定容量计算 SOC，本估计也会随之偏向额定容量。",
        )
    ]
    if counted is not None and heard.bms:
        mean = float(np.mean([current for _, current in heard.bms]))
        of_charger = float(np.mean([current for _, current in heard.charger]))
        if of_charger > 0.0 and abs(mean - of_charger) > 0.03 * of_charger:
            notes.append(
                Note(
                    "currents_differ",
                    f"BMS and charger disagree on the current: mean {mean:.1f} A against {of_charger:.1f} A.",
                    f"BMS 与充电机的电流不一致：平均 {mean:.1f} A 对 {of_charger:.1f} A。",
                )
            )
    if heard.damaged:
        notes.append(Note("damaged", f"{heard.damaged} frames made no sense.", f"{heard.damaged} 帧无法解读。"))
    return tuple(notes)
