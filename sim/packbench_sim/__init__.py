"""The simulated bench: cells, pack, cycler, BMS, board and the clock that jumps.

Owns physics, the devices' side of the wire, instrument errors and the virtual event loop. Must not be imported by
production code, except where `packbench.app` and the command line compose it. It exists so that the whole program,
not a copy of it, can be tried in seconds without hardware.
"""
