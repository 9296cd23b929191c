"""From an operator's word to arm to a contactor through which the test may run.

Owns the host's part of the arm sequence: the board walks through its steps (docs/link.md, phases), and the host does
what only it can: have the cycler match the pack's voltage, withhold the lease once to prove that the board opens, and
give the pulse that shows the sign of the current. Must not decide whether a reading is safe (the channel does), nor
renew the lease (the supervisor does). Every way out but the last is a refusal: nothing has been tested yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from packbench.clock import Clock
from packbench.core.errors import SafetyStop
from packbench.core.limits import Limits
from packbench.core.samples import BmsSample, CyclerSample
from packbench.core.specs import BenchSpec
from packbench.drivers.protocols import Setpoint
from packbench.run.board_settings import pulse_a
from packbench.run.channel import Channel
from packbench.run.driving import Driving
from packbench.run.refusals import in_words
from packbench.run.supervised import SupervisedBoard

MATCHING = ("match", "precharge", "pause")
"""Phases in which the cycler is to stand at the pack's voltage."""
THROUGH = ("sign", "done")
"""Phases in which the contactor is known to be closed."""
STEP_NS = 45_000_000_000
"""Any one step of the board's must be over within this time; its own time-outs are shorter."""
LOOK_NS = 50_000_000
PROOF_SLACK_NS = 100_000_000
"""How much later than lease, load break and release the contact may be seen open: two looks at it."""
LOAD_BREAK_NS = 80_000_000
SEEN_NS = 300_000_000
"""A reading that began this long after the pulse did is one of the pulse: ramp, and the BMS's own averaging. [A]"""


@dataclass(slots=True)
class Arming:
    """Closes the contactor of one bench."""

    clock: Clock
    board: SupervisedBoard
    cycler: Driving
    channel: Channel
    bench: BenchSpec
    limits: Limits
    note: Callable[..., None]
    """One line in the record: a kind, and its data."""
    require_clear: Callable[[], None]
    """Raises when the run is over: nothing is switched on any more."""

    async def close(self, token: int) -> None:
        """Arm, close, prove that the board opens by itself, arm anew with the next token, close, show the sign.

        Raises SafetyStop for a refusal, DeviceError for a device that does not do its part.
        """
        self.require_clear()
        await self.board.arm(token)
        await self.board.begin()
        await self._through()
        await self._prove()
        self.require_clear()
        await self.board.arm(token + 1)
        await self._through()
        await self._show_sign()

    async def _through(self) -> None:
        """Have the board go through its sequence until the contactor is closed."""
        self.require_clear()
        await self.board.close()
        await self._phase(MATCHING + THROUGH)
        matched_a = await self.cycler.match(self._bms().cell_sum_v)
        self._told(matched_a, None)
        self.require_clear()
        self.channel.closing = True
        await self._phase(THROUGH)
        await self._until(lambda: self.channel.expected.contactor_closed, "the contactor's state")
        self.note("contactor_closed")

    async def _prove(self) -> None:
        """Withhold the lease once; the board must open by itself, in time, and the contact must say so."""
        self.channel.expected = replace(self.channel.expected, contactor_closed=False)
        proof = await self.board.prove()
        latest_ns = self.bench.lease_ns + LOAD_BREAK_NS + self.bench.contactor_release_ns + PROOF_SLACK_NS
        passed = proof.opened and proof.open_ns <= latest_ns
        self.note("proof_test", passed=passed, lease_s=proof.lease_ns / 1e9, open_s=proof.open_ns / 1e9)
        if not passed:
            found = f"{proof.open_ns / 1e9:.3f} s" if proof.opened else "not at all"
            raise SafetyStop(
                f"the run was refused: without a heartbeat the board opened the contactor {found},"
                f" {latest_ns / 1e9:.3f} s allowed"
            )
        await self.cycler.off()
        self._told(None, None)

    async def _show_sign(self) -> None:
        """A pulse of 1 %: board, cycler and BMS must all see the current that was asked for."""
        if (await self.board.read()).phase == "done":
            # A cycler that takes no set-point gives no pulse: its first step is watched by the rules alone.
            self.note("sign_not_shown")
            await self._fresh_cycler(self.clock.now_ns())
            return
        charging = self._bms().cell_sum_v < self._middle_v()
        current_a = pulse_a(self.bench, self.limits) * (1.0 if charging else -1.0)
        clamp_v = self.limits.pack_voltage_max_v if charging else self.limits.pack_voltage_min_v
        self.require_clear()
        await self.board.announce(current_a)
        began_ns = self.clock.now_ns()
        await self.cycler.apply(Setpoint(current_a, clamp_v))
        self._told(current_a, clamp_v)
        await self._phase(("done",))
        cycler, bms = await self._readings_after(began_ns + SEEN_NS)
        self._require_sign("cycler", cycler.current_a, current_a)
        if bms.current_a is not None:
            self._require_sign("BMS", bms.current_a, current_a)
        self.require_clear()
        matched_a = await self.cycler.match(bms.cell_sum_v)
        self._told(matched_a, None)
        self.note("sign_shown", asked_a=current_a, cycler_a=cycler.current_a, bms_a=bms.current_a)
        await self._fresh_cycler(self.clock.now_ns())

    def _require_sign(self, who: str, seen_a: float, asked_a: float) -> None:
        """A pulse that is too small to be seen by the BMS says nothing about it; one seen the wrong way does."""
        if abs(seen_a) >= abs(asked_a) / 2 and (seen_a > 0) != (asked_a > 0):
            raise SafetyStop(
                f"the run was refused: {asked_a:+.2f} A were asked for, and the {who} sees {seen_a:+.2f} A:"
                " the sign of a current is wrong"
            )

    async def _readings_after(self, t_ns: int) -> tuple[CyclerSample, BmsSample]:
        def both() -> bool:
            snapshot = self.channel.snapshot()
            cycler, bms = snapshot.cycler, snapshot.bms
            return cycler is not None and bms is not None and min(cycler.t_ns, bms.t_ns) > t_ns

        await self._until(both, "a reading of the sign pulse")
        snapshot = self.channel.snapshot()
        assert snapshot.cycler is not None
        assert snapshot.bms is not None
        return snapshot.cycler, snapshot.bms

    async def _fresh_cycler(self, t_ns: int) -> None:
        """The profile begins on what is read of the pack: a cycler's reading from before is of its own terminals."""

        def read() -> bool:
            cycler = self.channel.snapshot().cycler
            return self.cycler.lag_ns > 0 or (cycler is not None and cycler.t_ns > t_ns)

        await self._until(read, "a good reading of the connected pack by the cycler")

    async def _phase(self, wanted: tuple[str, ...]) -> None:
        """Wait until the board is in one of these phases; what it refuses ends the run in words."""
        deadline_ns = self.clock.now_ns() + STEP_NS
        while True:
            self.require_clear()
            status = await self.board.read()
            if status.refused:
                raise SafetyStop(f"the run was refused: {in_words(status.refused)}")
            if status.phase in wanted:
                return
            if self.clock.now_ns() >= deadline_ns or status.phase == "none":
                told = status.trip_name.replace("_", " ") or f"it is {status.state}"
                raise SafetyStop(f"the run was refused: the board did not close the contactor ({told})")
            await self.clock.sleep_until(self.clock.now_ns() + LOOK_NS)

    async def _until(self, met: Callable[[], bool], what: str) -> None:
        deadline_ns = self.clock.now_ns() + STEP_NS
        while True:
            self.require_clear()
            if met():
                return
            if self.clock.now_ns() >= deadline_ns:
                raise SafetyStop(f"the run was refused: no news of {what} within {STEP_NS / 1e9:g} s")
            await self.clock.sleep_until(self.clock.now_ns() + LOOK_NS)

    def _told(self, current_a: float | None, clamp_v: float | None) -> None:
        self.channel.expected = self.channel.expected.told(self.clock.now_ns(), current_a, clamp_v)

    def _bms(self) -> BmsSample:
        bms = self.channel.snapshot().bms
        assert bms is not None
        return bms

    def _middle_v(self) -> float:
        return (self.limits.pack_voltage_max_v + self.limits.pack_voltage_min_v) / 2.0
