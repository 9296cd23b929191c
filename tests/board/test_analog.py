"""The NUCLEO's scaling and its NTC table, run on a PC: the file has no register in it."""

from __future__ import annotations

import ctypes
import math
import subprocess
from pathlib import Path

import pytest

from packbench_board.core import TEMPERATURE_NONE

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware_bridge" / "firmware"
SCANS, FULL = 4, 4095
COMMON_MV = 1440.0
FACTORY = 1500
"""A reference's count at 3.3 V: 1.21 V."""


class Pair(ctypes.Structure):
    _fields_ = [("positive", ctypes.c_uint16), ("negative", ctypes.c_uint16)]


class Counts(ctypes.Structure):
    _fields_ = [
        ("pack", Pair),
        ("cycler", Pair),
        ("current", Pair),
        ("reference", ctypes.c_uint16),
        ("reference_3300_mv", ctypes.c_uint16),
    ]


class Measured(ctypes.Structure):
    _fields_ = [
        ("pack_mv", ctypes.c_int32),
        ("cycler_mv", ctypes.c_int32),
        ("current_ma", ctypes.c_int32),
        ("temperature_dc", ctypes.c_int16 * 4),
        ("inputs", ctypes.c_uint32),
    ]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    built = tmp_path_factory.mktemp("analog") / "analog.so"
    command = ["cc", "-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{FIRMWARE / 'core'}"]
    command += ["-fsanitize=undefined", "-fsanitize-undefined-trap-on-error", "-o", str(built)]
    subprocess.run([*command, str(FIRMWARE / "boards/stm32f446/pb_analog.c")], check=True, timeout=60)
    loaded = ctypes.CDLL(str(built))
    loaded.pb_analog_convert.restype = ctypes.c_bool
    loaded.pb_ntc_dc.restype = ctypes.c_int16
    loaded.pb_ntc_dc.argtypes = [ctypes.c_uint16]
    return loaded


def pair(difference_mv: float, supply_mv: float, common_mv: float = COMMON_MV) -> Pair:
    """Counts of an amplifier's two wires, each conversion rounded."""

    def counts(pin_mv: float) -> int:
        return min(max(SCANS * round(FULL * pin_mv / supply_mv), 0), SCANS * FULL)

    return Pair(counts(common_mv + difference_mv / 2), counts(common_mv - difference_mv / 2))


def convert(
    library: ctypes.CDLL, pack_v: float, cycler_v: float, current_a: float, supply_mv: float = 3300.0
) -> tuple[bool, Measured]:
    counts = Counts(
        pair(pack_v * 2, supply_mv),
        pair(cycler_v * 2, supply_mv),
        pair(current_a * 16.4, supply_mv),
        round(FACTORY * 3300 / supply_mv),
        FACTORY,
    )
    measured = Measured()
    return library.pb_analog_convert(ctypes.byref(counts), ctypes.byref(measured)), measured


@pytest.mark.parametrize("supply_mv", [3135.0, 3300.0, 3465.0])
@pytest.mark.parametrize(
    ("pack_v", "cycler_v", "current_a"),
    [(0.0, 0.0, 0.0), (360.0, 355.5, 100.0), (1000.0, 5.0, -100.0), (-40.0, 48.0, 0.5), (800.0, 800.0, -125.0)],
)
def test_what_is_on_the_wires_is_what_is_measured(
    library: ctypes.CDLL, pack_v: float, cycler_v: float, current_a: float, supply_mv: float
) -> None:
    valid, measured = convert(library, pack_v, cycler_v, current_a, supply_mv)
    assert valid
    # A count is 0.8 mV of 2 mV for each V, on both wires; the reference has one count in 1500.
    assert measured.pack_mv == pytest.approx(pack_v * 1000, abs=450, rel=0.0015)
    assert measured.cycler_mv == pytest.approx(cycler_v * 1000, abs=450, rel=0.0015)
    assert measured.current_ma == pytest.approx(current_a * 1000, abs=60, rel=0.0015)


@pytest.mark.parametrize("which", ["pack", "cycler", "current"])
@pytest.mark.parametrize(
    ("difference_mv", "common_mv"),
    [(-2600.0, COMMON_MV), (0.0, 0.0), (0.0, 3300.0), (0.0, 720.0), (2400.0, COMMON_MV)],
    ids=["no high side", "both wires low", "both wires high", "one wire broken", "beyond clipping"],
)
def test_a_broken_amplifier_is_no_reading(
    library: ctypes.CDLL, which: str, difference_mv: float, common_mv: float
) -> None:
    healthy = pair(100.0, 3300.0)
    counts = Counts(healthy, healthy, healthy, FACTORY, FACTORY)
    measured = Measured()
    assert library.pb_analog_convert(ctypes.byref(counts), ctypes.byref(measured))
    setattr(counts, which, pair(difference_mv, 3300.0, common_mv))
    assert not library.pb_analog_convert(ctypes.byref(counts), ctypes.byref(measured))


@pytest.mark.parametrize(("reference", "factory"), [(0, FACTORY), (1000, FACTORY), (2000, FACTORY), (FACTORY, 0)])
def test_a_supply_that_cannot_be_is_no_reading(library: ctypes.CDLL, reference: int, factory: int) -> None:
    healthy = pair(100.0, 3300.0)
    counts, measured = Counts(healthy, healthy, healthy, reference, factory), Measured()
    assert not library.pb_analog_convert(ctypes.byref(counts), ctypes.byref(measured))


def test_all_counts_are_converted_without_overflow(library: ctypes.CDLL) -> None:
    """The undefined-behaviour sanitizer traps in here."""
    edges = (0, 1, SCANS * FULL // 2, SCANS * FULL - 1, SCANS * FULL, 0xFFFF)
    measured = Measured()
    for positive in edges[:-1]:
        for negative in edges[:-1]:
            for reference in (0, 1, 1375, FACTORY, 1706, FULL):
                for factory in edges:
                    both = Pair(positive, negative)
                    counts = Counts(both, both, both, reference, factory)
                    library.pb_analog_convert(ctypes.byref(counts), ctypes.byref(measured))


def ntc_count(temperature_c: float) -> int:
    """The beta equation of the part that pins.yaml names: 10 kOhm at 25 degC, B 3435 K, against 10 kOhm."""
    resistance = 10_000 * math.exp(3435 * (1 / (temperature_c + 273.15) - 1 / 298.15))
    return round(FULL * resistance / (resistance + 10_000))


def test_the_table_is_the_beta_equation_s(library: ctypes.CDLL) -> None:
    for tenths in range(-400, 1501, 3):
        temperature_c = tenths / 10
        count = ntc_count(temperature_c)
        # One count is up to 0.45 degC at the cold and 0.4 at the hot end, 0.025 at room temperature.
        step_c = 1 / max(ntc_count(temperature_c - 0.5) - ntc_count(temperature_c + 0.5), 1)
        assert library.pb_ntc_dc(count) / 10 == pytest.approx(temperature_c, abs=0.25 + step_c), temperature_c


def test_an_open_or_shorted_ntc_is_no_reading(library: ctypes.CDLL) -> None:
    readings = [library.pb_ntc_dc(count) for count in range(FULL + 1)]
    assert readings[:120] == [TEMPERATURE_NONE] * 120
    assert readings[3991:] == [TEMPERATURE_NONE] * (FULL - 3990)
    valid = readings[120:3991]
    assert TEMPERATURE_NONE not in valid
    assert valid == sorted(valid, reverse=True), "hotter is a smaller count, without a step back"
    assert valid[0] > 1500
    assert valid[-1] < -400
