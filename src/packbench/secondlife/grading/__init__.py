"""Grading: rules as files, and the probability of each grade from the figures' own uncertainties."""
