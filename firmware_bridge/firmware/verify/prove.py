"""The proof of the state machine by induction, and of its worth by planted bugs: `make prove`.

Owns the list of lemmas, the call of the model checker and the table. Must not know what a property means: claims.c says
it. Every property is proved for one cycle and one request from *any* state that satisfies the invariant, and the
invariant for power-up, every cycle and every request: that holds for runs of any length, not for 20 steps alone. A
planted bug (planted.yaml) must break the lemma that it names, or the proof proves nothing.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import yaml
from firmware_bridge.firmware.verify.tools import CORE, FIRMWARE, ROOT, Failed, Stopwatch, run, say

PROOFS = FIRMWARE / "proofs"
ESBMC = ROOT / ".venv" / "prove" / "bin" / "esbmc"
SOURCES = ("pb_machine.c", "pb_command.c", "pb_guard.c", "pb_sequence.c", "pb_step.c", "pb_link_gen.c")
OWN = ("lemmas.c", "model.c", "claims.c", "stubs.c")
FLAGS = (
    "-Dunion=struct",  # each message in a place of its own: a request is one of them, never two at once
    "--quiet",
    "--no-bounds-check",
    "--no-pointer-check",
    "--no-div-by-zero-check",
    "--unwind",
    "65",
)
"""Bounds and pointers are the sanitizers' business (fuzz/); here it is the state machine's."""
TIMEOUT_S = 900.0
PROPERTIES = {
    0: "the invariant",
    1: "P1 the coil goes on only armed, leased, precharged",
    2: "P2 every trip latches until key, name and newer token",
    3: "P3 open is reached within its deadline, from everywhere",
    5: "P5 tripped or opening: precharge and enable off",
    6: "P6 the lease is renewed by the right heartbeat alone",
    7: "P7 a configuration is taken once, then locked",
    8: "P8 the arm sequence keeps its order",
    9: "P9 a limit is acted on within its delay",
}
"""P4, the wrap of the tick, is in all of them: the tick is any value, and the model's time never wraps."""


class Lemma(NamedTuple):
    """One call of the model checker."""

    name: str
    """START, CYCLE or REQUEST."""
    claim: int


LEMMAS = (
    Lemma("START", 0),
    *(Lemma(name, claim) for claim in PROPERTIES for name in ("CYCLE", "REQUEST")),
)


class Verdict(NamedTuple):
    """What came of it."""

    lemma: Lemma
    proved: bool
    seconds: float
    told: str
    """The claim that was violated."""


def check(lemma: Lemma, core: Path = CORE) -> Verdict:
    """Have one lemma checked against a core. Raises Failed when the checker itself fails."""
    watch = Stopwatch()
    files = [*(str(PROOFS / name) for name in OWN), *(str(core / name) for name in SOURCES)]
    defines = [f"-DLEMMA_{lemma.name}", f"-DCLAIM={lemma.claim}"]
    includes = [f"-I{PROOFS / 'include'}", f"-I{PROOFS}", f"-I{core}"]
    done = run([str(ESBMC), *files, *defines, *includes, *FLAGS], TIMEOUT_S)
    said = done.stdout + done.stderr
    if "VERIFICATION SUCCESSFUL" in said:
        return Verdict(lemma, True, watch.seconds, "")
    if "VERIFICATION FAILED" not in said:
        raise Failed(f"the model checker failed on {lemma}:\n{said[-3000:]}")
    told = said.split("Violated property:")[-1].strip().splitlines()
    return Verdict(lemma, False, watch.seconds, " ".join(line.strip() for line in told[1:2]))


def planted() -> list[dict[str, str]]:
    """The bugs: name, file, old, new, and the lemma that must break ("CYCLE 1")."""
    found: list[dict[str, str]] = yaml.safe_load((PROOFS / "planted.yaml").read_text(encoding="utf-8"))
    return found


def broken(bug: dict[str, str], folder: Path) -> Path:
    """A copy of the core with the bug in it."""
    core = folder / "core"
    shutil.copytree(CORE, core)
    source = core / bug["file"]
    text = source.read_text(encoding="utf-8")
    if text.count(bug["old"]) != 1:
        raise Failed(f"{bug['file']} holds {text.count(bug['old'])} times {bug['old']!r}")
    source.write_text(text.replace(bug["old"], bug["new"]), encoding="utf-8")
    return core


def find(bug: dict[str, str]) -> Verdict:
    """Check the lemma that a bug must break."""
    name, claim = bug["lemma"].split()
    with tempfile.TemporaryDirectory() as folder:
        return check(Lemma(name, int(claim)), broken(bug, Path(folder)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove, find every planted bug, and print both tables."""
    parser = argparse.ArgumentParser(prog="prove", description=main.__doc__)
    parser.add_argument("--only", metavar="LEMMA", help='one lemma alone, as in "CYCLE 1"')
    only = parser.parse_args(arguments).only
    if not ESBMC.exists():
        say("the model checker is missing: make prove")
        return 1
    lemmas = [lemma for lemma in LEMMAS if only in (None, f"{lemma.name} {lemma.claim}")]
    bugs = [bug for bug in planted() if only in (None, bug["lemma"])]
    missed = 0
    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for verdict in pool.map(check, lemmas):
                words = "proved" if verdict.proved else f"VIOLATED: {verdict.told}"
                say(f"{verdict.lemma.name:8s}{PROPERTIES[verdict.lemma.claim]:58s}{verdict.seconds:6.0f} s  {words}")
                missed += not verdict.proved
            for bug, verdict in zip(bugs, pool.map(find, bugs), strict=True):
                words = f"found: {verdict.told}" if not verdict.proved else "NOT FOUND"
                say(f"planted {bug['name']:58s}{verdict.seconds:6.0f} s  {words}")
                missed += verdict.proved
    except Failed as failure:
        say(str(failure))
        return 1
    say("all proved, every planted bug found" if not missed else f"{missed} did not hold")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
