"""The charger's session on a live CAN bus, as the `Bms` that it makes readable.

Owns the pump around the state machine of `drivers/gbt27930`: received frames in, frames to send out, and an alarm for
the instant at which time alone moves it. It exists because this protocol is no question and answer: a BMS talks by
itself, and only while its charger does. It must not decide (the machine does), and makes no current: the cycler does.

A session begins when the BMS is asked who it is, and ends with `close`, properly, so that no BMS is left waiting.
It is never begun again by itself: a reading after its end is a LinkError.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TypeVar

from packbench.clock import Clock
from packbench.core.errors import LinkError, ReplyTimeout
from packbench.core.samples import BmsSample
from packbench.drivers.gbt27930 import advance, begin
from packbench.drivers.gbt27930_heard import sample_of
from packbench.drivers.gbt27930_session import OVER, ChargerState, Phase
from packbench.drivers.gbt27930_settings import ChargerSettings
from packbench.drivers.protocols import Identity
from packbench.transport.slcan import SlcanTransport
from packbench.wire.can.frame import CanFrame
from packbench.wire.gbt27930.messages import BATTERY_TYPES, Bmt, Bmv, Brm

ValueT = TypeVar("ValueT")

_ENDING: Final = (Phase.STOPPING, Phase.STATISTICS, *OVER)


class Charger:
    """`drivers.protocols.Bms` by way of a charging session.

    Args:
        can: The bus; the charger owns it from now on.
        clock: Stamps what is heard; alarms run on the running event loop.
        settings: What the charger is told.
        timeout_ns: How long `identify` waits for BRM, and `read` for the first sample.
    """

    def __init__(self, can: SlcanTransport, clock: Clock, settings: ChargerSettings, timeout_ns: int) -> None:
        self._can = can
        self._clock = clock
        self._settings = settings
        self._timeout_ns = timeout_ns
        self._loop = asyncio.get_running_loop()
        self._state: ChargerState | None = None
        self._alarm_ns = -1
        """When the next alarm that counts goes off; -1: none is set."""
        self._waiting: list[asyncio.Future[None]] = []
        self._unsent: deque[CanFrame] = deque()
        self._lost: str | None = None
        can.attach(self._on_frame, self._on_lost)

    @property
    def phase(self) -> Phase | None:
        """Where the session is; None before the first."""
        return None if self._state is None else self._state.phase

    # ------------------------------------------------------------------------- Bms

    async def identify(self) -> Identity:
        """Begin a session unless one is under way, and wait for BRM.

        Raises ReplyTimeout when it does not come, LinkError when the link is lost.
        """
        if self._lost is None and (self._state is None or self._state.phase in _ENDING):
            self._state = begin(self._settings, self._clock.now_ns())
            self._step(None)
        return identity_of(await self._until(self._brm, "the BMS has not said who it is"))

    async def read(self) -> BmsSample:
        """The newest sample, with the instant of the oldest message in it; waits for the first one.

        Raises ReplyTimeout when that does not come, LinkError when the session is over or was never begun.
        """
        return await self._until(self._sample, "the BMS does not charge yet")

    async def close(self) -> None:
        """End the session with CST and wait for the BMS's own end, which the machine bounds; then close the bus.

        Idempotent.
        """
        try:
            if self._state is not None and self._state.phase not in _ENDING:
                self._state = replace(self._state, wants=replace(self._state.wants, stop="manual"))
                self._step(None)
            while self._lost is None and self.phase is not None and self.phase not in OVER:
                await self._changed()
        finally:
            self._can.close()
            self._on_lost("the charging session was closed")

    def report_output(self, voltage_v: float, current_a: float) -> None:
        """What the cycler gives at its terminals, for CCS. Until it is told, CCS repeats what the BMS measures."""
        if self._state is not None:
            self._state = replace(self._state, wants=replace(self._state.wants, output=(voltage_v, current_a)))

    def statistics(self) -> dict[str, int]:
        """For `devices probe --json`: the line's and the session's counts."""
        stats, counters = self._can.stats, self._can.counters
        counts = {
            "frames_in": stats.frames_in,
            "frames_out": stats.frames_out,
            "refused": stats.refused,
            "malformed_lines": self._can.malformed_lines,
            "noise_bytes": counters.noise_bytes,
        }
        state = self._state
        if state is not None:
            tp = state.tp.counts
            counts |= {"malformed_messages": state.malformed + tp.malformed, "handshakes_repeated": state.attempt}
            counts |= {"transport_timeouts": tp.timeouts, "transport_aborted": tp.aborted}
        return counts

    # ---------------------------------------------------------------------- waiting

    def _brm(self, state: ChargerState) -> Brm | None:
        return state.heard.message(Brm)

    def _sample(self, state: ChargerState) -> BmsSample | None:
        if state.phase is not Phase.CHARGING or state.charging_ns is None:
            return None
        listed = state.heard.get(Bmv) is not None and state.heard.get(Bmt) is not None
        waited_ns = self._clock.now_ns() - state.charging_ns
        if self._settings.use_cells and not listed and waited_ns < self._settings.cells_wait_ns:
            return None
        return sample_of(state.heard, use_cells=self._settings.use_cells)

    async def _until(self, find: Callable[[ChargerState], ValueT | None], complaint: str) -> ValueT:
        """What `find` finds, once it does."""
        deadline_ns = -1
        while True:
            if self._lost is not None:
                raise LinkError(self._lost)
            state = self._state
            if state is None:
                raise LinkError("no charging session has been begun")
            found = find(state)
            if found is not None:
                return found
            _require_session(state)
            now_ns = self._clock.now_ns()
            if deadline_ns < 0:
                deadline_ns = now_ns + self._timeout_ns
                self._clock.call_at(deadline_ns, self._tell)
            if now_ns >= deadline_ns:
                why = f" ({state.reason})" if state.reason else ""
                raise ReplyTimeout(f"{complaint}, {self._timeout_ns / 1e9:g} s on: {state.phase}{why}")
            await self._changed()

    async def _changed(self) -> None:
        """The next time that anything has happened."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._waiting.append(future)
        await future

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    # ----------------------------------------------------------------------- pumping

    def _on_frame(self, frame: CanFrame) -> None:
        self._step(frame)

    def _on_lost(self, reason: str) -> None:
        if self._lost is None:
            self._lost = reason
        self._tell()

    def _step(self, frame: CanFrame | None) -> None:
        """Let the machine move, and send what it says."""
        if self._state is None or self._lost is not None:
            return
        self._state, frames, wake_ns = advance(self._state, frame, self._clock.now_ns())
        self._unsent += frames
        self._send()
        if wake_ns is not None and not 0 <= self._alarm_ns <= wake_ns:
            self._alarm_ns = wake_ns
            self._clock.call_at(wake_ns, lambda: self._on_alarm(wake_ns))
        self._tell()

    def _on_alarm(self, alarm_ns: int) -> None:
        """An alarm that an earlier one has overtaken counts nothing."""
        if alarm_ns == self._alarm_ns:
            self._alarm_ns = -1
            self._step(None)

    def _send(self) -> None:
        """In order, also when a frame is answered within the very call that sends it."""
        try:
            while self._unsent:
                self._can.send(self._unsent.popleft())
        except LinkError as exc:
            self._unsent.clear()
            self._on_lost(str(exc))


def _require_session(state: ChargerState) -> None:
    """Raises LinkError when the session is over, ReplyTimeout when it never came about."""
    given_up = state.phase is Phase.ERROR and state.attempt >= state.settings.retries
    if not given_up and state.phase not in _ENDING:
        return
    if state.charging_ns is None and state.phase in (Phase.ERROR, Phase.FAILED):
        raise ReplyTimeout(f"no charging session: {state.reason}")
    raise LinkError(f"the charging session is over: {state.reason or state.phase}")


def identity_of(brm: Brm) -> Identity:
    """Who a BMS says it is: maker and battery, the vehicle's or the pack's number, protocol and software."""
    words = [
        brm.maker,
        BATTERY_TYPES.get(brm.battery_type, f"battery type {brm.battery_type}"),
        None if brm.capacity_ah is None else f"{brm.capacity_ah:g} Ah",
        None if brm.voltage_v is None else f"{brm.voltage_v:g} V",
    ]
    serial = brm.vin or ("" if brm.serial is None else brm.serial.hex())
    software = "" if brm.software is None else f", software {brm.software.hex()}"
    version = f"GB/T 27930 V{brm.version_major}.{brm.version_minor}{software}"
    return Identity(" ".join(word.strip() for word in words if word), serial.strip(), version)
