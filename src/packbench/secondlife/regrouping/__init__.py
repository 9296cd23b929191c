"""Modules or cells to packs.

`members` and `table` say what there is, `rules` what may stand together, `plan` what comes of it; `exact` proves small
plans, `large` makes big ones, `bound` says what nothing can beat, `explain` why it is so.
"""
