"""The curves of a result as CSV tables: what `analyze --curves` writes.

Owns their columns. Must not compute a figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from packbench.core.diagnostics import Diagnostics
from packbench.core.errors import PackbenchError

OCV_NAME, DERIVATIVES_NAME = "ocv.csv", "derivatives.csv"


def ocv_table(told: Diagnostics) -> str:
    """Every point of every open-circuit curve."""
    header = ("method", "branch", "of", "charge_ah", "soc", "voltage_v", "voltage_U_v")
    rows = (
        (curve.method, curve.branch, curve.of, point.charge_ah, point.soc, point.voltage_v.value, point.voltage_v.U)
        for curve in told.ocv
        for point in curve.points
    )
    return _csv(header, rows)


def derivative_table(told: Diagnostics) -> str:
    """Every point of every ICA and DVA curve, with how it was smoothed in every row."""
    header = (
        *("step", "direction", "of", "charge_ah", "voltage_v", "dv_dq_v_ah", "dv_dq_standard_u_v_ah", "dq_dv_ah_v"),
        *("window_ah", "method"),
    )
    rows = (
        (curve.step, curve.direction, curve.of, *point, curve.window_ah, curve.method_en)
        for curve in told.derivatives
        for point in zip(
            curve.charge_ah, curve.voltage_v, curve.dv_dq_v_ah, curve.dv_dq_u_v_ah, curve.dq_dv_ah_v, strict=True
        )
    )
    return _csv(header, rows)


def write_curves(told: Diagnostics | None, folder: Path) -> dict[str, str]:
    """Write what there is into `folder` (made if need be); {name: path}. Raises PackbenchError when it cannot be."""
    told = Diagnostics() if told is None else told
    written: dict[str, str] = {}
    tables = (
        ("ocv", OCV_NAME, told.ocv, ocv_table),
        ("derivatives", DERIVATIVES_NAME, told.derivatives, derivative_table),
    )
    for key, name, there, table in tables:
        if not there:
            continue
        path = folder / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(table(told), encoding="utf-8")
        except OSError as error:
            raise PackbenchError(f"the curves cannot be written to {path}: {error.strerror}") from error
        written[key] = str(path)
    return written


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [",".join(header)]
    lines += [",".join(_cell(value) for value in row) for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    if value is None:
        return ""
    words = f"{value:.9g}" if isinstance(value, float) else str(value)
    return f'"{words}"' if "," in words else words
