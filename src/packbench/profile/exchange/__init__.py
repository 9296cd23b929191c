"""Profiles of others: what they carry, and what they cannot.

One file a format and a direction. Nothing is left out silently: what a target cannot carry is named.
"""
