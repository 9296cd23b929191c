"""What the interlock board is told before it is armed.

Owns the step from the bench's board layer, the bench file's options of the board and the run's limits to the board's
own configuration. The board stands behind the host's rules: its limits are the bench's board layer, wider than the
run's, so that a host that is alive always acts first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from packbench.core.errors import InputError, Problem
from packbench.core.limits import Limits
from packbench.core.specs import BenchSpec
from packbench_board.codes import Fitted
from packbench_board.settings import BoardSettings

PULSE_SHARE = 0.01
"""Of the run's smaller current limit: the pulse that shows the sign of the current (faults catalogue, sensor.sign)."""
PULSE_SHARE_MAX = 0.05
"""A bench whose cycler or current sensor is too coarse for 1 % may take up to this."""
PULSE_NOISES = 2.5
"""The board takes a pulse of more than two of its sensor's noise (docs/link.md, `current_noise_ma`)."""
CURRENT_NOISE_MA = 50
"""One count of the reference board's converter: 3.3 V / 4096 behind 41 x 0.4 mOhm (docs/board.md, Pins). [A]"""
PULSE_LIMIT_FACTOR = 3.0
"""Until the sign is shown no more than this many pulses may flow."""
AGREE_SHARE = 0.02
AGREE_MAX_V = 5.0
AGREE_MIN_V = 0.05
"""Both sides of the contactor agree within 2 % of the pack's highest voltage, between 50 mV and 5 V. [A]"""
BEYOND_K = 5.0
"""The board's own temperature limits stand this far outside the run's, where its layer states none. [A]"""

OPTIONS: dict[str, str] = {
    "temperature_sensors": "0 to 4",
    "bms_line": "true or false",
    "pack_line": "true or false",
    "insulation_line": "true or false",
    "residual_check": "true or false",
    "current_noise_ma": "0 to 100000",
}
"""Options of the board in a bench file, and what they take."""


def pulse_a(bench: BenchSpec, limits: Limits) -> float:
    """Magnitude of the sign pulse: 1 % of the smaller current limit, or more where that is too little.

    Too little for the cycler to be trusted with, or for the board's sensor to tell from its noise.
    """
    least_a = min(limits.charge_current_max_a, limits.discharge_current_max_a)
    coarse_a = max(1.5 * bench.setpoint_tolerance_a, PULSE_NOISES * _noise_a(bench.board.settings))
    return max(PULSE_SHARE * least_a, min(coarse_a, PULSE_SHARE_MAX * least_a))


def board_settings(bench: BenchSpec, limits: Limits, *, stepped: bool = True) -> BoardSettings:
    """The board's configuration. A quantity its layer does not state takes the run's limit.

    `stepped`: the cycler takes set-points, so that it can be asked to match a voltage and to give a pulse.
    Raises InputError for an option that the board does not have, and for a pulse that is lost in noise.
    """
    layer = bench.limits.get("board")

    def own(name: str, fallback: float) -> float:
        stated = None if layer is None else getattr(layer, name)
        return fallback if stated is None else float(stated)

    options = _checked(bench.board.settings)
    settings = BoardSettings(
        voltage_max_v=own("pack_voltage_max_v", limits.pack_voltage_max_v),
        voltage_min_v=own("pack_voltage_min_v", limits.pack_voltage_min_v),
        charge_current_max_a=own("charge_current_max_a", limits.charge_current_max_a),
        discharge_current_max_a=own("discharge_current_max_a", limits.discharge_current_max_a),
        lease_ns=bench.lease_ns,
        precharge_delta_v=min(max(AGREE_SHARE * limits.pack_voltage_max_v, AGREE_MIN_V), AGREE_MAX_V),
        sign_current_a=PULSE_LIMIT_FACTOR * pulse_a(bench, limits),
        current_noise_a=_noise_a(options),
        temperature_max_c=own("temperature_max_c", limits.temperature_max_c + BEYOND_K),
        temperature_min_c=own("temperature_min_c", limits.temperature_min_c - BEYOND_K),
        fitted=_fitted(options),
    )
    if stepped:
        _require_told_from_noise(pulse_a(bench, limits), settings.current_noise_a)
    if not options.get("residual_check", True):
        settings = replace(settings, residual_timeout_ns=0)
    return settings if stepped else replace(settings, match_timeout_ns=0, sign_timeout_ns=0)


def _noise_a(options: Mapping[str, Any]) -> float:
    """Most that the board's current sensor shows while nothing flows, in A."""
    return float(options.get("current_noise_ma", CURRENT_NOISE_MA)) / 1000.0


def _require_told_from_noise(pulse_a: float, noise_a: float) -> None:
    """The board refuses a pulse of not more than twice its sensor's noise: say so before anything is switched on."""
    if round(pulse_a * 1000.0) <= 2.0 * noise_a * 1000.0:
        raise InputError(
            [
                Problem(
                    "the pulse that shows the sign of the current would be lost in the noise of the board's sensor",
                    field="devices.board.settings.current_noise_ma",
                    found=f"{noise_a * 1000.0:g}",
                    expected=f"less than {pulse_a * 500.0:g}: half of the pulse (up to 5 % of the current limit)",
                )
            ]
        )


def _fitted(options: Mapping[str, Any]) -> int:
    """What is wired to the board, as its configuration says it."""
    bits = 0
    for name, bit in (
        ("bms_line", Fitted.BMS_OK),
        ("pack_line", Fitted.PACK_CLOSED),
        ("insulation_line", Fitted.INSULATION_OK),
    ):
        bits |= bit if options.get(name, False) else 0
    for number in range(int(options.get("temperature_sensors", 0))):
        bits |= Fitted.TEMPERATURE_1 << number
    return int(bits)


def _checked(options: Mapping[str, Any]) -> Mapping[str, Any]:
    problems: list[Problem] = []
    for name, value in options.items():
        where, expected = f"devices.board.settings.{name}", OPTIONS.get(name)
        if expected is None:
            problems.append(Problem("no option of the board", field=where, found=name, expected=", ".join(OPTIONS)))
        elif name == "temperature_sensors":
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 4:
                problems.append(Problem("", field=where, found=str(value), expected=expected))
        elif name == "current_noise_ma":
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100_000:
                problems.append(Problem("", field=where, found=str(value), expected=expected))
        elif not isinstance(value, bool):
            problems.append(Problem("", field=where, found=str(value), expected=expected))
    if problems:
        raise InputError(problems)
    return options
