"""Profiles in our language, and beside each what it means, said once more for PyBaMM.

Owns the second telling: it is written by hand and knows nothing of our compiler, so that what the two have in common
is the cell and these two texts, not a program. Positive currents charge. A cell here has 25 Ah.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.contract.differential_bench import CAPACITY_AH, CUTOFF_V, FULL_V

Step = list[dict[str, Any]]
"""What is held, one thing after the other, in the time of one step of ours."""
C = CAPACITY_AH
MIN = 60.0
DRIVE_A = ((0, -5), (7, -30), (13, -12), (24, 0), (30, 15), (36, 8), (41, -20), (53, -40), (56, -3), (70, 10), (75, 0))
DRIVE_W = ((0, -40), (9, -90), (14, -15), (30, 60), (37, -70), (50, 0), (62, 25), (70, -110), (74, -5), (90, 0))
"""(s, A) and (s, W): a city in small. Each value holds until the next."""


@dataclass(frozen=True, slots=True)
class Case:
    """One profile."""

    name: str
    initial_soc: float
    text: str
    """The profile's steps, without its last."""
    steps: Callable[[float, float], list[Step]]
    """(full V, cut-off V) -> the same for PyBaMM."""
    sample_s: float = 1.0

    @property
    def profile(self) -> str:
        """The whole profile."""
        head = f"profile: {self.name}\ntitle: {{en: Differential, zh: 比对}}\nrecord: {{dt: 10 s}}\nsteps:"
        return f"{head}{self.text}  - end\n"

    def experiment(self, kind: str, ended_s: list[float]) -> dict[str, Any]:
        """What tests/contract/thevenin.py is to run, and when our steps ended."""
        steps = self.steps(FULL_V[kind], CUTOFF_V[kind])
        told = [{"holds": holds, "ended_s": at_s} for holds, at_s in zip(steps, ended_s, strict=True)]
        return {"initial_soc": self.initial_soc, "steps": told}


def hold(quantity: str, value: float, **until: float) -> dict[str, Any]:
    """Hold a quantity until one of these is met."""
    return {"quantity": quantity, "value": value, "until": until}


def lasting(seconds: float, quantity: str, value: float) -> dict[str, Any]:
    """Hold a quantity for a time."""
    return {"quantity": quantity, "value": value, "for_s": seconds}


def pieces(quantity: str, points: Sequence[tuple[float, float]]) -> Step:
    """Points (time, value), each value held until the next point; the last one ends the table."""
    return [lasting(until_s - since_s, quantity, value) for (since_s, value), (until_s, _) in pairwise(points)]


def rest(seconds: float) -> Step:
    return [lasting(seconds, "current", 0.0)]


CASES = (
    Case(
        "capacity",
        0.6,
        """
  - cc_discharge: {current: C/3, until: voltage <= pack_cutoff}
  - rest: {for: 30 min}
  - cccv_charge: {current: C/2, voltage: pack_full, end_current: 0.05C}
""",
        lambda full, cutoff: [
            [hold("current", -C / 3, voltage_below=cutoff)],
            rest(30 * MIN),
            [hold("current", C / 2, voltage_above=full), hold("voltage", full, current_below=0.05 * C)],
        ],
    ),
    Case(
        "full-cycles",
        0.3,
        """
  - loop:
      repeat: 2
      steps:
        - cc_charge: {current: 1C, until: voltage >= pack_full}
        - rest: {for: 10 min}
        - cc_discharge: {current: 1C, until: voltage <= pack_cutoff}
        - rest: {for: 10 min}
""",
        lambda full, cutoff: (
            [
                [hold("current", C, voltage_above=full)],
                rest(10 * MIN),
                [hold("current", -C, voltage_below=cutoff)],
                rest(10 * MIN),
            ]
            * 2
        ),
    ),
    Case(
        "by-charge",
        0.8,
        """
  - rest: {for: 100 s}
  - loop:
      repeat: 2
      steps:
        - cc_discharge: {current: 0.8C, until: step_ah >= 9.1 Ah}
        - cc_charge: {current: 0.6C, until: step_ah >= 5.05 Ah}
  - cc_discharge: {current: 0.8C, until: [step_ah >= 20 Ah, voltage <= pack_cutoff]}
""",
        lambda full, cutoff: [
            rest(100.0),
            *[[hold("current", -0.8 * C, charge_above=9.1)], [hold("current", 0.6 * C, charge_above=5.05)]] * 2,
            [hold("current", -0.8 * C, charge_above=20.0, voltage_below=cutoff)],
        ],
    ),
    Case(
        "by-time",
        0.6,
        """
  - loop:
      repeat: 3
      steps:
        - cc_discharge: {current: 0.8C, for: 15 min, until: voltage <= pack_cutoff}
        - rest: {for: 5 min}
        - cc_charge: {current: 0.5C, for: 20 min, until: voltage >= pack_full}
        - rest: {for: 5 min}
""",
        lambda full, cutoff: (
            [
                [lasting(15 * MIN, "current", -0.8 * C)],
                rest(5 * MIN),
                [lasting(20 * MIN, "current", 0.5 * C)],
                rest(5 * MIN),
            ]
            * 3
        ),
    ),
    Case(
        "tapers",
        0.5,
        """
  - cccv_charge: {current: 1C, voltage: pack_full, end_current: 0.04C}
  - cc_discharge: {current: 0.5C, until: step_ah >= 10.03 Ah}
  - cccv_charge: {current: 0.7C, voltage: pack_full, end_current: 0.01C, until: current <= 0.1C}
""",
        lambda full, cutoff: [
            [hold("current", C, voltage_above=full), hold("voltage", full, current_below=0.04 * C)],
            [hold("current", -0.5 * C, charge_above=10.03)],
            [hold("current", 0.7 * C, voltage_above=full), hold("voltage", full, current_below=0.1 * C)],
        ],
    ),
    Case(
        "rungs",
        0.7,
        """
  - cc_charge: {current: 0.8C, until: voltage >= pack_full}
  - cc_charge: {current: 0.4C, until: voltage >= pack_full}
  - cc_charge: {current: 0.1C, until: voltage >= pack_full}
""",
        lambda full, cutoff: [
            [hold("current", 0.8 * C, voltage_above=full)],
            [hold("current", 0.4 * C, voltage_above=full)],
            [hold("current", 0.1 * C, voltage_above=full)],
        ],
    ),
    Case(
        "voltage",
        0.5,
        """
  - cc_charge: {current: 0.8C, until: voltage >= pack_full - 40 mV}
  - cv_charge: {voltage: pack_full, current: 0.8C, end_current: 0.05C}
  - rest: {for: 20 min}
  - cccv_discharge: {current: 1C, voltage: pack_cutoff, end_current: 0.3C}
""",
        lambda full, cutoff: [
            [hold("current", 0.8 * C, voltage_above=full - 0.04)],
            [hold("current", 0.8 * C, voltage_above=full), hold("voltage", full, current_below=0.05 * C)],
            rest(20 * MIN),
            [hold("current", -C, voltage_below=cutoff), hold("voltage", cutoff, current_below=0.3 * C)],
        ],
    ),
    Case(
        "power",
        0.6,
        """
  - cp_discharge: {power: 40 W, until: voltage <= pack_cutoff}
  - rest: {for: 10 min}
  - cp_charge: {power: 45 W, until: voltage >= pack_full}
  - cp_discharge: {power: 80 W, for: 11 min, until: voltage <= pack_cutoff}
""",
        lambda full, cutoff: [
            [hold("power", -40.0, voltage_below=cutoff)],
            rest(10 * MIN),
            [hold("power", 45.0, voltage_above=full)],
            [lasting(11 * MIN, "power", -80.0)],
        ],
    ),
    Case(
        "load",
        0.8,
        """
  - cr_discharge: {resistance: 200 mohm, for: 20 min, until: voltage <= pack_cutoff}
  - cc_charge: {current: 0.5C, for: 10 min, until: voltage >= pack_full}
  - cr_discharge: {resistance: 150 mohm, until: voltage <= pack_cutoff}
""",
        lambda full, cutoff: [
            [lasting(20 * MIN, "resistance", 0.2)],
            [lasting(10 * MIN, "current", 0.5 * C)],
            [hold("resistance", 0.15, voltage_below=cutoff)],
        ],
    ),
    Case(
        "pulses",
        0.9,
        """
  - loop:
      repeat: 3
      steps:
        - pulse:
            train: [{discharge: 1C, for: 18 s}, {rest: 40 s}, {charge: 0.75C, for: 10 s}, {rest: 20 s}]
            repeat: 2
        - cc_discharge: {current: 1C, until: step_ah >= 4.03 Ah}
        - rest: {for: 5 min}
""",
        lambda full, cutoff: (
            [
                [
                    lasting(18.0, "current", -C),
                    lasting(40.0, "current", 0.0),
                    lasting(10.0, "current", 0.75 * C),
                    lasting(20.0, "current", 0.0),
                ]
                * 2,
                [hold("current", -C, charge_above=4.03)],
                rest(5 * MIN),
            ]
            * 3
        ),
        sample_s=0.5,
    ),
    Case(
        "drive",
        0.8,
        f"""
  - current_profile:
      points: [{", ".join(f"[{at} s, {current} A]" for at, current in DRIVE_A)}]
      repeat: 10
  - rest: {{for: 5 min}}
  - power_profile:
      points: [{", ".join(f"[{at} s, {power} W]" for at, power in DRIVE_W)}]
      repeat: 6
""",
        lambda full, cutoff: [
            pieces("current", DRIVE_A) * 10,
            rest(5 * MIN),
            pieces("power", DRIVE_W) * 6,
        ],
        sample_s=0.5,
    ),
)
