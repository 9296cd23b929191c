"""SCPI: commands without reply and queries with one.

Owns messages and codec, texts and numbers, the device's side.
See `packbench.wire` for what every protocol here owes.
"""
