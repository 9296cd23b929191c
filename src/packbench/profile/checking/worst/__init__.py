"""The worst case: an interval analysis of a plan over everything that is not known of the pack.

One file an idea: what is assumed (`assumed`), the pack's curve (`curve`), its state (`state`), what formulas come to
(`values`), when conditions are met (`ends`), one transfer function a kind of step (`driven`, `waveform`, `still`),
heat (`heat`), the way through the plan (`walk`), and what of it an author should hear (`remarks`).
"""
