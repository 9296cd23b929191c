"""Faults of the catalogue, injected on the command line: the bench ends safe, and says why.

What counts as safe is read in the plant, behind the wire: the true current, the contact, the coil.
Budgets are the catalogue's; a period of the source that shows the fault comes on top of each.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.scenario.support import MS, Answer, S, Witness, ask

import packbench_sim.wiring
import packbench_sim.world
from packbench.app.job import load_job
from packbench.app.virtual import Options, simulate
from packbench.cli.program import main
from packbench.core.errors import ReplyTimeout
from packbench.core.samples import BoardSample
from packbench.run.bench import BenchRun
from packbench.store.reader import RunReader
from packbench.transport.base import Transport
from packbench_board.codes import Output, TripCode
from packbench_sim.board import DirectBoard
from packbench_sim.wire import MemoryLink

PACK = "lfp-16s"
CYCLER_POLL_S, BMS_POLL_S, BMS_STALE_S = 0.5, 1.0, 2.5
"""As configs/benches/sim-lv.yaml states them."""
LEASE_S, LOAD_BREAK_S = 0.5, 0.08
LEVELS = ("object", "bytes")


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, and what it must lead to."""

    fault_id: str
    at_s: float
    profile: str
    rule: str
    off_within_s: float
    """From the fault to the cycler's "off" command."""
    words: tuple[str, str]
    """What the reason must say, in English and in Chinese."""
    hot: bool = False
    """Category 0: the contactor may open under load."""

    @property
    def title(self) -> str:
        return f"{self.fault_id}@{self.at_s:g}"


# quick-check: rest until 5 s, 0.2C charge until 25 s, rest until 35 s, 0.2C discharge until 55 s.
CASES = (
    Case(
        "sensor.weak_cell", 12.1, "quick-check", "cell_over_voltage", BMS_POLL_S + 0.1,
        ("Cell 9 rose to 3.85", "第 9 号单体电压升至 3.85"),
    ),
    Case(
        "sensor.weak_cell", 45.6, "quick-check", "cell_under_voltage", BMS_POLL_S + 0.1,
        ("Cell 9 fell to 1.95", "第 9 号单体电压降至 1.95"),
    ),
    Case(
        "comms.bms_lost", 12.1, "quick-check", "bms_stale", BMS_STALE_S + 1.0,
        ("The BMS has been silent for 2.", "电池管理系统（BMS）已 2."),
    ),
    Case(
        "power.setpoint", 12.1, "quick-check", "setpoint_not_followed", CYCLER_POLL_S + 2.0 + 0.1,
        ("The cycler was told 20.0 A but delivered 16.0 A.", "设定电流为 20.0 A，实际为 16.0 A"),
    ),
    Case(
        "comms.cycler_lost", 12.1, "quick-check", "cycler_stale", CYCLER_POLL_S + 2.0,
        ("The cycler has been silent for 1.", "充放电设备已 1."), hot=True,
    ),
    Case(
        "sensor.cells_missing", 12.1, "quick-check", "cells_missing", BMS_POLL_S + 0.1,
        ("The BMS reports 13 cells; the pack has 16.", "BMS 上报 13 个单体，电池包应有 16 个。"),
    ),
    Case(
        "sensor.scale", 12.1, "quick-check", "pack_under_voltage", CYCLER_POLL_S + 1.0,
        ("The pack's voltage fell to 5.2", "电池包电压降至 5.2"),
    ),
    # 3 K/min from 90 s on: the mean over a minute passes 2 K/min after 40 s, and the catalogue gives 10 s more.
    Case(
        "power.cooling", 90, "single-discharge", "temperature_rate", 40.0 + 10.0 + BMS_POLL_S,
        ("The pack is heating by 2.", "电池包升温速率为 2."), hot=True,
    ),
)  # fmt: skip


def run_case(capsys: pytest.CaptureFixture[str], case: Case, level: str, out: Path, *more: str) -> Answer:
    words = ("simulate", case.profile, "--pack", PACK, "--level", level, "--fault", case.title, "--out", str(out))
    return ask(capsys, *words, *more)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
def test_a_fault_ends_the_run_safe_in_time_and_in_words(
    case: Case, level: str, capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    answer = run_case(capsys, case, level, tmp_path, "--no-report")

    assert answer.code == 3
    (witness,) = witnesses  # no truth run after a trip: what a fault stopped is not what the profile asks for
    assert answer.data["truth"] is None
    witness.assert_safe()
    witness.assert_latched(by=(TripCode.HOST, TripCode.LEASE))  # a latched host renews no lease: either may be first

    # At object level a reading may be taken in the very instant of the fault.
    assert 0 <= (witness.output_off_ns() - witness.fault_ns) / S <= case.off_within_s
    # Invariant I2: the contactor is open within 1 s of the sample that made the cycler switch off.
    assert 0 <= (witness.coil_off_ns() - witness.fault_ns) / S <= case.off_within_s + 1.0
    assert case.hot or witness.world.plant.contactor.hot_openings == 0, "opened under load without need"

    result = answer.data["result"]
    assert (result["verdict"], result["valid"], result["releasing"]) == ("ABORTED", False, False)
    (trip,) = result["trips"]
    assert trip["rule"] == case.rule
    # The record's clock starts with the profile, after the bench has armed, proven its board and shown the sign.
    assert case.at_s - 3.5 < trip["t_s"] < case.at_s + case.off_within_s
    english, chinese = case.words
    assert english in trip["text_en"]
    assert chinese in trip["text_zh"]
    assert result["end_reason"] == trip["text_en"]
    assert any(english in reason for reason in result["invalid_reasons"])
    assert any(chinese in reason for reason in result["invalid_reasons_zh"])
    assert answer.data["trips"] == [trip]

    with RunReader.open(tmp_path / "run.db") as reader:
        assert reader.verify().sealed
        kinds = [event.kind for event in reader.events()]
        (stopped,) = reader.events("stopped")
        (shut_down,) = reader.events("shut_down")
        rows = reader.rows()
    assert kinds.count("trip") == 1
    assert "set_output" not in kinds[kinds.index("trip") :], "the output was asked for again after the trip"
    # Only a cycler that does not answer may fail to confirm "off"; the board's enable switched it off then.
    lost = case.fault_id == "comms.cycler_lost"
    assert bool(stopped.data["failures"]) is lost
    assert bool(shut_down.data["problems"]) is lost
    assert rows.t_ns[-1] <= witness.coil_off_ns()


@pytest.mark.parametrize("fault_id", ["sensor.weak_cell", "comms.bms_lost", "power.setpoint"])
def test_the_reason_stands_in_the_files_in_both_languages(
    fault_id: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    case = next(case for case in CASES if case.fault_id == fault_id)
    answer = run_case(capsys, case, "object", tmp_path)
    assert answer.code == 3
    trip = answer.data["trips"][0]
    written = (tmp_path / "result.json").read_text(encoding="utf-8")
    for text in (trip["text_en"], trip["text_zh"]):
        assert text in written
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert trip["text_en"] in _report_text(tmp_path)
    assert "ABORTED" in _report_text(tmp_path)

    monkeypatch.setenv("PACKBENCH_LANG", "zh")
    assert ask(capsys, "report", str(tmp_path)).code == 0
    assert trip["text_zh"] in _report_text(tmp_path)
    # A person at the terminal reads the same words.
    main(["runs", "show", str(tmp_path)])
    shown = "".join(capsys.readouterr().out.split())
    assert "".join(trip["text_zh"].split()) in shown


def _report_text(folder: Path) -> str:
    return html.unescape((folder / "report.html").read_text(encoding="utf-8"))


def test_a_fault_before_the_start_refuses_the_run(
    capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    """sensor.cells_missing is promised as a refusal: no current ever flows."""
    case = Case("sensor.cells_missing", 0, "quick-check", "", 0.0, ("", ""))
    answer = run_case(capsys, case, "bytes", tmp_path, "--no-report")
    assert answer.code == 3
    assert answer.data["ok"] is False
    assert [trip["text_en"] for trip in answer.data["trips"]] == ["The BMS reports 13 cells; the pack has 16."]
    assert answer.data["result"]["verdict"] == "ABORTED"
    assert answer.data["bench_seconds"] == 0
    (witness,) = witnesses
    witness.assert_safe()
    assert witness.world.plant.true_charge_ah == witness.world.plant.true_discharge_ah == 0.0


def test_without_a_fault_nothing_trips(
    capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    """The other tests would pass on a bench that always stops."""
    words = ("simulate", "quick-check", "--pack", PACK, "--level", "bytes", "--out", str(tmp_path), "--no-report")
    answer = ask(capsys, *words)
    assert (answer.code, answer.data["trips"]) == (0, [])
    run, _truth = witnesses
    run.assert_safe()
    assert run.world.plant.true_charge_ah == pytest.approx(20 * 20 / 3600, rel=0.05)
    assert run.world.plant.true_discharge_ah == pytest.approx(20 * 20 / 3600, rel=0.05)
    assert TripCode(run.board().trip_code) is TripCode.NONE
    assert run.world.plant.contactor.hot_openings == 0


# -- the host itself -------------------------------------------------------------------------------

SILENT_FROM_NS = 15 * S
"""In the middle of quick-check's charge."""


def simulate_quietly(tmp_path: Path, level: Any) -> Any:
    job = load_job("quick-check", PACK, None)
    return simulate(job, Options(level=level), tmp_path, lambda _snapshot, _state: None)


def assert_opened_by_itself(witness: Witness, heard_ns: int) -> None:
    """The board dropped enable and coil within the lease and the load-break wait after what it last heard."""
    assert SILENT_FROM_NS - S < heard_ns < SILENT_FROM_NS
    for off_ns in (witness.output_off_ns(), witness.coil_off_ns()):
        assert LEASE_S * S - MS < off_ns - heard_ns <= (LEASE_S + LOAD_BREAK_S) * S
    witness.assert_safe()
    witness.assert_latched(by=(TripCode.LEASE,))
    assert not witness.board().outputs & (Output.CONTACTOR | Output.CYCLER_ENABLE | Output.PRECHARGE)


def test_the_board_opens_by_itself_when_the_host_dies_on_the_wire(
    monkeypatch: pytest.MonkeyPatch, witnesses: list[Witness], tmp_path: Path
) -> None:
    """comms.host_dead: from one instant on not a byte of the host reaches any device."""
    heard: list[int] = []
    original: Callable[..., dict[str, Transport]] = packbench_sim.wiring.memory_transports

    def mute(*args: Any) -> dict[str, Transport]:
        transports = original(*args)
        for role, link in transports.items():
            assert isinstance(link, MemoryLink)

            def to_device(t_ns: int, data: bytes, role: str = role) -> bytes:
                if t_ns >= SILENT_FROM_NS:
                    return b""
                if role == "board":
                    heard.append(t_ns)
                return data

            link.to_device = to_device
        return transports

    monkeypatch.setattr(packbench_sim.wiring, "memory_transports", mute)
    simulate_quietly(tmp_path, "bytes")
    (witness,) = witnesses
    assert_opened_by_itself(witness, heard[-1])


def test_the_board_opens_by_itself_when_nobody_renews_at_object_level(
    monkeypatch: pytest.MonkeyPatch, witnesses: list[Witness], tmp_path: Path
) -> None:
    """comms.host_dead without bytes: the board's link is dead both ways, so the host cannot open it either."""
    heard: list[int] = []

    class Unheard(DirectBoard):
        """Hears nothing any more."""

        def _dead(self) -> bool:
            if self._now_ns() >= SILENT_FROM_NS:
                return True
            heard.append(self._now_ns())
            return False

        async def heartbeat(self) -> BoardSample:
            if self._dead():
                raise ReplyTimeout("board: silent")
            return await super().heartbeat()

        async def trip(self, code: int) -> None:
            if self._dead():
                raise ReplyTimeout("board: silent")
            await super().trip(code)

        async def open(self) -> None:
            if self._dead():
                raise ReplyTimeout("board: silent")
            await super().open()

    monkeypatch.setattr(packbench_sim.world, "DirectBoard", Unheard)
    outcome = simulate_quietly(tmp_path, "object").outcome
    (witness,) = witnesses
    assert_opened_by_itself(witness, heard[-1])
    assert outcome.trip is not None
    assert outcome.trip.rule == "board_stale"


@pytest.mark.parametrize("level", LEVELS)
def test_a_channel_that_does_not_answer_its_ping_opens_the_contactor(
    level: str, monkeypatch: pytest.MonkeyPatch, witnesses: list[Witness], tmp_path: Path
) -> None:
    """The rest of the host goes on polling and notices; the board does not wait for it."""
    renewed: list[int] = []
    feed_of = BenchRun._feed

    def silent(self: BenchRun) -> Any:
        now_ns = self.channel.snapshot().t_ns
        if now_ns >= SILENT_FROM_NS:
            return None
        renewed.append(now_ns)
        return feed_of(self)

    monkeypatch.setattr(BenchRun, "_feed", silent)
    outcome = simulate_quietly(tmp_path, level).outcome
    assert outcome.trip is not None
    assert outcome.trip.rule in ("board_stale", "board_open")
    (witness,) = witnesses
    witness.assert_safe()
    # A renewal takes a millisecond to arrive at most.
    assert witness.coil_off_ns() - renewed[-1] <= (LEASE_S + LOAD_BREAK_S) * S + MS
    witness.assert_latched()


def test_a_tripped_host_renews_no_lease(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], witnesses: list[Witness], tmp_path: Path
) -> None:
    """Should its stop sequence hang, the board opens all the same: nothing keeps the contactor closed after a trip."""
    beats: list[int] = []
    beat = DirectBoard.heartbeat

    async def counted(self: DirectBoard) -> BoardSample:
        beats.append(self._now_ns())
        return await beat(self)

    monkeypatch.setattr(DirectBoard, "heartbeat", counted)
    assert run_case(capsys, CASES[0], "object", tmp_path, "--no-report").code == 3
    (witness,) = witnesses
    assert beats[-1] < witness.output_off_ns() < beats[-1] + S
