"""Test profiles: the language, its reader and its compiler to a flat plan.

Owns step types, end conditions and rates as an engineer writes them, and their resolution against a pack. Must not
execute anything or know a device. It exists apart from `engine` so that a profile can be checked, plotted and
exchanged without a bench.
"""
