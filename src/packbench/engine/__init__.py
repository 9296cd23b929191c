"""Runs a plan: advance(plan, state, snapshot, now) -> (state, effects), or follow(...) where the cycler runs it.

Owns steps, loops, end conditions and the totals of Ah and Wh. Must not await, read a clock or talk to a device: it
returns effects and `packbench.run` carries them out. It exists as a pure function so that the same code drives the
bench and the simulation, and a run can be replayed from its records.
"""
