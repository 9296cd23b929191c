"""The planted bugs can still be planted: each in exactly one place of today's tree, and what comes of it compiles."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from tests.campaign.planted import judged
from tests.campaign.planted_tree import ROOT, Mutation, PlantError, load_mutations

MUTATIONS = load_mutations()
AREAS = ("safety", "engine", "run", "drivers", "store", "wire", "analysis")


def test_there_are_enough_of_them_and_they_are_spread():
    assert len(MUTATIONS) >= 40
    files = {mutation.file for mutation in MUTATIONS}
    for area in AREAS:
        assert any(name.startswith(f"src/packbench/{area}/") for name in files), area
    assert sum(mutation.rebuild for mutation in MUTATIONS) >= 6
    assert max(sum(mutation.file == name for mutation in MUTATIONS) for name in files) <= len(MUTATIONS) // 6


def test_none_is_in_the_simulation_or_in_a_test():
    """What is looked for is a mistake in what runs on a real bench."""
    places = ("src/packbench/", "firmware_bridge/packbench_board/", "firmware_bridge/firmware/core/")
    assert [mutation.id for mutation in MUTATIONS if not mutation.file.startswith(places)] == []


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_it_can_be_planted(mutation: Mutation):
    sound = (ROOT / mutation.file).read_text(encoding="utf-8")
    planted = mutation.applied_to(sound)
    assert mutation.rebuild is (Path(mutation.file).suffix in {".c", ".h"})
    assert mutation.title.strip() and mutation.expect
    if mutation.file.endswith(".py"):
        # Compared as trees: a bug that only moves white space or a comment would be none.
        assert ast.dump(ast.parse(planted)) != ast.dump(ast.parse(sound))
        compile(planted, mutation.file, "exec")
    else:
        assert "".join(planted.split()) != "".join(sound.split())


def test_one_that_fits_nowhere_or_twice_is_refused():
    mutation = MUTATIONS[0]
    for text in ("", mutation.old * 2):
        with pytest.raises(PlantError, match="occurs"):
            mutation.applied_to(text)


def test_a_list_with_an_id_twice_is_refused(tmp_path: Path):
    entry = "- {id: a, title: t, file: f, old: x, new: y, expect: [I1]}\n"
    path = tmp_path / "list.yaml"
    path.write_text(entry * 2, encoding="utf-8")
    with pytest.raises(PlantError, match="twice"):
        load_mutations(path)
    path.write_text(entry.replace("expect", "expects"), encoding="utf-8")
    with pytest.raises(PlantError, match="keys"):
        load_mutations(path)


TRACE = """Traceback (most recent call last):
  File "{root}/sim/packbench_sim/campaign/trial.py", line 10, in run_trial
  File "{root}/{last}", line 20, in there
  File "/usr/lib/python3/asyncio/tasks.py", line 30, in elsewhere
ValueError: what was wrong
"""


def test_violations_are_caught_and_named_by_the_first_seed(tmp_path: Path):
    violations = [{"of": "I2", "seed": 7, "text": "a"}, {"of": "I5", "seed": 3, "text": "b"}, {"of": "I5", "seed": 9}]
    report = json.dumps({"seeds": 24, "violations": violations})
    outcome = judged("something said before\n" + report, "", 1, tmp_path, by_exit_code=False)
    assert (outcome.verdict, outcome.by, outcome.seeds) == ("caught", ("I5", "I2"), 3)


def test_a_campaign_without_a_violation_has_missed_it(tmp_path: Path):
    assert judged('{"seeds": 24, "violations": []}', "", 0, tmp_path, by_exit_code=False).verdict == "missed"


@pytest.mark.parametrize(
    ("last", "verdict"),
    [("src/packbench/run/port.py", "caught"), ("sim/packbench_sim/plant.py", "error"), ("configs/x", "error")],
)
def test_a_crash_counts_where_it_is_in_the_code_under_test(tmp_path: Path, last: str, verdict: str):
    trace = TRACE.format(root=tmp_path, last=last)
    assert judged("", trace, 1, tmp_path, by_exit_code=False).verdict == verdict
    # One that comes back from another process: the frames of this one stand behind it.
    here = TRACE.format(root=tmp_path, last="sim/packbench_sim/campaign/runner.py")
    assert judged("", f"{trace}\nThe above exception\n\n{here}", 1, tmp_path, by_exit_code=False).verdict == verdict


def test_an_end_without_a_word_is_an_error(tmp_path: Path):
    assert judged("", "", 2, tmp_path, by_exit_code=False).verdict == "error"
    assert judged("", "", 0, tmp_path, by_exit_code=False).verdict == "error"
    assert [judged("", "", code, tmp_path, by_exit_code=True).verdict for code in (0, 1, 2)] == [
        "missed",
        "caught",
        "error",
    ]
