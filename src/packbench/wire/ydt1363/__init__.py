"""YD/T 1363 in ASCII: one frame, and the dialects of Pylontech, Seplos V2 and PACE in it.

Owns frames and codec, INFO, one or two files a dialect.
See `packbench.wire` for what every protocol here owes.
"""
