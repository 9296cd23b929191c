"""What only the run knows is judged before it flows: the way a pulse goes, and that it goes at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.scenario.library import play
from tests.unit.engine_parts import waveform

from packbench.engine.permitted import impossible
from packbench.profile.plan import Segment

S = 1_000_000_000
HEAD = (
    "profile: signs\ntitle: {en: Signs, zh: 符号}\nparameters: {p: 10 A}\nsteps:\n  - set: {a: 0 A - $p, z: $p - $p}\n"
)


@pytest.mark.parametrize(
    ("sign", "value", "wrong"),
    [
        (1, 10.0, None),
        (-1, -10.0, None),
        (0, -10.0, None),
        (1, -10.0, "a charge of one of its pieces comes to -10"),
        (-1, 10.0, "a discharge of one of its pieces comes to -10"),
        (1, 0.0, "a charge of one of its pieces comes to 0"),
    ],
)
def test_a_piece_flows_the_way_it_was_said_to(sign: int, value: float, wrong: str | None) -> None:
    assert impossible(waveform(Segment(S, value, (), sign)), None) == wrong  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        ("pulse: {train: [{charge: $a, for: 10 s}]}", "comes to -10"),
        ("pulse: {train: [{discharge: $z, for: 10 s}]}", "comes to 0"),
        ("cc_charge: {current: $z, for: 10 s, until: cell_max >= cell_full}", "comes to 0"),
    ],
)
def test_a_formula_that_would_turn_a_current_round_begins_nothing(step: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "signs.yaml"
    path.write_text(f"{HEAD}  - {step}\n", encoding="utf-8")
    with pytest.raises(Exception, match=why):  # refused by the check where it can be known, else by the engine
        play(str(path), "lfp-16s")
