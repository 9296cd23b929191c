"""The words of a probe: what the device says is there, what it does not say is not."""

from __future__ import annotations

import numpy as np

from packbench.app.probe import reading
from packbench.core.samples import ChamberSample, CyclerSample, MeterSample, Quality, bms_sample


def test_absent_is_absent_and_empty_is_empty() -> None:
    said = reading(bms_sample(1, np.array([3.3, 3.4]), (20.0,), voltage_v=6.7, alarms=()))
    assert said == {
        "voltage_v": 6.7, "cell_voltages_v": [3.3, 3.4], "cell_min_v": 3.3, "cell_max_v": 3.4, "temperatures_c": [20.0],
        "alarms": [], "plausible": True,
    }  # fmt: skip
    silent = reading(bms_sample(1, np.empty(0), (), alarms=None))
    assert silent == {"plausible": True}, (
        "no cells are no list, and a device without alarms has not said that it has none"
    )


def test_zero_is_said() -> None:
    said = reading(
        bms_sample(1, np.empty(0), (), current_a=0.0, soc=0.0, cycles=0, charge_limit_a=0.0, balancing=False)
    )
    assert (said["current_a"], said["soc"], said["cycles"], said["charge_limit_a"], said["balancing"]) == (
        0,
        0,
        0,
        0,
        False,
    )


def test_every_kind_of_device_has_its_words() -> None:
    cycler = reading(CyclerSample(1, 52.0, -3.0, True, "cc", None, Quality.IMPLAUSIBLE))
    assert cycler == {"voltage_v": 52.0, "current_a": -3.0, "output_on": True, "regulation": "cc", "plausible": False}
    chamber = reading(ChamberSample(1, 25.0, 30.0, True))
    assert chamber == {"temperature_c": 25.0, "setpoint_c": 30.0, "running": True, "alarms": [], "plausible": True}
    assert reading(MeterSample(1, {"insulation_ohm": 5e6}))["insulation_ohm"] == 5e6
