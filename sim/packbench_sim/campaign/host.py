"""What can go wrong with the host itself: its process, its clock, its disk, its cables.

Owns these faults, on whichever controller lives now. Implements `faults.injector.HostFaults`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from packbench_sim.campaign.controller import Controller
from packbench_sim.loop import VirtualClock, VirtualLoop


class HostClock(VirtualClock):
    """Virtual time whose wall clock may jump; the monotonic one never does."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__(loop)
        self.off = timedelta(0)

    def wall(self) -> datetime:
        return super().wall() + self.off


class Host:
    """The host's faults. `attach` says whose."""

    def __init__(self, clock: HostClock, new_lines: Callable[[], None]) -> None:
        """`new_lines`: gives the world lines that somebody holds, before those of a dead controller are cut."""
        self._clock = clock
        self._new_lines = new_lines
        self._controller: Controller | None = None
        self.killed = False

    def attach(self, controller: Controller) -> None:
        """A new life."""
        self._controller = controller
        self.killed = False

    def kill(self) -> None:
        """The process dies."""
        if self._controller is not None and not self.killed:
            self.killed = True
            self._new_lines()
            self._controller.kill()

    def stick(self, duration_ns: int) -> None:
        """The control loop stands still, while the supervisor's process lives: no ping is answered, nothing decided."""
        controller = self._controller
        if controller is None or self.killed:
            return
        board = controller.board
        answers = board.on_ping
        until_ns = self._clock.now_ns() + duration_ns

        def stuck() -> bool:
            return self._clock.now_ns() < until_ns

        board.on_ping = lambda: None if stuck() else answers()
        for role in ("cycler", "bms"):
            controller.lines[role].from_device = lambda _t_ns, data: b"" if stuck() else data

    def jump_wall(self, seconds: float) -> None:
        """NTP, daylight saving, a person."""
        self._clock.off += timedelta(seconds=seconds)

    def raise_in_loop(self) -> Callable[[], int | None]:
        """An error that nobody foresaw, in the loop that reads the BMS; when it came up."""
        controller = self._controller
        if controller is None:
            return lambda: None
        controller.failing.append(RuntimeError("an error that nobody foresaw"))
        return lambda: controller.failed_ns

    def fail_disk(self, *, full: bool) -> None:
        """Writing fails from now on: an error of the device, or no room."""
        if self._controller is not None:
            self._controller.disk_error = "database or disk is full" if full else "disk I/O error"

    def power_cut(self) -> None:
        """The process dies with its machine. What was not synced is gone: tests/crash has every way in which."""
        self.kill()

    def reboot(self) -> None:
        """The process dies, and the machine's monotonic clock begins anew."""
        self.kill()
        self._clock.boot_id = f"boot-{self._clock.now_ns()}"

    def stall_disk(self, duration_ns: int) -> Callable[[], int | None]:
        """The disk takes so long for the next commit; when that one began."""
        controller = self._controller
        if controller is None:
            return lambda: None
        controller.writer.latency_ns = duration_ns
        return lambda: controller.writer.stalled_ns

    def repair(self) -> None:
        """Everything about the host is as it should be."""
        self._clock.off = timedelta(0)
