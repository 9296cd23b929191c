"""The Neware driver: what its readings say, states and alarms, and whose rows are fetched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.unit.neware_bench import BTS, HERE, S, on_a_pack, program, sleep
from tests.unit.wire_parts import PlainCycler, ScriptedTransport

from packbench.core.errors import BadReply
from packbench.core.samples import ProgramState, Quality
from packbench.core.step_program import CcStep, RestStep
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.neware_bts import NewareBts
from packbench.run.port import Port
from packbench.wire.neware.frames import NewareCodec, NewareRefused, reply_frame, take_request
from packbench.wire.neware.replies import (
    Acknowledged,
    ChannelStatus,
    Connected,
    DataCount,
    DataCounts,
    DeviceChannel,
    Devices,
    NewareReply,
    Reading,
    Readings,
    Rows,
    Statuses,
)
from packbench.wire.neware.requests import (
    ChannelAction,
    Connect,
    Download,
    GetDevices,
    GetStatus,
    Inquire,
    InquireData,
    Job,
    NewareRequest,
    Start,
)
from packbench.wire.neware.steps import to_neware_xml
from packbench_sim.devices.neware_bts import NewareBtsDevice
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.plant import Plant


def test_a_reading_is_as_old_as_the_measurement_in_it(tmp_path: Path) -> None:
    """The client hands out a new measurement every 5 s only: until then, the sample ages."""

    async def use(driver: NewareBts, device: NewareBtsDevice, plant: Plant, clock: VirtualClock) -> None:
        await driver.upload(program(CcStep("charge", 10.0, until_time_s=100.0)))
        await driver.start()
        stamps: list[int] = []
        for _ in range(21):
            stamps.append((await driver.read()).t_ns)
            await sleep(clock, 1.0)
        assert len(set(stamps)) == 5
        gaps = [later - earlier for earlier, later in zip(sorted(set(stamps)), sorted(set(stamps))[1:], strict=False)]
        assert all(4.5 * S < gap < 5.5 * S for gap in gaps)

    on_a_pack(use, tmp_path, refresh_ns=5 * S)


def reading(**values: Any) -> Reading:
    defaults: dict[str, Any] = {
        "channel": HERE,
        "cycle_id": 1,
        "step_id": 1,
        "step_type": "cc",
        "status": "working",
        "barcode": "x",
        "current_a": 10.0,
        "voltage_v": 350.0,
        "capacity_ah": 0.0,
        "energy_wh": 0.0,
        "total_time_s": 1.0,
        "step_time_s": 1.0,
        "open_or_close": 0,
        "log_code": 102000,
    }
    return Reading(**{**defaults, **values})


def scripted(*replies: NewareReply) -> tuple[Callable[[VirtualClock], NewareBts], list[NewareRequest]]:
    """A driver that gets these replies, in order, after it has found its channel; and what it asked for."""
    asked: list[NewareRequest] = []
    waiting = [Connected("ok"), Devices((), (DeviceChannel(HERE, idle=True),)), *replies]

    def make(clock: VirtualClock) -> NewareBts:
        transport = ScriptedTransport()

        def on_write(data: bytes) -> None:
            request = take_request(bytearray(data))
            assert request is not None
            asked.append(request)
            transport.hear(reply_frame(waiting.pop(0)))

        transport.on_write = on_write
        made = make_driver(Wanted(BTS, 0, "xml+tcp", Port(transport, clock), S, {"program_directory": "/"}))
        assert isinstance(made, NewareBts)
        return made

    return make, asked


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"step_type": "dc", "current_a": -10.0}, (True, "cc", ())),
        ({"step_type": "dv"}, (True, "cv", ())),
        ({"step_type": "cp"}, (True, "cp", ())),
        ({"step_type": "dr"}, (True, "cr", ())),
        ({"step_type": "cccv"}, (True, "cc", ())),
        ({"step_type": "rest"}, (False, "off", ())),
        ({"status": "pause", "step_type": "pause"}, (False, "off", ())),
        ({"status": "finish", "step_type": None, "step_id": None}, (False, "off", ())),
        (
            {"status": "protect", "step_type": None, "log_code": 100213},
            (False, "off", ("protection", "log_code_100213")),
        ),
        ({"status": "protect", "step_type": None, "log_code": 0}, (False, "off", ("protection",))),
    ],
)
def test_the_device_s_words_in_ours(values: dict[str, Any], expected: tuple[bool, str, tuple[str, ...]]) -> None:
    make, _ = scripted(Readings((reading(**values),)))

    async def main(clock: VirtualClock) -> None:
        driver = make(clock)
        await driver.identify()
        sample = await driver.read()
        assert (sample.output_on, sample.regulation, sample.alarms) == expected

    run_virtual(main)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"step_id": 4, "cycle_id": 2, "step_time_s": 17.3}, ProgramState("running", 4, 2, 17.3)),
        ({"status": "pause", "step_id": 2}, ProgramState("paused", 2, 1, 1.0)),
        ({"status": "stop", "step_id": None, "cycle_id": None}, ProgramState("idle", None, 1, 1.0)),
        ({"status": "finish", "step_id": None, "step_time_s": None}, ProgramState("finished", None, 1, None)),
        ({"status": "protect", "step_id": None}, ProgramState("protected", None, 1, 1.0)),
    ],
)
def test_a_reading_says_where_the_program_stands(values: dict[str, Any], expected: ProgramState) -> None:
    make, _ = scripted(Readings((reading(**values),)), Readings((reading(status="dancing"),)))

    async def main(clock: VirtualClock) -> None:
        driver = make(clock)
        await driver.identify()
        assert (await driver.read()).program == expected
        with pytest.raises(BadReply, match="dancing"):
            await driver.read()

    run_virtual(main)


def test_a_protection_that_was_acknowledged_is_no_alarm_of_the_test_after_it() -> None:
    protected = Readings((reading(status="protect", step_type=None, step_id=None),))
    make, _ = scripted(
        protected,
        Statuses((ChannelStatus(HERE, "protect", 1),)),
        Acknowledged("clearflag", ((HERE, True),)),
        protected,
        Readings((reading(),)),
        protected,
    )

    async def main(clock: VirtualClock) -> None:
        driver = make(clock)
        await driver.identify()
        assert (await driver.read()).alarms, "nobody has acknowledged it yet"
        await driver.prepare()
        old = await driver.read()
        assert (old.alarms, old.program) == ((), ProgramState("idle", None, 1, 1.0))
        await driver.read()
        new = await driver.read()
        assert (new.alarms, new.program) == (
            ("protection", "log_code_102000"),
            ProgramState("protected", None, 1, 1.0),
        )

    run_virtual(main)


def test_a_value_that_is_none_makes_a_sample_implausible() -> None:
    frame = reply_frame(Readings((reading(),))).replace(b'current="10"', b'current="--"')

    async def main(clock: VirtualClock) -> None:
        transport = ScriptedTransport()
        replies = [reply_frame(Connected("ok")), reply_frame(Devices((), (DeviceChannel(HERE, idle=True),))), frame]
        transport.on_write = lambda _data: transport.hear(replies.pop(0))
        driver = make_driver(Wanted(BTS, 0, "xml+tcp", Port(transport, clock), S, {}))
        await driver.identify()
        sample = await driver.read()
        assert sample.quality is Quality.IMPLAUSIBLE

    run_virtual(main)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("working", "running"),
        ("pause", "paused"),
        ("finish", "finished"),
        ("stop", "idle"),
        ("protect", "protected"),
        ("waitStart", "running"),
    ],
)
def test_states(word: str, status: str) -> None:
    make, _ = scripted(Statuses((ChannelStatus(HERE, word, 1),)))

    async def main(clock: VirtualClock) -> None:
        driver = make(clock)
        await driver.identify()
        assert await driver.status() == status

    run_virtual(main)


def test_a_state_that_nobody_knows_is_no_state() -> None:
    make, asked = scripted(
        Statuses((ChannelStatus(HERE, "dancing", 1),)),
        Statuses((ChannelStatus(HERE, "dancing", 1),)),
        Acknowledged("stop", ((HERE, False),)),
        Statuses((ChannelStatus(HERE, "dancing", 1),)),
    )

    async def main(clock: VirtualClock) -> None:
        driver = make(clock)
        await driver.identify()
        with pytest.raises(BadReply, match="dancing"):
            await driver.status()
        with pytest.raises(NewareRefused):
            await driver.prepare()
        assert asked[-2] == ChannelAction("stop", (HERE,)), "what might be running is told to stop"

    run_virtual(main)


def test_a_stop_that_was_accepted_and_not_done_is_found_out() -> None:
    working, stopped = (Statuses((ChannelStatus(HERE, word, 1),)) for word in ("working", "stop"))
    accepted = Acknowledged("stop", ((HERE, True),))
    make, asked = scripted(accepted, working, working, working, accepted, working, stopped, accepted, stopped)

    async def main(clock: VirtualClock) -> None:
        driver = make(clock)
        await driver.identify()
        with pytest.raises(BadReply, match="the channel still runs"):
            await driver.stop()
        await driver.stop()
        await driver.stop()
        stop, status = ChannelAction("stop", (HERE,)), GetStatus((HERE,))
        assert asked[2:] == [stop, status, status, status, stop, status, status, stop, status]

    run_virtual(main)


def test_the_requests_of_a_test_are_those_of_the_reference_client(tmp_path: Path) -> None:
    device = NewareBtsDevice(PlainCycler(), read_file=lambda _path: to_neware_xml(program(RestStep(1.0))).encode())
    asked: list[NewareRequest] = []

    async def main(clock: VirtualClock) -> None:
        transport = ScriptedTransport()
        session = device.session()

        def on_write(data: bytes) -> None:
            request = take_request(bytearray(data))
            assert request is not None
            assert NewareCodec().encode(request) == data
            asked.append(request)
            transport.hear(session.on_bytes(clock.now_ns(), data))

        transport.on_write = on_write
        settings = {"program_directory": str(tmp_path)}
        driver = make_driver(Wanted(BTS, 0, "xml+tcp", Port(transport, clock), S, settings))
        assert isinstance(driver, NewareBts)
        await driver.identify()
        await driver.upload(program(RestStep(1.0)))
        await driver.start()
        await driver.read()
        await driver.rows(0)

    run_virtual(main)
    assert asked == [
        Connect(),
        GetDevices(),
        GetStatus((HERE,)),
        InquireData((HERE,)),
        Start((Job(HERE, "packbench", f"{tmp_path}/packbench-21-1-1.xml"),)),
        Inquire((HERE,)),
        InquireData((HERE,)),
        Download(HERE, 1, 1),
    ]


def test_while_the_new_test_is_not_there_yet_the_old_one_s_rows_are_nobody_s() -> None:
    old = DataCounts((DataCount(HERE, 7, 3000, True),))
    make, asked = scripted(
        Statuses((ChannelStatus(HERE, "finish", 1),)), old, Acknowledged("start", ((HERE, True),)), old
    )

    async def main(clock: VirtualClock) -> None:
        driver = make(clock)
        await driver.identify()
        driver._program = program(RestStep(1.0))
        await driver.start()
        assert await driver.rows(0) == ()
        assert asked[-1] == InquireData((HERE,))

    run_virtual(main)


def test_rows_of_another_test_are_not_delivered() -> None:
    make, _ = scripted(DataCounts((DataCount(HERE, 7, 3, True),)), Rows(HERE, 8, 1, 3, ()))

    async def main(clock: VirtualClock) -> None:
        driver = make(clock)
        await driver.identify()
        with pytest.raises(BadReply, match="rows of test 8, where 7 is the newest"):
            await driver.rows(0)

    run_virtual(main)
