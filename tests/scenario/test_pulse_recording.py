"""A pulse on the whole bench: its rows around the edges, its read-outs against the plant, the cycler's polls."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from tests.scenario.library import play
from tests.scenario.support import S, ask

from packbench.store.reader import RunReader

PULSE = """profile: one-pulse
title: {en: One pulse, zh: 单脉冲}
record: {dt: 10 s}
steps:
  - rest: {label: settle, for: 10 min}
  - pulse:
      label: pulse
      train:
        - {discharge: 0.4C, for: 20 s}
        - {rest: 60 s}
        - {charge: 0.4C, for: 20 s}
        - {rest: 60 s}
      read_outs: [100 ms, 2 s, 10 s, 20 s]
      record: {dt: 10 s, around: {before: 2 s, after: 3 s, dt: 100 ms}}
  - rest: {for: 10 s}
"""


def profile(folder: Path) -> str:
    path = folder / "one-pulse.yaml"
    path.write_text(PULSE, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("level", ["object", "bytes"])
def test_the_rows_of_a_pulse_are_fine_around_its_edges_and_in_order(
    level: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("simulate", profile(tmp_path), "--pack", "lfp-16s", "--level", level, "--out", str(out), "--no-report")
    answer = ask(capsys, *words)
    assert answer.code == 0, answer.data
    with RunReader.open(Path(answer.data["paths"]["data"])) as reader:
        table = reader.rows()
    rows = list(zip((table.t_ns / S).tolist(), table.step.tolist(), table.current_a.tolist(), strict=True))
    times = [t_s for t_s, _, _ in rows]
    assert all(before < after for before, after in pairwise(times)), "in order of time, none twice"
    began_s = next(t_s for t_s, step, _ in rows if step == 2)
    edges = [began_s + offset for offset in (0.0, 20.0, 80.0, 100.0)]
    for nth, edge_s in enumerate(edges):
        after = [t_s for t_s in times if edge_s < t_s <= edge_s + 2.9]
        assert len(after) >= 27, "every 100 ms for 3 s"
        before = [t_s for t_s in times if edge_s - 1.9 <= t_s <= edge_s]
        # Before the first edge the rest is polled as usual, every 500 ms, and every reading of it is there.
        assert len(before) >= (3 if nth == 0 else 17)
    ended_s = began_s + 160.0 + 10.0
    assert abs(times[-1] - ended_s) <= 1.1, "what waited goes to the record in the end"
    quiet = [t_s for t_s in times if edges[1] + 4 <= t_s <= edges[2] - 3]
    assert len(quiet) <= 8, "every 10 s between them"
    assert all(step == 1 for t_s, step, _ in rows if t_s < began_s - 0.2)
    flowing = {step for _, step, current_a in rows if abs(current_a) > 5.0}
    assert flowing <= {2, 3}


@pytest.mark.parametrize("pack", ["lfp-16s", "nmc-96s", "lmo-25ah-new", "lfp-45s-176ah"])
def test_read_outs_are_the_plants_resistance_within_a_hundredth(pack: str, tmp_path: Path) -> None:
    """The cycler is read every 100 ms near them, where its bench says that it may be (poll_fast).

    With perfect instruments: a cell's 26 mV read to 0.4 mV are no hundredth, whoever reads them.
    """
    played = play(profile(tmp_path), pack, settings=("plant.initial_soc=0.5",), perfect=True)
    began = played.began("pulse")
    found = {(each.piece, each.at_ns / S): each for each in played.record("pulse").read_outs}
    assert set(found) == {(piece, at_s) for piece in (1, 3) for at_s in (0.1, 2.0, 10.0, 20.0)}
    for piece, at_s in ((1, 0.1), (1, 2.0), (1, 10.0), (3, 0.1), (3, 2.0)):
        read_out = found[piece, at_s]
        assert read_out.resistance_ohm == pytest.approx(began.resistance_ohm(at_s), rel=0.01), (piece, at_s)
        assert read_out.taken_ns is None or abs(read_out.taken_ns / S - at_s) <= 0.1
    # The cycler was read every 500 ms between them: 750 s, and about 17 s around edges and read-outs at 100 ms.
    assert 2 * 750 + 750 + 150 <= played.outcome.polls <= 2 * 750 + 750 + 400
