"""The in-use estimate from a recorded charging session: what was counted, how wide it is, when there is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.unit.gbt27930_talk import BCP, BCS, BRM
from tests.unit.gbt27930_trace import CHARGING, HANDSHAKE

from packbench.analysis.estimate.session import count, estimate_session, overhear
from packbench.analysis.estimate.session_file import estimate_log, is_can_log
from packbench.cli import main
from packbench.transport.tap import TapRecord
from packbench.wire.can.frame import CanFrame
from packbench.wire.can.j1939 import PGN_TP_CM, PGN_TP_DT, data_packets, pack_id, rts_data
from packbench.wire.can.slcan import frame_line
from packbench.wire.gbt27930.frames import BMS, CHARGER, frame_of, payload_of
from packbench.wire.gbt27930.messages import Ccs, GbtMessage

CURRENT_A = 88.0
CAPACITY_AH = 150.0
"""Of the pack; the BMS's plate says 176."""
Frames = list[tuple[float, CanFrame]]


def on_the_wire(t_s: float, message: GbtMessage) -> Iterator[tuple[float, CanFrame]]:
    kind, payload = payload_of(message)
    if len(payload) <= 8:
        yield t_s, frame_of(message)
        return
    yield t_s, CanFrame(pack_id(7, PGN_TP_CM, CHARGER, BMS), rts_data(len(payload), kind.pgn))
    for number, data in enumerate(data_packets(payload), start=1):
        yield t_s + 0.01 * number, CanFrame(pack_id(7, PGN_TP_DT, CHARGER, BMS), data)


def session(
    soc_from: float = 0.2, soc_to: float = 0.8, *, silent: tuple[float, float] = (-1.0, -1.0), jump: float = 0.0
) -> Frames:
    """A charge at 88 A, a second between messages; the BMS shows its SOC in whole per cents, 0.7 % late."""
    frames = [*on_the_wire(0.0, BRM), *on_the_wire(0.3, BCP)]
    for second in range(1, int((soc_to - soc_from) * CAPACITY_AH / CURRENT_A * 3600.0)):
        if silent[0] <= second <= silent[1]:
            continue
        soc = soc_from + second * CURRENT_A / 3600.0 / CAPACITY_AH - 0.007
        soc += jump if soc > 0.5 else 0.0
        frames += on_the_wire(second, Ccs(150.0, CURRENT_A, float(second)))
        frames += on_the_wire(second + 0.3, replace(BCS, soc=int(soc * 100.0) / 100.0, current_a=CURRENT_A - 0.4))
    return frames


def test_the_charge_between_steps_of_the_soc_is_the_capacity() -> None:
    pack, details, _ = estimate_session(overhear(session()))
    assert pack.capacity_ah is not None
    assert pack.soh is not None
    figure = pack.capacity_ah.measured
    assert figure.value == pytest.approx(CAPACITY_AH, rel=0.004)
    assert figure.U is not None
    assert 0.10 <= figure.U / figure.value <= 0.20
    assert pack.capacity_ah.low < CAPACITY_AH < pack.capacity_ah.high
    assert pack.soh.measured.value == pytest.approx(CAPACITY_AH / 176.0, rel=0.004)
    assert (details["battery_type"], details["rated_ah"]) == ("LFP", 176.0)


def test_a_smaller_change_makes_a_wider_interval_and_then_none() -> None:
    wide, _, _ = estimate_session(overhear(session(0.4, 0.7)))
    narrow, _, _ = estimate_session(overhear(session(0.1, 0.9)))
    assert wide.capacity_ah is not None
    assert narrow.capacity_ah is not None
    assert (wide.capacity_ah.measured.U or 0.0) > 2.0 * (narrow.capacity_ah.measured.U or 0.0)
    refused, _, _ = estimate_session(overhear(session(0.5, 0.65)))
    assert [note.key for note in refused.refusals] == ["small_change"]


def test_a_gap_is_not_counted_and_refuses_when_it_hides_too_much() -> None:
    heard = overhear(session(silent=(600.0, 700.0)))
    counted = count(heard)
    assert counted is not None
    assert counted.gaps_s == pytest.approx(102.0, abs=1.5)
    assert counted.hidden_ah == pytest.approx(102.0 * 88.0 / 3600.0, rel=0.02)
    pack, _, _ = estimate_session(heard)
    assert {note.key for note in pack.refusals} == {"gaps"}


def test_a_soc_that_was_corrected_on_the_way_is_not_believed() -> None:
    pack, _, _ = estimate_session(overhear(session(jump=0.08)))
    assert [note.key for note in pack.refusals] == ["soc_corrected"]


def test_a_real_session_of_a_few_minutes_is_refused() -> None:
    frames: Frames = []
    for line in (HANDSHAKE + CHARGING).split("\n"):
        if line.strip():
            stamp, name, data = line.split()
            frames.append((int(stamp, 16) / 1e4, CanFrame(int(name, 16), bytes.fromhex(data))))
    heard = overhear(frames)
    assert heard.brm is not None
    assert (heard.brm.capacity_ah, heard.brm.voltage_v) == (6.0, 750.0)
    assert heard.charger
    pack, _, _ = estimate_session(heard)
    assert [note.key for note in pack.refusals] == ["no_change"]


def as_log(frames: Frames) -> str:
    return "".join(f"({1436509052.0 + t_s:.6f}) can0 {f.can_id:08X}#{f.data.hex().upper()}\n" for t_s, f in frames)


def as_candump(frames: Frames) -> str:
    return "".join(
        f" ({t_s:010.6f})  can0  {f.can_id:08X}   [{len(f.data)}]  {f.data.hex(' ').upper()}\n" for t_s, f in frames
    )


def as_tap(frames: Frames) -> str:
    return "".join(TapRecord(round(t_s * 1e9), "in", frame_line(frame)).line() + "\n" for t_s, frame in frames)


@pytest.mark.parametrize("written", [as_log, as_candump, as_tap])
def test_every_form_of_record_gives_the_same(written, tmp_path: Path) -> None:
    path = tmp_path / "session.log"
    path.write_text(written(session(0.3, 0.6)), encoding="ascii")
    assert is_can_log(path)
    estimate = estimate_log(path)
    assert estimate.pack is not None
    assert estimate.pack.capacity_ah is not None
    assert estimate.pack.capacity_ah.measured.value == pytest.approx(CAPACITY_AH, rel=0.01)
    assert estimate.provenance == "imported"


def test_the_command_says_it_in_json_and_a_spoilt_log_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "session.log"
    path.write_text(as_log(session(0.3, 0.6)), encoding="ascii")
    assert main(["estimate", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["refused"], said["pack"]["capacity_ah"]["unit"]) == ("session", False, "Ah")
    path.write_text(as_log(session(0.3, 0.6))[:2000] + "nonsense\n" * 500, encoding="ascii")
    assert main(["estimate", str(path), "--json"]) == 2
    assert "not a recorded CAN" in json.loads(capsys.readouterr().out)["errors"][0]["message"]
