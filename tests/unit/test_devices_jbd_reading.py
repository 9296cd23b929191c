"""The JBD driver on its emulator: golden frames byte by byte, what is read, and a line that is noisy or silent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.unit.jbd_bench import BASIC_4S, BASIC_17S, CELLS_4S, GOLDEN, JBD, MODEL_4S, Bench, ask, stated, with_jbd

from packbench.core.errors import BadReply, InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.wire.jbd import frames as jbd
from packbench.wire.jbd.data import decode_basic
from packbench.wire.jbd.frames import explain, read_register, reply_frame
from packbench_sim.devices.jbd import JbdDevice, Plate

MS = 1_000_000


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
