"""Capacity in minutes instead of hours: from pulses, from a piece of a charge or discharge, from a session on the CAN.

Owns estimates with their prediction intervals, and the refusals where there can be none. An estimate
is never a measurement: nothing here makes a result that could release a pack. The numerical parts are
pure; files are read in `pulse_table`, `window_file`, `session_file` and `pulse_json` alone.
"""
