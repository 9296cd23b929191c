"""Which format a text is in, by its content; and texts that are none, or hostile."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.exchange_parts import CELL, HEAD, converted, imported

from packbench.core.errors import InputError
from packbench.profile.exchange.convert import Wishes, convert
from packbench.profile.exchange.sources import recognise

EXAMPLES = {
    "ours": (f"{HEAD}steps:\n  - rest: {{for: 1 s}}\n", "packbench"),
    "ours, with a comment first": (f"# Rest for 1 s\n{HEAD}steps:\n  - rest: {{for: 1 s}}\n", "packbench"),
    "ours, in braces": ("{profile: t, title: {en: T, zh: T}, steps: [{rest: {for: 1 s}}]}", "packbench"),
    "ours, as JSON": ('{"profile": "t", "title": {"en": "T", "zh": "T"}, "steps": [{"rest": {"for": "1 s"}}]}',
                      "packbench"),
    "ours, broken": ("steps: []\n", "packbench"),
    "unicycler": ('{"method": [], "record": {}}', "unicycler"),
    "a configuration": ('\ufeff {"cycles": []}', "pybamm-config"),
    "an older configuration": ('{"steps": []}', "pybamm-config"),
    "with tabs": ('{\n\t"cycles": []\n}', "pybamm-config"),
    "a list": ('["Rest for 1 hour"]', "pybamm-strings"),
    "a tuple": ("('Rest for 1 hour', 'Rest for 2 hours')", "pybamm-strings"),
    "a list of YAML": ("- Rest for 1 hour\n", "pybamm-strings"),
    "lines": ("# one a line\n\nDischarge at 1 C until 3 V\n", "pybamm-strings"),
    "lines in quotes": ('"Hold at 1 V for 1 hour",\n"Rest for 1 hour",\n', "pybamm-strings"),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_format_is_known_by_its_content(name: str) -> None:
    text, form = EXAMPLES[name]
    assert recognise(text, "x").form == form


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a format that is known"),
        ("42", "not a format that is known"),
        ("hello there", "not a format that is known"),
        ('{"a": 1}', "the keys a"),
        ('{"cycles": [}', "not readable as JSON"),
        ('{"cycles": [1, NaN]}', "NaN is no number"),
        ('{"cycles": [], "cycles": []}', "duplicate key"),
        ("[1, 2", "not readable as a list"),
        ('["Rest for 1 hour"] * 99999999', r"1 \* 99999999 steps"),
        ('["Rest for 1 hour"] * 9999 * 9999', r"9999 \* 9999 steps"),
        ("[__import__('os').getcwd()]", "not a list of steps"),
        ("[[['Rest for 1 hour']]]", "a cycle within a cycle"),
        ("(" * 5000, "not readable as a list"),
        ("[" * 5000, "not readable as a list"),
        ("['a'" + "+ 'a'" * 50_000 + "]", "not readable as a list|not a list of steps"),
        ('{"cycles":' + "[" * 100_000, "JSON|YAML"),
        ('{"cycles": [' + "9" * 5000 + "]}", "JSON|YAML"),
    ],
)  # fmt: skip
def test_what_is_none_is_refused_with_a_reason(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        recognise(text, "x.json")
    assert all(problem.file == "x.json" for problem in error.value.problems)


def test_nothing_to_convert_is_told() -> None:
    with pytest.raises(InputError, match=r"nothing to convert: found packbench profile, expected pybamm or unicycler"):
        converted(EXAMPLES["ours"][0], "packbench")
    with pytest.raises(InputError, match="nothing to convert"):
        convert('["Rest for 1 hour"]', "x", CELL, Wishes("pybamm"))


def test_theirs_become_each_other_s_by_way_of_ours() -> None:
    protocol = {"record": {"time_s": 5}, "method": [
        {"step": "constant_current", "rate_C": -0.5, "until_voltage_V": 3.0},
        {"step": "loop", "loop_to": 1, "cycle_count": 2},
    ]}  # fmt: skip
    out = convert(json.dumps(protocol), "x.json", CELL, Wishes("pybamm"))
    step = {"type": "c-rate", "value": 0.5, "terminations": [{"type": "voltage", "value": 3.0, "operator": "<"}]}
    assert out.experiment["cycles"] == [[step], [step]]
    back = convert(out.text, "x.json", CELL, Wishes("unicycler"))
    assert [step["step"] for step in back.experiment["method"]] == ["tag", "tag", "constant_current", "loop"]


TEXTS = [
    EXAMPLES["ours"][0],
    '{"cycles": [[{"type": "c-rate", "value": -0.5, "duration": 9}, {"type": "voltage", "value": 4, "duration": 9, '
    '"terminations": [{"type": "current", "value": 4}]}]]}',
    '{"record": {"time_s": 1}, "method": [{"step": "constant_current", "rate_C": "C/3", "until_voltage_V": 4.1}]}',
    "Charge at 1 C until 4.1 V\n\nHold at 4.1 V until C/20\n",
]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(TEXTS), st.integers(0, 200), st.integers(0, 20), st.text(max_size=6))
def test_any_damage_is_refused_in_words_or_gives_a_profile_that_compiles(
    text: str, at: int, cut: int, put: str
) -> None:
    damaged = text[:at] + put + text[at + cut :]
    for target in ("packbench", "pybamm", "unicycler"):
        try:
            convert(damaged, "x", CELL, Wishes(target, is_lossy=True))
        except InputError as error:
            assert all(problem.message or problem.expected for problem in error.problems)


@given(st.text(max_size=80))
def test_any_text_is_refused_in_words(text: str) -> None:
    with pytest.raises(InputError):
        imported(text, CELL)
