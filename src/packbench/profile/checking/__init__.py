"""Whether a plan is right for a pack and a bench, and what it will take, before current flows.

`check` gathers every judgement, `setpoints` judges single numbers, `estimate` bounds duration, charge, energy and heat.
"""
