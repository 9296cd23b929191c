"""I7, I13 and I14: what is left of a run when it is over.

Owns the checks of a finished record, its verdict and the operators' words (its energy: energy.py). Reads the file by
itself (record_file.py).

I7. Seen: what was handed to the recorder, the highest number it called durable, and the file. Every acknowledged number
    is in the file once, the numbers run from 1 without a gap, and each stored record is the one that was handed over
    under that number (time, kind, current, Ah, all cells, all data). No tolerance. Resumed runs go on with the numbers.
I13. Seen: what operators said (told by whoever plays them), and the events. For each word there is an event of its own
    with the operator's name and the word; "arm" and "run" are answered for by the run's own description, which opens
    the chain. The chain, worked out anew, holds.
I14. Seen: result.json and the file. PASS: sealed, as long as it says, chain whole, the result's hash and the stored
    hash are the chain's head, one serial in file, result and hand, no trip; no gap, unless the result owns up to it
    and the caller's rule allows gaps.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packbench_sim.invariants.journal import Kept
from packbench_sim.invariants.record_file import StoredRun
from packbench_sim.invariants.violation import Report, Violation

OWN_WORDS = ("arm", "run", "start")
"""Words that the run's own description answers for."""


@dataclass(frozen=True, slots=True)
class Word:
    """What an operator said."""

    t_ns: int
    name: str
    who: str


def check_kept(run: StoredRun, kept: Kept, report: Report) -> None:
    """I7."""
    expected = list(range(1, len(run.seqs) + 1))
    if run.seqs != expected:
        wrong = next(number for number, found in zip(expected, run.seqs, strict=True) if number != found)
        report(Violation("I7", 0, f"record {wrong} is missing, doubled or out of order", {"seq": wrong}))
    if len(run.seqs) < kept.acknowledged:
        lost = {"acknowledged": kept.acknowledged, "stored": len(run.seqs)}
        report(Violation("I7", 0, f"{kept.acknowledged - len(run.seqs)} acknowledged records are lost", lost))
    for seq, mark in run.marks.items():
        put = kept.marks.get(seq)
        if put != mark:
            data = {"seq": seq, "put": repr(put), "stored": repr(mark)}
            report(Violation("I7", 0, f"record {seq} is not the one that was handed over", data))
            return


# -- I13 and I14 -----------------------------------------------------------------------------------


def check_words(run: StoredRun, words: Sequence[Word], report: Report) -> None:
    """I13."""
    if run.broken is not None:
        text = f"the chain is broken at record {run.broken}"
        report(Violation("I13", 0, text, {"seq": run.broken}))
    for seq, _, kind, data in run.events:
        if kind == "resuming" and not data.get("operator"):
            report(Violation("I13", 0, "a run was gone on with, and nothing says by whose word", {"seq": seq}))
    answered: set[int] = set()
    for word in words:
        if word.name in OWN_WORDS:
            found = run.meta["operator"] == word.who
        else:
            seq = next(
                (seq for seq, _, kind, data in run.events if seq not in answered and _says(kind, data, word)), None
            )
            found = seq is not None
            if seq is not None:
                answered.add(seq)
        if not found:
            text = f"no event says that {word.who!r} said {word.name!r}"
            report(Violation("I13", word.t_ns, text, {"word": word.name, "who": word.who}))


def _says(kind: str, data: dict[str, Any], word: Word) -> bool:
    said = list(_texts(data))
    return word.who in said and (word.name in kind or word.name in said)


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _texts(one)]  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]  # pyright: ignore[reportUnknownVariableType]
    return []


def check_pass(run: StoredRun, result: dict[str, Any], serial: str, report: Report, *, gaps_allowed: bool) -> None:
    """I14."""
    if result["verdict"] != "PASS":
        return
    gaps = run.data_of("gap")
    shown_gaps: list[Any] = result.get("gaps") or []
    stored = run.meta["log_sha256"]
    head = stored.hex() if isinstance(stored, bytes) else str(stored)
    wrong = {
        "the record is not sealed": not run.sealed,
        f"the chain is broken at record {run.broken}": run.broken is not None,
        "a record is missing": run.seqs != list(range(1, len(run.seqs) + 1)),
        "the stored hash is not the chain's head": head != run.head,
        "the result's hash is not the chain's head": result["hashes"].get("log_sha256") != run.head,
        "the serials differ": not serial == run.meta["serial"] == result["serial"],
        "there was a trip": bool(run.data_of("trip")) or bool(result["trips"]),
        "there is a gap": bool(gaps) and not (gaps_allowed and len(shown_gaps) >= len(gaps)),
    }
    for text, so in wrong.items():
        if so:
            report(Violation("I14", 0, f"PASS, although {text}", {"run_id": run.meta["run_id"]}))


def result_in(folder: Path) -> dict[str, Any] | None:
    """The result beside a record, if it has been made."""
    path = folder / "result.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
