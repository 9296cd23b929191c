"""The arm sequence, and what is watched while the contactor is closed."""

from __future__ import annotations

from tests.firmware.model.watching import Watching

from packbench_board.codes import LOOKS_MIN, REVERSED_MV, EventKind, Fitted, Input, Phase, Refusal, State, TripCode


class Sequence(Watching):
    """One step after the other; each has a time-out and a refusal."""

    def _late(self, limit_ms: int) -> bool:
        return self.now_us >= self.phase_since_us + limit_ms * 1000

    def _agree(self) -> bool:
        return abs(self.seen.pack_mv - self.seen.cycler_mv) < self.kept.precharge_delta_mv

    def _held(self, now: bool) -> bool:
        """Whether it has held without a break for the settling time, and at enough instants."""
        if not now:
            self.held_us = []
        elif self.now_us not in self.held_us:
            self.held_us = [*self.held_us, self.now_us]
        enough = len(self.held_us) >= LOOKS_MIN
        return enough and self.now_us >= self.held_us[0] + self.kept.precharge_settle_ms * 1000

    def _given(self, line: Fitted, which: Input) -> bool:
        return not self.kept.fitted & line or self.seen.has(which)

    def _sequence(self) -> None:  # noqa: PLR0912 - one step below the other, as they follow each other
        config, seen = self.kept, self.seen
        if self.phase is Phase.WAKE:
            if not self.coil_settled:
                pass
            elif self._given(Fitted.BMS_OK, Input.BMS_OK):
                self._go(Phase.PACK)
            elif self._late(config.wake_timeout_ms):
                self._refuse(Refusal.BMS_ASLEEP)
        if self.phase is Phase.PACK:
            known = seen.has(Input.SENSORS_OK)
            closed = self._given(Fitted.PACK_CLOSED, Input.PACK_CLOSED)
            if known and seen.pack_mv < -REVERSED_MV:
                self._refuse(Refusal.REVERSED)
            elif closed and self._violation() == TripCode.NONE:
                self._go(Phase.RESIDUAL)
            elif self._late(config.pack_timeout_ms):
                nothing = not closed or (known and seen.pack_mv < config.voltage_min_mv)
                self._refuse(Refusal.PACK_ABSENT if nothing else Refusal.OUT_OF_LIMITS)
        fine = self.phase < Phase.RESIDUAL or self._watch_limits()
        if self.phase is Phase.RESIDUAL:
            apart = self._held(fine and not self._agree())
            if not config.residual_timeout_ms or apart:
                self._go(Phase.MATCH)
            elif self._late(config.residual_timeout_ms):
                self._trip(TripCode.RESIDUAL_VOLTAGE if fine else self._violation())
        if self.phase is Phase.MATCH:
            matched = self._held(fine and self._agree())
            if not config.match_timeout_ms or matched:
                self._go(Phase.PRECHARGE)
            elif self._late(config.match_timeout_ms):
                self._refuse(Refusal.VOLTAGE_MISMATCH)
        if self.phase is Phase.PAUSE and self._late(config.precharge_pause_ms):
            self._go(Phase.PRECHARGE)
        if self.phase is Phase.PRECHARGE:
            self._precharge(fine)

    def _precharge(self, fine: bool) -> None:
        if self._held(self._agree() and fine):
            self._set_coil(True)
            self._enter(State.CLOSED)
            self._go(Phase.CLOSING)
        elif self._late(self.kept.precharge_timeout_ms):
            self.tries += 1
            if self.tries < self.kept.precharge_tries:
                self._go(Phase.PAUSE)
            else:
                self._refuse(Refusal.PRECHARGE_FAILED)

    def _closed(self) -> None:
        fine = self._watch_limits()
        if self.state is not State.CLOSED:
            return
        if self._lease_over():
            if self.proving:
                self._log(EventKind.PROVED)
                self._begin_opening()
            else:
                self._trip(TripCode.LEASE)
            return
        if self.phase is Phase.CLOSING and self.seen.has(Input.AUX_CLOSED):
            self._go(Phase.SIGN if self.kept.sign_timeout_ms else Phase.DONE)
        if self.phase is Phase.SIGN:
            flows = self.announced_ma != 0 and fine and 2 * abs(self.seen.current_ma) >= abs(self.announced_ma)
            if self._held(flows):
                moved_mv = self.seen.pack_mv - self.rest_mv
                judged = 0 < self.kept.sign_delta_mv <= abs(moved_mv)
                way = self.announced_ma > 0
                right = (self.seen.current_ma > 0) == way and (not judged or (moved_mv > 0) == way)
                if right:
                    self._go(Phase.DONE)
                else:
                    self._refuse(Refusal.SIGN_WRONG)
            elif self._late(self.kept.sign_timeout_ms):
                self._refuse(Refusal.SIGN_ABSENT)
