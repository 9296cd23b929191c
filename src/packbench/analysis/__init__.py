"""From samples to figures: capacity, energy, state of health, spread, and their uncertainty.

Owns the arithmetic and the budget by GUM, for our own runs and for foreign files alike. Must not talk to devices,
lay out pages or decide what is released. It exists so that every figure in a report can be computed again from data.
"""
