"""The profile language: text in, a flat plan out.

`schema` and `step_models` say what a file may contain, `values`, `formula` and `conditions` read its small texts,
`loader` reads the file and its sub-profiles, `compiler` resolves everything against a pack.
"""
