"""Diagnostics of a record: pure functions over its samples, one file a kind of figure."""
