"""JK boards on 4E57 frames; their PB series is a register map.

Owns frames and codec, items.
See `packbench.wire` for what every protocol here owes.
"""
