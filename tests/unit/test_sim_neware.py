"""The Neware emulator by itself: what it records, what it refuses, how it keeps its clients apart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.wire_parts import PlainCycler, device_map

from packbench.core.step_program import (
    CcStep,
    ProgramStep,
    Protections,
    Recording,
    RestStep,
    StepProgram,
)
from packbench.wire.neware.frames import NewareCodec, reply_frame, take_request
from packbench.wire.neware.replies import (
    Acknowledged,
    ChannelStatus,
    DeviceChannel,
    Devices,
    LogEntries,
    LogEntry,
    Rows,
    Server,
    Statuses,
    Steps,
)
from packbench.wire.neware.requests import (
    Channel,
    ChannelAction,
    Connect,
    Download,
    DownloadLog,
    DownloadSteps,
    GetDevices,
    GetStatus,
    Job,
    Start,
)
from packbench.wire.neware.steps import to_neware_xml
from packbench_sim.devices.neware_bts import NewareBtsDevice, read_step_file
from packbench_sim.parts import CyclerPart

S = 1_000_000_000
BTS = device_map("neware-bts8")
HERE = Channel(27, 21, 1, 1)


def program(*steps: ProgramStep, **protections: float) -> StepProgram:
    return StepProgram("test", steps, Protections(**protections), Recording(1.0))


def files(**programs: StepProgram) -> Callable[[str], bytes]:
    """Step files by name, in place of a folder."""
    return lambda path: to_neware_xml(programs[path]).encode() if path in programs else b""


def test_other_channels_are_idle_and_start_nothing() -> None:
    device = NewareBtsDevice(PlainCycler(), channels=2, read_file=files(a=program(RestStep(1.0))))
    other = Channel(27, 21, 1, 2)
    ask = Start((Job(HERE, "x", "a"), Job(other, "y", "a")))
    assert device.answer(0, ask) == Acknowledged("start", ((HERE, True), (other, False)))
    assert device.answer(0, GetDevices()) == Devices(
        (Server("127.0.0.1", 3306),), (DeviceChannel(HERE, idle=False), DeviceChannel(other, idle=True))
    )
    nobody = Channel(27, 22, 1, 1)
    assert device.answer(0, GetStatus((other, nobody))) == Statuses(
        (ChannelStatus(other, "finish", 1), ChannelStatus(nobody, "false", 1))
    )


def test_only_plain_files_of_a_sane_size_are_read(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b" " * ((1 << 20) + 1))
    (tmp_path / "short").write_bytes(b"x")
    for path, found in (("short", b"x"), ("long", b""), ("missing", b""), ("", b""), ("a\0b", b"")):
        assert read_step_file(str(tmp_path / path) if path != "a\0b" else path) == found
    assert read_step_file("/dev/zero") == b""


def ran(*steps: ProgramStep, seconds: float, part: CyclerPart | None = None, **device: Any) -> NewareBtsDevice:
    found = NewareBtsDevice(part or PlainCycler(), read_file=files(a=program(*steps)), **device)
    found.tick(0)
    assert found.answer(0, Start((Job(HERE, "x", "a"),))) == Acknowledged("start", ((HERE, True),))
    for tenth in range(round(seconds * 10) + 1):
        found.tick(tenth * S // 10)
    return found


def test_log_and_steps_are_those_of_a_finished_test() -> None:
    device = ran(RestStep(2.0), CcStep("charge", 36.0, until_time_s=100.0), seconds=103)
    assert device.answer(103 * S, DownloadLog(HERE)) == LogEntries(
        HERE,
        101,
        (LogEntry(1, 100000, "2026-01-01 08:00:00"), LogEntry(104, 100001, "2026-01-01 08:01:42")),
    )
    steps = device.answer(103 * S, DownloadSteps(HERE))
    assert isinstance(steps, Steps)
    rest, charge = steps.steps
    assert (rest.step_type, rest.first_seq_id, rest.last_seq_id, rest.duration_ms) == ("rest", 1, 3, 2000)
    assert (charge.step_type, charge.index, charge.duration_ms) == ("cc", 2, 100_000)
    assert charge.capacity_ah == pytest.approx(1.0, rel=0.01)
    assert charge.energy_wh == pytest.approx(350.0, rel=0.01)


def test_rows_are_handed_out_by_their_numbers_a_thousand_at_a_time() -> None:
    device = ran(RestStep(1500.0), seconds=1501)

    def numbers(start: int, count: int, test_id: int = 0) -> list[int]:
        reply = device.answer(1501 * S, Download(HERE, start, count, test_id))
        assert isinstance(reply, Rows)
        assert reply.test_id == 101
        return [row.seq_id for row in reply.rows]

    assert numbers(1, 5000) == list(range(1, 1001))
    assert numbers(1001, 1000) == list(range(1001, 1502))
    assert numbers(1400, 3) == [1400, 1401, 1402]
    assert numbers(0, 0) == []
    assert numbers(-9996, 1000) == []
    assert numbers(9000, 1000) == []
    assert numbers(1, 5, test_id=55) == []


def test_orders_that_do_not_fit_the_state_are_refused() -> None:
    device = NewareBtsDevice(PlainCycler())
    for action in ("stop", "continue", "goto", "clearflag", "resetalarm"):
        assert device.answer(0, ChannelAction(action, (HERE,), step=1)) == Acknowledged(action, ((HERE, False),))
    assert device.answer(0, ChannelAction("light", (HERE,))) == Acknowledged("light", ((HERE, True),))
    assert HERE in device.lit
    device.answer(0, ChannelAction("light", (HERE,), on=False))
    assert HERE not in device.lit
    running = ran(RestStep(10.0), RestStep(20.0), seconds=1)
    assert running.answer(S, Start((Job(HERE, "x", "a"),))) == Acknowledged("start", ((HERE, False),))
    assert running.answer(S, ChannelAction("goto", (HERE,), step=3)) == Acknowledged("goto", ((HERE, False),))
    assert running.answer(S, ChannelAction("goto", (HERE,), step=2)) == Acknowledged("goto", ((HERE, True),))
    assert running.run is not None
    assert running.run.step == 2


def test_a_flag_is_cleared_once() -> None:
    part = PlainCycler()
    device = NewareBtsDevice(part, read_file=files(a=program(RestStep(10.0), voltage_max_v=300.0)))
    device.answer(0, Start((Job(HERE, "x", "a"),)))
    device.tick(S)
    assert device.answer(S, GetStatus((HERE,))) == Statuses((ChannelStatus(HERE, "protect", 1),))
    clear = ChannelAction("clearflag", (HERE,))
    assert device.answer(2 * S, clear) == Acknowledged("clearflag", ((HERE, True),))
    assert device.answer(3 * S, clear) == Acknowledged("clearflag", ((HERE, False),))


def test_each_client_has_its_own_framing() -> None:
    device = NewareBtsDevice(PlainCycler())
    one, two = device.session(), device.session()
    frame = NewareCodec().encode(GetStatus((HERE,)))
    assert one.on_bytes(0, frame[:50]) == b""
    assert two.on_bytes(0, frame) != b""
    assert one.on_bytes(0, frame[50:] + frame) == 2 * two.on_bytes(0, frame)


def test_silence_answers_nothing_and_lets_the_program_run() -> None:
    quiet = [False]
    device = ran(RestStep(5.0), seconds=1, silent=lambda _t_ns: quiet[0])
    session = device.session()
    frame = NewareCodec().encode(GetStatus((HERE,)))
    quiet[0] = True
    assert session.on_bytes(2 * S, frame) == b""
    device.tick(6 * S)
    quiet[0] = False
    assert b">finish</status>" in session.on_bytes(7 * S, frame)


def test_replies_are_spelt_as_captured_or_as_documented() -> None:
    for documented, name in ((False, b"donwload_resp"), (True, b"download_resp")):
        session = NewareBtsDevice(PlainCycler(), documented=documented).session()
        assert name in session.on_bytes(0, NewareCodec().encode(Download(HERE, 0, 0)))


@pytest.mark.parametrize("number", range(1, 1 + len(BTS.golden)))
def test_captured_replies_are_the_emulator_s_own(number: int) -> None:
    """The captured channel's own state is put in; everything else is as the emulator says it."""
    golden = BTS.golden[number - 1]
    request = take_request(bytearray(golden.request))
    assert request is not None
    assert NewareCodec().encode(request) == golden.request
    reply = NewareCodec().decode(request, bytearray(golden.reply))
    assert reply is not None
    assert reply_frame(reply) == golden.reply
    device = NewareBtsDevice(PlainCycler(), channels=2)
    own = NewareCodec().decode(request, bytearray(device.session().on_bytes(0, golden.request)))
    assert type(own) is type(reply)
    if isinstance(request, Connect | GetStatus):
        assert own == reply
