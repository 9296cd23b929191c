"""What the host tells the board once, in SI units, and how it becomes the CONFIGURE message.

Owns the rounding: always towards the tighter limit. Must not choose a limit; the bench and pack files do. It exists so
that client and simulation configure a board alike.
"""

from __future__ import annotations

import math
from binascii import crc_hqx
from dataclasses import dataclass
from struct import Struct

from packbench.core.errors import InputError, Problem
from packbench_board.frames import FIELDS, TYPES, Configure

_PAYLOAD = Struct("<" + FIELDS[TYPES[Configure]])


@dataclass(frozen=True, slots=True)
class BoardSettings:
    """The board's own limits and timing. Ranges are in docs/link.md; the board refuses what lies outside."""

    voltage_max_v: float
    """Own limit of the pack voltage."""
    voltage_min_v: float
    """Own limit of the pack voltage; positive."""
    charge_current_max_a: float
    """Own limit of the current into the pack."""
    discharge_current_max_a: float
    """Own limit of the current out of the pack; a magnitude."""
    lease_ns: int = 500_000_000
    """Without a valid heartbeat for this long the contactor opens."""
    limit_delay_ns: int = 10_000_000
    """How long a limit must be exceeded (reference: 10 ms for over-current)."""
    precharge_delta_v: float = 5.0
    """Both sides must agree within this before the contactor closes."""
    precharge_settle_ns: int = 20_000_000
    """For this long."""
    precharge_timeout_ns: int = 2_000_000_000
    """Otherwise the try has failed (foxBMS: 2 s, 3 tries)."""
    precharge_pause_ns: int = 5_000_000_000
    """Between two tries: the resistor cools."""
    precharge_tries: int = 3
    wake_timeout_ns: int = 10_000_000_000
    """How long the pack's BMS may take to wake, where the board has a line from it."""
    pack_timeout_ns: int = 5_000_000_000
    """How long the pack's own contactors may take."""
    residual_timeout_ns: int = 30_000_000_000
    """How long the cycler's output may take to fall away from the pack's voltage, all off; 0: not looked at."""
    match_timeout_ns: int = 10_000_000_000
    """How long the cycler may take to come to the pack's voltage; 0: it cannot, precharge does it all."""
    sign_timeout_ns: int = 10_000_000_000
    """How long after closing the pulse may take that shows the sign of the current; 0: none is asked for."""
    sign_current_a: float = 1.0
    """Limit of the current until then."""
    sign_delta_v: float = 0.0
    """A change of the pack's voltage of at least this is judged with it; 0: it is not judged."""
    current_noise_a: float = 0.0
    """Most that the board's sensor shows while nothing flows: a pulse must be more than twice this."""
    temperature_max_c: float = 60.0
    """Own limit of every fitted sensor."""
    temperature_min_c: float = -20.0
    """Own limit of every fitted sensor."""
    fitted: int = 0
    """Bits of `Fitted`: the optional inputs and sensors that are wired."""

    def message(self) -> Configure:
        """The CONFIGURE message. Raises InputError for a value that is no finite number."""
        self._require_finite()
        return Configure(
            lease_ms=self.lease_ns // 1_000_000,
            precharge_settle_ms=-(-self.precharge_settle_ns // 1_000_000),
            precharge_timeout_ms=self.precharge_timeout_ns // 1_000_000,
            limit_delay_ms=self.limit_delay_ns // 1_000_000,
            precharge_delta_mv=_milli_down(self.precharge_delta_v),
            voltage_max_mv=_milli_down(self.voltage_max_v),
            voltage_min_mv=-_milli_down(-self.voltage_min_v),
            charge_max_ma=_milli_down(self.charge_current_max_a),
            discharge_max_ma=_milli_down(self.discharge_current_max_a),
            temperature_max_dc=math.floor(round(self.temperature_max_c * 10.0, 6)),
            temperature_min_dc=math.ceil(round(self.temperature_min_c * 10.0, 6)),
            wake_timeout_ms=self.wake_timeout_ns // 1_000_000,
            pack_timeout_ms=self.pack_timeout_ns // 1_000_000,
            residual_timeout_ms=self.residual_timeout_ns // 1_000_000,
            match_timeout_ms=self.match_timeout_ns // 1_000_000,
            precharge_pause_ms=-(-self.precharge_pause_ns // 1_000_000),
            precharge_tries=self.precharge_tries,
            sign_timeout_ms=self.sign_timeout_ns // 1_000_000,
            sign_current_ma=_milli_down(self.sign_current_a),
            sign_delta_mv=_milli_down(self.sign_delta_v),
            current_noise_ma=-_milli_down(-self.current_noise_a),
            fitted=self.fitted,
        )

    def _require_finite(self) -> None:
        named = {
            "voltage_max_v": self.voltage_max_v,
            "voltage_min_v": self.voltage_min_v,
            "charge_current_max_a": self.charge_current_max_a,
            "discharge_current_max_a": self.discharge_current_max_a,
            "precharge_delta_v": self.precharge_delta_v,
            "sign_current_a": self.sign_current_a,
            "sign_delta_v": self.sign_delta_v,
            "current_noise_a": self.current_noise_a,
            "temperature_max_c": self.temperature_max_c,
            "temperature_min_c": self.temperature_min_c,
        }
        problems = [
            Problem("the board's own limit", field=name, found=str(value), expected="a finite number")
            for name, value in named.items()
            if not math.isfinite(value)
        ]
        if problems:
            raise InputError(problems)


def _milli_down(value: float) -> int:
    """Thousandths, rounded down; a value that is a whole number of them but for binary rounding stays."""
    return math.floor(round(value * 1000.0, 6))


def config_crc(message: Configure) -> int:
    """What the board reports once it holds `message`: CRC-16/CCITT-FALSE of the payload as it stands on the wire."""
    return crc_hqx(_PAYLOAD.pack(*message), 0xFFFF)
