"""The Merkle tree against a plain recursion of RFC 6962, and the RFC's own test vectors."""

from __future__ import annotations

import pytest

from packbench.core.errors import InputError
from packbench.trace.keys import SigningKey
from packbench.trace.ledger.checkpoint import Checkpoint
from packbench.trace.ledger.entry import make_entry
from packbench.trace.ledger.merkle import (
    consistency_path,
    holds_consistency,
    holds_inclusion,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_of,
)
from packbench.trace.ledger.proofs import check_proof, prove_consistency, prove_inclusion

# The inputs and roots that certificate-transparency's own tests use.
INPUTS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def by_recursion(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(by_recursion(leaves[:split]), by_recursion(leaves[split:]))


def test_the_published_roots() -> None:
    leaves = [leaf_hash(bytes.fromhex(each)) for each in INPUTS]
    assert {size: root_of(leaves[:size]).hex() for size in ROOTS} == ROOTS


def test_roots_and_proofs_of_every_size() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(34)]
    for size in range(1, 34):
        tree = leaves[:size]
        root = root_of(tree)
        assert root == by_recursion(tree)
        for index in range(size):
            path = inclusion_path(tree, index)
            assert holds_inclusion(leaves[index], index, size, path, root)
            assert not holds_inclusion(leaves[index + 1], index, size, path, root)
            assert not holds_inclusion(leaves[index], size, size, path, root)
            assert size == 1 or not holds_inclusion(leaves[index], (index + 1) % size, size, path, root)
        for old in range(1, size + 1):
            path = consistency_path(tree, old)
            assert holds_consistency(old, size, root_of(tree[:old]), root, path)
            assert not holds_consistency(old, size, leaf_hash(b"other"), root, path)
            assert not holds_consistency(old, size, root_of(tree[:old]), leaf_hash(b"other"), path)


def test_proofs_hold_against_checkpoints_alone() -> None:
    key = SigningKey.new()
    prev, lines = "0" * 64, []
    for seq in range(1, 12):
        entry = make_entry("L", seq, "2026-11-26T12:00:00+00:00", prev, {"action": "noted"}, key)
        lines.append(entry.line)
        prev = entry.hash
    leaves = [leaf_hash(line) for line in lines]
    old = Checkpoint("L", 5, root_of(leaves[:5]), "t")
    new = Checkpoint("L", 11, root_of(leaves), "t")
    inclusion = prove_inclusion("L", leaves, 4, lines[3])
    assert check_proof(inclusion, [new]) == []
    assert check_proof(inclusion, [old]) != []
    assert check_proof({**inclusion, "line": lines[4].decode()}, [new]) != []
    assert check_proof({**inclusion, "seq": 5}, [new]) != []
    consistency = prove_consistency("L", leaves, 5)
    assert check_proof(consistency, [old, new]) == []
    assert check_proof(consistency, [new]) != []
    assert check_proof({**consistency, "path": consistency["path"][:-1]}, [old, new]) != []
    for wrong in ({}, {**inclusion, "proof": "x"}, {**inclusion, "path": 7}, {**inclusion, "size": "many"}):
        with pytest.raises(InputError):
            check_proof(wrong, [new])
    with pytest.raises(InputError):
        prove_inclusion("L", leaves, 12, b"")
    with pytest.raises(InputError):
        prove_consistency("L", leaves, 0)
