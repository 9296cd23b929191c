"""The composition root: the only place that chooses real or simulated.

Owns the making of a run out of files, devices and a clock, and of a result out of a run's record.
It must not decide anything about a pack. Simulation is imported lazily and only from here and
from the command line, so that a bench that never simulates never loads it.
"""
