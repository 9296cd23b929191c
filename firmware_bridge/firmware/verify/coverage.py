"""Branch and MC/DC coverage of the core by the tests, measured with clang 19: `make firmware-coverage`.

Owns: the instrumented library, the run of tests/firmware on it, the table, and the refusal of anything under 100 %.
Must not: count the host board (it is measured and shown, not gated), or leave a line of the core out by a marker.
Why clang: it measures MC/DC from the compiled program (`-fcoverage-mcdc`). A decision of one condition is a branch to
it, so both columns together are what MC/DC asks for.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware_bridge.firmware.verify.tools import (
    BUILD,
    CORE,
    HOST,
    ROOT,
    Failed,
    core_sources,
    must,
    relative,
    run,
    say,
    tool,
)

FOLDER = BUILD / "coverage"
LIBRARY = FOLDER / "libpackbench_core.so"
LIBRARY_VARIABLE = "PACKBENCH_CORE_LIBRARY"
"""Read by instrumented.py, which is loaded into pytest."""
PLUGIN = "firmware_bridge.firmware.verify.instrumented"
FLAGS = ("-std=c11", "-O0", "-g", "-fprofile-instr-generate", "-fcoverage-mapping", "-fcoverage-mcdc")
TESTS_TIMEOUT_S = 900.0
TOOL_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Row:
    """One file: conditions' branches and MC/DC conditions, taken and in all."""

    name: str
    branches: tuple[int, int]
    mcdc: tuple[int, int]
    lines: tuple[int, int]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing."""
        return all(taken == count for taken, count in (self.branches, self.mcdc, self.lines))


def build() -> None:
    """Compile core, host board and the unit harness with counters."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    includes = ["-I" + relative(CORE), "-I" + relative(HOST)]
    sources = [relative(path) for path in (*core_sources(), *sorted(HOST.glob("*.c")))]
    command = [tool("clang-19"), *FLAGS, "-fPIC", "-shared", *includes, "-o", relative(LIBRARY), *sources, "-lm"]
    must(command, TOOL_TIMEOUT_S)


def measure(tests: Sequence[str]) -> None:
    """Run the tests on the instrumented library; each process leaves one raw profile."""
    env = {LIBRARY_VARIABLE: str(LIBRARY), "LLVM_PROFILE_FILE": str(FOLDER / "%p.profraw")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", PLUGIN, *tests]
    done = run(command, TESTS_TIMEOUT_S, env)
    if done.returncode != 0:
        raise Failed(f"the tests failed on the instrumented core:\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
    raw = sorted(str(path) for path in FOLDER.glob("*.profraw"))
    if not raw:
        raise Failed("the instrumented core left no profile: was it loaded at all?")
    must([tool("llvm-profdata-19"), "merge", "-o", str(FOLDER / "all.profdata"), *raw], TOOL_TIMEOUT_S)


def _export() -> dict[str, Any]:
    command = [tool("llvm-cov-19"), "export", str(LIBRARY), f"-instr-profile={FOLDER / 'all.profdata'}"]
    found: dict[str, Any] = json.loads(must(command, TOOL_TIMEOUT_S))["data"][0]
    return found


def rows(data: dict[str, Any]) -> list[Row]:
    """The table: the core's files first."""
    table: list[Row] = []
    for entry in data["files"]:
        summary = entry["summary"]
        pairs = [(int(summary[key]["covered"]), int(summary[key]["count"])) for key in ("branches", "mcdc", "lines")]
        if pairs[2][1]:
            name = os.path.relpath(entry["filename"], ROOT / "firmware_bridge" / "firmware")
            table.append(Row(name, pairs[0], pairs[1], pairs[2]))
    return sorted(table, key=lambda row: (not row.name.startswith("core"), row.name))


def missing(data: dict[str, Any]) -> list[str]:
    """Where a branch was never taken one way, or a condition never decided alone."""
    places: list[str] = []
    for entry in data["files"]:
        name = Path(entry["filename"]).name
        for line, column, _, _, taken, not_taken, *_ in entry["branches"]:
            if not taken or not not_taken:
                places.append(f"{name}:{line}:{column}: never {'true' if not taken else 'false'}")
        for record in entry.get("mcdc_records", []):
            undecided = [str(at + 1) for at, shown in enumerate(record[-1]) if not shown]
            if undecided:
                places.append(f"{name}:{record[0]}:{record[1]}: condition {', '.join(undecided)} never decided alone")
    return sorted(set(places))


def _share(pair: tuple[int, int]) -> str:
    taken, count = pair
    return f"{taken:>4}/{count:<4} {100 * taken / count if count else 100:5.1f} %"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and fail under 100 % of the core."""
    parser = argparse.ArgumentParser(prog="firmware-coverage", description=main.__doc__)
    parser.add_argument("tests", nargs="*", default=["tests/firmware"])
    options = parser.parse_args(arguments)
    try:
        build()
        measure(options.tests)
        data = _export()
    except Failed as failure:
        say(str(failure))
        return 1
    table = rows(data)
    say(f"{'file':<26}{'branches':>18}{'MC/DC conditions':>20}{'lines':>18}")
    for row in table:
        say(f"{row.name:<26}{_share(row.branches):>18}{_share(row.mcdc):>20}{_share(row.lines):>18}")
    core = [row for row in table if row.name.startswith("core")]
    if not core:
        say("no file of the core was measured")
        return 1
    if all(row.complete for row in core):
        say("core: 100 % of branches and MC/DC")
        return 0
    for place in missing(data):
        say(place)
    say("the core is not covered to 100 %")
    return 1


if __name__ == "__main__":
    sys.exit(main())
