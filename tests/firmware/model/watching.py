"""What the board watches by itself: inputs, the contact against its coil, limits."""

from __future__ import annotations

from tests.firmware.model.board import NO_READING, Board

from packbench_board.codes import (
    AUX_TIMEOUT_US,
    FADE_DIVISOR,
    EventKind,
    Fitted,
    Input,
    Phase,
    ResetCause,
    State,
    TripCode,
)


class Watching(Board):
    """Trips by what it sees."""

    def _self_test(self) -> None:
        self._enter(State.SELF_TEST)
        forced = {ResetCause.WATCHDOG: TripCode.WATCHDOG, ResetCause.BROWN_OUT: TripCode.BROWN_OUT}
        if self.interrupted[0]:
            self._trip(*self.interrupted)
        if self.seen.has(Input.AUX_CLOSED):
            self._trip(TripCode.SELF_TEST)
        if self.cause in forced:
            self._trip(forced[self.cause])
        if not self.trip:
            self._enter(State.SAFE)

    def _watch_inputs(self) -> None:
        for which, code in (
            (Input.ESTOP_OK, TripCode.ESTOP),
            (Input.HVIL_OK, TripCode.HVIL),
            (Input.GAS_OK, TripCode.GAS),
        ):
            if not self.seen.has(which):
                self._trip(code)
        self.key_was_off = self.key_was_off or not self.seen.has(Input.KEY_ON)

    def _watch_contact(self) -> None:
        contact = self.seen.has(Input.AUX_CLOSED)
        if self.coil:
            self.release_timed = False
        elif not contact and not self.release_timed:
            self.release_timed = True
            self._log(EventKind.OPENED, 0, self.now_us - self.coil_since_us)
        self.coil_settled = self.coil_settled or self.now_us >= self.coil_since_us + AUX_TIMEOUT_US
        if self.coil_settled and contact != self.coil:
            self._trip(TripCode.CONTACTOR_WELDED if contact else TripCode.CONTACTOR_DROPPED)

    def _violation(self) -> int:
        seen, config = self.seen, self.kept
        most_ma = config.charge_max_ma if seen.current_ma > 0 else config.discharge_max_ma
        if self.phase in (Phase.CLOSING, Phase.SIGN) and config.sign_timeout_ms:
            most_ma = min(most_ma, config.sign_current_ma)
        if not seen.has(Input.SENSORS_OK):
            return TripCode.SENSOR_INVALID
        if seen.pack_mv > config.voltage_max_mv:
            return TripCode.OVER_VOLTAGE
        if seen.pack_mv < config.voltage_min_mv:
            return TripCode.UNDER_VOLTAGE
        if abs(seen.current_ma) > most_ma:
            return TripCode.OVER_CURRENT
        if config.fitted & Fitted.INSULATION_OK and not seen.has(Input.INSULATION_OK):
            return TripCode.INSULATION
        for number, reading_dc in enumerate(seen.temperatures_dc):
            if config.fitted & (Fitted.TEMPERATURE_1 << number):
                if reading_dc == NO_READING:
                    return TripCode.SENSOR_INVALID
                if reading_dc > config.temperature_max_dc:
                    return TripCode.OVER_TEMPERATURE
                if reading_dc < config.temperature_min_dc:
                    return TripCode.UNDER_TEMPERATURE
        return TripCode.NONE

    def _watch_limits(self) -> bool:
        """Whether nothing is violated; trips when something is, and enough evidence has gathered."""
        code, delay_us, gone_us = self._violation(), self.kept.limit_delay_ms * 1000, self.now_us - self.looked_us
        enough = delay_us * FADE_DIVISOR
        change = gone_us * FADE_DIVISOR if self.violated else -gone_us
        self.evidence = min(max(self.evidence + change, 0), 2 * enough)
        self.violated, self.looked_us = code != TripCode.NONE, self.now_us
        if code != TripCode.NONE and self.evidence >= enough:
            self._trip(code)
        return code == TripCode.NONE
