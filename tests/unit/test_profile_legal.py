"""Subtle but legal profiles: each compiles and checks without an error on its pack and bench."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.profile_legal import LEGAL
from tests.unit.profile_mutants.bases import beside

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile

ROOT = Path(__file__).parents[2] / "configs"
PACKS = {path.stem: load_pack(path.read_text(encoding="utf-8"), path.name) for path in ROOT.glob("packs/*.yaml")}
BENCHES = {path.stem: load_bench(path.read_text(encoding="utf-8"), path.name) for path in ROOT.glob("benches/*.yaml")}


def test_there_are_enough():
    assert len({legal.name for legal in LEGAL}) == len(LEGAL) >= 70


@pytest.mark.parametrize("legal", LEGAL, ids=lambda legal: legal.name)
def test_accepted(legal):
    pack, bench = PACKS[legal.pack], BENCHES[legal.bench]
    plan = compile_profile(legal.text, "legal.yaml", pack, beside)
    assert check_plan(plan, pack, bench).errors == ()
