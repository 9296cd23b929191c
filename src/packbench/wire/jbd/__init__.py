"""JBD / Xiaoxiang boards.

Owns frames and codec, payloads.
See `packbench.wire` for what every protocol here owes.
"""
