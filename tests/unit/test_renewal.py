"""What keeps the lease from being renewed: each reason alone, at its edge, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from packbench.core.samples import CyclerSample, Snapshot, bms_sample
from packbench.run.renewal import NEVER_NS, Feed, RenewalRules, feed_of, refusal

S = 1_000_000_000
NOW = 100 * S
RULES = RenewalRules(
    cycler_stale_ns=S,
    bms_stale_ns=2 * S,
    series=16,
    sensors=2,
    voltage_max_v=58.4,
    voltage_min_v=40.0,
    cell_max_v=3.65,
    cell_min_v=2.5,
    charge_max_a=102.0,
    discharge_max_a=122.0,
    temperature_max_c=55.0,
    temperature_min_c=-10.0,
)
GOOD = Feed(False, True, NOW - S, 52.0, 20.0, NOW - 2 * S, 16, 3.2, 3.3, 2, 20.0, 25.0)
NAN = float("nan")


def test_a_good_answer_renews() -> None:
    assert refusal(GOOD, RULES, NOW) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"voltage_v": 58.4},
        {"voltage_v": 40.0},
        {"current_a": 102.0},
        {"current_a": -122.0},
        {"cell_max_v": 3.65},
        {"cell_min_v": 2.5},
        {"temperature_max_c": 55.0},
        {"temperature_min_c": -10.0},
        {"connected": False, "voltage_v": 0.0},
        {"sensors": 3},
    ],
)
def test_at_a_limit_is_within_it(change: dict[str, float]) -> None:
    assert refusal(GOOD._replace(**change), RULES, NOW) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"latched": True}, "tripped"),
        ({"cycler_ns": NOW - S - 1}, "cycler's reading is stale"),
        ({"cycler_ns": NEVER_NS}, "cycler's reading is stale"),
        ({"bms_ns": NOW - 2 * S - 1}, "BMS's reading is stale"),
        ({"bms_ns": NEVER_NS}, "BMS's reading is stale"),
        ({"cycler_ns": NOW + 1}, "from the future"),
        ({"bms_ns": NOW + 1}, "from the future"),
        ({"cells": 13}, "13 cells, 16 expected"),
        ({"cells": 17}, "17 cells"),
        ({"sensors": 1}, "1 temperatures, 2 expected"),
        ({"current_a": NAN}, "cycler's reading cannot be"),
        ({"current_a": float("inf")}, "cycler's reading cannot be"),
        ({"voltage_v": NAN}, "cycler's reading cannot be"),
        ({"voltage_v": -52.0}, "cycler's reading cannot be"),
        ({"cell_min_v": NAN}, "cells' voltages cannot be"),
        ({"cell_max_v": NAN}, "cells' voltages cannot be"),
        ({"cell_min_v": -0.1}, "cells' voltages cannot be"),
        ({"cell_min_v": 3.4}, "cells' voltages cannot be"),
        ({"temperature_min_c": NAN}, "temperatures cannot be"),
        ({"temperature_max_c": NAN}, "temperatures cannot be"),
        ({"voltage_v": 58.41}, "pack's voltage is 58.41 V"),
        ({"voltage_v": 39.99}, "pack's voltage is 39.99 V"),
        ({"current_a": 102.1}, "current is 102.1 A"),
        ({"current_a": -122.1}, "current is -122.1 A"),
        ({"cell_max_v": 3.651}, "cells stand at"),
        ({"cell_min_v": 2.499}, "cells stand at"),
        ({"temperature_max_c": 55.1}, "temperatures are"),
        ({"temperature_min_c": -10.1}, "temperatures are"),
    ],
)
def test_each_reason_alone_withholds_the_lease(change: dict[str, float], words: str) -> None:
    assert words in refusal(GOOD._replace(**change), RULES, NOW)


def test_a_pack_without_sensors_is_not_asked_for_temperatures() -> None:
    feed = GOOD._replace(sensors=0, temperature_min_c=NAN, temperature_max_c=NAN)
    assert refusal(feed, RULES._replace(sensors=0), NOW) == ""


@pytest.mark.parametrize("temperatures_c", [(25.0, NAN), (NAN, 25.0), (NAN, NAN)])
def test_a_temperature_that_is_no_number_is_no_temperature(temperatures_c: tuple[float, ...]) -> None:
    cycler = CyclerSample(NOW - S, 52.0, 20.0, True, "cc")
    bms = bms_sample(NOW - S, np.full(16, 3.25), temperatures_c)
    feed = feed_of(Snapshot(NOW, cycler, bms, None, 52.0), latched=False, connected=True)
    assert "temperatures, 2 expected" in refusal(feed, RULES, NOW)
