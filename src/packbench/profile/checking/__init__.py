"""Whether a plan is right for a pack and a bench, and what it will take, before current flows.

`check` gathers every judgement. Of a step by itself: `setpoints` and `ends` against the pack and the limits (`bounds`),
`cycler` against the bench; `review` is for a reviewer. Of steps together: `flow`, `formulas`, `course` for a reviewer.
`estimate` bounds duration, charge, energy and heat.
"""
