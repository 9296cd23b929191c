"""Faults: what can be broken, and how it is made true.

active.py      which faults of the plant are active now
catalogue.py   every row of the faults catalogue, with its promise and where it can occur
wires.py       what faults do to bytes
injector.py    makes a row true in a world, and undoes it
triggers.py    when: at a time, by chance, in a state, when something happens
seen.py        what the world shows: the controller's state, and since when a fault could be seen
"""

from packbench_sim.faults.active import (
    COOLING_FAULT_K_MIN,
    FAULT_FLAGS,
    LEAK_OHM,
    SCALE_FAULT_FACTOR,
    SETPOINT_FAULT_FACTOR,
    WEAK_CELL_BEYOND_V,
    Faults,
    Injection,
    parse_injection,
)

__all__ = [
    "COOLING_FAULT_K_MIN",
    "FAULT_FLAGS",
    "LEAK_OHM",
    "SCALE_FAULT_FACTOR",
    "SETPOINT_FAULT_FACTOR",
    "WEAK_CELL_BEYOND_V",
    "Faults",
    "Injection",
    "parse_injection",
]
