"""docs/profiles.md: every example compiles and checks clean, every key, unit and variable it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.units import UNITS
from packbench.profile.amounts import READINGS
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile
from packbench.profile.language.formula import WORDS
from packbench.profile.language.schema import StepModel
from packbench.profile.language.step_models import STEP_MODELS

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/profiles.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOC, flags=re.DOTALL)
PACK = load_pack((ROOT / "configs/packs/nmc-96s.yaml").read_text(encoding="utf-8"), "pack")
BENCH = load_bench((ROOT / "configs/benches/sim-hv.yaml").read_text(encoding="utf-8"), "bench")


def test_there_are_examples():
    assert len(EXAMPLES) == 2


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_examples_compile_and_check_clean(example):
    plan = compile_profile(example, "docs/profiles.md", PACK)
    report = check_plan(plan, PACK, BENCH)
    assert report.errors == ()
    assert {warning.message for warning in report.warnings} <= {"short rest"}


def test_the_page_names_the_whole_language():
    for name in (*READINGS, *WORDS, *STEP_MODELS):
        assert f"`{name}`" in DOC, name
    for model in STEP_MODELS.values():
        for key, info in model.model_fields.items():
            assert re.search(rf"`{info.alias or key}\b", DOC), key
    assert all(f"`{key.alias or name}`" in DOC for name, key in StepModel.model_fields.items())


def test_every_unit_in_the_table_is_known():
    table = DOC[DOC.index("| quantity |") : DOC.index("I1 is the rated")]
    for number, unit in re.findall(r"`(?:[0-9.]+ [a-zA-Z]+ )*([0-9.]+) ([^`0-9 ]+)`", table):
        assert unit in UNITS or unit in ("I1", "I3", "I5", "It"), f"{number} {unit}"
