"""The second count of charge and energy (I8 g): it sees half a reading, and asks nothing where a command is near."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from packbench.engine.meter import Meter
from packbench_sim.invariants.recount import Recount
from packbench_sim.invariants.violation import Violation

S = 1_000_000_000
READINGS = ((10.0, 10.0), (10.5, 9.0), (11.0, 8.5), (11.5, 8.4))
"""(s, A): a current that falls at its clamp."""


def counted(meters: list[Meter], number: int = 1, commanded_s: float = 0.0) -> list[Violation]:
    found: list[Violation] = []
    recount = Recount(found.append)
    recount.on_command(round(commanded_s * S))
    for meter in meters:
        cycler = SimpleNamespace(t_ns=meter.t_ns, current_a=meter.current_a)
        state = SimpleNamespace(meter=meter, step=SimpleNamespace(number=number))
        recount.observe(cast(Any, SimpleNamespace(cycler=cycler, pack_voltage_v=meter.voltage_v)), cast(Any, state))
    return found


def followed(share: float = 0.5) -> list[Meter]:
    """The meter after each reading; `share`: of the later one in what flowed between two."""
    meters = [Meter(round(READINGS[0][0] * S), READINGS[0][1], 4.0, 0.0, 0.0)]
    for t_s, current_a in READINGS[1:]:
        last, t_ns = meters[-1], round(t_s * S)
        hours = (t_ns - last.t_ns) / 3.6e12
        if share == 0.5:
            meters.append(last.extended(t_ns, current_a, 4.0))
        else:
            moved_ah = ((1.0 - share) * last.current_a + share * current_a) * hours
            meters.append(Meter(t_ns, current_a, 4.0, last.ah + moved_ah, last.wh + 4.0 * moved_ah))
    return meters


def test_the_engines_own_count_is_the_trapezoid_of_its_readings() -> None:
    assert counted(followed()) == []


@pytest.mark.parametrize("share", [1.0, 0.0, 0.55])
def test_another_share_of_a_reading_is_seen(share: float) -> None:
    found = counted(followed(share))
    assert len(found) == 2 * (len(READINGS) - 1), "charge and energy of each interval"
    assert {violation.invariant for violation in found} == {"I8"}


def test_what_is_counted_twice_is_seen() -> None:
    once = followed()
    twice = [*once[:2], *(meter._replace(ah=meter.ah + 1e-6) for meter in once[2:])]
    (found,) = counted(twice)
    assert "Ah flowed" in found.text


def test_nothing_is_asked_where_a_command_is_near_or_a_step_begins() -> None:
    assert counted(followed(1.0), commanded_s=11.6) == []
    wrong = followed(1.0)
    assert len(counted(wrong, commanded_s=10.2)) == 2, "what is half a second behind a command is asked again"


def test_a_command_in_the_very_instant_of_a_reading_is_no_count_of_it() -> None:
    before, reading, after = followed()[:3]
    commanded = before.commanded(reading.t_ns, 5.0)
    assert counted([before, commanded, after]) == [], "held up to the command: the reading has no part in it"
    assert counted([before, commanded._replace(wanted_ns=before.t_ns), after]), "one from before says nothing of it"
