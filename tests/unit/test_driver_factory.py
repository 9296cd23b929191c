"""The factory: the driver that a device file names, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.unit.wire_parts import ScriptedTransport, device_map

from packbench.core.errors import InputError
from packbench.drivers.ea_psb import EaPsb
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.mapped import MappedBms
from packbench.maps.schema import DeviceType, Scheme
from packbench.run.port import Port
from packbench_sim.loop import VirtualClock, run_virtual

MS = 1_000_000
EA, JK = device_map("ea-psb"), device_map("jk-pb")


def wanted(device: DeviceType, scheme: Scheme, port: Port, **settings: Any) -> Wanted:
    return Wanted(device, 1, scheme, port, 100 * MS, settings)


def test_factory_makes_what_the_device_file_names_and_refuses_the_rest() -> None:
    async def main(clock: VirtualClock) -> None:
        port = Port(ScriptedTransport(), clock)
        assert isinstance(make_driver(wanted(EA, "rtu+tcp", port)), EaPsb)
        assert isinstance(make_driver(wanted(JK, "serial", port)), MappedBms)
        with pytest.raises(InputError, match=r"jk-pb is not reached so: found modbus\+tcp, expected serial or pty"):
            make_driver(wanted(JK, "modbus+tcp", port))
        with pytest.raises(InputError, match="no driver: found jabberwocky, expected"):
            make_driver(wanted(replace(JK, driver="jabberwocky"), "serial", port))
        with pytest.raises(InputError, match="one or split"):
            make_driver(wanted(EA, "rtu+tcp", port, actuals_read="both"))

    run_virtual(main)
