"""GB/T 27930: the DC charging bus between a charger and the BMS of an EV pack.

Owns frames, message layouts, the messages and their fields.
See `packbench.wire` for what every protocol here owes.
"""
