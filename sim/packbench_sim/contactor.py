"""The contactor between cycler and pack, with its delays, and the board's own sensors.

Owns whether the two sides are connected. Must not decide when to open (the board does). It exists
so that the firmware's board and a direct board drive the same contactor.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp

from packbench_sim.cycler import CyclerModel
from packbench_sim.errors import PERFECT, ReadingError
from packbench_sim.faults.active import Faults
from packbench_sim.pack import PackModel

PULL_IN_NS = 25_000_000
"""Coil on to contact made. [A] typical of 200 A EV contactors, 15 to 30 ms."""
PRECHARGE_TAU_S = 0.1
"""Precharge resistor times the cycler's output capacitance. [A]"""
BLEED_TAU_S = 10.0
"""Discharge of that capacitance with the output off and the contactor open. [A]"""
HOT_A = 1.0
"""Opening above this current counts as opening under load."""


class ContactorModel:
    """Implements parts.ContactorPart, plus the precharge path."""

    def __init__(
        self,
        pack: PackModel,
        cycler: CyclerModel,
        advance: Callable[[int], None],
        *,
        release_ns: int,
        pull_in_ns: int = PULL_IN_NS,
        faults: Faults | None = None,
        voltage_error: ReadingError = PERFECT,
        current_error: ReadingError = PERFECT,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._pack = pack
        self._cycler = cycler
        self._advance = advance
        self._release_ns = release_ns
        self._pull_in_ns = pull_in_ns
        self._faults = Faults() if faults is None else faults
        self._ve, self._ie = voltage_error, current_error
        self._perfect = voltage_error == PERFECT and current_error == PERFECT
        self._on_change = on_change
        self.closed = False
        self.coil = False
        self.due_ns: int | None = None
        """When the contact will follow the coil; None: it has."""
        self.closings = 0
        self.hot_openings = 0
        self.worst_closing_dv_v = 0.0
        """Largest voltage across the contact at a closing."""
        self._precharging = False
        self._side_v = 0.0
        self._side_ns = 0
        self.on_coil: Callable[[int, bool], None] | None = None
        """Told when the coil is switched."""
        self.on_move: Callable[[int, bool, float, float], None] | None = None
        """Told (t_ns, closes, volts across as the board's sensors show them, A) just before the contact moves."""

    def drive(self, t_ns: int, *, closed: bool) -> None:
        """Coil on or off at t_ns; the contact follows after its pull-in or release time."""
        self._advance(t_ns)
        if closed == self.coil:
            return
        self.coil = closed
        if self.on_coil is not None:
            self.on_coil(t_ns, closed)
        if closed == self.closed:
            self.due_ns = None
        else:
            self.due_ns = t_ns + (self._pull_in_ns if closed else self._release_ns)
        self._on_change()

    def drop(self, t_ns: int) -> None:
        """The coil's supply is gone: the contact opens, whatever the coil is told."""
        self._advance(t_ns)
        if self.closed:
            self.due_ns = t_ns + self._release_ns
            self._on_change()

    def follow_coil(self, t_ns: int) -> None:
        """Nothing holds the contact any more: it goes where the coil is."""
        if self.closed != self.coil:
            self.due_ns = t_ns + self._release_ns
            self._on_change()

    def drive_precharge(self, t_ns: int, *, closed: bool) -> None:
        """Connect or disconnect the precharge resistor between the two sides."""
        self._advance(t_ns)
        self._settle_side(t_ns)
        self._precharging = closed and not self._faults.precharge_dead

    def follow(self, t_ns: int) -> None:
        """The contact reaches the coil's state now. Called by the plant at `due_ns`."""
        self.due_ns = None
        closes = self.coil and not self._faults.coil_dead
        if closes is self.closed or (not closes and self._faults.welded):
            return
        cycler = self._cycler
        if closes:
            self._settle_side(t_ns)
            self.closings += 1
            across = abs(self._pack.emf_v - cycler.terminal_voltage_v)
            self.worst_closing_dv_v = max(self.worst_closing_dv_v, across)
            if self.on_move is not None:
                shown = self._ve.shown(self._pack.emf_v) - self._ve.shown(cycler.terminal_voltage_v)
                self.on_move(t_ns, True, abs(shown), cycler.current_a)
        else:
            if self.on_move is not None:
                self.on_move(t_ns, False, 0.0, cycler.current_a)
            if abs(cycler.current_a) > HOT_A:
                self.hot_openings += 1
            self._side_v, self._side_ns = cycler.terminal_voltage_v, t_ns
        self.closed = cycler.connected = closes
        cycler.update()

    def is_closed(self, t_ns: int) -> bool:
        """The auxiliary contact at t_ns. Time passes only when the contact is about to move."""
        if self.due_ns is not None and self.due_ns <= t_ns:
            self._advance(t_ns)
        return self.closed

    def measure(self, t_ns: int) -> tuple[float, float, float]:
        """(pack-side voltage V, cycler-side voltage V, current A) as the board's sensors see them."""
        self._advance(t_ns)
        cycler = self._cycler
        if not self.closed:
            self._settle_side(t_ns)
        pack_v, cycler_v, current_a = cycler.pack_voltage_v, cycler.terminal_voltage_v, cycler.current_a
        if self._faults.pack_reversed:
            pack_v = -pack_v
        if self._faults.shunt_reversed:
            current_a = -current_a
        if self._perfect:
            return pack_v, cycler_v, current_a
        return self._ve.shown(pack_v), self._ve.shown(cycler_v), self._ie.shown(current_a)

    def _settle_side(self, t_ns: int) -> None:
        """Cycler-side voltage with the contact open: up through precharge, down through the bleeder."""
        elapsed_s = (t_ns - self._side_ns) * 1e-9
        if self._precharging:
            goal, tau_s = self._pack.emf_v, PRECHARGE_TAU_S
        else:
            goal, tau_s = 0.0, BLEED_TAU_S
        self._side_v = goal + (self._side_v - goal) * exp(-elapsed_s / tau_s)
        self._side_ns = t_ns
        self._cycler.open_voltage_v = self._side_v
