"""Any maker's samples to one table: column maps, readers of files, counters, and the cut into steps.

Pure but for `raw` (reads a file) and `maps` (reads a column map). Nothing here judges a result.
"""
