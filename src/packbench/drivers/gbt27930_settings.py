"""What a GB/T 27930 charger is told: periods, time-outs, its own limits, and the facts that are unsure.

Owns the frozen settings of `drivers/gbt27930`, their defaults with the reason of each, and the reading of them from
the options of the device file and of a bench. Must not decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from packbench.core.errors import InputError, Problem
from packbench.wire.can.j1939_transport import TransportSettings

_MS: Final = 1_000_000
_S: Final = 1_000_000_000

Edition = Literal["2015", "2011"]


@dataclass(frozen=True, slots=True)
class ChargerSettings:
    """Periods and time-outs are the standard's (chapters 8 and 10, figure A.6) unless said otherwise."""

    edition: Edition = "2015"
    """ "2011": no CHM and BHM, CML and CCS of 6 bytes, as in a trace of such a charger."""
    charger_number: int | None = None
    """Of CRM and CSD; None: not given (all ones), as in both traces of hybtalented."""
    region: str | None = None
    """3 characters of CRM."""
    ccs_bytes: int = 8
    """8 by the standard; two real chargers send 7 (the last is not used)."""

    chm_period_ns: int = 250 * _MS
    crm_period_ns: int = 250 * _MS
    cts_period_ns: int = 500 * _MS
    cml_period_ns: int = 250 * _MS
    cro_period_ns: int = 250 * _MS
    ccs_period_ns: int = 50 * _MS
    cst_period_ns: int = 10 * _MS
    csd_period_ns: int = 250 * _MS
    cem_period_ns: int = 250 * _MS
    """Unsure: the sources differ in how long an error message is repeated at all."""

    general_timeout_ns: int = 5 * _S
    """For BHM, BRM, BCP, the first BRO and BRO staying away, the first BCL and BCS, BSM, BST."""
    bcl_timeout_ns: int = 1 * _S
    bcs_timeout_ns: int = 5 * _S
    bro_timeout_ns: int = 60 * _S
    """Until the battery is ready, while it keeps saying that it is not."""
    bsd_timeout_ns: int = 10 * _S
    """From the first CST."""
    retries: int = 3
    """How often the handshake begins anew after a time-out before charging. Never while charging: what
    was switched off by a fault stays off until somebody begins a new session."""

    cem_time_ns: int = 1250 * _MS
    """How long errors are told: 5 messages, as the BMS of a trace does (unsure for chargers)."""
    csd_time_ns: int = 500 * _MS
    """How long statistics are told once the BMS's have come (unsure: two in the trace when it ends)."""
    early_stop_ns: int = 500 * _MS
    """How long CST is said to a BMS that does not charge yet, which the standard does not foresee (unsure)."""

    voltage_max_v: float = 750.0
    voltage_min_v: float = 50.0
    current_max_a: float = 250.0
    current_min_a: float = 0.0
    """What CML offers: the bench's cycler's, to be set by the bench."""
    permit: bool = True
    """What CCS says while nothing speaks against it; the cycler, not this message, makes the current."""
    stop_on_fault: bool = True
    """End charging when BSM reports a fault (table 20: "shall stop"); False: the sample's alarms alone tell."""

    use_cells: bool = True
    """Put BMV's cell voltages into samples, which then are as old as the newest BMV (up to its 10 s)."""
    cells_wait_ns: int = 2 * _S
    """How long the first reading waits for BMV and BMT, which are optional and when first is not said (unsure)."""

    transport: TransportSettings = field(default_factory=TransportSettings)


_SECONDS: Final = {
    "general_timeout_s": "general_timeout_ns",
    "bcl_timeout_s": "bcl_timeout_ns",
    "bcs_timeout_s": "bcs_timeout_ns",
    "bro_timeout_s": "bro_timeout_ns",
    "bsd_timeout_s": "bsd_timeout_ns",
    "cem_time_s": "cem_time_ns",
    "csd_time_s": "csd_time_ns",
    "early_stop_s": "early_stop_ns",
    "cells_wait_s": "cells_wait_ns",
}
_NUMBERS: Final = {
    "voltage_max_v": (0.1, 6553.4),
    "voltage_min_v": (0.0, 6553.4),
    "current_max_a": (0.1, 400.0),
    "current_min_a": (0.0, 400.0),
}
"""SI unit bounds of what CML can carry."""
_FLAGS: Final = ("permit", "stop_on_fault", "use_cells")


def settings_from(options: Mapping[str, Any]) -> ChargerSettings:
    """The settings of a device file's options and a bench's settings, by name; others than these are not looked at.

    Raises:
        InputError: A value that the setting cannot have.
    """
    changes: dict[str, Any] = {}
    for name, value in options.items():
        if name in _SECONDS:
            changes[_SECONDS[name]] = round(_number(name, value, 0.0, 3600.0) * _S)
        elif name in _NUMBERS:
            changes[name] = _number(name, value, *_NUMBERS[name])
        elif name in _FLAGS:
            changes[name] = _one_of(name, value, (True, False))
        elif name == "edition":
            changes[name] = _one_of(name, str(value), ("2015", "2011"))
        elif name == "ccs_bytes":
            changes[name] = _one_of(name, value, (7, 8))
        elif name == "retries":
            changes[name] = round(_number(name, value, 0, 10))
        elif name == "charger_number":
            changes[name] = None if value is None else round(_number(name, value, 0, 0xFFFF_FFFE))
        elif name == "region":
            changes[name] = None if value is None else _region(value)
    return replace(ChargerSettings(), **changes)


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InputError(Problem("", field=name, found=repr(value), expected=f"a number from {low:g} to {high:g}"))
    return float(value)


def _region(value: Any) -> str:
    text = str(value)
    if len(text) != 3 or not text.isascii():
        raise InputError(Problem("", field="region", found=repr(value), expected="3 ASCII characters"))
    return text


def _one_of(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    if not any(value is item or (value == item and type(value) is type(item)) for item in allowed):
        raise InputError(Problem("", field=name, found=repr(value), expected=" or ".join(map(str, allowed))))
    return value
