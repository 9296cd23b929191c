"""Random inputs into the firmware under AddressSanitizer and UBSan, guided by coverage: `make fuzz-firmware`.

Owns the two targets, their build and the share of the executions of each. Must not know what a target claims: the C in
fuzz/ does. A finding is an exit code, with the input kept in build/fuzz.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from firmware_bridge.firmware.verify.tools import BUILD, CORE, FIRMWARE, Failed, Stopwatch, core_sources, must, run, say
from firmware_bridge.firmware.verify.tools import tool as program

FOLDER = BUILD / "fuzz"
FLAGS = ("-std=c11", "-O2", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all")
COMPILE_TIMEOUT_S = 120.0
RUN_TIMEOUT_S = 24 * 3600.0


class Target(NamedTuple):
    """One fuzz target."""

    name: str
    share: float
    """Of all executions."""
    length_max: int


TARGETS = (Target("parser", 0.6, 256), Target("session", 0.4, 2048))


def build(name: str, core: Path = CORE, folder: Path = FOLDER) -> Path:
    """Compile a target with the core. Raises Failed."""
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name
    sources = [str(core / path.name) for path in core_sources()]
    own = str(FIRMWARE / "fuzz" / f"{name}.c")
    must([program("clang-19"), *FLAGS, f"-I{core}", own, *sources, "-o", str(made)], COMPILE_TIMEOUT_S)
    return made


def fuzz(made: Path, target: Target, runs: int, seed: int = 0) -> str:
    """Run a target; what it said of a finding, empty when there was none. `seed` 0 takes another one each time."""
    corpus = made.parent / f"{target.name}-corpus"
    corpus.mkdir(exist_ok=True)
    words = [f"-runs={runs}", f"-max_len={target.length_max}", f"-seed={seed}", f"-artifact_prefix={made.parent}/"]
    done = run([str(made), *words, str(corpus)], RUN_TIMEOUT_S)
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-4000:]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz every target, and fail on a finding."""
    parser = argparse.ArgumentParser(prog="fuzz-firmware", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=100_000_000)
    runs: int = parser.parse_args(arguments).runs

    def one(target: Target) -> bool:
        watch = Stopwatch()
        count = round(runs * target.share)
        found = fuzz(build(target.name), target, count)
        rate = count / max(watch.seconds, 1e-9)
        say(f"{target.name}: {count} executions in {watch.seconds:.0f} s ({rate:.0f}/s): {found or 'no finding'}")
        return not found

    try:
        with ThreadPoolExecutor(len(TARGETS)) as pool:
            return 0 if all(pool.map(one, TARGETS)) else 1
    except Failed as failure:
        say(str(failure))
        return 1


if __name__ == "__main__":
    sys.exit(main())
