"""Rules on the sources themselves: silent, lost, incomplete, or complaining.

Owns one function a rule. Unknown, stale or implausible data means stop: a limit that cannot be
seen is a limit that is not kept.
"""

from __future__ import annotations

from math import isfinite

from packbench.core.samples import Quality
from packbench.safety.view import View, Violation

NAMES = {
    "cycler": ("cycler", "充放电设备"),
    "bms": ("BMS", "电池管理系统（BMS）"),
    "board": ("interlock board", "联锁板"),
    "chamber": ("climate chamber", "环境箱"),
    "meter": ("bench's meter", "外接测量仪表"),
    "store": ("record store", "数据存储"),
}


FROZEN_S = 10.0
FROZEN_DIGITS = 5.0
DIGIT = 0.001
"""See `bms_frozen`."""


def _stale(view: View, source: str, t_ns: int | None) -> Violation | None:
    limit_ns = view.expected.stale_after_ns[source]
    if t_ns is not None and view.snapshot.t_ns - t_ns <= limit_ns:
        return None
    limit_s = limit_ns / 1e9
    age_s = float("inf") if t_ns is None else (view.snapshot.t_ns - t_ns) / 1e9
    name_en, name_zh = NAMES[source]
    if t_ns is None:
        return Violation(
            None, limit_s, "s", f"The {name_en} has given no usable reading.", f"{name_zh}没有给出任何可用读数。"
        )
    return Violation(
        age_s,
        limit_s,
        "s",
        f"The {name_en} has been silent for {age_s:.1f} s; its readings may be at most {limit_s:.1f} s old.",
        f"{name_zh}已 {age_s:.1f} s 没有应答，读数最多允许滞后 {limit_s:.1f} s。",
    )


def cycler_stale(view: View) -> Violation | None:
    """The cycler's newest good reading is too old."""
    sample = view.snapshot.cycler
    return _stale(view, "cycler", None if sample is None else sample.t_ns)


def bms_stale(view: View) -> Violation | None:
    """The BMS's newest good reading is too old."""
    sample = view.snapshot.bms
    return _stale(view, "bms", None if sample is None else sample.t_ns)


def board_stale(view: View) -> Violation | None:
    """The board's newest status is too old while it should hold the contactor."""
    if not view.expected.contactor_closed:
        return None
    sample = view.snapshot.board
    return _stale(view, "board", None if sample is None else sample.t_ns)


def chamber_stale(view: View) -> Violation | None:
    """The chamber's newest good reading is too old: nobody knows what heats the pack."""
    sample = view.snapshot.chamber
    return _stale(view, "chamber", None if sample is None else sample.t_ns)


def meter_stale(view: View) -> Violation | None:
    """The meter's newest good reading is too old."""
    sample = view.snapshot.meter
    return _stale(view, "meter", None if sample is None else sample.t_ns)


def board_open(view: View) -> Violation | None:
    """The board has opened the contactor, or tripped, without being told to."""
    board = view.snapshot.board
    if not view.expected.contactor_closed or board is None or (board.contactor_closed and board.state == "closed"):
        return None
    why = f" ({board.trip_name.replace('_', ' ')})" if board.trip_name else ""
    return Violation(
        None,
        None,
        "",
        f"The interlock board opened the contactor by itself{why}.",
        f"联锁板自行断开了接触器{why}。",
    )


def link_lost(view: View) -> Violation | None:
    """A link that is gone: the port says so before staleness would."""
    if not view.lost:
        return None
    source, reason = view.lost[0]
    name_en, name_zh = NAMES[source]
    return Violation(
        None, None, "", f"The link to the {name_en} was lost: {reason}.", f"与{name_zh}的通信已断开：{reason}。"
    )


def cells_missing(view: View) -> Violation | None:
    """Every cell of the pack must be there, and read like a cell."""
    bms, series = view.bms(), view.expected.series
    count = int(bms.cell_voltages_v.size)
    plausible = isfinite(bms.cell_sum_v) and bms.cell_min_v > 0 and bms.quality is Quality.GOOD
    if count == series and plausible:
        return None
    if count != series:
        return Violation(
            count,
            series,
            "cells",
            f"The BMS reports {count} cells; the pack has {series}.",
            f"BMS 上报 {count} 个单体，电池包应有 {series} 个。",
        )
    return Violation(
        None,
        None,
        "",
        f"The BMS reports cell {bms.cell_min_index} as {bms.cell_min_v:.3f} V and cell {bms.cell_max_index} as "
        f"{bms.cell_max_v:.3f} V, which no real cell can be.",
        f"BMS 上报第 {bms.cell_min_index} 号单体 {bms.cell_min_v:.3f} V、第 {bms.cell_max_index} 号单体 "
        f"{bms.cell_max_v:.3f} V，数值不可信。",
    )


def temperatures_missing(view: View) -> Violation | None:
    """Every temperature sensor of the pack must be there, and give a number."""
    temperatures_c = view.bms().temperatures_c
    expected = view.expected.temperature_sensors
    # One sum finds any reading that is not a number.
    if len(temperatures_c) >= expected and isfinite(sum(temperatures_c)):
        return None
    present = sum(1 for value in temperatures_c if isfinite(value))
    return Violation(
        present,
        expected,
        "sensors",
        f"The BMS reports {present} temperatures; the pack has {expected} sensors.",
        f"BMS 上报 {present} 路温度，电池包应有 {expected} 路。",
    )


def bms_frozen(view: View) -> Violation | None:
    """Fresh stamps on values that do not move, longer than current lets them stand still.

    Faults catalogue, sensor.frozen: bit for bit the same under current for five times as long as the next digit takes,
    and ten seconds at least. The next digit is taken to be a thousandth of the rated charge: the coarsest of what a BMS
    counts. A flat plateau may move no cell for longer than that, and is not frozen: charge, current or a digit of noise
    moves.
    """
    same_s, moved_ah = view.same_s, view.same_ah
    if same_s < FROZEN_S:
        return None
    most_ah = FROZEN_DIGITS * DIGIT * view.expected.capacity_ah
    if moved_ah < most_ah:
        return None
    return Violation(
        moved_ah,
        most_ah,
        "Ah",
        f"The BMS has repeated the very same values for {same_s:.0f} s while {moved_ah:.2f} Ah flowed: it is frozen.",
        f"BMS 数值已连续 {same_s:.0f} s 完全不变，其间流过 {moved_ah:.2f} Ah，判定为数据冻结。",
    )


def bms_alarm(view: View) -> Violation | None:
    """An alarm of the BMS that the bench file does not say to ignore."""
    alarms = view.bms().alarms
    if not alarms:
        return None
    stopping = [alarm for alarm in alarms if alarm not in view.expected.ignored_alarms]
    if not stopping:
        return None
    listed = ", ".join(alarm.replace("_", " ") for alarm in stopping)
    return Violation(None, None, "", f"The BMS raised an alarm: {listed}.", f"BMS 报警：{listed}。")


def cycler_alarm(view: View) -> Violation | None:
    """An alarm of the cycler: it has stopped by itself, or is about to."""
    alarms = view.cycler().alarms
    if not alarms:
        return None
    listed = ", ".join(alarm.replace("_", " ") for alarm in alarms)
    return Violation(None, None, "", f"The cycler raised an alarm: {listed}.", f"充放电设备报警：{listed}。")


def chamber_alarm(view: View) -> Violation | None:
    """An alarm of the climate chamber: its temperature is no longer what it was told to hold."""
    alarms = view.chamber().alarms
    if not alarms:
        return None
    listed = ", ".join(alarm.replace("_", " ") for alarm in alarms)
    return Violation(None, None, "", f"The climate chamber raised an alarm: {listed}.", f"环境箱报警：{listed}。")


def meter_alarm(view: View) -> Violation | None:
    """An alarm of the meter: what it shows is not to be relied on. Its own opinion of the insulation is none."""
    alarms = [alarm for alarm in view.meter().alarms or () if alarm != "insulation_low"]
    if not alarms:
        return None
    listed = ", ".join(alarm.replace("_", " ") for alarm in alarms)
    return Violation(None, None, "", f"The bench's meter raised an alarm: {listed}.", f"外接测量仪表报警：{listed}。")
