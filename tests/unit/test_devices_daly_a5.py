"""The Daly A5 driver on its emulator, byte by byte in virtual time, and both against the captures."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.unit.daly_bench import A5, MS, SECOND, Bench, array, stated, with_daly
from tests.unit.golden import golden_frames
from tests.unit.wire_parts import PlainBms

from packbench.core.errors import BadReply, InputError, ReplyTimeout
from packbench.core.samples import Quality
from packbench.drivers.daly_current import check_direction
from packbench.wire.daly import a5_data as data
from packbench.wire.daly.a5 import read, reply_frame, request_frame, write
from packbench_sim.devices.bus import BusDevices
from packbench_sim.devices.daly_a5 import DalyA5Device

CAPTURE = [item.frame for item in golden_frames("daly_a5") if item.direction == "reply"]
"""In file order: 90, 91, 92, 93, 94, 96, 95 (frames 1 and 3), 90 and 94 of another board, the document's 90."""


# --------------------------------------------------------------- A5: emulator


def captured_board() -> DalyA5Device:
    """The board of diysolarforum 21898: cells that the capture does not show lie between its extremes."""
    cells = [3.776, 3.778, 3.783, 3.779, 3.784, 3.779, 3.778, 3.778, 3.740, 3.778, 3.778, 3.778, 3.778, 3.778]
    part = stated(cell_voltages_v=array(*cells), temperatures_c=array(21.0), voltage_v=52.8, soc=0.5, soh=1.0, cycles=0)
    return DalyA5Device(part, rated_ah=40.0, io_bits=2, life=16)


def test_the_captured_sequence_comes_out_byte_for_byte_leftovers_included() -> None:
    board = captured_board()
    replies = [board.on_bytes(0, request_frame(read(command))) for command in range(0x90, 0x97)]
    assert replies[:5] == CAPTURE[:5]
    assert replies[6] == CAPTURE[5]
    cells = [replies[5][at : at + 13] for at in range(0, len(replies[5]), 13)]
    assert len(cells) == 5
    assert (cells[0], cells[2]) == (CAPTURE[6], CAPTURE[7])


def test_leftovers_are_those_of_the_reply_before_whatever_it_was() -> None:
    board = captured_board()
    first = board.on_bytes(0, request_frame(read(data.CELL_RANGE)))
    assert first[10:12] == b"\0\0", "nothing was sent before"
    board.on_bytes(0, request_frame(read(data.PACK)))
    assert board.on_bytes(0, request_frame(read(data.CELL_RANGE))) == CAPTURE[1]


def test_replies_of_the_other_captures_come_out_byte_for_byte() -> None:
    part = stated(cells=4, sensors=2, voltage_v=13.3, soc=0.484, soh=1.0, cycles=0)
    # What is left over in byte 7 is the low byte of a remaining charge: 67 mAh.
    board = DalyA5Device(part, rated_ah=0.067 / 0.484)
    assert board.on_bytes(0, request_frame(read(data.PACK))) == CAPTURE[8]
    board.on_bytes(0, request_frame(read(data.STATE)))
    assert board.on_bytes(0, request_frame(read(data.STATUS))) == CAPTURE[9]
    part = stated(voltage_v=76.4, current_a=-11.3, soc=0.0)
    assert DalyA5Device(part).on_bytes(0, request_frame(read(data.PACK))) == CAPTURE[10]


def test_whatever_is_no_whole_request_to_this_board_gets_silence() -> None:
    board = captured_board()
    good = request_frame(read(data.PACK))
    broken = bytearray(good)
    broken[-1] ^= 1
    for heard in (broken, good[:-1] + b"\0", CAPTURE[0], request_frame(read(data.PACK, board=2)), b"\xa5\x40"):
        assert board.on_bytes(0, bytes(heard)) == b"", heard.hex()
    assert board.on_bytes(0, request_frame(read(0x5A))) == b"", "no board knows this command"
    assert board.on_bytes(0, good) == CAPTURE[0], "and what was heard before does no harm"


def test_uart_hosts_get_every_frame_and_rs485_hosts_those_with_cells() -> None:
    for host, all_frames, cells, sensors in ((0x40, None, 5, 1), (0x80, None, 16, 3), (0x40, True, 16, 3)):
        board = captured_board()
        board._all_frames = all_frames
        reply = board.on_bytes(0, request_frame(read(data.CELLS, host=host)))
        assert [reply[at + 4] for at in range(0, len(reply), 13)] == list(range(1, cells + 1))
        assert len(board.on_bytes(0, request_frame(read(data.TEMPERATURES, host=host)))) == 13 * sensors


def test_a_pack_that_no_board_could_serve_does_not_bring_the_emulator_down() -> None:
    part = stated(
        cells=96, sensors=20, temperatures_c=array(*[-60.0] * 20), voltage_v=-0.5, alarms=("contactor_fault",)
    )
    board = DalyA5Device(part)
    for command in (*range(0x90, 0x99), 0x50, 0x53, 0x57):
        assert len(board.on_bytes(0, request_frame(read(command)))) % 13 == 0
    status = data.decode_status(board.on_bytes(0, request_frame(read(data.STATUS)))[4:12])
    assert (status.cells, status.sensors) == (48, 16)


# ----------------------------------------------------------------- A5: driver


def test_a5_reads_what_was_stated_and_asks_in_the_captured_words() -> None:
    cells = np.linspace(3.201, 3.216, 16).round(3)
    part = stated(
        cell_voltages_v=cells, temperatures_c=array(-5.0, 0.0, 21.0, 40.0), voltage_v=51.3, current_a=-12.3, soc=0.43,
        cycles=321, alarms=("cell_under_voltage", "short_circuit"), balancing=True,
    )  # fmt: skip

    async def use(bench: Bench) -> None:
        identity = await bench.bms.identify()
        assert (identity.model, identity.serial) == (A5.title, "PACK 7 of 9")
        started_ns = bench.clock.now_ns()
        sample = await bench.bms.read()
        assert sample.cell_voltages_v.tolist() == cells.tolist()
        assert (sample.cell_min_index, sample.cell_max_index) == (1, 16)
        assert sample.temperatures_c == (-5.0, 0.0, 21.0, 40.0)
        assert (sample.voltage_v, sample.current_a, sample.soc, sample.cycles) == (51.3, -12.3, 0.43, 321)
        assert sample.alarms == ("cell_under_voltage", "short_circuit")
        assert (sample.balancing, sample.charge_limit_a, sample.discharge_limit_a) == (True, None, None)
        assert (sample.soh, sample.quality) == (None, Quality.GOOD)
        # The instant is the oldest answer's: one request and one reply of 13 bytes after the start, and the gap.
        assert sample.t_ns - started_ns == pytest.approx(47 * MS, abs=2 * MS)
        golden = {item.frame.hex() for item in golden_frames("daly_a5") if item.direction == "request"}
        extremes = {request_frame(read(command)).hex() for command in (data.CELL_RANGE, data.TEMPERATURE_RANGE)}
        assert golden - extremes <= set(bench.sent), "0x91 and 0x92 say nothing that 0x95 and 0x96 do not"

    with_daly(A5, DalyA5Device(part, code="PACK 7 of 9"), use)


def test_a5_a_discharge_reads_negative_and_a_charge_positive() -> None:
    for current_a in (-30.0, 30.0):

        async def use(bench: Bench, current_a: float = current_a) -> None:
            assert (await bench.bms.read()).current_a == current_a

        with_daly(A5, DalyA5Device(stated(current_a=current_a)), use)
        board = DalyA5Device(stated(current_a=current_a), raised="charge")
        with_daly(A5, board, use, settings={"raw_above_30000": "charge"})


@pytest.mark.parametrize("current_a", [-8.9, 8.9])
def test_a5_a_sign_that_contradicts_the_board_s_state_is_no_reading(current_a: float) -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(BadReply, match="raw_above_30000"):
            await bench.bms.read()

    with_daly(A5, DalyA5Device(stated(current_a=current_a), raised="charge"), use)


def test_a_small_current_may_contradict_the_state_of_a_moment_ago() -> None:
    check_direction(data.DISCHARGING, 0.9)
    check_direction(data.CHARGING, -0.9)
    check_direction(data.IDLE, 50.0)
    check_direction(7, 50.0)
    with pytest.raises(BadReply, match=r"discharging.*\+1\.1 A"):
        check_direction(data.DISCHARGING, 1.1)
    with pytest.raises(BadReply, match=r"is charging.*-1\.1 A"):
        check_direction(data.CHARGING, -1.1)


def test_a5_a_sleeping_board_is_told_and_wakes_with_current() -> None:
    part = PlainBms(16, 4)
    part.current_a = 0.0
    board = DalyA5Device(part, asleep=True)

    async def use(bench: Bench) -> None:
        with pytest.raises(BadReply, match="sleeps"):
            await bench.bms.read()
        assert bench.port.stats.bad_replies == 2, "asked twice, believed never"
        part.current_a = 5.0
        await bench.wait(2 * SECOND)
        assert (await bench.bms.read()).current_a == 5.0
        part.current_a = 0.0
        assert (await bench.bms.read()).current_a == 0.0, "awake from then on"

    with_daly(A5, board, use)


def test_a5_on_uart_the_frames_that_are_not_needed_disturb_nothing() -> None:
    part = PlainBms(7, 2)
    part.current_a = 0.0

    for frames in ("needed", "all"):

        async def use(bench: Bench, frames: str = frames) -> None:
            for spread_v in (0.0, 0.1):
                part.cells_v = np.linspace(3.2, 3.2 + spread_v, 7).round(3)
                sample = await bench.bms.read()
                assert sample.cell_voltages_v.tolist() == part.cells_v.tolist()
                assert sample.temperatures_c == (20.0, 26.0)
            assert bench.sent[0] == "a580940800000000000000" + "00c1"
            assert bench.port.stats.retries == bench.port.stats.timeouts == 0
            assert (bench.port.stats.dropped_bytes > 0) is (frames == "needed")

        with_daly(A5, DalyA5Device(part), use, settings={"host": "uart", "frames": frames})


def test_a5_a_board_that_sends_fewer_frames_than_waited_for_is_a_time_out() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout):
            await bench.bms.read()

    with_daly(A5, DalyA5Device(stated(), all_frames=False), use, settings={"frames": "all"})


def test_a5_a_battery_code_in_frames_of_another_kind_is_no_failure() -> None:
    async def use(bench: Bench) -> None:
        odd = reply_frame(1, data.CODE, bytes(8))
        bench.link.from_device = lambda _t_ns, said: odd if said[2] == data.CODE else said
        assert (await bench.bms.identify()).serial == ""
        bench.link.from_device = lambda _t_ns, said: said
        assert (await bench.bms.read()).cell_voltages_v.size == 16

    with_daly(A5, DalyA5Device(stated()), use)


def test_a5_readings_that_a_board_does_not_give_can_be_left_out() -> None:
    board = DalyA5Device(stated(alarms=("short_circuit",), balancing=True))
    board.charge_on = False
    unanswered = {data.STATE, data.TEMPERATURES, data.FAULTS, data.BALANCING, data.CODE}

    async def use(bench: Bench) -> None:
        bench.link.to_device = lambda _t_ns, sent: b"" if sent[2] in unanswered else sent
        assert (await bench.bms.identify()).serial == "", "no battery code is no failure"
        sample = await bench.bms.read()
        assert sample.cell_voltages_v.size == 16
        assert (sample.temperatures_c, sample.alarms, sample.balancing, sample.charge_limit_a) == ((), None, None, None)
        assert sample.quality is Quality.GOOD

    with_daly(A5, board, use, settings={"leave_out": "state, temperatures,faults,balancing"})


@pytest.mark.parametrize(
    ("settings", "unit", "complaint"),
    [
        ({"raw_above_30000": "positive"}, 1, "raw_above_30000"),
        ({"host": "0x40"}, 1, "host"),
        ({"frames": 16}, 1, "frames"),
        ({"leave_out": "cells"}, 1, "leave_out"),
        ({}, 0, "unit"),
        ({}, 64, "unit"),
    ],
)
def test_a5_wrong_options_are_refused_before_anything_is_asked(
    settings: dict[str, Any], unit: int, complaint: str
) -> None:
    async def use(_bench: Bench) -> None:
        pytest.fail("the driver was made")

    with pytest.raises(InputError, match=complaint):
        with_daly(A5, DalyA5Device(stated()), use, settings=settings, unit=unit)


@pytest.mark.parametrize(
    "values",
    [
        {"temperatures_c": array(-40.0, 20.0, 20.0, 20.0)},
        {"cell_voltages_v": array(3.3, 0.0, 3.3), "voltage_v": 6.6},
        {"cell_voltages_v": array(3.3, 5.6, 3.3), "voltage_v": 12.2},
    ],
)
def test_a5_values_that_no_pack_has_are_implausible(values: dict[str, Any]) -> None:
    async def use(bench: Bench) -> None:
        assert (await bench.bms.read()).quality is Quality.IMPLAUSIBLE

    with_daly(A5, DalyA5Device(stated(**values)), use)


def test_a5_a_soc_above_one_is_implausible() -> None:
    async def use(bench: Bench) -> None:
        reply = reply_frame(1, data.PACK, data.encode_pack(data.Pack(52.8, 0.0, 1.001)))
        bench.link.from_device = lambda _t_ns, said: reply if said[2] == data.PACK else said
        assert (await bench.bms.read()).quality is Quality.IMPLAUSIBLE

    with_daly(A5, DalyA5Device(stated()), use)


@pytest.mark.parametrize("counts", [(0, 1), (49, 1), (16, 113)])
def test_a5_a_board_that_reports_impossible_counts_is_not_read(counts: tuple[int, int]) -> None:
    async def use(bench: Bench) -> None:
        reply = reply_frame(1, data.STATUS, data.encode_status(data.Status(*counts, 0, 0, 0, 0)))
        bench.link.from_device = lambda _t_ns, _said: reply
        with pytest.raises(BadReply, match=f"reports {counts[0]} cells and {counts[1]} sensors"):
            await bench.bms.read()

    with_daly(A5, DalyA5Device(stated()), use)


def test_a5_writes_change_later_readings() -> None:
    switched: list[tuple[bool, bool]] = []
    board = DalyA5Device(stated(soc=0.5), switches=lambda _t_ns, *state: switched.append(state))

    async def use(bench: Bench) -> None:
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a, sample.soc) == (None, None, 0.5)
        off = data.encode_switch(data.Switch(0))
        reply = board.on_bytes(0, request_frame(write(data.SWITCH_CHARGE, off)))
        assert data.decode_switch(reply[4:12]).on == 0
        assert (await bench.bms.read()).charge_limit_a == 0.0
        board.on_bytes(0, request_frame(write(data.SWITCH_DISCHARGE, off)))
        sample = await bench.bms.read()
        assert (sample.charge_limit_a, sample.discharge_limit_a) == (0.0, 0.0)
        board.on_bytes(0, request_frame(write(data.SWITCH_CHARGE, data.encode_switch(data.Switch(1)))))
        assert (await bench.bms.read()).charge_limit_a is None
        assert switched == [(False, True), (False, False), (True, False)]
        reply = board.on_bytes(0, request_frame(write(data.SET_SOC, data.encode_set_soc(data.SetSoc(0.875)))))
        assert reply[4] == 1
        assert (await bench.bms.read()).soc == 0.875
        assert len(board.on_bytes(0, request_frame(write(data.RESTART, bytes(8))))) == 13

    with_daly(A5, board, use)


def test_a5_boards_share_a_bus() -> None:
    boards = [DalyA5Device(stated(soc=number / 10), board=number) for number in (1, 2, 3)]

    async def use(bench: Bench) -> None:
        assert (await bench.bms.read()).soc == 0.2
        assert bench.port.stats.timeouts == 0

    with_daly(A5, BusDevices(boards), use, unit=2)


def test_a5_silence_is_a_time_out() -> None:
    async def use(bench: Bench) -> None:
        with pytest.raises(ReplyTimeout):
            await bench.bms.read()

    with_daly(A5, DalyA5Device(stated(), silent=lambda _t_ns: True), use)
