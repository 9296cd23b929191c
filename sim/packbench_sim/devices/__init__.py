"""Devices that answer bytes: what a driver meets on a simulated or served wire.

Each is backed by the simulated parts (`packbench_sim.parts`), so that a write changes later reads.
"""

from packbench_sim.devices.ea_psb import EaPsbDevice
from packbench_sim.devices.hv_bms import HvBmsDevice
from packbench_sim.devices.jk_pb import JkPbDevice

__all__ = ["EaPsbDevice", "HvBmsDevice", "JkPbDevice"]
