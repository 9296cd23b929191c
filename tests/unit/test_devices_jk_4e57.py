"""The JK 4E57 driver on its emulator, byte by byte in virtual time, and each of them against the golden frames."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.golden import golden_frames
from tests.unit.wire_parts import PlainBms, device_map

from packbench.core.errors import BadReply, InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.factory import Wanted, make_driver
from packbench.drivers.jk_4e57 import Jk4e57Bms
from packbench.run.port import Port
from packbench.wire.jk_4e57 import frames as jk
from packbench.wire.jk_4e57.frames import JkFrame, JkRequest, decode_frame
from packbench.wire.jk_4e57.items import CHARGE_SWITCH, VERSION, JkConventions, decode_table, encode_item
from packbench_sim.devices.jk_4e57 import PASSWORD, Habits, Jk4e57Device
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MS = 1_000_000
JK = device_map("jk-4e57")
READ_ALL, REPLY_13S, REPLY_14S = (item.frame for item in golden_frames("jk_4e57"))
AT_ONCE = Habits(reply_delay_ns=0, deaf_ns=0)


def stated(cells: int = 4, sensors: int = 2, **values: Any) -> StatedBms:
    return StatedBms(PlainBms(cells, sensors), {"current_a": 0.0, **values})


@dataclass(slots=True, eq=False)
class Bench:
    """A driver, the emulator at the other end of its line, and what went over it."""

    bms: Jk4e57Bms
    device: Jk4e57Device
    clock: VirtualClock
    link: MemoryLink
    port: Port
    sent: list[tuple[int, bytes]] = field(default_factory=list)


def with_jk(
    use: Callable[[Bench], Awaitable[None]],
    *,
    part: Any = None,
    settings: dict[str, Any] | None = None,
    unit: int = 0,
    **device: Any,
) -> None:
    async def main(clock: VirtualClock) -> None:
        emulator = Jk4e57Device(part or stated(), **device)
        link = MemoryLink(asyncio.get_running_loop(), emulator, clock, byte_time_ns=86_806)
        port = Port(link, clock)
        bms = make_driver(Wanted(JK, unit, "pty", port, JK.line.reply_timeout_ns, settings or {}))
        assert isinstance(bms, Jk4e57Bms)
        bench = Bench(bms, emulator, clock, link, port)

        def record(t_ns: int, data: bytes) -> bytes:
            bench.sent.append((t_ns, data))
            return data

        link.to_device = record
        await use(bench)

    run_virtual(main)


def ask(device: Jk4e57Device, *requests: JkRequest) -> list[bytes]:
    return [device.on_bytes(0, jk.request_frame(request)) for request in requests]


def items_of(frame: bytes) -> dict[str, Any]:
    return decode_table(decode_frame(frame).data).values()


def changed(name: str, value: int) -> Callable[[int, bytes], bytes]:
    """Answers with one item other than the device has it, and a right sum."""

    def mangle(_t_ns: int, data: bytes) -> bytes:
        frame = decode_frame(data)
        code = {"cells": 0x8A, "soc": 0x85, "cell 2": 0x79}[name]
        table = decode_table(frame.data)
        items = [
            (known, ((1, 3300), (value, 3300), (3, 3300), (4, 3300)) if code == 0x79 else value)
            if known == code
            else (known, raw)
            for known, raw in table.items
        ]
        payload = b"".join(encode_item(known, raw) for known, raw in items)
        return JkFrame(frame.command, frame.source, frame.kind, payload).encode()

    return mangle


# ------------------------------------------------------------------- golden


def test_the_emulator_says_the_golden_replies_byte_for_byte() -> None:
    """A state for each capture: readings by name, and whatever its board had been set to."""
    for golden, cells in ((REPLY_13S, 13), (REPLY_14S, 14)):
        values = items_of(golden)
        part = stated(
            cells,
            cell_voltages_v=np.array(values["cell_voltages_v"]),
            voltage_v=values["voltage_v"],
            current_a=values["current_a"],
            soc=values["soc"],
            cycles=values["cycles"],
            temperatures_c=np.array(values["temperatures_c"]),
            balancing=values["balancing"],
            charge_limit_a=float(values["charge_limit_a"]),
            discharge_limit_a=float(values["discharge_limit_a"]),
        )
        settings = {
            code: raw
            for code, raw in decode_table(decode_frame(golden).data).items
            if not 0x79 <= code <= 0x8C and code not in (0x97, 0x99, 0xA9)
        }
        device = Jk4e57Device(
            part,
            items={**settings, 0x89: 0},
            mos_temperature_c=values["mos_temperature_c"],
            habits=AT_ONCE,
        )
        assert ask(device, jk.read_all()) == [golden]


def test_the_command_for_one_item_reads_everything_when_it_names_none() -> None:
    (whole, read) = ask(Jk4e57Device(stated(), habits=AT_ONCE), jk.read_all(), JkRequest(jk.READ, jk.EVERYTHING))
    assert decode_frame(read).command == jk.READ
    assert decode_frame(read).data == decode_frame(whole).data


def test_the_driver_sends_the_golden_request_byte_for_byte() -> None:
    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        await bench.bms.read()
        assert [frame for _, frame in bench.sent] == [jk.request_frame(jk.activate()), READ_ALL, READ_ALL]

    with_jk(use)


# -------------------------------------------------------------------- reads


@pytest.mark.parametrize("version", [0, 1])
def test_a_sample_says_what_the_board_says(version: int) -> None:
    part = stated(
        5,
        cell_voltages_v=np.array([3.301, 3.298, 3.305, 3.290, 3.299]),
        current_a=-7.52,
        temperatures_c=np.array([-12.0, 24.0]),
        alarms=("cell_under_voltage", "under_temperature"),
        balancing=True,
        charge_limit_a=30.0,
        discharge_limit_a=45.0,
    )

    async def use(bench: Bench) -> None:
        identity = await bench.bms.identify()
        assert (identity.model, identity.firmware) == ("JK-B2A24S20P", "10.XW_S10.07___")
        sample = await bench.bms.read()
        assert sample.cell_voltages_v.tolist() == [3.301, 3.298, 3.305, 3.290, 3.299]
        assert sample.voltage_v == pytest.approx(16.49, abs=0.006)
        assert (sample.current_a, sample.soc, sample.cycles) == (-7.52, 0.87, 321)
        assert sample.temperatures_c == (-12.0, 24.0)
        assert sample.alarms == ("under_temperature", "cell_under_voltage")
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (30.0, 45.0)
        assert isinstance(sample.charge_limit_a, float)
        assert sample.balancing is True
        assert sample.soh is None, "the board does not say"
        assert sample.quality is Quality.GOOD

    with_jk(use, part=part, items={VERSION: version})


@pytest.mark.parametrize("convention", ["101_is_minus_1", "100_is_minus_0", "100_is_minus_1"])
def test_both_sides_can_be_told_where_temperatures_turn_negative(convention) -> None:
    async def use(bench: Bench) -> None:
        assert (await bench.bms.read()).temperatures_c == (-3.0, 24.0)

    with_jk(
        use,
        part=stated(temperatures_c=np.array([-3.0, 24.0])),
        settings={"temperature": convention},
        habits=Habits(conventions=JkConventions(convention)),
    )


def test_a_sign_bit_is_read_where_the_version_does_not_tell() -> None:
    async def use(bench: Bench) -> None:
        bench.link.from_device = lambda _t_ns, data: (
            data.replace(b"\xc0\x01\0\0\0\0\x68", b"\xc0\x00\0\0\0\0\x68")[:-2]
            + (int.from_bytes(data[-2:], "big") - 1).to_bytes(2, "big")
        )
        assert (await bench.bms.read()).current_a == 12.0

    with_jk(use, part=stated(current_a=12.0), settings={"current": "sign_bit"})


def test_a_switch_that_is_off_allows_nothing() -> None:
    async def use(bench: Bench) -> None:
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (0.0, 100.0)

    with_jk(use, items={CHARGE_SWITCH: 0})


@pytest.mark.parametrize(("name", "value"), [("cells", 5), ("cells", 3), ("cell 2", 3)])
def test_cells_that_contradict_the_board_s_own_count_are_no_answer(name: str, value: int) -> None:
    """The sum is weak: corrupted bytes got through it (syssi/esphome-jk-bms#247)."""

    async def use(bench: Bench) -> None:
        bench.link.from_device = changed(name, value)
        with pytest.raises(BadReply, match="cells"):
            await bench.bms.read()

    with_jk(use)


def test_readings_that_cannot_be_are_implausible() -> None:
    wrong: list[dict[str, Any]] = [
        {"cell_voltages_v": np.array([3.3, 6.1])},
        {"temperatures_c": np.array([-40.0, 20.0])},
    ]

    async def use(bench: Bench) -> None:
        assert (await bench.bms.read()).quality is Quality.GOOD
        bench.link.from_device = changed("soc", 120)
        assert (await bench.bms.read()).quality is Quality.IMPLAUSIBLE

    with_jk(use)
    for values, expected in zip(wrong, (Quality.IMPLAUSIBLE, Quality.GOOD), strict=True):

        async def look(bench: Bench, expected: Quality = expected) -> None:
            assert (await bench.bms.read()).quality is expected

        with_jk(look, part=stated(**values))


def test_what_the_board_does_not_say_is_absent() -> None:
    async def use(bench: Bench) -> None:
        bench.link.from_device = lambda _t, _d: JkFrame(jk.READ_ALL, jk.FROM_BMS, jk.REPLY, b"\x85\x32").encode()
        sample = await bench.bms.read()
        assert sample.soc == 0.5
        assert (sample.voltage_v, sample.current_a, sample.charge_limit_a, sample.balancing) == (None,) * 4
        assert sample.cell_voltages_v.size == 0
        assert sample.temperatures_c == ()

    with_jk(use)


@pytest.mark.parametrize("settings", [{"temperature": "minus"}, {"current": "signed"}, {"wake": "1"}])
def test_unknown_options_are_refused(settings: dict[str, Any]) -> None:
    async def use(_bench: Bench) -> None:
        pytest.fail("made a driver")

    with pytest.raises(InputError):
        with_jk(use, settings=settings)


# ---------------------------------------------------- sleep, time and address


@pytest.mark.parametrize("acknowledges", [False, True])
def test_a_sleeping_board_is_woken_before_it_is_asked(acknowledges: bool) -> None:
    async def use(bench: Bench) -> None:
        assert (await bench.bms.identify()).firmware == "10.XW_S10.07___"
        assert bench.device.asleep is False
        assert bench.port.stats.timeouts == 0

    with_jk(use, habits=Habits(asleep=True, acknowledges=acknowledges))


def test_a_sleeping_board_says_nothing_to_who_does_not_wake_it() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout):
            await bench.bms.identify()

    with_jk(use, habits=Habits(asleep=True), settings={"wake": "nothing"})


def test_a_slow_answer_is_waited_for() -> None:
    async def use(bench: Bench) -> None:
        began_ns = bench.clock.now_ns()
        assert (await bench.bms.read()).soc == 0.87
        assert bench.clock.now_ns() - began_ns > 4800 * MS
        assert bench.port.stats.retries == 0

    with_jk(use, habits=Habits(reply_delay_ns=4800 * MS))


def test_an_answer_that_comes_too_late_answers_nothing_else() -> None:
    async def use(bench: Bench) -> None:
        late = iter([5300 * MS])
        bench.device._habits = Habits(reply_delay_ns=next(late))
        reading = asyncio.ensure_future(bench.bms.read())
        await bench.clock.sleep_until(bench.clock.now_ns() + 5200 * MS)
        bench.device._habits = Habits()
        assert (await reading).soc == 0.87
        assert bench.port.stats.timeouts == 1
        assert bench.port.stats.dropped_bytes > 200, "the late answer"

    with_jk(use)


def test_there_are_100_ms_between_packets_and_a_board_is_deaf_for_some_of_them() -> None:
    async def use(bench: Bench) -> None:
        for _ in range(3):
            await bench.bms.read()
        ends = [t_ns for t_ns, _ in bench.sent]
        assert min(later - earlier for earlier, later in pairwise(ends)) > 100 * MS

    with_jk(use)
    device = Jk4e57Device(stated(), habits=Habits(reply_delay_ns=0))
    assert [bool(reply) for reply in ask(device, jk.read_all(), jk.read_all())] == [True, False]


def test_a_request_while_it_answers_is_not_heard() -> None:
    device = Jk4e57Device(stated(), habits=Habits(reply_delay_ns=10 * MS))
    assert ask(device, jk.read_all(), jk.read_item(0x85)) == [b"", b""]
    assert device.tick(5 * MS) == 10 * MS
    assert device.take_output() == b""
    assert device.tick(10 * MS) is None
    assert decode_frame(device.take_output()).command == jk.READ_ALL
    assert device.tick(20 * MS) is None


def test_a_terminal_answers_to_its_number_and_to_0() -> None:
    for unit, answered in ((0, True), (7, True), (8, False)):
        (reply,) = ask(Jk4e57Device(stated(), terminal=7, habits=AT_ONCE), JkRequest(jk.READ_ALL, terminal=unit))
        assert bool(reply) is answered

    async def use(bench: Bench) -> None:
        await bench.bms.read()
        assert decode_frame(bench.sent[0][1]).terminal == 7

    with_jk(use, unit=7, terminal=7)


# ------------------------------------------------------------------- writes


def test_writes_need_the_password_and_change_later_reads() -> None:
    switched: list[tuple[bool, bool]] = []
    device = Jk4e57Device(
        stated(), habits=AT_ONCE, switches=lambda _t, charge, discharge: switched.append((charge, discharge))
    )
    off = jk.write_item(CHARGE_SWITCH, 0)
    assert ask(device, off, jk.send_password(b"000000"), off) == [b"", b"", b""]
    assert items_of(ask(device, jk.read_all())[0])["charging_allowed"] is True
    assert all(ask(device, jk.send_password(PASSWORD), off))
    values = items_of(ask(device, jk.read_all())[0])
    assert (values["charge_switch"], values["charging_allowed"], values["discharging_allowed"]) == (0, False, True)
    assert switched == [(False, True)]
    assert ask(device, off) == [b""], "a password is good for one write"
    assert all(ask(device, jk.send_password(PASSWORD), jk.write_item(0x90, 3700)))
    assert items_of(ask(device, jk.read_item(0x90))[0]) == {"cell_over_voltage_v": 3.7}


@pytest.mark.parametrize("data", ["830000", "bb01", "f001", "90", "900e4291 0da4", ""])
def test_what_cannot_be_written_is_not_answered(data: str) -> None:
    device = Jk4e57Device(stated(), habits=AT_ONCE)
    before = ask(device, jk.read_all())
    assert ask(device, jk.send_password(PASSWORD), JkRequest(jk.WRITE, bytes.fromhex(data)))[1] == b""
    assert ask(device, jk.read_all()) == before


@pytest.mark.parametrize("request_", [JkRequest(9), jk.read_item(0xF0), jk.read_item(0xBB), JkRequest(jk.READ, b"")])
def test_what_it_does_not_understand_is_not_answered(request_: JkRequest) -> None:
    assert ask(Jk4e57Device(stated(), habits=AT_ONCE), request_) == [b""]


@pytest.mark.parametrize(
    ("current_a", "version", "said"),
    [(500.0, 1, 327.67), (-500.0, 1, -327.67), (500.0, 0, 100.0), (-600.0, 0, -555.35)],
)
def test_a_current_that_the_coding_cannot_hold_is_said_as_the_most_it_can(
    current_a: float, version: int, said: float
) -> None:
    device = Jk4e57Device(stated(current_a=current_a), items={VERSION: version}, habits=AT_ONCE)
    assert items_of(ask(device, jk.read_all())[0])["current_a"] == said


@given(
    st.lists(
        st.builds(
            JkRequest,
            st.sampled_from([1, 2, 3, 5, 6]),
            st.builds(lambda code, data: bytes((code,)) + data, st.integers(0x75, 0xC5), st.binary(max_size=6)),
        )
        | st.just(jk.send_password(PASSWORD)),
        max_size=12,
    )
)
def test_whatever_is_asked_and_written_its_table_can_be_read(requests: list[JkRequest]) -> None:
    device = Jk4e57Device(stated(16), habits=AT_ONCE)
    ask(device, *requests)
    assert len(items_of(ask(device, jk.read_all())[0])["cell_voltages_v"]) == 16


def test_a_pack_threshold_that_no_item_holds_is_the_highest_it_can() -> None:
    device = Jk4e57Device(stated(16), habits=AT_ONCE)
    assert all(ask(device, jk.send_password(PASSWORD), jk.write_item(0x90, 0xFFFF)))
    assert items_of(ask(device, jk.read_all())[0])["pack_over_voltage_v"] == 655.35


def test_a_silent_board_says_nothing() -> None:
    assert ask(Jk4e57Device(stated(), habits=AT_ONCE, silent=lambda _t: True), jk.read_all()) == [b""]
