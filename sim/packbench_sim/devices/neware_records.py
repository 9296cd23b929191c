"""What a simulated Neware test has recorded, in the words and units of its replies.

Owns the translation from `step_runner.py` to `packbench.wire.neware.replies`: step types, milliseconds,
and the client's wall clock.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from packbench.wire.neware.replies import LogEntry, Row, StepSummary
from packbench_sim.devices.step_runner import Point, StepRunner

_TYPES: Final = {
    "cc_charge": "cc",
    "cc_discharge": "dc",
    "cv_charge": "cv",
    "cv_discharge": "dv",
    "cccv_charge": "cccv",
}
"""Step kinds in the device's words; `rest` and `pause` are the same in both."""
_WALL: Final = datetime(2026, 1, 1, 8, 0, 0)  # noqa: DTZ001 - the device states no zone
"""What the client's clock shows when the emulator begins: the same in every run."""
_BEGAN: Final = 100_000
_FINISHED: Final = 100_001
"""Log codes as captured: a test's first entry, and the last of one that finished."""


def step_type(kind: str) -> str:
    """A step's kind in the device's words."""
    return _TYPES.get(kind, kind)


class WallClock:
    """The client's local time."""

    def __init__(self) -> None:
        self._began_ns: int | None = None

    def begin(self, t_ns: int) -> None:
        """The emulator is there from t_ns on; said again, that changes nothing."""
        if self._began_ns is None:
            self._began_ns = t_ns

    def text(self, t_ns: int) -> str:
        """As rows state it."""
        assert self._began_ns is not None
        return f"{_WALL + timedelta(microseconds=(t_ns - self._began_ns) // 1000):%Y-%m-%d %H:%M:%S}"


def row_of(point: Point, clock: WallClock) -> Row:
    """A row of `download`."""
    return Row(
        point.number,
        point.step,
        point.cycle,
        step_type(point.kind),
        # Tenths of a second, as captured.
        point.step_time_ns // 100_000_000 * 100,
        clock.text(point.t_ns),
        round(point.voltage_v, 9),
        round(point.current_a, 9),
        round(point.step_ah, 9),
        round(point.step_wh, 9),
    )


def summaries_of(run: StepRunner, clock: WallClock) -> tuple[StepSummary, ...]:
    """What `downloadStepLayer` tells: the steps that have ended."""
    ended = run.ran[:-1] if run.running else run.ran
    return tuple(
        StepSummary(
            ran.first.number,
            ran.last.number,
            index,
            ran.step,
            ran.cycle,
            step_type(ran.kind),
            ran.last.step_time_ns // 1_000_000,
            clock.text(ran.last.t_ns),
            ran.first.voltage_v,
            ran.last.voltage_v,
            ran.first.current_a,
            ran.last.current_a,
            ran.last.step_ah,
            ran.last.step_wh,
            0.0,
        )
        for index, ran in enumerate(ended, 1)
    )


def log_of(run: StepRunner, clock: WallClock) -> tuple[LogEntry, ...]:
    """What `downloadlog` tells. Stops, pauses and protections leave no entry: their codes are not public."""
    began = LogEntry(1, _BEGAN, clock.text(run.began_ns))
    if run.state != "finish":
        return (began,)
    last = run.rows[-1]
    return began, LogEntry(last.number, _FINISHED, clock.text(last.t_ns))
