"""The estimate from pulses on cells it has not seen: nested cross-validation by physical cell, for each shipped model.

    python tests/benchmarks/estimate.py [--seeds 1]

The tests themselves lie in the models' files. Baseline: ridge on U1..U21. Every hyper-parameter, weight and interval
factor is chosen anew inside each outer fold.
"""

from __future__ import annotations

import argparse

import numpy as np

from packbench.analysis.estimate import crossval
from packbench.analysis.estimate.pulse_json import model_paths, read_model

LEVELS = np.arange(5, 55, 5)


def by_level(error: np.ndarray, soc: np.ndarray) -> str:
    level = np.clip(np.round(soc * 20.0) * 5.0, 5.0, 50.0)
    return " ".join(f"{error[level == one].mean():5.2f}" for one in LEVELS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="shuffles of the outer folds")
    seeds = range(parser.parse_args().seeds)
    for name, path in model_paths().items():
        tests = read_model(path).model.tests
        soh, soc = tests.soh, tests.counted_soc
        print(f"\n{name}: {len(tests)} tests of {np.unique(tests.cells).size} cells; errors in SOH points")
        print(
            f"{'':34s}{'MAE':>6s} {'cover':>6s} {'half':>6s} {'refus':>6s}  at "
            + " ".join(f"{one:4d}%" for one in LEVELS)
        )

        def line(what: str, errors: list[np.ndarray], rest: str = " " * 20, *, soc: np.ndarray = soc) -> None:
            error = np.mean(errors, axis=0) * 100.0
            print(f"{what:34s}{error.mean():6.3f} {rest}   {by_level(error, soc)}", flush=True)

        line("ridge on U1..U21, nothing known", [np.abs(crossval.ridge(tests, seed) - soh) for seed in seeds])
        at_level = [np.empty(len(tests)) for _ in seeds]
        for seed in seeds:
            level = np.clip(np.round(soc * 20.0) * 5.0, 5.0, 50.0)
            for one in LEVELS:
                rows = level == one
                at_level[seed][rows] = np.abs(crossval.ridge(tests.part(rows), seed) - soh[rows])
        line("ridge on U1..U21, one a SOC level", at_level)
        for counted in (False, True):
            word = "charge counted" if counted else "nothing known"
            alone = [np.abs(crossval.rest_voltage_alone(tests, seed, counted=counted) - soh) for seed in seeds]
            line(f"rest voltage alone, {word}", alone)
            held = [crossval.nested(tests, seed, counted=counted) for seed in seeds]
            errors = [np.abs(one.soh - soh) for one in held]
            cover = np.mean([error <= one.half_width for error, one in zip(errors, held, strict=True)])
            half = np.median([one.half_width for one in held]) * 100.0
            refused = np.mean([one.refused for one in held])
            line(f"estimate from pulses, {word}", errors, f"{cover:6.1%} {half:6.2f} {refused:6.1%}")


if __name__ == "__main__":
    main()
