"""What becomes of a tested battery: regrouping its parts into new packs, grade, use, value.

Everything here works on results and tables, never on a bench. Must not measure or record.
"""
