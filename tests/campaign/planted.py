"""Whether the campaign catches planted bugs: `make planted`.

    python -m tests.campaign.planted [--only ID] [--json] [--detector COMMAND] [--seeds 4,12,30] ...

Owns the trials of a detector: which bug runs where, what its answer means, the score. Must not know what a bug is about
(planted.yaml) nor how it is planted (planted_tree.py). A campaign that finds nothing in a sound tree may find nothing
in any: how many of these bugs it catches is what its silence is worth.

Caught is a bug whose campaign reports a violation, or ends by a defect of the code under test. A campaign that ends by
anything else, or not in time, has caught nothing, and is listed as such. The sound tree is tried first: a detector that
complains of it says nothing. Results are kept in build/planted/, and a run that was interrupted goes on, as long as the
tree, the bug and the detector are the same.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import nullcontext, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

from tests.campaign.planted_tree import HOME, ROOT, Mutation, PlantError, Tree, load_mutations

KEPT = ROOT / "build" / "planted" / "results.json"
STARTER = "import sys; from packbench.cli import main; sys.exit(main(sys.argv[1:]))"
DETECTOR = (
    f"{{python}} -c '{STARTER}' campaign --first-seed {{first}} --seeds {{seeds}} --minutes 10"
    " --processes 1 --no-shrink --json"
)
CRASH_POINTS = "{python} -m pytest -q -x -p no:cacheprovider tests/crash"
"""The other half of the campaign: what the campaign of faults lets pass is tried on a disk that loses power."""
STAGES = (4, 12, 30, 60, 100, 200, 400, 600)
"""One form of a row in one state comes up a few times in 600 seeds of ten minutes: silence of fewer says little."""
SHARE = 38 / 40
CODE_UNDER_TEST = ("src/packbench/", "firmware_bridge/packbench_board/")
_FRAME = re.compile(r'^\s*File "([^"]+)", line \d+', re.MULTILINE)
_SHOWN_MAX = 100

Verdict = Literal["caught", "missed", "error", "timeout"]


@dataclass(frozen=True, slots=True)
class Detector:
    """The command that is to find something."""

    template: str
    """`{python}`, `{first}` and `{seeds}` are filled in; it runs in the root of the tree that it is to judge."""
    stages: tuple[int, ...] = STAGES
    """It is asked for seeds up to the first of these numbers, then up to the next, until it finds something."""
    timeout_s: float = 900.0
    """Of each stage."""
    by_exit_code: bool = False
    """It reports no JSON: exit code 1 is "found something", as pytest's is."""
    name: str = "exit code 1"
    """What a finding of one that reports no JSON is called."""

    @property
    def words(self) -> str:
        """What results depend on."""
        return f"{self.template} {self.stages} {self.timeout_s:g} {self.by_exit_code}"

    def command(self, seeds: range) -> list[str]:
        python = shlex.quote(sys.executable)
        return shlex.split(self.template.format(python=python, first=seeds.start, seeds=len(seeds)))

    def asked(self) -> list[range]:
        """The seeds of each stage."""
        begins = (0, *self.stages)
        return [range(before + 1, last + 1) for before, last in zip(begins, self.stages, strict=False)]


@dataclass(slots=True)
class Outcome:
    """What a detector made of one tree."""

    verdict: Verdict
    by: tuple[str, ...] = ()
    """Invariants and rows that were violated, the most frequent first; "crash" for a defect."""
    seeds: int | None = None
    """The first seed that showed it: seeds count from 1."""
    seconds: float = 0.0
    told: str = ""
    """What was reported, in a few words."""
    digest: str = field(default="", repr=False)
    """Of the bug."""


def judged(stdout: str, stderr: str, code: int, root: Path, *, by_exit_code: bool) -> Outcome:
    """What a detector that has ended says."""
    if by_exit_code:
        words = (stdout.strip() or stderr.strip()).rpartition("\n")[2]
        if code == 1:
            return Outcome("caught", ("exit code 1",), told=words)
        return Outcome("missed" if code == 0 else "error", told=words)
    found = _json_in(stdout)
    if found is not None and isinstance(violations := found.get("violations"), list):
        if not violations:
            return Outcome("missed", told=f"{found.get('seeds', '?')} seeds, no violation")
        names = [str(each.get("of") or each.get("invariant") or "?") for each in violations]
        by = tuple(sorted(set(names), key=lambda name: (-names.count(name), name)))
        first = min((int(each["seed"]) for each in violations if "seed" in each), default=None)
        return Outcome("caught", by, first, 0, str(violations[0].get("text", "")))
    trace = stderr + stdout + _defect(root)
    words = trace.strip().rpartition("\n")[2] or f"exit code {code}, nothing was said"
    if code != 0 and _crashed(trace, root):
        return Outcome("caught", ("crash",), told=words)
    return Outcome("error", told=words)


def _crashed(trace: str, root: Path) -> bool:
    """Whether a traceback ends in the code under test: the last frame of it that is in the tree is there."""
    for block in trace.split("Traceback (most recent call last)"):
        own = [frame for name in _FRAME.findall(block) if (frame := Path(name)).is_relative_to(root)]
        if own and str(own[-1].relative_to(root)).startswith(CODE_UNDER_TEST):
            return True
    return False


def _json_in(text: str) -> dict[str, Any] | None:
    """The report: all of the text, or its last line."""
    for part in (text, text.strip().rpartition("\n")[2]):
        with suppress(ValueError):
            found = json.loads(part)
            if isinstance(found, dict):
                return found
    return None


def _defect(root: Path) -> str:
    """The traceback that the command line has put away."""
    try:
        return (root / HOME / "defect.txt").read_text(encoding="utf-8")
    except OSError:
        return ""


class Trials:
    """Runs a detector on copies of the tree, one bug in each at a time."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False

    def try_on(self, tree: Tree, mutation: Mutation | None, asked: Sequence[range]) -> Outcome:
        """The detector's answer to a bug; to the sound tree for None."""
        began = time.monotonic()
        outcome = Outcome("error")
        try:
            with nullcontext() if mutation is None else tree.planted(mutation):
                for seeds in asked:
                    outcome = self._ask(tree, seeds)
                    if outcome.verdict != "missed":
                        break
        except PlantError as error:
            outcome = Outcome("error", told=str(error).strip().rpartition("\n")[2])
        outcome.seconds = round(time.monotonic() - began, 1)
        outcome.digest = "" if mutation is None else mutation.digest
        return outcome

    def stop(self) -> None:
        """End every detector that runs, with what it has started."""
        with self._lock:
            self._stopped = True
            for process in self._running:
                _end(process)

    def _ask(self, tree: Tree, seeds: range) -> Outcome:
        tree.forget()
        with self._lock:
            if self._stopped:
                return Outcome("error", told="stopped")
            process = subprocess.Popen(
                self._detector.command(seeds),
                cwd=tree.root,
                env=tree.environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,
            )
            self._running.add(process)
        try:
            stdout, stderr = process.communicate(timeout=self._detector.timeout_s)
        except subprocess.TimeoutExpired:
            _end(process)
            process.communicate()
            return Outcome("timeout", told=f"nothing within {self._detector.timeout_s:g} s")
        finally:
            with self._lock:
                self._running.discard(process)
        outcome = judged(stdout, stderr, process.returncode, tree.root, by_exit_code=self._detector.by_exit_code)
        if outcome.by == ("exit code 1",):
            outcome.by = (self._detector.name,)
        return outcome


def _end(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


class Kept:
    """Results on disk."""

    def __init__(self, path: Path, key: str) -> None:
        self._path = path
        self._key = key
        self.sound: Outcome | None = None
        self.results: dict[str, Outcome] = {}
        with suppress(OSError, ValueError, LookupError, TypeError):
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["key"] == key:
                self.sound = None if data["sound"] is None else _outcome(data["sound"])
                self.results = {name: _outcome(each) for name, each in data["results"].items()}

    def of(self, mutation: Mutation) -> Outcome | None:
        """The result of this very bug; one that was an error is found out anew."""
        known = self.results.get(mutation.id)
        return known if known is not None and known.digest == mutation.digest and known.verdict != "error" else None

    def save(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        sound = None if self.sound is None else asdict(self.sound)
        data = {"key": self._key, "sound": sound, "results": {name: asdict(one) for name, one in self.results.items()}}
        partial = self._path.with_suffix(".partial")
        partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        partial.replace(self._path)


def _outcome(data: dict[str, Any]) -> Outcome:
    values: dict[str, Any] = {**data, "by": tuple(data["by"])}
    return Outcome(**values)


class Progress:
    """One line that is written over on a terminal; a line for each result elsewhere."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._caught = total, 0, 0
        self._lively = sys.stderr.isatty()

    def one(self, name: str, outcome: Outcome) -> None:
        self._done += 1
        self._caught += outcome.verdict == "caught"
        line = f"{self._done}/{self._total}, caught {self._caught}: {name} {outcome.verdict} ({outcome.seconds:.0f} s)"
        self.say(line, last=self._done == self._total)

    def say(self, line: str, *, last: bool = True) -> None:
        begin, end = ("\r\x1b[K", "\n" if last else "") if self._lively else ("", "\n")
        sys.stderr.write(begin + line + end)
        sys.stderr.flush()


def run(
    mutations: Sequence[Mutation], detectors: Sequence[Detector], copies: int, kept_at: Path, *, anew: bool
) -> Kept:
    """Try every bug that has no result yet. Raises PlantError when the detector complains of the sound tree."""
    with tempfile.TemporaryDirectory(prefix="packbench-planted-") as folder:
        trees = [Tree.copied(Path(folder) / f"tree-{number + 1}") for number in range(copies)]
        if len({tree.digest for tree in trees}) != 1:
            raise PlantError("the tree was changed while it was copied: try again")
        kept = Kept(kept_at, " ".join([trees[0].digest, *(detector.words for detector in detectors)]))
        if anew:
            kept.sound, kept.results = None, {}
        left = [mutation for mutation in mutations if kept.of(mutation) is None]
        trials, progress = [Trials(detector) for detector in detectors], Progress(len(left))

        def tried(tree: Tree, mutation: Mutation | None) -> Outcome:
            """By one detector after the other, until one finds something."""
            outcome = Outcome("error")
            for detector, trial in zip(detectors, trials, strict=True):
                before_s = outcome.seconds
                outcome = trial.try_on(tree, mutation, detector.asked())
                outcome.seconds += before_s
                if outcome.verdict != "missed":
                    break
            return outcome

        if kept.sound is None and left:
            kept.sound = tried(trees[0], None)
            progress.say(f"the sound tree: {kept.sound.verdict} ({kept.sound.seconds:.0f} s)")
            if kept.sound.verdict != "missed":
                raise PlantError(f"{kept.sound.verdict} in the sound tree: {_words(kept.sound)}: {kept.sound.told}")
            kept.save()
        free: SimpleQueue[Tree] = SimpleQueue()
        for tree in trees:
            free.put(tree)

        def on_a_free_one(mutation: Mutation) -> Outcome:
            tree = free.get()
            try:
                return tried(tree, mutation)
            finally:
                free.put(tree)

        with ThreadPoolExecutor(copies) as pool:
            running: dict[Future[Outcome], Mutation] = {pool.submit(on_a_free_one, each): each for each in left}
            try:
                for future in as_completed(running):
                    mutation = running[future]
                    kept.results[mutation.id] = outcome = future.result()
                    kept.save()
                    progress.one(mutation.id, outcome)
            except BaseException:
                for trial in trials:
                    trial.stop()
                pool.shutdown(cancel_futures=True)
                raise
        return kept


def _words(outcome: Outcome) -> str:
    return ", ".join(outcome.by) or outcome.verdict


def table(mutations: Sequence[Mutation], kept: Kept) -> str:
    """One line a bug, then those that were not caught, then the score."""
    lines = [f"{'planted bug':<36} {'caught by':<44} {'seed':>5} {'s':>6}"]
    missed: list[str] = []
    for mutation in mutations:
        outcome = kept.results[mutation.id]
        caught = outcome.verdict == "caught"
        by = _words(outcome) if caught else f"NOT CAUGHT ({outcome.verdict})"
        seed = "" if outcome.seeds is None else str(outcome.seeds)
        lines.append(f"{mutation.id:<36} {by[:44]:<44} {seed:>5} {outcome.seconds:>6.0f}")
        if not caught:
            missed.append(f"  {mutation.id}: {mutation.title} (expected: {', '.join(mutation.expect)}); {outcome.told}")
    if missed:
        lines += ["", "not caught:", *(line[: _SHOWN_MAX * 3] for line in missed)]
    return "\n".join([*lines, "", f"caught {_caught(mutations, kept)} of {len(mutations)}"])


def _caught(mutations: Sequence[Mutation], kept: Kept) -> int:
    return sum(kept.results[mutation.id].verdict == "caught" for mutation in mutations)


def as_json(mutations: Sequence[Mutation], kept: Kept) -> dict[str, Any]:
    results = [
        {"id": mutation.id, "title": mutation.title, "expect": list(mutation.expect)}
        | {name: value for name, value in asdict(kept.results[mutation.id]).items() if name != "digest"}
        for mutation in mutations
    ]
    return {"caught": _caught(mutations, kept), "of": len(mutations), "results": results}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: enough were caught; 1: too few; 2: nothing was found out."""
    parser = argparse.ArgumentParser(description="Plant bugs in a copy of the tree; see which a campaign catches.")
    parser.add_argument("--only", action="append", default=[], metavar="ID", help="this bug alone; may be repeated")
    parser.add_argument("--detector", default=DETECTOR, help="{python}, {first} and {seeds} are filled in")
    parser.add_argument("--by-exit-code", action="store_true", help="exit code 1 means found: the detector is pytest")
    parser.add_argument("--seeds", default=",".join(map(str, STAGES)), help="up to which seed, stage by stage")
    parser.add_argument("--timeout", type=float, default=900.0, metavar="S", help="of one call of the detector")
    parser.add_argument("--copies", type=int, default=2, help="copies of the tree, and detectors at a time")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where results are kept")
    parser.add_argument("--anew", action="store_true", help="forget the kept results")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    stages = tuple(int(part) for part in given.seeds.split(","))
    if stages[0] < 1 or list(stages) != sorted(set(stages)):
        parser.error(f"--seeds: {given.seeds} does not rise from at least 1")
    detectors = [Detector(given.detector, stages, given.timeout, given.by_exit_code)]
    if given.detector == DETECTOR:
        detectors.append(Detector(CRASH_POINTS, (1,), given.timeout, by_exit_code=True, name="crash points"))
    try:
        mutations = load_mutations()
        if unknown := set(given.only) - {mutation.id for mutation in mutations}:
            raise PlantError(f"no such planted bug: {', '.join(sorted(unknown))}")
        wanted = [mutation for mutation in mutations if not given.only or mutation.id in given.only]
        for mutation in wanted:
            mutation.applied_to((ROOT / mutation.file).read_text(encoding="utf-8"))
        kept = run(wanted, detectors, max(min(given.copies, len(wanted)), 1), given.kept, anew=given.anew)
    except PlantError as error:
        sys.stderr.write(f"planted bugs: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nplanted bugs: interrupted; the same command goes on from here\n")
        return 130
    sys.stdout.write((json.dumps(as_json(wanted, kept), indent=1) if given.json else table(wanted, kept)) + "\n")
    return 0 if _caught(wanted, kept) >= SHARE * len(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
