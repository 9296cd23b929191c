"""How late the contactor opens when the heartbeat stops, trial after trial on one emulated board.

Owns one trial and its statistics; used by the short test and by the campaign (timing.py).
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Generator, Sequence

from tests.board.qemu import Machine
from tests.firmware.harness import CONFIG

from packbench_board.codes import LOAD_BREAK_MAX_US, Input, State, TripCode

LEASE_MS = float(CONFIG.lease_ms)
LOAD_BREAK_MS = LOAD_BREAK_MAX_US / 1000.0
FLOWING_MA = 50_000
WORST_MS = 600.0
"""Last heartbeat to contactor pin open, without current."""
LATE_P99_MS = 30.0
"""Over the lease."""


@contextlib.contextmanager
def busy_host(processes: int = 4) -> Generator[None]:
    """So many processes that spin, at the priority of everybody else."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
        for process in spinning:
            process.wait()


def close(machine: Machine) -> None:
    """Reset the board if it is tripped, and close its contactor."""
    line = machine.line
    if line.status().state == State.TRIPPED:
        machine.wait_for_input(Input.AUX_CLOSED, False)
        machine.turn_key()
        line.reset()
    line.arm(CONFIG)
    line.close_contactor()


def heartbeat_loss(machine: Machine, current_ma: int = 0) -> float:
    """Close, beat, fall silent; milliseconds from the last heartbeat's sending to the contactor pin's fall.

    The board is left tripped by its lease.
    """
    line = machine.line
    machine.sense(current_ma=0)
    close(machine)
    machine.sense(current_ma=current_ma)
    line.beat_for(0.1, period_s=0.02)
    opened_ns = machine.wait_low(line.beaten_ns, 5.0)
    machine.sense(current_ma=0)
    status = line.status()
    assert (status.state, status.trip_code) == (State.TRIPPED, TripCode.LEASE), status
    return (opened_ns - line.beaten_ns) / 1e6


def unless_starved(machine: Machine, current_ma: int = 0) -> float | None:
    """The same; None when the emulator was not given a processor for so long that its watchdog reset the board."""
    try:
        return heartbeat_loss(machine, current_ma)
    except AssertionError:
        status = machine.line.status()
        if (status.state, status.trip_code) != (State.TRIPPED, TripCode.WATCHDOG):
            raise
        return None


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(share * 1e9) * len(ordered) // 10**9) - 1)]


def problems(opened_ms: Sequence[float], *, flowing: bool) -> list[str]:
    """What does not hold of a series of trials; empty when all is well."""
    wait_ms = LOAD_BREAK_MS if flowing else 0.0
    found: list[str] = []
    if max(opened_ms) >= WORST_MS + wait_ms:
        found.append(f"worst {max(opened_ms):.1f} ms, not under {WORST_MS + wait_ms:.0f}")
    if quantile(opened_ms, 0.99) > LEASE_MS + wait_ms + LATE_P99_MS:
        found.append(f"p99 {quantile(opened_ms, 0.99):.1f} ms, over {LEASE_MS + wait_ms + LATE_P99_MS:.0f}")
    if min(opened_ms) < LEASE_MS + wait_ms - 1.0:
        found.append(f"earliest {min(opened_ms):.1f} ms: the lease was not granted whole")
    return found


def words(opened_ms: Sequence[float], *, flowing: bool) -> str:
    """One line for a person."""
    due_ms = LEASE_MS + (LOAD_BREAK_MS if flowing else 0.0)
    late = [value - due_ms for value in opened_ms]
    kind = f"{FLOWING_MA / 1000:.0f} A flowing" if flowing else "no current"
    return (
        f"{len(opened_ms):4d} trials, {kind}: due {due_ms:.0f} ms after the last heartbeat; late by"
        f" p50 {quantile(late, 0.5):.1f} ms, p99 {quantile(late, 0.99):.1f} ms, max {max(late):.1f} ms"
    )
