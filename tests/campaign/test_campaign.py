"""The campaign as CI runs it: 200 seeds of ten minutes, every fault in every state, nothing violated."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from packbench_sim.faults.catalogue import BY_ID, FORM_BUDGETS_NS, INJECTABLE, ROWS

SEEDS = 200
MINUTES = 10


def told(*words: str) -> str:
    """What a campaign prints. A process of its own: it starts two more."""
    program = Path(sys.executable).with_name("packbench")
    done = subprocess.run([program, "campaign", *words], capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode in (0, 5), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Its report."""
    kept = tmp_path_factory.mktemp("campaign") / "kept.jsonl"
    return json.loads(told("--seeds", str(SEEDS), "--minutes", str(MINUTES), "--out", str(kept), "--json"))


def listed(campaign: dict[str, Any]) -> list[str]:
    """Its violations, in words."""
    return [f"{each['of']}, seed {each['seed']}: {each['text']} ({each['command']})" for each in campaign["violations"]]


def test_nothing_is_violated(campaign: dict[str, Any]) -> None:
    found = listed(campaign)
    assert not found, "\n".join(found[:10])
    assert campaign["ok"]
    assert campaign["seeds"] == SEEDS
    assert campaign["simulated_hours"] >= SEEDS * MINUTES / 60


def test_every_row_whose_part_exists_is_injected_and_held_or_listed_as_not(campaign: dict[str, Any]) -> None:
    injected = {row: sum(states.values()) for row, states in campaign["injections"].items()}
    drawn = {row for row in INJECTABLE if BY_ID[row].states}
    assert drawn <= set(injected)
    for row in drawn:
        missed = injected[row] - campaign["held"][row]
        assert missed == 0 or BY_ID[row].not_held, f"{row}: {missed} of {injected[row]} not held"
    assert {"violations", "latencies", "trips", "lives", "resumed"} <= set(campaign)


def test_detection_stays_within_the_budgets(campaign: dict[str, Any]) -> None:
    late = {
        row: found
        for row, found in campaign["latencies"].items()
        if found["budget_s"] is not None and found["worst_s"] > found["budget_s"]
    }
    assert not {row for row in late if row in FORM_BUDGETS_NS or not (BY_ID[row].refuses or BY_ID[row].not_held)}


def test_killed_runs_are_gone_on_with(campaign: dict[str, Any]) -> None:
    assert campaign["resumed"] >= 20
    assert Counter(campaign["ended"])["pass"] >= 100


def test_every_row_of_the_catalogue_is_there_once_and_pending_ones_say_why() -> None:
    reference = Path(__file__).with_name("rows.txt").read_text(encoding="utf-8").split()
    assert [row.id for row in ROWS] == reference
    for row in ROWS:
        assert bool(row.pending) != bool(row.states) or row.id == "host.tick_wrap"
        assert set(row.not_held) <= set(row.states)


def test_two_faults_at_a_time_violate_nothing_either() -> None:
    found = json.loads(told("--pairs", "--seeds", "16", "--minutes", "10", "--json"))
    assert not listed(found), "\n".join(listed(found)[:10])
    assert found["pairs"]
    faults = sum(count for states in found["injections"].values() for count in states.values())
    assert faults > found["lives"], "more than one to a life"


def test_what_is_not_judged_is_not_shown() -> None:
    one, two = told("--seeds", "1", "--minutes", "2"), told("--pairs", "--seeds", "1", "--minutes", "2")
    assert "Held" in one.splitlines()[0]
    assert two.splitlines()[0].split() == ["Fault", "Injected", "States"]
