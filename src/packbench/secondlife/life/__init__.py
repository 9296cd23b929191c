"""Remaining life: an ageing model whose every parameter stands in a file, and the range of years and cycles."""
