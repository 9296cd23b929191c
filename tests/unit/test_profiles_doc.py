"""docs/profiles.md: every example compiles and checks clean, every key, unit and variable it names exists.

That each example runs is tests/scenario/test_profile_examples.py.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from packbench.app.job import find_beside
from packbench.config.bench import load_bench
from packbench.config.pack import load_pack
from packbench.core.units import UNITS
from packbench.profile.amounts import PAST, READINGS
from packbench.profile.checking.check import check_plan
from packbench.profile.language.compiler import compile_profile
from packbench.profile.language.formula import WORDS
from packbench.profile.language.schema import AroundModel, ProfileModel, RecordModel, StepModel, UntilModel
from packbench.profile.language.step_models import STEP_MODELS

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/profiles.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```yaml\n(.*?)```", DOC, flags=re.DOTALL)
PACK = load_pack((ROOT / "configs/packs/nmc-96s.yaml").read_text(encoding="utf-8"), "pack")
BENCH = load_bench((ROOT / "configs/benches/sim-climate.yaml").read_text(encoding="utf-8"), "bench")


def test_there_are_ten_examples():
    assert len(EXAMPLES) == 10


@pytest.mark.parametrize("example", EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_examples_compile_and_check_clean(example):
    plan = compile_profile(example, "docs/profiles.md", PACK, find_beside)
    report = check_plan(plan, PACK, BENCH)
    assert report.errors == ()


def test_the_page_names_the_whole_language():
    for name in (*READINGS, *WORDS, *STEP_MODELS, *PAST):
        assert re.search(rf"`{re.escape(name)}(?:\(label|`)", DOC), name
    models = (*STEP_MODELS.values(), StepModel, ProfileModel, RecordModel, AroundModel, UntilModel)
    for model in models:
        for key, info in model.model_fields.items():
            name = info.alias or key
            if (model, name) != (STEP_MODELS["set"], "values"):
                assert re.search(rf"\b{name}\b(?::|`)", DOC), name


def test_every_unit_in_the_table_is_known():
    table = DOC[DOC.index("| quantity |") : DOC.index("I1 is the rated")]
    found = re.findall(r"`(?:[0-9.]+ [a-zA-Z]+ )*([0-9.]+) ([^`0-9 ]+)`", table)
    assert len(found) > 15
    for number, unit in found:
        assert unit in UNITS or unit in ("I1", "I3", "I5", "It", "%Pmax"), f"{number} {unit}"
