"""Modules or cells to packs.

`members` and `file` say what there is, `energy` what a pack of them delivers, `rules` what may stand together, `plan`
what comes of it; `exact` proves small plans, `large` makes big ones by `search` and `balance`, `bound` says what
nothing can beat, `explain` why it is so.
"""
