"""Battery passports: the schemas others published, filled with what was measured and what makers state."""
