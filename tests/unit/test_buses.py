"""What charging sessions are told of the cycler."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.wire_parts import ScriptedTransport

from packbench.app.devices import Buses, Line
from packbench.core.samples import CyclerSample, Quality
from packbench_sim.loop import VirtualClock, run_virtual


@pytest.mark.parametrize(("quality", "told"), [(Quality.GOOD, [(350.0, 20.0)]), (Quality.IMPLAUSIBLE, [])])
def test_a_session_hears_readings_that_can_be(quality: Quality, told: list[tuple[float, float]]) -> None:
    heard: list[tuple[float, float]] = []

    class Session:
        def report_output(self, voltage_v: float, current_a: float) -> None:
            heard.append((voltage_v, current_a))

    async def main(clock: VirtualClock) -> None:
        buses = Buses(clock)
        session: Any = Session()
        buses._sessions[Line(ScriptedTransport())] = session
        buses.tell_sessions(CyclerSample(1, 350.0, 20.0, True, "cc", quality=quality))

    run_virtual(main)
    assert heard == told
