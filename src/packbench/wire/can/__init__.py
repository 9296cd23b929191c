"""CAN behind an slcan adapter, and the transport protocol of J1939 on it.

Owns one file a layer: frames, the adapter's lines, identifiers, messages of several frames.
See `packbench.wire` for what every protocol here owes.
"""
