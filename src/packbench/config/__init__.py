"""From YAML text to checked specifications of packs and benches.

Owns the strict reading of YAML, units on values, and errors that name file, line, column and field, all of a file at
once. Must not open files (`packbench.files` finds them, the caller reads them) nor touch hardware. It exists so that
a mistake in a file is told before anything moves, in the words of the file.
"""
