"""Daly's fault bits, as the A5 protocol sends them in its 0x98 reply, and their names.

Owns the one table of names. Must not decide which of them stops a run: that is the bench file's. It exists
beside `wire/daly/a5_data.py` because it is a list, and lists grow.

Source: Daly UART/485 communication protocol V1.2, 0x98, in the reading of python-daly-bms 0.5.0
(error_codes.py). No capture of a faulty board is known, so every name is as good as that document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from packbench.core.errors import BadReply

_LEVELLED: Final = (
    "cell_over_voltage",
    "cell_under_voltage",
    "pack_over_voltage",
    "pack_under_voltage",
    "charge_over_temperature",
    "charge_under_temperature",
    "discharge_over_temperature",
    "discharge_under_temperature",
    "charge_over_current",
    "discharge_over_current",
    "soc_high",
    "soc_low",
    "cell_spread",
    "temperature_spread",
)
"""Two bits each, from bit 0 of byte 0 on: first stage (a warning), second stage (the alarm)."""

_SINGLE: Final = {
    32: "charge_mos_over_temperature",
    33: "discharge_mos_over_temperature",
    34: "charge_mos_sensor",
    35: "discharge_mos_sensor",
    36: "charge_mos_stuck",
    37: "discharge_mos_stuck",
    38: "charge_mos_open",
    39: "discharge_mos_open",
    40: "measuring_chip",
    41: "cell_wire_lost",
    42: "temperature_sensor",
    43: "eeprom",
    44: "clock",
    45: "precharge",
    46: "vehicle_communication",
    47: "internal_communication",
    48: "current_sensor",
    49: "pack_voltage_sensor",
    50: "short_circuit",
    51: "low_voltage_no_charge",
}

FAULT_NAMES: Final = {
    **{2 * n + stage: name + ("" if stage else "_warning") for n, name in enumerate(_LEVELLED) for stage in (0, 1)},
    **_SINGLE,
}
"""Bit (8 x byte + bit, both from 0) to name; python-daly-bms 0.5.0, error_codes.py. The rest have none."""

_FAULT_BITS: Final = {name: bit for bit, name in FAULT_NAMES.items()}
_FAULT_BYTES: Final = 7
_UNNAMED: Final = "alarms_bit_"


@dataclass(frozen=True, slots=True)
class Faults:
    """0x98: what is wrong."""

    alarms: tuple[str, ...]
    """In the order of the bits; one without a name is `alarms_bit_28`."""
    last_byte: int = 0
    """Byte 7. Whether it is a fault code or a leftover is not settled; nothing is decided on it."""


def decode_faults(payload: bytes) -> Faults:
    """0x98: eight bytes. Raises BadReply on a wrong length."""
    if len(payload) != _FAULT_BYTES + 1:
        raise BadReply(f"{len(payload)} bytes of Daly faults, expected {_FAULT_BYTES + 1}")
    bits = int.from_bytes(payload[:_FAULT_BYTES], "little")
    set_bits = (bit for bit in range(8 * _FAULT_BYTES) if bits >> bit & 1)
    return Faults(tuple(FAULT_NAMES.get(bit, f"{_UNNAMED}{bit}") for bit in set_bits), payload[_FAULT_BYTES])


def encode_faults(faults: Faults) -> bytes:
    """The inverse of `decode_faults`. Raises ValueError for a name that is in no list."""
    bits = 0
    for name in faults.alarms:
        known = _FAULT_BITS.get(name)
        bits |= 1 << (int(name.removeprefix(_UNNAMED)) if known is None else known)
    if bits >> 8 * _FAULT_BYTES:
        raise ValueError(f"{faults.alarms[-1]}: there are {8 * _FAULT_BYTES} fault bits")
    return bits.to_bytes(_FAULT_BYTES, "little") + faults.last_byte.to_bytes(1, "big")
