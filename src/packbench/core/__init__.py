"""The words every other package speaks: samples, limits, records, results and the exception tree.

Owns frozen values and the few functions that make them. Must not wait, read a clock, a file or a device, nor know
who uses it. It exists at the bottom of the layers so that everything that decides can be a plain function of values.
"""
