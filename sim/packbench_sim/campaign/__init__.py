"""The fault campaign: benches that are broken on purpose, by the thousand, in virtual time.

controller.py   one life of the host's program on a bench that outlives it
draw.py         a seed to a plan of faults
trial.py        one seed: lives follow one another, each with its fault; a person repairs in between
conclusions.py  what is concluded from a life that is over
judged.py       whether a row's promise was kept
told.py         what a life's record says
tally.py        what all trials came to
shrink.py       a violation to the fewest faults that still show it
runner.py       trials in parallel processes, resumable
"""
