"""Neware BTS 8: XML over TCP, and the step programs that a channel runs by itself.

Owns framing and codec, requests, replies, reading and writing XML, step files.
See `packbench.wire` for what every protocol here owes.
"""
