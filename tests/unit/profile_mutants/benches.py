"""What the pack could do and the bench cannot: judged with a bench, where the rest is judged without."""

from __future__ import annotations

from tests.unit.profile_mutants.bases import CHARGE, DISCHARGE, DRIVE, HIT, RICH, Broken

RATED = "at most 30000 W, the rating of sim-climate's cycler"
ERROR = "more than 0.04 A, which sim-climate's cycler cannot tell from 0"

BENCHES = [
    Broken(
        "more power than the cycler has",
        "current: 1 I5",
        "current: §80 A",
        f"{DISCHARGE}.current",
        "80 A, at 403.2 V 32256 W",
        RATED,
    ),
    Broken(
        "more charging power than the cycler has",
        "current: 1 I3",
        "current: §75 A",
        f"{CHARGE}.current",
        "75 A, at 403.2 V 30240 W",
        RATED,
    ),
    Broken(
        "a constant power beyond the cycler",
        "power: 10 kW",
        "power: §31 kW",
        "steps[8].cp_discharge.power",
        "31000 W",
        RATED,
        RICH,
    ),
    Broken(
        "a resistance beyond the cycler",
        "resistance: 15 ohm",
        "resistance: §5 ohm",
        "steps[9].cr_discharge.resistance",
        "5 ohm, at 403.2 V 32514 W",
        RATED,
        RICH,
    ),
    Broken(
        "a pulse beyond the cycler",
        "{rest: 40 s}",
        "§{discharge: 80 A, for: 1 s}",
        f"{HIT}.train[2]",
        "80 A, at 403.2 V 32256 W",
        RATED,
        RICH,
    ),
    Broken("a table beyond the cycler", "peak: 20 %Pmax", "peak: §55 %Pmax", f"{DRIVE}.peak", "33000 W", RATED, RICH),
    Broken(
        "an end current within the error",
        "end_current: 0.05 I1\n",
        "end_current: §30 mA\n",
        f"{CHARGE}.end_current",
        "0.03 A",
        ERROR,
    ),
    Broken(
        "a taper's end within the error",
        "taper, end_current: 0.05 I1",
        "taper, end_current: §40 mA",
        f"{CHARGE}.on_cell_limit.end_current",
        "0.04 A",
        ERROR,
    ),
    Broken("a current within the error", "current: 1 I5", "current: §20 mA", f"{DISCHARGE}.current", "0.02 A", ERROR),
    Broken(
        "a pulse within the error",
        "{rest: 40 s}",
        "§{discharge: 20 mA, for: 1 s}",
        f"{HIT}.train[2]",
        "0.02 A",
        ERROR,
        RICH,
    ),
]
