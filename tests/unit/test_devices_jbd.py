"""The JBD driver on its emulator, byte by byte in virtual time, and each of them against the golden frames."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
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
from packbench.drivers.jbd import JbdBms
from packbench.run.port import Port
from packbench.wire.jbd import frames as jbd
from packbench.wire.jbd.data import decode_basic
from packbench.wire.jbd.frames import JbdRefused, JbdRequest, explain, read_register, reply_frame, write_register
from packbench_sim.devices.jbd import WRONG_PASSWORD, JbdDevice, Plate
from packbench_sim.loop import VirtualClock, run_virtual
from packbench_sim.stated import StatedBms
from packbench_sim.wire import MemoryLink

MS = 1_000_000
JBD = device_map("jbd")
GOLDEN = golden_frames("jbd")
BASIC_4S, CELLS_4S, MODEL_4S, BASIC_17S = (item.frame for item in GOLDEN if item.direction == "reply")


def stated(cells: int = 4, sensors: int = 3, **values: Any) -> StatedBms:
    return StatedBms(PlainBms(cells, sensors), {"current_a": 0.0, **values})


@dataclass(slots=True, eq=False)
class Bench:
    """A driver, the emulator at the other end of its line, and what went over it."""

    bms: JbdBms
    device: JbdDevice
    clock: VirtualClock
    link: MemoryLink
    port: Port
    sent: list[bytes] = field(default_factory=list)
    switched: list[tuple[bool, bool]] = field(default_factory=list)


LIMITS = {"limits_from": "eeprom"}
"""Asked for: by default nothing is written to a board."""


def with_jbd(
    use: Callable[[Bench], Awaitable[None]],
    *,
    part: Any = None,
    plate: Plate | None = None,
    settings: dict[str, Any] | None = None,
) -> None:
    async def main(clock: VirtualClock) -> None:
        switched: list[tuple[bool, bool]] = []
        device = JbdDevice(
            part or stated(), plate, switches=lambda _t, charge, discharge: switched.append((charge, discharge))
        )
        link = MemoryLink(asyncio.get_running_loop(), device, clock, byte_time_ns=1_041_667)
        port = Port(link, clock)
        bms = make_driver(Wanted(JBD, JBD.unit, "pty", port, JBD.line.reply_timeout_ns, {**LIMITS, **(settings or {})}))
        assert isinstance(bms, JbdBms)
        bench = Bench(bms, device, clock, link, port, switched=switched)

        def record(_t_ns: int, data: bytes) -> bytes:
            bench.sent.append(data)
            return data

        link.to_device = record
        await use(bench)

    run_virtual(main)


def ask(device: JbdDevice, *requests: JbdRequest) -> list[bytes]:
    return [device.on_bytes(0, jbd.request_frame(request)) for request in requests]


# ------------------------------------------------------------------- golden


def test_the_emulator_says_the_golden_replies_byte_for_byte() -> None:
    part = stated(
        cell_voltages_v=np.array([3.909, 3.901, 3.895, 3.901]),
        voltage_v=15.60,
        temperatures_c=np.array([22.4, 22.3, 21.7]),
        soc=1.0,
        cycles=0,
    )
    plate = Plate("JBD-SP04S034-L4S-200A-B-U", (2022, 3, 28), 0x80, nominal_ah=5.0, remaining_ah=4.98)
    replies = ask(JbdDevice(part, plate), *map(read_register, (jbd.BASIC, jbd.CELLS, jbd.MODEL)))
    assert replies == [BASIC_4S, CELLS_4S, MODEL_4S]

    part = stated(
        17,
        voltage_v=66.23,
        current_a=-20.12,
        temperatures_c=np.array([23.7, 25.4, 23.5, 23.6]),
        soc=0.87,
        cycles=2,
    )
    plate = Plate(made=(2018, 4, 17), version=0x12, nominal_ah=40.0, remaining_ah=34.93)
    assert ask(JbdDevice(part, plate), read_register(jbd.BASIC)) == [BASIC_17S]


def test_the_driver_sends_the_golden_requests_byte_for_byte() -> None:
    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        await bench.bms.read()
        await bench.bms.error_counts()
        for charge in (True, False):
            for discharge in (True, False):
                await bench.bms.switch(charge=charge, discharge=discharge)
        assert {item.frame for item in GOLDEN if item.direction == "request"} <= set(bench.sent)

    with_jbd(use)


# -------------------------------------------------------------------- reads


def test_a_sample_says_what_the_board_says() -> None:
    part = stated(
        5,
        2,
        cell_voltages_v=np.array([3.301, 3.298, 3.305, 3.290, 3.299]),
        current_a=-7.5,
        temperatures_c=np.array([-3.5, 24.0]),
        alarms=("cell_under_voltage",),
        balancing=True,
        charge_limit_a=30.0,
        discharge_limit_a=45.5,
    )

    async def use(bench: Bench) -> None:
        identity = await bench.bms.identify()
        assert (identity.model, identity.serial, identity.firmware) == ("JBD-SP20S004-L16S-150A-B", "", "2.7")
        sample = await bench.bms.read()
        assert sample.cell_voltages_v.tolist() == [3.301, 3.298, 3.305, 3.290, 3.299]
        assert (sample.cell_min_index, sample.cell_max_index) == (4, 3)
        assert sample.voltage_v == pytest.approx(16.49, abs=0.006)
        assert (sample.current_a, sample.soc, sample.cycles) == (-7.5, 0.87, 321)
        assert sample.temperatures_c == (-3.5, 24.0)
        assert sample.alarms == ("cell_under_voltage",)
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (30.0, 45.5)
        assert sample.balancing is True
        assert sample.soh is None, "the board does not say"
        assert sample.quality is Quality.GOOD
        # Two answers: a sample is as old as the older one.
        assert bench.clock.now_ns() - sample.t_ns > 10 * MS

    with_jbd(use, part=part)


def test_the_limits_are_read_in_factory_mode_and_nothing_is_saved() -> None:
    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        asked = [explain("request", frame).values["asked"] for frame in bench.sent]
        assert asked == [
            "read model",
            "read basic information",
            "write enter factory mode",
            "read register 28",
            "read register 29",
            "write leave factory mode",
        ]
        assert bench.sent[-1] == jbd.request_frame(jbd.leave_factory(save=False))
        assert bench.device.factory is False

    with_jbd(use)


def test_limits_can_be_left_unread() -> None:
    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (None, None)
        assert not any(frame[1] == jbd.WRITE for frame in bench.sent)

    with_jbd(use, settings={"limits_from": "nothing"})


def test_a_board_with_a_password_states_no_limits() -> None:
    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        assert (await bench.bms.read()).charge_limit_a is None
        assert bench.device.factory is False

    with_jbd(use, plate=Plate(password=b"333333"))


def test_factory_mode_is_left_though_its_answer_was_lost() -> None:
    async def use(bench: Bench) -> None:
        lost = iter([True])

        def lose_acknowledgement(_t_ns: int, data: bytes) -> bytes:
            return b"" if data == reply_frame(jbd.FACTORY_ENTER) and next(lost, False) else data

        bench.link.from_device = lose_acknowledgement
        await bench.bms.identify()
        assert bench.port.stats.timeouts == 1
        assert bench.device.factory is False
        assert (await bench.bms.read()).discharge_limit_a is None

    with_jbd(use)


@pytest.mark.parametrize("plate", [Plate(header="request"), Plate(extended=True), Plate(on_bad="silent")])
def test_boards_of_every_kind_are_read(plate: Plate) -> None:
    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        sample = await bench.bms.read()
        assert sample.cell_voltages_v.size == 4
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, 100.0)
        await bench.bms.switch(charge=False, discharge=True)
        assert bench.device.charge_on is False

    with_jbd(use, plate=plate)


def test_a_board_of_the_other_kind_is_not_believed_where_the_bench_says_so() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout):
            await bench.bms.identify()

    with_jbd(use, plate=Plate(header="request"), settings={"reply_header": "register"})


def test_nothing_is_written_to_a_board_unasked() -> None:
    """Limits are behind factory mode, which is a write."""

    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        await bench.bms.read()
        assert bench.sent
        assert all(frame[1] == 0xA5 for frame in bench.sent), "reads alone"

    assert JBD.options["limits_from"] == "nothing"
    with_jbd(use, settings=dict(JBD.options))


@pytest.mark.parametrize("settings", [{"reply_header": "a5"}, {"limits_from": "bench"}])
def test_unknown_options_are_refused(settings: dict[str, Any]) -> None:
    async def use(_bench: Bench) -> None:
        pytest.fail("made a driver")

    with pytest.raises(InputError):
        with_jbd(use, settings=settings)


def test_cells_that_do_not_match_the_board_s_own_count_are_no_answer() -> None:
    """The register of a reply is outside its checksum: a basic information may pass for cells."""

    async def use(bench: Bench) -> None:
        def cells_less(_t_ns: int, data: bytes) -> bytes:
            return reply_frame(jbd.CELLS, data[4:-5]) if data[1] == jbd.CELLS else data

        bench.link.from_device = cells_less
        with pytest.raises(BadReply, match="3 cell voltages of 4"):
            await bench.bms.read()

    with_jbd(use)


@pytest.mark.parametrize(
    "values",
    [
        {"temperatures_c": np.array([25.0, 200.0, 25.0])},
        {"temperatures_c": np.array([-80.0, 25.0, 25.0])},
        {"cell_voltages_v": np.array([3.3, 3.3, 6.5, 3.3])},
    ],
)
def test_readings_that_cannot_be_are_implausible(values: dict[str, Any]) -> None:
    async def use(bench: Bench) -> None:
        assert (await bench.bms.read()).quality is Quality.IMPLAUSIBLE

    with_jbd(use, part=stated(**values))


def test_a_state_of_charge_above_one_is_implausible() -> None:
    async def use(bench: Bench) -> None:
        def overfull(_t_ns: int, data: bytes) -> bytes:
            if data[1] != jbd.BASIC:
                return data
            return reply_frame(jbd.BASIC, replace(decode_basic(data[4:-3]), soc_percent=101).encode())

        bench.link.from_device = overfull
        assert (await bench.bms.read()).quality is Quality.IMPLAUSIBLE

    with_jbd(use)


# ------------------------------------------------------------------- writes


def test_switching_moves_the_plant_and_later_reads() -> None:
    async def use(bench: Bench) -> None:
        await bench.bms.identify()
        await bench.bms.switch(charge=False, discharge=True)
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (0.0, 100.0)
        assert sample.alarms == ("mos_software_lock",)
        await bench.bms.switch(charge=True, discharge=False)
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (75.0, 0.0)
        await bench.bms.switch(charge=True, discharge=True)
        assert (await bench.bms.read()).alarms == ()
        assert bench.switched == [(False, True), (True, False), (True, True)]
        assert bench.device.factory is False

    with_jbd(use)


def test_a_switch_that_does_not_open_is_told() -> None:
    async def use(bench: Bench) -> None:
        def welded(_t_ns: int, data: bytes) -> bytes:
            return BASIC_4S if data[1] == jbd.BASIC else data

        bench.link.from_device = welded
        with pytest.raises(BadReply, match="discharging was switched off"):
            await bench.bms.switch(charge=True, discharge=False)

    with_jbd(use)


def test_a_pack_that_may_not_be_charged_has_its_charge_mosfet_off() -> None:
    async def use(bench: Bench) -> None:
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.alarms) == (0.0, ("cell_over_voltage",))

    with_jbd(use, part=stated(charge_limit_a=0.0, alarms=("cell_over_voltage",)))


def test_eeprom_writes_read_back_and_are_saved_or_forgotten() -> None:
    device = JbdDevice(stated())
    read, write = read_register(0x24), write_register(0x24, b"\x0e\x42")
    before = reply_frame(0x24, (3750).to_bytes(2, "big"))
    assert ask(device, jbd.enter_factory(), read)[1] == before
    assert ask(device, write, read) == [reply_frame(0x24), reply_frame(0x24, b"\x0e\x42")]
    ask(device, jbd.leave_factory(save=False), jbd.enter_factory())
    assert ask(device, read) == [before]
    ask(device, write, jbd.leave_factory(save=True), jbd.enter_factory())
    assert ask(device, read) == [reply_frame(0x24, b"\x0e\x42")]


def test_texts_have_a_length_of_their_own() -> None:
    device = JbdDevice(stated())
    ask(device, jbd.enter_factory())
    assert ask(device, write_register(0xA1, b"\x04Pack"), read_register(0xA1))[1] == reply_frame(0xA1, b"\x04Pack")
    assert ask(device, write_register(0xA1, b"\x09Pack")) == [reply_frame(0xA1, status=jbd.REFUSED)]


BAD = [
    read_register(0x24),
    read_register(0x77),
    write_register(0x24, b"\x0e\x42"),
    write_register(jbd.BASIC, b"\0\0"),
    write_register(jbd.FACTORY_ENTER, b"\x12\x34"),
    write_register(jbd.FETS, b"\0"),
]


@pytest.mark.parametrize("request_", BAD, ids=JbdRequest.describe)
def test_bad_requests_are_refused_or_not_answered(request_: JbdRequest) -> None:
    assert ask(JbdDevice(stated()), request_) == [reply_frame(request_.register, status=jbd.REFUSED)]
    assert ask(JbdDevice(stated(), Plate(on_bad="silent")), request_) == [b""]


def test_the_driver_tells_a_refusal_from_silence() -> None:
    async def use(bench: Bench) -> None:
        link = bench.bms._link
        with pytest.raises(JbdRefused) as refused:
            await link.exchange(read_register(0x24))
        assert refused.value.status == jbd.REFUSED

    with_jbd(use)


def test_a_password_opens_factory_mode() -> None:
    device = JbdDevice(stated(), Plate(password=b"333333"))
    wrong, right = (write_register(jbd.USE_PASSWORD, b"\x06" + word) for word in (b"000000", b"333333"))
    refused = reply_frame(jbd.FACTORY_ENTER, status=WRONG_PASSWORD)
    assert ask(device, jbd.enter_factory(), wrong, jbd.enter_factory()) == [
        refused,
        reply_frame(jbd.USE_PASSWORD, status=WRONG_PASSWORD),
        refused,
    ]
    assert ask(device, right, jbd.enter_factory()) == [reply_frame(jbd.USE_PASSWORD), reply_frame(jbd.FACTORY_ENTER)]


def test_a_written_remaining_capacity_moves_with_the_plant() -> None:
    part = stated(soc=0.5)
    device = JbdDevice(part, Plate(nominal_ah=100.0))
    ask(device, write_register(jbd.REMAINING, (8000).to_bytes(2, "big")))
    values = explain("reply", ask(device, read_register(jbd.BASIC))[0]).values
    assert (values["remaining_ah"], values["soc"]) == (80.0, 0.8)


def test_the_balance_test_closes_every_other_cell_until_factory_mode_is_left() -> None:
    device = JbdDevice(stated(6))
    ask(device, jbd.enter_factory(), write_register(jbd.BALANCE_TEST, b"\0\x02"))
    assert ask(device, read_register(jbd.BASIC))[0][16:20] == b"\0\x2a\0\0"
    ask(device, jbd.leave_factory(save=False))
    assert ask(device, read_register(jbd.BASIC))[0][16:20] == bytes(4)


def test_protections_are_counted_when_they_begin() -> None:
    part = PlainBms(4, 2)

    async def use(bench: Bench) -> None:
        for alarms in (("cell_over_voltage",), ("cell_over_voltage", "over_temperature"), (), ("cell_over_voltage",)):
            part.alarms = alarms
            await bench.bms.read()
        counts = await bench.bms.error_counts()
        # The pack is being discharged: its over-temperature is the discharge's.
        assert {name: count for name, count in counts.items() if count} == {
            "cell_over_voltage": 2,
            "discharge_over_temperature": 1,
        }

    with_jbd(use, part=part)


@given(
    st.lists(
        st.builds(
            JbdRequest,
            st.sampled_from([0x00, 0x01, 0x03, 0x06, 0x24, 0xA1, 0xAA, 0xE0, 0xE1, 0xE2]) | st.integers(0, 255),
            st.booleans(),
            st.binary(max_size=8),
        )
        | st.just(jbd.enter_factory()),
        max_size=12,
    )
)
def test_whatever_is_asked_and_written_it_can_be_read(requests: list[JbdRequest]) -> None:
    device = JbdDevice(stated(16))
    ask(device, *requests)
    assert explain("reply", ask(device, read_register(jbd.BASIC))[0]).values["cell_count"] == 16


# ----------------------------------------------------------------- the line


def test_noise_an_echo_and_older_answers_cost_nothing() -> None:
    async def use(bench: Bench) -> None:
        def noisy(_t_ns: int, data: bytes) -> bytes:
            return b"\xdd\x00\x77" + bench.sent[-1] + reply_frame(jbd.MODEL, b"old") + data

        bench.link.from_device = noisy
        assert (await bench.bms.read()).cell_voltages_v.size == 4
        assert bench.port.counters.foreign_frames == 4
        assert bench.port.stats.retries == 0

    with_jbd(use)


def test_a_corrupted_answer_is_asked_for_again_and_a_write_never() -> None:
    async def use(bench: Bench) -> None:
        broken = iter([True])

        def breaks_one(_t_ns: int, data: bytes) -> bytes:
            return data[:-3] + b"\1\1\x77" if next(broken, False) else data

        bench.link.from_device = breaks_one
        assert (await bench.bms.read()).cell_voltages_v.size == 4
        assert (bench.port.stats.retries, bench.port.counters.crc_errors) == (1, 1)
        broken = iter([True])
        with pytest.raises(ReplyTimeout):
            await bench.bms._link.exchange(jbd.set_fets(charge=True, discharge=True))
        assert bench.port.stats.retries == 1

    with_jbd(use)


def test_a_silent_board_times_out() -> None:
    device = JbdDevice(stated(), silent=lambda _t_ns: True)
    assert ask(device, read_register(jbd.BASIC)) == [b""]
