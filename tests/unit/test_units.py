"""Quantities: what is read, what is refused, and that refusals say what to write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from packbench.core.units import UNITS, Rate, UnitError, parse_current, parse_quantity, parse_rate, parse_time_ns


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("3.65 V", "voltage", 3.65),
        ("3.65V", "voltage", 3.65),
        ("20 mV", "voltage", 0.02),
        ("88 A", "current", 88.0),
        ("10 min", "time", 600.0),
        ("1 h", "time", 3600.0),
        ("1 h 30 min", "time", 5400.0),
        ("2 d 4 h 0.5 s", "time", 187200.5),
        ("500 ms", "time", 0.5),
        ("25 degC", "temperature", 25.0),
        ("-10 °C", "temperature", -10.0),
        ("25 ℃", "temperature", 25.0),
        ("3 %", "ratio", 0.03),
        ("50 ppm", "ratio", 50e-6),
        ("0.1 K/min", "temperature_rate", 0.1),
        ("0.01 K/s", "temperature_rate", 0.6),
        ("2 K", "temperature_difference", 2.0),
        ("150 Ah", "charge", 150.0),
        ("52.6 kWh", "energy", 52600.0),
        ("30 kW", "power", 30000.0),
        ("4 mohm", "resistance", 0.004),
        ("1e-3 V", "voltage", 0.001),
        (".5 V", "voltage", 0.5),
        ("  7 s  ", "time", 7.0),
    ],
)
def test_reads(text, dimension, value):
    assert parse_quantity(text, dimension) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("value", "dimension", "found", "expected"),
    [
        (30, "current", "30 without a unit", "a current with its unit"),
        (3.5, "voltage", "3.5 without a unit", "a voltage with its unit"),
        ("30", "current", "'30' without a unit", "a current with its unit"),
        (True, "current", "true", "a current with its unit"),
        (None, "current", "nothing", "a current with its unit"),
        ({"a": 1}, "time", "a mapping", "a time with its unit"),
        ([1], "time", "a list", "a time with its unit"),
        ("10 m", "time", "'10 m'", "write min, or ms"),
        ("10 M", "time", "'10 M'", "write min"),
        ("25 C", "temperature", "'25 C'", "write degC"),
        ("5 sec", "time", "'sec' is not known", "(write s)"),
        ("5 Min", "time", "'Min' is not known", "(write min)"),
        ("3 v", "voltage", "'v' is not known", "(write V)"),
        ("3 furlong", "voltage", "'furlong' is not known", "a voltage with its unit"),
        ("3 A", "voltage", "'3 A', a current", "a voltage with its unit"),
        ("3,65 V", "voltage", "decimal comma", "a voltage"),
        ("1e999 V", "voltage", "not finite", "a voltage"),
        ("nan V", "voltage", "'nan V'", "a voltage"),
        ("١ V", "voltage", "'١ V'", "a voltage"),
        ("30 min 1 h", "time", "'30 min 1 h'", "from large to small"),
        ("1 h 1 h", "time", "'1 h 1 h'", "each once"),
        ("1 h x 3 s", "time", "'1 h x 3 s'", "a time"),
        ("1 h 30", "time", "'1 h 30'", "a time"),
    ],
)
def test_refuses(value, dimension, found, expected):
    with pytest.raises(UnitError) as caught:
        parse_quantity(value, dimension)
    assert found in caught.value.found
    assert expected in caught.value.expected


@pytest.mark.parametrize(
    ("text", "amperes"),
    [
        ("C/3", 50.0),
        ("C / 3", 50.0),
        ("0.5C", 75.0),
        ("0.5 C", 75.0),
        ("2C", 300.0),
        ("1 I1", 150.0),
        ("I3", 50.0),
        ("1 I3", 50.0),
        ("1 I5", 30.0),
        ("0.05 I1", 7.5),
        ("0.2 It", 30.0),
    ],
)
def test_rates_resolve_against_rated_capacity(text, amperes):
    # I1 = rated Ah / 1 h, I3 = I1 / 3, I5 = I1 / 5, by hand for 150 Ah.
    rate = parse_current(text)
    assert isinstance(rate, Rate)
    assert rate.amperes(150.0) == pytest.approx(amperes, rel=1e-12)


@pytest.mark.parametrize("text", ["C", "c/3", "0.5c", "1 i3", "1 I2", "1 I10", "C/0", "1 C/3 x"])
def test_rates_that_are_none(text):
    with pytest.raises(UnitError):
        parse_current(text)


def test_current_in_amperes_and_other_texts_are_no_rate():
    assert parse_current("30 A") == 30.0
    assert parse_rate("30 A") is None
    with pytest.raises(UnitError, match="such as 1 I3"):
        parse_current("30 V")


def test_times_are_whole_nanoseconds():
    assert parse_time_ns("0.1 s") == 100_000_000
    assert parse_time_ns("500 ms") == 500_000_000
    assert isinstance(parse_time_ns("1 h"), int)


@given(st.sampled_from(sorted(UNITS)), st.floats(-1e6, 1e6, allow_nan=False))
def test_every_unit_reads_what_it_writes(unit, number):
    dimension, factor = UNITS[unit]
    assert parse_quantity(f"{number!r} {unit}", dimension) == pytest.approx(number * factor, rel=1e-12, abs=1e-30)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text):
    # Never another exception: this is what stands between a file and the program.
    for dimension in ("voltage", "time", "ratio"):
        try:
            parse_quantity(text, dimension)
        except UnitError as error:
            assert error.expected
    try:
        parse_current(text)
    except UnitError as error:
        assert error.found
