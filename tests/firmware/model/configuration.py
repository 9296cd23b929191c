"""What a configuration may say."""

from __future__ import annotations

from binascii import crc_hqx
from struct import Struct

from packbench_board import frames as f

RANGES = {
    "lease_ms": (100, 2000),
    "precharge_settle_ms": (0, 1000),
    "precharge_timeout_ms": (10, 10_000),
    "limit_delay_ms": (0, 20),
    "precharge_delta_mv": (1, 100_000),
    "voltage_max_mv": (1, 2_000_000),
    "voltage_min_mv": (1, 2_000_000),
    "charge_max_ma": (1, 2_000_000),
    "discharge_max_ma": (1, 2_000_000),
    "temperature_max_dc": (-400, 2000),
    "temperature_min_dc": (-400, 2000),
    "precharge_pause_ms": (1, 60_000),
    "precharge_tries": (1, 10),
    "sign_current_ma": (1, 2_000_000),
    "sign_delta_mv": (0, 100_000),
    "current_noise_ma": (0, 100_000),
}
"""The others: at most 60 s."""


def in_range(config: f.Configure) -> bool:
    """Every field within its range, and no limits that contradict each other."""
    for name, value in config._asdict().items():
        low, high = RANGES.get(name, (0, 255 if name == "fitted" else 60_000))
        if not low <= value <= high:
            return False
    return config.voltage_min_mv < config.voltage_max_mv and config.temperature_min_dc < config.temperature_max_dc


def config_crc(config: f.Configure) -> int:
    """CRC-16 of the payload as it stands on the wire."""
    return crc_hqx(Struct("<" + f.FIELDS[f.TYPES[f.Configure]]).pack(*config), 0xFFFF)
