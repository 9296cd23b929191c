"""A battery's identity, and records that nobody can quietly change: codes, keys, the ledger, passports.

Owns what is written down about a battery beyond one run. Must not run, measure or analyse anything: it gets results
and keeps them. Time is handed in; only files below the data folder are written.
"""
