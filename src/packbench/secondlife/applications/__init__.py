"""Applications: what each asks of a battery, as files, and whether a tested pack gives it."""
