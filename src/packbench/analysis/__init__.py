"""What the recorded samples say: capacity, energy, health, the weakest cell, each with its uncertainty.

Owns every figure of a result. The figures are pure functions of plain values; files are read in
`importer`, `nebula`, `bdf` and `columns` alone.
"""
