"""How the firmware is checked: lint, coverage, fuzzing and proof, each a module that can be run with `python -m`."""
