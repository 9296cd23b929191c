"""`make fuzz`: coverage-guided fuzzing of every parser with atheris, each in a process of its own.

    python tests/fuzz/run.py [--runs N] [TARGET...]

Prints a line a target: executions, seconds, and what was found. A finding's input is kept in the folder that is named.
Exit code 1 when there was one.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MAX_BYTES = 600
SLOWEST_S = 10
"""One input may take no longer: a hang."""


def one(name: str, runs: int, corpus: Path) -> None:
    """Fuzz one target in this process; libFuzzer ends the process by itself."""
    atheris: Any = import_module("atheris")

    with atheris.instrument_imports(include=["packbench", "packbench_sim"]):
        from tests.fuzz.targets import seeds, targets

        target = targets()[name]()
    for index, seed in enumerate(seeds(name)):
        (corpus / f"seed-{index}").write_bytes(seed)
    words = [f"-runs={runs}", f"-max_len={MAX_BYTES}", f"-timeout={SLOWEST_S}", "-seed=1", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *words, f"-artifact_prefix={corpus.parent}/", str(corpus)], target)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--one", nargs=2, metavar=("TARGET", "FOLDER"))
    args = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    if args.one:
        one(args.one[0], args.runs, Path(args.one[1]))
        return 0
    from tests.fuzz.targets import targets

    names = args.targets or sorted(targets())
    kept = Path(tempfile.mkdtemp(prefix="packbench-fuzz-"))
    failed = 0
    for name in names:
        corpus = kept / name / "corpus"
        corpus.mkdir(parents=True)
        began_s = time.monotonic()
        done = subprocess.run(
            [sys.executable, __file__, "--runs", str(args.runs), "--one", name, str(corpus)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", done.stderr)
        count = int(executed[1]) if executed else 0
        ok = done.returncode == 0 and count >= args.runs
        failed += not ok
        print(f"{name:36} {count:9,} runs {time.monotonic() - began_s:7.0f} s  {'ok' if ok else 'FOUND'}", flush=True)
        if not ok:
            (kept / name / "log").write_text(done.stderr)
            print("\n".join(done.stderr.splitlines()[-15:]))
    print(f"{len(names)} parsers, {failed} with a finding; inputs and logs in {kept}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
