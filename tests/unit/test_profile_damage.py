"""Profiles damaged at random, in their text and in their structure: refused with places, or compiled; nothing else."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.profile_mutants.bases import BASE, RICH, beside

from packbench.config.document import load_document
from packbench.config.pack import load_pack
from packbench.core.errors import InputError
from packbench.profile.language.compiler import compile_profile

CONFIGS = Path(__file__).parents[2] / "configs"
PACK = load_pack((CONFIGS / "packs/nmc-96s.yaml").read_text(encoding="utf-8"), "nmc-96s.yaml")
BASES = [load_document(text, "base").data for text in (BASE, RICH)]
KEYS = [
    "for",
    "until",
    "label",
    "current",
    "voltage",
    "power",
    "steps",
    "repeat",
    "each",
    "goto",
    "when",
    "all",
    "any",
    "over",
    "record",
    "protect",
    "max_time",
    "train",
    "points",
    "file",
    "use",
    "with",
    "end",
    "rest",
    "pulse",
    "loop",
    "set",
    "chamber",
    "cc_charge",
    "limits",
    "result",
    "on_cell_limit",
    "clamp",
    "read_outs",
    "peak",
]
VALUES: list[Any] = [
    *(None, True, 0, 1, -1, 1.5, 1e300, 10**30, "", " ", "x", "end", "levels", "on", "1:30", "\u0000", "a" * 100),
    *("$x", "$soc", "$x.y", "1 A", "-1 A", "1e400 A", "5 V", "2 s", "1 h 30 min", "3 %", "25 degC", "2 K", "1e9 d"),
    *("rated", "Pmax", "30 %Pmax", "pack_full", "cell_full", "cell_min <= 3 V", "$soc >= 3 %", "cycle >= 2"),
    *(
        "cell_99999999999999999999 <= 3 V",
        "abs(dV/dt) <= 0 V/s",
        "ah(down)",
        "ah(hit) / 3 h",
        "1 A / 0",
        "((((",
        "voltage",
    ),
    *("resistance(hit, 10 s)", "resistance(hit, 1e30 s)", "min(1 A, 2 A)", "insulation * 1 A", "charge", "bom.csv"),
    "capacity within 3 % of rated for 2 cycles",
    *([], {}, [[]], [{}], {"all": []}, {"any": ["cell_min <= 3 V"]}, {"when": "cell_min <= 3 V", "goto": "end"}),
    *({"en": "a", "zh": "b"}, ["90 %"], ["1 A", "2 A"], [["0 s", "1 A"], ["1 s", "0 A"]]),
    *([["0 s", "1 kW"], ["1e-10 s", "0 W"]], {"discharge": "1 A", "for": "1 s"}, [{"rest": "1 s"}]),
]


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to everything in a document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, value in inner for found in places(value, (*path, key)))]


def at(node: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        node = node[part]
    return node


def damage(data: Any, dice: random.Random) -> None:
    """Replace, remove, rename, double, move, add or shuffle one thing."""
    every = [path for path in places(data) if path]
    *outer, key = dice.choice(every)
    parent = at(data, tuple(outer))
    what = dice.randrange(7)
    if what == 0:
        parent[key] = copy.deepcopy(dice.choice(VALUES))
    elif what == 1:
        del parent[key]
    elif what == 2:
        parent[key] = copy.deepcopy(at(data, dice.choice(every)))
    elif isinstance(parent, dict):
        parent[dice.choice(KEYS)] = parent.pop(key) if what < 5 else copy.deepcopy(dice.choice(VALUES))
    elif what < 5:
        parent.insert(dice.randrange(len(parent) + 1), copy.deepcopy(dice.choice(parent)))
    else:
        dice.shuffle(parent)


def refused_or_compiled(text: str) -> None:
    try:
        compile_profile(text, "d.yaml", PACK, beside)
    except InputError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.line is not None and problem.column is not None
            assert problem.found and problem.expected


@settings(max_examples=250)
@given(st.sampled_from(BASES), st.integers(1, 3), st.integers(0, 2**32))
def test_damage_to_the_structure(base, times, seed):
    data, dice = copy.deepcopy(base), random.Random(seed)
    for _ in range(times):
        if len(places(data)) > 1:
            damage(data, dice)
    refused_or_compiled(json.dumps(data, ensure_ascii=False, indent=1))


@settings(max_examples=150)
@given(
    st.sampled_from([BASE, RICH]),
    st.integers(0, 4000),
    st.text(alphabet="{}[]:-,'\"\n\t abc019.%<=>VAh#&*!|$()/+", max_size=6),
)
def test_damage_to_the_text(base, position, patch):
    position %= len(base)
    refused_or_compiled(base[:position] + patch + base[position + len(patch) :])
