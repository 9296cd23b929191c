"""Daly boards on A5 frames; their Modbus side is a register map.

Owns frames and codec, payloads, fault bits.
See `packbench.wire` for what every protocol here owes.
"""
