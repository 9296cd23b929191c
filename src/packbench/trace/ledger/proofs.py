"""Proofs for others: that an entry is in a ledger, and that a later ledger only grew, without handing the ledger over.

Owns the JSON of a proof, its making and its checking. Checking needs the proof, a checkpoint and a public key; the
entry's own line travels with the proof.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

from packbench.core.errors import InputError, Problem
from packbench.trace.ledger.checkpoint import Checkpoint
from packbench.trace.ledger.entry import NotAnEntry, read_entry
from packbench.trace.ledger.merkle import (
    consistency_path,
    holds_consistency,
    holds_inclusion,
    inclusion_path,
    leaf_hash,
    root_of,
)

INCLUSION: Final = "packbench.inclusion"
CONSISTENCY: Final = "packbench.consistency"


def prove_inclusion(ledger: str, leaves: Sequence[bytes], seq: int, line: bytes) -> dict[str, Any]:
    """That entry `seq` is in the ledger of this size. Raises InputError for an entry that it has not."""
    if not 1 <= seq <= len(leaves):
        raise InputError(Problem("", field="--entry", found=str(seq), expected=f"1 to {len(leaves)}"))
    return {
        "proof": INCLUSION,
        "ledger": ledger,
        "size": len(leaves),
        "root": _text(root_of(leaves)),
        "seq": seq,
        "line": line.decode(),
        "path": [_text(each) for each in inclusion_path(leaves, seq - 1)],
    }


def prove_consistency(ledger: str, leaves: Sequence[bytes], old_size: int) -> dict[str, Any]:
    """That the ledger of this size begins with the one of `old_size`. Raises InputError."""
    if not 1 <= old_size <= len(leaves):
        raise InputError(Problem("", field="--since", found=str(old_size), expected=f"1 to {len(leaves)}"))
    return {
        "proof": CONSISTENCY,
        "ledger": ledger,
        "old_size": old_size,
        "old_root": _text(root_of(leaves[:old_size])),
        "size": len(leaves),
        "root": _text(root_of(leaves)),
        "path": [_text(each) for each in consistency_path(leaves, old_size)],
    }


def check_proof(proof: Mapping[str, Any], checkpoints: Sequence[Checkpoint]) -> list[str]:
    """What is wrong with a proof against checkpoints whose signatures hold; empty: it holds.

    Raises InputError when it is no proof.
    """
    try:
        return _check(proof, checkpoints)
    except (LookupError, TypeError, ValueError) as error:
        raise InputError(Problem("", field="proof", found=str(error), expected="a proof of a ledger")) from error


def _check(proof: Mapping[str, Any], checkpoints: Sequence[Checkpoint]) -> list[str]:
    ledger, size, root = proof["ledger"], int(proof["size"]), _bytes(proof["root"])
    path = [_bytes(each) for each in proof["path"]]
    if proof["proof"] == INCLUSION:
        wanted = [(size, root)]
        seq, line = int(proof["seq"]), str(proof["line"]).encode()
        holds = holds_inclusion(leaf_hash(line), seq - 1, size, path, root)
        problems = [] if holds else [f"the path does not lead from entry {seq} to the root"]
        try:
            entry = read_entry(line)
        except NotAnEntry as error:
            return [*problems, f"its line is no entry: {error}"]
        if (entry.seq, entry.ledger) != (seq, ledger):
            problems.append(f"its line is entry {entry.seq} of {entry.ledger}")
    elif proof["proof"] == CONSISTENCY:
        old_size, old_root = int(proof["old_size"]), _bytes(proof["old_root"])
        wanted = [(old_size, old_root), (size, root)]
        holds = holds_consistency(old_size, size, old_root, root, path)
        problems = [] if holds else [f"the ledger of {size} entries does not begin with the one of {old_size}"]
    else:
        raise ValueError(repr(proof["proof"]))
    vouched = {(each.size, each.root) for each in checkpoints if each.ledger == ledger}
    problems += [
        f"no checkpoint vouches for size {size} with that root" for size, root in wanted if (size, root) not in vouched
    ]
    return problems


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _bytes(text: Any) -> bytes:
    return base64.b64decode(str(text), validate=True)
